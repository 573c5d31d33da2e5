import CCrossEntropy
import Core

/// A set of functions that take the same options.
struct FunctionSet {
    private let bits: UInt8

    static let crossEntropy = FunctionSet(bits: 1)
    static let divergence = FunctionSet(bits: 2)
    static let hessian = FunctionSet(bits: 4)
    static let binary = FunctionSet(bits: 8)
    static let softmax = FunctionSet(bits: 16)
    static let rowStats = FunctionSet(bits: 32)
    static let partial = FunctionSet(bits: 64)
    static let all = FunctionSet(bits: 127)

    static func + (a: FunctionSet, b: FunctionSet) -> FunctionSet { FunctionSet(bits: a.bits | b.bits) }
    static func - (a: FunctionSet, b: FunctionSet) -> FunctionSet { FunctionSet(bits: a.bits & ~b.bits) }

    func includes(_ other: FunctionSet) -> Bool { bits & other.bits != 0 }

    /// The result of a single function of the set, for messages.
    var noun: StaticString {
        switch bits {
        case FunctionSet.crossEntropy.bits: "cross-entropy"
        case FunctionSet.divergence.bits: "a KL divergence"
        case FunctionSet.hessian.bits: "second derivatives"
        case FunctionSet.binary.bits: "binary cross-entropy"
        case FunctionSet.softmax.bits: "softmax and lse"
        case FunctionSet.rowStats.bits: "row statistics"
        default: "partial statistics"
        }
    }
}

/// Checks which functions and which input each option applies to: this is the table that the header prints. Throws at
/// the first option that is not at its default and that `function` does not take.
@_optimize(speed)
func accept(_ options: UnsafePointer<Options>, by function: FunctionSet) throws(CallError) {
    let o = options.pointee.values
    @inline(__always) func row(
        _ name: StaticString, _ isGiven: Bool, _ functions: FunctionSet, of input: InputType? = nil,
        _ hint: StaticString = ""
    ) throws(CallError) {
        if !isGiven { return }
        if !functions.includes(function) { throw notAnOption(name, of: function, hint) }
        if let input, o.input_type != input.rawValue { throw needs(name, input, o.input_type) }
    }
    let rows = FunctionSet.crossEntropy + .divergence + .hessian
    let losses = rows + .binary
    let all = FunctionSet.all
    let loss = FunctionSet.crossEntropy

    // Columns: the option, whether it is given, the functions, the input.
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
    // Last, so that an error names an option that does not apply to the input type, rather than the input type.
    try row("input_type", o.input_type != CE_INPUT_LOGITS, losses - .hessian, of: nil, ": they are of LOGITS alone")
    // threads and cancel apply to all functions.
}

/// Checks in the same way which outputs apply.
@inline(__always)
func accept(_ outputs: UnsafePointer<ce_outputs>, by function: FunctionSet, _ inputType: InputType) throws(CallError) {
    @inline(__always) func row(
        _ name: StaticString, _ isGiven: Bool, _ functions: FunctionSet, of input: InputType? = nil
    ) throws(CallError) {
        if !isGiven { return }
        if !functions.includes(function) { throw notAnOutput(name, of: function) }
        if let input, inputType != input { throw needs(name, input, inputType.rawValue) }
    }
    let rows = FunctionSet.crossEntropy + .divergence

    // Columns: the output, whether it is given, the functions, the input. loss and grad apply to all functions.
    try row("grad_target", outputs.pointee.grad_target != nil, rows)
    try row("row_stats", outputs.pointee.row_stats != nil, .crossEntropy, of: .logits)
}

@inline(never)
private func notAnOutput(_ name: StaticString, of function: FunctionSet) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is not an output of ")
        $0.text(function.noun)
    }
}

@inline(never)
private func notAnOption(_ name: StaticString, of function: FunctionSet, _ hint: StaticString) -> CallError {
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
