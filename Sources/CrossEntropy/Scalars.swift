import CCrossEntropy

/// A type that logits, probabilities and losses can have: `Float` or `Double`.
public protocol LossScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable {
    /// The type's code in crossentropy.h.
    static var dtype: Int32 { get }
}

extension Float: LossScalar {
    public static var dtype: Int32 { Int32(CE_F32) }
}

extension Double: LossScalar {
    public static var dtype: Int32 { Int32(CE_F64) }
}

/// A type that class indices can have: any of the standard integers.
public protocol LabelScalar: FixedWidthInteger, BitwiseCopyable, Sendable {
    /// The type's code in crossentropy.h.
    static var dtype: Int32 { get }
}

extension Int: LabelScalar {
    public static var dtype: Int32 { Int32(MemoryLayout<Int>.size == 8 ? CE_I64 : CE_I32) }
}

extension UInt: LabelScalar {
    public static var dtype: Int32 { Int32(MemoryLayout<UInt>.size == 8 ? CE_U64 : CE_U32) }
}

extension Int8: LabelScalar { public static var dtype: Int32 { Int32(CE_I8) } }
extension Int16: LabelScalar { public static var dtype: Int32 { Int32(CE_I16) } }
extension Int32: LabelScalar { public static var dtype: Int32 { Int32(CE_I32) } }
extension Int64: LabelScalar { public static var dtype: Int32 { Int32(CE_I64) } }
extension UInt8: LabelScalar { public static var dtype: Int32 { Int32(CE_U8) } }
extension UInt16: LabelScalar { public static var dtype: Int32 { Int32(CE_U16) } }
extension UInt32: LabelScalar { public static var dtype: Int32 { Int32(CE_U32) } }
extension UInt64: LabelScalar { public static var dtype: Int32 { Int32(CE_U64) } }
