/// A double times a power of two: products and quotients of doubles that neither overflow nor underflow on the way. They are
/// rounded as products of doubles are, so where those stay in range the bits are the same.
struct ScaledNumber {
    /// 0, NaN, infinite, or of a magnitude in [1, 2).
    private(set) var significand: Double
    private(set) var exponent: Int

    init(_ x: Double) {
        self.init(x, exponent: 0)
    }

    private init(_ x: Double, exponent: Int) {
        guard x.magnitude > 0 && x.magnitude < .infinity else {
            significand = x
            self.exponent = 0
            return
        }
        let isSubnormal = x.magnitude < 0x1p-1022
        let bits = (isSubnormal ? x * 0x1p54 : x).bitPattern
        significand = Double(bitPattern: bits & ~(0x7FF << 52) | 1023 << 52)
        self.exponent = exponent + Int(bits >> 52 & 0x7FF) - 1023 - (isSubnormal ? 54 : 0)
    }

    static func * (a: ScaledNumber, b: ScaledNumber) -> ScaledNumber {
        ScaledNumber(a.significand * b.significand, exponent: a.exponent + b.exponent)
    }

    static func / (a: ScaledNumber, b: ScaledNumber) -> ScaledNumber {
        ScaledNumber(a.significand / b.significand, exponent: a.exponent - b.exponent)
    }

    /// Times 2^k.
    func shifted(by k: Int) -> ScaledNumber {
        ScaledNumber(significand, exponent: exponent + k)
    }

    /// The nearest double.
    var value: Double { Self.scaled(significand, by: exponent) }

    /// The same as a double that is far from both ends of the range, times a power of two: 1, unless the number itself is near
    /// an end. Beyond 2^1600 it is infinite, below 2^-1600 it is 0.
    var parts: (value: Double, power: Double) {
        if exponent > 900 { return (Self.scaled(significand, by: exponent - 600), 0x1p600) }
        if exponent < -900 { return (Self.scaled(significand, by: exponent + 600), 0x1p-600) }
        return (Self.scaled(significand, by: exponent), 1)
    }

    /// x 2^k for x near 1, rounded once.
    static func scaled(_ x: Double, by k: Int) -> Double {
        if k > 1000 { return x * 0x1p1000 * Double(sign: .plus, exponent: min(k - 1000, 1000), significand: 1) }
        if k < -1000 { return x * 0x1p-1000 * Double(sign: .plus, exponent: max(k + 1000, -1000), significand: 1) }
        return x * Double(sign: .plus, exponent: k, significand: 1)
    }
}
