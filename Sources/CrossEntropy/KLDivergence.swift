import CCrossEntropy

/// The Kullback-Leibler divergence of predictions from target distributions, and its gradients.
///
/// For a row with the prediction p and the target distribution q over C classes:
///
///     loss = Σ (q[c] d[c] - q[c] + p[c]),   d[c] = log q[c] - log p[c]
///
/// which for distributions that add up to 1 is Σ q log(q / p). No term is below 0, so nothing cancels: the loss is
/// never below 0, and exactly 0 if p and q are equal. p is the softmax of logits, or the distribution that the input
/// holds; q is the target's distribution.
///
/// ```swift
/// // Distillation (Hinton et al., 2015): two rows of logits, of a student and of its teacher.
/// let loss = KLDivergence(targetType: .logits, temperature: 2, temperatureSquared: true)
/// let (value, gradient) = try loss.withGradient(
///     [0.1, 0.4, 0.5, 0.8, 0.1, 0.1], distributions: [0, 0, 1, 2, 1, 0], classes: 3)  // 0.1016262
/// ```
///
/// Results are exact: apart from the rounding of logarithms, a row is within 1e-13 of its value if either side is
/// `Double`, else within 1e-6 (with ``Form/plain`` of Σ |q d|), before the loss is rounded to its type. They have the
/// same bits for any number of threads, memory layout and processor.
///
/// Special cases: where q is 0 the term is p, and with ``Form/plain`` 0. Where p is 0 and q is not, the loss is
/// +infinity; the gradient stays finite for logits and logarithms of probabilities, and is -infinity for probabilities.
/// A row's loss and gradients are NaN if either side has NaN or a negative probability, or if logits have +infinity or
/// nothing but -infinity. Rows that are masked, have weight 0 or, as rows of a ``SparseTarget``, have no entries
/// contribute nothing, whatever they hold.
public struct KLDivergence: Sendable {
    /// The formula of the divergence.
    public enum Form: Int32, Sendable {
        /// Σ (q log(q / p) - q + p): never below 0, and 0 where q = p, whatever they add up to.
        case generalized
        /// Σ q log(q / p): the same for distributions that add up to 1; for others as written, and possibly below 0.
        case plain
    }

    /// The type of the input's numbers.
    public var inputType = InputType.logits
    /// The type of the target's numbers.
    public var targetType = TargetType.probs
    /// The formula of the divergence.
    public var form = Form.generalized
    /// T, finite and above 0: the input's logits, after ``logitScale`` and ``softcap``, and a teacher's logits are
    /// divided by T. At least one side must hold logits unless T is 1.
    public var temperature = 1.0
    /// Loss and gradients are multiplied by T², as in distillation.
    public var temperatureSquared = false
    /// How the rows' losses become one number.
    public var reduction = Reduction.mean
    /// The divisor of the mean: the sum of the sample weights (``MeanOver/weight``), the number of rows that are not
    /// ignored (``MeanOver/count``) or a number. ``MeanOver/mass`` is refused.
    public var meanOver = MeanOver.weight
    /// The mean if its divisor is 0.
    public var empty = EmptyPolicy.nan
    /// Entries of a ``SparseTarget`` with this class are left out; `nil`: no entry is.
    public var ignoreIndex: Int64? = -100
    /// c > 0: logits x, after ``logitScale``, become c tanh(x / c); infinities stay. `nil`: no cap. Only for
    /// ``InputType/logits``.
    public var softcap: Double?
    /// The factor by which logits are multiplied, before ``softcap``. Not 0. Only for ``InputType/logits``.
    public var logitScale = 1.0
    /// The most threads to use, including the calling one; 0: as many as the process may use.
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

    /// Computes the divergence and its gradients for views of any shape and strides, and writes them to the caller's memory.
    ///
    /// The gradient of a row, multiplied by its weight, with Q = Σ q: (Q p - q) / T for logits; p - q for logarithms of
    /// probabilities; 1 - q / p for probabilities. With ``Form/plain`` the latter two are -q and -q / p. The gradient
    /// with respect to the target: (q / T) (d - Σ q d) for a teacher's logits; q d for logarithms; d for probabilities.
    /// With ``Form/plain`` the latter two are q (d + 1) and d + 1.
    ///
    /// - Parameters:
    ///   - input: `Float`, `Double` or a 16-bit format, at least one dimension.
    ///   - classAxis: The dimension of the input that holds the classes; -1 is the last. The others are the rows.
    ///   - target: Distributions, of any format with the shape of the input, or the class indices of a sparse target.
    ///     Labels are refused: their divergence is the cross-entropy.
    ///   - targetProbs: Makes the target sparse: the probability of each class that it names, or the number that
    ///     ``targetType`` says, with the shape of the target. That is the input's except for the length of the class
    ///     axis; with `targetOffsets` it has one dimension.
    ///   - targetOffsets: `Int64`, one more than there are rows: the position at which each row's part of a sparse
    ///     target begins, and at which the last one's ends. Rows are counted with the last dimension fastest.
    ///   - targetRest: The use of the probability that a row of a sparse target does not name.
    ///   - sampleWeight: A weight for each row, with the shape of the input without the class axis.
    ///   - mask: Integers, with the shape of the input without the class axis: rows where it is 0 contribute nothing.
    ///   - gradLoss: Upstream gradient, which multiplies the gradients.
    ///   - gradLosses: With `keepingRows`, the upstream gradient of each row's loss, with the shape of the input without the
    ///     class axis.
    ///   - loss: One number, or with `keepingRows` one for each row; `nil`: only gradients are requested.
    ///   - keepingRows: Each row's loss is stored, and the gradients are those of each row's own loss.
    ///   - gradient: Of the input's shape and type (for 16-bit input also `Float`), or `nil`. It may be the input itself,
    ///     which is then replaced.
    ///   - targetGradient: The gradient with respect to distributions, of their shape and type (for 16 bits also `Float`),
    ///     or `nil`.
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
        // Options with the same name have the same meaning.
        let settings = CrossEntropyLoss(
            inputType: inputType, reduction: reduction, meanOver: meanOver, empty: empty, ignoreIndex: ignoreIndex,
            softcap: softcap, logitScale: logitScale, threads: threads, targetType: targetType,
            temperature: temperature, temperatureSquared: temperatureSquared)
        var options = try settings.options(keepingRows: keepingRows, gradLoss: gradLoss)
        options.kl_form = form.rawValue
        try call.run(.divergence, options, loss, gradient)
    }
}
