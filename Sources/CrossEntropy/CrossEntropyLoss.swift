import CCrossEntropy

/// The type of the numbers in the input of a loss.
public enum InputType: Int32, Sendable {
    /// Any real numbers; the loss applies the softmax.
    case logits
    /// Probabilities: the loss is -Σ w q log x, the textbook's formula.
    case probs
    /// Logarithms of probabilities: the loss is -Σ w q x.
    case logProbs
}

/// The way in which the rows' losses become one number.
public enum Reduction: Int32, Sendable {
    case mean
    case sum
}

/// The divisor of the mean. `s` are the sample weights, 1 unless given; ignored rows do not count.
public enum MeanOver: Equatable, Sendable {
    /// Labels: Σ s w[y]; distributions: Σ s. As PyTorch does.
    case weight
    /// Σ s w q over rows and classes, with q after ``TargetRest`` and before smoothing, so that labels and the same
    /// labels as one-hot distributions agree.
    case mass
    /// The number of rows that are not ignored, those of weight 0 included.
    case count
    /// A number of your own, finite and above 0: for gradient accumulation, or several machines.
    case divisor(Double)
}

/// The mean if its divisor is 0.
///
/// This is the case for an empty batch, for a batch with every row ignored and, with ``MeanOver/weight`` and
/// ``MeanOver/mass``, for weights that add up to 0.
public enum EmptyPolicy: Int32, Sendable {
    /// NaN; gradients of ignored rows are still 0.
    case nan
    /// 0, with a gradient of 0.
    case zero
    /// A ``CrossEntropyError`` with the code ``CrossEntropyError/Code/empty``.
    case error
}

/// The cross-entropy loss between predictions and targets, and its gradient.
///
/// For a row of logits z and a target distribution q over C classes:
///
///     loss = Σ w[c] q[c] (lse - z[c]),   lse = log Σ exp(z[c])
///
/// which for a class index y is `w[y] (lse - z[y])`. A value of this type holds the options of the computation; several
/// threads can use the same value.
///
/// ```swift
/// let loss = CrossEntropyLoss()
/// let value = try loss([0.1, 0.4, 0.5, 0.8, 0.1, 0.1], labels: [2, 0], classes: 3)  // 0.8178187
/// ```
///
/// Results are exact: the loss keeps its relative accuracy even for a confident prediction (1.8e-35 for the logits
/// `[80, 0]` and label 0). They have the same bits for any number of threads, memory layout and processor.
///
/// Special cases: a row with NaN or +infinity among its logits, or nothing but -infinity, has a loss and gradient of
/// NaN. A logit of -infinity is an impossible class, and the loss is +infinity if that class has target mass. Classes
/// with `w q = 0`, and rows that are ignored or have the sample weight 0, add nothing to the loss, whatever they hold.
public struct CrossEntropyLoss: Sendable {
    /// The type of the input's numbers.
    public var inputType = InputType.logits
    /// The type of the numbers in target distributions, or in a ``SparseTarget``. ``TargetType/probs`` for labels.
    public var targetType = TargetType.probs
    /// How the rows' losses become one number.
    public var reduction = Reduction.mean
    /// The divisor of the mean.
    public var meanOver = MeanOver.weight
    /// The mean if its divisor is 0.
    public var empty = EmptyPolicy.nan
    /// Rows with this label contribute nothing; `nil`: no label is ignored.
    ///
    /// For labels only, not for distributions. Of a ``SparseTarget``, entries with this class are ignored.
    public var ignoreIndex: Int64? = -100
    /// Rows with one of these labels contribute nothing either.
    public var ignoreIndices: [Int64] = []
    /// e in 0...1: the target distribution q becomes (1 - e) q + e / C. Not with a ``SparseTarget``.
    public var labelSmoothing = 0.0
    /// The distribution towards which ``labelSmoothing`` smooths, a number for each class; `nil`: 1 / C each.
    ///
    /// q becomes (1 - e) q + e prior. The prior is used as given, even if it does not add up to 1.
    public var prior: [Double]?
    /// w, one for each class; `nil`: all 1.
    public var classWeights: [Double]?
    /// eps in 0 ..< 0.5: probabilities are clamped to eps ... 1 - eps, with a gradient of 0 where that changes them. 0: no
    /// clipping. Only for ``InputType/probs``.
    public var clip = 0.0
    /// z, at least 0: adds z lse² to the loss of each row; sample weights multiply it, class weights do not. Only for
    /// ``InputType/logits``, like the four that follow.
    public var zLoss = 0.0
    /// γ, at least 0: each term of the loss is multiplied by (1 - p)^γ. The class weights are the focal loss's α.
    public var focalGamma = 0.0
    /// ε: adds ε (1 - p) to each -log p, the poly-1 loss; with ``focalGamma``, before the multiplication by (1 - p)^γ.
    public var polyEpsilon = 0.0
    /// c > 0: logits x, after ``logitScale``, become c tanh(x / c); infinities stay. `nil`: no cap.
    public var softcap: Double?
    /// The factor by which logits are multiplied, before ``softcap``. Not 0.
    public var logitScale = 1.0
    /// T, finite and above 0: the input's logits, after ``logitScale`` and ``softcap``, and a teacher's logits are
    /// divided by T. At least one side must hold logits unless T is 1.
    public var temperature = 1.0
    /// Loss and gradients are multiplied by T², as in distillation.
    public var temperatureSquared = false
    /// The most threads to use, including the calling one; 0: as many as the process may use.
    public var threads = 0

    public init(
        inputType: InputType = .logits, reduction: Reduction = .mean, meanOver: MeanOver = .weight,
        empty: EmptyPolicy = .nan, ignoreIndex: Int64? = -100, labelSmoothing: Double = 0,
        classWeights: [Double]? = nil, clip: Double = 0, zLoss: Double = 0, focalGamma: Double = 0,
        polyEpsilon: Double = 0, softcap: Double? = nil, logitScale: Double = 1, threads: Int = 0,
        targetType: TargetType = .probs, prior: [Double]? = nil, temperature: Double = 1,
        temperatureSquared: Bool = false
    ) {
        self.inputType = inputType
        self.reduction = reduction
        self.meanOver = meanOver
        self.empty = empty
        self.ignoreIndex = ignoreIndex
        self.labelSmoothing = labelSmoothing
        self.classWeights = classWeights
        self.clip = clip
        self.zLoss = zLoss
        self.focalGamma = focalGamma
        self.polyEpsilon = polyEpsilon
        self.softcap = softcap
        self.logitScale = logitScale
        self.threads = threads
        self.targetType = targetType
        self.prior = prior
        self.temperature = temperature
        self.temperatureSquared = temperatureSquared
    }

    /// The options in C's layout, without the arrays that they point to.
    func options(keepingRows: Bool, gradLoss: Double) throws(CrossEntropyError) -> ce_options {
        var options = ce_options()
        ce_options_init(&options, MemoryLayout<ce_options>.size)
        options.input_type = inputType.rawValue
        options.target_type = targetType.rawValue
        options.reduction = keepingRows ? Int32(CE_REDUCTION_NONE) : reduction.rawValue
        switch meanOver {
        case .weight: options.mean_over = Int32(CE_MEAN_OVER_WEIGHT)
        case .mass: options.mean_over = Int32(CE_MEAN_OVER_MASS)
        case .count: options.mean_over = Int32(CE_MEAN_OVER_COUNT)
        case .divisor(let divisor):
            options.mean_over = Int32(CE_MEAN_OVER_DIVISOR)
            options.mean_divisor = divisor
        }
        options.empty = empty.rawValue
        options.ignore_index = ignoreIndex ?? .min
        options.label_smoothing = labelSmoothing
        options.clip = clip
        options.z_loss = zLoss
        options.focal_gamma = focalGamma
        options.poly_epsilon = polyEpsilon
        options.softcap = try Self.checkedSoftcap(softcap)
        options.logit_scale = try Self.checkedScale(logitScale, "logitScale")
        options.temperature = try Self.checkedScale(temperature, "temperature", "above 0")
        options.temperature_squared = temperatureSquared ? 1 : 0
        options.grad_loss = gradLoss
        options.threads = Int32(clamping: threads)
        return options
    }

    // In C a softcap of 0 means none, and the message for a scale of 0 is for callers who have cleared a struct.

    static func checkedSoftcap(_ softcap: Double?) throws(CrossEntropyError) -> Double {
        if softcap == 0 { throw CrossEntropyError(.option, "softcap is 0; it must be finite and above 0, or nil") }
        return softcap ?? 0
    }

    static func checkedScale(
        _ scale: Double, _ name: String, _ range: String = "not 0"
    ) throws(CrossEntropyError) -> Double {
        if scale == 0 { throw CrossEntropyError(.option, "\(name) is 0; it must be finite and \(range)") }
        return scale
    }

    /// Computes the loss and its gradients for views of any shape and strides, and writes them to the caller's memory.
    ///
    /// - Parameters:
    ///   - input: `Float`, `Double` or a 16-bit format, at least one dimension.
    ///   - classAxis: The dimension of the input that holds the classes; -1 is the last. The others are the rows.
    ///   - target: Class indices, with the shape of the input without the class axis; or distributions, of any floating-point
    ///     format with the shape of the input; or the class indices of a sparse target.
    ///   - targetProbs: Makes the target sparse: the probability of each class that it names, or the number that
    ///     ``targetType`` says, with the shape of the target. That is the input's except for the length of the class
    ///     axis; with `targetOffsets` it has one dimension.
    ///   - targetOffsets: `Int64`, one more than there are rows: the position at which each row's part of a sparse
    ///     target begins, and at which the last one's ends. Rows are counted with the last dimension fastest.
    ///   - targetRest: The use of the probability that a row of a sparse target does not name.
    ///   - classWeight: A weight for each class, in place of ``classWeights``.
    ///   - prior: A number for each class, in place of ``prior``.
    ///   - sampleWeight: A weight for each row, with the shape of the input without the class axis.
    ///   - mask: Integers, with the shape of the input without the class axis: rows where it is 0 contribute nothing,
    ///     whatever their target.
    ///   - gradLoss: Upstream gradient, which multiplies the gradients.
    ///   - gradLosses: With `keepingRows`, the upstream gradient of each row's loss, with the shape of the input without the
    ///     class axis.
    ///   - loss: One number, or with `keepingRows` one for each row; `nil`: only gradients are requested.
    ///   - keepingRows: Each row's loss is stored, and the gradient is that of each row's own loss.
    ///   - gradient: Of the input's shape and type (for 16-bit input also `Float`), or `nil`. It may be the input itself,
    ///     which is then replaced.
    ///   - targetGradient: The gradient with respect to distributions, of their shape and type (for 16 bits also
    ///     `Float`), or `nil`; see ``withGradients(_:distributions:classes:sampleWeights:)`` for the formula.
    ///   - wantsStatistics: Whether row statistics are returned, from the same pass (with distributions and label
    ///     smoothing from one more). For logits.
    /// - Returns: Row statistics: a number for each row, in row-major order of the input's shape without the class
    ///   axis; `nil` if they are not requested.
    /// - Throws: ``CrossEntropyError``; then nothing has been written.
    @discardableResult
    public func evaluate(
        _ input: TensorView, classAxis: Int = -1, target: TensorView, targetProbs: TensorView? = nil,
        targetOffsets: TensorView? = nil, targetRest: TargetRest = .drop, classWeight: TensorView? = nil,
        prior: TensorView? = nil, sampleWeight: TensorView? = nil, mask: TensorView? = nil, gradLoss: Double = 1,
        gradLosses: TensorView? = nil, loss: TensorView?, keepingRows: Bool = false, gradient: TensorView? = nil,
        targetGradient: TensorView? = nil, wantsStatistics: Bool = false
    ) throws(CrossEntropyError) -> RowStatistics? {
        var call = RowCall(
            input: input, classAxis: classAxis,
            target: TargetViews(values: target, probs: targetProbs, offsets: targetOffsets, rest: targetRest),
            classWeight: classWeight, prior: prior, sampleWeight: sampleWeight, mask: mask, gradLosses: gradLosses,
            targetGradient: targetGradient)
        if !wantsStatistics {
            try run(.crossEntropy, call, keepingRows: keepingRows, gradLoss: gradLoss, loss, gradient)
            return nil
        }
        var statistics = RowStatistics(of: input, classAxis: classAxis)
        try statistics.withPlaces { places throws(CrossEntropyError) in
            call.statistics = places
            try run(.crossEntropy, call, keepingRows: keepingRows, gradLoss: gradLoss, loss, gradient)
        }
        return statistics
    }

    /// Makes a C call with these options. Arrays among the options take the place of views that are not given.
    func run(
        _ function: RowFunction, _ call: RowCall, keepingRows: Bool = false, gradLoss: Double = 1, _ first: TensorView?,
        _ second: TensorView?
    ) throws(CrossEntropyError) {
        let options = try options(keepingRows: keepingRows, gradLoss: gradLoss)
        try withView(classWeights) { classWeights throws(CrossEntropyError) in
            try withView(prior) { prior throws(CrossEntropyError) in
                try withView(labels: ignoreIndices.isEmpty ? nil : ignoreIndices) { ignored throws(CrossEntropyError) in
                    var call = call
                    if call.classWeight != nil { call.names["weight"] = "classWeight" }
                    call.classWeight = call.classWeight ?? classWeights
                    call.prior = call.prior ?? prior
                    call.ignoreIndices = ignored
                    try call.run(function, options, first, second)
                }
            }
        }
    }
}
