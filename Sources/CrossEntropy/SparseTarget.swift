/// Target distributions of which each row names a few classes and their probabilities: the best k of a teacher, say.
///
/// ```swift
/// // Two rows: one of classes 3 and 0, and one of classes 2 and 1.
/// let target = SparseTarget(indices: [3, 0, 2, 1], probs: [0.7, 0.2, 0.5, 0.5], rest: .spread)
/// let value = try CrossEntropyLoss()(logits, target: target, classes: 10)
/// ```
///
/// Names are one row's after the other's. An entry whose class is the loss's `ignoreIndex` is left out, and a row without
/// entries is ignored. A class twice in a row is an error, as is one outside `0 ..< classes`.
public struct SparseTarget<Label: LabelScalar, Scalar: LossScalar>: Sendable {
    /// The classes.
    public var indices: [Label]
    /// For each of them its probability, or what the loss's ``TargetType`` says; logits only with
    /// ``TargetRest/renormalize``, as they do not tell the probability of the rest.
    public var probs: [Scalar]
    /// Where each row's entries begin, and the last one's end: one number more than there are rows, and row i has the
    /// entries from `offsets[i]` up to `offsets[i + 1]`. `nil`: all rows name the same number of classes.
    public var offsets: [Int]?
    /// What becomes of the probability that a row does not name.
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
