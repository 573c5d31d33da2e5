import Foundation
import KernelABI
import KernelSweep
import Testing

/// A row of a call, and what multiplies its loss and gradient, if the rows of the call have such numbers.
private struct ShortRow {
    var logits: [Float]
    var label: Int64
    var lossScale = 1.0
    var gradScale = 1.0
}

/// Where rows lie.
private enum Layout: CaseIterable {
    case dense, padded, classMajor, scattered, bf16

    func strides(rows: Int, classes: Int) -> (classes: Int, rows: Int) {
        switch self {
        case .dense, .bf16: (1, classes)
        case .padded: (1, classes + 3)
        case .classMajor: (rows + 5, 1)
        case .scattered: (2, 2 * classes + 1)
        }
    }
}

private struct ShortResult: Equatable {
    var loss: UInt64
    var grad: [UInt32]
}

private struct ShortOptions {
    var terms = crossentropy_terms()
    var smoothing = 0.0
}

private let ignored: Int64 = -100

private func run(
    _ rows: [ShortRow], _ table: crossentropy_kernels, _ options: ShortOptions = ShortOptions(),
    _ layout: Layout = .dense,
    hasScales: Bool = false, hasGrad: Bool = true, isInPlace: Bool = false
) -> [ShortResult] {
    let classes = rows[0].logits.count
    let strides = layout.strides(rows: rows.count, classes: classes)
    func place(_ r: Int, _ c: Int) -> Int { r * strides.rows + c * strides.classes }
    let size = place(rows.count - 1, classes - 1) + 1
    let isHalf = layout == .bf16
    // What lies between the rows has to stay.
    var x = [Float](repeating: 12345, count: size)
    var halves = [UInt16](repeating: 0, count: size)
    for (r, row) in rows.enumerated() {
        for c in 0..<classes {
            x[place(r, c)] = row.logits[c]
            halves[place(r, c)] = UInt16(row.logits[c].bitPattern >> 16)
        }
    }
    let before = x
    var g = [Float](repeating: 12345, count: size)
    let whole = (rows.count + 15) & ~15
    func padded(_ values: [Double]) -> [Double] { values + [Double](repeating: 0, count: whole - rows.count) }
    let labels = rows.map(\.label)
    let (lossScales, gradScales) = (padded(rows.map(\.lossScale)), padded(rows.map(\.gradScale)))
    var losses = [Double](repeating: 12345, count: whole)
    // Just as much memory as a kernel is promised, and signs of what goes beyond.
    let bytes = Int(crossentropy_short_bytes(Int64(classes), Int64(rows.count), strides.classes != 1))
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 128)
    memset(scratch, 0xA5, bytes + 64)
    defer { scratch.deallocate() }

    var call = crossentropy_short_rows()
    call.exponent_scale = crossentropy_no_scale()
    call.classes = Int64(classes)
    call.rows = Int64(rows.count)
    (call.input_stride, call.input_row_stride) = (Int64(strides.classes), Int64(strides.rows))
    (call.grad_stride, call.grad_row_stride) = (Int64(strides.classes), Int64(strides.rows))
    call.input_format = isHalf ? CROSSENTROPY_BF16 : CROSSENTROPY_NATIVE
    call.ignored = ignored
    call.scale = 1
    call.terms = options.terms
    call.smoothing = options.smoothing
    call.scratch = scratch
    labels.withUnsafeBufferPointer { labels in
        lossScales.withUnsafeBufferPointer { lossScales in
            gradScales.withUnsafeBufferPointer { gradScales in
                losses.withUnsafeMutableBufferPointer { losses in
                    x.withUnsafeMutableBytes { x in
                        halves.withUnsafeMutableBytes { halves in
                            g.withUnsafeMutableBytes { g in
                                call.label = labels.baseAddress
                                if hasScales {
                                    (call.loss_scale, call.grad_scale) = (
                                        lossScales.baseAddress, gradScales.baseAddress
                                    )
                                    (call.sample_weight, call.grad_weight) = (call.loss_scale, call.grad_scale)
                                }
                                call.loss = losses.baseAddress
                                call.input = UnsafeRawPointer(isHalf ? halves.baseAddress : x.baseAddress)
                                if hasGrad { call.grad = isInPlace ? x.baseAddress : g.baseAddress }
                                table.short_rows!(&call)
                            }
                        }
                    }
                }
            }
        }
    }
    // One expectation each, as these are most of what a run of a few rows costs.
    let isWithinScratch = (bytes..<bytes + 64).allSatisfy { scratch.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 }
    #expect(isWithinScratch)
    let written = isInPlace ? x : g
    var isOfRow = [Bool](repeating: false, count: size)
    for r in rows.indices { for c in 0..<classes { isOfRow[place(r, c)] = true } }
    let wroteBetween = isOfRow.indices.contains { !isOfRow[$0] && written[$0] != 12345 }
    #expect(!wroteBetween, "\(layout) wrote between the rows")
    let hasItsInput = isInPlace || x.elementsEqual(before) { $0.bitPattern == $1.bitPattern }
    let isPaddingZero = losses[rows.count...].allSatisfy { $0 == 0 }
    #expect(hasItsInput)
    #expect(isPaddingZero)
    return rows.indices.map { r in
        ShortResult(
            loss: losses[r].bitPattern,
            grad: hasGrad ? (0..<classes).map { written[place(r, $0)].bitPattern } : [])
    }
}

/// Rows of all kinds, ordinary ones among them; of numbers that bf16 holds.
private func rows(_ count: Int, _ classes: Int, _ random: inout Random) -> [ShortRow] {
    (0..<count).map { i in
        let scale = [1.0, 20, 1e4, 3][i % 4]
        var logits = random.values(classes, scale: scale).map { Float($0) }
        let label = Int(random.next() % UInt64(classes))
        let other = (label + 1) % classes
        switch random.next() % 28 {
        case 0: logits[other] = .nan
        case 1: logits[other] = .infinity
        case 2: logits = logits.map { _ in -.infinity }
        case 3: logits[label] = -.infinity
        case 4: logits = logits.map { $0 > 0 ? -1e30 : $0 }  // masked
        case 5: logits = logits.map { _ in -3e38 }
        case 6: (logits[label], logits[other]) = (-2.5e38, 2.5e38)
        case 7: logits[label] += 90  // certain, and right
        case 8: logits[other] += 90  // certain, and wrong
        case 9: logits[label] += 60
        case 10: logits = logits.map { _ in -0.0 }
        case 11: logits = logits.map { $0 * 1e33 }
        case 12: logits[other] *= 1e36
        default: break
        }
        logits = logits.map { Float(bitPattern: $0.bitPattern & 0xFFFF_0000) }
        var row = ShortRow(logits: logits, label: Int64(label))
        switch random.next() % 16 {
        case 0: row.label = ignored
        case 1: row.label = Int64(classes)
        case 2: row.label = -1
        default: break
        }
        let scales = [1, 0.5, 3, -2, 0, 1e-30, 1e30, 1e-300, 1e300, .infinity, .nan, 0x1p-60, 0x1p60]
        row.gradScale = scales[Int(random.next() % UInt64(scales.count))]
        row.lossScale = scales[Int(random.next() % 5)]
        return row
    }
}

private let manyClasses = [1, 2, 3, 4, 5, 6, 7, 10, 16, 17, 48, 49, 100, 127, 128]

@Test(arguments: [(0.0, 0.0, 0.0), (0.01, 2, 0), (0, 0, 0.1), (0, 0, 1)])
func shortRowsDoNotDependOnTheirNeighboursOrWhereTheyAre(_ zLoss: Double, _ gamma: Double, _ smoothing: Double) {
    var random = Random(state: 11)
    let terms = crossentropy_terms(z_loss: zLoss, focal_gamma: gamma, poly_epsilon: 0)
    let options = ShortOptions(terms: terms, smoothing: smoothing)
    for classes in manyClasses where smoothing == 0 || classes >= 4 {
        let most = classes <= 32 ? 1024 : 256
        let all = rows(most, classes, &random)
        for hasScales in [false, true] {
            let alone = all.map { run([$0], KernelTables.all.last!.table, options, hasScales: hasScales)[0] }
            for count in [1, 15, 16, 37, 200, most] {
                // Not always the same rows at the same places.
                let first = Int(random.next() % UInt64(most - count + 1))
                let some = Array(all[first..<first + count])
                for (name, table) in KernelTables.all {
                    for layout in Layout.allCases {
                        let what = "\(name), \(layout), \(count) rows of \(classes), scales \(hasScales), \(options)"
                        func check(_ got: [ShortResult], _ how: String) {
                            let row = got.indices.first {
                                let one = alone[first + $0]
                                return got[$0].loss != one.loss || (!got[$0].grad.isEmpty && got[$0].grad != one.grad)
                            }
                            #expect(
                                row == nil,
                                "\(what), \(how): \(some[row!]) gives \(got[row!]), not \(alone[first + row!])")
                        }
                        check(run(some, table, options, layout, hasScales: hasScales), "both")
                        check(run(some, table, options, layout, hasScales: hasScales, hasGrad: false), "loss")
                        if layout == .bf16 { continue }
                        check(run(some, table, options, layout, hasScales: hasScales, isInPlace: true), "in place")
                    }
                }
            }
        }
    }
}

@Test(arguments: [0, 1e-9, 0.1, 1])
func shortRowsAreAsExactAsPromised(_ smoothing: Double) {
    var random = Random(state: 12)
    let table = KernelTables.all.last!.table
    for classes in manyClasses where smoothing == 0 || classes >= 4 {
        for scale in [0.1, 1, 5, 30, 150] {
            let some = (0..<64).map { _ in
                ShortRow(
                    logits: random.values(classes, scale: scale).map { Float($0) },
                    label: Int64(random.next() % UInt64(classes)))
            }
            for (row, result) in zip(some, run(some, table, ShortOptions(smoothing: smoothing))) {
                let expected = exact(row, smoothing)
                let loss = Double(bitPattern: result.loss)
                // Of normal numbers of f32, with room for less than two units in the last place.
                #expect(
                    (loss - expected.loss).magnitude <= 1.7e-7 * max(expected.loss, 0x1p-126),
                    "\(row): \(loss), \(expected.loss)")
                for c in 0..<classes {
                    let g = Double(Float(bitPattern: result.grad[c]))
                    let bound = expected.size[c] >= 1e-6 ? 5e-7 : 1e-6
                    let error = (g - expected.grad[c]).magnitude
                    #expect(error <= bound * expected.size[c] + 0x1p-126, "\(row), \(c): \(g), \(expected.grad[c])")
                }
            }
        }
    }
}

/// In f64, without cancellations; `size`: what the errors of gradients are relative to.
private func exact(_ row: ShortRow, _ smoothing: Double) -> (loss: Double, grad: [Double], size: [Double]) {
    let z = row.logits.map(Double.init)
    let label = Int(row.label)
    let m = z.max()!
    let first = z.firstIndex(of: m)!
    let rest = z.indices.filter { $0 != first }.map { exp(z[$0] - m) }.reduce(0, +)
    let p = z.map { exp($0 - m) / (1 + rest) }
    if smoothing != 0 {
        let q = z.indices.map { smoothing / Double(z.count) + ($0 == label ? 1 - smoothing : 0) }
        let distance = zip(q, z).map { $0 * (m - $1) }.reduce(0, +)
        return (distance + log1p(rest), zip(p, q).map { $0 - $1 }, zip(p, q).map(max))
    }
    var grad = p
    grad[label] = label == first ? -rest / (1 + rest) : p[label] - 1
    return ((m - z[label]) + log1p(rest), grad, grad.map(\.magnitude))
}

@Test func valuesOfSpecialShortRows() {
    let table = KernelTables.all.last!.table
    for classes in [2, 5] {
        func result(_ row: ShortRow, hasScales: Bool = false) -> (loss: Double, grad: [Float]) {
            let result = run([row], table, hasScales: hasScales)[0]
            return (Double(bitPattern: result.loss), result.grad.map { Float(bitPattern: $0) })
        }
        var row = ShortRow(logits: [Float](repeating: 0, count: classes), label: 0)
        row.logits[0] = -.infinity
        #expect(result(row).loss == .infinity)
        #expect(result(row).grad[0] == -1)
        (row.logits[0], row.logits[1]) = (-2e38, 2e38)
        #expect(result(row).loss == Double(Float(2e38)) * 2 * (1 + 0))
        // Far apart, and neither is what is left of the other.
        (row.logits[0], row.logits[1], row.label) = (0x1.93e594p+99, 0x1.fa5d3ap+124, 1)
        #expect(result(row) == (0, [Float](repeating: 0, count: classes)))
        row.label = ignored
        row.logits[1] = .nan
        #expect(result(row) == (0, [Float](repeating: 0, count: classes)))
        row.label = Int64(classes)
        #expect(result(row).loss.isNaN && result(row).grad.allSatisfy(\.isNaN))
        row.label = 1
        // One kind of NaN, whatever the row holds.
        row.logits[1] = Float(bitPattern: 0xFFC1_2345)
        #expect(run([row], table)[0].grad == [UInt32](repeating: Float.nan.bitPattern, count: classes))
        // A gradient that f32 holds although neither its probability nor its scale is one that it does.
        row.logits = [Float](repeating: -100, count: classes)
        row.logits[1] = 0
        row.gradScale = 0x1p140
        let p = exp(-100.0) * 0x1p140
        let others = Double(classes - 1) * p
        #expect((Double(result(row, hasScales: true).grad[0]) / p - 1).magnitude < 1e-6)
        #expect((Double(result(row, hasScales: true).grad[1]) / -others - 1).magnitude < 1e-6)
    }
}

/// Of neighbouring numbers the larger one's exponential may be the smaller, by a unit in the last place: the larger logit is left out of the
/// sum in every layout, with and without a gradient.
@Test func neighboursWhoseExponentialsAreInTheOtherOrder() {
    let below: [Float] = [-0x1.f68a22p-5, -0x1.f6c922p-5, -0x1.f6e46p-5, -0x1.f7f2ep-5, -0x1.f870a2p-5]
    for (name, table) in KernelTables.all {
        for x in below {
            for order in [[x, x.nextUp], [x.nextUp, x]] {
                for others in [[-9, -10], [-3, -2.5, -40, -7.25]] as [[Float]] {
                    let some = (0..<16).map { ShortRow(logits: order + others, label: Int64($0 % 2)) }
                    let expected = run(some, table).map(\.loss)
                    #expect(run(some, table, hasGrad: false).map(\.loss) == expected, "\(name), \(order)")
                    #expect(run(some, table, .init(), .classMajor, hasGrad: false).map(\.loss) == expected)
                }
            }
        }
    }
}
