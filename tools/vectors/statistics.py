"""What a row of logits tells beside its loss."""

from __future__ import annotations

import math
from typing import Any

from mpmath import mp, mpf

from .cross_entropy import transformed, unsureness
from .exact import FORMATS, accuracy, exact, layout, powers, ulp
from .reduction import fields as pair_fields
from .text import Raw


class Statistics:
    """What a row of logits tells beside its loss, as pairs of value and tolerance."""

    def __init__(self, z: list[mpf], label: int | None, dtype: str, off: mpf) -> None:
        bound = accuracy(dtype)
        undefined = (mp.nan, mpf(0))
        self.entropy = self.target_prob = undefined
        self.softmax = [undefined] * len(z)
        self.log_softmax = [undefined] * len(z)
        self.target_rank = -1
        largest = max((value for value in z if not mp.isnan(value)), default=mp.nan)
        if mp.isinf(largest) and (largest > 0 or not any(mp.isnan(value) for value in z)):
            self.lse = self.max = (largest, mpf(0))
            self.argmax = z.index(largest)
            return
        if any(mp.isnan(value) for value in z):
            self.lse = self.max = undefined
            self.argmax = -1
            return
        self.max, self.argmax = (largest, 2 * off + ulp(largest, "f64")), z.index(largest)
        parts = powers(z)
        total = mp.fsum(parts)
        log_total = mp.log(total)
        p = [part / total for part in parts]
        lowest = max(p) * mpf(2) ** (-1022 if dtype == "f64" else -126)
        may_be_zero = [value if value < lowest else mpf(0) for value in p]
        flushed = mp.fsum(may_be_zero)
        self.lse = (largest + log_total, bound * max(abs(largest), log_total) + flushed + off)
        terms = [-value * mp.log(value) if value else mpf(0) for value in p]
        entropy = mp.fsum(terms)
        lost = mp.fsum(term for term, zero in zip(terms, may_be_zero) if zero) + 2 * flushed
        self.entropy = (entropy, (bound + 2 * off) * entropy + lost + 2 * off * mp.fsum(
            value * abs(mp.log(value)) for value in p if value))  # fmt: skip
        for c, (z_c, value, zero) in enumerate(zip(z, p, may_be_zero)):
            relative = mpf("5e-6") if dtype != "f64" and value < mpf("1e-6") else bound
            self.softmax[c] = (value, (relative + 2 * off) * value + zero)
            if mp.isinf(z_c):
                self.log_softmax[c] = (z_c, mpf(0))
            else:
                gap = largest - z_c
                self.log_softmax[c] = (-gap - log_total, bound * max(gap, log_total) + flushed + 2 * off)
        if label is not None:
            self.target_prob = self.softmax[label]
            before = sum(value > z[label] for value in z)
            self.target_rank = before + sum(value == z[label] for value in z[:label])


def statistics(case: dict[str, Any]) -> dict[str, Any]:
    """The fields of the rows' statistics, of cases with logits in rows that are not too long."""
    options, shape = case["options"], case["shape"]
    has_others = {"mask", "ignore_indices", "loss_function", "target_probs"} & set(case)
    has_others |= {"temperature", "target_type"} & set(options)
    if options.get("input_type", "logits") != "logits" or math.prod(shape) > 12000 or has_others:
        return {}
    places, x = layout(case), exact(case, "")
    indexed = case["target_dtype"] not in FORMATS
    labels = [int(label) for label in exact(case, "target_")] if indexed else [None] * len(places.starts)
    rows = []
    for i, label in enumerate(labels):
        z, _ = transformed([x[place] for place in places.places(i)], options)
        ignored = indexed and label == options.get("ignore_index", -100)
        rows.append(Statistics(z, None if ignored else label, case["dtype"], max(unsureness(z, options))))
    fields: dict[str, Any] = {}
    for name in ("lse", "max", "entropy", "target_prob"):
        fields |= pair_fields(name, [getattr(row, name) for row in rows], "f64")
        if name == "max":  # mostly numbers of the input, which not every reader gets right from 20 digits
            fields[name] = [Raw(repr(float(text))) if isinstance(text, Raw) else text for text in fields[name]]
    fields["argmax"] = [row.argmax for row in rows]
    fields["target_rank"] = [row.target_rank for row in rows]
    wanted = case.get("grad_at", range(math.prod(shape)))
    if len(wanted) <= 200:
        number = {start: i for i, start in enumerate(places.starts)}
        for name in ("softmax", "log_softmax"):
            pairs = []
            for place in wanted:
                c = place // places.step % places.classes
                pairs.append(getattr(rows[number[place - c * places.step]], name)[c])
            fields |= pair_fields(name, pairs, case["dtype"])
    return {"statistics": fields}
