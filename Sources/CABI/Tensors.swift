import CCrossEntropy
import Core

// From a ce_tensor, which may hold anything, to a TensorView that the rest can rely on.

enum AcceptedTypes {
    /// Losses and lse, which are written in f32 or f64 whatever they are of.
    case single
    case floating
    case integer
    case any
}

/// `nil` if the pointer is NULL.
func optionalView(
    _ tensor: UnsafePointer<ce_tensor>?, _ name: StaticString, _ accepted: AcceptedTypes,
    _ storage: inout CallStorage, as role: NamedView.Role = .input
) throws(CallError) -> TensorView? {
    guard let tensor else { return nil }
    return try view(tensor, name, accepted, &storage, as: role)
}

func view(
    _ tensor: UnsafePointer<ce_tensor>?, _ name: StaticString, _ accepted: AcceptedTypes,
    _ storage: inout CallStorage, as role: NamedView.Role = .input
) throws(CallError) -> TensorView {
    guard let tensor = tensor?.pointee else { throw nullPointer(name) }
    guard let dtype = DType(rawValue: tensor.dtype) else {
        throw CallError(CE_ERROR_DTYPE) {
            $0.text(name)
            $0.text(" has an unknown dtype: ")
            $0.number(Int(tensor.dtype))
        }
    }
    let isAccepted =
        switch accepted {
        case .single: dtype.isFloatingPoint && !dtype.isHalf
        case .floating: dtype.isFloatingPoint
        case .integer: !dtype.isFloatingPoint
        case .any: true
        }
    if !isAccepted {
        throw CallError(CE_ERROR_DTYPE) {
            $0.text(name)
            switch accepted {
            case .single: $0.text(" must be f32 or f64")
            case .floating: $0.text(" must be f32, f64, f16 or bf16")
            case .integer: $0.text(" must be integers")
            case .any: break
            }
        }
    }
    guard tensor.ndim >= 0 && tensor.ndim <= CE_MAX_NDIM else {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text(name)
            $0.text(" has ")
            $0.number(Int(tensor.ndim))
            $0.text(" dimensions; 0 to ")
            $0.number(Int(CE_MAX_NDIM))
            $0.text(" are accepted")
        }
    }
    let ndim = Int(tensor.ndim)
    if ndim > 0 && tensor.shape == nil {
        throw CallError(CE_ERROR_NULL_POINTER) {
            $0.text("the shape of ")
            $0.text(name)
            $0.text(" is NULL")
        }
    }
    let dimensions = try storage.nextTensor(ndim)
    var isEmpty = false
    for d in 0..<ndim {
        let length = Int(tensor.shape[d])
        guard length >= 0 else {
            throw CallError(CE_ERROR_SHAPE) {
                $0.text("dimension ")
                $0.number(d)
                $0.text(" of ")
                $0.text(name)
                $0.text(" has a negative length: ")
                $0.number(length)
            }
        }
        dimensions[d].length = length
        if length == 0 { isEmpty = true }
    }
    var bytes = dtype.size  // of the contiguous tensor, and further down of the farthest element
    for d in stride(from: ndim - 1, through: 0, by: -1) {
        dimensions[d].stride = tensor.strides.map { Int($0[d]) } ?? bytes / dtype.size
        // Lengths may be anything where another one is 0.
        bytes = try product(bytes, isEmpty ? 1 : dimensions[d].length, name)
    }
    var view = TensorView(
        data: UnsafeMutableRawPointer(bitPattern: 1)!, dtype: dtype, ndim: ndim, dimensions: dimensions)
    if isEmpty {
        // No element is ever reached, so whatever stands here must not overflow later.
        for d in 0..<ndim { dimensions[d].stride = 0 }
        return view
    }
    guard let data = tensor.data else {
        throw CallError(CE_ERROR_NULL_POINTER) {
            $0.text("the data of ")
            $0.text(name)
            $0.text(" is NULL")
        }
    }
    // The addresses of the lowest element, and of the end of the highest.
    var low = Int(bitPattern: data)
    var high = try sum(low, dtype.size, name)
    for d in 0..<ndim {
        // A length that is never stepped along may have any stride.
        if dimensions[d].length == 1 { dimensions[d].stride = 0 }
        let reach = try product(try product(dtype.size, dimensions[d].stride, name), dimensions[d].length - 1, name)
        if reach < 0 { low = try sum(low, reach, name) } else { high = try sum(high, reach, name) }
    }
    if high.subtractingReportingOverflow(low).overflow { throw overflowError(name) }
    view.addresses = low..<high
    view.data = data
    storage.append(view, name, role)
    return view
}

private func product(_ a: Int, _ b: Int, _ name: StaticString) throws(CallError) -> Int {
    let (result, overflow) = a.multipliedReportingOverflow(by: b)
    if overflow { throw overflowError(name) }
    return result
}

private func sum(_ a: Int, _ b: Int, _ name: StaticString) throws(CallError) -> Int {
    let (result, overflow) = a.addingReportingOverflow(b)
    if overflow { throw overflowError(name) }
    return result
}

func overflowError(_ name: StaticString) -> CallError {
    CallError(CE_ERROR_OVERFLOW) {
        $0.text("the size of ")
        $0.text(name)
        $0.text(" in bytes does not fit in 63 bits")
    }
}

func nullPointer(_ name: StaticString) -> CallError {
    CallError(CE_ERROR_NULL_POINTER) {
        $0.text(name)
        $0.text(" is NULL")
    }
}

/// Throws unless `view` has the shape `expected`; without dimension `axis` of that, if given.
func checkShape(
    _ view: TensorView, _ name: StaticString, equals expected: TensorView, without axis: Int = -1,
    _ expectedName: StaticString
) throws(CallError) {
    var isEqual = view.ndim == expected.ndim - (axis >= 0 ? 1 : 0)
    if isEqual {
        for d in 0..<view.ndim {
            if view.length(d) != expected.length(axis >= 0 && d >= axis ? d + 1 : d) { isEqual = false }
        }
    }
    if !isEqual {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text(name)
            $0.text(" has shape ")
            $0.shape(view)
            $0.text(", but ")
            $0.text(expectedName)
            if axis >= 0 { $0.text(" without its class axis") }
            $0.text(" has shape ")
            $0.shape(expected, without: axis)
        }
    }
}
