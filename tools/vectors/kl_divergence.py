"""KL divergence: of each row."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf

from .cross_entropy import chained, squared_temperature, transformed, unsureness
from .exact import accuracy, exact, layout
from .reduction import Pair, Reduction
from .targets import Target, farthest, log_softmax, logarithm, targets


class DivergenceRow:
    """One row that counts, see reduction.Row.

    p, log_p: the prediction. unsure: how far its logits may be off by rounding.
    distance: d = log q - log p of each class.
    bound: how far the loss may be off. accuracy: what errors of probabilities are relative to.
    off, lost: for each class how far q may be off, and p where it may be 0.
    """

    def __init__(self, x: list[mpf], target: Target, case: dict[str, Any], wanted: list[int]) -> None:
        self.options, self.target = case["options"], target
        self.kind = self.options.get("input_type", "logits")
        self.is_of_logits = self.options.get("target_type") == "logits"
        self.is_double = "f64" in (case["dtype"], case["target_dtype"], case.get("target_probs_dtype"))
        self.is_plain = self.options.get("kl_form") == "plain"
        chain = self.predict(x)
        self.loss, self.bound = mpf(0), mpf(0)
        self.slopes: dict[int, Pair] = {}
        self.target_slopes: dict[int, Pair] = {}
        if any(mp.isnan(value) for value in (*self.p, *self.log_p, *target.q, *target.log_q)):
            self.loss = mp.nan
            self.slopes = self.target_slopes = dict.fromkeys(range(len(x)), (mp.nan, mpf(0)))
            return
        self.total = mp.fsum(target.q)
        self.distance = [
            log_q - log_p if q_c or p_c else mpf(0)
            for q_c, p_c, log_q, log_p in zip(target.q, self.p, target.log_q, self.log_p)
        ]
        smallest = mpf(2) ** (-1022 if self.is_double else -126)
        self.lost, self.off = [mpf(0)] * len(x), target.off
        if self.kind != "probs":
            lowest = max(self.p) * smallest if self.kind == "logits" else mpf(2) ** -1022
            self.lost = [p_c if p_c < lowest else mpf(0) for p_c in self.p]
        if self.is_of_logits:
            lowest = max(target.q) * smallest
            self.off = [off if q_c >= lowest else q_c for q_c, off in zip(target.q, target.off)]
        self.add_up()
        total_off, moved = mp.fsum(self.off), 2 * max(self.unsure)
        for c in wanted:
            slope, size = self.slope(c)
            tolerance = (self.accuracy + moved) * size
            if self.kind == "logits":
                tolerance += self.p[c] * total_off + self.off[c] + self.total * self.lost[c]
            elif self.p[c]:
                tolerance += (self.off[c] + self.lost[c]) / (self.p[c] if self.kind == "probs" else 1)
            self.slopes[c] = (slope * chain[c], tolerance * abs(chain[c]))
        if "grad_target" in case:
            self.differentiate()

    def predict(self, x: list[mpf]) -> list[mpf]:
        """Takes in the input, and gives the derivative of what it means by what it is."""
        chain = [mpf(1)] * len(x)
        self.unsure = [mpf(0)] * len(x)
        self.accuracy = accuracy("f64" if self.is_double else "f32")
        farther = self.target.farthest
        if self.kind == "logits":
            z, chain = transformed(x, self.options)
            self.unsure = unsureness(z, self.options)
            self.log_p = log_softmax(z)
            self.p = list(map(mp.exp, self.log_p))
            farther = max(farther, farthest(z))
        elif self.kind == "log_probs":
            self.log_p, self.p = x, list(map(mp.exp, x))
        else:
            self.log_p, self.p = list(map(logarithm, x)), x
        if self.is_double:
            self.accuracy *= min(max(mpf(1), farther / 100), mpf("1e13"))  # an error of 1 in every probability
        return chain

    def loss_bound(self, scale: mpf) -> mpf:
        return scale * self.bound

    def add_up(self) -> None:
        q, p, d = self.target.q, self.p, self.distance
        terms = []
        for q_c, p_c, d_c in zip(q, p, d):
            term = q_c * d_c if q_c else mpf(0)
            terms.append(term if self.is_plain else term - q_c + p_c)
        self.loss = mp.fsum(terms)
        if not mp.isfinite(self.loss):
            return
        logs = [
            (p_c, q_c, abs(log_p), abs(log_q))
            for p_c, q_c, log_p, log_q in zip(p, q, self.log_p, self.target.log_q)
            if mp.isfinite(log_p) and mp.isfinite(log_q)
        ]
        if self.is_plain:
            size = mp.fsum(map(abs, terms))
            cost = mpf("1e-15") * mp.fsum(q_c * (1 + log_p + log_q) for _, q_c, log_p, log_q in logs)
        else:
            size, cost = self.loss, mpf(0)
            for p_c, q_c, log_p, log_q in logs:
                delta = mpf("1e-15") * (1 + max(log_p, log_q))
                cost += min(q_c, abs(q_c - p_c)) * delta + min(q_c, p_c) * delta**2
        self.bound = accuracy("f64" if self.is_double else "f32") * size + cost
        # Rounding of logits that are divided, scaled or capped, and of the rest of a sparse target.
        self.bound += mp.fsum(abs(self.total * p_c - q_c) * off for p_c, q_c, off in zip(p, q, self.unsure))
        self.bound += mp.fsum(off * (1 + abs(d_c)) for off, d_c, q_c in zip(self.off, d, q) if off) + mp.fsum(self.lost)
        if self.is_of_logits and "temperature" in self.options:
            mean = mp.fsum(q_c * d_c for q_c, d_c in zip(q, d) if q_c)
            far = mpf(2) ** -50 * self.target.farthest
            self.bound += mp.fsum(abs(q_c * (d_c - mean)) * far for q_c, d_c in zip(q, d) if q_c)

    def slope(self, c: int) -> Pair:
        """The derivative by the logit, logarithm or probability of a class, and what its bound is relative to."""
        q, p = self.target.q[c], self.p[c]
        if self.kind == "logits":
            return self.total * p - q, max(self.total * p, q)
        if self.kind == "log_probs":
            return (-q, q) if self.is_plain else (p - q, max(p, q))
        ratio = mpf(0) if q == 0 else q / p if p else mp.inf
        return (-ratio, ratio) if self.is_plain else (1 - ratio, max(mpf(1), ratio))

    def differentiate(self) -> None:
        one = mpf(1 if self.is_plain else 0)
        moved = 2 * max(self.unsure)
        units = []
        for c, d_c in enumerate(self.distance):
            sizes = [abs(value) if mp.isfinite(value) else 0 for value in (self.target.log_q[c], self.log_p[c])]
            bound = self.accuracy * (1 + sum(sizes)) + moved
            if self.off[c]:
                bound += self.off[c] / self.target.q[c]
            units.append((d_c + one, bound))
        self.target_slopes = chained(self.target, units, self.options)


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """The fields that say what the case must give."""
    rows, options = layout(case), case["options"]
    x = exact(case, "")
    s = exact(case, "sample_weight_") if "sample_weight" in case else [mpf(1)] * len(rows.starts)
    made: list[DivergenceRow | None] = []
    wanted = case.get("grad_at")
    divisor = mpf(0)
    for i, target in enumerate(targets(case)):
        if target is None:
            made.append(None)
            continue
        divisor += s[i] if options.get("mean_over", "weight") == "weight" else 1
        places = rows.places(i)
        columns = [c for c, place in enumerate(places) if wanted is None or place in wanted]
        made.append(DivergenceRow([x[place] for place in places], target, case, columns) if s[i] else None)
    scales = [s_i * squared_temperature(options) for s_i in s]
    reduction = Reduction(case, rows.starts, rows.classes, rows.step, scales, divisor)
    grad_dtype = case.get("grad_dtype", case["dtype"])
    fields = reduction.losses(made) | reduction.grads("grad", made, grad_dtype, wanted)
    if "grad_target" in case:
        fields |= reduction.grads("grad_target", made, case["target_dtype"], None)
    return fields
