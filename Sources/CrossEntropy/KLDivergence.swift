import CCrossEntropy

/// The Kullback-Leibler divergence of predictions from target distributions, and its gradients.
///
/// For a row with the prediction p and the target distribution q over C classes:
///
///     loss = Σ (q[c] d[c] - q[c] + p[c]),   d[c] = log q[c] - log p[c]
///
/// which for distributions that add up to 1 is Σ q log(q / p). No term is below 0, so nothing cancels: the loss is never below
/// 0, and exactly 0 where p and q are equal. p is the softmax of logits, or what the input holds; q is what the target holds.
///
/// ```swift
/// // Distillation (Hinton et al., 2015): two rows of logits, of a student and of its teacher.
/// let loss = KLDivergence(targetType: .logits, temperature: 2, temperatureSquared: true)
/// let (value, gradient) = try loss.withGradient(
///     [0.1, 0.4, 0.5, 0.8, 0.1, 0.1], distributions: [0, 0, 1, 2, 1, 0], classes: 3)  // 0.1016262
/// ```
///
/// Results are exact: beside what a rounding of the logarithms costs, a row is within 1e-13 of its value if either side is
/// `Double`, else within 1e-6 (with ``Form/plain`` of Σ |q d|), before the loss is rounded to its type. They are the same bits
/// for any number of threads, memory layout and processor.
///
/// Odd cases: where q is 0 the term is p, with ``Form/plain`` 0. Where p is 0 and q is not the loss is +infinity; the gradient
/// stays finite for logits and logarithms of probabilities, and is -infinity for probabilities. NaN, a negative probability on
/// either side, and of logits +infinity or nothing but -infinity make that row's loss and gradients NaN. Rows that are masked,
/// have weight 0 or, as rows of a ``SparseTarget``, no entries contribute nothing, whatever they hold.
public struct KLDivergence: Sendable {
    /// Which sum it is.
    public enum Form: Int32, Sendable {
        /// Σ (q log(q / p) - q + p): never below 0, and 0 where q = p, whatever they add up to.
        case generalized
        /// Σ q log(q / p): the same for distributions that add up to 1, and else as written, also below 0.
        case plain
    }

    /// What the input holds.
    public var inputType = InputType.logits
    /// What the target holds.
    public var targetType = TargetType.probs
    /// Which sum it is.
    public var form = Form.generalized
    /// T, finite and above 0: logits of the input, after ``logitScale`` and ``softcap``, and a teacher's logits are divided by
    /// it. At least one side must hold logits, if it is not 1.
    public var temperature = 1.0
    /// Loss and gradients are multiplied by T², as in distillation.
    public var temperatureSquared = false
    /// How the rows' losses become one number.
    public var reduction = Reduction.mean
    /// What the mean divides by: the sum of the sample weights (``MeanOver/weight``), the number of rows that are not ignored
    /// (``MeanOver/count``) or a number. ``MeanOver/mass`` is refused.
    public var meanOver = MeanOver.weight
    /// The mean where its divisor is 0.
    public var empty = EmptyPolicy.nan
    /// Entries of a ``SparseTarget`` with this class are left out; `nil`: none is.
    public var ignoreIndex: Int64? = -100
    /// c > 0: logits x, after ``logitScale``, become c tanh(x / c); infinities stay. `nil`: as they are. Only for ``InputType/logits``.
    public var softcap: Double?
    /// Logits are multiplied by it, before ``softcap``. Not 0. Only for ``InputType/logits``.
    public var logitScale = 1.0
    /// The most threads to use, the calling one included; 0: as many as the process may use.
    public var threads = 0

    public init(
        inputType: InputType = .logits, targetType: TargetType = .probs, form: Form = .generalized,
        temperature: Double = 1, temperatureSquared: Bool = false, reduction: Reduction = .mean,
        meanOver: MeanOver = .weight, empty: EmptyPolicy = .nan, ignoreIndex: Int64? = -100, softcap: Double? = nil,
        logitScale: Double = 1, threads: Int = 0
    ) {
        self.inputType = inputType
        self.targetType = targetType
        self.form = form
        self.temperature = temperature
        self.temperatureSquared = temperatureSquared
        self.reduction = reduction
        self.meanOver = meanOver
        self.empty = empty
        self.ignoreIndex = ignoreIndex
        self.softcap = softcap
        self.logitScale = logitScale
        self.threads = threads
    }

    /// The general call: views of any shape and strides, into the caller's memory.
    ///
    /// The gradient of a row, all of it times its weight, with Q = Σ q: for logits (Q p - q) / T; for logarithms of probabilities
    /// p - q; for probabilities 1 - q / p; with ``Form/plain`` the latter two are -q and -q / p. With respect to the target: for a
    /// teacher's logits (q / T) (d - Σ q d); for logarithms q d; for probabilities d; with ``Form/plain`` the latter two are
    /// q (d + 1) and d + 1.
    ///
    /// - Parameters:
    ///   - input: `Float`, `Double` or a 16-bit format, at least one dimension.
    ///   - classAxis: Which dimension of the input holds the classes; -1 is the last. The others are the rows.
    ///   - target: Distributions, of any format with the shape of the input, or the class indices of a sparse target.
    ///     Labels are refused: their divergence is the cross-entropy.
    ///   - targetProbs: Makes the target sparse: the probability of each class that it names, or what ``targetType`` says, with
    ///     the shape of the target. That is the input's but for the length of the class axis, or with `targetOffsets` one
    ///     dimension.
    ///   - targetOffsets: `Int64`, one more than there are rows: where each row's part of a sparse target begins, and the last
    ///     one's ends. Rows are counted with the last dimension fastest.
    ///   - targetRest: What becomes of the probability that a row of a sparse target does not name.
    ///   - sampleWeight: A weight for each row, with the shape of the input without the class axis.
    ///   - mask: Integers, with the shape of the input without the class axis: rows where it is 0 contribute nothing.
    ///   - gradLoss: Upstream gradient: multiplies the gradients.
    ///   - gradLosses: With `keepingRows`, the upstream gradient of each row's loss, with the shape of the input without the
    ///     class axis.
    ///   - loss: One number, or with `keepingRows` one for each row; `nil`: only gradients are wanted.
    ///   - keepingRows: Each row's loss is stored, and the gradients are those of each row's own loss.
    ///   - gradient: Of the input's shape and type (for 16-bit input also `Float`), or `nil`. It may be the input itself,
    ///     which is then replaced.
    ///   - targetGradient: The gradient with respect to distributions, of their shape and type (for 16 bits also `Float`), or `nil`.
    /// - Throws: ``CrossEntropyError``; then nothing has been written.
    public func evaluate(
        _ input: TensorView, classAxis: Int = -1, target: TensorView, targetProbs: TensorView? = nil,
        targetOffsets: TensorView? = nil, targetRest: TargetRest = .drop, sampleWeight: TensorView? = nil,
        mask: TensorView? = nil, gradLoss: Double = 1, gradLosses: TensorView? = nil, loss: TensorView?,
        keepingRows: Bool = false, gradient: TensorView? = nil, targetGradient: TensorView? = nil
    ) throws(CrossEntropyError) {
        let call = RowCall(
            input: input, classAxis: classAxis,
            target: TargetViews(values: target, probs: targetProbs, offsets: targetOffsets, rest: targetRest),
            sampleWeight: sampleWeight, mask: mask, gradLosses: gradLosses, targetGradient: targetGradient)
        try run(call, keepingRows: keepingRows, gradLoss: gradLoss, loss, gradient)
    }

    func run(
        _ call: RowCall, keepingRows: Bool, gradLoss: Double = 1, _ loss: TensorView?, _ gradient: TensorView?
    ) throws(CrossEntropyError) {
        // What is named the same means the same.
        let settings = CrossEntropyLoss(
            inputType: inputType, reduction: reduction, meanOver: meanOver, empty: empty, ignoreIndex: ignoreIndex,
            softcap: softcap, logitScale: logitScale, threads: threads, targetType: targetType,
            temperature: temperature, temperatureSquared: temperatureSquared)
        var options = try settings.options(keepingRows: keepingRows, gradLoss: gradLoss)
        options.kl_form = form.rawValue
        try call.run(.divergence, options, loss, gradient)
    }
}
