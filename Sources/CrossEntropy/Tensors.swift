import CCrossEntropy

/// Views in C's layout, for the time of one call.
struct Tensors: ~Copyable {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Calls `body`, which calls C.
    static func with(
        names: [String: String] = [:], _ body: (inout Tensors) throws(CrossEntropyError) -> Int32
    ) throws(CrossEntropyError) {
        var tensors = Tensors()
        let status = try body(&tensors)
        if status != CE_OK { throw CrossEntropyError(status: status, names: names) }
    }

    /// The view, or `nil` for no view.
    mutating func add(_ view: TensorView?) throws(CrossEntropyError) -> UnsafePointer<ce_tensor>? {
        guard let view else { return nil }
        if let strides = view.strides, strides.count != view.shape.count {
            throw CrossEntropyError(
                .shape, "a view of shape \(view.shape) needs as many strides, but has \(strides.count)")
        }
        // One block: the tensor, its lengths and its strides.
        let count = view.shape.count
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<ce_tensor>.stride + 2 * count * MemoryLayout<Int64>.stride,
            alignment: MemoryLayout<ce_tensor>.alignment)
        blocks.append(block)
        let lengths = (block + MemoryLayout<ce_tensor>.stride).bindMemory(to: Int64.self, capacity: 2 * count)
        for d in 0..<count {
            lengths[d] = Int64(view.shape[d])
            lengths[count + d] = Int64(view.strides?[d] ?? 0)
        }
        let tensor = block.bindMemory(to: ce_tensor.self, capacity: 1)
        tensor.initialize(
            to: ce_tensor(
                data: view.data, dtype: view.dtype, ndim: Int32(clamping: count), shape: lengths,
                strides: view.strides == nil ? nil : UnsafePointer(lengths + count)))
        return UnsafePointer(tensor)
    }

    fileprivate mutating func with<R>(
        _ view: TensorView?, _ body: (UnsafePointer<ce_tensor>?) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R {
        try body(try add(view))
    }
}

extension TensorView {
    /// Calls `body` with the view in C's layout, or with `nil` for no view.
    static func withTensor<R>(
        _ view: TensorView?, _ body: (UnsafePointer<ce_tensor>?) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R {
        var tensors = Tensors()
        return try tensors.with(view, body)
    }
}
