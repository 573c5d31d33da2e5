import KernelABI

extension crossentropy_transform {
    /// Of logits that are multiplied by a scale, and capped unless `softcap` is 0.
    public init(scale: Double, softcap: Double) {
        self.init(logit_scale: scale, softcap: softcap, slope: ScaledNumber(scale).significand, applies: 1)
    }

    /// Gradients with respect to what the logits were before are multiplied by `slope` and by two to the power of this.
    var slopeExponent: Int { applies == 0 ? 0 : ScaledNumber(logit_scale).exponent }
}
