import KernelABI
import Shims

/// Writes the target mass a_c = w_c ((1 - e) q_c + e u_c) of a block of classes to scratch space, in f64, padded with
/// zeros to whole vectors; u_c is 1 / C or a prior. Distributions of any format and stride, smoothed labels and class
/// weights all become this one array, so there is one kernel for all of them.
@inline(never)
func stageMass(_ row: crossentropy_row, _ start: Int, _ count: Int, into a: UnsafeMutablePointer<Double>) {
    if let target = row.target {
        switch row.target_format {
        case CROSSENTROPY_NATIVE: stageDistribution(row, target, start, count, into: a, Double.self)
        case CROSSENTROPY_F32: stageDistribution(row, target, start, count, into: a, Float.self)
        default: stageHalves(row, target, start, count, into: a)
        }
    } else {
        for i in 0..<count { a[i] = row.spread }
    }
    if let prior = row.prior {
        for i in 0..<count { a[i] += prior[start &+ i] }
    }
    if let weight = row.weight {
        for i in 0..<count { a[i] *= weight[start &+ i] }
    }
    if row.target == nil {
        let label = Int(row.label) &- start
        if label >= 0 && label < count { a[label] += row.label_mass }
    }
    var i = count
    while i & (laneCount &- 1) != 0 {
        a[i] = 0
        i &+= 1
    }
}

@inline(__always)
private func stageDistribution<T: Element>(
    _ row: crossentropy_row, _ target: UnsafeRawPointer, _ start: Int, _ count: Int,
    into a: UnsafeMutablePointer<Double>, _: T.Type
) {
    let stride = Int(row.target_stride)
    let keep = row.keep
    let spread = row.spread
    if stride == 1 {
        let keeps = DoubleLanes(repeating: keep)
        let spreads = DoubleLanes(repeating: spread)
        forEachVector(count) { i in
            shim_prefetch(target + (start &+ i &+ blockSize) &* MemoryLayout<T>.size)
            let q = T.widen(T.loadLanes(target, start &+ i))
            Double.storeLanes(keeps * q + spreads, UnsafeMutableRawPointer(a), i)
        } tail: { i, n in
            let q = T.widen(T.loadTail(target, start &+ i, n, filler: 0))
            Double.storeLanes(keeps * q + spreads, UnsafeMutableRawPointer(a), i)
        }
    } else {
        for i in 0..<count { a[i] = keep * Double(T.load(target, (start &+ i) &* stride)) + spread }
    }
}

/// Distributions of 16 bits, first widened into the memory of the mass.
@inline(never)
private func stageHalves(
    _ row: crossentropy_row, _ target: UnsafeRawPointer, _ start: Int, _ count: Int,
    into a: UnsafeMutablePointer<Double>
) {
    let stride = Int(row.target_stride)
    let storage = Storage<Double>(format: row.target_format)
    storage.gather(target, start &* stride, stride, count, UnsafeMutableRawPointer(a))
    let keep = row.keep
    let spread = row.spread
    for i in 0..<count { a[i] = keep * a[i] + spread }
}

@inline(__always)
func loadMass(_ a: UnsafeMutablePointer<Double>, _ index: Int) -> DoubleLanes {
    Double.loadLanes(UnsafeRawPointer(a), index)
}

/// Sum of w_c q_c over a row's classes, times the row's weight; by fixed lanes and blocks.
@_optimize(size)
func totalMass(_ row: crossentropy_row) -> Double {
    let a = row.massBlock
    var total = CompensatedSum()
    forEachBlock(row.count, row.cancel) { start, count in
        stageMass(row, start, count, into: a)
        var sums = DoubleLanes(repeating: 0)
        forEachVector(count) { i in
            sums += loadMass(a, i)
        } tail: { i, _ in
            sums += loadMass(a, i)
        }
        total.add(sum(sums))
    }
    return row.row_weight * total.value
}
