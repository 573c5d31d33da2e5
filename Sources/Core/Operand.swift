import KernelABI

/// Element types, with the codes of crossentropy.h.
public enum DType: Int32 {
    case f32 = 1
    case f64 = 2
    case f16 = 3
    case bf16 = 4
    case i8 = 16
    case i16 = 17
    case i32 = 18
    case i64 = 19
    case u8 = 20
    case u16 = 21
    case u32 = 22
    case u64 = 23

    /// As `init(rawValue:)`, but inlined.
    @inline(__always)
    public init?(code: Int32) {
        switch code {
        case DType.f32.rawValue: self = .f32
        case DType.f64.rawValue: self = .f64
        case DType.f16.rawValue: self = .f16
        case DType.bf16.rawValue: self = .bf16
        case DType.i8.rawValue: self = .i8
        case DType.i16.rawValue: self = .i16
        case DType.i32.rawValue: self = .i32
        case DType.i64.rawValue: self = .i64
        case DType.u8.rawValue: self = .u8
        case DType.u16.rawValue: self = .u16
        case DType.u32.rawValue: self = .u32
        case DType.u64.rawValue: self = .u64
        default: return nil
        }
    }

    public var isFloatingPoint: Bool { rawValue < 16 }

    /// Whether this is a 16-bit type, which the kernels for f32 read and write.
    public var isHalf: Bool { self == .f16 || self == .bf16 }

    /// The kernels' code for this type; with `inDoubles`, the f64 kernels' code.
    func format(inDoubles: Bool) -> Int32 {
        switch self {
        case .f32 where inDoubles: CROSSENTROPY_F32
        case .bf16: CROSSENTROPY_BF16
        case .f16: CROSSENTROPY_F16
        default: CROSSENTROPY_NATIVE
        }
    }

    public var size: Int {
        switch self {
        case .i8, .u8: 1
        case .i16, .u16, .f16, .bf16: 2
        case .f32, .i32, .u32: 4
        case .f64, .i64, .u64: 8
        }
    }
}

/// The caller's memory of a tensor, as the row loops see it. `RowSpace` holds the positions of rows.
public struct Operand {
    /// Not read or written if there are no elements; then it may be any address.
    var data: UnsafeMutableRawPointer
    var dtype: DType
    /// The distance from class to class, in elements; 0 without a class axis.
    var classStride: Int

    public init(data: UnsafeMutableRawPointer, dtype: DType, classStride: Int = 0) {
        self.data = data
        self.dtype = dtype
        self.classStride = classStride
    }

    @inline(__always)
    func element(_ offset: Int) -> UnsafeMutableRawPointer { data + offset * dtype.size }
}

extension Operand {
    /// A floating-point element, of any alignment.
    func double(at offset: Int) -> Double {
        switch dtype {
        case .f64: data.loadUnaligned(fromByteOffset: offset * 8, as: Double.self)
        case .f32: Double(data.loadUnaligned(fromByteOffset: offset * 4, as: Float.self))
        default: half(at: offset)
        }
    }

    /// Copies `count` floating-point elements; false if one of them is not ordinary.
    @_optimize(speed)
    func copyOrdinary(at offset: Int, _ count: Int, _ step: Int, to copy: UnsafeMutablePointer<Double>) -> Bool {
        switch dtype {
        case .f64:
            for i in 0..<count {
                copy[i] = data.loadUnaligned(fromByteOffset: (offset &+ i &* step) &* 8, as: Double.self)
            }
        case .f32:
            for i in 0..<count {
                copy[i] = Double(data.loadUnaligned(fromByteOffset: (offset &+ i &* step) &* 4, as: Float.self))
            }
        default:
            for i in 0..<count { copy[i] = half(at: offset + i * step) }
        }
        var areAll = true
        for i in 0..<count where !copy[i].isOrdinary { areAll = false }
        return areAll
    }

    /// An element of 16 bits, widened exactly.
    private func half(at offset: Int) -> Double {
        let bits = UInt32(data.loadUnaligned(fromByteOffset: offset * 2, as: UInt16.self))
        if dtype == .bf16 { return Double(Float(bitPattern: bits << 16)) }
        // In the place of f32's exponent, f16's is 112 too small; subnormals are right because the product is exact.
        let shifted = (bits & 0x7FFF) << 13
        let isFinite = shifted < 0x7C00 << 13
        let magnitude = isFinite ? Float(bitPattern: shifted) * 0x1p112 : Float(bitPattern: shifted | 0x7F80_0000)
        return Double(bits & 0x8000 == 0 ? magnitude : -magnitude)
    }

    /// Writes a loss. Every NaN gets the same bits, and -0 becomes 0.
    @inline(__always)
    func store(_ value: Double, at offset: Int) {
        let clean = value != value ? .nan : value + 0
        if dtype == .f64 {
            data.storeBytes(of: clean, toByteOffset: offset * 8, as: Double.self)
        } else {
            data.storeBytes(of: Float(clean), toByteOffset: offset * 4, as: Float.self)
        }
    }

    /// An integer element, of any alignment.
    func label(at offset: Int) -> Label {
        switch dtype {
        case .i64: Label(data.loadUnaligned(fromByteOffset: offset * 8, as: Int64.self))
        case .i32: Label(Int64(data.loadUnaligned(fromByteOffset: offset * 4, as: Int32.self)))
        case .i16: Label(Int64(data.loadUnaligned(fromByteOffset: offset * 2, as: Int16.self)))
        case .i8: Label(Int64(data.loadUnaligned(fromByteOffset: offset, as: Int8.self)))
        case .u32: Label(Int64(data.loadUnaligned(fromByteOffset: offset * 4, as: UInt32.self)))
        case .u16: Label(Int64(data.loadUnaligned(fromByteOffset: offset * 2, as: UInt16.self)))
        case .u8: Label(Int64(data.loadUnaligned(fromByteOffset: offset, as: UInt8.self)))
        case .u64: Label(unsigned: data.loadUnaligned(fromByteOffset: offset * 8, as: UInt64.self))
        case .f16, .bf16, .f32, .f64: Label(-1)  // not an index type
        }
    }
}

extension Operand {
    /// How many of `count` labels are not ignored; `nil` if a label that is not ignored is out of range.
    @_optimize(speed)
    func countLabels(at offset: Int, _ count: Int, _ step: Int, below classes: Int, ignoring ignored: Int64?) -> Int? {
        if step == 1 && count >= 16, dtype == .i64 || dtype == .i32 {
            let kernels = Processor.kernels.pointee.label
            let kernel: crossentropy_count_labels_kernel = dtype == .i64 ? kernels.count64 : kernels.count32
            let found = kernel(element(offset), Int64(count), Int64(classes), ignored != nil, ignored ?? 0)
            return found < 0 ? nil : Int(found)
        }
        func scan<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> Int? {
            // Only an ignored label that this type can hold can be equal to a label.
            let ignored = ignored.flatMap { T(exactly: $0) }
            var counted = 0
            var bad = 0
            for i in 0..<count {
                let label = data.loadUnaligned(fromByteOffset: (offset + i * step) * MemoryLayout<T>.size, as: T.self)
                let counts = label != ignored ?? 0 || ignored == nil ? 1 : 0
                // Read as an unsigned integer, a negative label is a huge one.
                let isIndex = UInt64(truncatingIfNeeded: label) < UInt64(classes)
                counted &+= counts
                bad |= isIndex ? 0 : counts
            }
            return bad == 0 ? counted : nil
        }
        switch dtype {
        case .i64: return scan(Int64.self)
        case .i32: return scan(Int32.self)
        case .i16: return scan(Int16.self)
        case .i8: return scan(Int8.self)
        case .u64: return scan(UInt64.self)
        case .u32: return scan(UInt32.self)
        case .u16: return scan(UInt16.self)
        case .u8: return scan(UInt8.self)
        case .f16, .bf16, .f32, .f64: return nil
        }
    }

    /// Copies labels that have already been checked.
    @_optimize(speed)
    func copyLabels(at offset: Int, _ count: Int, _ step: Int, to copy: UnsafeMutablePointer<Int64>) {
        if step == 1 && dtype == .i64 {
            UnsafeMutableRawPointer(copy).copyMemory(from: element(offset), byteCount: count * 8)
            return
        }
        if step == 1 && count >= 16 && dtype == .i32 {
            Processor.kernels.pointee.label.widen(element(offset), Int64(count), copy)
            return
        }
        func copyAll<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) {
            for i in 0..<count {
                let label = data.loadUnaligned(fromByteOffset: (offset + i * step) * MemoryLayout<T>.size, as: T.self)
                copy[i] = Int64(truncatingIfNeeded: label)
            }
        }
        switch dtype {
        case .i64: copyAll(Int64.self)
        case .i32: copyAll(Int32.self)
        case .i16: copyAll(Int16.self)
        case .i8: copyAll(Int8.self)
        case .u64: copyAll(UInt64.self)
        case .u32: copyAll(UInt32.self)
        case .u16: copyAll(UInt16.self)
        case .u8: copyAll(UInt8.self)
        case .f16, .bf16, .f32, .f64: break
        }
    }
}

/// A class index as the caller wrote it, of any integer type.
public struct Label: Sendable {
    /// The bits of a UInt64 if `isHuge`.
    public var value: Int64
    /// Whether the label is beyond the largest Int64.
    public var isHuge = false

    init(_ value: Int64) { self.value = value }

    init(unsigned: UInt64) {
        value = Int64(truncatingIfNeeded: unsigned)
        isHuge = value < 0
    }

    /// Whether the label names one of `classes` classes.
    func isIndex(below classes: Int) -> Bool { !isHuge && value >= 0 && value < classes }

    func isEqual(to other: Int64) -> Bool { !isHuge && value == other }
}
