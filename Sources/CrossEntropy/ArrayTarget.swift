/// A target as the C functions take it.
struct TargetViews {
    /// Labels, distributions, or the classes that a sparse target names.
    var values: TensorView
    /// For sparse targets.
    var probs: TensorView?
    var offsets: TensorView?
    var rest = TargetRest.drop
}

/// A target in arrays.
protocol ArrayTarget {
    /// The names of the target and its parts in the Swift functions, by their names in C.
    static var names: [String: String] { get }

    func withViews<R>(
        rows: Int, classes: Int, _ body: (TargetViews) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R
}

/// A class index for each row.
struct Labels<Label: LabelScalar>: ArrayTarget {
    static var names: [String: String] { ["target": "labels"] }

    let labels: [Label]

    init(_ labels: [Label]) { self.labels = labels }

    func withViews<R>(
        rows: Int, classes: Int, _ body: (TargetViews) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R {
        try withView(labels: labels) { labels throws(CrossEntropyError) in try body(TargetViews(values: labels!)) }
    }
}

/// A number for each class of each row.
struct Distributions<Scalar: LossScalar>: ArrayTarget {
    static var names: [String: String] { ["target": "distributions"] }

    let values: [Scalar]

    init(_ values: [Scalar]) { self.values = values }

    func withViews<R>(
        rows: Int, classes: Int, _ body: (TargetViews) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R {
        guard values.count == rows * classes else {
            throw CrossEntropyError(
                .shape, "distributions holds \(values.count) numbers, but the input holds \(rows * classes)")
        }
        return try values.withUnsafeBufferPointer { values throws(CrossEntropyError) in
            try body(TargetViews(values: TensorView(reading: values.baseAddress, shape: [rows, classes])))
        }
    }
}

/// Calls `body` with a view of the numbers, or with `nil` for none.
func withView<Scalar: LossScalar, R>(
    _ numbers: [Scalar]?, _ body: (TensorView?) throws(CrossEntropyError) -> R
) throws(CrossEntropyError) -> R {
    guard let numbers else { return try body(nil) }
    return try numbers.withUnsafeBufferPointer { numbers throws(CrossEntropyError) in
        try body(TensorView(reading: numbers.baseAddress, shape: [numbers.count]))
    }
}

func withView<Label: LabelScalar, R>(
    labels: [Label]?, _ body: (TensorView?) throws(CrossEntropyError) -> R
) throws(CrossEntropyError) -> R {
    guard let labels else { return try body(nil) }
    return try labels.withUnsafeBufferPointer { labels throws(CrossEntropyError) in
        try body(TensorView(labels: labels.baseAddress, shape: [labels.count]))
    }
}
