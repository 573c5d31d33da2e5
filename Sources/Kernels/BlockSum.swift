import Shims

/// The sums of a block: its largest element, and sums of exponentials relative to a reference. The reference need not
/// be the largest element, so one pass over the block is enough.
struct BlockSum<T: Element> {
    var max: T
    /// The number m of the exponentials exp(z - m); at most `max`, and finite.
    var reference: T
    /// The sum of the exponentials of all elements except one of the largest.
    var sum: Double
    /// The exponential of the largest element.
    var top: T
}

/// The reference is the largest of a block's first 16 elements, which is known before the pass. It is the block's
/// largest element where that is more than 32 above the guess, or where the guess is -infinity. The exponentials hold
/// e^32 above the reference, and below it all values that are not flushed to 0.
@inline(__always)
func blockReference<T: Element>(guess: T.Lanes, max: T.Lanes, _ scale: ExponentScale, _: T.Type) -> T.Lanes {
    T.reference(guess: guess, max: max, slack: 32 * T(scale.inverse))
}

/// The sums of a block, by fixed lanes in f64, which adds nothing to the error of the exponentials (below 1 ulp each).
///
/// Each lane keeps its largest exponential out of its sum; when a larger one arrives, the previous one is added. At the
/// end the largest of all lanes stays out, and those of the other lanes are added.
@inline(never)
func blockSum<T: Element>(
    _ block: UnsafeRawPointer, _ count: Int, _ scale: ExponentScale, _ upcoming: Upcoming,
    scratch: UnsafeMutableRawPointer, _: T.Type
) -> BlockSum<T> {
    let guess = firstLargest(block, count, T.self)
    if guess.magnitude < .infinity {
        let result = sums(block, count, guess, scale, upcoming, scratch)
        let max = T.splat(result.max)
        if T.get(0, of: blockReference(guess: T.splat(guess), max: max, scale, T.self)) == guess { return result }
    }
    let max = T.splat(largest(block, count, T.self))
    let reference = T.get(0, of: blockReference(guess: T.splat(guess), max: max, scale, T.self))
    return sums(block, count, reference, scale, upcoming, scratch)
}

/// The sums of `blockSum`; also writes the exponentials to `kept`, which may be `block`. Because that overwrites the
/// block, its `max` must be known beforehand.
@inline(never)
func keepingBlockSum<T: Element>(
    _ block: UnsafeRawPointer, _ count: Int, max: T, _ scale: ExponentScale, kept: UnsafeMutableRawPointer,
    _ upcoming: Upcoming, scratch: UnsafeMutableRawPointer, _: T.Type
) -> BlockSum<T> {
    let guess = firstLargest(block, count, T.self)
    let reference = T.get(0, of: blockReference(guess: T.splat(guess), max: T.splat(max), scale, T.self))
    return keepingSums(block, count, max, reference, scale, kept, upcoming, scratch)
}

@inline(__always)
private func sums<T: Element>(
    _ block: UnsafeRawPointer, _ count: Int, _ m: T, _ scale: ExponentScale, _ upcoming: Upcoming,
    _ scratch: UnsafeMutableRawPointer
) -> BlockSum<T> {
    T.self == Double.self || scale.isOne
        ? sums(block, count, m, scale, upcoming, scratch, PlainExp<T>.self)
        : sums(block, count, m, scale, upcoming, scratch, ScaledExp<T>.self)
}

@inline(never)
private func sums<E: Exponential>(
    _ block: UnsafeRawPointer, _ count: Int, _ m: E.T, _ scale: ExponentScale, _ upcoming: Upcoming,
    _ scratch: UnsafeMutableRawPointer, _: E.Type
) -> BlockSum<E.T> {
    typealias T = E.T
    let reference = T.expReference(T.splat(m), scale)
    let shift = T.get(0, of: reference.shift)
    let x = shifted(block, count, by: shift, scratch)
    var max = T.splat(-.infinity)
    var top = T.splat(0)
    var sums = DoubleLanes(repeating: 0)
    let done = wholeVectors(x, count, reference, upcoming, kept: nil, scratch, &max, &top, &sums)
    forEachVector(count, from: done) { i in
        upcoming.prefetch(i)
        let x = T.loadLanes(x, i)
        max = T.maximum(max, x)
        add(E.exp(x, reference), &sums, &top, T.self)
    } tail: { i, n in
        let x = T.loadTail(x, i, n, filler: -.infinity)
        max = T.maximum(max, x)
        add(E.exp(x, reference), &sums, &top, T.self)
    }
    return total(T.largestLane(max) + shift, m, sums, top)
}

/// The sums of a block relative to a reference m that the caller chooses, with the exponentials in `kept`.
@inline(__always)
func keepingSums<T: Element>(
    _ block: UnsafeRawPointer, _ count: Int, _ max: T, _ m: T, _ scale: ExponentScale, _ kept: UnsafeMutableRawPointer,
    _ upcoming: Upcoming, _ scratch: UnsafeMutableRawPointer
) -> BlockSum<T> {
    T.self == Double.self || scale.isOne
        ? keepingSums(block, count, max, m, scale, kept, upcoming, scratch, PlainExp<T>.self)
        : keepingSums(block, count, max, m, scale, kept, upcoming, scratch, ScaledExp<T>.self)
}

@inline(never)
private func keepingSums<E: Exponential>(
    _ block: UnsafeRawPointer, _ count: Int, _ max: E.T, _ m: E.T, _ scale: ExponentScale,
    _ kept: UnsafeMutableRawPointer, _ upcoming: Upcoming, _ scratch: UnsafeMutableRawPointer, _: E.Type
) -> BlockSum<E.T> {
    typealias T = E.T
    let reference = T.expReference(T.splat(m), scale)
    let x = shifted(block, count, by: T.get(0, of: reference.shift), scratch)
    var largest = T.splat(-.infinity)
    var top = T.splat(0)
    var sums = DoubleLanes(repeating: 0)
    let done = wholeVectors(x, count, reference, upcoming, kept: kept, scratch, &largest, &top, &sums)
    forEachVector(count, from: done) { i in
        upcoming.prefetch(i)
        let e = E.exp(T.loadLanes(x, i), reference)
        T.storeLanes(e, kept, i)
        add(e, &sums, &top, T.self)
    } tail: { i, n in
        let e = E.exp(T.loadTail(x, i, n, filler: -.infinity), reference)
        T.storeTail(e, kept, i, n)
        add(e, &sums, &top, T.self)
    }
    return total(max, m, sums, top)
}

/// The sums of whole vectors, on instruction sets that compute several exponentials at a time (see ChunkedExp.swift and
/// FourVectors.swift).
/// Returns the number of elements added.
@inline(__always)
private func wholeVectors<T: Element>(
    _ x: UnsafeRawPointer, _ count: Int, _ reference: ExpReference<T>, _ upcoming: Upcoming,
    kept: UnsafeMutableRawPointer?, _ scratch: UnsafeMutableRawPointer, _ max: inout T.Lanes, _ top: inout T.Lanes,
    _ sums: inout DoubleLanes
) -> Int {
    #if CROSSENTROPY_KERNELSAVX2
        if T.self == Float.self && count >= 4 &* laneCount {
            let whole = count & ~(laneCount &- 1)
            var result = ChunkedSum()
            let reference = unsafeBitCast(reference, to: ExpReference<Float>.self)
            chunkedSum(x, whole, reference, upcoming, kept: kept, room: chunkRoom(scratch), &result)
            max = unsafeBitCast(result.max, to: T.Lanes.self)
            top = unsafeBitCast(result.top, to: T.Lanes.self)
            sums = result.sums
            return whole
        }
    #elseif CROSSENTROPY_KERNELSAVX512
        if T.self == Float.self && count >= 4 &* laneCount {
            let whole = count & ~(4 &* laneCount &- 1)
            var result = FourVectorSum()
            let reference = unsafeBitCast(reference, to: ExpReference<Float>.self)
            if let kept {
                fourVectorSum(x, whole, reference, upcoming, kept: kept, &result)
            } else {
                fourVectorSum(x, whole, reference, upcoming, &result)
            }
            max = unsafeBitCast(result.max, to: T.Lanes.self)
            top = unsafeBitCast(result.top, to: T.Lanes.self)
            sums = result.sums
            return whole
        }
    #endif
    return 0
}

@inline(__always)
private func add<T: Element>(_ e: T.Lanes, _ sums: inout DoubleLanes, _ top: inout T.Lanes, _: T.Type) {
    sums += T.widen(T.minimum(top, e))
    top = T.maximum(top, e)
}

@inline(never)
func total<T: Element>(_ max: T, _ reference: T, _ sums: DoubleLanes, _ tops: T.Lanes) -> BlockSum<T> {
    let top = T.largestLane(tops)
    let others = T.zeroingFirst(tops, equalTo: top)
    return BlockSum(max: max, reference: reference, sum: sum(sums + T.widen(others)), top: top)
}

/// The largest of the first 16 elements.
@inline(__always)
func firstLargest<T: Element>(_ x: UnsafeRawPointer, _ count: Int, _: T.Type) -> T {
    T.largestLane(count < laneCount ? T.loadTail(x, 0, count, filler: -.infinity) : T.loadLanes(x, 0))
}

/// The largest element; NaNs are skipped.
@inline(never)
func largest<T: Element>(_ x: UnsafeRawPointer, _ count: Int, _: T.Type) -> T {
    var a = T.splat(-.infinity)
    var b = a
    var i = 0
    while i &+ 2 &* laneCount <= count {
        a = T.maximum(a, T.loadLanes(x, i))
        b = T.maximum(b, T.loadLanes(x, i &+ laneCount))
        i &+= 2 &* laneCount
    }
    if i &+ laneCount <= count {
        a = T.maximum(a, T.loadLanes(x, i))
        i &+= laneCount
    }
    if i < count { b = T.maximum(b, T.loadTail(x, i, count &- i, filler: -.infinity)) }
    return T.largestLane(T.maximum(a, b))
}

/// x - shift. In the usual case, shift = 0, this is x itself.
@inline(__always)
func shifted<T: Element>(
    _ x: UnsafeRawPointer, _ count: Int, by shift: T, _ scratch: UnsafeMutableRawPointer
) -> UnsafeRawPointer {
    if shift == 0 { return x }
    subtract(x, count, shift, scratch)
    return UnsafeRawPointer(scratch)
}

@inline(never)
private func subtract<T: Element>(
    _ x: UnsafeRawPointer, _ count: Int, _ shift: T, _ difference: UnsafeMutableRawPointer
) {
    for i in 0..<count { T.store(T.load(x, i) - shift, difference, i) }
}

/// The first class that holds `value`; `nil` if no class does.
@inline(never)
func firstIndex<T: Element>(of value: T, _ x: UnsafeRawPointer, _ count: Int) -> Int? {
    let lanes = T.splat(value)
    var i = 0
    while i &+ 4 &* laneCount <= count && !T.isAny(x, i, equalTo: lanes) { i &+= 4 &* laneCount }
    while i &+ laneCount <= count && !T.isAny(T.loadLanes(x, i), equalTo: lanes) { i &+= laneCount }
    let end = i &+ laneCount < count ? i &+ laneCount : count
    while i < end {
        if T.load(x, i) == value { return i }
        i &+= 1
    }
    return nil
}
