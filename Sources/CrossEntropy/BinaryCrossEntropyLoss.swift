import CCrossEntropy

/// The binary cross-entropy between predictions and targets, and its gradient.
///
/// Every number of the input has a loss of its own. Use it for labels that do not exclude each other, and for two
/// classes that one number tells apart. With the probability p = 1 / (1 + exp(-z)) of a logit z and a target y
///
///     loss = s w (v y (-log p) + (1 - y) (-log(1 - p)))
///
/// with the sample weight s, the class weight w and the positive weight v of the class, all 1 unless given.
///
/// ```swift
/// let loss = BinaryCrossEntropyLoss()
/// let value = try loss([2.0, -1.0, 0.5], labels: [1, 0, 1])  // 0.3047556
/// ```
///
/// Results are exact for every logit: the loss of 60 with label 1 is 8.8e-27. They have the same bits for any number of
/// threads, memory layout and processor.
///
/// Special cases: an infinite logit is a certain prediction, whose loss is 0 if the target agrees and +infinity if not.
/// NaN makes that element's loss and gradient NaN. A probability of 0 or 1 that the target contradicts gives +infinity,
/// and a probability outside 0...1 gives NaN, unless ``clip`` changes it. Elements that are ignored or have weight 0
/// contribute nothing, whatever they hold.
public struct BinaryCrossEntropyLoss: Sendable {
    /// The type of the input's numbers: ``InputType/logits`` or ``InputType/probs``.
    public var inputType = InputType.logits
    /// How the elements' losses become one number.
    public var reduction = Reduction.mean
    /// The divisor of the mean: the number of elements that are not ignored (``MeanOver/count``), the sum of their s w
    /// (``MeanOver/weight``) or a number. ``MeanOver/mass`` is refused.
    public var meanOver = MeanOver.count
    /// The mean if no element counts.
    public var empty = EmptyPolicy.nan
    /// Elements with this label contribute nothing; `nil`: no label is ignored. Integer labels only.
    public var ignoreIndex: Int64? = -100
    /// e in 0...1: y becomes (1 - e) y + e / 2.
    public var labelSmoothing = 0.0
    /// w, one for each class, or a single one for all classes; `nil`: all 1.
    public var classWeights: [Double]?
    /// v, one for each class, or a single one for all classes; `nil`: all 1.
    public var positiveWeights: [Double]?
    /// eps in 0 ..< 0.5: probabilities are clamped to eps ... 1 - eps, with a gradient of 0 where that changes them.
    /// Only for ``InputType/probs``.
    public var clip = 0.0
    /// γ, at least 0: the first term is multiplied by (1 - p)^γ, the second one by p^γ. Only for ``InputType/logits``.
    public var focalGamma = 0.0
    /// The most threads to use, including the calling one; 0: as many as the process may use.
    public var threads = 0

    public init(
        inputType: InputType = .logits, reduction: Reduction = .mean, meanOver: MeanOver = .count,
        empty: EmptyPolicy = .nan, ignoreIndex: Int64? = -100, labelSmoothing: Double = 0,
        classWeights: [Double]? = nil, positiveWeights: [Double]? = nil, clip: Double = 0, focalGamma: Double = 0,
        threads: Int = 0
    ) {
        self.inputType = inputType
        self.reduction = reduction
        self.meanOver = meanOver
        self.empty = empty
        self.ignoreIndex = ignoreIndex
        self.labelSmoothing = labelSmoothing
        self.classWeights = classWeights
        self.positiveWeights = positiveWeights
        self.clip = clip
        self.focalGamma = focalGamma
        self.threads = threads
    }

    /// Computes the loss and its gradient for views of any shape and strides, and writes them to the caller's memory.
    ///
    /// - Parameters:
    ///   - input: `Float`, `Double` or a 16-bit format, of any number of dimensions.
    ///   - classAxis: The dimension of the input to which class and positive weights belong; -1 is the last.
    ///   - target: Labels 0 and 1 of an integer type, or any real numbers, with the shape of the input.
    ///   - classWeight: A weight for each class, or one number, in place of ``classWeights``.
    ///   - positiveWeight: A positive weight for each class, or one number, in place of ``positiveWeights``.
    ///   - sampleWeight: A weight for each element, with the shape of the input; a stride of 0 repeats one.
    ///   - gradLoss: Upstream gradient, which multiplies the gradient.
    ///   - loss: One number, or with `keepingElements` of the shape of the input; `nil`: only the gradient is requested.
    ///   - keepingElements: Each element's loss is stored, and the gradient is that of its own loss.
    ///   - gradient: Of the input's shape and type (for 16-bit input also `Float`), or `nil`. It may be the input itself,
    ///     which is then replaced.
    /// - Throws: ``CrossEntropyError``; then nothing has been written.
    public func evaluate(
        _ input: TensorView, classAxis: Int = -1, target: TensorView, classWeight: TensorView? = nil,
        positiveWeight: TensorView? = nil, sampleWeight: TensorView? = nil, gradLoss: Double = 1, loss: TensorView?,
        keepingElements: Bool = false, gradient: TensorView? = nil
    ) throws(CrossEntropyError) {
        try evaluate(
            input, classAxis, target, classWeight, positiveWeight, sampleWeight, gradLoss, loss, keepingElements,
            gradient, names: [:])
    }

    /// The same function; for `names` see ``inSwiftWords(_:_:)``.
    func evaluate(
        _ input: TensorView, _ classAxis: Int, _ target: TensorView, _ classWeight: TensorView?,
        _ positiveWeight: TensorView?, _ sampleWeight: TensorView?, _ gradLoss: Double, _ loss: TensorView?,
        _ keepingElements: Bool, _ gradient: TensorView?, names: [String: String]
    ) throws(CrossEntropyError) {
        var names = names
        if classWeight != nil { names["weight"] = "classWeight" }
        if positiveWeight != nil { names["pos_weight"] = "positiveWeight" }
        // Options with the same name have the same meaning.
        let settings = CrossEntropyLoss(
            inputType: inputType, reduction: reduction, meanOver: meanOver, empty: empty, ignoreIndex: ignoreIndex,
            labelSmoothing: labelSmoothing, clip: clip, focalGamma: focalGamma, threads: threads)
        var options = try settings.options(keepingRows: keepingElements, gradLoss: gradLoss)
        try withView(classWeights) { classWeights throws(CrossEntropyError) in
            try withView(positiveWeights) { positiveWeights throws(CrossEntropyError) in
                try Tensors.with(names: names) { tensors throws(CrossEntropyError) in
                    options.weight = try tensors.add(classWeight ?? classWeights)
                    options.pos_weight = try tensors.add(positiveWeight ?? positiveWeights)
                    options.sample_weight = try tensors.add(sampleWeight)
                    var outputs = ce_outputs()
                    outputs.size = UInt64(MemoryLayout<ce_outputs>.size)
                    outputs.loss = try tensors.add(loss)
                    outputs.grad = try tensors.add(gradient)
                    return ce_binary_cross_entropy(
                        try tensors.add(input), Int32(clamping: classAxis), try tensors.add(target), &options, &outputs)
                }
            }
        }
    }
}
