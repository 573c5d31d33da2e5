import CCrossEntropy
import Core

/// Functions that take the same options.
struct Takers {
    private let bits: UInt8

    static let crossEntropy = Takers(bits: 1)
    static let divergence = Takers(bits: 2)
    static let hessian = Takers(bits: 4)
    static let binary = Takers(bits: 8)
    static let softmax = Takers(bits: 16)
    static let rowStats = Takers(bits: 32)
    static let partial = Takers(bits: 64)
    static let all = Takers(bits: 127)

    static func + (a: Takers, b: Takers) -> Takers { Takers(bits: a.bits | b.bits) }
    static func - (a: Takers, b: Takers) -> Takers { Takers(bits: a.bits & ~b.bits) }

    func includes(_ other: Takers) -> Bool { bits & other.bits != 0 }

    /// What a single one of them computes.
    var noun: StaticString {
        switch bits {
        case Takers.crossEntropy.bits: "cross-entropy"
        case Takers.divergence.bits: "a KL divergence"
        case Takers.hessian.bits: "second derivatives"
        case Takers.binary.bits: "binary cross-entropy"
        case Takers.softmax.bits: "softmax and lse"
        case Takers.rowStats.bits: "row statistics"
        default: "partial statistics"
        }
    }
}

/// Which option goes with which function, and with which input: the table that the header prints. Throws at the first option that
/// is not at its default and that `function` does not take.
func accept(_ options: UnsafePointer<Options>, by function: Takers) throws(CallError) {
    let o = options.pointee.values
    @inline(__always) func row(
        _ name: StaticString, _ isGiven: Bool, _ takers: Takers, of input: InputType? = nil,
        _ hint: StaticString = ""
    ) throws(CallError) {
        if !isGiven { return }
        if !takers.includes(function) { throw notAnOption(name, of: function, hint) }
        if let input, o.input_type != input.rawValue { throw needs(name, input, o.input_type) }
    }
    let rows = Takers.crossEntropy + .divergence + .hessian
    let losses = rows + .binary
    let all = Takers.all
    let loss = Takers.crossEntropy

    // Option, whether it is given, functions, input.
    // Input
    try row("clip", o.clip != 0, loss + .binary, of: .probs)
    try row("logit_scale", o.logit_scale != 1, all - .binary, of: .logits)
    try row("softcap", o.softcap != 0, all - .hessian - .binary, of: .logits)
    try row("temperature", o.temperature != 1, rows + .softmax + .rowStats)
    // Target
    try row("target_type", o.target_type != CE_TARGET_PROBS, rows)
    try row("target_rest", o.target_rest != CE_REST_DROP, rows)
    try row("target_probs", o.target_probs != nil, rows)
    try row("target_offsets", o.target_offsets != nil, rows)
    try row("ignore_index", o.ignore_index != defaultIgnoreIndex && o.ignore_index != .min, all - .softmax)
    try row("ignore_indices", o.ignore_indices != nil, rows)
    try row("label_smoothing", o.label_smoothing != 0, loss + .hessian + .binary)
    try row("prior", o.prior != nil, loss + .hessian)
    // Weights
    try row("weight", o.weight != nil, losses - .divergence + .partial)
    try row("sample_weight", o.sample_weight != nil, losses + .partial)
    try row("mask", o.mask != nil, rows)
    try row("pos_weight", o.pos_weight != nil, .binary, of: nil, ": binary cross-entropy alone has a positive class")
    // Terms
    try row("z_loss", o.z_loss != 0, loss + .hessian + .partial, of: .logits)
    try row("focal_gamma", o.focal_gamma != 0, loss + .binary + .partial, of: .logits)
    try row("poly_epsilon", o.poly_epsilon != 0, loss + .partial, of: .logits)
    try row("temperature_squared", o.temperature_squared != 0, rows)
    try row("kl_form", o.kl_form != CE_KL_GENERALIZED, .divergence, of: nil, ": a KL divergence alone has forms")
    // Reduction
    try row("reduction", o.reduction != CE_REDUCTION_MEAN, losses + .partial)
    try row("mean_over", o.mean_over != CE_MEAN_OVER_WEIGHT, losses + .partial)
    try row("empty", o.empty != CE_EMPTY_NAN, losses + .partial)
    try row("grad_loss", o.grad_loss != 1, losses + .partial)
    try row("grad_losses", o.grad_losses != nil, rows)
    // Last, so that an option that does not go with it is what is named.
    try row("input_type", o.input_type != CE_INPUT_LOGITS, losses - .hessian, of: nil, ": they are of LOGITS alone")
    // threads and cancel go with all.
}

/// Likewise which output.
@inline(__always)
func accept(_ outputs: UnsafePointer<ce_outputs>, by function: Takers, _ inputType: InputType) throws(CallError) {
    @inline(__always) func row(
        _ name: StaticString, _ isGiven: Bool, _ takers: Takers, of input: InputType? = nil
    ) throws(CallError) {
        if !isGiven { return }
        if !takers.includes(function) { throw notAnOutput(name, of: function) }
        if let input, inputType != input { throw needs(name, input, inputType.rawValue) }
    }
    let rows = Takers.crossEntropy + .divergence

    // Output, whether it is given, functions, input. loss and grad go with all.
    try row("grad_target", outputs.pointee.grad_target != nil, rows)
    try row("row_stats", outputs.pointee.row_stats != nil, .crossEntropy, of: .logits)
}

@inline(never)
private func notAnOutput(_ name: StaticString, of function: Takers) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is not an output of ")
        $0.text(function.noun)
    }
}

@inline(never)
private func notAnOption(_ name: StaticString, of function: Takers, _ hint: StaticString) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is not an option of ")
        $0.text(function.noun)
        $0.text(hint)
    }
}

@inline(never)
private func needs(_ name: StaticString, _ wanted: InputType, _ given: Int32) -> CallError {
    func content(_ type: InputType?) -> StaticString {
        switch type {
        case .logits: "logits"
        case .probs: "probabilities"
        default: "logarithms of probabilities"
        }
    }
    return CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is for ")
        $0.text(content(wanted))
        $0.text(", but input_type says ")
        $0.text(content(InputType(rawValue: given)))
    }
}
