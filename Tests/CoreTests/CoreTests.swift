import Core
import Testing

private func sum(_ values: [Double]) -> Double {
    var total = ExactSum()
    for value in values { total.add(value) }
    return total.rounded()
}

@Test(
    arguments: [
        ([], 0), ([1.5], 1.5), ([-1.5], -1.5), ([0.1, 0.2], 0.1 + 0.2),
        ([1e308, 1e308, -1e308], 1e308),  // leaves the range on the way
        ([1, 1e100, 1, -1e100], 2),  // ordinary summation gives 0
        ([5e-324, 5e-324, -5e-324], 5e-324),
        ([0x1p-1074, 0x1p1023, -0x1p1023], 0x1p-1074),
        ([0x1p53, 1, 0x1p-60], 0x1p53 + 2),  // above the midpoint by the last term alone
        ([0x1p53, 1], 0x1p53),  // the midpoint itself: to even
        ([0x1p-1022, -0x1p-1074], 0x0.FFFFFFFFFFFFFp-1022),
    ] as [([Double], Double)])
func sumsAreExactAndRoundedOnce(_ values: [Double], _ expected: Double) {
    #expect(sum(values) == expected)
    #expect(sum(values.reversed()) == expected)
}

@Test func sumsOfInfinitiesAndNaNs() {
    #expect(sum([1, .infinity, 2]) == .infinity)
    #expect(sum([-.infinity, 1]) == -.infinity)
    #expect(sum([.infinity, -.infinity]).isNaN)
    #expect(sum([1, .nan]).isNaN)
}

@Test func sumsDoNotDependOnOrderOrSplit() {
    var state: UInt64 = 1
    let values = (0..<5000).map { _ -> Double in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let x = Double(bitPattern: state & 0xBFFF_FFFF_FFFF_FFFF)  // exponents up to 2
        return x.isFinite ? x : 0
    }
    let whole = sum(values)
    #expect(whole == sum(values.reversed()))
    #expect(whole == sum(values.sorted()))
    for pieces in [2, 3, 17] {
        var total = ExactSum()
        for piece in (0..<pieces).reversed() {
            var part = ExactSum()
            for i in stride(from: piece, to: values.count, by: pieces) { part.add(values[i]) }
            total.add(part)
        }
        #expect(total.rounded() == whole)
    }
}

/// More numbers than the lanes of the kernels hold, the largest that fit there, with digits down to the last that do; and some that do not.
@Test func lanesAreEmptiedBeforeTheyAreFull() {
    let memory = UnsafeMutablePointer<Double>.allocate(capacity: LaneSums.size)
    defer { memory.deallocate() }
    for others in [[], [1e300, -1e300, 0x1p-500, .greatestFiniteMagnitude]] {
        var lanes = LaneSums(memory)
        var sum = ExactSum()
        var expected = ExactSum()
        var numbers: [Double] = others
        for i in 0..<1000 { numbers.append(0x1p15 - 0x1p-26 * Double(i % 7 + 1) - 0x1p-37 * Double(i % 5)) }
        for _ in 0..<200 {
            lanes.add(numbers, numbers.count, &sum)
            for x in numbers { expected.add(x) }
        }
        lanes.empty(into: &sum)
        #expect(sum.rounded() == expected.rounded())
        sum.add(-expected.rounded())
        expected.add(-expected.rounded())
        #expect(sum.rounded() == expected.rounded())
    }
}

/// Ordinary numbers are kept apart from all others, and those of up to 128 vectors are rounded without the limbs. They are few
/// enough there, and small enough together, to be exact: sums that come near these limits and pass them.
@Test(arguments: [1, 2, 31, 127, 128, 129, 255, 256, 257, 1000])
func vectorsAddUpAsTheirNumbersDo(_ count: Int) {
    for (scale, sign) in [
        (1.0, 0.0), (0x1p-60, 0), (0x1p-15, 0), (0x1p14, 0), (0x1p20, 0), (0x1p24, 0), (0x1p25, 0), (0x1p26, 0), (1, 1),
        (0x1p-40, 1),
        (0x1p-15, 1), (0x1p14, -1), (0x1p24, -1), (0x1p25, 1),
    ] {
        var state: UInt64 = UInt64(count)
        var vectors = ExactSum()
        var numbers = ExactSum()
        var limbs = ExactSum()
        for _ in 0..<count {
            var vector = SIMD16<Double>()
            for i in 0..<16 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let x = scale * (Double(state >> 11) * 0x1p-53 - sign * (state & 1 == 0 ? 1 : 0.5))
                vector[i] = state >> 60 == 0 ? 0 : (x * 0x1p68).rounded() * 0x1p-68
                numbers.add(vector[i])
                limbs.add(ExactSum(vector[i]))
            }
            vectors.add(vector)
        }
        for divisor in [1.0, 3, -7, Double(count * 16), 0x1p-1074, 1e308] {
            #expect(vectors.divided(by: divisor).bitPattern == limbs.divided(by: divisor).bitPattern)
            #expect(numbers.divided(by: divisor).bitPattern == limbs.divided(by: divisor).bitPattern)
        }
        let bits = [words(vectors), words(numbers), words(limbs)]
        #expect(bits[0] == bits[2] && bits[1] == bits[2], "scale \(scale), sign \(sign)")
    }
}

/// Numbers that are nothing but the lower part of one, as large as it gets.
@Test func lowerPartsOfOneSignAddUp() {
    let x = 0x1p-27 - 0x1p-68
    var vectors = ExactSum()
    var numbers = ExactSum()
    var limbs = ExactSum()
    for _ in 0..<2000 {
        vectors.add(SIMD16(repeating: x))
        for _ in 0..<16 {
            numbers.add(x)
            limbs.add(ExactSum(x))
        }
    }
    let bits = [words(vectors), words(numbers), words(limbs)]
    #expect(bits[0] == bits[2] && bits[1] == bits[2])
}

/// All bits of a sum.
private func words(_ sum: borrowing ExactSum) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: ExactSum.wordCount)
    let special = words.withUnsafeMutableBufferPointer { sum.store(words: $0.baseAddress!) }
    return words + [special]
}

@Test func meansOfSumsBeyondTheRange() {
    var total = ExactSum()
    for _ in 0..<4 { total.add(1.5e308) }
    #expect(total.rounded() == .infinity)
    #expect(total.divided(by: ExactSum(4)) == 1.5e308)
    #expect(total.divided(by: ExactSum()) == .infinity)
    #expect(ExactSum().divided(by: ExactSum()).isNaN)
}

@Test(
    arguments: [
        ([1], [3], 1.0 / 3), ([-2], [3], -2.0 / 3), ([1], [0x1p-1074], .infinity),
        // A midpoint, and what is above it by the last term alone.
        ([0x1p53, 1], [0x1p53], 1), ([0x1p53, 1, 0x1p-60], [0x1p53], 1 + 0x1p-52),
        ([0x1p53, 1], [0x1p53, 1], 1), ([0x1p53, 1, 0x1p-1000], [0x1p53, 1], 1 + 0),
        ([3], [0x1p60, 1], 3 * 0x1p-60),
        ([0x1p-1074], [3], 0), ([0x1p-1074], [1.5], 0x1p-1074), ([0x1p-1074, 0x1p-1073], [2], 0x1p-1073),
        ([0x1p-1022, -0x1p-1074], [2], 0x0.8p-1022), ([1e308, 1e308], [2], 1e308),
        ([1e308, 1e308], [2e-308], .infinity),
        ([0x1.fffffffffffffp1023, 0x1p970], [2], 0x1p1023), ([0x1p-1022], [0x1p1023], 0),
    ] as [([Double], [Double], Double)])
func quotientsAreExactAndRoundedOnce(_ numerator: [Double], _ divisor: [Double], _ expected: Double) {
    var n = ExactSum()
    var d = ExactSum()
    for x in numerator { n.add(x) }
    for x in divisor { d.add(x) }
    #expect(n.divided(by: d) == expected)
}

/// [rows, classes] logits and labels, contiguous, as a call for Core.
private func meanLoss(rows: Int, classes: Int, threads: Int) throws -> (loss: UInt64, grad: [UInt32]) {
    var state: UInt64 = 3
    func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
    var input = (0..<rows * classes).map { _ in Float(next()) * 0x1p-28 }
    var labels = (0..<rows).map { _ in Int64(next()) % Int64(classes) }
    var grad = [Float](repeating: 0, count: input.count)
    var loss = 0.0
    try input.withUnsafeMutableBytes { input in
        try labels.withUnsafeMutableBytes { labels in
            try grad.withUnsafeMutableBytes { grad in
                try withUnsafeMutableBytes(of: &loss) { loss in
                    let storage = UnsafeMutablePointer<RowDimension>.allocate(capacity: 1)
                    defer { storage.deallocate() }
                    var space = RowSpace(storage: storage)
                    space.append(rows, input: classes, target: 1, sampleWeight: 0, loss: 0, grad: classes)
                    var problem = Problem(
                        .loss, Settings(), classes: classes, rows: space,
                        input: Operand(data: input.baseAddress!, dtype: .f32, classStride: 1),
                        target: Operand(data: labels.baseAddress!, dtype: .i64))
                    problem.settings.threads = threads
                    problem.outputs.loss = Operand(data: loss.baseAddress!, dtype: .f64)
                    problem.outputs.grad = Operand(data: grad.baseAddress!, dtype: .f32, classStride: 1)
                    try Problem.run(&problem)
                }
            }
        }
    }
    return (loss.bitPattern, grad.map(\.bitPattern))
}

@Test(arguments: [(3000, 100), (70, 5000), (4, 100_003)])
func resultsDoNotDependOnThreads(_ rows: Int, _ classes: Int) throws {
    let alone = try meanLoss(rows: rows, classes: classes, threads: 1)
    #expect(Double(bitPattern: alone.loss).isFinite)
    for threads in [2, 3, 7, 64] {
        let together = try meanLoss(rows: rows, classes: classes, threads: threads)
        #expect(together.loss == alone.loss, "\(threads) threads")
        #expect(together.grad == alone.grad, "\(threads) threads")
    }
}

@Test func severalCallersAtOnce() async throws {
    let expected = try meanLoss(rows: 500, classes: 1000, threads: 1)
    try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<8 {
            group.addTask {
                let result = try meanLoss(rows: 500, classes: 1000, threads: 3)
                return result.loss == expected.loss && result.grad == expected.grad
            }
        }
        for try await isSame in group { #expect(isSame) }
    }
}

@Test func sixteenAtATimeIsAsExact() {
    var state: UInt64 = 5
    func uniform() -> Double {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 11) * 0x1p-53
    }
    // Ordinary losses, alone and with ones that are too small, too large or no numbers for the quick way.
    for scale in [1, 0x1.fp14, 0x1p-20, 0x1p-300, 0x1p40] {
        for (count, others) in [(1, 20.0), (30_000, 20), (4000, 0)] {
            var one = ExactSum()
            var sixteen = ExactSum()
            for _ in 0..<count {
                var x = SIMD16<Double>()
                for i in 0..<16 {
                    x[i] = i == 3 ? uniform() * scale : i == 7 ? 0 : i == 9 ? -uniform() * others : uniform() * others
                    one.add(x[i])
                }
                sixteen.add(x)
            }
            #expect(sixteen.rounded() == one.rounded(), "\(count) of scale \(scale)")
        }
    }
    var sum = ExactSum()
    var x = SIMD16<Double>(repeating: 1)
    x[5] = .infinity
    sum.add(x)
    #expect(sum.rounded() == .infinity)
}
