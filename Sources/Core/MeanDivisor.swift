import Shims

/// The exact divisor of the sum of the rows' losses; 1 without a mean.
///
/// Weights near the ends of the range are added up, and multiply the losses, with a common power of two. So a mean of
/// rows that weigh 1e-310 or 1e300 is as accurate as any other.
struct MeanDivisor: ~Copyable {
    /// The sum of the weights if it is not a double; `nil`: the divisor is `rounded`.
    private let sum: UnsafeMutablePointer<ExactSum>?
    /// The divisor is the sum of weights times 2^exponent, so the sum of the losses must have this factor, too.
    let exponent: Int
    private let rounded: Double

    @inline(__always)
    init(_ number: Double) {
        sum = nil
        if number.isOrdinary {
            exponent = 0
            rounded = number
        } else {
            let scaled = ScaledNumber(number)
            exponent = -scaled.exponent
            rounded = scaled.significand
        }
    }

    init(_ sum: borrowing ExactSum, exponent: Int = 0) throws(LossFailure) {
        self.exponent = exponent
        if let number = withUnsafePointer(to: sum, { ExactSum.double($0) }) {
            rounded = number
            self.sum = nil
            return
        }
        rounded = sum.rounded()
        if sum.isExactly(rounded) {
            self.sum = nil
            return
        }
        guard let memory = malloc(MemoryLayout<ExactSum>.size) else { throw .outOfMemory }
        self.sum = memory.bindMemory(to: ExactSum.self, capacity: 1)
        self.sum!.initialize(to: ExactSum(copying: sum))
    }

    deinit { if let sum { free(sum) } }

    var isZero: Bool { rounded == 0 }

    /// The divisor as a double, if it is ordinary and not 0.
    var ordinary: Double? { exponent == 0 && rounded != 0 && rounded.isOrdinary ? rounded : nil }

    /// `x` divided by the sum of the weights.
    func dividing(_ x: ScaledNumber) -> ScaledNumber { x / ScaledNumber(rounded).shifted(by: -exponent) }

    /// The mean: the double nearest to the quotient.
    @inline(__always)
    func mean(_ total: UnsafePointer<ExactSum>) -> Double {
        if let sum { return total.pointee.divided(by: sum.pointee) }
        return ExactSum.divided(total, by: rounded)
    }
}

/// The sum of the weights s w, each a product of two weights.
struct WeightSum: ~Copyable {
    var sum = ExactSum()
    private(set) var exponent = 0
    /// The exponent of the largest product, if some are near the ends of the range.
    private var largest: Int?

    mutating func add(_ s: Double, _ w: Double) {
        if exponent != 0 {
            sum.add((ScaledNumber(s) * ScaledNumber(w)).shifted(by: exponent).value)
        } else {
            sum.add(s * w)
            if s.isOrdinary && w.isOrdinary {
                // Sums of such products, also with smaller ones, are not near an end of the range.
                if s != 0 && w != 0 { noteOrdinary() }
                return
            }
            let product = ScaledNumber(s) * ScaledNumber(w)
            if product.significand != 0 { largest = max(largest ?? .min, product.exponent) }
        }
    }

    /// Notes that ordinary weights were added to `sum`, some of them not 0.
    mutating func noteOrdinary() { largest = max(largest ?? .min, 0) }

    /// Whether all weights must be added again, with a power of two that brings the largest near 1.
    mutating func beginsAgain() -> Bool {
        guard exponent == 0, let largest, largest.magnitude > 300 else { return false }
        exponent = -largest
        sum = ExactSum()
        return true
    }

    func divisor() throws(LossFailure) -> MeanDivisor { try MeanDivisor(sum, exponent: exponent) }
}
