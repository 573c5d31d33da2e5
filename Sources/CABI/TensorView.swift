import Core
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

/// Room for the dimensions of a call's tensors, sixteen at most, and of its rows, on the stack.
struct CallStorage {
    private let tensors: UnsafeMutablePointer<TensorDimension>
    private let rows: UnsafeMutablePointer<RowDimension>
    private var used = 0

    /// Calls `body` with storage that lasts until it returns.
    static func with(_ body: (inout CallStorage) -> Int32) -> Int32 {
        // As it comes: to clear so much would take longer than to use it.
        var memory = shim_call_memory()
        return withUnsafeMutableBytes(of: &memory) { memory in
            let tensors = memory.baseAddress!
            let rows = tensors + 1024 * MemoryLayout<TensorDimension>.stride
            precondition(rows + 64 * MemoryLayout<RowDimension>.stride <= tensors + memory.count)
            var storage = CallStorage(
                tensors: tensors.assumingMemoryBound(to: TensorDimension.self),
                rows: rows.assumingMemoryBound(to: RowDimension.self))
            return body(&storage)
        }
    }

    /// Room for one more tensor.
    mutating func nextTensor() -> UnsafeMutablePointer<TensorDimension> {
        used += 1
        return tensors + (used - 1) * 64
    }

    func rowSpace() -> RowSpace { RowSpace(storage: rows) }
}
