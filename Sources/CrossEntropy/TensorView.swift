import CCrossEntropy

/// Numbers somewhere in memory, of any shape and strides: what the general calls read and write without a copy.
///
/// A view does not own its memory, which must stay valid while the view is used.
public struct TensorView {
    /// The first element; may be `nil` if the view is empty.
    public var data: UnsafeMutableRawPointer?
    /// The element type's code, from `LossScalar.dtype` or `LabelScalar.dtype`.
    public var dtype: Int32
    /// Lengths, each at least 0; none for a single number.
    public var shape: [Int]
    /// Distances in elements, one for each length; `nil`: contiguous, last dimension fastest.
    public var strides: [Int]?

    public init(data: UnsafeMutableRawPointer?, dtype: Int32, shape: [Int], strides: [Int]? = nil) {
        self.data = data
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
    }

    /// A view that is only read: logits, distributions, weights.
    public init<Scalar: LossScalar>(reading data: UnsafePointer<Scalar>?, shape: [Int], strides: [Int]? = nil) {
        self.init(
            data: UnsafeMutableRawPointer(mutating: data), dtype: Scalar.dtype, shape: shape, strides: strides)
    }

    /// A view that is written: losses, gradients.
    public init<Scalar: LossScalar>(writing data: UnsafeMutablePointer<Scalar>?, shape: [Int], strides: [Int]? = nil) {
        self.init(data: UnsafeMutableRawPointer(data), dtype: Scalar.dtype, shape: shape, strides: strides)
    }

    /// A view of class indices.
    public init<Label: LabelScalar>(labels: UnsafePointer<Label>?, shape: [Int], strides: [Int]? = nil) {
        self.init(
            data: UnsafeMutableRawPointer(mutating: labels), dtype: Label.dtype, shape: shape, strides: strides)
    }

    /// The 16-bit formats that an input and its gradient may have. They are computed as `Float`.
    public enum HalfFormat: Int32, Sendable {
        /// IEEE binary16.
        case float16 = 3
        /// The upper half of a `Float`.
        case bfloat16 = 4
    }

    /// A view of 16-bit numbers that is only read.
    public init(reading bits: UnsafePointer<UInt16>?, _ format: HalfFormat, shape: [Int], strides: [Int]? = nil) {
        self.init(
            data: UnsafeMutableRawPointer(mutating: bits), dtype: format.rawValue, shape: shape, strides: strides)
    }

    /// A view of 16-bit numbers that is written.
    public init(
        writing bits: UnsafeMutablePointer<UInt16>?, _ format: HalfFormat, shape: [Int], strides: [Int]? = nil
    ) {
        self.init(data: UnsafeMutableRawPointer(bits), dtype: format.rawValue, shape: shape, strides: strides)
    }

    /// Calls `body` with the views as C sees them, and `nil` for no view.
    static func withTensors(
        _ views: [TensorView?], _ body: ([UnsafePointer<ce_tensor>?]) throws(CrossEntropyError) -> Void
    ) throws(CrossEntropyError) {
        func add(_ tensors: [UnsafePointer<ce_tensor>?]) throws(CrossEntropyError) {
            if tensors.count == views.count { return try body(tensors) }
            try withTensor(views[tensors.count]) { tensor throws(CrossEntropyError) in try add(tensors + [tensor]) }
        }
        try add([])
    }

    /// Calls `body` with the view as C sees it, or with `nil` for no view.
    static func withTensor<R>(
        _ view: TensorView?, _ body: (UnsafePointer<ce_tensor>?) throws(CrossEntropyError) -> R
    ) throws(CrossEntropyError) -> R {
        guard let view else { return try body(nil) }
        if let strides = view.strides, strides.count != view.shape.count {
            throw CrossEntropyError(
                .shape, "a view of shape \(view.shape) needs as many strides, but has \(strides.count)")
        }
        // One allocation that holds both arrays for as long as the call takes.
        let count = view.shape.count
        let lengths = UnsafeMutablePointer<Int64>.allocate(capacity: 2 * count + 1)
        defer { lengths.deallocate() }
        for d in 0..<count {
            lengths[d] = Int64(view.shape[d])
            lengths[count + d] = Int64(view.strides?[d] ?? 0)
        }
        var tensor = ce_tensor(
            data: view.data, dtype: view.dtype, ndim: Int32(clamping: count), shape: lengths,
            strides: view.strides == nil ? nil : UnsafePointer(lengths + count))
        return try body(&tensor)
    }
}
