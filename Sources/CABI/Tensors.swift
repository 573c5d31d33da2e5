import CCrossEntropy
import Core

// Converts a ce_tensor, which may hold anything, to a TensorView, which all further code can rely on.

/// The types whose codes have their bit set.
struct AcceptedTypes: Equatable {
    private let codes: UInt32

    /// For losses and lse, which are written in f32 or f64 for every type of input.
    static let single = AcceptedTypes(codes: 1 << 1 | 1 << 2)
    static let floating = AcceptedTypes(codes: 0x1E)
    static let integer = AcceptedTypes(codes: 0xFF << 16)
    static let any = AcceptedTypes(codes: 0xFF << 16 | 0x1E)

    @inline(__always)
    func includes(_ code: Int32) -> Bool { codes >> UInt32(bitPattern: code) & 1 != 0 }
}

/// `nil` if the pointer is NULL.
@inline(__always)
func optionalView(
    _ tensor: UnsafePointer<ce_tensor>?, _ name: StaticString, _ accepted: AcceptedTypes,
    _ storage: inout CallStorage, as role: TensorView.Role = .input
) throws(CallError) -> TensorView? {
    guard let tensor else { return nil }
    return try view(tensor, name, accepted, &storage, as: role)
}

@_optimize(speed)
func view(
    _ tensor: UnsafePointer<ce_tensor>?, _ name: StaticString, _ accepted: AcceptedTypes,
    _ storage: inout CallStorage, as role: TensorView.Role = .input
) throws(CallError) -> TensorView {
    guard let tensor = tensor?.pointee else { throw nullPointer(name) }
    guard let dtype = DType(code: tensor.dtype) else { throw unknownType(name, tensor.dtype) }
    if !accepted.includes(tensor.dtype) { throw refusedType(name, accepted) }
    guard tensor.ndim >= 0 && tensor.ndim <= CE_MAX_NDIM else { throw tooManyDimensions(name, tensor.ndim) }
    let ndim = Int(tensor.ndim)
    if ndim > 0 && tensor.shape == nil { throw noShape(name) }
    let dimensions = try storage.nextTensor(ndim)
    var data = tensor.data
    var addresses = 0..<0
    if let data, let quickly = measureQuickly(tensor, data, dtype.size, dimensions) {
        addresses = quickly
    } else {
        addresses = try measure(tensor, dtype.size, dimensions, name)
        // Without elements any address will do, but it must not be null.
        if addresses.isEmpty { data = UnsafeMutableRawPointer(bitPattern: 1) }
    }
    return storage.append(
        TensorView.Record(
            data: data!, addresses: addresses, dimensions: dimensions, ndim: ndim, dtype: dtype,
            isPacked: tensor.strides == nil, role: role, name: name))
}

/// Fills in the dimensions of a tensor, from the last one to the first, and returns its addresses. Only for a tensor that is
/// not empty and whose sizes are far from any overflow. `nil`: it may not be such a tensor, and `measure` has to examine it.
@inline(__always)
private func measureQuickly(
    _ tensor: ce_tensor, _ data: UnsafeMutableRawPointer, _ size: Int,
    _ dimensions: UnsafeMutablePointer<TensorDimension>
) -> Range<Int>? {
    var count = 1
    var d = Int(tensor.ndim)
    while d > 0 {
        d &-= 1
        let length = Int(tensor.shape[d])
        let (product, isHuge) = count.multipliedReportingOverflow(by: length)
        if length <= 0 || isHuge { return nil }
        // A dimension of length 1 is never stepped along, so its stride may be anything.
        dimensions[d] = TensorDimension(length: length, stride: length == 1 ? 0 : count)
        count = product
    }
    let data = Int(bitPattern: data)
    if count >= farAway { return nil }
    if tensor.strides != nil { return measureStrides(tensor, data, size, dimensions) }
    let (end, isHigh) = data.addingReportingOverflow(count &* size)
    return isHigh ? nil : Range(uncheckedBounds: (data, end))
}

/// A number of elements such that its bytes, and several times as many, can be counted without overflow.
private var farAway: Int { 1 << 56 }

/// As `measureQuickly`, for strides that are given.
@inline(never)
@_optimize(speed)
private func measureStrides(
    _ tensor: ce_tensor, _ data: Int, _ size: Int, _ dimensions: UnsafeMutablePointer<TensorDimension>
) -> Range<Int>? {
    // The distances in elements to the lowest and to the highest element.
    var (low, high) = (0, 0)
    for d in 0..<Int(tensor.ndim) where dimensions[d].length != 1 {
        let stride = Int(tensor.strides[d])
        let (reach, isFar) = stride.multipliedReportingOverflow(by: dimensions[d].length &- 1)
        if isFar || reach >= farAway || reach <= -farAway { return nil }
        dimensions[d].stride = stride
        if reach < 0 { low &+= reach } else { high &+= reach }
        if high >= farAway || low <= -farAway { return nil }
    }
    let (start, isLow) = data.addingReportingOverflow(low &* size)
    let (end, isHigh) = data.addingReportingOverflow((high &+ 1) &* size)
    return isLow || isHigh ? nil : Range(uncheckedBounds: (start, end))
}

/// As `measureQuickly`, for any tensor; throws if its sizes do not fit.
@inline(never)
private func measure(
    _ tensor: ce_tensor, _ size: Int, _ dimensions: UnsafeMutablePointer<TensorDimension>, _ name: StaticString
) throws(CallError) -> Range<Int> {
    let ndim = Int(tensor.ndim)
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
    var bytes = size  // of the contiguous tensor; further down, up to the farthest element
    for d in stride(from: ndim - 1, through: 0, by: -1) {
        dimensions[d].stride = tensor.strides.map { Int($0[d]) } ?? bytes / size
        // If a length is 0, the others may be anything.
        bytes = try product(bytes, isEmpty ? 1 : dimensions[d].length, name)
    }
    if isEmpty {
        // No element is ever reached. Other strides than 0 might overflow later.
        for d in 0..<ndim { dimensions[d].stride = 0 }
        return 0..<0
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
    var high = try sum(low, size, name)
    for d in 0..<ndim {
        // A dimension of length 1 is never stepped along, so its stride may be anything.
        if dimensions[d].length == 1 { dimensions[d].stride = 0 }
        let reach = try product(try product(size, dimensions[d].stride, name), dimensions[d].length - 1, name)
        if reach < 0 { low = try sum(low, reach, name) } else { high = try sum(high, reach, name) }
    }
    if high.subtractingReportingOverflow(low).overflow { throw overflowError(name) }
    return low..<high
}

@inline(never)
private func unknownType(_ name: StaticString, _ code: Int32) -> CallError {
    CallError(CE_ERROR_DTYPE) {
        $0.text(name)
        $0.text(" has an unknown dtype: ")
        $0.number(Int(code))
    }
}

@inline(never)
private func refusedType(_ name: StaticString, _ accepted: AcceptedTypes) -> CallError {
    CallError(CE_ERROR_DTYPE) {
        $0.text(name)
        $0.text(
            accepted == .single
                ? " must be f32 or f64"
                : accepted == .floating ? " must be f32, f64, f16 or bf16" : " must be integers")
    }
}

@inline(never)
private func tooManyDimensions(_ name: StaticString, _ ndim: Int32) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text(name)
        $0.text(" has ")
        $0.number(Int(ndim))
        $0.text(" dimensions; 0 to ")
        $0.number(Int(CE_MAX_NDIM))
        $0.text(" are accepted")
    }
}

@inline(never)
private func noShape(_ name: StaticString) -> CallError {
    CallError(CE_ERROR_NULL_POINTER) {
        $0.text("the shape of ")
        $0.text(name)
        $0.text(" is NULL")
    }
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

@inline(never)
func overflowError(_ name: StaticString) -> CallError {
    CallError(CE_ERROR_OVERFLOW) {
        $0.text("the size of ")
        $0.text(name)
        $0.text(" in bytes does not fit in 63 bits")
    }
}

@inline(never)
func nullPointer(_ name: StaticString) -> CallError {
    CallError(CE_ERROR_NULL_POINTER) {
        $0.text(name)
        $0.text(" is NULL")
    }
}

/// Throws unless `view` has the shape `expected`; without the dimension `axis` of that, if given.
@inline(__always)
func checkShape(
    _ view: TensorView, equals expected: TensorView, without axis: Int = -1
) throws(CallError) {
    var isEqual = view.ndim == expected.ndim &- (axis >= 0 ? 1 : 0)
    var d = 0
    while isEqual && d < view.ndim {
        isEqual = view.length(d) == expected.length(axis >= 0 && d >= axis ? d &+ 1 : d)
        d &+= 1
    }
    if !isEqual { throw wrongShape(view, expected, without: axis) }
}

@inline(never)
private func wrongShape(_ view: TensorView, _ expected: TensorView, without axis: Int) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text(view.name)
        $0.text(" has shape ")
        $0.shape(view)
        $0.text(", but ")
        $0.text(expected.name)
        if axis >= 0 { $0.text(" without its class axis") }
        $0.text(" has shape ")
        $0.shape(expected, without: axis)
    }
}
