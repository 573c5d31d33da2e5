#!/usr/bin/env python3
"""Looks for the inputs on which the published bounds are most nearly reached, and prints the worst as a Markdown table.

    PYTHONPATH=python:. python tools/worst_inputs.py

The bounds are those of include/crossentropy.h for logits with labels. An adversary makes the rows: it looks for numbers
whose exponential the library gets most wrong, and sums many of those, with the loss just below a power of two, where a
unit in the last place is relatively smallest. Other rows are there to be far apart, long, masked, tiny or random
(worst_rows.py). Each is computed with and without a gradient; and where the class axis makes a difference, with that
axis last and first, which are two routes and have to give the same bits. CROSSENTROPY_ROUTE=rows has short rows take
the first of them too.

NumPy's long double, with 11 bits more than f64 (x86-64), is exact enough to choose by; the errors in the table are
computed once more with mpmath. The seed is fixed, so every run finds the same. One thread; below three minutes. The
exit status is 1 if a bound does not hold, or bits differ.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from itertools import groupby

import mpmath as mp
import numpy as np
from tools.worst_rows import BLOCK, Array, Rows, Wide, searches_f32, searches_f64

import crossentropy as ce

SMALLEST = {"f32": 2.0**-126, "f64": 2.0**-1022}  # normal; smaller probabilities may become 0
SHORT = 128  # classes of rows that are computed class by class wherever the class axis is


@dataclass
class Bound:
    """A promise, and how near it was come to."""

    what: str
    limit: float
    unit: str = "relative"
    worst: float = -1.0
    where: str = "no such row"
    # Exact once more: a row, its label, its class of the gradient (None: the loss), and what the library gave.
    found: tuple[Array, int, int | None, float] | None = None

    def offer(self, errors: Array, rows: Rows, at: Array, classes: Array | None, got: Array) -> None:
        """Takes the largest of `errors`; its row is `at[i]` of `rows`, its class `classes[i]`."""
        if len(errors) == 0 or not (errors.max() > self.worst or np.isnan(errors).any()):
            return
        i = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
        row, label = rows.x[at[i]], int(rows.labels[at[i]])
        self.worst = float(errors[i])
        c = None if classes is None else int(classes[i])
        self.where = f"{_text(row, rows.origin, at[i])}; label {label}" + ("" if c in (None, label) else f", class {c}")
        self.found = (row.copy(), label, c, float(got[i]))


class Bounds:
    """All of a dtype. Longer rows of f64 are kept apart, as another step of the computation bounds them."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.is_same = True
        if dtype == "f32":
            self.ulps: Bound | None = Bound("f32 loss, where it is ≥ 2^-4", 2, "ulp")
            self.losses = {False: Bound("f32 loss", 1e-6)}
            self.gradients = {
                "target": {False: Bound("f32 gradient at the target", 1e-6)},
                "likely": {False: Bound("f32 gradient elsewhere, probability ≥ 1e-6", 1e-6)},
                "unlikely": {False: Bound("f32 gradient elsewhere, probability < 1e-6", 5e-6)},
            }
        else:
            self.ulps = None
            self.losses = _by_length("f64 loss")
            elsewhere = _by_length("f64 gradient elsewhere")
            self.gradients = {
                "target": _by_length("f64 gradient at the target"),
                "likely": elsewhere,
                "unlikely": elsewhere,
            }

    def all(self) -> list[Bound]:
        """Without repetition, in the order of the table."""
        listed = [self.ulps] if self.ulps else []
        for is_long in (False, True):
            for bounds in (self.losses, *self.gradients.values()):
                if is_long in bounds and not any(bounds[is_long] is bound for bound in listed):
                    listed.append(bounds[is_long])
        return listed

    def try_rows(self, rows: Rows) -> None:
        """Computes the rows, and compares loss and gradient with the exact ones."""
        x, labels = rows.x, rows.labels
        count = np.arange(len(x))
        is_long = x.shape[1] > BLOCK and self.dtype == "f64"
        # Without a gradient, and with one.
        losses = ce.cross_entropy(x, labels, reduction="none")
        losses_too, gradients = ce.cross_entropy_with_grad(x, labels, reduction="none")
        if x.shape[1] > SHORT:
            self._compare(rows, losses_too, gradients)

        z = x.astype(Wide)
        largest = z.argmax(axis=1)
        z -= z[count, largest][:, None]
        distance = -z[count, labels]
        e = np.exp(z)
        smallest = SMALLEST[self.dtype]
        others = e.copy()
        others[count, largest] = 0
        rest = others.sum(axis=1)
        total = 1 + rest
        want = distance + np.log1p(rest)
        at = np.flatnonzero(want >= smallest)
        for got in (losses, losses_too):
            error = np.abs(got[at] - want[at])
            self.losses[is_long].offer(error / want[at], rows, at, None, got[at])
            if self.ulps:
                large = want[at] >= 2**-4
                ulp = np.ldexp(Wide(1), np.frexp(want[at])[1] - 24)
                self.ulps.offer((error / ulp)[large], rows, at[large], None, got[at][large])

        # p - 1 at the target, without its cancellation.
        p = e / total[:, None]
        slope = np.where(largest == labels, rest, total - e[count, labels]) / total
        at = np.flatnonzero(slope >= smallest)
        got = gradients[at, labels[at]]
        error = np.abs(got + slope[at]) / slope[at]
        self.gradients["target"][is_long].offer(error, rows, at, labels[at], got)
        is_normal = (p >= smallest) & (e >= smallest)
        is_normal[count, labels] = False
        for name, chosen in (("likely", is_normal & (p >= 1e-6)), ("unlikely", is_normal & (p < 1e-6))):
            r, c = np.nonzero(chosen)
            got = gradients[r, c]
            self.gradients[name][is_long].offer(np.abs(got / p[r, c] - 1), rows, r, c, got)

    def _compare(self, rows: Rows, losses: Array, gradients: Array) -> None:
        """Class by class, too: the class axis first."""
        x = np.ascontiguousarray(rows.x.T)
        other_losses, other_gradients = ce.cross_entropy_with_grad(x, rows.labels, axis=0, reduction="none")
        alone = ce.cross_entropy(x, rows.labels, axis=0, reduction="none")
        same = (other_losses == losses) & (alone == losses) & (gradients == other_gradients.T).all(axis=1)
        for row in np.flatnonzero(~same)[:1]:
            print(f"the class axis matters: {self.dtype}, row {row} of the {rows.origin}", file=sys.stderr)
            self.is_same = False


def _by_length(what: str) -> dict[bool, Bound]:
    return {
        False: Bound(f"{what}, up to {BLOCK} classes", 1e-13),
        True: Bound(f"{what}, more classes", 1e-13),
    }


def main() -> int:
    if np.finfo(Wide).nmant < 63:
        sys.exit("the long double of this machine is too short for exact values")
    ce.set_num_threads(1)
    np.seterr(under="ignore", invalid="ignore")
    single, double = Bounds("f32"), Bounds("f64")
    tried = 0
    for bounds, searches in ((single, searches_f32()), (double, searches_f64())):
        for rows in searches:
            bounds.try_rows(rows)
            tried += len(rows.x)

    print("| what | bound | worst found | at |\n|---|---|---|---|")
    broken = not (single.is_same and double.is_same)
    for bound in [*single.all(), *double.all()]:
        worst = confirmed(bound)
        broken |= not worst <= bound.limit
        number = f"{worst:.3f} ulp" if bound.unit == "ulp" else f"{worst:.2e}"
        limit = f"{bound.limit:g} ulp" if bound.unit == "ulp" else f"{bound.limit:.0e}".replace("e-0", "e-")
        number = number.replace("e-0", "e-") + ("" if worst <= bound.limit else ", **not kept**")
        print(f"| {bound.what} | {limit} | {number} | {bound.where} |")
    print(f"\n{tried} rows.", file=sys.stderr)
    return int(broken)


def confirmed(bound: Bound) -> float:
    """The error of the worst input, in mpmath."""
    if bound.found is None:
        return 0.0
    row, label, c, got = bound.found
    # Nothing cancels here: the largest stays out of the sum.
    with mp.workdps(50):
        values = [(mp.mpf(value), len(list(same))) for value, same in groupby(np.sort(row[row > -np.inf]).tolist())]
        z, m = mp.mpf(float(row[label])), values[-1][0]
        rest = values[-1][1] - 1 + mp.fsum(count * mp.exp(value - m) for value, count in values[:-1])
        if c is None:
            want = (m - z) + mp.log1p(rest)
        elif c == label:
            want = -rest / (1 + rest) if z == m else mp.exp(z - m) / (1 + rest) - 1
        else:
            want = mp.exp(mp.mpf(float(row[c])) - m) / (1 + rest)
        error = abs(mp.mpf(got) - want)
        return float(error / (mp.mpf(2) ** (mp.frexp(want)[1] - 24) if bound.unit == "ulp" else abs(want)))


def _text(row: Array, origin: str, number: int) -> str:
    """A row as its runs of equal numbers, where they are few."""
    runs = [(float(value), len(list(same))) for value, same in groupby(row.tolist())]
    if len(runs) > 5:
        return f"row {number} of the {origin}"
    return "`[" + ", ".join(_times(value, count) for value, count in runs) + "]`"


def _times(value: float, count: int) -> str:
    text = str(value) if np.isinf(value) else re.sub(r"\.?0+p", "p", value.hex())
    return text if count == 1 else f"{count} * {text}"


if __name__ == "__main__":
    sys.exit(main())
