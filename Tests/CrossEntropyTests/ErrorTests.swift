import CrossEntropy
import Testing

/// Names of C that this API does not have: whoever calls it knows them not.
private let namesOfC = [
    "ce_", "input_", "target_", "sample_", "class_", "grad", "row_stats", "stats", "NULL", "partials", "into",
]

/// The message of a call that fails, which names what is at fault as that call does.
private func expect(
    _ name: String, without others: [String] = [], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    guard let text = message(body)?.1 else {
        Issue.record("no error", sourceLocation: sourceLocation)
        return
    }
    let words = text.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "." }.map(String.init)
    #expect(words.contains(name), "\(text)", sourceLocation: sourceLocation)
    for other in namesOfC + others {
        let isThere = other.hasSuffix("_") ? words.contains { $0.hasPrefix(other) } : words.contains(other)
        #expect(!isThere, "\(other) in: \(text)", sourceLocation: sourceLocation)
    }
}

private let six = [0.1, 0.4, 0.5, 0.8, 0.1, 0.1]

@Test func errorsOfArraysNameTheirArguments() {
    let loss = CrossEntropyLoss()
    let sparse = SparseTarget(indices: [0, 1], probs: [1.0, 1], offsets: [0, 1])
    expect("labels", without: ["target"]) { _ = try loss(six, labels: [1], classes: 3) }
    expect("labels", without: ["target"]) { _ = try loss.withGradient(six, labels: [1], classes: 3) }
    expect("labels", without: ["target"]) { _ = try loss.hessianDiagonal(six, labels: [1], classes: 3) }
    expect("logits", without: ["input"]) { _ = try loss.hessianDiagonal(six, labels: [1, 1], classes: 4) }
    expect("distributions", without: ["target"]) { _ = try loss(six, distributions: [1], classes: 3) }
    expect("target.offsets") { _ = try loss(six, target: sparse, classes: 3) }
    expect("target.probs") {
        _ = try loss(six, target: SparseTarget(indices: [0, 1], probs: [1.0]), classes: 3)
    }
    expect("sampleWeights") { _ = try loss(six, labels: [1, 1], classes: 3, sampleWeights: [1]) }
    expect("classWeights") { _ = try CrossEntropyLoss(classWeights: [1])(six, labels: [1, 1], classes: 3) }
    expect("meanOver") { _ = try CrossEntropyLoss(meanOver: .divisor(0))(six, labels: [1, 1], classes: 3) }
    expect("inputType") { _ = try CrossEntropyLoss(inputType: .probs, zLoss: 1)(six, labels: [1, 1], classes: 3) }
}

@Test func errorsOfOtherFunctionsNameTheirArguments() throws {
    let binary = BinaryCrossEntropyLoss(positiveWeights: [1, 2, 3])
    expect("labels", without: ["targets", "target"]) { _ = try binary(six, labels: [1], classes: 3) }
    expect("targets", without: ["labels", "target"]) { _ = try binary(six, targets: [1], classes: 3) }
    expect("positiveWeights") { _ = try binary(six, labels: [1, 1, 1, 1, 1, 1], classes: 2) }
    expect("logits", without: ["input"]) { _ = try Logits().softmax(six, classes: 4) }
    expect("labels", without: ["target"]) { _ = try Logits().statistics(six, labels: [1], classes: 3) }

    let loss = CrossEntropyLoss()
    expect("slice", without: ["input"]) { _ = try loss.partialStatistics(six, labels: [1, 1], classes: 4) }
    expect("labels", without: ["target"]) { _ = try loss.partialStatistics(six, labels: [1], classes: 3) }
    expect("firstClass") { _ = try loss.partialStatistics(six, labels: [1, 1], classes: 3, firstClass: 1) }
    let whole = try loss.partialStatistics(six, labels: [1, 1], classes: 3)
    expect("other", without: ["from"]) {
        _ = try whole.merged(
            with: loss.partialStatistics(six, labels: [1, 2], classes: 3, firstClass: PartialStatistics.block))
    }
    expect("statistics") { _ = try loss.value(of: whole, classes: 4) }
    expect("sampleWeights") { _ = try loss.value(of: whole, sampleWeights: [1]) }
    var total = LossAccumulator()
    expect("weights", without: ["weight", "loss"]) { try total.add([1.0], weights: [1.0, 2.0]) }
    expect("bytes", without: ["accumulator_init"]) { _ = try LossAccumulator(bytes: [UInt8](repeating: 0, count: 600)) }
}

@Test func errorsOfViewsNameTheirParameters() {
    let loss = CrossEntropyLoss()
    var numbers = six
    numbers.withUnsafeMutableBufferPointer { numbers in
        let labels = [0, 1]
        labels.withUnsafeBufferPointer { labels in
            let input = TensorView(reading: UnsafePointer(numbers.baseAddress), shape: [2, 3])
            let target = TensorView(labels: labels.baseAddress, shape: [2])
            let one = TensorView(reading: UnsafePointer(numbers.baseAddress), shape: [1])
            let shifted = TensorView(writing: numbers.baseAddress! + 1, shape: [1, 5])
            func evaluate(
                classAxis: Int = -1, classWeight: TensorView? = nil, sampleWeight: TensorView? = nil,
                mask: TensorView? = nil, gradient: TensorView? = nil
            ) throws {
                try loss.evaluate(
                    input, classAxis: classAxis, target: target, classWeight: classWeight, sampleWeight: sampleWeight,
                    mask: mask, loss: nil, gradient: gradient)
            }
            expect("loss") { try evaluate() }
            expect("classAxis") { try evaluate(classAxis: 2, gradient: input) }
            expect("classWeight", without: ["classWeights"]) { try evaluate(classWeight: one, gradient: input) }
            expect("sampleWeight", without: ["sampleWeights"]) { try evaluate(sampleWeight: one, gradient: input) }
            expect("mask") { try evaluate(mask: one, gradient: input) }
            expect("gradient") { try evaluate(gradient: shifted) }
        }
    }
}
