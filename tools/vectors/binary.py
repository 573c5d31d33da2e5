"""Binary cross-entropy: every element of the input is a problem of its own."""

from __future__ import annotations

import math
from typing import Any

from mpmath import mp, mpf

from .exact import FORMATS, accuracy, exact
from .reduction import Reduction


class Element:
    """One element of binary cross-entropy that counts; the fields are those of a row of one class.

    Masses a and b of the positive and of the negative term, as the file's header has them.
    """

    def __init__(self, x: mpf, a: mpf, b: mpf, case: dict[str, Any]) -> None:
        options = case["options"]
        gamma = mpf(options.get("focal_gamma", 0))
        self.loss, self.magnitude, self.flushed, self.widening = mpf(0), mpf(0), mpf(0), 1 + gamma
        self.accuracy, self.target_slopes = accuracy(case["dtype"]), {}
        slope, size, lost = mpf(0), mpf(0), mpf(0)
        is_probs = options.get("input_type", "logits") == "probs"
        low = options.get("clip", 0.0)
        used = x if low == 0 or mp.isnan(x) else min(max(x, mpf(low)), mpf(1 - low))
        if is_probs:
            p, other = used, 1 - used
        else:
            p, other = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
            tiny = mp.exp(-abs(x))
            lost = tiny if tiny < mpf(2) ** (-1022 if case["dtype"] == "f64" else -126) else mpf(0)
        for mass, sign, q, v in ((a, -1, p, other), (b, 1, other, p)):
            if mass == 0:
                continue
            if mp.isnan(mass) or mp.isnan(q) or q < 0 or q > 1:
                self.loss = slope = mp.nan
                break
            minus_log = -mp.log(q) if q else mp.inf
            power = v**gamma if gamma else mpf(1)
            term = abs(mass) * (power * minus_log if power else mpf(0))
            self.loss += term if mass > 0 else -term
            self.magnitude += term
            # The derivative of the term with respect to -log q, and of that with respect to x.
            bend = power + (gamma * q * power / v * minus_log if gamma and q and v else 0)
            step = (1 / q if q else mp.inf) if is_probs else v
            part = abs(mass) * bend * step if bend else mpf(0)
            slope += sign * (part if mass > 0 else -part)
            size += part
        if is_probs and used != x and not mp.isnan(x):
            slope, size = mpf(0), mpf(0)
        self.flushed = (abs(a) + abs(b)) * lost
        self.slopes = {0: (slope, self.widening * self.accuracy * size + self.flushed)}

    def loss_bound(self, scale: mpf) -> mpf:
        return self.widening * self.accuracy * scale * self.magnitude + scale * self.flushed


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """The fields that say what the case must give."""
    options = case["options"]
    shape = case["shape"] or [1]  # a single number is of one class
    axis = case.get("class_axis", -1) % len(shape)
    count, inner, classes = math.prod(shape), math.prod(shape[axis + 1 :]), shape[axis]
    x, target = exact(case, ""), exact(case, "target_")
    w = exact(case, "weight_") if "weight" in case else [mpf(1)] * classes
    v = exact(case, "pos_weight_") if "pos_weight" in case else [mpf(1)]
    s = exact(case, "sample_weight_") if "sample_weight" in case else [mpf(1)] * count
    w, v = w * classes if len(w) == 1 else w, v * classes if len(v) == 1 else v
    smooth = mpf(options.get("label_smoothing", 0))
    indexed = case["target_dtype"] not in FORMATS
    elements: list[Element | None] = []
    scales: list[mpf] = []
    divisor = mpf(0)
    for i in range(count):
        c = i // inner % classes
        ignored = indexed and target[i] == options.get("ignore_index", -100)
        assert ignored or not indexed or target[i] in (0, 1), case["name"]
        scales.append(s[i] * w[c])
        divisor += 0 if ignored else scales[i] if options.get("mean_over", "weight") == "weight" else 1
        y = (1 - smooth) * target[i] + smooth / 2
        skipped = ignored or scales[i] == 0
        elements.append(None if skipped else Element(x[i], v[c] * y, 1 - y, case))
    reduction = Reduction(case, range(count), 1, 1, scales, divisor)
    grad = reduction.grads("grad", elements, case.get("grad_dtype", case["dtype"]), case.get("grad_at"))
    return reduction.losses(elements) | grad
