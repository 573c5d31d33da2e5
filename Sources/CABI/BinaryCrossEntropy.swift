// swift-format-ignore-file: AlwaysUseLowerCamelCase

// because the name is that of the header.
import CCrossEntropy
import Core
import Shims

@implementation @_cdecl("ce_binary_cross_entropy")
public func ce_binary_cross_entropy(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ outputs: UnsafePointer<ce_outputs>?
) -> Int32 {
    checked("ce_binary_cross_entropy") { storage throws(CallError) in
        var known = Options()
        try known.read(options)
        var wanted = ce_outputs()
        try readOutputs(outputs, into: &wanted)
        let problem = try checkedProblem(input, class_axis, target, &known, &wanted, &storage)
        do throws(LossFailure) {
            try problem.run()
        } catch {
            throw CallError(binary: error)
        }
    }
}

private func checkedProblem(
    _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<Options>, _ outputs: UnsafePointer<ce_outputs>, _ storage: inout CallStorage
) throws(CallError) -> BinaryProblem {
    let input = try view(input, "input", .floating, &storage, as: .replaceable)
    let target = try view(target, "target", .any, &storage)
    let weight = try optionalView(options.pointee.values.weight, "weight", .floating, &storage)
    let positiveWeight = try optionalView(options.pointee.values.pos_weight, "pos_weight", .floating, &storage)
    let sampleWeight = try optionalView(options.pointee.values.sample_weight, "sample_weight", .floating, &storage)
    let loss = try optionalView(outputs.pointee.loss, "loss", .single, &storage, as: .output)
    let grad = try optionalView(outputs.pointee.grad, "grad", .floating, &storage, as: .replacing)

    // Shapes
    // A single number has one class, on axis 0.
    let isSingle = input.ndim == 0 && (classAxis == 0 || classAxis == -1)
    let axis = isSingle ? 0 : try checkedAxis(classAxis, of: input)
    let classes = isSingle ? 1 : input.length(axis)
    try checkShape(target, equals: input)
    let weightStride = try classStride(weight, classes)
    let positiveStride = try classStride(positiveWeight, classes)
    if let sampleWeight { try checkShape(sampleWeight, equals: input) }
    if let grad { try checkLikeInput(grad, input) }

    // Options
    var settings = Settings()
    try settings.read(options, of: .binary, &storage)
    try accept(outputs, by: .binary, settings.inputType)
    try checkBinary(settings)
    let keepsLosses = settings.reduction == .none
    if let loss {
        if keepsLosses {
            try checkShape(loss, equals: input)
        } else {
            try checkSingle(loss)
        }
    }

    // Memory
    try checkOverlaps(&storage)

    let numbers = storage.append(
        TensorView.Record(
            data: input.data, addresses: 0..<0, dimensions: try storage.nextTensor(input.ndim), ndim: input.ndim,
            dtype: .f64, isPacked: true, role: .input, name: "numbers"))
    numbers.setContiguous(like: input)
    let order = ElementOrder(input, lengths: numbers)
    let weights = weight.map { order.walk($0, along: axis, weightStride) }
    let positiveWeights = positiveWeight.map { order.walk($0, along: axis, positiveStride) }
    let losses = loss.map { keepsLosses ? order.walk($0) : order.walk($0, along: axis, 0) }
    var problem = BinaryProblem(
        settings: settings, input: order.walk(input), target: order.walk(target), numbering: order.walk(numbers))
    problem.weight = weights
    problem.positiveWeight = positiveWeights
    problem.loss = losses
    if let sampleWeight { problem.sampleWeight = order.walk(sampleWeight) }
    if let grad { problem.grad = order.walk(grad) }
    return problem
}

/// The order in which a call visits its elements: that of the input's memory, because no result depends on the order.
private struct ElementOrder {
    private let isEmpty: Bool
    /// A view that has the input's lengths, until a walk over it overwrites its dimensions.
    private let lengths: TensorView
    /// The tensors' dimensions, the slowest in memory first; and whether the tensors have them in this order already,
    /// in which dimensions of length 1 may be anywhere.
    private var order = InlineArray<64, UInt8>(repeating: 0)
    private var isGiven = true

    init(_ input: TensorView, lengths: TensorView) {
        isEmpty = input.isEmpty
        self.lengths = lengths
        for d in 0..<input.ndim {
            var i = d
            while i > 0 && abs(input.stride(Int(order[i - 1]))) < abs(input.stride(d)) {
                order[i] = order[i - 1]
                if input.length(Int(order[i])) != 1 { isGiven = false }
                i -= 1
            }
            order[i] = UInt8(d)
        }
    }

    /// A walk over the elements of a tensor of the input's shape. It overwrites the view's dimensions.
    func walk(_ view: TensorView) -> ElementWalk {
        if !isGiven { return reordered(view) }
        var walk = ElementWalk(view.operand, storage: view.dimensions)
        // The other lengths may be anything in that case, and their product may overflow.
        if isEmpty { walk.append(0, stride: 0) }
        // No dimension is overwritten before it has been read.
        for d in 0..<(isEmpty ? 0 : view.ndim) { walk.append(view.length(d), stride: view.stride(d)) }
        return walk
    }

    /// A walk over a number for each class as if there were one for each element. It overwrites the view's dimensions, too.
    func walk(_ view: TensorView, along axis: Int, _ stride: Int) -> ElementWalk {
        var walk = ElementWalk(view.operand, storage: view.dimensions)
        if isEmpty { walk.append(0, stride: 0) }
        for i in 0..<(isEmpty ? 0 : lengths.ndim) {
            let d = Int(order[i])
            walk.append(lengths.length(d), stride: d == axis ? stride : 0)
        }
        return walk
    }

    @inline(never)
    private func reordered(_ view: TensorView) -> ElementWalk {
        var dimensions = InlineArray<64, TensorDimension>(repeating: TensorDimension())
        for d in 0..<view.ndim { dimensions[d] = view.dimensions[d] }
        var walk = ElementWalk(view.operand, storage: view.dimensions)
        if isEmpty { walk.append(0, stride: 0) }
        for i in 0..<(isEmpty ? 0 : view.ndim) {
            let dimension = dimensions[Int(order[i])]
            walk.append(dimension.length, stride: dimension.stride)
        }
        return walk
    }
}

extension TensorView {
    fileprivate func setContiguous(like other: TensorView) {
        var step = 1
        for d in Swift.stride(from: ndim - 1, through: 0, by: -1) {
            dimensions[d] = TensorDimension(length: other.length(d), stride: step)
            step = step &* other.length(d)
        }
    }
}

/// Throws for values of options that the loss of one element cannot have.
private func checkBinary(_ settings: Settings) throws(CallError) {
    if settings.inputType == .logProbs {
        throw CallError(CE_ERROR_OPTION) {
            $0.text(
                "input_type is LOG_PROBS, but binary cross-entropy takes LOGITS or PROBS: it needs log(1 - p) too")
        }
    }
    if settings.reduction == .mean && settings.meanOver == .mass {
        throw CallError(CE_ERROR_OPTION) {
            $0.text(
                "mean_over is MASS, but every element of a binary cross-entropy has the mass 1: take WEIGHT or COUNT")
        }
    }
}

/// The distance from a class's weight to the next one's: 0 if one number is for all classes. Throws unless there is a
/// number for each class, or one.
private func classStride(_ weight: TensorView?, _ classes: Int) throws(CallError) -> Int {
    guard let weight, weight.ndim > 1 || weight.count() != 1 else { return 0 }
    if weight.ndim == 1 && weight.length(0) == classes { return weight.stride(0) }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text(weight.name)
        $0.text(" has shape ")
        $0.shape(weight)
        $0.text(", but there ")
        $0.text(classes == 1 ? "is " : "are ")
        $0.number(classes)
        $0.text(classes == 1 ? " class" : " classes")
        $0.text(", and one number would serve them all")
    }
}

extension CallError {
    fileprivate init(binary failure: LossFailure) {
        switch failure {
        case .label(let label, let element):
            self.init(CE_ERROR_LABEL) {
                $0.label(label)
                $0.text(" in element ")
                $0.number(element)
                $0.text(" is neither 0 nor 1")
            }
        case .empty:
            self.init(CE_ERROR_EMPTY) {
                $0.text(
                    "no element counts, so there is no mean: there is none, every one is ignored, or the weights add up to 0"
                )
            }
        default: self.init(failure, classes: 2)
        }
    }
}
