"""The rows that an adversary would try, for worst_inputs.py: near what each step of the computation is good for.

Numbers whose exponential is most wrong, and sums of many of those; rows that are far apart, far from 0, long, masked or
made of exponentials too small for normal numbers; and random ones. The seed is fixed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import crossentropy as ce

Array = npt.NDArray[Any]
Wide = np.longdouble

SEED = 20260801
BLOCK = 4096  # classes that the library sums at a time
LN2 = float(np.log(2))
# Rows of f32 whose loss lies here, relative to a power of two: close below it.
POWERS = [2.0**-3, 2.0**-2, 2.0**-1, 1.0, 2.0**-10, 2.0**-60, 2.0**-120]


@dataclass
class Rows:
    """Rows of one length, and where they come from."""

    x: Array
    labels: Array
    origin: str


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
    yield from masked_rows(np.float32, generator)
    yield from tiny_rows(np.float32, generator)
    yield from tiny_hard_rows(low, high, generator)
    yield from very_long_rows(np.float32, generator)


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
    yield from masked_rows(np.float64, generator)
    yield from tiny_rows(np.float64, generator)
    yield from very_long_rows(np.float64, generator)


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


def masked_rows(dtype: Any, generator: np.random.Generator) -> Iterator[Rows]:
    """Finite masks, from -1e4 to nearly the largest number: at the begin of a row or of a later block, or anywhere."""
    single = dtype == np.float32
    masks = [-1e4, -(2.0**18), -1e8, -1e30, -(2.0**127) * 1.999] if single else [-1e4, -1e8, -1e13, -1e300, -1.79e308]
    for classes in (17, 20, 33, 129, 1000, BLOCK + 30, 2 * BLOCK + 100):
        count = max(3, 3000 // classes)
        begin = np.arange(classes) % BLOCK < 16
        for mask in masks:
            for spread in (1, 10, 60):
                for where, masked in (
                    ("at the begin of blocks", begin),
                    ("at the begin of later blocks", begin & (np.arange(classes) >= 16)),
                    ("but for the last", np.arange(classes) < classes - 1),
                    ("by half", generator.random((count, classes)) < 0.5),
                    ("nearly all", generator.random((count, classes)) < 0.97),
                ):
                    x = generator.normal(size=(count, classes)) * spread / 3
                    labels = generator.integers(0, classes, count)
                    # The label is not masked, leads by as much as the others are apart, or is among them.
                    x[::2][np.arange(len(x[::2])), labels[::2]] += spread
                    kept = x[np.arange(count), labels]
                    x = np.where(masked, mask, x)
                    x[np.arange(count), labels] = kept
                    origin = f"rows of {classes} classes masked with {mask:.3g} {where}, spread {spread}"
                    yield Rows(x.astype(dtype), labels, origin)
                    if spread == 10:
                        # Beside half the mask, which is as far from 0 as it.
                        x = np.where(x == mask, 0, x) + mask / 2 + np.where(x == mask, mask / 2, 0)
                        yield Rows(x.astype(dtype), labels, origin + ", at half of it")


def tiny_rows(dtype: Any, generator: np.random.Generator) -> Iterator[Rows]:
    """A largest logit, and beside it exponentials that are below the normal numbers but for their sum."""
    single = dtype == np.float32
    end = 126 * LN2 if single else 1022 * LN2  # where exp(-x) is the smallest normal number
    cut = 130.0 if single else 751.0  # where the library leaves exponentials out
    for others in (1, 2, 15, 40, 128, 256, 3000, BLOCK, 3 * BLOCK + 100):
        count = max(2, 4000 // others)
        for spread in (0.0, 0.1, 3.0):
            for number in range(4):
                # Sums of 1 to 20 times the smallest normal number.
                distance = end + np.log(others) - generator.uniform(0, 3, (count, 1))
                x = -distance + spread * np.log(generator.uniform(0.01, 1, (count, others)))
                yield _largest_beside(
                    x, dtype, generator, f"sums of {others} tiny exponentials, spread {spread}, {number}"
                )
            # Some that are a normal number, and the others where they are just left out or just not.
            x = -cut + generator.uniform(-0.1, 0.1, (count, others))
            x[:, : max(1, others // 1000)] = -end + 0.1
            yield _largest_beside(x, dtype, generator, f"{others} exponentials at the cutoff, spread {spread}")


def tiny_hard_rows(low: Array, high: Array, generator: np.random.Generator) -> Iterator[Rows]:
    """Many copies of a number whose exponential is most wrong, so low that only their sum is a normal number."""
    for hard in (low, high):
        for copies in (1, 20, 300, 2 * BLOCK):
            x = generator.choice(hard, 60).astype(np.float64)
            m = x + 126 * LN2 + np.log(copies) - generator.uniform(0, 3, len(x))
            rows = np.repeat(x[:, None], copies + 1, axis=1)
            rows[:, 0] = m
            yield Rows(rows.astype(np.float32), np.zeros(len(x), np.int64), "")
            yield Rows(np.ascontiguousarray(rows[:, ::-1]).astype(np.float32), np.full(len(x), copies, np.int64), "")


def _largest_beside(x: Array, dtype: Any, generator: np.random.Generator, origin: str) -> Rows:
    """Rows with a 0 at a random place, which is the label's, or at the begin."""
    count, others = x.shape
    place = generator.integers(0, others + 1, count) if generator.random() < 0.5 else np.zeros(count, np.int64)
    rows = np.empty((count, others + 1))
    for row, at, values in zip(rows, place, x):
        row[:at], row[at], row[at + 1 :] = values[:at], 0, values[at:]
    return Rows((rows + generator.choice([0.0, 1.5])).astype(dtype), place, origin)


def very_long_rows(dtype: Any, generator: np.random.Generator) -> Iterator[Rows]:
    """Several 100,000 classes: ordinary, confident, masked, tiny, and with the largest in the last block."""
    single = dtype == np.float32
    end = 126 * LN2 if single else 1022 * LN2
    for classes in (BLOCK * 64, 300_000, 524_288 + 17):
        labels = generator.integers(0, classes, 2)
        for spread in (1.0, 10.0, 60.0):
            for confident in (False, True):
                x = generator.normal(size=(2, classes)) * spread / 6
                if confident:
                    x[[0, 1], labels] += spread + 12
                yield Rows(
                    x.astype(dtype), labels, f"rows of {classes} classes, spread {spread}, confident {confident}"
                )
        for mask in (-1e8, -1e30):
            x = np.where(np.arange(classes) % BLOCK < BLOCK - 100, mask, generator.normal(size=(2, classes)))
            x[[0, 1], labels] = 3
            yield Rows(x.astype(dtype), labels, f"rows of {classes} classes masked with {mask:g}")
        for spread in (0.0, 3.0):
            x = -(end + np.log(classes) - 1.0) + spread * np.log(generator.uniform(0.01, 1, (2, classes)))
            x[[0, 1], labels] = 0
            yield Rows(x.astype(dtype), labels, f"rows of {classes} classes, tiny, spread {spread}")
        # Blocks that differ: each is so many e-folds from the next one.
        steps = np.repeat(generator.uniform(-20, 0, (2, classes // BLOCK + 1)), BLOCK, axis=1)[:, :classes]
        x = steps + generator.normal(size=(2, classes))
        yield Rows(x.astype(dtype), labels, f"rows of {classes} classes in uneven blocks")


def _step(x: Array, steps: Array) -> Array:
    """The f32 number `steps` above x, which may be negative."""
    bits = x.view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits) + steps
    return np.where(ordered < 0, -ordered | 0x80000000, ordered).astype(np.uint32).view(np.float32)
