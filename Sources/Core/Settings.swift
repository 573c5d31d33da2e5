import KernelABI

public enum InputType: Int32 { case logits, probs, logProbs }
/// The contents of a target that is not labels.
public enum TargetType: Int32 {
    case probs, logits, logProbs

    /// The kernels' code for this type.
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
/// What a call computes. `loss`: the loss of logits, probabilities or their logarithms, and its gradient. `softmax` and
/// `logSoftmax`, which have no target: lse in place of the loss, and the softmax or its logarithm in place of the
/// gradient. `divergence`: the divergence from a distribution. The Hessian's modes: second derivatives of the loss in
/// place of the gradient.
public enum Mode: Int32 {
    case loss, softmax, logSoftmax, divergence, hessianVector, hessianDiagonal

    /// Whether rows are computed as pairs of distributions in f64, rather than by a row kernel.
    var isOfPairs: Bool {
        @inline(__always) get { self == .divergence || self == .hessianVector || self == .hessianDiagonal }
    }
}
public enum EmptyPolicy: Int32 { case nan, zero, error }

/// The options that are plain values, checked.
public struct Settings {
    // The input.
    public var inputType = InputType.logits
    /// Probabilities of the input are clamped to this range.
    public var clipLow = -Double.infinity
    public var clipHigh = Double.infinity
    /// For logits.
    public var transform = crossentropy_transform()

    // The target.
    public var targetType = TargetType.probs
    public var ignoreIndex: Int64? = -100
    public var labelSmoothing = 0.0
    /// Divides the logits of the target; for the input, the division is part of `transform`.
    public var temperature = 1.0

    // The terms of the loss.
    /// For logits.
    public var terms = crossentropy_terms()
    /// Losses and gradients are multiplied by the square of the temperature.
    public var squaresTemperature = false
    /// For divergences: without q and p beside q log(q / p).
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
    /// Records during the call that it was cancelled; `nil` if the caller has no flag.
    public var cancel: UnsafeMutablePointer<crossentropy_cancel>?

    public init() {}
}
