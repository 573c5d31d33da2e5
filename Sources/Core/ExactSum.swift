import Shims

/// An exact sum of doubles: the same result for any order and any split, rounded once.
///
/// A fixed-point number wide enough for every double (bit 0 is worth 2^-1074), in limbs of 32 bits kept in 64, so that
/// carries wait until `normalize`. The number is large, so copies are only made by `init(copying:)`.
public struct ExactSum: ~Copyable {
    // 2098 bits for the doubles, and 3 limbs for the growth of 2^64 of them.
    private static var limbCount: Int { 70 }
    private static var mask: Int64 { 0xFFFF_FFFF }
    private typealias Lanes = SIMD2<Double>

    private var limbs = InlineArray<70, Int64>(repeating: 0)
    /// Additions since the last `normalize`: each adds less than 2^33 to a limb.
    private var pending = 0
    /// The sum of the NaNs and infinities that were added, which does not depend on their order either.
    private var special = 0.0

    // Ordinary numbers are added two at a time. Each is cut into a multiple of 2^-26 and a multiple of 2^-68, and a
    // double adds up such parts exactly while the sum is below 2^53 units. All magnitudes add up to less than 2^26, so
    // the upper parts stay below 2^53 of their units; so do 2^11 lower parts, each of at most 2^41 units.
    private var upper = Lanes(repeating: 0)
    private var lower = Lanes(repeating: 0)
    private var pendingVectors = 0
    private var pendingMagnitude = 0.0
    /// Whether anything has been added to the limbs or to `special`. Until then the limbs are not initialized.
    private var usesLimbs = false

    public init() {}

    /// Makes memory an empty sum. The limbs are not cleared, because they are many and seldom needed.
    @inline(__always)
    static func clear(_ place: UnsafeMutablePointer<ExactSum>) {
        place.pointee.pending = 0
        place.pointee.special = 0
        place.pointee.upper = Lanes(repeating: 0)
        place.pointee.lower = Lanes(repeating: 0)
        place.pointee.pendingVectors = 0
        place.pointee.pendingMagnitude = 0
        place.pointee.usesLimbs = false
    }

    @inline(__always)
    private mutating func needLimbs() {
        if !usesLimbs { clearLimbs() }
    }

    @inline(never)
    private mutating func clearLimbs() {
        for i in 0..<Self.limbCount { limbs[i] = 0 }
        usesLimbs = true
    }

    @inline(never)
    public init(copying other: borrowing ExactSum) {
        limbs = other.limbs
        pending = other.pending
        special = other.special
        upper = other.upper
        lower = other.lower
        pendingVectors = other.pendingVectors
        pendingMagnitude = other.pendingMagnitude
        usesLimbs = other.usesLimbs
    }

    @inline(never)
    @_optimize(speed)
    public mutating func add(_ x: SIMD16<Double>) {
        withUnsafeBytes(of: x) { add($0.baseAddress!.assumingMemoryBound(to: Double.self), 16) }
    }

    /// Adds up to 16 numbers. Their memory holds 16; those after the last are 0.
    @inline(never)
    @_optimize(speed)
    mutating func add(_ numbers: UnsafePointer<Double>, _ count: Int) {
        let toUpper = Lanes(repeating: 0x1.8p26)  // adding it leaves multiples of 2^-26
        let toLower = Lanes(repeating: 0x1.8p-16)  // and of 2^-68
        var (upper, lower) = (Lanes(repeating: 0), Lanes(repeating: 0))
        // The sums of the magnitudes of the remainders, and of the numbers.
        var (lost, size) = (Lanes(repeating: 0), Lanes(repeating: 0))
        var i = 0
        while i < count {
            let x = UnsafeRawPointer(numbers + i).loadUnaligned(as: Lanes.self)
            let high = (x + toUpper) - toUpper
            let rest = x - high
            let low = (rest + toLower) - toLower
            upper += high
            lower += low
            lost += magnitude(rest - low)
            size += magnitude(x)
            i &+= 2
        }
        let magnitude = size[0] + size[1]
        // The comparison is false for NaN, too.
        guard magnitude < 0x1p25, lost[0] + lost[1] == 0 else {
            for i in 0..<count { add(numbers[i]) }
            return
        }
        if pendingMagnitude + magnitude >= 0x1p26 || pendingVectors >= 1 << 11 { spreadVectors() }
        self.upper += upper
        self.lower += lower
        pendingVectors += 8
        pendingMagnitude += magnitude
    }

    @inline(__always)
    private func magnitude(_ x: Lanes) -> Lanes {
        unsafeBitCast(unsafeBitCast(x, to: SIMD2<UInt64>.self) & SIMD2(repeating: .max >> 1), to: Lanes.self)
    }

    /// Moves the sums of the vectors into the limbs.
    @inline(never)
    @_optimize(speed)
    private mutating func spreadVectors() {
        needLimbs()
        if pendingVectors == 0 { return }
        let (upper, lower) = (self.upper, self.lower)
        self.upper = Lanes(repeating: 0)
        self.lower = Lanes(repeating: 0)
        pendingVectors = 0
        pendingMagnitude = 0
        for i in 0..<2 {
            addToLimbs(upper[i])
            addToLimbs(lower[i])
        }
    }

    @inline(never)
    @_optimize(speed)
    public mutating func add(_ x: Double) {
        let high = (x + 0x1.8p26) - 0x1.8p26
        let rest = x - high
        let low = (rest + 0x1.8p-16) - 0x1.8p-16
        guard x.magnitude < 0x1p25 && rest == low else { return addToLimbs(x) }
        if pendingMagnitude + x.magnitude >= 0x1p26 || pendingVectors >= 1 << 11 { spreadVectors() }
        upper[0] += high
        lower[0] += low
        pendingVectors += 1
        pendingMagnitude += x.magnitude
    }

    @inline(never)
    private mutating func addToLimbs(_ x: Double) {
        needLimbs()
        guard x.magnitude < .infinity else {
            special += x
            return
        }
        // x = significand 2^(position - 1074)
        let biased = Int(x.exponentBitPattern)
        let position = biased == 0 ? 0 : biased - 1
        let significand = x.significandBitPattern | (biased == 0 ? 0 : 1 << 52)
        let limb = position >> 5
        let shift = UInt64(position & 31)
        let low = (significand & 0xFFFF_FFFF) << shift
        let high = (significand >> 32) << shift
        let a = Int64(low & 0xFFFF_FFFF)
        let b = Int64((low >> 32) + (high & 0xFFFF_FFFF))
        let c = Int64(high >> 32)
        if x.sign == .plus {
            limbs[limb] += a
            limbs[limb + 1] += b
            limbs[limb + 2] += c
        } else {
            limbs[limb] -= a
            limbs[limb + 1] -= b
            limbs[limb + 2] -= c
        }
        pending += 1
        if pending == 1 << 29 { normalize() }
    }

    @_optimize(speed)
    @export(interface) public mutating func add(_ other: borrowing ExactSum) {
        var other = ExactSum(copying: other)
        other.spreadVectors()
        other.normalize()
        needLimbs()
        normalize()
        for i in 0..<Self.limbCount { limbs[i] += other.limbs[i] }
        special += other.special
        normalize()
    }

    /// Brings every limb but the last into 0 ..< 2^32.
    private mutating func normalize() {
        var carry: Int64 = 0
        for i in 0..<Self.limbCount - 1 {
            let value = limbs[i] + carry
            limbs[i] = value & Self.mask
            carry = value >> 32
        }
        limbs[Self.limbCount - 1] += carry
        pending = 0
    }

    public init(_ x: Double) { add(x) }

    /// The magnitude of the sum, all its limbs at least 0, and its sign; `nil` for NaN and infinities.
    private struct Normalized: ~Copyable {
        var isNegative = false
        var exact: ExactSum
    }

    private var normalized: Normalized? {
        var exact = ExactSum(copying: self)
        exact.spreadVectors()
        if exact.special != 0 { return nil }  // NaN != 0 holds
        exact.normalize()
        if exact.limbs[Self.limbCount - 1] >= 0 { return Normalized(exact: exact) }
        for i in 0..<Self.limbCount { exact.limbs[i] = -exact.limbs[i] }
        exact.normalize()
        return Normalized(isNegative: true, exact: exact)
    }

    /// The magnitude of the sum as an integer in units of 2^-1074, and its sign; `nil` for NaN and infinities.
    var magnitude: (isNegative: Bool, LongInteger)? {
        guard let sum = normalized else { return nil }
        return (sum.isNegative, LongInteger(sum.exact.limbs))
    }

    /// The leading bits of a finite sum.
    struct LeadingBits {
        var isNegative: Bool
        /// 128 bits, the first of which is 1 unless the sum is 0.
        var high: UInt64 = 0
        var low: UInt64 = 0
        /// Whether all following bits are 0.
        var isExact = true
        /// The first bit is worth 2^exponent.
        var exponent = 0
    }

    /// The sums of the upper and of the lower lanes, both exact, of up to 2048 ordinary numbers: below 2^26 in units of
    /// 2^-26, and at most 2^-16 in units of 2^-68. `nil` if other numbers were added. Takes a pointer, because
    /// otherwise the whole sum is copied.
    @inline(__always)
    private static func sums(_ sum: UnsafePointer<ExactSum>) -> (upper: Double, lower: Double)? {
        if sum.pointee.usesLimbs || sum.pointee.pendingVectors > 1 << 10 { return nil }
        let (upper, lower) = (sum.pointee.upper, sum.pointee.lower)
        return (upper[0] + upper[1], lower[0] + lower[1])
    }

    /// The sum of these numbers as a double, if it is one.
    @inline(__always)
    static func double(_ sum: UnsafePointer<ExactSum>) -> Double? {
        guard let (upper, lower) = sums(sum) else { return nil }
        // Knuth's TwoSum gives the rounding error of the addition.
        let sum = upper + lower
        let added = sum - upper
        return (upper - (sum - added)) + (lower - added) == 0 ? sum : nil
    }

    /// The sum of these numbers as an integer of 98 bits in units of 2^-68.
    static func leadingBitsOfVectors(_ sum: UnsafePointer<ExactSum>) -> LeadingBits? {
        guard let (upper, lower) = sums(sum) else { return nil }
        let (a, b) = (Int64(upper * 0x1p26), Int64(lower * 0x1p68))
        var (high, low) = a.multipliedFullWidth(by: 1 << 42)
        let (added, carry) = low.addingReportingOverflow(UInt64(bitPattern: b))
        low = added
        high += (b >> 63) + (carry ? 1 : 0)
        var bits = LeadingBits(isNegative: high < 0)
        if high < 0 {
            low = 0 &- low
            high = ~high &+ (low == 0 ? 1 : 0)
        }
        let top = UInt64(bitPattern: high)
        if top | low == 0 { return LeadingBits(isNegative: false) }
        let shift = UInt64(top != 0 ? top.leadingZeroBitCount : 64 + low.leadingZeroBitCount)
        bits.high = shift >= 64 ? low << (shift - 64) : shift == 0 ? top : top << shift | low >> (64 - shift)
        bits.low = shift >= 64 ? 0 : low << shift
        bits.exponent = 127 - Int(shift) - 68
        return bits
    }

    var leadingBits: LeadingBits? {
        if let bits = withUnsafePointer(to: self, { Self.leadingBitsOfVectors($0) }) { return bits }
        guard let sum = normalized else { return nil }
        let isNegative = sum.isNegative
        return sum.exact.limbs.span.withUnsafeBufferPointer { limbs in  // otherwise each access copies all limbs
            var bits = LeadingBits(isNegative: isNegative)
            var top = Self.limbCount - 1
            while top >= 0 && limbs[top] == 0 { top -= 1 }
            if top < 0 { return bits }
            func limb(_ i: Int) -> UInt64 { i < 0 ? 0 : UInt64(limbs[i]) }
            let shift = UInt64(limb(top).leadingZeroBitCount) - 32
            let (first, second) = (limb(top) << 32 | limb(top - 1), limb(top - 2) << 32 | limb(top - 3))
            let third = limb(top - 4) << 32
            bits.high = first << shift | (second >> 32) >> (32 - shift)
            bits.low = second << shift | (third >> 32) >> (32 - shift)
            bits.isExact = third << shift == 0
            var i = top - 5
            while i >= 0 && bits.isExact {
                bits.isExact = limbs[i] == 0
                i -= 1
            }
            bits.exponent = 32 * top + 31 - Int(shift) - 1074
            return bits
        }
    }

    /// Whether the sum is equal to `rounded`, the double that it was rounded to.
    func isExactly(_ rounded: Double) -> Bool {
        var difference = ExactSum(copying: self)
        difference.add(-rounded)
        return difference.leadingBits?.high == 0
    }

    /// The nearest double; infinite if the sum is beyond the range.
    @export(interface) public func rounded() -> Double {
        guard let bits = leadingBits else { return special }
        if bits.high == 0 { return 0 }
        let x = LongInteger.rounded(bits.high, bits.exponent - 63, isExact: bits.isExact && bits.low == 0)
        return bits.isNegative ? -x : x
    }

    // MARK: As plain words

    /// The number of words of a stored sum, which is always the same.
    public static var wordCount: Int { limbCount }

    /// A sum from the words that `store` wrote.
    @export(interface) public init(words: UnsafePointer<UInt32>, special: UInt32) {
        for i in 0..<Self.limbCount - 1 { limbs[i] = Int64(words[i]) }
        limbs[Self.limbCount - 1] = Int64(Int32(bitPattern: words[Self.limbCount - 1]))
        usesLimbs = true
        self.special = special == 0 ? 0 : special == 1 ? .infinity : special == 2 ? -.infinity : .nan
    }

    /// Stores the sum in two's complement, lowest word first. Returns 1 for +infinity, 2 for -infinity, 3 for NaN, and
    /// otherwise 0. Equal sums have equal words.
    @export(interface) public func store(words: UnsafeMutablePointer<UInt32>) -> UInt32 {
        var exact = ExactSum(copying: self)
        exact.spreadVectors()
        exact.normalize()
        // With an infinity or NaN the other numbers no longer matter, and the words are 0.
        let isFinite = exact.special == 0
        for i in 0..<Self.limbCount { words[i] = isFinite ? UInt32(truncatingIfNeeded: exact.limbs[i]) : 0 }
        return isFinite ? 0 : exact.special == .infinity ? 1 : exact.special == -.infinity ? 2 : 3
    }
}
