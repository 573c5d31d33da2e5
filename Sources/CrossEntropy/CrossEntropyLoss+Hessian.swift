import CCrossEntropy

/// Second derivatives of the loss with respect to the logits.
///
/// With target mass a = w q of each class, A = Σ a and m = Σ p v, the Hessian H of a row of sample weight s has
///
///     (H v)[c] = s (A p[c] (v[c] - m) + 2 zLoss p[c] (m + lse (v[c] - m)))
///     H[c, c]  = s (A p[c] (1 - p[c]) + 2 zLoss p[c] (p[c] + lse (1 - p[c])))
///
/// All of this is multiplied by (logitScale / T)² for the temperature T, and reduced as the loss is. Different rows
/// have no second derivatives in common: H is block-diagonal, and without ``zLoss`` positive semi-definite. Ignored
/// rows and rows of weight 0 have 0; rows whose loss is NaN have NaN.
///
/// Only for ``InputType/logits``, and without ``focalGamma``, ``polyEpsilon`` and ``softcap``. Other options throw a
/// ``CrossEntropyError``, as does everything that the loss refuses.
extension CrossEntropyLoss {
    // MARK: Arrays: rows of `classes` numbers each, one after the other

    /// H v, for a vector of as many numbers as there are logits.
    public func hessianVectorProduct<Scalar: LossScalar, Label: LabelScalar>(
        _ logits: [Scalar], labels: [Label], vector: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try product(ArrayCall(logits, Labels(labels), classes, sampleWeights, inputName: "logits"), vector)
    }

    /// H v of the loss against distributions.
    public func hessianVectorProduct<Scalar: LossScalar>(
        _ logits: [Scalar], distributions: [Scalar], vector: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try product(
            ArrayCall(logits, Distributions(distributions), classes, sampleWeights, inputName: "logits"), vector)
    }

    /// H v of the loss against distributions of a few classes each.
    public func hessianVectorProduct<Scalar: LossScalar, Label, Prob>(
        _ logits: [Scalar], target: SparseTarget<Label, Prob>, vector: [Scalar], classes: Int,
        sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try product(ArrayCall(logits, target, classes, sampleWeights, inputName: "logits"), vector)
    }

    /// The diagonal of H, a number for each logit.
    public func hessianDiagonal<Scalar: LossScalar, Label: LabelScalar>(
        _ logits: [Scalar], labels: [Label], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try diagonal(ArrayCall(logits, Labels(labels), classes, sampleWeights, inputName: "logits"))
    }

    /// The diagonal of H of the loss against distributions.
    public func hessianDiagonal<Scalar: LossScalar>(
        _ logits: [Scalar], distributions: [Scalar], classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try diagonal(ArrayCall(logits, Distributions(distributions), classes, sampleWeights, inputName: "logits"))
    }

    /// The diagonal of H of the loss against distributions of a few classes each.
    public func hessianDiagonal<Scalar: LossScalar, Label, Prob>(
        _ logits: [Scalar], target: SparseTarget<Label, Prob>, classes: Int, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        try diagonal(ArrayCall(logits, target, classes, sampleWeights, inputName: "logits"))
    }

    // MARK: Views of any shape and strides

    /// Computes H v for views of any shape and strides, and writes it to the caller's memory.
    ///
    /// - Parameters:
    ///   - input: Logits: `Float`, `Double` or a 16-bit format, at least one dimension.
    ///   - classAxis: The dimension of the input that holds the classes; -1 is the last. The others are the rows.
    ///   - target: Class indices, with the shape of the input without the class axis; or distributions, of any format with
    ///     the shape of the input; or the class indices of a sparse target.
    ///   - targetProbs: Makes the target sparse, as in the loss.
    ///   - targetOffsets: The positions at which each row's part of a sparse target begins.
    ///   - targetRest: The use of the probability that a row of a sparse target does not name.
    ///   - classWeight: A weight for each class, in place of ``classWeights``.
    ///   - prior: A number for each class, in place of ``prior``.
    ///   - sampleWeight: A weight for each row, with the shape of the input without the class axis.
    ///   - mask: Integers, with the shape of the input without the class axis: rows where it is 0 have 0.
    ///   - gradLoss: Upstream gradient, which multiplies H.
    ///   - gradLosses: With `keepingRows`, the upstream gradient of each row's loss, with the shape of the input without the
    ///     class axis.
    ///   - keepingRows: H is that of each row's own loss.
    ///   - vector: Of the input's shape: `Float`, `Double` or a 16-bit format.
    ///   - output: Of the input's shape and type (for 16-bit input also `Float`). It may be the input or the vector itself,
    ///     which is then replaced.
    /// - Throws: ``CrossEntropyError``; then nothing has been written.
    public func hessianVectorProduct(
        _ input: TensorView, classAxis: Int = -1, target: TensorView, targetProbs: TensorView? = nil,
        targetOffsets: TensorView? = nil, targetRest: TargetRest = .drop, classWeight: TensorView? = nil,
        prior: TensorView? = nil, sampleWeight: TensorView? = nil, mask: TensorView? = nil, gradLoss: Double = 1,
        gradLosses: TensorView? = nil, keepingRows: Bool = false, vector: TensorView, output: TensorView
    ) throws(CrossEntropyError) {
        let call = RowCall(
            input: input, classAxis: classAxis,
            target: TargetViews(values: target, probs: targetProbs, offsets: targetOffsets, rest: targetRest),
            classWeight: classWeight, prior: prior, sampleWeight: sampleWeight, mask: mask, gradLosses: gradLosses)
        try run(.hessianVectorProduct, call, keepingRows: keepingRows, gradLoss: gradLoss, vector, output)
    }

    /// Computes the diagonal of H for views of any shape and strides.
    ///
    /// `output` may be the input itself, which is then replaced. All parameters are those of
    /// ``hessianVectorProduct(_:classAxis:target:targetProbs:targetOffsets:targetRest:classWeight:prior:sampleWeight:mask:gradLoss:gradLosses:keepingRows:vector:output:)``.
    ///
    /// - Throws: ``CrossEntropyError``; then nothing has been written.
    public func hessianDiagonal(
        _ input: TensorView, classAxis: Int = -1, target: TensorView, targetProbs: TensorView? = nil,
        targetOffsets: TensorView? = nil, targetRest: TargetRest = .drop, classWeight: TensorView? = nil,
        prior: TensorView? = nil, sampleWeight: TensorView? = nil, mask: TensorView? = nil, gradLoss: Double = 1,
        gradLosses: TensorView? = nil, keepingRows: Bool = false, output: TensorView
    ) throws(CrossEntropyError) {
        let call = RowCall(
            input: input, classAxis: classAxis,
            target: TargetViews(values: target, probs: targetProbs, offsets: targetOffsets, rest: targetRest),
            classWeight: classWeight, prior: prior, sampleWeight: sampleWeight, mask: mask, gradLosses: gradLosses)
        try run(.hessianDiagonal, call, keepingRows: keepingRows, gradLoss: gradLoss, nil, output)
    }

    // MARK: -

    private func product<Scalar, Target>(
        _ arrays: ArrayCall<Scalar, Target>, _ vector: [Scalar]
    ) throws(CrossEntropyError) -> [Scalar] {
        guard vector.count == arrays.input.count else {
            throw CrossEntropyError(
                .shape, "vector holds \(vector.count) numbers, but logits holds \(arrays.input.count)")
        }
        return try arrays.results(gradient: true) { call, _, output throws(CrossEntropyError) in
            try vector.withUnsafeBufferPointer { vector throws(CrossEntropyError) in
                let vector = TensorView(reading: vector.baseAddress, shape: call.input.shape)
                try run(.hessianVectorProduct, call, vector, output)
            }
        }.gradient
    }

    private func diagonal<Scalar, Target>(
        _ arrays: ArrayCall<Scalar, Target>
    ) throws(CrossEntropyError) -> [Scalar] {
        try arrays.results(gradient: true) { call, _, output throws(CrossEntropyError) in
            try run(.hessianDiagonal, call, nil, output)
        }.gradient
    }
}
