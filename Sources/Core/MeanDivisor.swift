/// What the sum of the rows' losses is divided by, exactly: 1 where there is no mean.
///
/// Weights near the ends of the range are added up, and multiply the losses, with a common power of two, so that a mean of rows
/// that weigh 1e-310 or 1e300 is as good as any other.
struct MeanDivisor: ~Copyable {
    /// What is divided by: a number, or a sum of weights that is none.
    private enum Value {
        case number(Double)
        case sum(ExactSum)
    }

    private let value: Value
    /// The divisor is of weights times 2^exponent, and so is the sum of the losses to be.
    let exponent: Int
    private let rounded: Double

    init(_ number: Double) {
        let scaled = ScaledNumber(number)
        exponent = number.isOrdinary ? 0 : -scaled.exponent
        rounded = number.isOrdinary ? number : scaled.significand
        value = .number(rounded)
    }

    init(_ sum: ExactSum, exponent: Int = 0) {
        rounded = sum.rounded()
        self.exponent = exponent
        value = sum.isExactly(rounded) ? .number(rounded) : .sum(sum)
    }

    var isZero: Bool { rounded == 0 }

    /// A number divided by the weights.
    func dividing(_ x: ScaledNumber) -> ScaledNumber { x / ScaledNumber(rounded).shifted(by: -exponent) }

    /// The mean: the double nearest to the quotient.
    func mean(_ total: borrowing ExactSum) -> Double {
        switch value {
        case .number(let number): total.divided(by: number)
        case .sum(let sum): total.divided(by: sum)
        }
    }
}

/// The sum of weights s w, each the product of two.
struct WeightSum {
    private(set) var sum = ExactSum()
    private(set) var exponent = 0
    /// The exponent of the largest product, where some are near the ends of the range.
    private var largest: Int?

    mutating func add(_ s: Double, _ w: Double) {
        if exponent != 0 {
            sum.add((ScaledNumber(s) * ScaledNumber(w)).shifted(by: exponent).value)
        } else {
            sum.add(s * w)
            if s.isOrdinary && w.isOrdinary {
                // No sum of these is near an end, and none of theirs with smaller ones.
                if s != 0 && w != 0 { largest = max(largest ?? .min, 0) }
                return
            }
            let product = ScaledNumber(s) * ScaledNumber(w)
            if product.significand != 0 { largest = max(largest ?? .min, product.exponent) }
        }
    }

    /// Whether all weights are to be added once more, with a power of two that brings the largest near 1.
    mutating func beginsAgain() -> Bool {
        guard exponent == 0, let largest, largest.magnitude > 300 else { return false }
        exponent = -largest
        sum = ExactSum()
        return true
    }

    var divisor: MeanDivisor { MeanDivisor(sum, exponent: exponent) }
}
