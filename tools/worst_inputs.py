#!/usr/bin/env python3
"""Looks for the inputs on which the published bounds are most nearly reached, and prints the worst as a Markdown table.

    PYTHONPATH=python:. python tools/worst_inputs.py

The bounds are those of include/crossentropy.h for logits with labels. An adversary makes the rows: it looks for numbers
whose exponential the library gets most wrong, and sums many of those, with the loss just below a power of two, where a
unit in the last place is relatively smallest. Other rows are there to be far apart, long, or random.

NumPy's long double, with 11 bits more than f64 (x86-64), is exact enough to choose by; the errors in the table are
computed once more with mpmath. The seed is fixed, so every run finds the same. One thread; below two minutes. The exit
status is 1 if a bound does not hold.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import mpmath as mp
import numpy as np
import numpy.typing as npt

import crossentropy as ce

Array = npt.NDArray[Any]
Wide = np.longdouble

SEED = 20260801
BLOCK = 4096  # classes that the library sums at a time
LN2 = float(np.log(2))
SMALLEST = {"f32": 2.0**-126, "f64": 2.0**-1022}  # normal; smaller probabilities may become 0
# Rows of f32 whose loss lies here, relative to a power of two: close below it.
POWERS = [2.0**-3, 2.0**-2, 2.0**-1, 1.0, 2.0**-10, 2.0**-60, 2.0**-120]


@dataclass
class Rows:
    """Rows of one length, and where they come from."""

    x: Array
    labels: Array
    origin: str


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
        # Two ways through the library: without a gradient, and with one.
        losses = ce.cross_entropy(x, labels, reduction="none")
        losses_too, gradients = ce.cross_entropy_with_grad(x, labels, reduction="none")

        z = x.astype(Wide)
        largest = z.argmax(axis=1)
        z -= z[count, largest][:, None]
        distance = -z[count, labels]
        e = np.exp(z)
        smallest = SMALLEST[self.dtype]
        # Probabilities that may become 0, which is no error.
        optional = np.where(e < smallest, e, 0).sum(axis=1)
        others = e.copy()
        others[count, largest] = 0
        rest = others.sum(axis=1)
        total = 1 + rest
        want = distance + np.log1p(rest)
        at = np.flatnonzero(want >= smallest)
        for got in (losses, losses_too):
            error = _excess(got[at] - want[at], optional[at])
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
        error = _excess(got + slope[at], optional[at]) / slope[at]
        self.gradients["target"][is_long].offer(error, rows, at, labels[at], got)
        is_normal = (p >= smallest) & (e >= smallest)
        is_normal[count, labels] = False
        for name, chosen in (("likely", is_normal & (p >= 1e-6)), ("unlikely", is_normal & (p < 1e-6))):
            r, c = np.nonzero(chosen)
            got = gradients[r, c]
            self.gradients[name][is_long].offer(np.abs(got / p[r, c] - 1), rows, r, c, got)


def _excess(error: Array, optional: Array) -> Array:
    excess: Array = np.maximum(np.abs(error) - optional, 0)
    return excess


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
    broken = False
    for bound in [*single.all(), *double.all()]:
        worst = confirmed(bound, SMALLEST[bound.what[:3]])
        broken |= not worst <= bound.limit
        number = f"{worst:.3f} ulp" if bound.unit == "ulp" else f"{worst:.2e}"
        limit = f"{bound.limit:g} ulp" if bound.unit == "ulp" else f"{bound.limit:.0e}".replace("e-0", "e-")
        number = number.replace("e-0", "e-") + ("" if worst <= bound.limit else ", **not kept**")
        print(f"| {bound.what} | {limit} | {number} | {bound.where} |")
    print(f"\n{tried} rows.", file=sys.stderr)
    return int(broken)


def confirmed(bound: Bound, smallest: float) -> float:
    """The error of the worst input, in mpmath."""
    if bound.found is None:
        return 0.0
    row, label, c, got = bound.found
    # lse - z loses what lies between the smallest exponential and 1.
    with mp.workdps(700):
        values = [(mp.mpf(value), len(list(same))) for value, same in groupby(np.sort(row[row > -np.inf]).tolist())]
        z, m = mp.mpf(float(row[label])), values[-1][0]
        terms = [count * mp.exp(value - m) for value, count in values]
        total = sum(terms)
        optional = sum(term for term, (_, count) in zip(terms, values) if term < count * mp.mpf(smallest))
        want = mp.log(total) + m - z if c is None else mp.exp(mp.mpf(float(row[c])) - m) / total - (c == label)
        error = max(abs(mp.mpf(got) - want) - (optional if c in (None, label) else 0), 0)
        return float(error / (mp.mpf(2) ** (mp.frexp(want)[1] - 24) if bound.unit == "ulp" else abs(want)))


# --- f32 -------------------------------------------------------------------------------------------------------------


def searches_f32() -> Iterator[Rows]:
    generator = np.random.default_rng(SEED)
    low, high = hard_exponentials(keep=2000)
    for x in (low, high):
        yield from confident_rows(x[:48])
    yield from opposed_rows(low, high, generator)
    yield from opposed_rows(high, low, generator)
    yield from random_rows(np.float32, generator)
    yield from far_rows(np.float32, generator)


def hard_exponentials(keep: int) -> tuple[Array, Array]:
    """The f32 numbers whose exponential is relatively most too small, and most too large.

    Asked of the library itself, in rows of two whose loss it gives in f64. An exponential is 2^n times a factor between
    0.70 and 1.42; the error is relatively worst where that is near an end, so those numbers are tried, all of them.
    """
    numbers: list[Array] = []
    errors: list[Array] = []
    for sign in (0, 1):
        for exponent in range(127 - 2, 127 + 17):
            start = (sign << 31) | (exponent << 23)
            for part in range(start, start + (1 << 23), 1 << 20):
                x = np.arange(part, part + (1 << 20), dtype=np.uint32).view(np.float32)
                turns = x * (1 / LN2)  # in f32, which is good enough to choose by
                x = x[np.abs(turns - np.rint(turns)) > 0.46]
                m = x + np.float32(2)
                loss = np.empty(len(x))
                ce.cross_entropy(np.column_stack([m, x]), np.zeros(len(x), np.int64), reduction="none", out=loss)
                error = np.expm1(loss.astype(Wide)) / np.exp(x.astype(Wide) - m.astype(Wide)) - 1
                order = np.argsort(error)
                best = np.concatenate([order[: keep // 8], order[-keep // 8 :]])
                numbers.append(x[best])
                errors.append(error[best])
    x, error = np.concatenate(numbers), np.concatenate(errors)
    order = np.argsort(error)
    print(f"exponentials off by {error[order[0]]:.3e} to {error[order[-1]]:.3e}", file=sys.stderr)
    return x[order[:keep]], x[order[-keep:][::-1]]


def confident_rows(hard: Array) -> Iterator[Rows]:
    """[m, x, ..., x] with m such that the loss is close below a power of two."""
    for copies, tried, steps in (
        (1, 48, 3000),
        (2, 48, 2000),
        (3, 48, 1000),
        (7, 48, 500),
        (40, 24, 200),
        (6000, 2, 20),
    ):
        for power in POWERS:
            x = hard[:tried].astype(np.float64)
            m = (x + np.log(copies) - np.log(np.expm1(power))).astype(np.float32)
            rows = np.repeat(hard[:tried], steps)
            upwards = np.tile(np.arange(1, steps + 1), tried)
            near = _step(np.repeat(m, steps), upwards)
            x = np.repeat(rows[:, None], copies + 1, axis=1)
            x[:, 0] = near
            yield Rows(x, np.zeros(len(x), np.int64), "")
            # The largest last, and the label beside it.
            yield Rows(np.ascontiguousarray(x[:, ::-1]), np.zeros(len(x), np.int64), "")


def opposed_rows(one: Array, many: Array, generator: np.random.Generator) -> Iterator[Rows]:
    """Numbers whose exponential errs one way, and beside them many that err the other way, which make up the sum."""
    many = np.sort(many)
    for reach, copies in ((1, 200), (3, 200), (12, 40), (86, 10)):
        for label in (0, 1) * 10:
            x = generator.choice(one, 4000)
            wanted = x + generator.uniform(-min(reach, 3), reach, len(x))
            y = many[np.searchsorted(many, wanted).clip(0, len(many) - 1)]
            # The pad is of impossible classes, so that rows of all these lengths are one array.
            is_pad = np.arange(copies) >= generator.integers(1, copies + 1, len(x))[:, None]
            rows = np.column_stack([x, np.where(is_pad, np.float32(-np.inf), y[:, None])])
            rows = rows[np.abs(x.astype(np.float64) - y) < 87]
            yield Rows(rows, np.full(len(rows), label, np.int64), "")


# --- f64 -------------------------------------------------------------------------------------------------------------


def searches_f64() -> Iterator[Rows]:
    generator = np.random.default_rng(SEED + 1)
    yield from pairs(generator)
    yield from random_rows(np.float64, generator)
    yield from far_rows(np.float64, generator)


def pairs(generator: np.random.Generator) -> Iterator[Rows]:
    """[m, x] where x has a hard factor, with losses of every size."""
    for number in range(24):
        count = 1 << 17
        scale = 2.0 ** generator.integers(0, (10, 20, 42)[number % 3], count)
        n = np.rint(generator.uniform(-1, 1, count) * scale)
        x = (n + 0.5 + generator.normal(size=count) * 0.02) * LN2
        m = x + 2.0 ** generator.uniform(-6, 9.46, count)
        label = np.zeros(count, np.int64) + number % 2
        yield Rows(np.column_stack([m, x]), label, "")


# --- Both ------------------------------------------------------------------------------------------------------------


def random_rows(dtype: Any, generator: np.random.Generator) -> Iterator[Rows]:
    """Normal, uniform and confident ones, of every length and spread, near 0 and far from it."""
    far = 2.0**18 if dtype == np.float32 else 2.0**41
    for classes in (2, 3, 10, 16, 17, 100, 129, 1000, BLOCK, BLOCK + 17, 2 * BLOCK + 100):
        for spread in (0.01, 0.3, 1, 3, 10, 30, 85):
            for offset in (0, 3.3, -1000.7, far):
                for confident in (False, True):
                    count = max(4, 40000 // classes)
                    x = generator.normal(size=(count, classes)) * spread / 3
                    if spread >= 3:
                        x = np.clip(x, -spread / 2, spread / 2)
                    labels = generator.integers(0, classes, count)
                    if confident:
                        x[np.arange(count), labels] += spread
                    origin = f"{'confident' if confident else 'random'}, {classes} classes, "
                    origin += f"spread {spread}, offset {offset}"
                    yield Rows((x + offset).astype(dtype), labels, origin)


def far_rows(dtype: Any, generator: np.random.Generator) -> Iterator[Rows]:
    """A row's largest m, and 16 and 24 numbers far below it, in the same block or in the next one.

    The library relates the exponentials of a block to the largest of its first 16, so these are far from the rest.
    """
    reach = 87.0 if dtype == np.float32 else 708.0
    count = 40
    for is_long in (False, True):
        for _ in range(120):
            start = BLOCK if is_long else 1
            m = generator.uniform(-1, 1, count) * 10.0 ** generator.integers(-1, 8)
            b = generator.uniform(reach / 2 if generator.random() < 0.8 else 0, reach, count)
            a = np.maximum(b + generator.uniform(-1, 1, count) * generator.choice([1, 40]), 0)
            x = np.full((count, start + 40), -np.inf)
            x[:, start : start + 16] = (m - a)[:, None]
            x[:, start + 16 :] = (m - b)[:, None]
            x[:, 0] = m
            yield Rows(x.astype(dtype), np.zeros(count, np.int64), "")
            if not is_long:
                yield Rows(np.ascontiguousarray(x[:, ::-1]).astype(dtype), np.full(count, start + 39, np.int64), "")
    # In one block they are related to 16 that are up to 32 below the largest.
    count = 16000
    for size in 10.0 ** np.arange(-2, 5):
        m = generator.uniform(-1, 1, count) * size
        x = np.repeat((m - generator.uniform(16, 33, count))[:, None], 21, axis=1)
        x[:, 20] = m
        yield Rows(x.astype(dtype), np.full(count, 20, np.int64), "")


def _step(x: Array, steps: Array) -> Array:
    """The f32 number `steps` above x, which may be negative."""
    bits = x.view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits) + steps
    return np.where(ordered < 0, -ordered | 0x80000000, ordered).astype(np.uint32).view(np.float32)


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
