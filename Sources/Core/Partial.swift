import KernelABI

// Partial statistics of a row, over some of its blocks. They are functions of the set of blocks, not of their order.
// This holds for the largest logit and its first class, and for the sum of all exponentials but that logit's, because
// the sum is an integer.
//
// A block's sum is a double times a power of two. Its 53 bits are cut at multiples of 32 and added to limbs, without
// carries; each limb has a fixed place among all powers of two. The limbs are a window on these places, which ends a
// little above the largest exponential. The window only moves upwards, and the limbs that it leaves are dropped. So
// digits outside of the last window are never part of the result, whatever block they belong to and whenever it is
// added. Since there are no carries from limb to limb, such digits leave nothing inside the window.

extension crossentropy_partial {
    static var limbCount: Int { Int(CROSSENTROPY_PARTIAL_LIMBS) }

    /// Partial statistics of no classes.
    init(dtype: DType, label: Int64, transform: crossentropy_transform) {
        self.init()
        version = 1
        self.dtype = dtype == .f64 ? DType.f64.rawValue : DType.f32.rawValue
        self.label = label
        logit_scale = transform.applies == 0 ? 1 : transform.logit_scale
        softcap = transform.softcap
        max = -.infinity
        argmax = -1
    }

    /// Records the classes of a slice.
    mutating func cover(first: Int, count: Int) {
        first_class = Int64(first)
        end_class = Int64(first + count)
        classes = Int64(count)
        cover = Self.cover(blocks: first / Int(CROSSENTROPY_BLOCK)..<(first + count - 1) / Int(CROSSENTROPY_BLOCK) + 1)
    }

    /// Identifies a set of blocks: a sum over the blocks, each once, of 64-bit numbers that look random (SplitMix64).
    @inline(never)
    @_optimize(size)
    static func cover(blocks: Range<Int>) -> UInt64 {
        var sum: UInt64 = 0
        for block in blocks {
            var x = UInt64(truncatingIfNeeded: block + 1) &* 0x9E37_79B9_7F4A_7C15
            x = (x ^ x &>> 30) &* 0xBF58_476D_1CE4_E5B9
            x = (x ^ x &>> 27) &* 0x94D0_49BB_1331_11EB
            sum &+= x ^ x &>> 31
        }
        return sum
    }

    /// Adds the slice's next block. `first` is the slice's first class.
    @inline(never)
    @_optimize(size)
    mutating func add(_ block: crossentropy_block_sum, first: Int) {
        if !(block.sum == block.sum && block.max < .infinity) { return makeUndefined() }
        if is_undefined != 0 || block.max == -.infinity { return }
        if areApart(block.max) {
            if block.max < max { return }
            clear()
        }
        let isFirst = max == -.infinity
        moveWindow(to: windowStart(block.top, block.exponent), isFirst: isFirst)
        add(block.sum, block.exponent)
        if block.max > max {
            add(top, top_exponent)  // 0 if this is the first
            (max, argmax, top, top_exponent) = (block.max, Int64(first) + block.argmax, block.top, block.exponent)
        } else {
            add(block.top, block.exponent)
        }
    }

    /// Adds the classes of `other`. Both are valid, and `misfit` has returned `nil`.
    @_optimize(size)
    @export(interface) public mutating func merge(_ other: crossentropy_partial) {
        first_class = min(first_class, other.first_class)
        end_class = Swift.max(end_class, other.end_class)
        classes += other.classes
        cover &+= other.cover
        if other.has_target != 0 {
            has_target = 1
            target = other.target
        }
        if is_undefined != 0 || other.is_undefined != 0 { return makeUndefined() }
        if other.max == -.infinity { return }
        if areApart(other.max) {
            if other.max < max { return }
            clear()
        }
        let isFirst = max == -.infinity
        moveWindow(to: other.sum_exponent, isFirst: isFirst)
        add(other)
        if other.max > max || (other.max == max && other.argmax < argmax) {
            add(top, top_exponent)  // 0 if this is the first
            (max, argmax, top, top_exponent) = (other.max, other.argmax, other.top, other.top_exponent)
        } else {
            add(other.top, other.top_exponent)
        }
    }

    /// Beside a NaN or +infinity nothing else in the row matters. It is cleared, so that these bits do not depend on
    /// the order either.
    private mutating func makeUndefined() {
        is_undefined = 1
        clear()
        max = .nan
        argmax = -1
        target = 0
    }

    /// Returns to the state before any block with a logit above -infinity.
    @inline(never)
    private mutating func clear() {
        max = -.infinity
        argmax = -1
        top = 0
        top_exponent = 0
        sum_exponent = 0
        let limbs = crossentropy_partial_limbs(&self)!
        for i in 0..<Self.limbCount { limbs[i] = 0 }
    }

    /// Whether two different largest logits are so large that the smaller one's exponentials vanish beside the larger
    /// one's: one is beyond 2^62, where neighbouring doubles differ by 1024 and all exponentials are represented as 1
    /// (see `PowerOfE`).
    private func areApart(_ other: Double) -> Bool {
        max != -.infinity && max != other && (max.magnitude > 0x1p62 || other.magnitude > 0x1p62)
    }

    // MARK: The window

    /// The exponent of the lowest limb's unit, in a window for this largest exponential. The sum of a block is at most
    /// 2^12 times that, so it ends below the last limb but one or in it; and 1088 bits remain below the exponential.
    private func windowStart(_ top: Double, _ exponent: Int64) -> Int64 {
        ((exponent &+ Int64(top.exponentBitPattern) &- 1023) >> 5 &- Int64(Self.limbCount - 2)) << 5
    }

    @inline(never)
    @_optimize(size)
    private mutating func moveWindow(to start: Int64, isFirst: Bool) {
        if isFirst {
            sum_exponent = start
            return
        }
        if start <= sum_exponent { return }
        // Both are multiples of 32, and may be far apart.
        let distance = UInt64(bitPattern: start &- sum_exponent) >> 5
        let limbs = crossentropy_partial_limbs(&self)!
        let dropped = Int(min(distance, UInt64(Self.limbCount)))
        for i in 0..<Self.limbCount - dropped { limbs[i] = limbs[i + dropped] }
        for i in Self.limbCount - dropped..<Self.limbCount { limbs[i] = 0 }
        sum_exponent = start
    }

    /// Adds value 2^exponent, for a value that is 0 or positive and normal.
    @inline(never)
    @_optimize(size)
    private mutating func add(_ value: Double, _ exponent: Int64) {
        if !(value > 0) { return }
        let position = exponent &+ Int64(value.exponentBitPattern) &- (1023 + 52) &- sum_exponent
        if position < -64 || position >= Int64(32 * Self.limbCount) { return }
        let significand = value.significandBitPattern | 1 << 52
        let shift = UInt64(position & 31)
        let low = (significand & 0xFFFF_FFFF) << shift
        let high = (significand >> 32) << shift
        addDigit(low & 0xFFFF_FFFF, Int(position >> 5))
        addDigit(low >> 32, Int(position >> 5) + 1)
        addDigit(high & 0xFFFF_FFFF, Int(position >> 5) + 1)
        addDigit(high >> 32, Int(position >> 5) + 2)
    }

    private mutating func addDigit(_ digit: UInt64, _ place: Int) {
        if place >= 0 && place < Self.limbCount { crossentropy_partial_limbs(&self)![place] &+= digit }
    }

    @inline(never)
    private mutating func add(_ other: crossentropy_partial) {
        var other = other
        let from = crossentropy_partial_limbs(&other)!
        let limbs = crossentropy_partial_limbs(&self)!
        // This window is not below the other's.
        let dropped = Int(min(UInt64(bitPattern: sum_exponent &- other.sum_exponent) >> 5, UInt64(Self.limbCount)))
        for i in 0..<Self.limbCount - dropped { limbs[i] &+= from[i + dropped] }
    }

    /// The sum as a double times a power of two, rounded to nearest.
    @inline(never)
    @_optimize(size)
    func total() -> (value: Double, exponent: Int64) {
        var copy = self
        let limbs = crossentropy_partial_limbs(&copy)!
        var carry: UInt64 = 0
        var top = -1
        for i in 0..<Self.limbCount {
            let (low, overflow) = limbs[i].addingReportingOverflow(carry)
            limbs[i] = low & 0xFFFF_FFFF
            carry = low >> 32 | (overflow ? 1 << 32 : 0)
            if limbs[i] != 0 { top = i }
        }
        func limb(_ i: Int) -> UInt64 { i < 0 ? 0 : i == Self.limbCount ? carry : limbs[i] }
        if carry != 0 { top = Self.limbCount }
        if top < 0 { return (0, 0) }
        // The leading 65 to 96 bits of the sum, in 64 bits. The last one is also set if any following bit is.
        let first = limb(top)
        let zeros = UInt64(min(first, 0xFFFF_FFFF).leadingZeroBitCount - 32)
        var bits = (first << 32 | limb(top - 1)) << zeros | limb(top - 2) >> (32 - zeros)
        var isInexact = (limb(top - 2) << (32 + zeros)) != 0
        for i in 0..<Swift.max(0, top - 2) where limbs[i] != 0 { isInexact = true }
        if isInexact { bits |= 1 }
        return (Double(bits), sum_exponent &+ Int64(32 * (top - 1)) &- Int64(zeros))
    }

    // MARK: Checks of fields from outside

    /// Whether this library can have written these fields, so that computing with them is safe.
    @export(interface) public var isValid: Bool {
        let most: Int64 = 1 << 62
        let farthest = Int64.max - (1 << 40)
        func isNear(_ x: Int64) -> Bool { x < farthest && x > -farthest }
        return version == 1 && (dtype == DType.f32.rawValue || dtype == DType.f64.rawValue) && label >= -1
            && first_class >= 0 && first_class < end_class && end_class <= most && classes >= 1
            && classes <= end_class - first_class && max != .infinity && (max == max) == (is_undefined == 0)
            && top >= 0 && isNear(top_exponent) && isNear(sum_exponent)
    }

    /// The reasons why two partial statistics cannot be merged.
    public enum Misfit { case label, dtype, transform, overlap }

    @export(interface) public func misfit(_ other: crossentropy_partial) -> Misfit? {
        if label != other.label { return .label }
        if dtype != other.dtype { return .dtype }
        if logit_scale != other.logit_scale || softcap != other.softcap { return .transform }
        let length = Swift.max(end_class, other.end_class) - min(first_class, other.first_class)
        // There are more classes than positions; or both have the label's class.
        if classes > length - other.classes || (has_target != 0 && other.has_target != 0) { return .overlap }
        return nil
    }

    /// Whether these are partial statistics of all of `classes` classes, each once.
    public func isComplete(classes: Int, cover: UInt64) -> Bool {
        first_class == 0 && end_class == Int64(classes) && self.classes == Int64(classes) && self.cover == cover
    }

    /// The `cover` of all of `classes` classes, which need not exist; incomplete if the call is cancelled.
    public static func cover(classes: Int, _ cancel: UnsafeMutablePointer<crossentropy_cancel>?) -> UInt64 {
        let blocks = (classes - 1) / Int(CROSSENTROPY_BLOCK) + 1
        var sum: UInt64 = 0
        var first = 0
        while first < blocks && !crossentropy_is_cancelled(cancel) {
            let end = min(blocks, first + Settings.part)
            sum &+= cover(blocks: first..<end)
            first = end
        }
        return sum
    }
}
