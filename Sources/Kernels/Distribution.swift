import KernelABI

// A row as a distribution in f64: probabilities and their logarithms, for every type of input. The arrays are padded to
// whole vectors with classes of probability 0, so loops over them need no tail.

typealias DistributionPointer = UnsafeMutablePointer<crossentropy_distribution>

extension UnsafeMutablePointer<crossentropy_distribution> {
    @inline(__always) var values: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointee.values) }
    @inline(__always) var logs: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointee.logs) }

    /// Sixteen probabilities.
    @inline(__always)
    func probs(_ i: Int) -> DoubleLanes {
        Double.loadLanes(UnsafeRawPointer(values), i) * DoubleLanes(repeating: pointee.factor)
    }

    @inline(__always)
    func logs(_ i: Int) -> DoubleLanes { Double.loadLanes(UnsafeRawPointer(logs), i) }
}

/// Calls `body(index)` for each vector of a row, and `blockEnd` after each block, so that sums of long rows can be compensated.
@inline(__always)
func forEachVector(ofRow classes: Int, _ cancel: CancelPointer?, _ body: (Int) -> Void, blockEnd: () -> Void) {
    forEachBlock(classes, cancel) { start, count in
        var i = start
        while i < start &+ count {
            body(i)
            i &+= laneCount
        }
        blockEnd()
    }
}

func stage(_ d: DistributionPointer, _ classes: Int) {
    let x = d.values
    let isLogits = d.pointee.kind == CROSSENTROPY_LOGITS
    gather(d, classes, to: x, transforms: isLogits && d.pointee.transform.applies != 0)
    // The padding: logarithms of probability 0, or 0.
    let filler =
        isLogits || d.pointee.kind == CROSSENTROPY_LOG_PROBS ? -Double.infinity : 0
    var i = classes
    while i % laneCount != 0 {
        Double.store(filler, x, i)
        i &+= 1
    }
    d.pointee.factor = 1
    d.pointee.log_total = 0
    if isLogits { return stageLogits(d, classes) }
    if d.pointee.kind == CROSSENTROPY_PROBS { return stageProbs(d, classes) }
    if d.pointee.kind == CROSSENTROPY_LOG_PROBS { stageLogProbs(d, classes) }
}

/// Copies a distribution's numbers side by side to `place`, and transforms them if `transforms` is set.
func gather(_ d: DistributionPointer, _ classes: Int, to place: UnsafeMutableRawPointer, transforms: Bool) {
    let stride = Int(d.pointee.stride)
    forEachBlock(classes, d.pointee.cancel) { start, count in
        let block = place + start &* MemoryLayout<Double>.size
        if d.pointee.data != UnsafeRawPointer(place) {
            Storage<Double>(format: d.pointee.format).gather(d.pointee.data, start &* stride, stride, count, block)
        }
        if transforms { d.pointee.transform.apply(block, block, count) }
    }
}

/// logs = x - m and values = exp(x - m). One of the largest stays out of the sum.
@inline(never)
private func stageLogits(_ d: DistributionPointer, _ classes: Int) {
    let x = d.values
    let logs = d.logs
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let max = largest(ofRow: x, classes, d.pointee.cancel, Double.self)
    let m = DoubleLanes(repeating: max)
    var sums = zero
    var maxima = zero
    var sumOfOthers = CompensatedSum()
    forEachVector(ofRow: classes, d.pointee.cancel) { i in
        let t = Double.loadLanes(UnsafeRawPointer(x), i) - m
        let e = Double.exp(t)
        Double.storeLanes(t, logs, i)
        Double.storeLanes(e, x, i)
        let isLargest = t .== zero
        sums += e.replacing(with: zero, where: isLargest)
        maxima += zero.replacing(with: one, where: isLargest)
    } blockEnd: {
        sumOfOthers.add(sum(sums))
        sums = zero
    }
    sumOfOthers.add(sum(maxima) - 1)
    let rest = sumOfOthers.value
    // NaN or +infinity is in the row, or every logit is -infinity.
    let isUndefined = !(max.magnitude < .infinity && rest == rest)
    d.pointee.largest = max
    d.pointee.rest = isUndefined ? .nan : rest
    d.pointee.factor = isUndefined ? .nan : 1 / (1 + rest)
    d.pointee.log_total = isUndefined ? .nan : log1p(DoubleLanes(repeating: rest))[0]
}

@inline(never)
@_optimize(size)
private func stageProbs(_ d: DistributionPointer, _ classes: Int) {
    let x = d.values
    let low = DoubleLanes(repeating: d.pointee.clip_low)
    let high = DoubleLanes(repeating: d.pointee.clip_high)
    forEachVector(ofRow: classes, d.pointee.cancel) { i in
        let p = Double.loadLanes(UnsafeRawPointer(x), i)
        let clipped = p.replacing(with: low, where: p .< low).replacing(with: high, where: p .> high)
        Double.storeLanes(clipped, x, i)
        Double.storeLanes(log(clipped), d.logs, i)
    } blockEnd: {
    }
}

@inline(never)
@_optimize(size)
private func stageLogProbs(_ d: DistributionPointer, _ classes: Int) {
    let x = d.values
    let largest = largest(ofRow: x, classes, d.pointee.cancel, Double.self)
    forEachVector(ofRow: classes, d.pointee.cancel) { i in
        let t = Double.loadLanes(UnsafeRawPointer(x), i)
        Double.storeLanes(t, d.logs, i)
        Double.storeLanes(Double.exp(t), x, i)
    } blockEnd: {
    }
    if largest > mostOfExp { exponentiateLarge(d, classes) }
}

/// Logarithms above this are far above any log-probability, and their exponentials may overflow.
private let mostOfExp = 512.0

/// Computes the exponentials of logarithms above `mostOfExp` as squares, up to +infinity.
@inline(never)
@_optimize(size)
private func exponentiateLarge(_ d: DistributionPointer, _ classes: Int) {
    let highest = DoubleLanes(repeating: 800)
    let most = DoubleLanes(repeating: mostOfExp)
    forEachVector(ofRow: classes, d.pointee.cancel) { i in
        let t = d.logs(i)
        let root = Double.exp(t.replacing(with: highest, where: t .> highest) * DoubleLanes(repeating: 0.5))
        let e = Double.loadLanes(UnsafeRawPointer(d.values), i)
        Double.storeLanes(e.replacing(with: root * root, where: t .> most), d.values, i)
    } blockEnd: {
    }
}

@inline(never)
func normalize(_ d: DistributionPointer, _ classes: Int) {
    forEachVector(ofRow: classes, d.pointee.cancel) { i in
        Double.storeLanes(d.probs(i), d.values, i)
    } blockEnd: {
    }
    d.pointee.factor = 1
}

/// Gives every NaN the same bits.
@inline(__always)
func canonical(_ x: DoubleLanes) -> DoubleLanes {
    x.replacing(with: DoubleLanes(repeating: .nan), where: x .!= x)
}
