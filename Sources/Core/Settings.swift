import KernelABI

public enum InputType: Int32 { case logits, probs, logProbs }
/// What a target that is not of labels holds.
public enum TargetType: Int32 {
    case probs, logits, logProbs

    /// The kernels' name for it.
    var kind: Int32 {
        switch self {
        case .probs: CROSSENTROPY_PROBS
        case .logits: CROSSENTROPY_LOGITS
        case .logProbs: CROSSENTROPY_LOG_PROBS
        }
    }
}
public enum Reduction: Int32 { case mean, sum, none }
public enum MeanOver: Int32 { case weight, mass, count, divisor }
/// What a call is for: the loss of logits, probabilities or their logarithms, and its gradient; or without targets, lse in
/// place of the loss, and the softmax or its logarithm in place of the gradient; or the divergence from a distribution; or second
/// derivatives of the loss in place of the gradient.
public enum Mode: Int32 {
    case loss, softmax, logSoftmax, divergence, hessianVector, hessianDiagonal

    /// Whether rows become pairs of distributions in f64, rather than a kernel's own.
    var isOfPairs: Bool {
        @inline(__always) get { self == .divergence || self == .hessianVector || self == .hessianDiagonal }
    }
}
public enum EmptyPolicy: Int32 { case nan, zero, error }

/// The options that are plain values, checked.
public struct Settings {
    // The input.
    public var inputType = InputType.logits
    /// Probabilities are clamped to this range.
    public var clipLow = -Double.infinity
    public var clipHigh = Double.infinity
    /// Of logits.
    public var transform = crossentropy_transform()

    // The target.
    public var targetType = TargetType.probs
    public var ignoreIndex: Int64? = -100
    public var labelSmoothing = 0.0
    /// Divides the logits of the target; `transform` sees to those of the input.
    public var temperature = 1.0

    // The terms of the loss.
    /// Of logits.
    public var terms = crossentropy_terms()
    /// Losses and gradients are multiplied by the square of the temperature.
    public var squaresTemperature = false
    /// Divergence: without q and p beside q log(q / p).
    public var isPlainDivergence = false

    // The reduction.
    public var reduction = Reduction.mean
    public var meanOver = MeanOver.weight
    public var meanDivisor = 0.0
    public var empty = EmptyPolicy.nan
    public var gradLoss = 1.0

    // The execution.
    /// At most this many threads; 0: the process's number.
    public var threads = 0
    /// Where the call notes that it was cancelled, as long as it runs; `nil` if the caller has no flag.
    public var cancel: UnsafeMutablePointer<crossentropy_cancel>?

    public init() {}
}
