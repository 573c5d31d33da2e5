"""Second derivatives of cross-entropy: H v and the diagonal of H, of each row."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf

from .cross_entropy import masses, transformed, unsureness
from .exact import accuracy, exact, layout
from .reduction import Pair, Reduction
from .targets import Target, farthest


class HessianRow:
    """One row that counts; of reduction.Row only the slopes, which are H v, or with v None the diagonal of H.

    mass, mass_error: A, and how far it may be off.
    """

    def __init__(
        self, x: list[mpf], v: list[mpf] | None, mass: mpf, mass_error: mpf, case: dict[str, Any], wanted: list[int]
    ) -> None:
        options, dtype = case["options"], case["dtype"]
        z, chain = transformed(x, options)
        self.slopes: dict[int, Pair] = {}
        largest = max(z)
        undefined = any(mp.isnan(z_c) for z_c in z) or mp.isinf(largest) or mp.isnan(mass)
        if undefined:
            self.slopes = dict.fromkeys(range(len(x)), (mp.nan, mpf(0)))
            return
        powers = [mp.exp(z_c) for z_c in z]
        total = mp.fsum(powers)
        lse, lse_size = mp.log(total), abs(largest) + mp.log(total / mp.exp(largest))
        p = [power / total for power in powers]
        z_loss = 2 * mpf(options.get("z_loss", 0))
        stretch = accuracy(dtype) * (min(max(mpf(1), farthest(z) / 100), mpf("1e13")) if dtype == "f64" else 1)
        stretch += 4 * max(unsureness(z, options))
        lowest = max(p) * mpf(2) ** -1022
        if v is not None:
            k = z.index(largest)
            mean = mp.fsum(p_c * v_c for p_c, v_c in zip(p, v))
            spread = mp.fsum(p_c * abs(v_c - v[k]) for p_c, v_c in zip(p, v))
            mean_size = mp.fsum(p_c * abs(v_c) for p_c, v_c in zip(p, v))
        for c in wanted:
            p_c = p[c]
            if v is None:
                bent = bent_size = 1 - p_c
                mean = mean_size = p_c
            else:
                bent, bent_size = v[c] - mean, abs(v[c] - v[k]) + spread
            value = p_c * (mass * bent + z_loss * (mean + lse * bent))
            size = p_c * (abs(mass) * bent_size + z_loss * (mean_size + lse_size * bent_size))
            bound = stretch * size + p_c * mass_error * bent_size + (size if p_c < lowest else 0)
            self.slopes[c] = (value * chain[0] ** 2, bound * chain[0] ** 2)


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """The fields that say what the case must give."""
    rows, options = layout(case), case["options"]
    x = exact(case, "")
    v = exact(case, "vector_") if case["loss_function"] == "hessian_vector_product" else None
    w = exact(case, "weight_") if "weight" in case else [mpf(1)] * rows.classes
    unsmoothed = 1 - mpf(options.get("label_smoothing", 0))
    found, scales, a, divisor = masses(case)
    wanted = case.get("grad_at")

    def row(i: int, target: Target) -> HessianRow:
        places = rows.places(i)
        errors = mp.fsum(abs(w_c) * unsmoothed * target.error(c) for c, w_c in enumerate(w))
        columns = [c for c, place in enumerate(places) if wanted is None or place in wanted]
        vector = None if v is None else [v[place] for place in places]
        return HessianRow([x[place] for place in places], vector, mp.fsum(a[i]), errors, case, columns)

    made = [None if target is None else row(i, target) for i, target in enumerate(found)]
    reduction = Reduction(case, rows.starts, rows.classes, rows.step, scales, divisor)
    return reduction.grads("grad", made, case.get("grad_dtype", case["dtype"]), wanted)
