"""Random problems for the property tests: shapes, memory layouts, targets and options."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Array = npt.NDArray[Any]

LABEL_DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

# Beside every small number: one below, at and above the widths of vectors and blocks.
CLASSES = st.one_of(
    st.integers(1, 40),
    st.sampled_from([63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 1023, 1025, 2049]),
)


@dataclass
class Problem:
    x: Array
    target: Array
    options: dict[str, Any]


@st.composite
def problems(draw: st.DrawFn, strange: bool = True) -> Problem:
    """A problem that is answered without an error; with ``strange`` NaN and infinities occur."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    row_shape = draw(st.lists(st.integers(0, 5) | st.integers(1, 3), max_size=3))
    classes = draw(CLASSES)
    position = draw(st.integers(0, len(row_shape)))
    shape = (*row_shape[:position], classes, *row_shape[position:])
    input_type = draw(st.sampled_from(["logits", "logits", "logits", "probs", "log_probs"]))
    spread = draw(st.sampled_from([0.1, 1.0, 10.0] + [1e3] * (dtype == np.float32)))

    options: dict[str, Any] = {
        "axis": position - draw(st.sampled_from([0, len(shape)])),
        "input_type": input_type,
        "label_smoothing": draw(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "mean_over": draw(st.sampled_from(["weight", "mass", "count", 0.5, 17])),
        "empty": draw(st.sampled_from(["nan", "zero"])),
        "ignore_index": draw(st.sampled_from([-100, None, 0, classes - 1, 120])),
    }
    if input_type == "logits":
        x = spread * rng.standard_normal(shape)
        if dtype == np.float64:  # differences that are exact, for the reference's sake
            x = np.round(x * 1024) / 1024
    elif input_type == "probs":
        x = rng.uniform(0.001, 0.999, shape)
        options["clip"] = draw(st.sampled_from([0.0, 1e-7, 0.25]))
    else:
        x = -spread * rng.random(shape)
    x = x.astype(dtype)
    if strange and draw(st.integers(0, 3)) == 0:
        odd = {
            "logits": [-np.inf, -np.inf, np.inf, np.nan],
            "probs": [0.0, -0.0, 1.0, -0.5, np.nan],
            "log_probs": [-np.inf, np.inf, np.nan],
        }[input_type]
        x = np.where(rng.random(shape) < 0.05, rng.choice(odd, shape), x).astype(dtype)

    if draw(st.booleans()):
        largest = classes - 1
        fitting = [name for name in LABEL_DTYPES if np.iinfo(name).max >= max(largest, 120)]
        label_dtype = np.dtype(draw(st.sampled_from(fitting)))
        target = rng.integers(0, classes, row_shape)
        ignored = options["ignore_index"]
        if ignored is not None and np.iinfo(label_dtype).min <= ignored:
            target = np.where(rng.random(row_shape) < 0.2, ignored, target)
        target = target.astype(label_dtype)
    else:
        target = rng.random(shape) * (rng.random(shape) < draw(st.sampled_from([0.3, 1.0])))
        if draw(st.booleans()):
            total = target.sum(position, keepdims=True)
            target = target / np.where(total == 0, 1, total)
        target = target.astype(draw(st.sampled_from([np.float32, np.float64])))

    for name, weight_shape in (("weight", [classes]), ("sample_weight", row_shape)):
        if draw(st.booleans()):
            values = rng.uniform(0.1, 3, weight_shape)
            values = np.where(rng.random(weight_shape) < 0.2, 0, values)
            weight_dtype = draw(st.sampled_from([np.float32, np.float64]))
            options[name] = in_some_layout(draw, rng, values.astype(weight_dtype))
    return Problem(in_some_layout(draw, rng, x), in_some_layout(draw, rng, np.asarray(target)), options)


def in_some_layout(draw: st.DrawFn, rng: np.random.Generator, array: Array) -> Array:
    """The same numbers somewhere else: transposed, with gaps, backwards, off alignment."""
    if draw(st.booleans()):
        return np.ascontiguousarray(array).reshape(array.shape)
    order = rng.permutation(array.ndim)
    steps = rng.choice([1, 1, 2, 3], array.ndim)
    signs = rng.choice([1, 1, -1], array.ndim)
    extent = [array.shape[i] * step + 1 for i, step in zip(order, steps)]
    offset = draw(st.sampled_from([0, 0, 1]))
    memory = np.zeros(math.prod(extent) * array.itemsize + offset, np.uint8)
    grid = memory[offset:].view(array.dtype).reshape(extent)
    cut = tuple(slice(0, array.shape[i] * step, step) for i, step in zip(order, steps))
    reverse = tuple(slice(None, None, sign) for sign in signs)
    view = grid[(*cut, ...)][(*reverse, ...)]
    view = view.transpose(np.argsort(order))
    view[...] = array
    return view


# Short rows and rows whose classes are strided are computed 16 at a time, long contiguous ones one at a time.
GROUP = 16


def mixed_problem(rows: int, classes: int, dtype: str, seed: int) -> Problem:
    """Labels, weights and logits of which some are NaN, infinite, ignored or 0."""
    rng = np.random.default_rng(seed)
    x = (rng.choice([0.5, 5.0, 60.0], (rows, 1)) * rng.standard_normal((rows, classes))).astype(dtype)
    odd_row = rng.random(rows)
    places = rng.integers(0, classes, rows)
    for row, chance, column in zip(x, odd_row, places):
        if chance < 0.3:
            row[column] = rng.choice([np.nan, np.inf, -np.inf, -np.inf])
    target = np.where(rng.random(rows) < 0.15, -100, rng.integers(0, classes, rows))
    options: dict[str, Any] = {"grad_loss": 0.7}
    odd = [0.0, np.inf, -1.5, 1e-40, np.nan]
    for name, length in (("weight", classes), ("sample_weight", rows)):
        if rng.random() < 0.6:
            weights = np.where(rng.random(length) < 0.15, rng.choice(odd, length), rng.uniform(0.1, 3, length))
            options[name] = weights.astype(rng.choice(["f4", "f8"]))
    return Problem(x, target, options)


def bits(*results: Any) -> list[bytes]:
    return [np.ascontiguousarray(result).tobytes() for result in results]
