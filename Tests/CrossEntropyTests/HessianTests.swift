import CrossEntropy
import Testing

private let classes = 4
private let logits = numbers(3 * classes, seed: 8)
private let vector = numbers(3 * classes, seed: 9)
private let weights = [1.0, 2, 0.5]

/// Compares H v and the diagonal of H with differences of the gradient.
private func check(
    gradient: ([Double]) throws -> [Double], product: ([Double]) throws -> [Double], diagonal: () throws -> [Double]
) throws {
    func numeric(_ v: [Double]) throws -> [Double] {
        let high = try gradient(zip(logits, v).map { $0 + 0x1p-18 * $1 })
        let low = try gradient(zip(logits, v).map { $0 - 0x1p-18 * $1 })
        return zip(high, low).map { ($0 - $1) / 0x1p-17 }
    }
    #expect(distance(try product(vector), try numeric(vector)) < 1e-8)
    let diagonal = try diagonal()
    for c in logits.indices {
        var unit = [Double](repeating: 0, count: logits.count)
        unit[c] = 1
        #expect(abs(try numeric(unit)[c] - diagonal[c]) < 1e-8)
        #expect(abs(try product(unit)[c] - diagonal[c]) < 1e-14)
    }
}

@Test func secondDerivatives() throws {
    let losses = [
        CrossEntropyLoss(), CrossEntropyLoss(reduction: .sum, classWeights: [1, 2, 0.5, 3], zLoss: 0.25),
        CrossEntropyLoss(meanOver: .count, logitScale: 2, temperature: 3, temperatureSquared: true),
    ]
    for var loss in losses {
        let labels = [2, -100, 0]
        try check {
            try loss.withGradient($0, labels: labels, classes: classes, sampleWeights: weights).gradient
        } product: {
            try loss.hessianVectorProduct(
                logits, labels: labels, vector: $0, classes: classes, sampleWeights: weights)
        } diagonal: {
            try loss.hessianDiagonal(logits, labels: labels, classes: classes, sampleWeights: weights)
        }
        let target = SparseTarget(indices: [1, 2, 3], probs: [0.5, 0.25, 0.125], rest: .spread)
        try check {
            try loss.withGradient($0, target: target, classes: classes, sampleWeights: weights).gradient
        } product: {
            try loss.hessianVectorProduct(
                logits, target: target, vector: $0, classes: classes, sampleWeights: weights)
        } diagonal: {
            try loss.hessianDiagonal(logits, target: target, classes: classes, sampleWeights: weights)
        }
        loss.targetType = .logits
        loss.labelSmoothing = 0.1
        let teacher = numbers(3 * classes, seed: 10)
        try check {
            try loss.withGradient($0, distributions: teacher, classes: classes, sampleWeights: weights).gradient
        } product: {
            try loss.hessianVectorProduct(
                logits, distributions: teacher, vector: $0, classes: classes, sampleWeights: weights)
        } diagonal: {
            try loss.hessianDiagonal(logits, distributions: teacher, classes: classes, sampleWeights: weights)
        }
    }
}

@Test func secondDerivativesOfViews() throws {
    // A row per column, in the vector's place, with an upstream gradient of its own for each row.
    let loss = CrossEntropyLoss()
    var memory = vector
    let upstream = [2.0, -1, 0.5]
    try logits.withUnsafeBufferPointer { logits in
        try memory.withUnsafeMutableBufferPointer { memory in
            try [2, 1, 0].withUnsafeBufferPointer { labels in
                try upstream.withUnsafeBufferPointer { upstream in
                    try loss.hessianVectorProduct(
                        TensorView(reading: logits.baseAddress, shape: [classes, 3], strides: [1, classes]),
                        classAxis: 0, target: TensorView(labels: labels.baseAddress, shape: [3]), gradLoss: 2,
                        gradLosses: TensorView(reading: upstream.baseAddress, shape: [3]), keepingRows: true,
                        vector: TensorView(
                            reading: UnsafePointer(memory.baseAddress), shape: [classes, 3], strides: [1, classes]),
                        output: TensorView(writing: memory.baseAddress, shape: [classes, 3], strides: [1, classes]))
                }
            }
        }
    }
    let wanted = try CrossEntropyLoss(reduction: .sum).hessianVectorProduct(
        logits, labels: [2, 1, 0], vector: vector, classes: classes, sampleWeights: upstream.map { 2 * $0 })
    #expect(distance(memory, wanted) < 1e-14)
}

@Test func secondDerivativesThatAreRefused() throws {
    var found = message {
        _ = try CrossEntropyLoss().hessianVectorProduct(logits, labels: [1, 2, 3], vector: [1], classes: classes)
    }
    #expect(found?.0 == .shape)
    #expect(found?.1 == "vector holds 1 numbers, but logits holds 12")
    found = message {
        _ = try CrossEntropyLoss(softcap: 30).hessianDiagonal(logits, labels: [1, 2, 3], classes: classes)
    }
    #expect(found?.0 == .option)
    #expect(found?.1 == "softcap is not an option of second derivatives")
    found = message {
        _ = try CrossEntropyLoss(inputType: .logProbs).hessianDiagonal(logits, labels: [1, 2, 3], classes: classes)
    }
    #expect(found?.1 == "inputType is not an option of second derivatives: they are of .logits alone")
}
