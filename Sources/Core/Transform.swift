import KernelABI

extension crossentropy_exponent_scale {
    init(_ factor: Double) {
        let product = factor * 0x1.71547652b82fep+0
        let high = Float(product)
        self.init(factor: factor, high: high, low: Float(product - Double(high)), inverse: Float(1 / factor))
    }
}

extension crossentropy_transform {
    /// The transform of logits: they are multiplied by `scale`, and capped unless `softcap` is 0.
    public init(scale: Double, softcap: Double) {
        self.init(logit_scale: scale, softcap: softcap, slope: ScaledNumber(scale).significand, applies: 1)
    }

    /// Gradients with respect to the logits before the transform are multiplied by `slope` and by 2 to this power.
    var slopeExponent: Int { applies == 0 ? 0 : ScaledNumber(logit_scale).exponent }
}
