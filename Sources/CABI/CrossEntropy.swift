import CCrossEntropy
import Core
import Shims

/// Checks everything, then computes: the body of every call for a loss.
func crossEntropy(
    _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ loss: UnsafePointer<ce_tensor>?, _ grad: UnsafePointer<ce_tensor>?
) -> Int32 {
    checked { storage throws(CallError) in
        try run(try checkedCall(input, classAxis, target, try readOptions(options), loss, grad, &storage))
    }
}

func run(_ call: LossCall) throws(CallError) {
    do throws(LossFailure) {
        try call.run()
    } catch {
        throw CallError(error, classes: call.classes)
    }
}

private func checkedCall(
    _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: ce_options, _ loss: UnsafePointer<ce_tensor>?, _ grad: UnsafePointer<ce_tensor>?,
    _ storage: inout CallStorage
) throws(CallError) -> LossCall {
    let input = try view(input, "input", .singleOrHalf, &storage)
    let target = try view(target, "target", .integerOrSingle, &storage)
    let weight = try optionalView(options.weight, "weight", .single, &storage)
    let sampleWeight = try optionalView(options.sample_weight, "sample_weight", .single, &storage)
    let mask = try optionalView(options.mask, "mask", .integer, &storage)
    let ignored = try optionalView(options.ignore_indices, "ignore_indices", .integer, &storage)
    let gradLosses = try optionalView(options.grad_losses, "grad_losses", .single, &storage)
    let loss = try optionalView(loss, "loss", .single, &storage)
    let grad = try optionalView(grad, "grad", .singleOrHalf, &storage)
    if loss == nil && grad == nil {
        throw CallError(CE_ERROR_NULL_POINTER) { $0.text("loss and grad are both NULL: there is nothing to compute") }
    }

    // Shapes
    let axis = try checkedClassAxis(classAxis, of: input)
    let classes = input.length(axis)
    let isIndexTarget = !target.dtype.isFloatingPoint
    if isIndexTarget {
        try checkShape(target, "target", equals: input, without: axis, "input without its class axis")
    } else {
        try checkShape(target, "target", equals: input, "input")
    }
    try checkWeight(weight, classes)
    if let sampleWeight {
        try checkShape(sampleWeight, "sample_weight", equals: input, without: axis, "input without its class axis")
    }
    if let mask { try checkShape(mask, "mask", equals: input, without: axis, "input without its class axis") }
    if let gradLosses {
        try checkShape(gradLosses, "grad_losses", equals: input, without: axis, "input without its class axis")
        if options.reduction != CE_REDUCTION_NONE {
            throw CallError(CE_ERROR_OPTION) {
                $0.text("grad_losses is for reduction none: a mean or a sum has one upstream gradient, grad_loss")
            }
        }
    }
    if options.pos_weight != nil {
        throw CallError(CE_ERROR_OPTION) {
            $0.text("pos_weight is for binary cross-entropy: a softmax has no positive term; take weight")
        }
    }
    if let ignored {
        if !isIndexTarget {
            throw CallError(CE_ERROR_OPTION) { $0.text("ignore_indices is for labels, but target holds distributions") }
        }
        guard ignored.dtype == .i64, ignored.ndim == 1, ignored.count() < 2 || ignored.stride(0) == 1 else {
            throw CallError(CE_ERROR_SHAPE) {
                $0.text("ignore_indices must be contiguous i64 of one dimension, but has shape ")
                $0.shape(ignored)
            }
        }
    }
    if let grad { try checkLikeInput(grad, "grad", input) }

    var call = LossCall(
        classes: classes, rows: storage.rowSpace(),
        input: Operand(data: input.data, dtype: input.dtype, classStride: input.classStride(axis)),
        target: Operand(
            data: target.data, dtype: target.dtype, classStride: isIndexTarget ? 0 : target.classStride(axis)))
    try call.apply(options)
    if let loss {
        if call.reduction == .none {
            try checkShape(loss, "loss", equals: input, without: axis, "input without its class axis")
        } else {
            try checkSingle(loss)
        }
    }

    // Memory
    let keepsLosses = call.reduction == .none
    try checkOutputs(
        loss, grad, input: input, target: target, weight: weight, sampleWeight: sampleWeight, mask: mask,
        ignored: ignored, gradLosses: gradLosses)
    call.statistics = try checkedStatistics(
        options.row_stats, rows: input.count(without: axis),
        apartFrom: [input, target, weight, sampleWeight, mask, ignored, gradLosses, loss, grad], &storage)

    call.weight = weight.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.stride(0)) }
    call.sampleWeight = sampleWeight.map { Operand(data: $0.data, dtype: $0.dtype) }
    call.mask = mask.map { Operand(data: $0.data, dtype: $0.dtype) }
    call.gradLosses = gradLosses.map { Operand(data: $0.data, dtype: $0.dtype) }
    call.ignoreIndices = ignored.map { UnsafeRawBufferPointer(start: $0.data, count: $0.count() * 8) }
    call.loss = loss.map { Operand(data: $0.data, dtype: $0.dtype) }
    call.grad = grad.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.classStride(axis)) }
    if input.count(without: axis) == 0 {
        // The other lengths may be anything then, and their product may overflow.
        call.rows.append(0, input: 0, target: 0, sampleWeight: 0, loss: 0, grad: 0)
        return call
    }
    for d in 0..<input.ndim where d != axis {
        // The same dimension of a tensor without a class axis.
        let row = d < axis ? d : d - 1
        call.rows.append(
            input.length(d), input: input.stride(d), target: target.stride(isIndexTarget ? row : d),
            sampleWeight: sampleWeight?.stride(row) ?? 0, loss: keepsLosses ? loss?.stride(row) ?? 0 : 0,
            grad: grad?.stride(d) ?? 0, mask: mask?.stride(row) ?? 0, gradLoss: gradLosses?.stride(row) ?? 0)
    }
    return call
}

func checkWeight(_ weight: TensorView?, _ classes: Int) throws(CallError) {
    guard let weight, weight.ndim != 1 || weight.length(0) != classes else { return }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text("weight has shape ")
        $0.shape(weight)
        $0.text(", but there are ")
        $0.number(classes)
        $0.text(" classes")
    }
}

/// Throws unless an output has the shape and a dtype that go with the input.
func checkLikeInput(_ view: TensorView, _ name: StaticString, _ input: TensorView) throws(CallError) {
    try checkShape(view, name, equals: input, "input")
    if view.dtype != input.dtype && !(input.dtype.isHalf && view.dtype == .f32) {
        throw CallError(CE_ERROR_DTYPE) {
            $0.text(name)
            $0.text(" must have the dtype of input")
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
            $0.text("class axis ")
            $0.number(Int(axis))
            $0.text(" is out of range: input has ")
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
            $0.text(" and so no class: the class axis is dimension ")
            $0.number(position)
        }
    }
    return position
}

extension TensorView {
    /// The stride of the class axis; a single class counts as contiguous.
    func classStride(_ axis: Int) -> Int { length(axis) == 1 ? 1 : stride(axis) }
}

extension Message {
    /// "label 7"
    mutating func label(_ label: Label) {
        text("label ")
        if label.isHuge {
            number(unsigned: UInt64(bitPattern: label.value))
        } else {
            number(Int(label.value))
        }
    }
}

extension CallError {
    init(_ failure: LossFailure, classes: Int) {
        switch failure {
        case .label(let label, let row):
            self.init(CE_ERROR_LABEL) {
                $0.label(label)
                $0.text(" in row ")
                $0.number(row)
                $0.text(" is out of range: there ")
                $0.text(classes == 1 ? "is 1 class (label 0)" : "are ")
                if classes > 1 {
                    $0.number(classes)
                    $0.text(" classes (labels 0 to ")
                    $0.number(classes - 1)
                    $0.text(")")
                }
            }
        case .empty:
            self.init(CE_ERROR_EMPTY) {
                $0.text(
                    "no row counts, so there is no mean: the batch is empty, every row is ignored, or the weights add up to 0"
                )
            }
        case .outOfMemory:
            self.init(CE_ERROR_OUT_OF_MEMORY) { $0.text("out of memory for the scratch space of the call") }
        case .cancelled:
            self.init(CE_ERROR_CANCELLED) { $0.text("cancelled: the outputs hold unspecified values") }
        }
    }
}
