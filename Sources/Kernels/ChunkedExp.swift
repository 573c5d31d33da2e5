import Shims

#if CROSSENTROPY_KERNELSAVX2

    // With sixteen registers, the loop of an exponential is a problem: its fifteen operations are more than the
    // processor reads ahead, and its numbers do not stay in registers. So exponentials are computed in three short
    // loops, over some hundred classes at a time. The operations are the same, and so the bits, as in the single loop
    // of instruction sets with more registers.

    private let chunkSize = 512

    /// The sums of a block's whole vectors: see `sums` in BlockSum.swift.
    struct ChunkedSum {
        var max = Singles(repeating: -.infinity)
        var top = Singles(repeating: 0)
        var sums = DoubleLanes(repeating: 0)
    }

    /// - Parameters:
    ///   - x: The logits, minus the reference's shift.
    ///   - count: A multiple of 16.
    ///   - kept: Memory for the exponentials, which may be `x`; `nil`: they are discarded.
    ///   - room: Scratch space for three chunks of f32.
    @inline(never)
    func chunkedSum(
        _ x: UnsafeRawPointer, _ count: Int, _ reference: ExpReference<Float>, _ upcoming: Upcoming,
        kept: UnsafeMutableRawPointer?, room: UnsafeMutableRawPointer, _ result: UnsafeMutablePointer<ChunkedSum>
    ) {
        let chunkBytes = chunkSize &* MemoryLayout<Float>.size
        var i = 0
        while i < count {
            let n = count &- i < chunkSize ? count &- i : chunkSize
            let exponentials = kept.map { $0 + i &* MemoryLayout<Float>.size } ?? room + 2 &* chunkBytes
            if reference.scale.isOne {
                reduce(x, i, n, reference, upcoming, room, room + chunkBytes, &result.pointee.max)
            } else {
                reduceScaled(x, i, n, reference, upcoming, room, room + chunkBytes, &result.pointee.max)
            }
            finish(x, i, n, reference, UnsafeRawPointer(room), UnsafeRawPointer(room + chunkBytes), exponentials)
            add(UnsafeRawPointer(exponentials), n, result)
            i &+= n
        }
    }

    /// A rounding constant that includes the exponent's origin, so that the low bits are the biased exponent.
    @inline(__always)
    private func magic(_ reference: ExpReference<Float>) -> Singles {
        let origin = Int32(bitPattern: Float(0x1.8p23).bitPattern) &- reference.exponentOrigin[0]
        return Singles(repeating: 0x1.8p23 + Float(origin))
    }

    /// The first loop: reduced arguments and powers of two.
    @inline(never)
    private func reduce(
        _ x: UnsafeRawPointer, _ start: Int, _ count: Int, _ reference: ExpReference<Float>, _ upcoming: Upcoming,
        _ arguments: UnsafeMutableRawPointer, _ powers: UnsafeMutableRawPointer, _ largest: inout Singles
    ) {
        let magic = magic(reference)
        var max = largest
        var i = 0
        while i < count {
            upcoming.prefetch(start &+ i)
            let t = Float.loadLanes(x, start &+ i)
            max = Float.maximum(max, t)
            let u = magic.fusedAdding(Singles(repeating: 0x1.715476p+0), t)
            let n = u - magic
            let r = t.fusedAdding(n, Singles(repeating: -0x1.62e430p-1))
            Float.storeLanes(r.fusedAdding(n, Singles(repeating: 0x1.05c610p-29)), arguments, i)
            Float.storeLanes(
                unsafeBitCast(unsafeBitCast(u, to: SIMD16<Int32>.self) &<< 23, to: Singles.self), powers, i)
            i &+= laneCount
        }
        largest = max
    }

    /// The first loop for logits with a scale.
    @inline(never)
    private func reduceScaled(
        _ x: UnsafeRawPointer, _ start: Int, _ count: Int, _ reference: ExpReference<Float>, _ upcoming: Upcoming,
        _ arguments: UnsafeMutableRawPointer, _ powers: UnsafeMutableRawPointer, _ largest: inout Singles
    ) {
        let magic = magic(reference)
        let (high, low) = (Singles(repeating: reference.scale.high), Singles(repeating: reference.scale.low))
        var max = largest
        var i = 0
        while i < count {
            upcoming.prefetch(start &+ i)
            let t = Float.loadLanes(x, start &+ i)
            max = Float.maximum(max, t)
            let u = magic.fusedAdding(high, t)
            Float.storeLanes(Float.scaledRemainder(t, magic - u, high, low), arguments, i)
            Float.storeLanes(
                unsafeBitCast(unsafeBitCast(u, to: SIMD16<Int32>.self) &<< 23, to: Singles.self), powers, i)
            i &+= laneCount
        }
        largest = max
    }

    /// The second loop: the polynomial.
    @inline(never)
    private func finish(
        _ x: UnsafeRawPointer, _ start: Int, _ count: Int, _ reference: ExpReference<Float>,
        _ arguments: UnsafeRawPointer, _ powers: UnsafeRawPointer, _ exponentials: UnsafeMutableRawPointer
    ) {
        let cutoff = Singles(repeating: reference.cutoff[0])
        var i = 0
        while i < count {
            let e = Float.expPolynomial(Float.loadLanes(arguments, i)) * Float.loadLanes(powers, i)
            let isBelow = Float.loadLanes(x, start &+ i) .< cutoff
            Float.storeLanes(e.replacing(with: Singles(repeating: 0), where: isBelow), exponentials, i)
            i &+= laneCount
        }
    }

    /// The third loop: the sums.
    @inline(never)
    private func add(_ exponentials: UnsafeRawPointer, _ count: Int, _ result: UnsafeMutablePointer<ChunkedSum>) {
        var top = result.pointee.top
        var sums = result.pointee.sums
        var i = 0
        while i < count {
            let e = Float.loadLanes(exponentials, i)
            sums += Float.widen(Float.minimum(top, e))
            top = Float.maximum(top, e)
            i &+= laneCount
        }
        result.pointee.top = top
        result.pointee.sums = sums
    }

#endif
