// The x86-64 baseline is kept small rather than fast: it spends its time in libm's fma. A vector of sixteen doubles fills
// eight of its registers, so that an operation on two of them is 24 instructions wherever it stands. Here each operation is a
// function that is not inlined; operands are passed in memory, where these vectors are anyway. Operators of this module are
// preferred to the standard library's.

#if arch(x86_64) && CROSSENTROPY_KERNELS
    extension SIMD16<Double> {
        @inline(never)
        init(repeating value: Double) {
            let half = SIMD8<Double>(repeating: value)
            self.init(lowHalf: half, highHalf: half)
        }

        @inline(never)
        static func + (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf + b.lowHalf, highHalf: a.highHalf + b.highHalf)
        }

        @inline(never)
        static func - (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf - b.lowHalf, highHalf: a.highHalf - b.highHalf)
        }

        @inline(never)
        static func * (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf * b.lowHalf, highHalf: a.highHalf * b.highHalf)
        }

        @inline(never)
        static func / (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf / b.lowHalf, highHalf: a.highHalf / b.highHalf)
        }

        @inline(__always) static func += (a: inout Self, b: Self) { a = a + b }
        @inline(__always) static func -= (a: inout Self, b: Self) { a = a - b }
        @inline(__always) static func *= (a: inout Self, b: Self) { a = a * b }

        @inline(never)
        static func .< (a: Self, b: Self) -> SIMDMask<SIMD16<Int64>> {
            SIMD16<Int64>.mask(a.lowHalf .< b.lowHalf, a.highHalf .< b.highHalf)
        }

        @inline(never)
        static func .== (a: Self, b: Self) -> SIMDMask<SIMD16<Int64>> {
            SIMD16<Int64>.mask(a.lowHalf .== b.lowHalf, a.highHalf .== b.highHalf)
        }

        @inline(never)
        static func .!= (a: Self, b: Self) -> SIMDMask<SIMD16<Int64>> {
            SIMD16<Int64>.mask(a.lowHalf .!= b.lowHalf, a.highHalf .!= b.highHalf)
        }

        @inline(never)
        static func .<= (a: Self, b: Self) -> SIMDMask<SIMD16<Int64>> {
            SIMD16<Int64>.mask(a.lowHalf .<= b.lowHalf, a.highHalf .<= b.highHalf)
        }

        @inline(__always) static func .> (a: Self, b: Self) -> SIMDMask<SIMD16<Int64>> { b .< a }
        @inline(__always) static func .>= (a: Self, b: Self) -> SIMDMask<SIMD16<Int64>> { b .<= a }

        @inline(never)
        func replacing(with other: Self, where mask: SIMDMask<SIMD16<Int64>>) -> Self {
            let bits = unsafeBitCast(mask, to: SIMD16<Int64>.self)
            @inline(__always)
            func half(_ a: SIMD8<Double>, _ b: SIMD8<Double>, _ bits: SIMD8<Int64>) -> SIMD8<Double> {
                a.replacing(with: b, where: unsafeBitCast(bits, to: SIMDMask<SIMD8<Int64>>.self))
            }
            return Self(
                lowHalf: half(lowHalf, other.lowHalf, bits.lowHalf),
                highHalf: half(highHalf, other.highHalf, bits.highHalf))
        }
    }

    extension SIMD16<Int64> {
        @inline(never)
        init(repeating value: Int64) {
            let half = SIMD8<Int64>(repeating: value)
            self.init(lowHalf: half, highHalf: half)
        }

        @inline(never)
        static func &+ (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf &+ b.lowHalf, highHalf: a.highHalf &+ b.highHalf)
        }

        @inline(never)
        static func &- (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf &- b.lowHalf, highHalf: a.highHalf &- b.highHalf)
        }

        @inline(never)
        static func & (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf & b.lowHalf, highHalf: a.highHalf & b.highHalf)
        }

        @inline(never)
        static func | (a: Self, b: Self) -> Self {
            Self(lowHalf: a.lowHalf | b.lowHalf, highHalf: a.highHalf | b.highHalf)
        }

        @inline(never)
        static func .< (a: Self, b: Self) -> SIMDMask<Self> {
            mask(a.lowHalf .< b.lowHalf, a.highHalf .< b.highHalf)
        }

        @inline(__always) static func .> (a: Self, b: Self) -> SIMDMask<Self> { b .< a }

        @inline(__always)
        fileprivate static func mask(_ low: SIMDMask<SIMD8<Int64>>, _ high: SIMDMask<SIMD8<Int64>>) -> SIMDMask<Self> {
            let bits = Self(
                lowHalf: unsafeBitCast(low, to: SIMD8<Int64>.self), highHalf: unsafeBitCast(high, to: SIMD8<Int64>.self)
            )
            return unsafeBitCast(bits, to: SIMDMask<Self>.self)
        }
    }

    extension SIMDMask<SIMD16<Int64>> {
        @inline(__always) private var bits: SIMD16<Int64> { unsafeBitCast(self, to: SIMD16<Int64>.self) }

        @inline(__always) static func .& (a: Self, b: Self) -> Self { unsafeBitCast(a.bits & b.bits, to: Self.self) }
        @inline(__always) static func .| (a: Self, b: Self) -> Self { unsafeBitCast(a.bits | b.bits, to: Self.self) }

        @inline(never)
        static prefix func .! (a: Self) -> Self {
            let bits = a.bits
            return unsafeBitCast(
                SIMD16<Int64>(lowHalf: ~bits.lowHalf, highHalf: ~bits.highHalf), to: Self.self)
        }
    }
#endif
