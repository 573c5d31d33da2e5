import Foundation
import KernelABI
import KernelSweep
import Testing

/// Sizes around the lane count and the block size.
private let sizes = [1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 2047, 2048, 2049, 4096, 4113]

/// Every kernel on rows of many sizes: calls `body` with what ran and a row of each kind of target.
private func forEachRow<T: BinaryFloatingPoint>(_: T.Type, _ body: (String, Int32, Row<T>) -> Void) {
    var random = Random(state: 7)
    for size in sizes {
        for kind: Int32 in 0...2 {
            let raw = random.values(size, scale: 20)
            let values = kind == 1 ? raw.map { abs($0) / 20 } : raw
            let label = Int(random.next()) % size
            for variant in 0..<4 {
                let row = Row(values.map { T($0) }, label: label)
                if variant & 1 != 0 { row.smoothing = 0.1 }
                if variant >= 2 { row.target = random.values(size, scale: 1).map { T(abs($0)) } }
                if variant == 3 { row.weight = random.values(size, scale: 2) }
                body("\(T.self) kind \(kind), \(size) classes, variant \(variant)", kind, row)
            }
        }
    }
}

private func checkSameBits<T: BinaryFloatingPoint>(_: T.Type) {
    forEachRow(T.self) { what, kind, row in
        let expected = row.run(KernelTables.all[0].table, kind: kind)
        for (name, table) in KernelTables.all {
            for stride in [1, 3] {
                for isInPlace in [false, true] {
                    row.stride = stride
                    row.isInPlace = isInPlace
                    #expect(
                        row.run(table, kind: kind) == expected,
                        "\(name), stride \(stride), in place \(isInPlace): \(what)")
                }
            }
            row.stride = 1
            row.isInPlace = false
        }
    }
}

@Test func everyInstructionSetAndLayoutGivesTheSameBits() {
    checkSameBits(Float.self)
    checkSameBits(Double.self)
}

#if arch(x86_64)
    /// Loss and gradient of logits and a class index, in extended precision.
    func reference<T: BinaryFloatingPoint>(_ row: Row<T>) -> (loss: Float80, grad: [Float80]) {
        let z = row.input.map { Float80($0) }
        let k = z.indices.max { z[$0] < z[$1] }!
        let e = z.map { exp($0 - z[k]) }
        let rest = z.indices.reduce(Float80(0)) { $1 == k ? $0 : $0 + e[$1] }
        var grad = e.map { $0 / (1 + rest) }
        grad[row.label] = row.label == k ? -rest / (1 + rest) : grad[row.label] - 1
        return (z[k] - z[row.label] + log1p(rest), grad)
    }

    func relativeError(_ got: Double, _ want: Float80) -> Double {
        want == 0 ? Double(abs(Float80(got))) : Double(abs(Float80(got) - want) / abs(want))
    }

    @Test func lossAndGradientKeepTheirBounds() {
        for (name, table) in KernelTables.all {
            var random = Random(state: 11)
            var worst: (f32: Double, f64: Double) = (0, 0)
            for scale in [0.01, 1, 10, 60, 170] {
                for size in sizes where size > 1 {
                    let values = random.values(size, scale: scale)
                    let label = Int(random.next()) % size
                    let single = Row(values.map { Float($0) }, label: label)
                    let s = single.run(table, kind: 0)
                    let singleWant = reference(single)
                    worst.f32 = max(worst.f32, relativeError(s.lossValue, singleWant.loss))
                    let double = Row(values, label: label)
                    let d = double.run(table, kind: 0)
                    let doubleWant = reference(double)
                    worst.f64 = max(worst.f64, relativeError(d.lossValue, doubleWant.loss))
                    for c in 0..<size {
                        // Below 2^-100 the f32 gradient may be near the end of the normal numbers.
                        if abs(singleWant.grad[c]) > 0x1p-100 {
                            worst.f32 = max(worst.f32, relativeError(s.gradValues[c], singleWant.grad[c]))
                        }
                        worst.f64 = max(worst.f64, relativeError(d.gradValues[c], doubleWant.grad[c]))
                    }
                }
            }
            print("\(name): worst relative error f32 \(worst.f32), f64 \(worst.f64)")
            #expect(worst.f32 <= 1e-6, "\(name)")
            #expect(worst.f64 <= 1e-13, "\(name)")
        }
    }

    /// Two logits, 0 and -gap: the loss is log1p(exp(-gap)), so its error is that of exp and log1p themselves.
    @Test func exponentialsAreWithinOneUlp() {
        for (name, table) in KernelTables.all {
            var worst = 0.0
            var gap: Float = 0x1p-20
            while gap < 86 {
                let row = Row<Float>([0, -gap])
                let want = exp(-Float80(gap))
                let got = Float80(expm1(row.run(table, kind: 0).lossValue))
                worst = max(worst, Double(abs(got - want) / Float80(Float(want).ulp)))
                gap *= 1.0009
            }
            print("\(name): exp in f32, worst error \(worst) ulp")
            #expect(worst > 0.3, "\(name): too good to have been measured")
            #expect(worst <= 1, "\(name)")
        }
    }
#endif

@Test func confidentRowKeepsItsLoss() {
    for (name, table) in KernelTables.all {
        let single = Row<Float>([80, 0]).run(table, kind: 0)
        #expect(abs(single.lossValue / 1.8048513878454153e-35 - 1) < 1e-6, "\(name)")
        let double = Row<Double>([700, 0]).run(table, kind: 0)
        #expect(abs(double.lossValue / 9.859676543759771e-305 - 1) < 1e-13, "\(name)")
    }
}

@Test func fillWritesEveryClassAndNothingElse() {
    for (name, table) in KernelTables.all {
        var table = table
        for (count, stride) in [(1, 1), (17, 1), (40, 3)] {
            var memory = [Float](repeating: 7, count: count * stride + 1)
            crossentropy_get_fill_kernel(&table, 0)!(&memory, Int64(count), Int64(stride), CROSSENTROPY_NATIVE, 2)
            for i in memory.indices {
                #expect(memory[i] == (i < count * stride && i % stride == 0 ? 2 : 7), "\(name) \(count) \(stride) \(i)")
            }
        }
    }
}

/// A part of what `make test-exhaustive` does.
@Test func exponentialsOfInputsOfEveryKind() {
    for (name, table) in KernelTables.all {
        let sweep = ExpSweep.run(table, step: 20_011)
        #expect(sweep.count > 100_000)
        #expect(sweep.worst > 0.5 && sweep.worst <= 1, "\(name): \(sweep.worst) ulp at \(sweep.worstInput)")
        #expect(sweep.mistakes == 0, "\(name)")
    }
}
