"""Properties that hold for every problem, most of them held against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from problems import GROUP, Problem, bits, mixed_problem, problems

import crossentropy as ce

Array = npt.NDArray[Any]

# What include/crossentropy.h promises: relative errors of a row's loss, of a gradient where the
# class has target mass or a probability >= 1e-6, and of the other gradients.
BOUNDS = {"float32": (1e-6, 1e-6, 5e-6), "float64": (1e-13, 1e-13, 1e-13)}


def assert_close(got: Any, want: Array, tolerance: Array, what: str) -> None:
    got = np.asarray(got, np.float64)
    assert got.shape == want.shape
    finite = np.isfinite(want)
    assert np.array_equal(got[~finite], want[~finite], equal_nan=True), f"{what}: {got} is not {want}"
    error = abs(got[finite] - want[finite])
    wrong = ~(error <= np.broadcast_to(tolerance, want.shape)[finite])
    assert not wrong.any(), f"{what}: {got[finite][wrong][0]!r}, but the reference says {want[finite][wrong][0]!r}"


def assert_agrees(problem: Problem, loss: Any, grad: Array, **extra: Any) -> None:
    want = reference.cross_entropy(problem.x, problem.target, **problem.options, **extra)
    of_loss, of_likely, of_unlikely = BOUNDS[problem.x.dtype.name]
    # Below the smallest normal number, and for probabilities that far below the largest, there is
    # no relative accuracy to promise.
    tiny = float(np.finfo(problem.x.dtype).tiny)
    with np.errstate(invalid="ignore"):  # inf - inf where the values are compared as non-finite
        assert_close(loss, np.asarray(want.loss), of_loss * want.loss_scale + tiny, "loss")
        bound = np.where(want.likely, of_likely, of_unlikely)
        finite_scale = np.where(np.isfinite(want.grad_scale), want.grad_scale, 0)
        floor = tiny * max(1.0, finite_scale.sum(initial=0.0))
        assert_close(grad, want.grad, bound * finite_scale + floor, "grad")


@given(problems(), st.sampled_from([1.0, -2.5, 0.0]))
def test_agrees_with_the_reference(problem: Problem, grad_loss: float) -> None:
    loss, grad = ce.cross_entropy_with_grad(problem.x, problem.target, grad_loss=grad_loss, **problem.options)
    assert grad.dtype == problem.x.dtype
    assert loss.dtype == problem.x.dtype
    assert_agrees(problem, loss, grad, grad_loss=grad_loss)


@given(problems(), st.data())
def test_ignored_rows_cannot_poison(problem: Problem, data: st.DataObject) -> None:
    """Whatever a row holds that does not count: the same bits for the others, and 0 for itself."""
    axis = problem.options["axis"]
    x = problem.x.copy()
    row_shape = np.moveaxis(x, axis, -1).shape[:-1]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    out = rng.random(row_shape) < 0.4
    options = dict(problem.options)
    target = problem.target.copy()
    if target.dtype.kind in "iu" and options["ignore_index"] is not None:
        if np.iinfo(target.dtype).min > options["ignore_index"]:
            options["ignore_index"] = 120
        target = np.where(out, options["ignore_index"], target).astype(target.dtype)
    else:
        weights = options.get("sample_weight", np.ones(row_shape))
        options["sample_weight"] = np.where(out, 0, weights)
    before = ce.cross_entropy_with_grad(x, target, **options)
    for poison in (np.nan, np.inf, -np.inf, 1e30):
        np.moveaxis(x, axis, -1)[out] = poison
        after = ce.cross_entropy_with_grad(x, target, **options)
        assert bits(*after) == bits(*before)
        assert not np.moveaxis(after[1], axis, -1)[out].any()
        if options["reduction"] == "none":
            assert not np.asarray(after[0])[out].any()


@given(problems(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(problem: Problem, random: Any) -> None:
    axis = problem.options.pop("axis")
    x = np.moveaxis(problem.x, axis, -1).reshape(-1, problem.x.shape[axis])
    hard = problem.target.dtype.kind in "iu"
    target = problem.target.reshape(-1) if hard else np.moveaxis(problem.target, axis, -1)
    target = target if hard else target.reshape(x.shape)
    options = dict(problem.options)
    order = list(range(len(x)))
    random.shuffle(order)
    shuffled = dict(options)
    if "sample_weight" in options:
        options["sample_weight"] = options["sample_weight"].reshape(-1)
        shuffled["sample_weight"] = options["sample_weight"][order]
    loss, grad = ce.cross_entropy_with_grad(x, target, **options)
    loss_shuffled, grad_shuffled = ce.cross_entropy_with_grad(x[order], target[order], **shuffled)
    if options["reduction"] == "none":
        loss = loss[order]
    assert bits(loss_shuffled, grad_shuffled) == bits(loss, grad[order])


@given(problems(strange=False))
def test_one_hot_distributions_agree_with_labels(problem: Problem) -> None:
    if problem.target.dtype.kind not in "iu":
        return
    axis = problem.options["axis"]
    classes = problem.x.shape[axis]
    ignored = problem.target == problem.options["ignore_index"]
    labels = np.where(ignored, 0, problem.target).astype(np.intp)
    one_hot = np.moveaxis(np.eye(classes)[labels], -1, axis)
    # With empty="nan" they differ where no row counts: a label of weight 0 makes a row weightless.
    options = dict(problem.options, mean_over="mass", empty="zero")
    options["sample_weight"] = np.where(ignored, 0, options.get("sample_weight", 1.0))
    options["ignore_index"] = None
    loss, grad = ce.cross_entropy_with_grad(problem.x, one_hot, **options)
    assert_agrees(Problem(problem.x, labels, options), loss, grad)


@given(problems())
def test_loss_in_the_other_precision(problem: Problem) -> None:
    """``out`` decides the precision of the loss: the same number, rounded once to each."""
    narrow = ce.cross_entropy(problem.x, problem.target, **problem.options)
    out = np.empty(np.shape(narrow), np.float64)
    wide = ce.cross_entropy(problem.x, problem.target, out=out, **problem.options)
    assert wide is out
    last_place = 2**-23 if narrow.dtype == np.float32 else 0
    np.testing.assert_allclose(wide, np.asarray(narrow), rtol=last_place, atol=2e-45)
    if problem.x.dtype == np.float64:
        out = np.empty(np.shape(narrow), np.float32)
        ce.cross_entropy(problem.x, problem.target, out=out, **problem.options)
        with np.errstate(over="ignore"):
            assert bits(out) == bits(np.asarray(narrow).astype(np.float32))


@given(
    st.integers(1, 300),
    st.sampled_from([-7e3, -0.125, 64.0, 6e4]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_a_constant_added_to_a_row_changes_nothing(classes: int, constant: float, seed: int, single: bool) -> None:
    """The numbers are such that the differences of logits, on which all depends, stay exact."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-200, 200, (4, classes)).astype(np.float32 if single else np.float64) / 8
    problem = Problem(x, rng.integers(0, classes, 4), {"reduction": "none"})
    loss, grad = ce.cross_entropy_with_grad(x + x.dtype.type(constant), problem.target, **problem.options)
    assert_agrees(problem, loss, grad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [1, 3, 128, 129, 500])
def test_rows_of_nan_are_so_throughout_and_alone(classes: int, dtype: str) -> None:
    """A row whose loss is NaN has a gradient of NaN in every class, and what poisons it reaches no other row."""
    for seed in range(40):
        problem = mixed_problem(GROUP + 3, classes, dtype, seed)
        loss, grad = ce.cross_entropy_with_grad(problem.x, problem.target, reduction="none", **problem.options)
        assert np.isnan(grad[np.isnan(loss)]).all()
        usual = np.isfinite(problem.x).all(1) & (problem.target != -100)
        usual &= np.isfinite(problem.options.get("sample_weight", np.ones(len(loss))))
        usual &= np.isfinite(problem.options.get("weight", np.ones(classes))[problem.target.clip(0)])
        assert np.isfinite(loss[usual]).all()
        assert np.isfinite(grad[usual]).all()


@pytest.mark.parametrize("classes", [4096, 20_000, 300_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("soft", "label_smoothing"), [(False, 0.0), (False, 0.1), (True, 0.0)], ids=str)
def test_long_rows_keep_their_accuracy(classes: int, dtype: str, soft: bool, label_smoothing: float) -> None:
    """Errors do not add up over the classes, neither those of exp nor those of the target mass."""
    rng = np.random.default_rng(classes)
    x = (np.round(rng.standard_normal((2, classes)) * 1024) / 1024).astype(dtype)
    target = rng.random((2, classes)) / classes if soft else rng.integers(0, classes, 2)
    options = {"label_smoothing": label_smoothing, "weight": rng.uniform(0.1, 3, classes)}
    loss, grad = ce.cross_entropy_with_grad(x, target, **options)
    assert_agrees(Problem(x, target, options), loss, grad)


@pytest.mark.parametrize("far", [500.0, 650.0, 690.0, 705.0])
@pytest.mark.parametrize("top", [0.0, 3.3])
def test_blocks_far_below_the_largest_logit_count(far: float, top: float) -> None:
    """In a confident row all that the loss consists of may come from blocks far below the largest logit, and in these
    from elements far above the first ones."""
    x = np.full((1, 3 * 4096), -np.inf)
    x[0, 0] = top
    x[0, 4096:4112] = top - far - 25  # what the block is looked at from
    x[0, 4112:4120] = top - far
    x[0, 8192:] = top - far - 3
    rest = np.exp(x[0, 4096:].astype(np.longdouble) - np.longdouble(top)).sum()
    loss, grad = ce.cross_entropy_with_grad(x, [0], reduction="none")
    assert_close(loss, np.array([rest], np.float64), np.array([1e-13 * float(rest)]), "loss")
    want = np.exp(x[0].astype(np.longdouble) - np.longdouble(top)).astype(np.float64)
    want[0] = -float(rest)
    assert_close(grad[0], want, 1e-13 * abs(want), "gradient")
    columns = np.asfortranarray(np.repeat(x, 5, axis=0))
    assert ce.cross_entropy(columns, np.zeros(5, int), reduction="none").tobytes() == loss.tobytes() * 5


@pytest.mark.parametrize("input_type", ["logits", "probs", "log_probs"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("mean_over", ["weight", "mass", "count", 3.0])
def test_the_reference_differentiates_itself(
    input_type: str, soft: bool, label_smoothing: float, mean_over: str | float
) -> None:
    """The reference's gradient is the central difference of its loss."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0.1, 0.9, (3, 4))
    options: dict[str, Any] = {
        "input_type": input_type,
        "label_smoothing": label_smoothing,
        "mean_over": mean_over,
        "weight": rng.uniform(0.5, 2, 4),
        "sample_weight": rng.uniform(0.5, 2, 3),
    }
    target = rng.random((3, 4)) if soft else np.array([2, 0, 1])
    gradient = reference.cross_entropy(x, target, **options).grad
    step = 2.0**-16
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        rise = (
            reference.cross_entropy(up, target, **options).loss - reference.cross_entropy(down, target, **options).loss
        )
        assert rise / (2 * step) == pytest.approx(gradient[index], rel=1e-6, abs=1e-9)
