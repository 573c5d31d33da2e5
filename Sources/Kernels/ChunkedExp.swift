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
        /// See `StatisticsPass`.
        var distances = DoubleLanes(repeating: 0)
    }

    /// Scratch space for three chunks, after the block that `shifted` may have written.
    @inline(__always)
    func chunkRoom(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        scratch + blockSize &* MemoryLayout<Float>.size
    }

    /// The sums; and the largest element, unless exponentials are kept, for which it must be known beforehand.
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
            if !reference.scale.isOne {
                reduceScaled(x, i, n, reference, upcoming, room, room + chunkBytes, &result.pointee.max)
            } else if kept == nil {
                reduceFindingLargest(x, i, n, reference, upcoming, room, room + chunkBytes, &result.pointee.max)
            } else {
                reduce(x, i, n, reference, upcoming, room, room + chunkBytes)
            }
            finish(x, i, n, reference, UnsafeRawPointer(room), UnsafeRawPointer(room + chunkBytes), exponentials)
            add(UnsafeRawPointer(exponentials), n, result)
            i &+= n
        }
    }

    /// As `chunkedSum`; also sums of exp(z_c) (max - z_c), as `StatisticsPass` adds them up.
    /// - Parameter max: The block's largest logit, minus the reference's shift.
    @inline(never)
    func chunkedStatistics(
        _ x: UnsafeRawPointer, _ count: Int, _ reference: ExpReference<Float>, _ max: Float, _ upcoming: Upcoming,
        kept: UnsafeMutableRawPointer?, room: UnsafeMutableRawPointer, _ result: UnsafeMutablePointer<ChunkedSum>
    ) {
        let chunkBytes = chunkSize &* MemoryLayout<Float>.size
        let exponentials = room + 2 &* chunkBytes
        var i = 0
        while i < count {
            let n = count &- i < chunkSize ? count &- i : chunkSize
            reduce(x, i, n, reference, upcoming, room, room + chunkBytes)
            finish(x, i, n, reference, UnsafeRawPointer(room), UnsafeRawPointer(room + chunkBytes), exponentials)
            add(UnsafeRawPointer(exponentials), n, result)
            addDistances(x, i, n, reference, max, UnsafeRawPointer(exponentials), result)
            // Last, because it may overwrite `x`.
            if let kept {
                (kept + i &* MemoryLayout<Float>.size)
                    .copyMemory(from: exponentials, byteCount: n &* MemoryLayout<Float>.size)
            }
            i &+= n
        }
    }

    /// The distances of four vectors are added up in f32 before they are widened.
    @inline(never)
    private func addDistances(
        _ x: UnsafeRawPointer, _ start: Int, _ count: Int, _ reference: ExpReference<Float>, _ max: Float,
        _ exponentials: UnsafeRawPointer, _ result: UnsafeMutablePointer<ChunkedSum>
    ) {
        // Below the cutoff the exponential is 0, and so is its product with any finite number.
        let cutoff = SIMD8<Float>(repeating: reference.cutoff[0])
        let max = SIMD8<Float>(repeating: max)
        let x = x + start &* MemoryLayout<Float>.size
        @inline(__always) func distance(_ i: Int) -> SIMD8<Float> {
            let place = i &* MemoryLayout<Float>.size
            return exponentials.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)
                * (max - shim_max(cutoff, x.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)))
        }
        let half = laneCount / 2
        var low = result.pointee.distances.lowHalf
        var high = result.pointee.distances.highHalf
        var i = 0
        while i < count {
            // Unrolled, the compiler would take the vectors apart.
            let end = i &+ 4 &* laneCount < count ? i &+ 4 &* laneCount : count
            var (lowPart, highPart) = (SIMD8<Float>(repeating: 0), SIMD8<Float>(repeating: 0))
            repeat {
                lowPart += distance(i)
                highPart += distance(i &+ half)
                i &+= laneCount
            } while i < end
            low += widened(lowPart)
            high += widened(highPart)
        }
        result.pointee.distances = DoubleLanes(lowHalf: low, highHalf: high)
    }

    @inline(__always)
    private func widened(_ x: SIMD8<Float>) -> SIMD8<Double> {
        var wide = SIMD8<Double>()
        for lane in 0..<8 { wide[lane] = Double(x[lane]) }
        return wide
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
        _ arguments: UnsafeMutableRawPointer, _ powers: UnsafeMutableRawPointer
    ) {
        let magic = magic(reference)
        var i = 0
        while i < count {
            upcoming.prefetch(start &+ i)
            reduce(Float.loadLanes(x, start &+ i), magic, arguments, powers, i)
            i &+= laneCount
        }
    }

    /// As `reduce`; also finds the largest element.
    @inline(never)
    private func reduceFindingLargest(
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
            reduce(t, magic, arguments, powers, i)
            i &+= laneCount
        }
        largest = max
    }

    /// A vector of the first loop.
    @_transparent
    private func reduce(
        _ t: Singles, _ magic: Singles, _ arguments: UnsafeMutableRawPointer, _ powers: UnsafeMutableRawPointer,
        _ i: Int
    ) {
        let u = magic.fusedAdding(Singles(repeating: 0x1.715476p+0), t)
        let n = u - magic
        let r = t.fusedAdding(n, Singles(repeating: -0x1.62e430p-1))
        Float.storeLanes(r.fusedAdding(n, Singles(repeating: 0x1.05c610p-29)), arguments, i)
        Float.storeLanes(unsafeBitCast(unsafeBitCast(u, to: SIMD16<Int32>.self) &<< 23, to: Singles.self), powers, i)
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
