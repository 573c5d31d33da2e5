import CCrossEntropy
import Core
import KernelABI
import Shims

/// A checked view of the caller's memory: lengths are not negative, and no offset overflows.
///
/// Its fields are in `CallStorage`, so that a view is one address, and copying it costs nothing.
struct TensorView {
    enum Role {
        case input
        /// An input that an output may overwrite.
        case replaceable
        case output
        /// An output that may overwrite an input, if both are exactly the same memory.
        case replacing
    }

    struct Record {
        /// Not read or written if the view is empty; then it may be any address.
        var data: UnsafeMutableRawPointer
        /// From the first byte of the lowest element to the end of the highest; empty if there is no element.
        var addresses: Range<Int>
        let dimensions: UnsafeMutablePointer<TensorDimension>
        let ndim: Int
        let dtype: DType
        /// Row-major without gaps, because it was given without strides; other views may be so, too.
        let isPacked: Bool
        /// The use of the memory in the call.
        let role: Role
        /// The name by which the caller knows the tensor.
        let name: StaticString
    }

    fileprivate let record: UnsafePointer<Record>

    var data: UnsafeMutableRawPointer { record.pointee.data }
    var addresses: Range<Int> { record.pointee.addresses }
    var ndim: Int { record.pointee.ndim }
    var dtype: DType { record.pointee.dtype }
    var role: Role { record.pointee.role }
    var name: StaticString { record.pointee.name }
    var isPacked: Bool { record.pointee.isPacked }
    var dimensions: UnsafeMutablePointer<TensorDimension> { record.pointee.dimensions }

    var isEmpty: Bool { addresses.isEmpty }
    var isOutput: Bool { role == .output || role == .replacing }

    func length(_ d: Int) -> Int { dimensions[d].length }
    func stride(_ d: Int) -> Int { dimensions[d].stride }

    /// The number of elements; without the dimension `axis`, if given.
    func count(without axis: Int = -1) -> Int {
        // The other lengths may be anything in that case, and their product may overflow.
        for d in 0..<ndim where d != axis && length(d) == 0 { return 0 }
        var count = 1
        for d in 0..<ndim where d != axis { count *= length(d) }
        return count
    }

    /// The view as the row loops take it.
    var operand: Operand { Operand(data: data, dtype: dtype) }
    func operand(classAxis axis: Int) -> Operand { operand(stepping: classStride(axis)) }
    func operand(stepping stride: Int) -> Operand { Operand(data: data, dtype: dtype, classStride: stride) }

    /// The stride of the class axis; a single class counts as contiguous.
    func classStride(_ axis: Int) -> Int { length(axis) == 1 ? 1 : stride(axis) }
}

/// Memory for the dimensions of a call's tensors, at most sixteen tensors, and of its rows; and the list of the tensors.
/// It is on the stack, of which a call may take little; dimensions of tensors with more than 16 are on the heap.
package struct CallStorage {
    private var tensors: UnsafeMutableRawPointer
    private let list: UnsafeMutablePointer<TensorView.Record>
    private(set) var listed = 0
    private var dimensionsPerTensor = 16
    private var used = 0
    private var isOnHeap = false
    private let cancel: UnsafeMutablePointer<crossentropy_cancel>

    private static var mostTensors: Int { 16 }
    /// The most tensors of a loss, and six arrays of row statistics.
    private static var mostListed: Int { 24 }

    private static func bytes(dimensions: Int) -> Int {
        dimensions * (mostTensors * MemoryLayout<TensorDimension>.stride + MemoryLayout<RowDimension>.stride)
    }

    /// Calls `body` with storage that lasts until it returns.
    package static func with(_ body: (inout CallStorage) -> Int32) -> Int32 {
        // Not cleared, because clearing would take longer than using it.
        var memory = shim_call_memory()
        var cancel = crossentropy_cancel()
        return withUnsafeMutableBytes(of: &memory) { memory in
            let dimensions = bytes(dimensions: 16)
            precondition(memory.count >= dimensions + mostListed * MemoryLayout<TensorView.Record>.stride)
            let list = (memory.baseAddress! + dimensions).assumingMemoryBound(to: TensorView.Record.self)
            return withUnsafeMutablePointer(to: &cancel) { cancel in
                var storage = CallStorage(tensors: memory.baseAddress!, list, cancel)
                let status = body(&storage)
                if storage.isOnHeap { free(storage.tensors) }
                return status
            }
        }
    }

    private init(
        tensors: UnsafeMutableRawPointer, _ list: UnsafeMutablePointer<TensorView.Record>,
        _ cancel: UnsafeMutablePointer<crossentropy_cancel>
    ) {
        self.tensors = tensors
        self.list = list
        self.cancel = cancel
    }

    /// Makes the call test the flag of the options, and record that it was set; `nil` if there is no flag.
    func cancel(_ options: UnsafePointer<Options>) -> UnsafeMutablePointer<crossentropy_cancel>? {
        guard let flag = options.pointee.values.cancel else { return nil }
        cancel.pointee.flag = flag
        return cancel
    }

    /// Memory for one more tensor's dimensions.
    @inline(__always)
    package mutating func nextTensor(_ ndim: Int) throws(CallError) -> UnsafeMutablePointer<TensorDimension> {
        // Not an error of the caller: a function that takes more tensors needs more memory above.
        precondition(used < Self.mostTensors && ndim <= maxDimensions)
        if ndim > dimensionsPerTensor { try moveToHeap() }
        let tensor = tensors + used &* dimensionsPerTensor &* MemoryLayout<TensorDimension>.stride
        used &+= 1
        return tensor.assumingMemoryBound(to: TensorDimension.self)
    }

    @inline(never)
    private mutating func moveToHeap() throws(CallError) {
        guard let memory = malloc(Self.bytes(dimensions: maxDimensions)) else {
            throw CallError(CE_ERROR_OUT_OF_MEMORY) { $0.text("out of memory for the dimensions of the tensors") }
        }
        // Dimensions that already have memory stay where they are, on the stack.
        tensors = memory
        dimensionsPerTensor = maxDimensions
        isOnHeap = true
    }

    subscript(_ i: Int) -> TensorView { TensorView(record: list + i) }

    @inline(__always)
    mutating func append(_ record: TensorView.Record) -> TensorView {
        precondition(listed < Self.mostListed)
        (list + listed).initialize(to: record)
        listed += 1
        return TensorView(record: list + (listed - 1))
    }

    /// Memory for the dimensions of the rows; call it after `nextTensor` for all tensors.
    @inline(__always)
    func rowSpace() -> RowSpace {
        let rows = tensors + Self.mostTensors &* dimensionsPerTensor &* MemoryLayout<TensorDimension>.stride
        return RowSpace(storage: rows.assumingMemoryBound(to: RowDimension.self))
    }
}
