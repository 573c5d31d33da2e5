import CCrossEntropy

extension CrossEntropyLoss {
    /// The loss of contiguous rows and its gradient, written to the caller's memory.
    ///
    /// - Parameters:
    ///   - input: Rows of `classes` numbers each, one after the other.
    ///   - labels: A class index for each row.
    ///   - classes: At least 1.
    ///   - sampleWeights: A weight for each row.
    ///   - gradient: As many numbers as the input.
    /// - Returns: The loss, reduced.
    /// - Throws: ``CrossEntropyError``; then nothing has been written.
    public func callAsFunction<Scalar: LossScalar, Label: LabelScalar>(
        _ input: Span<Scalar>, labels: Span<Label>, classes: Int, sampleWeights: Span<Double>? = nil,
        gradient: inout MutableSpan<Scalar>
    ) throws(CrossEntropyError) -> Scalar {
        var value = [Scalar.nan]
        var failure: CrossEntropyError?
        value.withUnsafeMutableBufferPointer { value in
            do throws(CrossEntropyError) {
                try withBuffers(input, labels, sampleWeights) { input, labels, weights throws(CrossEntropyError) in
                    let rows = try rowCount(input.count, classes)
                    try gradient.withUnsafeMutableBufferPointer { gradient throws(CrossEntropyError) in
                        guard gradient.count == input.count else {
                            throw CrossEntropyError(
                                .shape,
                                "gradient has room for \(gradient.count) numbers, but the input holds \(input.count)"
                            )
                        }
                        let call = RowCall(
                            input: TensorView(reading: input.baseAddress, shape: [rows, classes]), classAxis: 1,
                            target: TargetViews(
                                values: TensorView(labels: labels.baseAddress, shape: [labels.count])),
                            sampleWeight: weights.map { TensorView(reading: $0.baseAddress, shape: [$0.count]) },
                            names: ["target": "labels", "sample_weight": "sampleWeights"])
                        try run(
                            .crossEntropy, call, TensorView(writing: value.baseAddress, shape: []),
                            TensorView(writing: gradient.baseAddress, shape: [rows, classes]))
                    }
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return value[0]
    }
}

/// The number of rows of `classes` numbers that `count` numbers make.
func rowCount(_ count: Int, _ classes: Int, of name: String = "input") throws(CrossEntropyError) -> Int {
    guard classes > 0 else { throw CrossEntropyError(.shape, "classes is \(classes); it must be at least 1") }
    guard count % classes == 0 else {
        throw CrossEntropyError(
            .shape, "\(name) holds \(count) numbers, not a whole number of rows of \(classes) classes")
    }
    return count / classes
}

private func withBuffers<Scalar, Label>(
    _ input: Span<Scalar>, _ labels: Span<Label>, _ sampleWeights: Span<Double>?,
    _ body: (UnsafeBufferPointer<Scalar>, UnsafeBufferPointer<Label>, UnsafeBufferPointer<Double>?)
        throws(CrossEntropyError) -> Void
) throws(CrossEntropyError) {
    try input.withUnsafeBufferPointer { input throws(CrossEntropyError) in
        try labels.withUnsafeBufferPointer { labels throws(CrossEntropyError) in
            if let sampleWeights {
                try sampleWeights.withUnsafeBufferPointer { weights throws(CrossEntropyError) in
                    try body(input, labels, weights)
                }
            } else {
                try body(input, labels, nil)
            }
        }
    }
}
