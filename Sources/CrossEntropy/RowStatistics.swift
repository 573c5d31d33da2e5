import CCrossEntropy

/// Statistics of rows of logits: one number for each row.
///
/// Rows with +infinity, or with nothing but -infinity, have `lse`, `max` and `argmax`, and NaN or -1 for the others.
/// Other rows with NaN have NaN or -1 throughout.
public struct RowStatistics: Equatable, Sendable {
    /// log Σ exp(z[c]).
    public var lse: [Double]
    /// The largest logit.
    public var max: [Double]
    /// The class of the largest logit, the first of several.
    public var argmax: [Int64]
    /// -Σ p log p in nats, from 0 to log(classes).
    public var entropy: [Double]
    /// The probability of the label; NaN without labels and in rows that are ignored.
    public var targetProbability: [Double]
    /// The number of classes ahead of the label's: those of larger logits and, among equal logits, those of lower index.
    ///
    /// 0 if the prediction is right; -1 where ``targetProbability`` is NaN.
    public var targetRank: [Int64]

    /// Memory for rows that are all dimensions of the input but one. The C call refuses a wrong axis or length.
    init(of input: TensorView, classAxis: Int) {
        let axis = classAxis < 0 ? classAxis + input.shape.count : classAxis
        var rows = 1
        for (d, length) in input.shape.enumerated() where d != axis {
            let (product, overflow) = rows.multipliedReportingOverflow(by: Swift.max(0, length))
            rows = overflow ? 0 : product
        }
        self.init(rows: rows)
    }

    init(rows: Int) {
        lse = [Double](repeating: .nan, count: rows)
        max = lse
        entropy = lse
        targetProbability = lse
        argmax = [Int64](repeating: -1, count: rows)
        targetRank = argmax
    }

    /// Whether each row's label is among the `k` best classes.
    public func correct(k: Int = 1) -> [Bool] { targetRank.map { $0 >= 0 && $0 < k } }

    /// Calls `body` with the memory to which C writes the numbers.
    mutating func withPlaces(
        _ body: (UnsafePointer<ce_row_stats>) throws(CrossEntropyError) -> Void
    ) throws(CrossEntropyError) {
        var failure: CrossEntropyError?
        lse.withUnsafeMutableBufferPointer { lse in
            max.withUnsafeMutableBufferPointer { max in
                argmax.withUnsafeMutableBufferPointer { argmax in
                    entropy.withUnsafeMutableBufferPointer { entropy in
                        targetProbability.withUnsafeMutableBufferPointer { probability in
                            targetRank.withUnsafeMutableBufferPointer { rank in
                                var stats = ce_row_stats(
                                    size: UInt64(MemoryLayout<ce_row_stats>.size), lse: lse.baseAddress,
                                    max: max.baseAddress, argmax: argmax.baseAddress, entropy: entropy.baseAddress,
                                    target_prob: probability.baseAddress, target_rank: rank.baseAddress)
                                do throws(CrossEntropyError) {
                                    try body(&stats)
                                } catch {
                                    failure = error
                                }
                            }
                        }
                    }
                }
            }
        }
        if let failure { throw failure }
    }
}
