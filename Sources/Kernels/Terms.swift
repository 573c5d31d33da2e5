import KernelABI

// The terms of a loss beside -log p: focal weighting and the polynomial term of poly-1, both functions of the
// probability p of a class, and the z-loss, a function of lse. With v = 1 - p, a class with target mass 1 contributes
//
//     f = v^gamma (-log p + epsilon v)
//
// (Lin et al., 2017; Leng et al., 2022). Its derivative with respect to the logit z_c is -b ([c = j] - p_j), with
//
//     b = -df / d(log p) = v^gamma (1 + epsilon p + gamma p (-log p / v + epsilon))
//
// so in the gradient b takes the place of the target mass.

extension crossentropy_terms {
    /// Whether f is anything but -log p.
    @inline(__always) var isFocal: Bool { crossentropy_terms_are_focal(self) }
}

/// f and b of sixteen classes, from -log p, p and 1 - p, each computed without cancellation.
///
/// Error of f and b: below 1e-15 (1 + gamma), and the errors of the arguments, of which that of 1 - p counts 1 + gamma times.
@inline(never)
func focal(
    _ terms: crossentropy_terms, minusLogP: DoubleLanes, p: DoubleLanes, other v: DoubleLanes
) -> (f: DoubleLanes, b: DoubleLanes) {
    let zero = DoubleLanes(repeating: 0)
    let one = DoubleLanes(repeating: 1)
    let gamma = DoubleLanes(repeating: terms.focal_gamma)
    let epsilon = DoubleLanes(repeating: terms.poly_epsilon)
    let power = terms.focal_gamma == 0 ? one : Double.exp(gamma * log(v))
    let f = power * (minusLogP + epsilon * v)
    // Both are 0 together, and just before that their ratio is nearly 1. Where p is 0, -log p may be infinite.
    let ratio = (minusLogP / v).replacing(with: one, where: v .== zero)
    let bend = (gamma * p * (ratio + epsilon)).replacing(with: zero, where: p .== zero)
    return (f, power * (one + epsilon * p + bend))
}

/// p and 1 - p of logits in rows with these log-sum-exps.
@inline(never)
func probability(_ z: DoubleLanes, _ stats: LogSumExp) -> (p: DoubleLanes, other: DoubleLanes) {
    let one = DoubleLanes(repeating: 1)
    let isLargest = z .== stats.max
    let p = Double.exp(stats.scaled(z - stats.max)) / stats.total
    return (p, (one - p).replacing(with: stats.rest / stats.total, where: isLargest))
}
