import CCrossEntropy
import Core
import KernelABI
import Shims

/// A checked view of the caller's memory: lengths are not negative, and no offset overflows.
///
/// The dimensions lie in `CallStorage`, so that a view is cheap to hand around.
struct TensorView {
    /// Not read or written if the view is empty; may be any address then.
    var data: UnsafeMutableRawPointer
    var dtype: DType
    var ndim: Int
    var dimensions: UnsafeMutablePointer<TensorDimension>
    /// From the first byte of the lowest element to behind the last of the highest; empty if there is no element.
    var addresses = 0..<0

    func length(_ d: Int) -> Int { dimensions[d].length }
    func stride(_ d: Int) -> Int { dimensions[d].stride }

    /// Number of elements; `axis`, if given, is left out.
    func count(without axis: Int = -1) -> Int {
        // The other lengths may be anything then, and their product may overflow.
        for d in 0..<ndim where d != axis && length(d) == 0 { return 0 }
        var count = 1
        for d in 0..<ndim where d != axis { count *= length(d) }
        return count
    }
}

/// A tensor of a call: by what name the caller knows it, and what the call does with its memory.
struct NamedView {
    enum Role {
        case input
        /// An input whose place an output may take.
        case replaceable
        case output
        /// An output that may take the place of an input, exactly.
        case replacing
    }

    let view: TensorView
    let name: StaticString
    let role: Role

    var isOutput: Bool { role == .output || role == .replacing }
}

/// Room for the dimensions of a call's tensors, sixteen at most, and of its rows: on the stack, of which a call may take little;
/// if a tensor has more than 16 dimensions, elsewhere. And the list of those tensors that have elements.
package struct CallStorage {
    private var tensors: UnsafeMutableRawPointer
    private let list: UnsafeMutablePointer<NamedView>
    private(set) var listed = 0
    private var dimensionsPerTensor = 16
    private var used = 0
    private var isOnHeap = false
    private let cancel: UnsafeMutablePointer<crossentropy_cancel>

    private static var mostTensors: Int { 16 }
    /// Those of a loss, and six places for statistics of rows.
    private static var mostListed: Int { 24 }

    private static func bytes(dimensions: Int) -> Int {
        dimensions * (mostTensors * MemoryLayout<TensorDimension>.stride + MemoryLayout<RowDimension>.stride)
    }

    /// Calls `body` with storage that lasts until it returns.
    package static func with(_ body: (inout CallStorage) -> Int32) -> Int32 {
        // As it comes: to clear it would take longer than to use it.
        var memory = shim_call_memory()
        var cancel = crossentropy_cancel()
        return withUnsafeMutableBytes(of: &memory) { memory in
            let dimensions = bytes(dimensions: 16)
            precondition(memory.count >= dimensions + mostListed * MemoryLayout<NamedView>.stride)
            let list = (memory.baseAddress! + dimensions).assumingMemoryBound(to: NamedView.self)
            return withUnsafeMutablePointer(to: &cancel) { cancel in
                var storage = CallStorage(tensors: memory.baseAddress!, list, cancel)
                let status = body(&storage)
                if storage.isOnHeap { free(storage.tensors) }
                return status
            }
        }
    }

    private init(
        tensors: UnsafeMutableRawPointer, _ list: UnsafeMutablePointer<NamedView>,
        _ cancel: UnsafeMutablePointer<crossentropy_cancel>
    ) {
        self.tensors = tensors
        self.list = list
        self.cancel = cancel
    }

    /// Looks at the flag of the options and remembers that it was set; `nil` if there is none.
    func cancel(_ options: ce_options) -> UnsafeMutablePointer<crossentropy_cancel>? {
        guard let flag = options.cancel else { return nil }
        cancel.pointee.flag = flag
        return cancel
    }

    /// Room for one more tensor.
    package mutating func nextTensor(_ ndim: Int) throws(CallError) -> UnsafeMutablePointer<TensorDimension> {
        // Not an error of the caller: a function that takes more tensors needs more room above.
        precondition(used < Self.mostTensors && ndim <= maxDimensions)
        if ndim > dimensionsPerTensor {
            guard let memory = malloc(Self.bytes(dimensions: maxDimensions)) else {
                throw CallError(CE_ERROR_OUT_OF_MEMORY) { $0.text("out of memory for the dimensions of the tensors") }
            }
            // Tensors that have got their room stay where they are, on the stack.
            tensors = memory
            dimensionsPerTensor = maxDimensions
            isOnHeap = true
        }
        used += 1
        return (tensors + (used - 1) * dimensionsPerTensor * MemoryLayout<TensorDimension>.stride)
            .assumingMemoryBound(to: TensorDimension.self)
    }

    subscript(_ i: Int) -> UnsafePointer<NamedView> { UnsafePointer(list + i) }

    mutating func append(_ view: TensorView, _ name: StaticString, _ role: NamedView.Role) {
        precondition(listed < Self.mostListed)
        (list + listed).initialize(to: NamedView(view: view, name: name, role: role))
        listed += 1
    }

    /// For rows of tensors that have got their room.
    func rowSpace() -> RowSpace {
        let rows = tensors + Self.mostTensors * dimensionsPerTensor * MemoryLayout<TensorDimension>.stride
        return RowSpace(storage: rows.assumingMemoryBound(to: RowDimension.self))
    }
}
