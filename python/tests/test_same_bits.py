"""What must not change a bit: how a call is made, memory layouts, splits, threads, and 16 bits widened before."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import GROUP, LABEL_DTYPES, Problem, bits, in_some_layout, mixed_problem, problems

import crossentropy as ce

Array = npt.NDArray[Any]


@given(problems())
def test_same_bits_for_every_way_of_calling(problem: Problem) -> None:
    expected = bits(*ce.cross_entropy_with_grad(problem.x, problem.target, **problem.options))

    assert bits(ce.cross_entropy(problem.x, problem.target, **problem.options)) == expected[:1]

    in_place = problem.x.copy(order="K")
    loss, grad = ce.cross_entropy_with_grad(in_place, problem.target, grad=in_place, **problem.options)
    assert grad is in_place
    assert bits(loss, grad) == expected

    in_its_layout = problem.x[...]
    in_its_layout.flags.writeable = True
    kept = problem.x.copy()
    loss, grad = ce.cross_entropy_with_grad(in_its_layout, problem.target, grad=in_its_layout, **problem.options)
    assert bits(loss, grad) == expected
    problem.x[...] = kept

    contiguous = {
        name: np.ascontiguousarray(value).reshape(value.shape) if isinstance(value, np.ndarray) else value
        for name, value in problem.options.items()
    }
    x, target = problem.x.copy(order="C"), problem.target.copy(order="C")
    assert bits(*ce.cross_entropy_with_grad(x, target, **contiguous)) == expected
    x, target = problem.x.copy(order="F"), problem.target.copy(order="F")
    assert bits(*ce.cross_entropy_with_grad(x, target, **contiguous)) == expected


HALVES = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]


def same_numbers(got: Array, want: Array) -> bool:
    """The same bits, but for which NaN it is."""
    same = np.ascontiguousarray(got).view(np.uint16) == np.ascontiguousarray(want).view(np.uint16)
    return got.dtype == want.dtype and bool(np.all(same | (np.isnan(got) & np.isnan(want))))


@given(problems(), st.sampled_from(HALVES), st.sampled_from([1.0, 1e-6, 1e5]), st.data())
def test_16_bits_are_computed_as_float32(
    problem: Problem, dtype: np.dtype[Any], grad_loss: float, data: st.DataObject
) -> None:
    """The same bits of loss and gradient, the latter rounded where it has 16 bits."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    half = in_some_layout(data.draw, rng, problem.x.astype(dtype))
    target, options = problem.target, {**problem.options, "grad_loss": grad_loss}
    loss, grad = ce.cross_entropy_with_grad(half.astype(np.float32), target, **options)
    with np.errstate(over="ignore"):
        rounded = grad.astype(dtype)

    half_loss, half_grad = ce.cross_entropy_with_grad(half, target, **options)
    assert half_loss.dtype == np.float32
    assert bits(half_loss) == bits(loss)
    assert same_numbers(half_grad, rounded)
    assert bits(ce.cross_entropy(half, target, **problem.options)) == bits(loss)

    wide_grad = in_some_layout(data.draw, rng, np.full(half.shape, 7, np.float32))
    half_loss, _ = ce.cross_entropy_with_grad(half, target, grad=wide_grad, **options)
    assert bits(half_loss, wide_grad) == bits(loss, grad)
    other_grad = in_some_layout(data.draw, rng, np.full(half.shape, 7, dtype))
    half_loss, _ = ce.cross_entropy_with_grad(half, target, grad=other_grad, **options)
    assert bits(half_loss) == bits(loss)
    assert same_numbers(other_grad, rounded)
    half_loss, _ = ce.cross_entropy_with_grad(half, target, grad=half, **options)
    assert bits(half_loss) == bits(loss)
    assert same_numbers(half, rounded)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_number_of_16_bits(dtype: np.dtype[Any]) -> None:
    x = np.stack([np.arange(1 << 16, dtype=np.uint16).view(dtype), np.zeros(1 << 16, dtype)], 1)
    for input_type in ("logits", "probs", "log_probs"):
        options: dict[str, Any] = {"input_type": input_type, "reduction": "none"}
        got = ce.cross_entropy_with_grad(x, np.zeros(len(x), int), **options)
        want = ce.cross_entropy_with_grad(x.astype(np.float32), np.zeros(len(x), int), **options)
        assert np.array_equal(got[0], want[0], equal_nan=True)
        with np.errstate(over="ignore"):
            assert same_numbers(got[1], want[1].astype(dtype))


EVERY_LENGTH = [*range(1, 131), 2047, 2048, 2049]


def laid_out(x: Array) -> dict[str, tuple[Array, int]]:
    """The same logits in several memory layouts, each with the axis of the classes."""
    rows, classes = x.shape
    padded = np.zeros((rows, classes + 3), x.dtype)[:, 2:-1]
    backwards = np.zeros_like(x)[::-1, ::-1]
    class_axis_first = np.zeros((classes, rows), x.dtype)
    class_axis_first_padded = np.zeros((classes, rows + 5), x.dtype)[:, 1:-4]
    every_other = np.zeros((2 * rows, 3 * classes), x.dtype)[::2, ::3]
    views = {
        "contiguous": (np.zeros_like(x), 1),
        "padded": (padded, 1),
        "backwards": (backwards, 1),
        "every other": (every_other, 1),
        "class axis first": (class_axis_first, 0),
        "class axis first, padded": (class_axis_first_padded, 0),
        "class axis first, backwards": (np.zeros((classes, rows), x.dtype)[::-1, ::-1], 0),
    }
    for view, axis in views.values():
        view[...] = x if axis == 1 else x.T
    return views


@pytest.mark.parametrize("rows", [1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP + 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_every_layout_and_length(rows: int, dtype: str) -> None:
    for classes in EVERY_LENGTH:
        problem = mixed_problem(rows, classes, dtype, seed=1000 * classes + rows)
        options = {"reduction": "none", **problem.options}
        of_sum = {**problem.options, "reduction": "sum"}
        loss, grad = ce.cross_entropy_with_grad(problem.x, problem.target, **options)
        total, _ = ce.cross_entropy_with_grad(problem.x, problem.target, **of_sum)
        for layout, (x, axis) in laid_out(problem.x).items():
            where = f"{classes} classes, {layout}"
            got, _ = ce.cross_entropy_with_grad(x, problem.target, axis=axis, **of_sum)
            assert bits(got) == bits(total), where
            for order in "CF":  # of the gradient, whatever that of the logits
                out = np.empty_like(x, order=order)
                got, _ = ce.cross_entropy_with_grad(x, problem.target, axis=axis, grad=out, **options)
                assert bits(got, np.moveaxis(out, axis, 1)) == bits(loss, grad), f"{where}, gradient in order {order}"
            got, _ = ce.cross_entropy_with_grad(x, problem.target, axis=axis, grad=x, **options)
            assert bits(got, np.moveaxis(x, axis, 1)) == bits(loss, grad), f"{where}, in place"


@pytest.mark.parametrize("classes", [1, 2, 10, 127, 128, 129, 2048])
@pytest.mark.parametrize("class_axis_first", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_every_split_of_the_batch(classes: int, class_axis_first: bool, dtype: str) -> None:
    rows = 2 * GROUP + 1
    problem = mixed_problem(rows, classes, dtype, seed=classes)
    x = np.asfortranarray(problem.x) if class_axis_first else problem.x
    sample_weight = problem.options.pop("sample_weight", np.linspace(0, 3, rows))

    def part(start: int, end: int) -> tuple[Array, Array]:
        return ce.cross_entropy_with_grad(
            x[start:end],
            problem.target[start:end],
            sample_weight=sample_weight[start:end],
            reduction="none",
            **problem.options,
        )

    loss, grad = part(0, rows)
    for split in range(rows + 1):
        (loss_before, grad_before), (loss_after, grad_after) = part(0, split), part(split, rows)
        assert bits(np.concatenate([loss_before, loss_after])) == bits(loss), split
        assert bits(np.concatenate([grad_before, grad_after])) == bits(grad), split


# Enough work for several threads, cut in different ways: many short rows, few long ones, one.
@pytest.mark.parametrize("shape", [(20000, 10), (64, 5000), (3, 100_003), (1, 300_000)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
def test_same_bits_for_any_number_of_threads(shape: tuple[int, int], dtype: str, soft: bool) -> None:
    rng = np.random.default_rng(7)
    x = (5 * rng.standard_normal(shape)).astype(dtype)
    target = rng.random(shape) if soft else rng.integers(0, shape[1], shape[0])
    sample_weight = rng.random(shape[0])
    one, *others = [
        bits(
            *ce.cross_entropy_with_grad(x, target, sample_weight=sample_weight, threads=threads),
            ce.cross_entropy(x, target, sample_weight=sample_weight, threads=threads),
            ce.cross_entropy(x.T, target.T, axis=0, reduction="none", threads=threads),
        )
        for threads in (1, 2, 3, 7)
    ]
    assert all(other == one for other in others)


@pytest.mark.parametrize("dtype", LABEL_DTYPES)
def test_every_label_dtype_gives_the_same_bits(dtype: str) -> None:
    x = np.random.default_rng(1).standard_normal((50, 100)).astype(np.float32)
    labels = np.arange(50) * 2
    expected = bits(*ce.cross_entropy_with_grad(x, labels))
    assert bits(*ce.cross_entropy_with_grad(x, labels.astype(dtype))) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 5, 3001), (1, 21, 40, 77), (1, 700, 100), (1, 4100, 19)])
def test_same_bits_for_rows_whose_classes_lie_far_apart(dtype: str, shape: tuple[int, ...]) -> None:
    """Pixels of planes are copied some at a time; more than one lot here, and one that is not full."""
    rng = np.random.default_rng(5)
    x = (4 * rng.standard_normal(shape)).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    target = rng.integers(0, shape[1], shape[:1] + shape[2:])
    target[..., ::7] = -100
    rows = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    loss, grad = ce.cross_entropy_with_grad(rows, target, reduction="none")
    for out in (None, x.copy(), np.empty_like(rows).transpose(0, -1, *range(1, len(shape) - 1))):
        source = x if out is None or out.strides != x.strides else out  # the copy is overwritten in place
        got, got_grad = ce.cross_entropy_with_grad(source, target, axis=1, reduction="none", grad=out)
        assert got.tobytes() == loss.tobytes()
        assert np.ascontiguousarray(np.moveaxis(got_grad, 1, -1)).tobytes() == grad.tobytes()
    if x.dtype.itemsize == 2:
        wide = ce.cross_entropy_with_grad(x, target, axis=1, reduction="none", grad=np.empty(shape, np.float32))[1]
        assert np.moveaxis(wide, 1, -1).astype(x.dtype).tobytes() == grad.tobytes()
