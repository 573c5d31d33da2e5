import Foundation
import KernelABI

/// The worst error of the exponential in f32 over a set of inputs, against libm's in f64.
public struct ExpSweep: Sendable {
    public var count = 0
    /// In units in the last place of the exact value, and the input with it.
    public var worst = 0.0
    public var worstInput: Float = 0
    /// Inputs whose result is wrong in kind: not 0 below the cutoff, or no NaN for one.
    public var mistakes = 0

    /// Every `step`-th of the 2^32 bit patterns, on all processors.
    public static func run(_ table: crossentropy_kernels, step: UInt64) -> ExpSweep {
        let pieces = 4096
        let perPiece = (UInt64(1) << 32) / UInt64(pieces)
        let lock = NSLock()
        nonisolated(unsafe) var total = ExpSweep()
        nonisolated(unsafe) let kernel = table.exponentials!
        DispatchQueue.concurrentPerform(iterations: pieces) { piece in
            var part = ExpSweep()
            let start = UInt64(piece) * perPiece
            var bits = (start + step - 1) / step * step
            var inputs = [Float](repeating: 0, count: 1024)
            while bits < start + perPiece {
                var n = 0
                while n < inputs.count && bits < start + perPiece {
                    inputs[n] = Float(bitPattern: UInt32(bits))
                    n += 1
                    bits += step
                }
                part.add(inputs, n, kernel)
            }
            lock.withLock { total.merge(part) }
        }
        return total
    }

    private mutating func add(_ inputs: [Float], _ n: Int, _ kernel: crossentropy_exp_kernel) {
        // In use the largest input is the reference; 0 and 88 serve all that are not larger.
        let isNegative = inputs[0].sign == .minus
        let m: Float = isNegative ? 0 : 88
        var results = [Float](repeating: -1, count: inputs.count)
        kernel(inputs, &results, Int64(inputs.count), m)
        let scale = isNegative ? 0x1p-64 : 0x1p63  // round(88 log2(e)) = 127
        for i in 0..<n {
            let x = inputs[i]
            if x > m { continue }
            count += 1
            let got = Double(results[i]) * scale
            if x.isNaN {
                if !got.isNaN { mistakes += 1 }
            } else if x < m - 130 {
                if got != 0 { mistakes += 1 }
            } else {
                // In units of the last of 24 bits, also where an f32 would have fewer.
                let want = exp(Double(x))
                let error = abs(got - want) / Double(sign: .plus, exponent: want.exponent - 23, significand: 1)
                if error > worst || error.isNaN {
                    worst = error
                    worstInput = x
                }
            }
        }
    }

    private mutating func merge(_ other: ExpSweep) {
        count += other.count
        mistakes += other.mistakes
        if other.worst > worst || other.worst.isNaN {
            worst = other.worst
            worstInput = other.worstInput
        }
    }
}
