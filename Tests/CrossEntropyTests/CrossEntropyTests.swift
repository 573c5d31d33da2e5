import CrossEntropy
import Foundation
import Testing
import VectorCases

private let vectorFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Vectors/vectors.json")

@Test func sharedVectors() throws {
    let cases = try VectorCase.load(vectorFile).filter { !$0.isForC }
    #expect(cases.count >= 200)
    for vector in cases {
        let outcome = vector.run()
        #expect(vector.complaint(about: outcome) == nil, "\(vector.name)")
        if outcome.status != 0 { continue }
        // Neither the loss alone, nor threads, nor working in place change a bit.
        let lossOnly = vector.run(wantsGradient: false)
        #expect(lossOnly.loss.map(\.bitPattern) == outcome.loss.map(\.bitPattern), "\(vector.name)")
        let threaded = vector.run(threads: 3)
        #expect(threaded.grad.map(\.bitPattern) == outcome.grad.map(\.bitPattern), "\(vector.name)")
        #expect(threaded.targetGrad.map(\.bitPattern) == outcome.targetGrad.map(\.bitPattern), "\(vector.name)")
        let inPlace = vector.run(isInPlace: true)
        // Nothing can take the place of elements that share memory.
        if inPlace.message.hasPrefix("elements of gradient overlap each other") { continue }
        #expect(inPlace.grad.map(\.bitPattern) == outcome.grad.map(\.bitPattern), "\(vector.name)")
    }
}

private let predictions = [0.1, 0.4, 0.5, 0.8, 0.1, 0.1]

@Test func textbookExample() throws {
    let value = try CrossEntropyLoss()(predictions, labels: [2, 0], classes: 3)
    #expect(abs(value - 0.8178186621560158) < 1e-13)
    let textbook = try CrossEntropyLoss(inputType: .probs)(predictions, labels: [2, 0], classes: 3)
    #expect(abs(textbook - 0.45814536593707755) < 1e-13)
    let oneHot = try CrossEntropyLoss(inputType: .probs)(predictions, distributions: [0, 0, 1, 1, 0, 0], classes: 3)
    #expect(oneHot == textbook)
    #expect(try CrossEntropyLoss()([80, 0] as [Float], labels: [0], classes: 2) == 1.8048513e-35)
}

@Test func gradientsAndRows() throws {
    let loss = CrossEntropyLoss()
    let rows = try loss.perRow(predictions, labels: [2, 0], classes: 3)
    let (mean, gradient) = try loss.withGradient(predictions, labels: [2, 0] as [UInt8], classes: 3)
    #expect(rows.count == 2)
    #expect(abs((rows[0] + rows[1]) / 2 - mean) < 1e-15)
    #expect(abs(gradient[0] + gradient[1] + gradient[2]) < 1e-15)
    #expect(gradient[2] < 0 && gradient[3] < 0)

    var memory = [Double](repeating: 0, count: 6)
    let labels = [2, 0]
    var span = memory.mutableSpan
    let value = try loss(predictions.span, labels: labels.span, classes: 3, gradient: &span)
    #expect(value == mean)
    #expect(memory == gradient)

    let weighted = CrossEntropyLoss(classWeights: [1, 2, 3])
    let soft = try weighted.withGradient(predictions, distributions: [0, 0, 1, 1, 0, 0], classes: 3).loss
    let hard = CrossEntropyLoss(meanOver: .count, classWeights: [1, 2, 3])
    #expect(try hard(predictions, labels: [2, 0], classes: 3) == soft)
    #expect(try loss.perRow(predictions, distributions: [0, 0, 1, 1, 0, 0], classes: 3) == rows)
}

@Test func halfPrecision() throws {
    let bits: [UInt16] = [0x3F80, 0x0000, 0xBF80]  // 1, 0, -1 as bfloat16
    var gradient: [UInt16] = [0, 0, 0]
    var value: [Float] = [0]
    try bits.withUnsafeBufferPointer { bits in
        try gradient.withUnsafeMutableBufferPointer { gradient in
            try value.withUnsafeMutableBufferPointer { value in
                try [0].withUnsafeBufferPointer { labels in
                    try CrossEntropyLoss().evaluate(
                        TensorView(reading: bits.baseAddress!, .bfloat16, shape: [1, 3]),
                        target: TensorView(labels: labels.baseAddress!, shape: [1]),
                        loss: TensorView(writing: value.baseAddress!, shape: []),
                        gradient: TensorView(writing: gradient.baseAddress!, .bfloat16, shape: [1, 3]))
                }
            }
        }
    }
    let single = try CrossEntropyLoss().withGradient([1, 0, -1] as [Float], labels: [0], classes: 3)
    #expect(value[0] == single.loss)
    for (half, whole) in zip(gradient, single.gradient) {
        #expect(abs(Float(bitPattern: UInt32(half) << 16) - whole) <= abs(whole) / 256)
    }
}

/// Targets, weights and the target's gradient, beside an input of `Float`.
@Test func halfPrecisionOfTargets() throws {
    let predictions: [Float] = [0.5, -1, 2, 1, 0, -0.25]
    let target: [Float] = [0.75, 0.25, 0, 0.125, 0.5, 0.375]
    let weights: [Float] = [0.5, 2, 1.25]
    let bits = target.map { UInt16($0.bitPattern >> 16) }  // exactly, as bfloat16
    let weightBits: [UInt16] = [0x3800, 0x4000, 0x3D00]  // as float16
    var gradient = [UInt16](repeating: 0, count: 6)
    var value: [Float] = [0]
    try predictions.withUnsafeBufferPointer { predictions in
        try bits.withUnsafeBufferPointer { bits in
            try weightBits.withUnsafeBufferPointer { weights in
                try gradient.withUnsafeMutableBufferPointer { gradient in
                    try value.withUnsafeMutableBufferPointer { value in
                        try CrossEntropyLoss().evaluate(
                            TensorView(reading: predictions.baseAddress!, shape: [2, 3]),
                            target: TensorView(reading: bits.baseAddress!, .bfloat16, shape: [2, 3]),
                            classWeight: TensorView(reading: weights.baseAddress!, .float16, shape: [3]),
                            loss: TensorView(writing: value.baseAddress!, shape: []),
                            targetGradient: TensorView(writing: gradient.baseAddress!, .bfloat16, shape: [2, 3]))
                    }
                }
            }
        }
    }
    let single = try CrossEntropyLoss(classWeights: weights.map(Double.init)).withGradients(
        predictions, distributions: target, classes: 3)
    #expect(value[0] == single.loss)
    for (half, whole) in zip(gradient, single.targetGradient) {
        #expect(abs(Float(bitPattern: UInt32(half) << 16) - whole) <= abs(whole) / 256)
    }
}

@Test func binaryOfOneNumber() throws {
    var value = [0.0]
    try [0.5].withUnsafeBufferPointer { x in
        try [1].withUnsafeBufferPointer { label in
            try value.withUnsafeMutableBufferPointer { value in
                try BinaryCrossEntropyLoss(classWeights: [3]).evaluate(
                    TensorView(reading: x.baseAddress!, shape: []),
                    target: TensorView(labels: label.baseAddress!, shape: []),
                    loss: TensorView(writing: value.baseAddress!, shape: []))
            }
        }
    }
    #expect(value[0] == (try BinaryCrossEntropyLoss(classWeights: [3])([0.5], labels: [1])))
    let many = BinaryCrossEntropyLoss(classWeights: [3])
    let each = BinaryCrossEntropyLoss(classWeights: [3, 3])
    let x = [0.5, -1, 2, 0]
    #expect(try many(x, labels: [1, 0, 0, 1], classes: 2) == each(x, labels: [1, 0, 0, 1], classes: 2))
}

@Test func binary() throws {
    let loss = BinaryCrossEntropyLoss()
    let value = try loss([2.0, -1.0, 0.5], labels: [1, 0, 1])
    #expect(abs(value - 0.3047555609137674) < 1e-15)
    #expect(try loss([60.0], labels: [1]) == 8.75651076269652e-27)
    let elements = try loss.perElement([2.0, -1.0, 0.5], targets: [1, 0, 1])
    #expect(abs((elements[0] + elements[1] + elements[2]) / 3 - value) < 1e-15)
    let (mean, gradient) = try loss.withGradient([2.0, -1.0, 0.5], labels: [1, 0, -100] as [Int8])
    #expect(abs(mean - (elements[0] + elements[1]) / 2) < 1e-15)
    #expect(gradient[0] < 0 && gradient[1] > 0 && gradient[2] == 0)

    // A positive weight of 3 is what counting the positives three times is.
    let weighted = BinaryCrossEntropyLoss(reduction: .sum, positiveWeights: [3])
    let repeated = BinaryCrossEntropyLoss(reduction: .sum)
    #expect(
        try weighted([2.0, -1.0], targets: [1, 0])
            == repeated([2.0, -1.0], targets: [1, 0], sampleWeights: [3, 1]))
    let byClass = BinaryCrossEntropyLoss(classWeights: [1, 2], positiveWeights: [4, 0.5])
    #expect(
        try byClass.perElement([0.0, 0, 0, 0], labels: [1, 1, 0, 0], classes: 2).map { $0 / log(2) } == [4, 1, 1, 2])

    var found = message { _ = try loss([1.0, 2.0], labels: [1, 2]) }
    #expect(found?.0 == .label)
    #expect(found?.1 == "label 2 in element 1 is neither 0 nor 1")
    found = message { _ = try loss([1.0, 2.0], labels: [1]) }
    #expect(found?.1 == "labels holds 1 numbers, but the input holds 2")
    found = message { _ = try loss([1.0, 2.0], labels: [1, 0], sampleWeights: [1]) }
    #expect(found?.1 == "sampleWeights holds 1 numbers, but the input holds 2")
    found = message { _ = try BinaryCrossEntropyLoss(inputType: .logProbs)([-1.0], labels: [1]) }
    #expect(found?.0 == .option)
    found = message { _ = try BinaryCrossEntropyLoss(positiveWeights: [1, 2])([1.0], labels: [1]) }
    #expect(found?.0 == .shape)
}

@Test func errorsSayWhatIsWrong() throws {
    let loss = CrossEntropyLoss()
    var found = message { _ = try loss(predictions, labels: [2, 3], classes: 3) }
    #expect(found?.0 == .label)
    #expect(found?.1 == "label 3 in row 1 is out of range: there are 3 classes (labels 0 to 2)")

    found = message { _ = try loss(predictions, labels: [2], classes: 3) }
    #expect(found?.0 == .shape)
    #expect(found?.1 == "labels has shape [1], but input without its class axis has shape [2]")

    found = message { _ = try loss(predictions, labels: [2, 0], classes: 4) }
    #expect(found?.1 == "input holds 6 numbers, not a whole number of rows of 4 classes")
    found = message { _ = try loss(predictions, labels: [2, 0], classes: 0) }
    #expect(found?.1 == "classes is 0; it must be at least 1")
    found = message { _ = try loss(predictions, distributions: [1], classes: 3) }
    #expect(found?.1 == "distributions holds 1 numbers, but the input holds 6")
    found = message { _ = try loss(predictions, labels: [2, 0], classes: 3, sampleWeights: [1]) }
    #expect(found?.1.contains("sampleWeights has shape [1]") == true)
    found = message { _ = try CrossEntropyLoss(labelSmoothing: 1.5)(predictions, labels: [2, 0], classes: 3) }
    #expect(found?.0 == .option)
    #expect(found?.1 == "labelSmoothing is 1.5; it must be between 0 and 1")
    found = message { _ = try CrossEntropyLoss(classWeights: [1, 2])(predictions, labels: [2, 0], classes: 3) }
    #expect(found?.1 == "classWeights has shape [2], but there are 3 classes")
    found = message { _ = try CrossEntropyLoss(empty: .error)(predictions, labels: [-100, -100], classes: 3) }
    #expect(found?.0 == .empty)
    found = message { _ = try CrossEntropyLoss(ignoreIndex: nil)(predictions, labels: [-100, 1], classes: 3) }
    #expect(found?.0 == .label)

    var memory = predictions
    memory.withUnsafeMutableBufferPointer { memory in
        var one = 0.0
        let labels = [0]
        found = message {
            try labels.withUnsafeBufferPointer { labels in
                try withUnsafeMutablePointer(to: &one) { one in
                    try loss.evaluate(
                        TensorView(reading: UnsafePointer(memory.baseAddress!), shape: [1, 5]),
                        target: TensorView(labels: labels.baseAddress!, shape: [1]),
                        loss: TensorView(writing: one, shape: []),
                        gradient: TensorView(writing: memory.baseAddress! + 1, shape: [1, 5]))
                }
            }
        }
        #expect(found?.0 == .overlap)
        #expect(found?.1 == "gradient overlaps input")
    }
    #expect(memory == predictions)
}
