import CrossEntropy
import Foundation
import Testing

private let block = PartialStatistics.block

/// Rows of so many logits from -8 to 8, one after the other.
private func logits<Scalar: LossScalar>(_ rows: Int, _ classes: Int, _: Scalar.Type) -> [Scalar] {
    var state: UInt64 = 11
    return (0..<rows * classes).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Scalar(Double(state >> 11) * 0x1p-49 - 8)
    }
}

/// The columns of contiguous rows.
private func columns<Scalar>(_ x: [Scalar], _ classes: Int, _ range: Range<Int>) -> [Scalar] {
    (0..<x.count / classes).flatMap { x[($0 * classes + range.lowerBound)..<($0 * classes + range.upperBound)] }
}

private func sameFromAnySlices<Scalar: LossScalar>(_: Scalar.Type, accuracy: Double) throws {
    let classes = 4 * block - 100
    let x = logits(3, classes, Scalar.self)
    let labels = [5, 2 * block, -100]
    let loss = CrossEntropyLoss(classWeights: (0..<classes).map { 1 + Double($0 % 3) }, zLoss: 0.01)
    let whole = try loss.partialStatistics(x, labels: labels, classes: classes)
    let value = try loss.value(of: whole, classes: classes)
    let gradient = try loss.gradient(of: whole, x, classes: classes)
    let (plain, plainGradient) = try loss.withGradient(x, labels: labels, classes: classes)
    #expect(abs(value - Double(plain)) <= accuracy * abs(value))
    let tolerance = Scalar(10 * accuracy)
    #expect(zip(gradient, plainGradient).allSatisfy { abs($0 - $1) <= tolerance * abs($1) })

    let ranges = [0..<block, block..<3 * block, 3 * block..<classes]
    let parts = try ranges.map {
        try loss.partialStatistics(
            columns(x, classes, $0), labels: labels, classes: $0.count, firstClass: $0.lowerBound)
    }
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        var merged = parts[order[0]]
        try merged.merge(parts[order[1]].merged(with: PartialStatistics(bytes: parts[order[2]].bytes)))
        #expect(merged == whole)
        #expect(try loss.perRow(of: merged) == loss.perRow(of: whole))
        for range in ranges {
            let slice = try loss.gradient(
                of: merged, columns(x, classes, range), classes: range.count, firstClass: range.lowerBound,
                totalClasses: classes)
            #expect(slice == columns(gradient, classes, range))
        }
    }
    #expect(whole.rows == 3 && whole.classes == classes)
    #expect(try loss.perRow(of: whole)[2] == 0)
    let decoded = try JSONDecoder().decode(PartialStatistics.self, from: JSONEncoder().encode(whole))
    #expect(decoded == whole)
}

@Test func partialStatisticsOfAnySlices() throws {
    try sameFromAnySlices(Float.self, accuracy: 1e-6)
    try sameFromAnySlices(Double.self, accuracy: 1e-13)
}

@Test func partialStatisticsThatDoNotFit() throws {
    let loss = CrossEntropyLoss()
    let x = logits(2, block, Double.self)
    let low = try loss.partialStatistics(x, labels: [1, 9000], classes: block)
    let high = try loss.partialStatistics(x, labels: [1, 9000], classes: block, firstClass: block)
    func code(_ body: () throws -> Void) -> CrossEntropyError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? CrossEntropyError)?.code
        }
    }
    #expect(code { _ = try low.merged(with: low) } == .partial)
    #expect(code { _ = try loss.value(of: high) } == .partial)
    #expect(code { _ = try loss.value(of: low) } == .label)
    #expect(code { _ = try loss.value(of: low.merged(with: high), classes: 3 * block) } == .partial)
    #expect(code { _ = try loss.partialStatistics(x, labels: [1, 2], classes: block, firstClass: 5) } == .shape)
    #expect(code { _ = try loss.partialStatistics(x, labels: [1, -2], classes: block) } == .label)
    #expect(code { _ = try loss.partialStatistics(x, labels: [1], classes: block) } == .shape)
    #expect(code { _ = try PartialStatistics(bytes: [1, 2, 3]) } == .partial)
    #expect(code { _ = try loss.gradient(of: low, x, classes: 2 * block) } == .shape)
    let smoothed = CrossEntropyLoss(labelSmoothing: 0.1)
    #expect(code { _ = try smoothed.partialStatistics(x, labels: [1, 2], classes: block) } == .option)
    #expect(low.largest(row: 0).logit == x[..<block].max())
}

@Test func accumulatorOfAnySplit() throws {
    let losses = logits(1, 500, Double.self).map { $0 * 1e200 } + [0.25]
    let weights = losses.indices.map { Double($0 % 4) }
    let correct = losses.indices.map { $0 % 3 == 0 }
    var whole = LossAccumulator()
    try whole.add(losses, weights: weights, correct: correct)
    var parts = [LossAccumulator](repeating: LossAccumulator(), count: 3)
    for i in losses.indices.reversed() {
        try parts[i % 3].add([losses[i]], weights: [weights[i]], correct: [correct[i]])
    }
    var merged = parts[1]
    merged.merge(parts[2])
    merged.merge(parts[0])
    #expect(merged == whole)
    #expect(merged.mean == whole.mean)
    // The quotient of the exact sums, which their rounded ones' may miss.
    #expect(abs(merged.mean - merged.sum / merged.weight) <= merged.mean.ulp)
    #expect(merged.count == weights.count { $0 != 0 })
    #expect(merged.accuracy == Double(losses.indices.count { $0 % 3 == 0 && $0 % 4 != 0 }) / Double(merged.count))
    #expect(try LossAccumulator(bytes: whole.bytes) == whole)
    #expect(try JSONDecoder().decode(LossAccumulator.self, from: JSONEncoder().encode(whole)) == whole)
    #expect(throws: CrossEntropyError.self) { try LossAccumulator(bytes: [UInt8](repeating: 0, count: 600)) }
    #expect(throws: CrossEntropyError.self) { try merged.add([1.0], weights: [1.0, 2.0]) }
    #expect(merged == whole)
    #expect(LossAccumulator().mean.isNaN && LossAccumulator().accuracy.isNaN)
}
