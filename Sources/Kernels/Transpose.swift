/// Copies `count` vectors of `size` numbers, `fromStride` apart, to `size` vectors of `count` numbers, `toStride` apart; both
/// at least 4. The memory must not overlap.
@inline(never)
func transpose<T: Element>(
    _ from: UnsafeRawPointer, _ fromStride: Int, _ count: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int,
    _ size: Int, _: T.Type
) {
    // Blocks of 4 by 4. Where a size is no multiple of 4, the last block overlaps the one before.
    var i = 0
    while true {
        var j = 0
        while true {
            transposeBlock(
                from + (i &* fromStride &+ j) &* MemoryLayout<T>.size, fromStride,
                to + (j &* toStride &+ i) &* MemoryLayout<T>.size, toStride, T.self)
            if j == size &- 4 { break }
            j = j &+ 8 > size ? size &- 4 : j &+ 4
        }
        if i == count &- 4 { break }
        i = i &+ 8 > count ? count &- 4 : i &+ 4
    }
}

@inline(__always)
private func transposeBlock<T: Element>(
    _ from: UnsafeRawPointer, _ fromStride: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int, _: T.Type
) {
    @inline(__always) func row(_ i: Int) -> SIMD4<T> {
        from.loadUnaligned(fromByteOffset: i &* fromStride &* MemoryLayout<T>.size, as: SIMD4<T>.self)
    }
    let a = row(0)
    let b = row(1)
    let c = row(2)
    let d = row(3)
    @inline(__always) func column(_ i: Int) {
        to.storeBytes(
            of: SIMD4(a[i], b[i], c[i], d[i]), toByteOffset: i &* toStride &* MemoryLayout<T>.size, as: SIMD4<T>.self)
    }
    column(0)
    column(1)
    column(2)
    column(3)
}
