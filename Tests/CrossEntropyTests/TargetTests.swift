import CrossEntropy
import Foundation
import Testing

private let classes = 4
private let logits = numbers(3 * classes, seed: 5)

/// Row 0 names classes 2 and 0, row 1 classes 1 and 3, row 2 classes 0 and 1.
private let indices: [UInt8] = [2, 0, 1, 3, 0, 1]
private let probs = [0.5, 0.25, 0.125, 0.5, 0.75, 0.125]

private func dense(_ rest: TargetRest) -> [Double] {
    let named = [[0.25, 0, 0.5, 0], [0, 0.125, 0, 0.5], [0.75, 0.125, 0, 0]]
    return named.flatMap { row in
        let sum = row.reduce(0, +)
        switch rest {
        case .drop: return row
        case .spread: return row.map { $0 == 0 ? (1 - sum) / 2 : $0 }
        case .renormalize: return row.map { $0 / sum }
        }
    }
}

@Test func sparseTargetsAreWhatTheyStandFor() throws {
    let entropy = CrossEntropyLoss(classWeights: [1, 2, 0.5, 3])
    let divergence = KLDivergence()
    for rest in [TargetRest.drop, .spread, .renormalize] {
        let target = SparseTarget(indices: indices, probs: probs, rest: rest)
        // The same as a list of any length per row, with an entry that is left out.
        let list = SparseTarget(
            indices: [2, 0, 1, -100, 3, 0, 1], probs: [0.5, 0.25, 0.125, 0.9, 0.5, 0.75, 0.125], offsets: [0, 2, 5, 7],
            rest: rest)
        let whole = dense(rest)

        let rows = try entropy.perRow(logits, target: target, classes: classes)
        #expect(distance(rows, try entropy.perRow(logits, distributions: whole, classes: classes)) < 1e-14)
        #expect(try entropy.perRow(logits, target: list, classes: classes) == rows)
        let (value, gradient) = try entropy.withGradient(logits, target: target, classes: classes)
        let wanted = try entropy.withGradient(logits, distributions: whole, classes: classes)
        #expect(abs(value - wanted.loss) < 1e-14 && distance(gradient, wanted.gradient) < 1e-14)
        #expect(try entropy(logits, target: list, classes: classes) == value)

        let far = try divergence.perRow(logits, target: target, classes: classes, sampleWeights: [1, 2, 3])
        let farWanted = try divergence.perRow(
            logits, distributions: whole, classes: classes, sampleWeights: [1, 2, 3])
        #expect(distance(far, farWanted) < 1e-14)
        let (mean, slope) = try divergence.withGradient(logits, target: list, classes: classes)
        let slopeWanted = try divergence.withGradient(logits, distributions: whole, classes: classes)
        #expect(abs(mean - slopeWanted.loss) < 1e-14 && distance(slope, slopeWanted.gradient) < 1e-14)
        #expect(try divergence(logits, target: target, classes: classes) == mean)
    }
    // A row without entries is ignored.
    let short = SparseTarget(indices: [1], probs: [1 as Float], offsets: [0, 0, 1, 1])
    let one = try CrossEntropyLoss().perRow(logits, target: short, classes: classes)
    #expect(one == (try CrossEntropyLoss().perRow(logits, labels: [-100, 1, -100], classes: classes)))
    #expect(try CrossEntropyLoss()(logits, target: short, classes: classes) == one[1])
    // Of a teacher's best logits.
    let best = SparseTarget(indices: indices, probs: probs.map { log($0) }, rest: .renormalize)
    let taught = try CrossEntropyLoss(targetType: .logits).perRow(logits, target: best, classes: classes)
    let wanted = try CrossEntropyLoss().perRow(logits, distributions: dense(.renormalize), classes: classes)
    #expect(distance(taught, wanted) < 1e-14)
}

@Test func teachers() throws {
    let teacher = numbers(3 * classes, seed: 6)
    let q = try Logits(scale: 0.5).softmax(teacher, classes: classes)
    let soft = CrossEntropyLoss(labelSmoothing: 0.1, logitScale: 0.5)
    let wanted = try soft.withGradient(logits, distributions: q, classes: classes)
    for (type, target) in [(TargetType.logits, teacher), (.logProbs, q.map { log($0) })] {
        var loss = CrossEntropyLoss(
            labelSmoothing: 0.1, targetType: type, temperature: 2, temperatureSquared: true)
        let (value, gradient, targetGradient) = try loss.withGradients(
            logits, distributions: target, classes: classes)
        #expect(abs(value - 4 * wanted.loss) < 1e-14)
        #expect(distance(gradient, wanted.gradient.map { 4 * $0 }) < 1e-14)
        let numeric = try differences(target) { try loss(logits, distributions: $0, classes: classes) }
        #expect(distance(targetGradient, numeric) < 1e-8)
        loss.temperatureSquared = false
        #expect(abs(try loss(logits, distributions: target, classes: classes) - wanted.loss) < 1e-14)
    }
    // With respect to probabilities it is lse - z.
    let (_, _, slope) = try CrossEntropyLoss(reduction: .sum).withGradients(logits, distributions: q, classes: classes)
    let logSoftmax = try Logits().logSoftmax(logits, classes: classes)
    #expect(distance(slope, logSoftmax.map { -$0 }) < 1e-14)
}

@Test func smoothingTowardsAPrior() throws {
    let prior = [0.1, 0.2, 0.3, 0.5]
    // 0.75 of each label, and a quarter of the prior.
    let smoothed = [0.025, 0.8, 0.075, 0.125, 0.025, 0.05, 0.075, 0.875, 0.775, 0.05, 0.075, 0.125]
    let loss = CrossEntropyLoss(labelSmoothing: 0.25, prior: prior)
    let (value, gradient) = try loss.withGradient(logits, labels: [1, 3, 0], classes: classes)
    let wanted = try CrossEntropyLoss().withGradient(logits, distributions: smoothed, classes: classes)
    #expect(abs(value - wanted.loss) < 1e-14 && distance(gradient, wanted.gradient) < 1e-14)
    let even = CrossEntropyLoss(labelSmoothing: 0.25, prior: [0.25, 0.25, 0.25, 0.25])
    let plain = CrossEntropyLoss(labelSmoothing: 0.25)
    let difference =
        try even(logits, labels: [1, 3, 0], classes: classes) - plain(logits, labels: [1, 3, 0], classes: classes)
    #expect(abs(difference) < 1e-15)
}

@Test func targetsThatAreRefused() throws {
    let loss = CrossEntropyLoss()
    func found(_ target: SparseTarget<Int, Double>) -> String? {
        message { _ = try loss(logits, target: target, classes: classes) }?.1
    }
    #expect(
        found(SparseTarget(indices: [1, 2, 3], probs: [1, 0]))
            == "target.probs holds 2 numbers, but target.indices holds 3")
    #expect(
        found(SparseTarget(indices: [1, 2, 3, 0], probs: [1, 0, 1, 0]))
            == "target.indices holds 4, not equally many for each of 3 rows; give offsets")
    #expect(
        found(SparseTarget(indices: [1, 2, 1], probs: [1, 0, 1], offsets: [0, 1, 2]))
            == "target.offsets has shape [3], but must have 4 numbers, one more than input has rows")
    #expect(
        found(SparseTarget(indices: [1, 2, 1], probs: [1, 0, 1], offsets: [0, 2, 1, 3]))
            == "the target.offsets of row 1 do not lead to entries: they must not be negative, nor decrease, nor exceed "
            + "their number")
    #expect(
        found(SparseTarget(indices: [1, 2, 3, 3, 0, 1], probs: [1, 0, 1, 0, 1, 0]))
            == "class 3 is named twice in row 1: a sparse row names a class once")
    #expect(
        found(SparseTarget(indices: [1, 4, 0], probs: [1, 1, 1]))
            == "label 4 in row 1 is out of range: there are 4 classes (labels 0 to 3)")

    var refused = message {
        let target = SparseTarget(indices: [1, 2, 3], probs: [1.0, 1, 1])
        _ = try CrossEntropyLoss(labelSmoothing: 0.1)(logits, target: target, classes: classes)
    }
    #expect(
        refused?.0 == .option && refused?.1.contains("labelSmoothing is for labels and whole distributions") == true)
    refused = message {
        _ = try CrossEntropyLoss(targetType: .logits)(logits, labels: [1, 2, 3], classes: classes)
    }
    #expect(refused?.1 == "targetType is for distributions, but targets are labels")
    refused = message {
        _ = try CrossEntropyLoss(focalGamma: 2).withGradients(logits, distributions: logits, classes: classes)
    }
    #expect(refused?.1 == "targetGradient is not computed for a loss with focalGamma or polyEpsilon")
    refused = message {
        _ = try CrossEntropyLoss(labelSmoothing: 0.1, prior: [1, 0])(logits, labels: [1, 2, 3], classes: classes)
    }
    #expect(refused?.1 == "prior has shape [2], but there are 4 classes")
}

@Test func statisticsComeFromTheLossesPass() throws {
    let loss = CrossEntropyLoss(labelSmoothing: 0)
    let labels: [Int64] = [1, 3, 0]
    let wanted = try Logits().statistics(logits, labels: labels, classes: classes)
    let apart = Logits(ignoreIndex: labels[0])
    #expect(try apart.statistics(logits, labels: labels, classes: classes).targetRank[0] == -1)
    #expect(try apart.softmax(logits, classes: classes) == Logits().softmax(logits, classes: classes))
    let (value, statistics) = try loss.withStatistics(logits, labels: labels, classes: classes)
    #expect(statistics == wanted)
    #expect(value == (try loss(logits, labels: labels, classes: classes)))
    #expect(statistics.lse.allSatisfy { $0.isFinite } && statistics.targetRank.allSatisfy { $0 >= 0 })

    let probs = logits.map { _ in 0.25 }
    let viewed = try logits.withUnsafeBufferPointer { logits in
        try probs.withUnsafeBufferPointer { probs in
            var number = 0.0
            return try withUnsafeMutablePointer(to: &number) { number in
                try loss.evaluate(
                    TensorView(reading: logits.baseAddress, shape: [3, classes]),
                    target: TensorView(reading: probs.baseAddress, shape: [3, classes]),
                    loss: TensorView(writing: number, shape: []), wantsStatistics: true)
            }
        }
    }
    // Against distributions there is no label.
    #expect(viewed?.lse == wanted.lse && viewed?.entropy == wanted.entropy)
    #expect(viewed?.targetRank == [-1, -1, -1])
    #expect(throws: CrossEntropyError.self) {
        try CrossEntropyLoss(inputType: .probs).withStatistics(logits, labels: labels, classes: classes)
    }
}
