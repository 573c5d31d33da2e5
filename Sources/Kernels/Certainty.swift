import KernelABI

/// Corrects the probability of the largest class in rows where it is nearly 1.
///
/// The product of an exponential and a factor has a rounding or two, and so may exceed 1. Where 1 - p is small enough
/// for that, the class gets 1 / (1 + rest) instead, times the row's scale, rounded once: never above 1, and 1 if there
/// is no other class. Where the label is the largest class nothing is corrected, because the label's gradient is
/// computed separately.
struct Certainty<T: Element> {
    /// Half the largest class's result: only that class has a larger magnitude. +infinity in rows without a correction.
    var bar: T.Lanes
    var value: T.Lanes
    var isAny: Bool

    /// Below this `rest` the product may exceed 1. In f32 its error is below 2^-22: 2^-23 of the exponential and two
    /// roundings. In f64 there are three exponentials, each with 2^-52, and eight roundings, below 2^-49 in all.
    private static var leastRest: Double { T.self == Float.self ? 0x1p-21 : 0x1p-48 }

    /// The corrections of a finished group's rows.
    @inline(never)
    init(_ group: GroupPointer) {
        let infinity = DoubleLanes(repeating: .infinity)
        let rest = lanes(&group.pointee.rest)
        let isConfident = (rest .< DoubleLanes(repeating: Self.leastRest)) .& (lanes(&group.pointee.is_filled) .== 0)
        let isOther = lanes(&group.pointee.target) .!= lanes(&group.pointee.max)
        let isCertain = group.pointee.mode == CROSSENTROPY_LOSS ? isConfident .& isOther : isConfident
        var scaled = lanes(&group.pointee.prob_scale) / (DoubleLanes(repeating: 1) + rest)
        if group.pointee.has_powers != 0 { scaled *= lanes(&group.pointee.grad_power) }
        let half = scaled * DoubleLanes(repeating: 0.5)
        let magnitude = half.replacing(with: DoubleLanes(repeating: 0) - half, where: half .< 0)
        value = T.narrow(scaled)
        bar = T.narrow(infinity.replacing(with: magnitude, where: isCertain))
        isAny = isAnySet(isCertain)
    }

    @inline(__always)
    func callAsFunction(_ g: T.Lanes) -> T.Lanes { T.replacing(g, beyond: bar, with: value) }

    /// Corrects a block of one of the rows.
    @inline(never)
    func correct(_ g: UnsafeMutableRawPointer, _ count: Int, row: Int) {
        let bar = T.get(row, of: bar)
        if !(bar < .infinity) { return }
        let one = Certainty(bar: T.splat(bar), value: T.splat(T.get(row, of: value)), isAny: true)
        forEachVector(count) { i in
            T.storeLanes(one(T.loadLanes(UnsafeRawPointer(g), i)), g, i)
        } tail: { i, n in
            T.storeTail(one(T.loadTail(UnsafeRawPointer(g), i, n, filler: 0)), g, i, n)
        }
    }

    private init(bar: T.Lanes, value: T.Lanes, isAny: Bool) {
        self.bar = bar
        self.value = value
        self.isAny = isAny
    }
}
