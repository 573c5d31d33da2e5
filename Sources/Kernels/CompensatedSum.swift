/// A sum over the blocks of a row whose error does not grow with the number of blocks: the rounding errors of the additions
/// are summed separately (Knuth's TwoSum). Rows of 2^25 classes have 8192 blocks, whose plain sum could be off by 9e-13.
struct CompensatedSum {
    private var sum = 0.0
    private var lost = 0.0

    @inline(__always)
    mutating func add(_ x: Double) {
        let next = sum + x
        let added = next - sum
        lost += (sum - (next - added)) + (x - added)
        sum = next
    }

    /// Where the sum is infinite, the rounding errors may be NaN and are left out.
    @inline(__always)
    var value: Double {
        let whole = sum + lost
        return whole == whole ? whole : sum
    }
}

/// The compensated sums of sixteen rows.
struct CompensatedSums {
    private var sum = DoubleLanes(repeating: 0)
    private var lost = DoubleLanes(repeating: 0)

    @inline(__always)
    mutating func add(_ x: DoubleLanes) {
        let next = sum + x
        let added = next - sum
        lost += (sum - (next - added)) + (x - added)
        sum = next
    }

    @inline(__always)
    var value: DoubleLanes {
        let whole = sum + lost
        return whole.replacing(with: sum, where: whole .!= whole)
    }
}
