import CCrossEntropy
import Core
import KernelABI

/// The target of rows: its tensors, and their checks.
struct Target {
    enum Kind { case labels, distributions, sparse }

    let kind: Kind
    let view: TensorView
    /// For sparse targets.
    let probs: TensorView?
    let offsets: TensorView?
    /// The number of entries, as `SparseTarget` counts them.
    private let entries: Int
    private let axis: Int

    /// Checks dtypes and shapes.
    @inline(__always)
    init(
        _ target: UnsafePointer<ce_tensor>?, _ options: UnsafePointer<Options>, _ input: TensorView, _ axis: Int,
        _ names: ArgumentNames, _ storage: inout CallStorage
    ) throws(CallError) {
        self.axis = axis
        view = try CABI.view(target, names.target, .any, &storage)
        probs = try optionalView(options.pointee.values.target_probs, "target_probs", .floating, &storage)
        offsets = try optionalView(options.pointee.values.target_offsets, "target_offsets", .integer, &storage)
        if let probs {
            kind = .sparse
            entries = try checkedEntries(view, probs, offsets, input, axis)
            return
        }
        entries = 0
        if view.dtype.isFloatingPoint {
            kind = .distributions
            try checkShape(view, equals: input)
        } else {
            kind = .labels
            try checkShape(view, equals: input, without: axis)
        }
        try refuse("target_offsets", isGiven: offsets != nil, "for sparse targets, but there are no target_probs")
        try refuse(
            "target_rest", isGiven: options.pointee.values.target_rest != CE_REST_DROP,
            "for sparse targets, but there are no target_probs")
    }

    /// The class axis of a sparse target, which with offsets has only one dimension.
    private var entryAxis: Int { offsets == nil ? axis : 0 }

    @inline(__always)
    var operand: Operand {
        switch kind {
        case .labels: view.operand
        case .distributions: view.operand(classAxis: axis)
        case .sparse: view.operand(stepping: view.stride(entryAxis))
        }
    }

    func sparse(rest: Int32) -> SparseTarget? {
        guard let probs else { return nil }
        return SparseTarget(
            probs: probs.operand(stepping: probs.stride(entryAxis)), rest: SparseTarget.Rest(rawValue: rest) ?? .drop,
            entries: entries, offsets: offsets.map { $0.operand(stepping: $0.stride(0)) })
    }

    /// The stride of the input's dimension `d`, which is dimension number `row` without the class axis.
    func rowStride(_ d: Int, _ row: Int) -> Int {
        switch kind {
        case .labels: view.stride(row)
        case .distributions: view.stride(d)
        case .sparse: offsets == nil ? view.stride(d) : 0
        }
    }

    func probsRowStride(_ d: Int) -> Int { offsets == nil ? probs?.stride(d) ?? 0 : 0 }
}

/// Checks a sparse target. Returns the number of classes that each row names or, with offsets, that all rows name.
@inline(never)
private func checkedEntries(
    _ target: TensorView, _ probs: TensorView, _ offsets: TensorView?, _ input: TensorView, _ axis: Int
) throws(CallError) -> Int {
    try refuse(
        "target_probs", isGiven: target.dtype.isFloatingPoint,
        "for targets of class indices, but these are distributions")
    try checkShape(probs, equals: target)
    if let offsets { return try checkedList(target, offsets, input, axis) }
    try checkNamedClasses(target, input, axis)
    return target.length(axis)
}

/// Checks a target that holds all rows' entries one after the other. Returns their number.
private func checkedList(
    _ list: TensorView, _ offsets: TensorView, _ input: TensorView, _ axis: Int
) throws(CallError) -> Int {
    let rows = input.count(without: axis)
    if list.ndim != 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text(list.name)
            $0.text(" has shape ")
            $0.shape(list)
            $0.text(", but with target_offsets it has one dimension")
        }
    }
    try checkList(offsets)
    if offsets.length(0) != rows + 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text("target_offsets has shape ")
            $0.shape(offsets)
            $0.text(", but must have ")
            $0.number(rows + 1)
            $0.text(" numbers, one more than ")
            $0.text(input.name)
            $0.text(" has rows")
        }
    }
    return list.length(0)
}

/// Throws unless it is contiguous i64 of one dimension.
func checkList(_ list: TensorView) throws(CallError) {
    let name = list.name
    if list.dtype != .i64 {
        throw CallError(CE_ERROR_DTYPE) {
            $0.text(name)
            $0.text(" must be i64")
        }
    }
    if list.ndim != 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text(name)
            $0.text(" has shape ")
            $0.shape(list)
            $0.text(", but must have one dimension")
        }
    }
    if list.length(0) > 1 && list.stride(0) != 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text(name)
            $0.text(" has the stride ")
            $0.number(list.stride(0))
            $0.text(", but must be contiguous")
        }
    }
}

/// Throws unless a sparse target has the input's shape, except for the number of classes.
private func checkNamedClasses(
    _ target: TensorView, _ input: TensorView, _ axis: Int
) throws(CallError) {
    var isEqual = target.ndim == input.ndim
    if isEqual {
        for d in 0..<input.ndim where d != axis && target.length(d) != input.length(d) { isEqual = false }
    }
    if isEqual { return }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text(target.name)
        $0.text(" has shape ")
        $0.shape(target)
        $0.text(", but ")
        $0.text(input.name)
        $0.text(" has shape ")
        $0.shape(input)
        $0.text(": sparse targets may differ from it along the class axis alone")
    }
}

/// Throws a sentence that begins with the option's name, if the option is given.
@inline(__always)
func refuse(_ name: StaticString, isGiven: Bool, _ reason: StaticString) throws(CallError) {
    if isGiven { throw refusal(name, reason) }
}

@inline(never)
private func refusal(_ name: StaticString, _ reason: StaticString) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is ")
        $0.text(reason)
    }
}

extension Settings {
    /// Throws for options that are valid by themselves, but not together or not in this call.
    @inline(__always)
    func checkContradictions(
        _ options: UnsafePointer<Options>, _ target: Target.Kind, _ mode: Mode
    ) throws(CallError) {
        try refuse(
            "target_type", isGiven: targetType != .probs && target == .labels,
            "for distributions, but targets are labels")
        try refuse(
            "temperature", isGiven: temperature != 1 && inputType != .logits && targetType != .logits,
            "for logits, but neither input_type nor target_type says LOGITS")
        if target == .sparse {
            try refuse(
                "target_type",
                isGiven: targetType == .logits && options.pointee.values.target_rest != CE_REST_RENORMALIZE,
                "LOGITS, which with sparse targets takes target_rest RENORMALIZE: they do not tell the probability of the rest"
            )
            try refuse(
                "label_smoothing", isGiven: labelSmoothing != 0,
                "for labels and whole distributions, but target_probs make targets sparse: take target_rest SPREAD")
        }
        if mode != .divergence { return }
        if target == .labels {
            throw CallError(CE_ERROR_DTYPE) {
                $0.text("target holds labels, of which the KL divergence is the cross-entropy: compute that")
            }
        }
        try refuse(
            "mean_over", isGiven: reduction == .mean && meanOver == .mass,
            "MASS, but a KL divergence has no class weights: take WEIGHT or COUNT")
    }

    /// Throws unless this call has a gradient with respect to this target, and `grad` has the target's shape and dtype.
    func checkTargetGrad(_ grad: TensorView, _ target: Target) throws(CallError) {
        try refuse(
            "grad_target", isGiven: target.kind != .distributions, "for distributions, but targets are labels or sparse"
        )
        try refuse(
            "grad_target", isGiven: crossentropy_terms_are_focal(terms),
            "not computed for a loss with focal_gamma or poly_epsilon")
        try refuse(
            "grad_target", isGiven: reduction == .mean && meanOver == .mass,
            "not computed with mean_over MASS, whose divisor depends on the target; take WEIGHT or COUNT")
        try checkLikeInput(grad, target.view)
    }
}
