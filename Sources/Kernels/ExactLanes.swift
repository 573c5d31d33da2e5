import Shims

// Sums that no order of the additions changes, sixteen at a time: each number is cut into a multiple of 2^-26 and ones
// of 2^-68, 2^-110 and 2^-152, and a double adds up each of these exactly for as long as 2^53 of its units are not
// reached, which is 4096 additions of numbers below 2^15. The last two parts are hardly ever needed.

/// Adds x[first], x[first + 1], ... to the four vectors of `sums`. Returns where numbers begin that do not fit there:
/// sixteen that are too large or too fine, or not numbers. They have not been added. `count` if there are none.
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

/// The third and the fourth part; false, and nothing is added, if even they leave something.
@inline(never)
private func addFine(_ rest: DoubleLanes, _ sums: UnsafeMutableRawPointer) -> Bool {
    let third = rounded(rest, 0x1.8p-58)
    let fourth = rounded(rest - third, 0x1.8p-100)
    if isAnySet(rest - third .!= fourth) { return false }
    Double.storeLanes(Double.loadLanes(UnsafeRawPointer(sums), 2 &* laneCount) + third, sums, 2 &* laneCount)
    Double.storeLanes(Double.loadLanes(UnsafeRawPointer(sums), 3 &* laneCount) + fourth, sums, 3 &* laneCount)
    return true
}

/// To the nearest multiple of the last place of `magic`.
@inline(__always)
private func rounded(_ x: DoubleLanes, _ magic: Double) -> DoubleLanes {
    (x + DoubleLanes(repeating: magic)) - DoubleLanes(repeating: magic)
}
