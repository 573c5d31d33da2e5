/// Arrays: rows of `classes` numbers each, one after the other. Labels are class indices, one for each row;
/// distributions hold as many numbers as the input.
///
/// All of these throw a ``CrossEntropyError`` if lengths do not fit together, a label is out of range or an option is.
extension CrossEntropyLoss {
    /// The loss, reduced to one number.
    public func callAsFunction<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try compute(input, Labels(labels), classes, sampleWeights, keepingRows: false, wantsGradient: false).losses[0]
    }

    /// The loss against distributions, reduced to one number.
    public func callAsFunction<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try compute(
            input, Distributions(distributions, classes), classes, sampleWeights, keepingRows: false,
            wantsGradient: false
        ).losses[0]
    }

    /// The loss, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let result = try compute(
            input, Labels(labels), classes, sampleWeights, keepingRows: false, wantsGradient: true)
        return (result.losses[0], result.gradient)
    }

    /// The loss against distributions, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let result = try compute(
            input, Distributions(distributions, classes), classes, sampleWeights, keepingRows: false,
            wantsGradient: true)
        return (result.losses[0], result.gradient)
    }

    /// Each row's loss.
    public func perRow<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try compute(input, Labels(labels), classes, sampleWeights, keepingRows: true, wantsGradient: false).losses
    }

    /// Each row's loss against its distribution.
    public func perRow<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try compute(
            input, Distributions(distributions, classes), classes, sampleWeights, keepingRows: true,
            wantsGradient: false
        ).losses
    }

    private func compute<Scalar: LossScalar, Target: ArrayTarget>(
        _ input: [Scalar], _ target: Target, _ classes: Int, _ sampleWeights: [Double]?, keepingRows: Bool,
        wantsGradient: Bool
    ) throws(CrossEntropyError) -> (losses: [Scalar], gradient: [Scalar]) {
        let rows = try rowCount(input.count, classes)
        try target.check(inputCount: input.count)
        var losses = [Scalar](repeating: .nan, count: keepingRows ? rows : 1)
        var gradient = [Scalar](repeating: .nan, count: wantsGradient ? input.count : 0)
        var failure: CrossEntropyError?
        input.withUnsafeBufferPointer { input in
            target.withView { target in
                (sampleWeights ?? []).withUnsafeBufferPointer { weights in
                    losses.withUnsafeMutableBufferPointer { losses in
                        gradient.withUnsafeMutableBufferPointer { gradient in
                            do throws(CrossEntropyError) {
                                try evaluate(
                                    TensorView(reading: input.baseAddress, shape: [rows, classes]), target: target,
                                    sampleWeight: sampleWeights == nil
                                        ? nil : TensorView(reading: weights.baseAddress, shape: [weights.count]),
                                    loss: TensorView(writing: losses.baseAddress, shape: keepingRows ? [rows] : []),
                                    keepingRows: keepingRows,
                                    gradient: wantsGradient
                                        ? TensorView(writing: gradient.baseAddress, shape: [rows, classes]) : nil)
                            } catch {
                                failure = error
                            }
                        }
                    }
                }
            }
        }
        if let failure { throw failure }
        return (losses, gradient)
    }
}

private protocol ArrayTarget {
    func check(inputCount: Int) throws(CrossEntropyError)
    func withView(_ body: (TensorView) -> Void)
}

private struct Labels<Label: LabelScalar>: ArrayTarget {
    let labels: [Label]

    init(_ labels: [Label]) { self.labels = labels }

    func check(inputCount: Int) {}

    func withView(_ body: (TensorView) -> Void) {
        labels.withUnsafeBufferPointer { body(TensorView(labels: $0.baseAddress, shape: [$0.count])) }
    }
}

private struct Distributions<Scalar: LossScalar>: ArrayTarget {
    let values: [Scalar]
    let classes: Int

    init(_ values: [Scalar], _ classes: Int) {
        self.values = values
        self.classes = classes
    }

    func check(inputCount: Int) throws(CrossEntropyError) {
        guard values.count == inputCount else {
            throw CrossEntropyError(
                .shape, "the distributions hold \(values.count) numbers, but the input holds \(inputCount)")
        }
    }

    func withView(_ body: (TensorView) -> Void) {
        values.withUnsafeBufferPointer {
            body(TensorView(reading: $0.baseAddress, shape: [$0.count / classes, classes]))
        }
    }
}
