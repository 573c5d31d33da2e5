import CCrossEntropy

/// The exact mean of losses that arrive in parts, over batches, processes or machines.
///
/// Sums are exact, and rounded only when they are read. So they have the same bits for any order of the rows and any
/// split of the rows over accumulators. Equal values have equal bytes.
///
/// ```swift
/// var total = LossAccumulator()
/// try total.add(loss.perRow(logits, labels: labels, classes: 10))
/// print(total.mean)
/// ```
public struct LossAccumulator: Sendable, Equatable {
    /// The contents, in the layout of C's `ce_accumulator`.
    public private(set) var bytes: [UInt8]

    /// An accumulator without rows.
    public init() {
        bytes = [UInt8](repeating: 0, count: MemoryLayout<ce_accumulator>.size)
        withContent { _ = ce_accumulator_init($0) }
    }

    /// An accumulator from ``bytes``.
    ///
    /// - Throws: ``CrossEntropyError`` with the code ``CrossEntropyError/Code/partial`` if the bytes are not an accumulator.
    public init(bytes: [UInt8]) throws(CrossEntropyError) {
        guard bytes.count == MemoryLayout<ce_accumulator>.size else {
            throw CrossEntropyError(
                .partial, "\(bytes.count) bytes are no accumulator, which has \(MemoryLayout<ce_accumulator>.size)")
        }
        self.bytes = bytes
        var content = content
        guard ce_accumulator_result(&content, nil, nil, nil) == CE_OK else {
            throw CrossEntropyError(.partial, "bytes hold no accumulator of version \(CE_ACCUMULATOR_VERSION)")
        }
    }

    /// Adds rows.
    ///
    /// - Parameters:
    ///   - losses: Each row's loss, weighted, as `perRow` returns it.
    ///   - weights: The weight of each loss, 0 for ignored rows; a row of weight 0 does not count, whatever its loss
    ///     is. `nil`: all 1, which counts ignored rows, too.
    ///   - correct: Whether each row was predicted correctly; `nil`: not known.
    /// - Throws: ``CrossEntropyError`` if the arrays differ in length. Nothing has been added then.
    public mutating func add<Scalar: LossScalar>(
        _ losses: [Scalar], weights: [Scalar]? = nil, correct: [Bool]? = nil
    ) throws(CrossEntropyError) {
        let flags = correct?.map { UInt8($0 ? 1 : 0) }
        var failure: CrossEntropyError?
        losses.withUnsafeBufferPointer { losses in
            (weights ?? []).withUnsafeBufferPointer { values in
                (flags ?? []).withUnsafeBufferPointer { marks in
                    do throws(CrossEntropyError) {
                        try add(
                            TensorView(reading: losses.baseAddress, shape: [losses.count]),
                            weights: weights == nil
                                ? nil : TensorView(reading: values.baseAddress, shape: [values.count]),
                            correct: flags == nil ? nil : TensorView(labels: marks.baseAddress, shape: [marks.count]))
                    } catch {
                        failure = error
                    }
                }
            }
        }
        if let failure { throw failure }
    }

    /// Adds rows from views of any shape and strides; `correct` holds integers, not 0 for a correct row.
    public mutating func add(
        _ losses: TensorView, weights: TensorView? = nil, correct: TensorView? = nil
    ) throws(CrossEntropyError) {
        let status = try TensorView.withTensor(losses) { losses throws(CrossEntropyError) in
            try TensorView.withTensor(weights) { weights throws(CrossEntropyError) in
                try TensorView.withTensor(correct) { correct throws(CrossEntropyError) in
                    withContent { ce_accumulator_add($0, losses, weights, correct) }
                }
            }
        }
        if status != CE_OK { throw CrossEntropyError(status: status, names: ["loss": "losses", "weight": "weights"]) }
    }

    /// Adds the rows of another accumulator.
    public mutating func merge(_ other: LossAccumulator) {
        var content = other.content
        withContent { _ = ce_accumulator_merge($0, &content) }
    }

    /// The sum of the losses divided by the sum of the weights; NaN if nothing has been added.
    public var mean: Double {
        var mean = Double.nan
        var content = content
        ce_accumulator_result(&content, &mean, nil, nil)
        return mean
    }

    /// The sum of the losses.
    public var sum: Double {
        var sum = Double.nan
        var content = content
        ce_accumulator_result(&content, nil, &sum, nil)
        return sum
    }

    /// The sum of the weights; without weights, ``count``.
    public var weight: Double {
        var weight = Double.nan
        var content = content
        ce_accumulator_result(&content, nil, nil, &weight)
        return weight
    }

    /// The number of rows, without those of weight 0.
    public var count: Int { Int(content.rows) }

    /// The share of correct rows among the rows that were added with `correct`; NaN if there are none.
    public var accuracy: Double { Double(content.correct) / Double(content.judged) }

    private var content: ce_accumulator { bytes.withUnsafeBytes { $0.loadUnaligned(as: ce_accumulator.self) } }

    private mutating func withContent<R>(_ body: (UnsafeMutablePointer<ce_accumulator>) -> R) -> R {
        var content = content
        defer { withUnsafeBytes(of: &content) { bytes = Array($0) } }
        return body(&content)
    }
}

#if !hasFeature(Embedded)
    extension LossAccumulator: Codable {
        public init(from decoder: any Decoder) throws {
            try self.init(bytes: decoder.singleValueContainer().decode([UInt8].self))
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(bytes)
        }
    }
#endif
