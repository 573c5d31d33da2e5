import Shims

// The operations of an exponential depend on each other, and with 512 bits each takes one of two units for two cycles: the
// processor does not read far enough ahead to keep its units busy with one vector after the other. So four vectors take each
// step together, and between the steps the four before them, which other units add, are added. The operations are the same as
// of single vectors, and so the bits.

/// The sums of a block's whole vectors: see `sums` in BlockSum.swift.
struct FourVectorSum {
    var max = Singles(repeating: -.infinity)
    fileprivate var running = Running()

    @inline(__always) var top: Singles { running.top }
    @inline(__always) var sums: DoubleLanes { DoubleLanes(lowHalf: running.low, highHalf: running.high) }
}

private struct Running {
    var low = SIMD8<Double>(repeating: 0)
    var high = SIMD8<Double>(repeating: 0)
    var top = Singles(repeating: 0)

    @_transparent
    func adding(_ e: Singles) -> Running {
        let others = shim_computed(Float.minimum(top, e))  // as a whole, not by halves
        return Running(
            low: low + shim_low_doubles(others), high: high + shim_high_doubles(others), top: Float.maximum(top, e))
    }
}

private struct FourVectors {
    var a: Singles
    var b: Singles
    var c: Singles
    var d: Singles

    @inline(__always)
    init(_ a: Singles, _ b: Singles, _ c: Singles, _ d: Singles) { (self.a, self.b, self.c, self.d) = (a, b, c, d) }

    @inline(__always)
    init(_ x: UnsafeRawPointer, _ i: Int) {
        a = Float.loadLanes(x, i)
        b = Float.loadLanes(x, i &+ 16)
        c = Float.loadLanes(x, i &+ 32)
        d = Float.loadLanes(x, i &+ 48)
    }

    @inline(__always)
    func store(_ to: UnsafeMutableRawPointer, _ i: Int) {
        Float.storeLanes(a, to, i)
        Float.storeLanes(b, to, i &+ 16)
        Float.storeLanes(c, to, i &+ 32)
        Float.storeLanes(d, to, i &+ 48)
    }

    @inline(__always)
    func each(_ f: (Singles) -> Singles) -> FourVectors { FourVectors(f(a), f(b), f(c), f(d)) }

    @inline(__always)
    func each(_ x: FourVectors, _ f: (Singles, Singles) -> Singles) -> FourVectors {
        FourVectors(f(a, x.a), f(b, x.b), f(c, x.c), f(d, x.d))
    }

    /// self + x y
    @inline(__always)
    func fusedAdding(_ x: FourVectors, _ y: Float) -> FourVectors {
        each(x) { $0.fusedAdding($1, Singles(repeating: y)) }
    }

    /// self x + y
    @inline(__always)
    func times(_ x: FourVectors, plus y: Float) -> FourVectors {
        each(x) { Singles(repeating: y).fusedAdding($0, $1) }
    }
}

/// Keeps the compiler from moving operations from one side of this point to the other.
@_transparent
private func inStep(_ x: FourVectors, _ running: Running) -> (FourVectors, Running) {
    var both = (x, running)
    withUnsafeMutableBytes(of: &both) {
        shim_in_step($0.baseAddress, $0.baseAddress! + MemoryLayout<FourVectors>.size)
    }
    return both
}

/// - Parameters:
///   - count: A multiple of 64.
///   - kept: Memory for the exponentials, which may be `x`; `nil`: they are discarded.
@inline(never)
func fourVectorSum(
    _ x: UnsafeRawPointer, _ count: Int, _ reference: ExpReference<Float>, _ upcoming: Upcoming,
    _ result: UnsafeMutablePointer<FourVectorSum>
) {
    reference.scale.isOne
        ? add(x, count, reference, upcoming, kept: nil, isScaled: false, result)
        : add(x, count, reference, upcoming, kept: nil, isScaled: true, result)
}

@inline(never)
func fourVectorSum(
    _ x: UnsafeRawPointer, _ count: Int, _ reference: ExpReference<Float>, _ upcoming: Upcoming,
    kept: UnsafeMutableRawPointer, _ result: UnsafeMutablePointer<FourVectorSum>
) {
    reference.scale.isOne
        ? add(x, count, reference, upcoming, kept: kept, isScaled: false, result)
        : add(x, count, reference, upcoming, kept: kept, isScaled: true, result)
}

@inline(__always)
private func add(
    _ x: UnsafeRawPointer, _ count: Int, _ reference: ExpReference<Float>, _ upcoming: Upcoming,
    kept: UnsafeMutableRawPointer?, isScaled: Bool, _ result: UnsafeMutablePointer<FourVectorSum>
) {
    let magic = Singles(repeating: 0x1.8p23)
    let (high, low) = (Singles(repeating: reference.scale.high), reference.scale.low)
    let cutoff = Singles(repeating: reference.cutoff[0])
    let origin = SIMD16<Int32>(repeating: reference.exponentOrigin[0])
    let zero = Singles(repeating: 0)
    let soon = upcoming.soon
    var max = result.pointee.max
    var running = result.pointee.running
    var before = FourVectors(zero, zero, zero, zero)
    var i = 0
    while i < count {
        let t = FourVectors(x, i)
        soon.prefetchNear(i)
        soon.prefetchNear(i &+ 16)
        soon.prefetchNear(i &+ 32)
        soon.prefetchNear(i &+ 48)
        let u: FourVectors
        var r: FourVectors
        if isScaled {
            u = t.each { magic.fusedAdding(high, $0) }
            r = u.each { magic - $0 }.each(t) { $0.fusedAdding($1, high) }.fusedAdding(t, low)
                .each { $0 * Singles(repeating: 0x1.62e430p-1) }
        } else {
            u = t.each { magic.fusedAdding(Singles(repeating: 0x1.715476p+0), $0) }
            let n = u.each { $0 - magic }
            r = t.fusedAdding(n, -0x1.62e430p-1).fusedAdding(n, 0x1.05c610p-29)
        }
        (r, running) = inStep(r, running)
        var p = r.each { Singles(repeating: 0x1.120be2p-7).fusedAdding(Singles(repeating: 0x1.6d117cp-10), $0) }
        running = running.adding(before.a)
        (p, running) = inStep(p, running)
        p = p.times(r, plus: 0x1.555518p-5)
        running = running.adding(before.b)
        (p, running) = inStep(p, running)
        p = p.times(r, plus: 0x1.5554dcp-3)
        running = running.adding(before.c)
        (p, running) = inStep(p, running)
        p = p.times(r, plus: 0.5)
        running = running.adding(before.d)
        (p, running) = inStep(p, running)
        p = p.times(r, plus: 1)
        if kept == nil {
            max = Float.maximum(Float.maximum(Float.maximum(Float.maximum(max, t.a), t.b), t.c), t.d)
        }
        (p, running) = inStep(p, running)
        let scale = u.each {
            unsafeBitCast((unsafeBitCast($0, to: SIMD16<Int32>.self) &- origin) &<< 23, to: Singles.self)
        }
        before = p.times(r, plus: 1).each(scale) { $0 * $1 }.each(t) { $0.replacing(with: zero, where: $1 .< cutoff) }
        if let kept { before.store(kept, i) }
        i &+= 64
    }
    result.pointee.max = max
    result.pointee.running = running.adding(before.a).adding(before.b).adding(before.c).adding(before.d)
}
