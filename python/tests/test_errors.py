"""Wrong arrays: which exception, what its text says, and that nothing was written."""

from __future__ import annotations

import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from wrong_calls import CLASSES, ROWS, check, wrong_call

import crossentropy as ce


@pytest.mark.parametrize(
    "dtype",
    ["longdouble", "int64", "uint8", "bool", "complex64", "object", "U1", "M8[s]", ml_dtypes.float8_e5m2, "V2"],
)
def test_dtype_of_x(dtype: Any) -> None:
    x = np.zeros((ROWS, CLASSES), dtype)
    check(TypeError, "x has dtype", str(x.dtype), "float32, float64, float16 or bfloat16", x=x, grad=None)


def test_x_of_integers_is_told_why() -> None:
    check(TypeError, "predictions must be floating point", x=[[1, 2, 3]], target=[0])


@pytest.mark.parametrize("dtype", ["longdouble", "bool", "complex128", "object", "U1"])
def test_dtype_of_target(dtype: str) -> None:
    target = np.zeros(ROWS, dtype)
    check(TypeError, "target has dtype", str(target.dtype), "integers", "float32", target=target)


@pytest.mark.parametrize("name", ["weight", "sample_weight"])
@pytest.mark.parametrize("dtype", ["longdouble", "complex64", "object", "U1", "M8[s]", ml_dtypes.float8_e5m2])
def test_dtype_of_weights(name: str, dtype: Any) -> None:
    length = CLASSES if name == "weight" else ROWS
    weights = np.zeros(length, dtype)
    check(TypeError, f"{name} has dtype", str(weights.dtype), "float64", "integers or booleans", **{name: weights})


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "object"])
def test_dtype_of_outputs(dtype: str) -> None:
    check(TypeError, "out has dtype", dtype, "float32", out=np.zeros((), dtype))
    grad = np.zeros((ROWS, CLASSES), dtype)
    check(TypeError, "grad has dtype", dtype, "float64", grad=grad)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("dtype_of_x", ["float64", "float32", "same"])
def test_a_loss_does_not_have_16_bits(dtype: Any, dtype_of_x: str) -> None:
    x = np.zeros((ROWS, CLASSES), dtype if dtype_of_x == "same" else dtype_of_x)
    texts = f"out has dtype {np.dtype(dtype)}", "float32", "16 bits are for inputs and gradients"
    check(TypeError, *texts, x=x, grad=None, out=np.ones((), dtype))
    check(ValueError, "target has shape [4], but x has shape [4, 5]", x=x, grad=None, target=np.ones(ROWS, dtype))


@pytest.mark.parametrize("dtype_of_x", ["float64", "float32", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ml_dtypes.bfloat16])
def test_gradient_has_the_dtype_of_x(dtype_of_x: Any, dtype: Any) -> None:
    x, grad = np.zeros((ROWS, CLASSES), dtype_of_x), np.zeros((ROWS, CLASSES), dtype)
    if dtype == dtype_of_x or (x.itemsize == 2 and dtype == "float32"):
        assert ce.cross_entropy_with_grad(x, np.arange(ROWS), grad=grad)[1] is grad
        assert grad.any()
    else:
        check(TypeError, "grad", "dtype", "f32" if x.itemsize == 2 else "", x=x, grad=grad)


@pytest.mark.parametrize("value", [[[0.0] * CLASSES] * ROWS, 3.0, "grad", memoryview(bytes(8))])
def test_outputs_are_arrays(value: Any) -> None:
    accepted = "must be a NumPy array or have __dlpack__ or __array_interface__, not"
    check(TypeError, f"grad {accepted} {type(value).__name__}", grad=value)
    check(TypeError, f"out {accepted} {type(value).__name__}", out=value)


def test_masked_arrays_would_lose_their_mask() -> None:
    x = np.ma.masked_invalid(np.zeros((ROWS, CLASSES)))
    check(TypeError, "x is a masked array", "sample_weight", x=x)
    check(TypeError, "target is a masked array", target=np.ma.array(np.arange(ROWS)))
    check(TypeError, "grad must be a NumPy array", "not MaskedArray", grad=x)


def test_swapped_bytes() -> None:
    x, _ = wrong_call()
    swapped = x.astype(x.dtype.newbyteorder())
    check(TypeError, "x", "bytes are swapped", "x.astype", x=swapped)
    check(TypeError, "target", "bytes are swapped", target=swapped)
    check(TypeError, "grad", "bytes are swapped", grad=swapped)
    check(TypeError, "x", "bytes are swapped", x=x.astype(">f2"), grad=None)


def test_strides_that_are_no_whole_items() -> None:
    records = np.zeros((ROWS, CLASSES), [("value", "f8"), ("flag", "i1")])
    field = records["value"]
    for name in ("x", "grad"):
        check(ValueError, f"{name} has strides", "multiples", "ascontiguousarray", **{name: field})
    check(ValueError, "target has strides", target=field)


def test_read_only_outputs() -> None:
    x, arguments = wrong_call()
    for name in ("out", "grad"):
        arguments[name].flags.writeable = False
        check(ValueError, f"{name} is read-only", **{name: arguments[name]})
    x.flags.writeable = False
    check(ValueError, "grad is read-only", x=x, grad=x)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("target", (ROWS - 1,)),
        ("target", (ROWS, 1)),
        ("target", ()),
        ("weight", (CLASSES + 1,)),
        ("weight", (1, CLASSES)),
        ("sample_weight", (ROWS + 1,)),
        ("sample_weight", (ROWS, 1)),
        ("out", (2,)),
        ("out", (0,)),
        ("grad", (CLASSES, ROWS)),
        ("grad", (ROWS * CLASSES,)),
    ],
)
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.int64 if name == "target" else np.float64)
    check(ValueError, f"{name} has shape", **{name: array})


def test_shape_of_a_loss_per_row() -> None:
    text = "out has shape [5], but x without its class axis has shape [4]"
    check(ValueError, text, reduction="none", out=np.zeros(ROWS + 1))
    check(ValueError, "out has shape []", reduction="none", out=np.zeros(()))


def test_shape_of_a_distribution() -> None:
    check(ValueError, "target", "shape", target=np.ones((CLASSES, ROWS)))
    check(ValueError, "target", "shape", target=np.ones(ROWS))


def test_x_needs_classes() -> None:
    check(ValueError, "x has no dimension", x=np.float64(1), target=0, grad=None)
    check(ValueError, "class", x=np.zeros((ROWS, 0)), grad=np.zeros((ROWS, 0)))
    check(ValueError, "class", x=np.zeros((0, 0)), target=[], grad=np.zeros((0, 0)))


@pytest.mark.parametrize("axis", [2, -3, 10**30])
def test_axis_out_of_range(axis: int) -> None:
    check(ValueError, f"axis {axis} is out of range", "2 dimensions (-2 to 1)", axis=axis)


@pytest.mark.parametrize("axis", [1.0, "1", None, (0, 1)])
def test_axis_is_an_integer(axis: Any) -> None:
    check(TypeError, "axis must be an integer, not", type(axis).__name__, axis=axis)


@pytest.mark.parametrize("label", [CLASSES, -1, -100, 2**62, -(2**62)])
def test_label_out_of_range(label: int) -> None:
    target = np.array([0, 1, label, 77])
    ignored = None if label == -100 else -100
    x, arguments = wrong_call(target=target, ignore_index=ignored)
    with pytest.raises(IndexError) as caught:
        ce.cross_entropy_with_grad(x, **arguments)
    error = caught.value
    assert isinstance(error, ce.LabelError)
    assert (error.row, error.label, error.classes) == (2, label, CLASSES)
    text = f"label {label} in row 2 is out of range: there are 5 classes (labels 0 to 4)"
    assert text in str(error)
    assert (arguments["out"] == 7).all()
    assert (arguments["grad"] == 7).all()
    again = pickle.loads(pickle.dumps(error))  # as it travels between processes
    assert (str(again), again.row) == (str(error), 2)


def test_label_of_one_class() -> None:
    with pytest.raises(ce.LabelError) as caught:
        ce.cross_entropy([[0.0]], [1])
    assert (caught.value.row, caught.value.label, caught.value.classes) == (0, 1, 1)


def test_nothing_counts() -> None:
    check(ce.EmptyError, target=np.full(ROWS, -100), empty="error")
    check(ValueError, sample_weight=np.zeros(ROWS), empty="error")


def test_overlap() -> None:
    memory = np.linspace(0, 1, 3 * ROWS * CLASSES)
    first = memory[: ROWS * CLASSES].reshape(ROWS, CLASSES)
    shifted = memory[1 : ROWS * CLASSES + 1].reshape(ROWS, CLASSES)
    check(ValueError, "grad", "overlap", x=first, grad=shifted)
    check(ValueError, "grad", "overlap", x=first, grad=first[::-1])
    check(ValueError, "out overlaps x", x=first, out=memory[3:4])
    check(ValueError, "overlap", grad=first, out=memory[3:4])
    check(ValueError, "grad", "overlap", target=abs(first), weight=memory[:CLASSES], grad=first)
    check(ValueError, "grad", "overlap", target=first, grad=first)
    check(ValueError, "overlap", reduction="none", out=memory[:ROWS], sample_weight=memory[:ROWS])
    with_itself = np.lib.stride_tricks.as_strided(memory, (ROWS, CLASSES), (8, 8))
    check(ValueError, "grad", "overlap", grad=with_itself)


def test_no_overlap_of_views_that_interleave() -> None:
    memory = np.linspace(0, 1, ROWS * (2 * CLASSES + 1))
    both = memory[: ROWS * 2 * CLASSES].reshape(ROWS, 2 * CLASSES)
    left, right = both[:, :CLASSES], both[:, CLASSES:]
    labels = np.arange(ROWS)
    loss, grad = ce.cross_entropy_with_grad(left.copy(), labels)
    assert ce.cross_entropy_with_grad(left, labels, grad=right)[0] == loss
    assert (right == grad).all()
    check(ValueError, "grad", "overlap", x=left, grad=both[:, CLASSES - 1 : -1])

    padded = memory[: ROWS * (CLASSES + 1)].reshape(ROWS, CLASSES + 1)
    expected = ce.cross_entropy(padded[:, :-1].copy(), labels, reduction="none")
    ce.cross_entropy(padded[:, :-1], labels, reduction="none", out=padded[:, -1])
    assert (padded[:, -1] == expected).all()
    check(ValueError, "out overlaps x", x=padded, reduction="none", out=padded[:, -1], grad=None)


def test_ragged_lists() -> None:
    with pytest.raises(ValueError, match=r"inhomogeneous|sequence"):
        ce.cross_entropy([[1.0, 2.0], [3.0]], [0, 0])
