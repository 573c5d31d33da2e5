/// Target distributions of which each row names a few classes and their probabilities, such as the best k of a teacher.
///
/// ```swift
/// // Two rows: one of classes 3 and 0, and one of classes 2 and 1.
/// let target = SparseTarget(indices: [3, 0, 2, 1], probs: [0.7, 0.2, 0.5, 0.5], rest: .spread)
/// let value = try CrossEntropyLoss()(logits, target: target, classes: 10)
/// ```
///
/// The arrays hold one row's entries after the other's. An entry whose class is the loss's `ignoreIndex` is left out, and a
/// row without entries is ignored. A class that occurs twice in a row is an error, and so is a class outside `0 ..< classes`.
public struct SparseTarget<Label: LabelScalar, Scalar: LossScalar>: Sendable {
    /// The classes that rows name.
    public var indices: [Label]
    /// The probability of each of these classes, or the number that the loss's ``TargetType`` says.
    ///
    /// Logits only with ``TargetRest/renormalize``, because they do not tell the probability of the other classes.
    public var probs: [Scalar]
    /// The positions at which each row's entries begin, and at which the last one's end; `nil`: all rows name the same
    /// number of classes.
    ///
    /// The array has one number more than there are rows; row i has the entries from `offsets[i]` up to `offsets[i + 1]`.
    public var offsets: [Int]?
    /// The use of the probability that a row does not name.
    public var rest: TargetRest

    public init(indices: [Label], probs: [Scalar], offsets: [Int]? = nil, rest: TargetRest = .drop) {
        self.indices = indices
        self.probs = probs
        self.offsets = offsets
        self.rest = rest
    }
}

extension SparseTarget: ArrayTarget {
    static var names: [String: String] {
        [
            "target": "target.indices", "target_probs": "target.probs", "target_offsets": "target.offsets",
            "target_rest": "target.rest",
        ]
    }

    func withViews<R>(
        rows: Int, classes: Int, _ body: (TargetViews) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R {
        guard probs.count == indices.count else {
            throw CrossEntropyError(
                .shape, "target.probs holds \(probs.count) numbers, but target.indices holds \(indices.count)")
        }
        let shape = try shape(rows)
        return try indices.withUnsafeBufferPointer { indices throws(CrossEntropyError) in
            try probs.withUnsafeBufferPointer { probs throws(CrossEntropyError) in
                try withView(labels: offsets) { offsets throws(CrossEntropyError) in
                    try body(
                        TargetViews(
                            values: TensorView(labels: indices.baseAddress, shape: shape),
                            probs: TensorView(reading: probs.baseAddress, shape: shape), offsets: offsets, rest: rest))
                }
            }
        }
    }

    private func shape(_ rows: Int) throws(CrossEntropyError) -> [Int] {
        if offsets != nil { return [indices.count] }
        if rows == 0 && indices.isEmpty { return [0, 0] }
        guard rows > 0 && indices.count % rows == 0 else {
            throw CrossEntropyError(
                .shape, "target.indices holds \(indices.count), not equally many for each of \(rows) rows; give offsets"
            )
        }
        return [rows, indices.count / rows]
    }
}
