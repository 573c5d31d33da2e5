import CrossEntropy
import Foundation
import Testing

private let classes = 5
private let student = numbers(3 * classes, seed: 1)
private let teacher = numbers(3 * classes, seed: 2)

private func softmax(_ logits: [Double]) -> [Double] {
    stride(from: 0, to: logits.count, by: classes).flatMap { row in
        let powers = logits[row..<row + classes].map { exp($0) }
        return powers.map { $0 / powers.reduce(0, +) }
    }
}

/// What an input or a target holds, for each type, and the probabilities that this stands for.
private func held(_ logits: [Double], _ type: Int32) -> (numbers: [Double], probs: [Double]) {
    let probs = softmax(logits)
    // Probabilities that do not add up to 1.
    switch type {
    case InputType.logits.rawValue: return (logits, probs)
    case InputType.probs.rawValue: return (probs.map { 0.75 * $0 }, probs.map { 0.75 * $0 })
    default: return (probs.map { log(1.5 * $0) }, probs.map { 1.5 * $0 })
    }
}

private func divergences(_ p: [Double], _ q: [Double], _ form: KLDivergence.Form) -> [Double] {
    stride(from: 0, to: p.count, by: classes).map { row in
        (row..<row + classes).reduce(0) {
            let plain = q[$1] * log(q[$1] / p[$1])
            return $0 + (form == .plain ? plain : plain - q[$1] + p[$1])
        }
    }
}

@Test func divergenceOfEveryType() throws {
    for inputType in [InputType.logits, .probs, .logProbs] {
        for (targetType, like) in [(TargetType.logits, InputType.logits), (.probs, .probs), (.logProbs, .logProbs)] {
            for form in [KLDivergence.Form.generalized, .plain] {
                let loss = KLDivergence(inputType: inputType, targetType: targetType, form: form)
                let (x, p) = held(student, inputType.rawValue)
                let (t, q) = held(teacher, like.rawValue)
                let rows = try loss.perRow(x, distributions: t, classes: classes, sampleWeights: [1, 2, 0.5])
                let wanted = zip(divergences(p, q, form), [1, 2, 0.5]).map { $0 * $1 }
                #expect(distance(rows, wanted) < 1e-14)

                let (mean, gradient, targetGradient) = try loss.withGradients(x, distributions: t, classes: classes)
                #expect(abs(mean - divergences(p, q, form).reduce(0, +) / 3) < 1e-14)
                #expect(try loss(x, distributions: t, classes: classes) == mean)
                let alone = try loss.withGradient(x, distributions: t, classes: classes)
                #expect(alone.loss == mean && alone.gradient == gradient)
                let numeric = try differences(x) { try loss($0, distributions: t, classes: classes) }
                #expect(distance(gradient, numeric) < 1e-8)
                let targetNumeric = try differences(t) { try loss(x, distributions: $0, classes: classes) }
                #expect(distance(targetGradient, targetNumeric) < 1e-8)
            }
        }
    }
}

@Test func divergenceOfEqualDistributionsIsZero() throws {
    for temperature in [1.0, 3] {
        let loss = KLDivergence(targetType: .logits, temperature: temperature)
        let (value, gradient, targetGradient) = try loss.withGradients(
            student, distributions: student, classes: classes)
        #expect(value == 0)
        #expect(gradient.allSatisfy { $0 == 0 } && targetGradient.allSatisfy { $0 == 0 })
        #expect(try loss(student.map(Float.init), distributions: student.map(Float.init), classes: classes) == 0)
        #expect(try loss(student, distributions: teacher, classes: classes) > 0)
    }
    let moved = student.map { ($0 * 0x1p30).rounded() * 0x1p-30 }  // the sum with 8 is exact
    #expect(try KLDivergence(targetType: .logits)(moved, distributions: moved.map { $0 + 8 }, classes: classes) == 0)
    let probs = softmax(student)
    #expect(try KLDivergence(inputType: .probs)(probs, distributions: probs, classes: classes) == 0)
    // Next to equal it is as small as it should be: Σ q δ² / 2.
    let near = probs.map { $0 * (1 + 1e-9) }
    let small = try KLDivergence(inputType: .probs).perRow(near, distributions: probs, classes: classes)
    #expect(small.allSatisfy { abs($0 - 0.5e-18) < 1e-20 })
}

@Test func distillation() throws {
    let loss = KLDivergence(targetType: .logits, temperature: 2, temperatureSquared: true)
    let (value, gradient) = try loss.withGradient(
        [0.1, 0.4, 0.5, 0.8, 0.1, 0.1], distributions: [0, 0, 1, 2, 1, 0], classes: 3)
    #expect(abs(value - 0.10162620750037174) < 1e-15)

    let halved = try KLDivergence(targetType: .logits).perRow(
        student.map { $0 / 2 }, distributions: teacher.map { $0 / 2 }, classes: classes)
    let rows = try loss.perRow(student, distributions: teacher, classes: classes)
    #expect(distance(rows, halved.map { 4 * $0 }) < 1e-14)
    let p = try Logits(scale: 0.5).softmax([0.1, 0.4, 0.5, 0.8, 0.1, 0.1], classes: 3)
    let q = try Logits(scale: 0.5).softmax([0, 0, 1, 2, 1, 0.0], classes: 3)
    #expect(distance(gradient, zip(p, q).map { $0 - $1 }) < 1e-15)  // T² / T / 2 rows is 1
}

@Test func divergenceOfOddRows() throws {
    let rows = try KLDivergence(reduction: .sum).perRow(
        [0, -.infinity, 1, .nan, 0.5, 0.25], distributions: [0.5, 0.5, 0.5, 0.5, -0.5, 1.5], classes: 2)
    #expect(rows[0] == .infinity && rows[1].isNaN && rows[2].isNaN)
    // Zeros of the target: the term is p.
    let plain = try KLDivergence(inputType: .probs, form: .plain)([0.5, 0.25], distributions: [0.5, 0], classes: 2)
    let whole = try KLDivergence(inputType: .probs)([0.5, 0.25], distributions: [0.5, 0], classes: 2)
    #expect(plain == 0 && whole == 0.25)
    #expect(try KLDivergence(empty: .zero)([Double](), distributions: [], classes: 2) == 0)
}

@Test func divergencesThatAreRefused() throws {
    let loss = KLDivergence()
    var found = message { _ = try loss([1.0, 2], distributions: [1], classes: 2) }
    #expect(found?.0 == .shape)
    #expect(found?.1 == "distributions holds 1 numbers, but the input holds 2")
    found = message { _ = try KLDivergence(temperature: 0)([1.0, 2], distributions: [0.5, 0.5], classes: 2) }
    #expect(found?.0 == .option)
    #expect(found?.1 == "temperature is 0; it must be finite and above 0")
    found = message { _ = try KLDivergence(temperature: -1)([1.0, 2], distributions: [0.5, 0.5], classes: 2) }
    #expect(found?.1 == "temperature is -1; it must be a finite number above 0")
    found = message {
        _ = try KLDivergence(inputType: .probs, temperature: 2)([0.5, 0.5], distributions: [0.5, 0.5], classes: 2)
    }
    #expect(found?.1 == "temperature is for logits, but neither inputType nor targetType says .logits")
    found = message { _ = try KLDivergence(meanOver: .mass)([1.0, 2], distributions: [0.5, 0.5], classes: 2) }
    #expect(found?.1 == "meanOver is .mass, but a KL divergence has no class weights: take .weight or .count")

    var value = 0.0
    let logits = [1.0, 2]
    found = message {
        try logits.withUnsafeBufferPointer { logits in
            try [0].withUnsafeBufferPointer { labels in
                try withUnsafeMutablePointer(to: &value) {
                    try loss.evaluate(
                        TensorView(reading: logits.baseAddress, shape: [1, 2]),
                        target: TensorView(labels: labels.baseAddress, shape: [1]),
                        loss: TensorView(writing: $0, shape: []))
                }
            }
        }
    }
    #expect(found?.0 == .dtype)
    #expect(found?.1 == "target holds labels, of which the KL divergence is the cross-entropy: compute that")
}
