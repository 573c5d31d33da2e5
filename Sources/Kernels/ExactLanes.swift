import Shims

// Sums that do not depend on the order of the additions, sixteen lanes at a time. Each number is cut into multiples of
// 2^-26, 2^-68, 2^-110 and 2^-152. A double adds up each part exactly while the sum is below 2^53 of its units, which
// allows 4096 additions of numbers below 2^15. The last two parts are hardly ever needed.

/// Adds x[first], x[first + 1], ... to the four vectors of `sums`. Returns the index of the first vector of sixteen with
/// a number that is too large, too fine or not finite; that vector has not been added. Returns `count` if all were added.
func sumExactly(_ x: UnsafePointer<Double>, _ first: Int, _ count: Int, _ sums: UnsafeMutablePointer<Double>) -> Int {
    let x = UnsafeRawPointer(x)
    let sums = UnsafeMutableRawPointer(sums)
    let zero = DoubleLanes(repeating: 0)
    let limit = DoubleLanes(repeating: 0x1p15)
    var upper = Double.loadLanes(UnsafeRawPointer(sums), 0)
    var lower = Double.loadLanes(UnsafeRawPointer(sums), laneCount)
    var i = first
    while i < count {
        let n = count &- i
        let numbers = n >= laneCount ? Double.loadLanes(x, i) : Double.loadTail(x, i, n, filler: 0)
        let high = rounded(numbers, 0x1.8p26)
        let rest = numbers - high
        let low = rounded(rest, 0x1.8p-16)
        let isOrdinary = (numbers .< limit) .& (numbers .> zero - limit)
        if isAnySet(.!isOrdinary) { break }
        if isAnySet(rest .!= low) {
            if !addFine(rest - low, sums) { break }
        }
        upper += high
        lower += low
        i &+= laneCount
    }
    Double.storeLanes(upper, sums, 0)
    Double.storeLanes(lower, sums, laneCount)
    return i < count ? i : count
}

/// Adds the third and the fourth part. Returns false, and adds nothing, if a remainder is left.
@inline(never)
private func addFine(_ rest: DoubleLanes, _ sums: UnsafeMutableRawPointer) -> Bool {
    let third = rounded(rest, 0x1.8p-58)
    let fourth = rounded(rest - third, 0x1.8p-100)
    if isAnySet(rest - third .!= fourth) { return false }
    Double.storeLanes(Double.loadLanes(UnsafeRawPointer(sums), 2 &* laneCount) + third, sums, 2 &* laneCount)
    Double.storeLanes(Double.loadLanes(UnsafeRawPointer(sums), 3 &* laneCount) + fourth, sums, 3 &* laneCount)
    return true
}

/// Rounds to the nearest multiple of the last place of `magic`.
@inline(__always)
private func rounded(_ x: DoubleLanes, _ magic: Double) -> DoubleLanes {
    (x + DoubleLanes(repeating: magic)) - DoubleLanes(repeating: magic)
}
