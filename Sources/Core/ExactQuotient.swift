/// An unsigned integer of up to 2240 bits: 64-bit words, the lowest first, and the number of words in use.
struct LongInteger {
    private var words = InlineArray<36, UInt64>(repeating: 0)
    private(set) var count = 0

    /// Takes limbs of 32 bits, each below 2^32, the lowest first.
    init(_ limbs: borrowing InlineArray<70, Int64>) {
        limbs.span.withUnsafeBufferPointer { limbs in  // otherwise each access copies all limbs
            for i in 0..<35 {
                let word = UInt64(limbs[2 * i]) | UInt64(limbs[2 * i + 1]) << 32
                words[i] = word
                if word != 0 { count = i + 1 }
            }
        }
    }

    init() {}

    var isZero: Bool { count == 0 }

    var bitLength: Int { count == 0 ? 0 : 64 * count - words[count - 1].leadingZeroBitCount }

    func bit(_ i: Int) -> UInt64 { i < 0 || i >= 64 * count ? 0 : words[i >> 6] >> UInt64(i & 63) & 1 }

    /// The number of zeros below the lowest set bit. The integer must not be 0.
    var trailingZeros: Int {
        var i = 0
        while words[i] == 0 { i += 1 }
        return 64 * i + words[i].trailingZeroBitCount
    }

    /// The integer without its lowest `n` bits.
    func shiftedDown(by n: Int) -> LongInteger {
        var result = LongInteger()
        let (skipped, shift) = (n >> 6, UInt64(n & 63))
        for i in 0..<max(0, count - skipped) {
            let above = i + skipped + 1 < count && shift != 0 ? words[i + skipped + 1] << (64 - shift) : 0
            result.words[i] = words[i + skipped] >> shift | above
            if result.words[i] != 0 { result.count = i + 1 }
        }
        return result
    }

    /// bits 2^exponent, rounded to the nearest double. Unless `isExact`, the true number is larger by less than 2^exponent.
    static func rounded(_ bits: UInt64, _ exponent: Int, isExact: Bool) -> Double {
        if bits == 0 { return 0 }
        let leading = bits.leadingZeroBitCount
        var (bits, exponent) = (bits << UInt64(leading) | (isExact ? 0 : 1), exponent - leading)
        // A subnormal number must be rounded only once, when it is scaled. So surplus bits are first merged into one.
        let missing = min(-1022 - (exponent + 63), 54)
        if missing > 0 {
            let dropped = UInt64(9 + missing)
            let kept = bits >> dropped
            bits = kept | (kept << dropped == bits ? 0 : 1)
            exponent += Int(dropped)
        }
        return ScaledNumber.scaled(Double(bits) * 0x1p-63, by: exponent + 63)
    }

    /// Doubles the integer and adds a bit.
    mutating func append(_ bit: UInt64) {
        var carry = bit
        for i in 0..<count {
            let next = words[i] >> 63
            words[i] = words[i] << 1 | carry
            carry = next
        }
        if carry == 0 { return }
        words[count] = carry
        count += 1
    }

    /// Subtracts `other`; returns false, and changes nothing, if that is larger.
    mutating func subtract(_ other: LongInteger) -> Bool {
        if count < other.count { return false }
        if count == other.count {
            var i = count - 1
            while i > 0 && words[i] == other.words[i] { i -= 1 }
            if words[i] < other.words[i] { return false }
        }
        var borrow: UInt64 = 0
        for i in 0..<count {
            let taken = i < other.count ? other.words[i] : 0
            let (partial, first) = words[i].subtractingReportingOverflow(taken)
            let (result, second) = partial.subtractingReportingOverflow(borrow)
            words[i] = result
            borrow = first || second ? 1 : 0
        }
        while count > 0 && words[count - 1] == 0 { count -= 1 }
        return true
    }
}

extension ExactSum {
    /// The sum divided by `divisor`: the double nearest to the quotient.
    @export(interface) public func divided(by divisor: Double) -> Double {
        guard let numerator = leadingBits, divisor.magnitude > 0, divisor.magnitude < .infinity else {
            return rounded() / divisor
        }
        return Self.quotient(numerator, divisor)
    }

    /// As `divided(by:)`, without a copy of the sum. It is fast for a sum of few ordinary numbers; if such a sum is a
    /// double, the processor divides.
    static func divided(_ sum: UnsafePointer<ExactSum>, by divisor: Double) -> Double {
        if divisor.magnitude > 0 && divisor.magnitude < .infinity {
            if let number = double(sum) { return number == 0 ? 0 : number / divisor }
            if let bits = leadingBitsOfVectors(sum) { return quotient(bits, divisor) }
        }
        return sum.pointee.divided(by: divisor)
    }

    private static func quotient(_ numerator: LeadingBits, _ divisor: Double) -> Double {
        if numerator.high == 0 { return 0 }
        let scaled = ScaledNumber(divisor)
        let d = scaled.significand.significandBitPattern << 11 | 1 << 63
        // 64 bits of the quotient of 128 by 64; the remainder tells whether any bits follow.
        let isAboveOne = numerator.high >= d
        var (bits, remainder) = d.dividingFullWidth((isAboveOne ? numerator.high - d : numerator.high, numerator.low))
        var exponent = numerator.exponent - scaled.exponent - 64
        if isAboveOne {
            remainder |= bits & 1
            bits = bits >> 1 | 1 << 63
            exponent += 1
        }
        let quotient = LongInteger.rounded(bits, exponent, isExact: numerator.isExact && remainder == 0)
        return numerator.isNegative != (divisor < 0) ? -quotient : quotient
    }

    /// As `divided(by:)`, for a divisor that is an exact sum.
    @export(interface) public func divided(by divisor: borrowing ExactSum) -> Double {
        guard let (isNegative, numerator) = magnitude, let (isInverted, whole) = divisor.magnitude else {
            return rounded() / divisor.rounded()  // NaN and infinities
        }
        let sign: Double = isNegative != isInverted ? -1 : 1
        if whole.isZero { return numerator.isZero ? .nan : isNegative ? -.infinity : .infinity }
        if numerator.isZero { return 0 }
        // The trailing zeros of a divisor need no arithmetic: most divisors are counts.
        let zeros = whole.trailingZeros
        let divisor = whole.shiftedDown(by: zeros)
        // 63 bits of the quotient by long division.
        var next = numerator.bitLength - divisor.bitLength
        var remainder = numerator.shiftedDown(by: max(0, next))
        for _ in 0..<max(0, -next) { remainder.append(0) }
        var bits: UInt64 = remainder.subtract(divisor) ? 1 : 0
        while bits.leadingZeroBitCount > 1 {
            next -= 1
            remainder.append(numerator.bit(next))
            bits = bits << 1 | (remainder.subtract(divisor) ? 1 : 0)
        }
        let isExact = remainder.isZero && (next <= 0 || numerator.trailingZeros >= next)
        return sign * LongInteger.rounded(bits, next - zeros, isExact: isExact)
    }
}
