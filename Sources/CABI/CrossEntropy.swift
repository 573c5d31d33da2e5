import CCrossEntropy
import Core
import Shims

/// The calls that compare logits or probabilities with a target, for a loss and its
/// gradients: checks everything, then computes.
@_optimize(speed)
func crossEntropy(
    _ function: StaticString, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32,
    _ target: UnsafePointer<ce_tensor>?, _ options: UnsafePointer<ce_options>?,
    _ outputs: UnsafePointer<ce_outputs>?, _ mode: Mode = .loss
) -> Int32 {
    checked(function) { storage throws(CallError) in
        var known = Options()
        try known.read(options)
        var wanted = ce_outputs()
        try readOutputs(outputs, into: &wanted)
        try crossEntropy(mode, input, classAxis, target, &known, &wanted, nil, .views, &storage)
    }
}

/// The calls for second derivatives, whose output takes the gradient's place.
func hessian(
    _ function: StaticString, _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32,
    _ target: UnsafePointer<ce_tensor>?, _ options: UnsafePointer<ce_options>?,
    vector: UnsafePointer<ce_tensor>? = nil, _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    checked(function) { storage throws(CallError) in
        var known = Options()
        try known.read(options)
        var outputs = ce_outputs()
        outputs.grad = output
        try crossEntropy(mode, input, classAxis, target, &known, &outputs, vector, .hessian, &storage)
    }
}

/// The same for options that have been read, within a function's `checked`. The problem is filled in place, because it
/// is too large to be copied.
@inline(never)
@_optimize(speed)
func crossEntropy(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<Options>, _ outputs: UnsafePointer<ce_outputs>, _ vector: UnsafePointer<ce_tensor>?,
    _ names: ArgumentNames, _ storage: inout CallStorage
) throws(CallError) {
    let tensors = try RowTensors(mode, input, classAxis, target, options, outputs, vector, names, &storage)
    try tensors.checkShapes(options)
    var problem = Problem(
        mode, Settings(), classes: tensors.input.length(tensors.axis), rows: storage.rowSpace(),
        input: tensors.input.operand(classAxis: tensors.axis), target: tensors.target.operand)

    let function: FunctionSet = mode.isHessian ? .hessian : mode == .divergence ? .divergence : .crossEntropy
    try problem.settings.read(options, of: function, &storage)
    try accept(outputs, by: function, problem.settings.inputType)
    try problem.settings.checkContradictions(options, tensors.target.kind, mode)
    if let targetGrad = tensors.targetGrad { try problem.settings.checkTargetGrad(targetGrad, tensors.target) }
    try tensors.checkLoss(problem.settings.reduction)
    try checkOverlaps(&storage)
    if let places = outputs.pointee.row_stats {
        problem.outputs.statistics = try checkedStatistics(
            places, isOutput: true, rows: tensors.input.count(without: tensors.axis), &storage)
    }
    tensors.fillIn(&problem, options)
    try run(&problem)
}

@_optimize(speed)
func run(_ problem: UnsafePointer<Problem>) throws(CallError) {
    do throws(LossFailure) {
        try Problem.run(problem)
    } catch {
        throw CallError(error, classes: problem.pointee.classes)
    }
}

/// The tensors of a call over rows.
private struct RowTensors {
    let input: TensorView
    let axis: Int
    let target: Target
    let optional: OptionalTensors
    let vector: TensorView?
    let loss: TensorView?
    let grad: TensorView?
    let targetGrad: TensorView?

    @inline(__always)
    init(
        _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
        _ options: UnsafePointer<Options>, _ outputs: UnsafePointer<ce_outputs>, _ vector: UnsafePointer<ce_tensor>?,
        _ names: ArgumentNames, _ storage: inout CallStorage
    ) throws(CallError) {
        let wanted = outputs.pointee
        self.input = try view(input, names.input, .floating, &storage, as: .replaceable)
        axis = try checkedClassAxis(classAxis, of: self.input)
        self.target = try Target(target, options, self.input, axis, names, &storage)
        optional = options.pointee.areDefaults ? OptionalTensors() : try OptionalTensors(options, &storage)
        self.vector =
            mode == .hessianVector ? try view(vector, "vector", .floating, &storage, as: .replaceable) : nil
        loss = try optionalView(wanted.loss, "loss", .single, &storage, as: .output)
        grad =
            mode.isHessian
            ? try view(wanted.grad, names.grad, .floating, &storage, as: .replacing)
            : try optionalView(wanted.grad, names.grad, .floating, &storage, as: .replacing)
        targetGrad = try optionalView(wanted.grad_target, "grad_target", .floating, &storage, as: .output)
    }

    // Transparent, because the compiler inlines nothing else into a function as large as the caller, and would store
    // all of `self` to memory.
    @_transparent
    @_optimize(speed)
    func checkShapes(_ options: UnsafePointer<Options>) throws(CallError) {
        if !options.pointee.areDefaults { try optional.checkShapes(options, input, axis, target.kind) }
        if let grad { try checkLikeInput(grad, input) }
        if let vector { try checkShape(vector, equals: input) }
    }

    @inline(__always)
    func checkLoss(_ reduction: Reduction) throws(CallError) {
        guard let loss else { return }
        if reduction == .none {
            try checkShape(loss, equals: input, without: axis)
        } else {
            try checkSingle(loss)
        }
    }

    /// Fills in everything but the input and the target.
    @_transparent
    @_optimize(speed)
    func fillIn(_ problem: inout Problem, _ options: UnsafePointer<Options>) {
        if !options.pointee.areDefaults {
            optional.fillIn(&problem)
            if target.kind == .sparse { problem.sparse = target.sparse(rest: options.pointee.values.target_rest) }
        }
        if let loss { problem.outputs.loss = loss.operand }
        if let grad { problem.outputs.grad = grad.operand(classAxis: axis) }
        if let targetGrad { problem.outputs.targetGrad = targetGrad.operand(classAxis: axis) }
        if let vector { problem.vector = vector.operand(classAxis: axis) }
        if input.isEmpty {
            // There is a class, so there are no rows. The other lengths may be anything, and their product may overflow.
            problem.rows.append(0, input: 0, target: 0, sampleWeight: 0, loss: 0, grad: 0)
            return
        }
        let keepsLosses = problem.settings.reduction == .none
        for d in 0..<input.ndim where d != axis && input.length(d) != 1 {
            // The same dimension in a tensor without a class axis.
            let row = d < axis ? d : d - 1
            problem.rows.append(
                input.length(d), input: input.stride(d), target: target.rowStride(d, row),
                sampleWeight: optional.sampleWeight?.stride(row) ?? 0,
                loss: keepsLosses ? loss?.stride(row) ?? 0 : 0, grad: grad?.stride(d) ?? 0,
                mask: optional.mask?.stride(row) ?? 0, gradLoss: optional.gradLosses?.stride(row) ?? 0,
                targetProbs: target.probsRowStride(d), targetGrad: targetGrad?.stride(d) ?? 0,
                vector: vector?.stride(d) ?? 0)
        }
    }
}

/// The optional tensors of a call over rows, except for the target's. If there are none, nothing is done.
private struct OptionalTensors {
    private(set) var weight: TensorView?
    private(set) var prior: TensorView?
    private(set) var sampleWeight: TensorView?
    private(set) var mask: TensorView?
    private(set) var ignored: TensorView?
    private(set) var gradLosses: TensorView?

    @_optimize(speed)
    init() {}

    @inline(never)
    @_optimize(speed)
    init(_ options: UnsafePointer<Options>, _ storage: inout CallStorage) throws(CallError) {
        let given = options.pointee.values
        weight = try optionalView(given.weight, "weight", .floating, &storage)
        prior = try optionalView(given.prior, "prior", .floating, &storage)
        sampleWeight = try optionalView(given.sample_weight, "sample_weight", .floating, &storage)
        mask = try optionalView(given.mask, "mask", .integer, &storage)
        ignored = try optionalView(given.ignore_indices, "ignore_indices", .integer, &storage)
        gradLosses = try optionalView(given.grad_losses, "grad_losses", .floating, &storage)
    }

    @inline(never)
    @_optimize(speed)
    func checkShapes(
        _ options: UnsafePointer<Options>, _ input: TensorView, _ axis: Int, _ target: Target.Kind
    ) throws(CallError) {
        try checkWeight(weight, input.length(axis))
        try checkWeight(prior, input.length(axis))
        if let sampleWeight { try checkShape(sampleWeight, equals: input, without: axis) }
        if let mask { try checkShape(mask, equals: input, without: axis) }
        if let gradLosses { try checkShape(gradLosses, equals: input, without: axis) }
        if gradLosses != nil && options.pointee.values.reduction != CE_REDUCTION_NONE {
            throw CallError(CE_ERROR_OPTION) {
                $0.text("grad_losses is for reduction none: a mean or a sum has one upstream gradient, grad_loss")
            }
        }
        guard let ignored else { return }
        if target == .distributions {
            throw CallError(CE_ERROR_OPTION) {
                $0.text("ignore_indices is for labels, but targets are distributions")
            }
        }
        try checkList(ignored)
    }

    @inline(never)
    @_optimize(speed)
    func fillIn(_ problem: inout Problem) {
        if let weight { problem.weight = weight.operand(stepping: weight.stride(0)) }
        if let prior { problem.prior = prior.operand(stepping: prior.stride(0)) }
        if let sampleWeight { problem.sampleWeight = sampleWeight.operand }
        if let mask { problem.mask = mask.operand }
        if let gradLosses { problem.gradLosses = gradLosses.operand }
        if let ignored {
            problem.ignoreIndices = UnsafeRawBufferPointer(start: ignored.data, count: ignored.count() * 8)
        }
    }
}

/// Throws unless there is one number for each class.
@inline(__always)
func checkWeight(_ weight: TensorView?, _ classes: Int) throws(CallError) {
    guard let weight, weight.ndim != 1 || weight.length(0) != classes else { return }
    throw wrongCount(weight, classes)
}

@inline(never)
private func wrongCount(_ weight: TensorView, _ classes: Int) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text(weight.name)
        $0.text(" has shape ")
        $0.shape(weight)
        $0.text(", but there are ")
        $0.number(classes)
        $0.text(" classes")
    }
}

/// Throws unless an output has the input's shape, and a dtype that is allowed for the input's.
@inline(__always)
func checkLikeInput(_ view: TensorView, _ input: TensorView) throws(CallError) {
    try checkShape(view, equals: input)
    if view.dtype != input.dtype && !(input.dtype.isHalf && view.dtype == .f32) { throw otherType(view, input) }
}

@inline(never)
private func otherType(_ view: TensorView, _ input: TensorView) -> CallError {
    CallError(CE_ERROR_DTYPE) {
        $0.text(view.name)
        $0.text(" must have the dtype of ")
        $0.text(input.name)
        if input.dtype.isHalf { $0.text(", or f32") }
    }
}

/// Throws unless a reduced loss is one number.
@inline(__always)
func checkSingle(_ loss: TensorView) throws(CallError) {
    if loss.ndim != 0 && loss.count() != 1 { throw notSingle(loss) }
}

@inline(never)
private func notSingle(_ loss: TensorView) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text("loss has shape ")
        $0.shape(loss)
        $0.text(", but a mean or sum is one number")
    }
}

/// An axis, counted from 0.
@inline(__always)
func checkedAxis(_ axis: Int32, of input: TensorView) throws(CallError) -> Int {
    let position = axis < 0 ? Int(axis) + input.ndim : Int(axis)
    guard position >= 0 && position < input.ndim else { throw noAxis(axis, input) }
    return position
}

@inline(never)
private func noAxis(_ axis: Int32, _ input: TensorView) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text("class_axis is ")
        $0.number(Int(axis))
        $0.text(", but input has ")
        $0.number(input.ndim)
        $0.text(input.ndim == 1 ? " dimension" : " dimensions")
    }
}

/// The class axis, which must have at least one class.
@inline(__always)
func checkedClassAxis(_ axis: Int32, of input: TensorView) throws(CallError) -> Int {
    let position = try checkedAxis(axis, of: input)
    if input.length(position) < 1 { throw noClass(axis, input) }
    return position
}

@inline(never)
private func noClass(_ axis: Int32, _ input: TensorView) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text("input has shape ")
        $0.shape(input)
        $0.text(" and so no class: class_axis is ")
        $0.number(Int(axis))
    }
}

extension Mode {
    fileprivate var isHessian: Bool { self == .hessianVector || self == .hessianDiagonal }
}
