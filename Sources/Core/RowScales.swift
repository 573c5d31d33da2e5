/// The factors of losses and gradients that all rows of a call share, and their products with a row's own weights.
///
/// Ordinary numbers are multiplied as doubles. Others are multiplied as `ScaledNumber`s, which are rounded alike, so
/// that a weight of 1e300 and an upstream gradient of 1e-300 make 1.
struct RowScales {
    private let lossValue: Double
    private let gradValue: Double
    let hasGradients: Bool
    private let areOrdinary: Bool
    /// The same factors, if one of the two is not ordinary.
    private let loss: ScaledNumber
    private let grad: ScaledNumber

    /// - Parameters:
    ///   - loss: The factor of losses, without the power of two of a mean's weights.
    ///   - exponent: The exponent of `MeanDivisor`.
    ///   - grad: The factor of gradients; `nil`: all gradients are 0.
    init(loss: ScaledNumber, exponent: Int, grad: ScaledNumber?) {
        self.loss = loss.shifted(by: exponent)
        self.grad = grad ?? ScaledNumber(0)
        hasGradients = grad != nil
        lossValue = self.loss.value
        gradValue = self.grad.value
        areOrdinary = exponent == 0 && lossValue.isOrdinary && gradValue.isOrdinary
    }

    /// Takes ordinary factors.
    @inline(__always)
    init(loss: Double, grad: Double) {
        lossValue = loss
        gradValue = grad
        hasGradients = true
        areOrdinary = true
        self.loss = ScaledNumber(0)
        self.grad = ScaledNumber(0)
    }

    /// Whether a row's gradient has finite factors; otherwise it is NaN. Class weights may be infinite.
    func isFinite(_ s: Double, _ g: Double) -> Bool {
        s.magnitude < .infinity && g.magnitude < .infinity && grad.significand.magnitude < .infinity
    }

    /// Whether both factors are ordinary, and that of losses is 1.
    var areOnes: Bool { areOrdinary && lossValue == 1 }

    /// The factors of the loss and the gradient of a row of weight 1, if both are ordinary.
    var ordinary: (loss: Double, grad: Double)? { areOrdinary ? (lossValue, gradValue) : nil }

    /// The factor of the gradient of a row of weight 1.
    var gradFactor: Double { gradValue }

    /// The factors of one row: numbers far from the ends of the range, and powers of two, nearly always 1, by which the
    /// results are multiplied.
    struct Row {
        var loss: Double
        var lossPower = 1.0
        var grad: Double
        var gradPower = 1.0
        /// The factors of the z-loss, which do not include the class weight.
        var zLoss: Double
        var zGrad: Double

        /// The factor times its power, limited to the largest finite number.
        var gradProduct: Double { Self.product(grad, gradPower) }
        var zGradProduct: Double { Self.product(zGrad, gradPower) }

        private static func product(_ x: Double, _ power: Double) -> Double {
            let most = Double.greatestFiniteMagnitude
            let product = x * power
            return x.magnitude < .infinity && product.magnitude == .infinity ? (x < 0 ? -most : most) : product
        }
    }

    /// - Parameters:
    ///   - s: The sample weight.
    ///   - w: The class weight.
    ///   - g: The row's own upstream gradient.
    ///   - isOfLabel: The factors multiply a result of the label alone. Otherwise they are near 1, because masses may not be.
    @inline(__always)
    func row(_ s: Double, _ w: Double, _ g: Double, isOfLabel: Bool) -> Row {
        if areOrdinary && s.isOrdinary && w.isOrdinary && g.isOrdinary {
            return Row(
                loss: s * w * lossValue, grad: s * gradValue * w * g, zLoss: s * lossValue, zGrad: s * g * gradValue)
        }
        return extremeRow(s, w, g, isOfLabel)
    }

    @inline(never)
    private func extremeRow(_ s: Double, _ w: Double, _ g: Double, _ isOfLabel: Bool) -> Row {
        let (s, w, g) = (ScaledNumber(s), ScaledNumber(w), ScaledNumber(g))
        let loss = areOrdinary ? ScaledNumber(lossValue) : self.loss
        let grad = areOrdinary ? ScaledNumber(gradValue) : self.grad
        let (ofLoss, ofGrad) = (s * w * loss, s * grad * w * g)
        let (lossValue, lossPower) = isOfLabel ? ofLoss.partsAtEnds : ofLoss.parts()
        let (gradValue, gradPower) = isOfLabel ? ofGrad.partsAtEnds : ofGrad.parts()
        return Row(
            loss: lossValue, lossPower: lossPower, grad: gradValue, gradPower: gradPower,
            zLoss: (s * loss / ScaledNumber(lossPower)).finiteValue,
            zGrad: (s * g * grad / ScaledNumber(gradPower)).finiteValue)
    }
}

extension Double {
    /// Whether the number is 0, or so far from both ends of the range that products of several are, too.
    var isOrdinary: Bool { self == 0 || (magnitude > 0x1p-200 && magnitude < 0x1p200) }
}
