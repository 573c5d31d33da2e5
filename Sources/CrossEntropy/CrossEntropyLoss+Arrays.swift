import CCrossEntropy

/// Functions of arrays, which hold rows of `classes` numbers each, one after the other.
///
/// Labels are class indices, one for each row. Distributions hold as many numbers as the input: probabilities, or the
/// numbers that ``targetType`` names.
///
/// All of these functions throw a ``CrossEntropyError`` if lengths do not fit together,
/// or if a label or an option is out of range.
extension CrossEntropyLoss {
    /// The loss, reduced to one number.
    public func callAsFunction<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try results(ArrayCall(input, Labels(labels), classes, sampleWeights)).losses[0]
    }

    /// The loss against distributions, reduced to one number.
    public func callAsFunction<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try results(ArrayCall(input, Distributions(distributions), classes, sampleWeights)).losses[0]
    }

    /// The loss against distributions of a few classes each, reduced to one number.
    public func callAsFunction<Scalar: LossScalar, Label, Prob>(
        _ input: [Scalar], target: SparseTarget<Label, Prob>, classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Scalar {
        try results(ArrayCall(input, target, classes, sampleWeights)).losses[0]
    }

    /// The loss, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let results = try results(ArrayCall(input, Labels(labels), classes, sampleWeights), gradient: true)
        return (results.losses[0], results.gradient)
    }

    /// The loss against distributions, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let results = try results(
            ArrayCall(input, Distributions(distributions), classes, sampleWeights), gradient: true)
        return (results.losses[0], results.gradient)
    }

    /// The loss against distributions of a few classes each, and its gradient with respect to each number of the input.
    public func withGradient<Scalar: LossScalar, Label, Prob>(
        _ input: [Scalar], target: SparseTarget<Label, Prob>, classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar]) {
        let results = try results(ArrayCall(input, target, classes, sampleWeights), gradient: true)
        return (results.losses[0], results.gradient)
    }

    /// The loss against distributions, and its gradients with respect to each number of the input and of the distributions,
    /// in one pass.
    ///
    /// The second gradient is with respect to the distributions as given. For probabilities it is w (1 - e) f, where f
    /// is lse - z (for the input types ``InputType/probs`` and ``InputType/logProbs`` -log x and -x). For logarithms of
    /// probabilities it is q times that. For a teacher's logits it is q / T (u - Σ q u), where u is the gradient for
    /// probabilities. Where q is 0 it may be infinite. Refused with ``focalGamma``, ``polyEpsilon`` and
    /// ``MeanOver/mass``.
    public func withGradients<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, gradient: [Scalar], targetGradient: [Scalar]) {
        let results = try results(
            ArrayCall(input, Distributions(distributions), classes, sampleWeights), gradient: true,
            targetGradient: true)
        return (results.losses[0], results.gradient, results.targetGradient)
    }

    /// The loss and the row statistics of logits, from the same pass.
    public func withStatistics<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> (loss: Scalar, statistics: RowStatistics) {
        var statistics = RowStatistics(rows: try rowCount(input.count, classes))
        var losses = [Scalar]()
        try statistics.withPlaces { places throws(CrossEntropyError) in
            let arrays = ArrayCall(input, Labels(labels), classes, sampleWeights)
            losses = try arrays.results { call, loss, _ throws(CrossEntropyError) in
                var call = call
                call.statistics = places
                try run(.crossEntropy, call, loss, nil)
            }.losses
        }
        return (losses[0], statistics)
    }

    /// Each row's loss.
    public func perRow<Scalar: LossScalar, Label: LabelScalar>(
        _ input: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try results(ArrayCall(input, Labels(labels), classes, sampleWeights), keepingRows: true).losses
    }

    /// Each row's loss against its distribution.
    public func perRow<Scalar: LossScalar>(
        _ input: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try results(ArrayCall(input, Distributions(distributions), classes, sampleWeights), keepingRows: true).losses
    }

    /// Each row's loss against its distribution of a few classes.
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
            try run(.crossEntropy, call, keepingRows: keepingRows, loss, gradient)
        }
    }
}
