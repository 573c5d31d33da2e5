"""Cross-entropy: of each row."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf

from .exact import accuracy, exact, layout, powers, ulp
from .reduction import Pair, Reduction
from .targets import Target, smoothed, targets


def transformed(x: list[mpf], options: dict[str, Any]) -> tuple[list[mpf], list[mpf]]:
    """The logits z that are meant by x, and dz/dx."""
    scale, cap = mpf(options.get("logit_scale", 1)), mpf(options.get("softcap", 0))
    temperature = mpf(options.get("temperature", 1))
    z, chain = [], []
    for x_c in x:
        y = scale * x_c
        is_capped = cap != 0 and mp.isfinite(y)
        z.append((cap * mp.tanh(y / cap) if is_capped else y) / temperature)
        slope = scale * mp.sech(y / cap) ** 2 if is_capped else scale if cap == 0 else mpf(0)
        chain.append(slope / temperature)
    return z, chain


def unsureness(z: list[mpf], options: dict[str, Any]) -> list[mpf]:
    """How far transformed logits may be off by rounding."""
    if not {"softcap", "logit_scale", "temperature"} & set(options):
        return [mpf(0)] * len(z)
    return [mpf(2) ** -50 * abs(z_c) if mp.isfinite(z_c) else mpf(0) for z_c in z]


def squared_temperature(options: dict[str, Any]) -> mpf:
    """What the losses are multiplied by for temperature_squared."""
    return mpf(options.get("temperature", 1)) ** 2 if options.get("temperature_squared") else mpf(1)


class Term:
    """The term f of the loss that a class with target mass a has, and its slope b; `_size`: all parts positive."""

    def __init__(self, a: mpf, minus_log_p: mpf, p: mpf, gamma: mpf, epsilon: mpf) -> None:
        v = 1 - p
        power = v**gamma if gamma else mpf(1)
        bend = (power / v * minus_log_p if v else power) * gamma * p if gamma and p else mpf(0)
        self.f = a * power * (minus_log_p + epsilon * v)
        self.f_size = abs(a) * power * (minus_log_p + abs(epsilon) * v)
        self.b = a * (power * (1 + epsilon * p * (1 + gamma)) + bend)
        self.b_size = abs(a) * (power * (1 + abs(epsilon) * p * (1 + gamma)) + bend)


class CrossEntropyRow:
    """One row that counts, see reduction.Row.

    a, off: for each class the mass, and how far it may be off. wanted: the classes whose slope is asked for.
    magnitude: the sum of the loss's terms, each made positive.
    flushed: the part of the loss that probabilities which may be 0 can take away; nothing where 1 - max(p) is a normal
    number.
    unsure: what rounding of transformed logits, and of the masses, may change in the loss.
    widening: what the bounds of accuracy are multiplied by.
    costs: -log p by class, what the derivatives with respect to the target are made of.
    """

    def __init__(
        self, x: list[mpf], a: list[mpf], off: list[mpf], one_hot: bool, case: dict[str, Any], wanted: list[int]
    ) -> None:
        self.case, self.wanted, self.off = case, wanted, off
        self.loss, self.magnitude, self.flushed, self.unsure, self.widening = mpf(0), mpf(0), mpf(0), mpf(0), mpf(1)
        self.slopes: dict[int, Pair] = {}
        self.target_slopes: dict[int, Pair] = {}
        self.costs: list[Pair] = []
        if case["options"].get("input_type", "logits") == "logits":
            z, chain = transformed(x, case["options"])
            self.from_logits(z, a, one_hot)
            self.slopes = {c: (slope * chain[c], bound * abs(chain[c])) for c, (slope, bound) in self.slopes.items()}
        else:
            self.from_probabilities(x, a)

    def loss_bound(self, scale: mpf) -> mpf:
        magnitude = scale * self.magnitude
        bound = mpf("1e-13") * magnitude
        if self.case["dtype"] != "f64":
            bound = 2 * ulp(magnitude, "f32") if magnitude >= mpf(2) ** -4 else mpf("1e-6") * magnitude
        return self.widening * bound + scale * (self.flushed + self.unsure)

    def from_logits(self, z: list[mpf], a: list[mpf], one_hot: bool) -> None:
        dtype, options = self.case["dtype"], self.case["options"]
        gamma, epsilon, z_loss = (mpf(options.get(name, 0)) for name in ("focal_gamma", "poly_epsilon", "z_loss"))
        largest = max(z)
        if any(mp.isnan(value) for value in z) or mp.isinf(largest):
            self.undefined()
            return
        parts = powers(z)
        total_power = mp.fsum(parts)
        lse, lse_size = largest + mp.log(total_power), abs(largest) + mp.log(total_power)
        p = [part / total_power for part in parts]
        # Of classes without target mass there is no term.
        terms = [Term(a_c, lse - z_c, p_c, gamma, epsilon) if a_c else None for a_c, z_c, p_c in zip(a, z, p)]
        present = [term for term in terms if term]
        self.loss = mp.fsum(term.f for term in present) + z_loss * lse**2
        if mp.isnan(self.loss):
            self.undefined()
            return
        self.magnitude = mp.fsum(term.f_size for term in present) + z_loss * lse_size**2
        self.widening = 1 + gamma

        total = mp.fsum(term.b for term in present) + 2 * z_loss * lse
        total_size = mp.fsum(term.b_size for term in present)
        if gamma == 0 and epsilon == 0:
            total_size = abs(mp.fsum(a))
        total_size += 2 * z_loss * lse_size
        lowest = max(p) * mpf(2) ** (-1022 if dtype == "f64" else -126)
        may_be_zero = [value if value < lowest else mpf(0) for value in p]
        flushed = mp.fsum(may_be_zero)
        if mp.fsum(p) - max(p) >= lowest:  # in a sum that is a normal number they count
            flushed = mpf(0)
        self.flushed = total_size * flushed

        unsure = unsureness(z, options)
        farthest = max(unsure)
        if farthest:
            self.unsure = mp.fsum(
                (total_size * p_c + (term.b_size if term else 0)) * off_c for p_c, term, off_c in zip(p, terms, unsure)
            )
        # What an error of each mass makes of the loss and of the slopes.
        errors = {
            c: Term(off_c, lse - z[c], p[c], gamma, epsilon) for c, off_c in enumerate(self.off) if off_c and a[c]
        }
        self.unsure += mp.fsum(error.f_size for error in errors.values())
        mass_error = mp.fsum(error.b_size for error in errors.values())
        for c in self.wanted:
            p_c, term, lost = p[c], terms[c], may_be_zero[c]
            mass, mass_size = (term.b, term.b_size) if term else (mpf(0), mpf(0))
            precise = p_c >= mpf("1e-6") or mass_size >= total_size * p_c
            bound = accuracy(dtype) if precise or dtype == "f64" else mpf("5e-6")
            if one_hot:
                from_mass = mass_size * (1 - p_c) if term else (total_size - 2 * z_loss * lse_size) * p_c
                size = from_mass + 2 * z_loss * lse_size * p_c
                if term:
                    lost = flushed
            else:
                size = max(total_size * p_c, mass_size)
            from_error = mass_error * p_c + (errors[c].b_size if c in errors else 0)
            tolerance = self.widening * (bound + 2 * farthest) * size + total_size * lost + from_error
            self.slopes[c] = (total * p_c - mass, tolerance)
        if "grad_target" in self.case:
            moved = mp.fsum(p_c * off_c for p_c, off_c in zip(p, unsure))
            for z_c, off_c in zip(z, unsure):
                tolerance = accuracy(dtype) * (lse - z_c) + flushed + moved + off_c
                self.costs.append((lse - z_c, tolerance))

    def from_probabilities(self, x: list[mpf], a: list[mpf]) -> None:
        options, bound = self.case["options"], accuracy(self.case["dtype"])
        low = options.get("clip", 0.0)
        high = 1 - low  # as binary64, as the header says
        for c, (x_c, a_c) in enumerate(zip(x, a)):
            is_clipped = low > 0 and not mp.isnan(x_c)
            used = min(max(x_c, mpf(low)), mpf(high)) if is_clipped else x_c
            if options["input_type"] == "log_probs":
                cost, step = -x_c, mpf(1)
            elif used < 0 or mp.isnan(used):
                cost = step = mp.nan
            else:
                cost = -mp.log(used) if used else mp.inf
                step = mpf(0) if used != x_c else 1 / used if used else mp.inf
            self.costs.append((cost, bound * abs(cost)))
            slope = mpf(0)
            if a_c != 0:
                self.loss += a_c * cost
                self.magnitude += abs(a_c * cost)
                self.unsure += self.off[c] * abs(cost) if self.off[c] else 0
                slope = -a_c * step if step else mpf(0)
            tolerance = bound * abs(slope) + (self.off[c] * step if self.off[c] else 0)
            self.slopes[c] = (slope, tolerance)
        if mp.isnan(self.loss):
            self.undefined()

    def undefined(self) -> None:
        self.loss = mp.nan
        classes = range(len(self.off))
        self.slopes = dict.fromkeys(classes, (mp.nan, mpf(0)))
        self.costs = [(mp.nan, mpf(0)) for _ in classes]

    def differentiate(self, target: Target, factors: list[mpf]) -> None:
        """The slopes with respect to the target, where `factors` are w_c (1 - e)."""
        zero = (mpf(0), mpf(0))
        units = [
            (factor * cost, abs(factor) * bound) if factor else zero
            for factor, (cost, bound) in zip(factors, self.costs)
        ]
        self.target_slopes = chained(target, units, self.case["options"])


def chained(target: Target, units: list[Pair], options: dict[str, Any]) -> dict[int, Pair]:
    """The derivative with respect to what the target holds, from that with respect to probabilities."""
    kind = options.get("target_type", "probs")
    if kind == "probs" or all(mp.isnan(u) for u, _ in units):
        return dict(enumerate(units))
    temperature = mpf(options.get("temperature", 1))
    q, inaccuracy = target.q, target.inaccuracy
    places = [c for c, q_c in enumerate(q) if q_c]
    mean = size = error = mpf(0)
    if kind == "logits":
        mean = mp.fsum(q[c] * units[c][0] for c in places)
        size = mp.fsum(q[c] * abs(units[c][0]) for c in places)
        error = mp.fsum(q[c] * units[c][1] for c in places)
        if not mp.isfinite(mean):
            return dict.fromkeys(range(len(q)), (mp.nan, mpf(0)))
    else:
        temperature = mpf(1)
    made = {}
    for c, (q_c, (u, bound)) in enumerate(zip(q, units)):
        if q_c == 0:
            made[c] = (mpf(0), mpf(0))
            continue
        tolerance = q_c * (bound + error) + 2 * inaccuracy * q_c * (abs(u) + size)
        tolerance += target.off[c] * (abs(u) + size)
        made[c] = (q_c * (u - mean) / temperature, tolerance / temperature)
    return made


def masses(case: dict[str, Any]) -> tuple[list[Target | None], list[mpf], list[list[mpf]], mpf]:
    """What cross-entropy's rows weigh: targets (None where ignored or weightless), scales, masses a, the divisor."""
    options, rows = case["options"], layout(case)
    w = exact(case, "weight_") if "weight" in case else [mpf(1)] * rows.classes
    s = exact(case, "sample_weight_") if "sample_weight" in case else [mpf(1)] * len(rows.starts)
    prior = exact(case, "prior_") if "prior" in case else None
    smooth = mpf(options.get("label_smoothing", 0))
    mean_over = options.get("mean_over", "weight")
    found = targets(case)
    a: list[list[mpf]] = [[] for _ in found]
    divisor = mpf(0)
    for i, target in enumerate(found):
        if target is None:
            continue
        indexed = target.label is not None
        mass = mp.fsum(w_c * q_c for w_c, q_c in zip(w, target.q))
        divisor += {"weight": s[i] * (mass if indexed else 1), "mass": s[i] * mass, "count": 1, "divisor": 0}[mean_over]
        weightless = indexed and smooth == 0 and w[target.label] == 0 and options.get("z_loss", 0) == 0
        if s[i] == 0 or weightless:
            found[i] = None
        a[i] = smoothed(target, w, prior, smooth)
    squared = squared_temperature(options)
    return found, [s_i * squared for s_i in s], a, divisor


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """The fields that say what the case must give."""
    rows, options = layout(case), case["options"]
    x = exact(case, "")
    w = exact(case, "weight_") if "weight" in case else [mpf(1)] * rows.classes
    smooth = mpf(options.get("label_smoothing", 0))
    factors = [w_c * (1 - smooth) for w_c in w]
    wanted = case.get("grad_at")
    found, scales, a, divisor = masses(case)
    made: list[CrossEntropyRow | None] = []
    for i, target in enumerate(found):
        if target is None:
            made.append(None)
            continue
        off = [abs(factor) * target.error(c) for c, factor in enumerate(factors)]
        if target.label is not None:
            off = [mpf(0)] * rows.classes
        places = rows.places(i)
        columns = [c for c, place in enumerate(places) if wanted is None or place in wanted]
        one_hot = smooth == 0 and target.is_one_hot
        row = CrossEntropyRow([x[place] for place in places], a[i], off, one_hot, case, columns)
        if "grad_target" in case:
            row.differentiate(target, factors)
        made.append(row)
    reduction = Reduction(case, rows.starts, rows.classes, rows.step, scales, divisor)
    fields = reduction.losses(made) | reduction.grads("grad", made, case.get("grad_dtype", case["dtype"]), wanted)
    if "grad_target" in case:
        reduction.finer = case["dtype"] == "f64"
        fields |= reduction.grads("grad_target", made, case["target_dtype"], None)
    return fields
