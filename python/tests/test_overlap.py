"""Outputs overlap an input if they share a byte with it, and then only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

import crossentropy as ce

Array = npt.NDArray[Any]


@st.composite
def two_views(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two views [rows, classes] of one memory, as slicing makes them, often close to each other."""
    rows, classes = draw(st.integers(1, 6)), draw(st.integers(1, 20))
    memory = np.zeros(4000, np.float32)
    bases = [memory[:3600].reshape(60, 60), memory[:3600].reshape(60, 60).T, memory[7:3607].reshape(72, 50)]
    bases += [memory[start:3600:2].reshape(36, 50) for start in (0, 1)]

    def view() -> Array:
        base = draw(st.sampled_from(bases))
        row_step, class_step = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        row = draw(st.integers(0, 5) | st.integers(0, base.shape[0] - rows * row_step))
        column = draw(st.integers(0, base.shape[1] - classes * class_step))
        cut = base[row : row + rows * row_step : row_step, column : column + classes * class_step : class_step]
        return cut[:: draw(st.sampled_from([1, -1])), :: draw(st.sampled_from([1, -1]))]

    return view(), view()


def is_refused_for_overlap(x: Array, **arguments: Any) -> bool:
    try:
        ce.cross_entropy_with_grad(x, **arguments)
    except ValueError as error:
        assert "overlap" in str(error)  # noqa: PT017  (no error is an answer too)
        return True
    return False


@given(two_views(), st.data())
def test_overlap_is_sharing_a_byte(views: tuple[Array, Array], data: st.DataObject) -> None:
    """Outputs are refused exactly where NumPy finds memory that they share with an input."""
    x, other = views
    target = np.zeros(len(x), np.int64)
    same = x.ctypes.data == other.ctypes.data and x.strides == other.strides
    shares = np.shares_memory(x, other)
    assert is_refused_for_overlap(x, target=target, grad=other) == (shares and not same)

    losses = other[:, data.draw(st.integers(0, other.shape[1] - 1))]
    shares = np.shares_memory(x, losses)
    assert is_refused_for_overlap(x, target=target, reduction="none", out=losses) == shares


@given(st.data())
def test_overlap_of_fields_is_sharing_a_byte(data: st.DataObject) -> None:
    """The same for views of different dtypes, as the fields of records are, at any byte."""
    rows, classes = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    record = 8 * data.draw(st.integers(1, 9))
    memory = np.zeros(1024, np.uint8)

    def field(dtype: str, shape: tuple[int, ...]) -> Array:
        strides = (record, np.dtype(dtype).itemsize)[: len(shape)]
        return np.ndarray(shape, dtype, memory, data.draw(st.integers(0, 2 * record)), strides)

    x = field("f4", (rows, classes))
    arguments = {
        "target": field("u1", (rows,)),
        "sample_weight": field("f8", (rows,)),
        "out": field(data.draw(st.sampled_from(["f4", "f8"])), (rows,)),
    }
    inputs = x, arguments["target"], arguments["sample_weight"]
    shares = any(np.shares_memory(arguments["out"], each) for each in inputs)
    assert is_refused_for_overlap(x, reduction="none", **arguments) == shares
