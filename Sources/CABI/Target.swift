import CCrossEntropy
import Core

/// What rows are compared with: the target, and what goes with it.
struct Target {
    enum Kind { case labels, distributions, sparse }

    let kind: Kind
    let view: TensorView
    /// Of sparse targets.
    let probs: TensorView?
    let offsets: TensorView?
    let sparse: SparseTarget?
    private let axis: Int

    /// Checks dtypes and shapes.
    init(
        _ target: UnsafePointer<ce_tensor>?, _ options: ce_options, _ input: TensorView, _ axis: Int,
        _ names: ArgumentNames, _ storage: inout CallStorage
    ) throws(CallError) {
        self.axis = axis
        view = try CABI.view(target, names.target, .any, &storage)
        probs = try optionalView(options.target_probs, "target_probs", .floating, &storage)
        offsets = try optionalView(options.target_offsets, "target_offsets", .integer, &storage)
        guard let probs else {
            kind = view.dtype.isFloatingPoint ? .distributions : .labels
            sparse = nil
            if kind == .labels {
                try checkShape(view, names.target, equals: input, without: axis, names.input)
            } else {
                try checkShape(view, names.target, equals: input, names.input)
            }
            try refuse("target_offsets", isGiven: offsets != nil, "for sparse targets, but there are no target_probs")
            try refuse(
                "target_rest", isGiven: options.target_rest != CE_REST_DROP,
                "for sparse targets, but there are no target_probs")
            return
        }
        kind = .sparse
        try refuse(
            "target_probs", isGiven: view.dtype.isFloatingPoint,
            "for targets of class indices, but these are distributions")
        try checkShape(probs, "target_probs", equals: view, names.target)
        var entries = 0
        if let offsets {
            entries = try checkedList(view, names, offsets, rows: input.count(without: axis))
        } else {
            try checkNamedClasses(view, input, axis, names)
            entries = view.length(axis)
        }
        sparse = SparseTarget(
            probs: Operand(
                data: probs.data, dtype: probs.dtype, classStride: probs.stride(offsets == nil ? axis : 0)),
            rest: SparseTarget.Rest(rawValue: options.target_rest) ?? .drop, entries: entries,
            offsets: offsets.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.stride(0)) })
    }

    var operand: Operand {
        switch kind {
        case .labels: Operand(data: view.data, dtype: view.dtype)
        case .distributions: Operand(data: view.data, dtype: view.dtype, classStride: view.classStride(axis))
        case .sparse:
            Operand(data: view.data, dtype: view.dtype, classStride: view.stride(offsets == nil ? axis : 0))
        }
    }

    /// The stride of the input's dimension `d`, which is number `row` without the class axis.
    func rowStride(_ d: Int, _ row: Int) -> Int {
        switch kind {
        case .labels: view.stride(row)
        case .distributions: view.stride(d)
        case .sparse: offsets == nil ? view.stride(d) : 0
        }
    }

    func probsRowStride(_ d: Int) -> Int { offsets == nil ? probs?.stride(d) ?? 0 : 0 }
}

/// A target of all rows' entries one after the other: their number.
private func checkedList(
    _ list: TensorView, _ names: ArgumentNames, _ offsets: TensorView, rows: Int
) throws(CallError) -> Int {
    if list.ndim != 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text(names.target)
            $0.text(" has shape ")
            $0.shape(list)
            $0.text(", but with target_offsets it has one dimension")
        }
    }
    try checkList(offsets, "target_offsets")
    if offsets.length(0) != rows + 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text("target_offsets has shape ")
            $0.shape(offsets)
            $0.text(", but must have ")
            $0.number(rows + 1)
            $0.text(" numbers, one more than ")
            $0.text(names.input)
            $0.text(" has rows")
        }
    }
    return list.length(0)
}

/// Throws unless it is contiguous i64 of one dimension.
func checkList(_ list: TensorView, _ name: StaticString) throws(CallError) {
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

/// Throws unless a sparse target has the input's shape but for the number of classes.
private func checkNamedClasses(
    _ target: TensorView, _ input: TensorView, _ axis: Int, _ names: ArgumentNames
) throws(CallError) {
    var isEqual = target.ndim == input.ndim
    if isEqual {
        for d in 0..<input.ndim where d != axis && target.length(d) != input.length(d) { isEqual = false }
    }
    if isEqual { return }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text(names.target)
        $0.text(" has shape ")
        $0.shape(target)
        $0.text(", but ")
        $0.text(names.input)
        $0.text(" has shape ")
        $0.shape(input)
        $0.text(": sparse targets may differ from it along the class axis alone")
    }
}

/// Throws a sentence that begins with the option's name.
func refuse(_ name: StaticString, isGiven: Bool, _ reason: StaticString) throws(CallError) {
    if !isGiven { return }
    throw CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is ")
        $0.text(reason)
    }
}

extension Settings {
    /// Refuses options, each of them good, that do not go together, or not with this call.
    func checkContradictions(
        _ options: ce_options, _ target: Target.Kind, _ mode: Mode
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
                isGiven: targetType == .logits && options.target_rest != CE_REST_RENORMALIZE,
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

    /// Throws unless there is a gradient with respect to this target in this call, and it has the target's shape and dtype.
    func checkTargetGrad(_ grad: TensorView, _ target: Target) throws(CallError) {
        try refuse(
            "grad_target", isGiven: target.kind != .distributions, "for distributions, but targets are labels or sparse"
        )
        try refuse(
            "grad_target", isGiven: terms.focal_gamma != 0 || terms.poly_epsilon != 0,
            "not computed for a loss with focal_gamma or poly_epsilon")
        try refuse(
            "grad_target", isGiven: reduction == .mean && meanOver == .mass,
            "not computed with mean_over MASS, whose divisor depends on the target; take WEIGHT or COUNT")
        try checkLikeInput(grad, "grad_target", target.view, "target")
    }
}
