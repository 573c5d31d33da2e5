import CCrossEntropy
import Core
import Shims

/// Checks everything, then computes: the body of the calls that compare logits or probabilities with a target, for a loss and its
/// gradients.
func crossEntropy(
    _ function: StaticString, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32,
    _ target: UnsafePointer<ce_tensor>?, _ options: UnsafePointer<ce_options>?,
    _ outputs: UnsafePointer<ce_outputs>?, _ mode: Mode = .loss
) -> Int32 {
    checked(function) { storage throws(CallError) in
        try crossEntropy(
            mode, input, classAxis, target, try readOptions(options), try readOutputs(outputs), nil, .views, &storage)
    }
}

/// The body of the calls for second derivatives, whose output stands in the gradient's place.
func hessian(
    _ function: StaticString, _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32,
    _ target: UnsafePointer<ce_tensor>?, _ options: UnsafePointer<ce_options>?,
    vector: UnsafePointer<ce_tensor>? = nil, _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    checked(function) { storage throws(CallError) in
        var outputs = ce_outputs()
        outputs.grad = output
        try crossEntropy(
            mode, input, classAxis, target, try readOptions(options), outputs, vector, .hessian, &storage)
    }
}

/// The same for options that have been read, and within a function's `checked`.
func crossEntropy(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: ce_options, _ outputs: ce_outputs, _ vector: UnsafePointer<ce_tensor>?, _ names: ArgumentNames,
    _ storage: inout CallStorage
) throws(CallError) {
    try run(try checkedProblem(mode, input, classAxis, target, options, outputs, vector, names, &storage))
}

func run(_ problem: consuming Problem) throws(CallError) {
    let classes = problem.classes
    do throws(LossFailure) {
        try withUnsafePointer(to: problem) { problem throws(LossFailure) in try Problem.run(problem) }
    } catch {
        throw CallError(error, classes: classes)
    }
}

private func checkedProblem(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: ce_options, _ outputs: ce_outputs, _ vector: UnsafePointer<ce_tensor>?, _ names: ArgumentNames,
    _ storage: inout CallStorage
) throws(CallError) -> Problem {
    let isHessian = mode == .hessianVector || mode == .hessianDiagonal
    let input = try view(input, names.input, .floating, &storage, as: .replaceable)
    let axis = try checkedClassAxis(classAxis, of: input)
    let classes = input.length(axis)
    let target = try Target(target, options, input, axis, names, &storage)
    let weight = try optionalView(options.weight, "weight", .floating, &storage)
    let prior = try optionalView(options.prior, "prior", .floating, &storage)
    let sampleWeight = try optionalView(options.sample_weight, "sample_weight", .floating, &storage)
    let mask = try optionalView(options.mask, "mask", .integer, &storage)
    let ignored = try optionalView(options.ignore_indices, "ignore_indices", .integer, &storage)
    let gradLosses = try optionalView(options.grad_losses, "grad_losses", .floating, &storage)
    let vector = mode == .hessianVector ? try view(vector, "vector", .floating, &storage, as: .replaceable) : nil
    let loss = try optionalView(outputs.loss, "loss", .single, &storage, as: .output)
    let grad =
        isHessian
        ? try view(outputs.grad, names.grad, .floating, &storage, as: .replacing)
        : try optionalView(outputs.grad, names.grad, .floating, &storage, as: .replacing)
    let targetGrad = try optionalView(outputs.grad_target, "grad_target", .floating, &storage, as: .output)

    // Shapes
    try checkWeight(weight, "weight", classes)
    try checkWeight(prior, "prior", classes)
    func checkPerRow(_ view: TensorView?, _ name: StaticString) throws(CallError) {
        if let view { try checkShape(view, name, equals: input, without: axis, names.input) }
    }
    try checkPerRow(sampleWeight, "sample_weight")
    try checkPerRow(mask, "mask")
    try checkPerRow(gradLosses, "grad_losses")
    if gradLosses != nil && options.reduction != CE_REDUCTION_NONE {
        throw CallError(CE_ERROR_OPTION) {
            $0.text("grad_losses is for reduction none: a mean or a sum has one upstream gradient, grad_loss")
        }
    }
    if let ignored {
        if target.kind == .distributions {
            throw CallError(CE_ERROR_OPTION) {
                $0.text("ignore_indices is for labels, but targets are distributions")
            }
        }
        try checkList(ignored, "ignore_indices")
    }
    if let grad { try checkLikeInput(grad, names.grad, input, names.input) }
    if let vector { try checkShape(vector, "vector", equals: input, names.input) }

    let function: Takers = isHessian ? .hessian : mode == .divergence ? .divergence : .crossEntropy
    let settings = try Settings(options, of: function, storage)
    try accept(outputs, by: function, settings.inputType)
    try settings.checkContradictions(options, target.kind, mode)
    if let targetGrad { try settings.checkTargetGrad(targetGrad, target) }
    let keepsLosses = settings.reduction == .none
    if let loss {
        if keepsLosses {
            try checkShape(loss, "loss", equals: input, without: axis, names.input)
        } else {
            try checkSingle(loss)
        }
    }

    try checkOverlaps(storage)
    var problem = Problem(
        mode, settings, classes: classes, rows: storage.rowSpace(),
        input: Operand(data: input.data, dtype: input.dtype, classStride: input.classStride(axis)),
        target: target.operand)
    if let places = outputs.row_stats {
        problem.outputs.statistics = try checkedStatistics(
            places, isOutput: true, rows: input.count(without: axis), &storage)
    }

    problem.weight = weight.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.stride(0)) }
    problem.prior = prior.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.stride(0)) }
    problem.sparse = target.sparse
    problem.sampleWeight = sampleWeight.map { Operand(data: $0.data, dtype: $0.dtype) }
    problem.mask = mask.map { Operand(data: $0.data, dtype: $0.dtype) }
    problem.gradLosses = gradLosses.map { Operand(data: $0.data, dtype: $0.dtype) }
    problem.ignoreIndices = ignored.map { UnsafeRawBufferPointer(start: $0.data, count: $0.count() * 8) }
    problem.outputs.loss = loss.map { Operand(data: $0.data, dtype: $0.dtype) }
    problem.outputs.grad = grad.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.classStride(axis)) }
    problem.outputs.targetGrad = targetGrad.map {
        Operand(data: $0.data, dtype: $0.dtype, classStride: $0.classStride(axis))
    }
    problem.vector = vector.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.classStride(axis)) }
    if input.count(without: axis) == 0 {
        // The other lengths may be anything then, and their product may overflow.
        problem.rows.append(0, input: 0, target: 0, sampleWeight: 0, loss: 0, grad: 0)
        return problem
    }
    for d in 0..<input.ndim where d != axis {
        // The same dimension of a tensor without a class axis.
        let row = d < axis ? d : d - 1
        problem.rows.append(
            input.length(d), input: input.stride(d), target: target.rowStride(d, row),
            sampleWeight: sampleWeight?.stride(row) ?? 0, loss: keepsLosses ? loss?.stride(row) ?? 0 : 0,
            grad: grad?.stride(d) ?? 0, mask: mask?.stride(row) ?? 0, gradLoss: gradLosses?.stride(row) ?? 0,
            targetProbs: target.probsRowStride(d), targetGrad: targetGrad?.stride(d) ?? 0,
            vector: vector?.stride(d) ?? 0)
    }
    return problem
}

/// Throws unless there is one number for each class.
func checkWeight(_ weight: TensorView?, _ name: StaticString, _ classes: Int) throws(CallError) {
    guard let weight, weight.ndim != 1 || weight.length(0) != classes else { return }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text(name)
        $0.text(" has shape ")
        $0.shape(weight)
        $0.text(", but there are ")
        $0.number(classes)
        $0.text(" classes")
    }
}

/// Throws unless an output has the shape and a dtype that go with the input.
func checkLikeInput(
    _ view: TensorView, _ name: StaticString, _ input: TensorView, _ inputName: StaticString
) throws(CallError) {
    try checkShape(view, name, equals: input, inputName)
    if view.dtype != input.dtype && !(input.dtype.isHalf && view.dtype == .f32) {
        throw CallError(CE_ERROR_DTYPE) {
            $0.text(name)
            $0.text(" must have the dtype of ")
            $0.text(inputName)
            if input.dtype.isHalf { $0.text(", or f32") }
        }
    }
}

/// A loss that is reduced is one number.
func checkSingle(_ loss: TensorView) throws(CallError) {
    if loss.count() == 1 { return }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text("loss has shape ")
        $0.shape(loss)
        $0.text(", but a mean or sum is one number")
    }
}

/// An axis as a number from 0 on.
func checkedAxis(_ axis: Int32, of input: TensorView) throws(CallError) -> Int {
    let position = axis < 0 ? Int(axis) + input.ndim : Int(axis)
    guard position >= 0 && position < input.ndim else {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text("class_axis is ")
            $0.number(Int(axis))
            $0.text(", but input has ")
            $0.number(input.ndim)
            $0.text(input.ndim == 1 ? " dimension" : " dimensions")
        }
    }
    return position
}

/// The class axis, along which there is at least one class.
func checkedClassAxis(_ axis: Int32, of input: TensorView) throws(CallError) -> Int {
    let position = try checkedAxis(axis, of: input)
    if input.length(position) < 1 {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text("input has shape ")
            $0.shape(input)
            $0.text(" and so no class: class_axis is ")
            $0.number(Int(axis))
        }
    }
    return position
}

extension TensorView {
    /// The stride of the class axis; a single class counts as contiguous.
    func classStride(_ axis: Int) -> Int { length(axis) == 1 ? 1 : stride(axis) }
}
