/// A double times a power of two, for products and quotients of doubles that neither overflow nor underflow in between.
/// They are rounded as products of doubles are, so where those stay in range the bits are the same.
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

    /// The number times 2^k.
    func shifted(by k: Int) -> ScaledNumber {
        ScaledNumber(significand, exponent: exponent + k)
    }

    /// The nearest double.
    var value: Double { Self.scaled(significand, by: exponent) }

    /// Whether the number is so far from both ends of the range that products of several are, too; or 0, NaN or infinite.
    var isOrdinary: Bool { exponent.magnitude < 200 }

    /// The nearest double, but not above 2^1001, so that its product with 0 is 0.
    var finiteValue: Double { Self.scaled(significand, by: min(exponent, 1000)) }

    /// The number as a double with a magnitude in [1, 2) times 2^unit, times a power of two. Magnitudes beyond 2^1900
    /// are set to that rather than infinite, so that products with 0 stay 0; those below 2^-1900 likewise.
    func parts(unit: Int = 0) -> (value: Double, power: Double) {
        let exponent = max(-1900, min(self.exponent, 1900))
        let power = max(-1000, min(exponent - unit, 1000))
        return (Self.scaled(significand, by: exponent - power), Double(sign: .plus, exponent: power, significand: 1))
    }

    /// As `parts`, but with a power of 1 unless the number itself is near an end of the range.
    var partsAtEnds: (value: Double, power: Double) {
        if exponent.magnitude <= 900 { return (Self.scaled(significand, by: exponent), 1) }
        return parts(unit: exponent > 0 ? 300 : -300)
    }

    /// x 2^k for x near 1, rounded once.
    static func scaled(_ x: Double, by k: Int) -> Double {
        if k > 1000 { return x * 0x1p1000 * Double(sign: .plus, exponent: min(k - 1000, 1000), significand: 1) }
        if k < -1000 { return x * 0x1p-1000 * Double(sign: .plus, exponent: max(k + 1000, -1000), significand: 1) }
        return x * Double(sign: .plus, exponent: k, significand: 1)
    }
}
