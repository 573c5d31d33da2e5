/// Functions of arrays, which hold rows of `classes` numbers each, one after the other.
///
/// Distributions hold as many numbers as the input: probabilities, or the numbers that ``targetType`` names.
///
/// All of these functions throw a ``CrossEntropyError`` if lengths do not fit together,
/// or if a class or an option is out of range.
extension KLDivergence {
    /// The divergence from distributions, reduced to one number.
    public func callAsFunction<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try results(ArrayCall(input, Distributions(distributions), classes, sampleWeights)).losses[0]
    }

    /// The divergence from distributions of a few classes each, reduced to one number.
    public func callAsFunction<Scalar: LossScalar, Label, Prob>(
        _ input: [Scalar], target: SparseTarget<Label, Prob>, classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try results(ArrayCall(input, target, classes, sampleWeights)).losses[0]
    }

    /// The divergence from distributions, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let results = try results(
            ArrayCall(input, Distributions(distributions), classes, sampleWeights), gradient: true)
        return (results.losses[0], results.gradient)
    }

    /// The divergence from distributions of a few classes each, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar, Label, Prob>(
        _ input: [Scalar], target: SparseTarget<Label, Prob>, classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let results = try results(ArrayCall(input, target, classes, sampleWeights), gradient: true)
        return (results.losses[0], results.gradient)
    }

    /// The divergence from distributions, and its gradients with respect to each number of the input and of the
    /// distributions, in one pass.
    public func withGradients<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar], targetGradient: [Scalar]) {
        let results = try results(
            ArrayCall(input, Distributions(distributions), classes, sampleWeights), gradient: true,
            targetGradient: true)
        return (results.losses[0], results.gradient, results.targetGradient)
    }

    /// Each row's divergence from its distribution.
    public func perRow<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try results(ArrayCall(input, Distributions(distributions), classes, sampleWeights), keepingRows: true).losses
    }

    /// Each row's divergence from its distribution of a few classes.
    public func perRow<Scalar: LossScalar, Label, Prob>(
        _ input: [Scalar], target: SparseTarget<Label, Prob>, classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try results(ArrayCall(input, target, classes, sampleWeights), keepingRows: true).losses
    }

    private func results<Scalar, Target>(
        _ arrays: ArrayCall<Scalar, Target>, keepingRows: Bool = false, gradient: Bool = false,
        targetGradient: Bool = false
    ) throws(CrossEntropyError) -> ArrayCall<Scalar, Target>.Results {
        try arrays.results(keepingRows: keepingRows, gradient: gradient, targetGradient: targetGradient) {
            call, loss, gradient throws(CrossEntropyError) in
            try run(call, keepingRows: keepingRows, loss, gradient)
        }
    }
}
