/// Functions of arrays, which hold rows of `classes` numbers each, one after the other.
///
/// Without class or positive weights the length of rows does not matter. Labels, targets and sample weights hold as
/// many numbers as the input.
///
/// All of these functions throw a ``CrossEntropyError`` if lengths do not fit together, a label is neither 0 nor 1 or
/// an option is out of range.
extension BinaryCrossEntropyLoss {
    /// The loss, reduced to one number.
    public func callAsFunction<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int = 1, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try compute(input, labels, "labels", Label.dtype, classes, sampleWeights, keeps: false, wantsGradient: false)
            .losses[0]
    }

    /// The loss against targets that are any real numbers, reduced to one number.
    public func callAsFunction<Scalar: LossScalar>(
        _ input: [Scalar], targets: [Scalar], classes: Int = 1, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try compute(input, targets, "targets", Scalar.dtype, classes, sampleWeights, keeps: false, wantsGradient: false)
            .losses[0]
    }

    /// The loss, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int = 1, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let result = try compute(
            input, labels, "labels", Label.dtype, classes, sampleWeights, keeps: false, wantsGradient: true)
        return (result.losses[0], result.gradient)
    }

    /// The loss against targets that are any real numbers, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar>(
        _ input: [Scalar], targets: [Scalar], classes: Int = 1, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let result = try compute(
            input, targets, "targets", Scalar.dtype, classes, sampleWeights, keeps: false, wantsGradient: true)
        return (result.losses[0], result.gradient)
    }

    /// Each element's loss.
    public func perElement<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int = 1, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try compute(input, labels, "labels", Label.dtype, classes, sampleWeights, keeps: true, wantsGradient: false)
            .losses
    }

    /// Each element's loss against its target.
    public func perElement<Scalar: LossScalar>(
        _ input: [Scalar], targets: [Scalar], classes: Int = 1, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try compute(input, targets, "targets", Scalar.dtype, classes, sampleWeights, keeps: true, wantsGradient: false)
            .losses
    }

    private func compute<Scalar: LossScalar, Target>(
        _ input: [Scalar], _ target: [Target], _ targetName: String, _ targetType: Int32, _ classes: Int,
        _ sampleWeights: [Double]?, keeps: Bool, wantsGradient: Bool
    ) throws(CrossEntropyError) -> (losses: [Scalar], gradient: [Scalar]) {
        let shape = [try rowCount(input.count, classes), classes]
        func check(_ count: Int, _ name: String) throws(CrossEntropyError) {
            if count == input.count { return }
            throw CrossEntropyError(.shape, "\(name) holds \(count) numbers, but the input holds \(input.count)")
        }
        try check(target.count, targetName)
        try check(sampleWeights?.count ?? input.count, "sampleWeights")
        var losses = [Scalar](repeating: .nan, count: keeps ? input.count : 1)
        var gradient = [Scalar](repeating: .nan, count: wantsGradient ? input.count : 0)
        var failure: CrossEntropyError?
        input.withUnsafeBufferPointer { input in
            target.withUnsafeBufferPointer { target in
                (sampleWeights ?? []).withUnsafeBufferPointer { weights in
                    losses.withUnsafeMutableBufferPointer { losses in
                        gradient.withUnsafeMutableBufferPointer { gradient in
                            do throws(CrossEntropyError) {
                                let weights = TensorView(reading: weights.baseAddress, shape: shape)
                                let output = TensorView(writing: gradient.baseAddress, shape: shape)
                                try evaluate(
                                    TensorView(reading: input.baseAddress, shape: shape), -1,
                                    TensorView(
                                        data: UnsafeMutableRawPointer(mutating: target.baseAddress), dtype: targetType,
                                        shape: shape),
                                    nil, nil, sampleWeights == nil ? nil : weights, 1,
                                    TensorView(writing: losses.baseAddress, shape: keeps ? shape : []), keeps,
                                    wantsGradient ? output : nil,
                                    names: ["target": targetName, "sample_weight": "sampleWeights"])
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
