import CCrossEntropy

/// A description of numbers in memory, of any shape and strides.
///
/// Functions that take views read and write the numbers without a copy. A view does not own its memory, which must stay
/// valid while the view is used.
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

    /// The 16-bit formats, which all numbers but losses may have. The numbers are computed
    /// as the `Float`s that they are equal to.
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
}
