"""Sparse targets, teachers' logits, priors and temperatures beyond the shared vectors."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from typing import Any

import array_api_strict
import exact
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mpf

import crossentropy as ce

Array = npt.NDArray[Any]

RESTS = ["drop", "spread", "renormalize"]
ROWS, CLASSES, NAMED = 40, 50, 4


def named(random: np.random.Generator, dtype: Any = np.float64) -> tuple[Array, Array]:
    """The classes that each row names, in any order, and their probabilities."""
    indices = np.array([random.permutation(CLASSES)[:NAMED] for _ in range(ROWS)])
    return indices, (random.dirichlet(np.ones(NAMED), ROWS) * random.uniform(0.2, 1, (ROWS, 1))).astype(dtype)


def dense(indices: Array, probs: Array, rest: str, classes: int = CLASSES) -> Array:
    """The same distributions, written out."""
    q = np.zeros((len(indices), classes))
    for i, row in enumerate(indices):
        counts = [k for k, c in enumerate(row) if c != -100]
        kept, values = row[counts], probs[i, counts].astype(np.float64)
        total = math.fsum(values)
        if rest == "spread" and len(kept) < classes:
            q[i] = (1 - total) / (classes - len(kept))
        q[i, kept] = values / total if rest == "renormalize" else values
    return q


# ----------------------------------------------------------------------------------------------
# Sparse targets
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize("index_dtype", ["int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_targets_are_the_distributions_that_they_name(rest: str, index_dtype: str, dtype: Any) -> None:
    random = np.random.default_rng(1)
    indices, probs = named(random, dtype)
    q = dense(indices, probs, rest)
    x, w = random.normal(0, 3, (ROWS, CLASSES)), random.uniform(0.5, 2, CLASSES)
    target = ce.SparseTarget(indices.astype(index_dtype), probs, rest=rest)
    s = random.uniform(0, 2, ROWS)
    cases: list[dict[str, Any]] = [
        {},
        {"weight": w, "sample_weight": s},
        {"mean_over": "mass", "weight": w},
        {"z_loss": 0.1, "focal_gamma": 1.5, "poly_epsilon": 0.5},
        {"softcap": 2.0, "temperature": 1.5, "temperature_squared": True},
        {"input_type": "log_probs"},
    ]
    for options, reduction in itertools.product(cases, ["none", "mean"]):
        want, slope = ce.cross_entropy_with_grad(x, q, reduction=reduction, **options)
        got, grad = ce.cross_entropy_with_grad(x, target, reduction=reduction, **options)
        if rest == "drop":  # the same numbers, and so the same bits
            assert np.array_equal(got, want)
            assert np.array_equal(grad, slope)
        assert got == pytest.approx(want, rel=1e-13)
        assert grad == pytest.approx(slope, rel=1e-12, abs=1e-15)
        assert np.array_equal(ce.cross_entropy(x, target, reduction=reduction, **options), got)
    want, slope = ce.kl_divergence_with_grad(x, q)
    got, grad = ce.kl_divergence_with_grad(x, target)
    assert got == pytest.approx(want, rel=1e-13)
    assert grad == pytest.approx(slope, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("rest", RESTS)
def test_rows_of_any_length(rest: str) -> None:
    """As in a CSR matrix; shorter rows of a rectangle are filled up with what is ignored."""
    random = np.random.default_rng(2)
    indices, probs = named(random)
    lengths = random.integers(1, NAMED + 1, ROWS)
    lengths[:4] = [0, NAMED, 1, 0]
    used = np.arange(NAMED) < lengths[:, None]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    filled = np.where(used, indices, -100)
    x = random.normal(0, 3, (ROWS, CLASSES)).astype(np.float32)
    csr = ce.SparseTarget(indices[used], probs[used], offsets=offsets, rest=rest)
    rectangle = ce.SparseTarget(filled, np.where(used, probs, np.nan), rest=rest)
    counts = lengths > 0
    q = np.zeros((ROWS, CLASSES))
    q[counts] = dense(filled[counts], probs[counts], rest)
    for reduction in ("none", "mean", "sum"):
        got = ce.cross_entropy_with_grad(x, csr, reduction=reduction)
        same = ce.cross_entropy_with_grad(x, rectangle, reduction=reduction)
        want = ce.cross_entropy_with_grad(x, q, reduction=reduction, mask=counts)
        for a, b, c in zip(got, same, want):
            assert np.array_equal(a, b)
            assert a == pytest.approx(c, rel=1e-6, abs=1e-8)
    assert (ce.cross_entropy(x, csr, reduction="none")[[0, 3]] == 0).all()
    # Rows without a class are ignored, so they do not count.
    total = ce.cross_entropy(x, csr, reduction="sum")
    assert ce.cross_entropy(x, csr) == pytest.approx(total / counts.sum(), rel=1e-6)
    assert ce.cross_entropy(x, csr, mean_over="count") == ce.cross_entropy(x, csr)


def test_ignored_entries() -> None:
    x = np.random.default_rng(3).normal(0, 1, (2, 5))
    want = ce.cross_entropy(x, ce.SparseTarget([[4, 1], [2, 0]], [[0.5, 0.5], [1.0, 0.0]]))
    cases: list[tuple[int, dict[str, Any]]] = [
        (-100, {}),
        (3, {"ignore_index": 3}),
        (3, {"ignore_index": [3, 7]}),
    ]
    for ignored, options in cases:
        target = ce.SparseTarget([[4, ignored, 1], [ignored, 2, ignored]], [[0.5, 9.0, 0.5], [9.0, 1.0, 9.0]])
        assert ce.cross_entropy(x, target, **options) == want
    nothing = ce.SparseTarget(np.zeros((2, 0), np.int64), np.zeros((2, 0)))
    assert math.isnan(ce.cross_entropy(x, nothing))
    assert ce.cross_entropy(x, nothing, reduction="sum") == 0
    loss, grad = ce.cross_entropy_with_grad(x * np.nan, nothing, empty="zero")
    assert loss == 0
    assert not grad.any()


def test_the_class_axis_of_sparse_targets_is_that_of_x() -> None:
    random = np.random.default_rng(4)
    indices, probs = named(random)
    x = random.normal(0, 2, (ROWS, CLASSES))
    want = ce.cross_entropy(x, ce.SparseTarget(indices, probs), reduction="none")
    moved = x.reshape(5, 8, CLASSES).transpose(0, 2, 1)
    target = ce.SparseTarget(
        indices.reshape(5, 8, NAMED).transpose(0, 2, 1), probs.reshape(5, 8, NAMED).transpose(0, 2, 1)
    )
    lists = ce.SparseTarget(indices.reshape(-1), probs.reshape(-1), offsets=np.arange(0, ROWS * NAMED + 1, NAMED))
    for axis, form in itertools.product([1, -2], [target, lists]):
        got = ce.cross_entropy(moved, form, axis=axis, reduction="none")
        assert np.array_equal(got.reshape(-1), want)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("rows", "classes"), [(33, 3), (200, 17), (1, 1), (5, 257), (2, 9000)])
def test_rows_of_all_sizes(rows: int, classes: int, axis: int, dtype: Any) -> None:
    """Such as are computed 16 at a time, one at a time, and by several threads."""
    random = np.random.default_rng(16)
    x, logits = random.normal(0, 3, (2, rows, classes))
    x = x.astype(dtype)
    prior, labels = random.random(classes), random.integers(0, classes, rows)
    k = min(classes, NAMED)
    indices = np.array([random.permutation(classes)[:k] for _ in range(rows)])
    probs = random.dirichlet(np.ones(k), rows) * 0.75

    def turned(array: Array) -> Array:
        return np.ascontiguousarray(array.T) if axis == 0 else array

    targets: list[tuple[Any, dict[str, Any], Array]] = [
        (ce.SparseTarget(turned(indices), turned(probs), rest=rest), {}, dense(indices, probs, rest, classes))
        for rest in RESTS
    ]
    targets += [
        (turned(logits), {"target_type": "logits"}, ce.softmax(logits)),
        (turned(logits), {"target_type": "log_probs"}, np.exp(logits)),
        (labels, {"prior": prior, "label_smoothing": 0.25}, 0.75 * np.eye(classes)[labels] + 0.25 * prior),
    ]
    # Twice the published bounds, as both results may have their error.
    of_loss, of_grad = (2e-6, 1e-5) if dtype == np.float32 else (2e-13, 2e-13)
    for target, options, q in targets:
        want, slope = ce.cross_entropy_with_grad(x, q, reduction="none")
        larger = np.maximum(q.sum(1, keepdims=True) * ce.softmax(x), q)
        for threads in (1, 3):
            got, grad = ce.cross_entropy_with_grad(
                turned(x), target, axis=axis, reduction="none", threads=threads, **options
            )
            assert (abs(got - want) <= of_loss * want).all()
            assert (abs(turned(grad) - slope) <= of_grad * larger).all()


@pytest.mark.parametrize("offsets", [False, True])
def test_layouts_and_threads_give_the_same_bits(offsets: bool) -> None:
    random = np.random.default_rng(5)
    x = random.normal(0, 3, (600, 800)).astype(np.float32)
    indices = np.array([random.permutation(800)[:6] for _ in range(600)], np.int32)
    probs = random.dirichlet(np.ones(6), 600).astype(np.float32)
    more: dict[str, Any] = {"offsets": np.arange(0, 3601, 6, dtype=np.uint16)} if offsets else {}
    if offsets:
        indices, probs = indices.reshape(-1), probs.reshape(-1)
    want = ce.cross_entropy_with_grad(x, ce.SparseTarget(indices, probs, rest="spread", **more), threads=1)
    gaps = np.zeros((*indices.shape, 2), np.float32)
    gaps[..., 1] = probs
    elsewhere = ce.SparseTarget(np.asfortranarray(indices[::-1])[::-1], gaps[..., 1], rest="spread", **more)
    assert np.shares_memory(elsewhere.probs, gaps)
    for threads in (1, 2, 3):
        loss, grad = ce.cross_entropy_with_grad(x, elsewhere, threads=threads)
        assert loss == want[0]
        assert np.array_equal(grad, want[1])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bits(dtype: Any) -> None:
    random = np.random.default_rng(6)
    indices, probs = named(random, np.float32)
    x = random.normal(0, 3, (ROWS, CLASSES)).astype(dtype)
    target = ce.SparseTarget(indices, probs, rest="renormalize")
    loss, grad = ce.cross_entropy_with_grad(x, target)
    wide, slope = ce.cross_entropy_with_grad(x.astype(np.float32), target)
    assert loss == wide
    assert np.array_equal(grad, slope.astype(dtype))


def test_teachers_logits_of_named_classes() -> None:
    """The softmax over the named classes; their log-probabilities are as good."""
    random = np.random.default_rng(7)
    indices, _ = named(random)
    x, logits = random.normal(0, 2, (ROWS, CLASSES)), random.normal(0, 3, (ROWS, NAMED))
    for temperature in (1.0, 2.5):
        of_logits = ce.SparseTarget(indices, logits, rest="renormalize")
        of_probs = ce.SparseTarget(indices, ce.softmax(logits / temperature))
        of_logs = ce.SparseTarget(indices, ce.log_softmax(logits / temperature))
        options: dict[str, Any] = {"temperature": temperature, "reduction": "none"}
        for function in (ce.cross_entropy, ce.kl_divergence):
            want = function(x, of_probs, **options)
            assert function(x, of_logits, target_type="logits", **options) == pytest.approx(want, rel=1e-13)
            assert function(x, of_logs, target_type="log_probs", **options) == pytest.approx(want, rel=1e-13)


def test_a_row_that_cannot_be_renormalized() -> None:
    target = ce.SparseTarget([[0, 1], [1, 2]], [[0.0, 0.0], [0.5, 0.5]], rest="renormalize")
    losses, grad = ce.cross_entropy_with_grad(np.zeros((2, 3)), target, reduction="none")
    assert np.isnan(losses).tolist() == [True, False]
    assert np.isnan(grad).tolist() == [[True] * 3, [False] * 3]


@pytest.mark.parametrize("function", [ce.cross_entropy, ce.kl_divergence])
@pytest.mark.parametrize("shift", [-1e5, -744.5, -720.0, 709.0, 1e5])
def test_log_probabilities_that_are_renormalized_may_lie_anywhere(function: Any, shift: float) -> None:
    x, logs = [[0.5, -1.0, 2.0]], np.array([[0.0, -1.5]])
    near, far = (ce.SparseTarget([[0, 2]], logs + by, rest="renormalize") for by in (0.0, shift))
    assert function(x, far, target_type="log_probs") == pytest.approx(
        function(x, near, target_type="log_probs"), rel=1e-10
    )
    alone = ce.SparseTarget([[1]], [[shift]], rest="renormalize")
    assert function(x, alone, target_type="log_probs") == pytest.approx(ce.cross_entropy(x, [1]), rel=1e-13)


@pytest.mark.parametrize("function", [ce.cross_entropy_with_grad, ce.kl_divergence_with_grad])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("target_type", ["probs", "log_probs"])
def test_rounding_leaves_nothing_to_spread(function: Any, dtype: Any, target_type: str) -> None:
    """Else classes that are impossible would have mass, and the loss would be infinite."""
    random = np.random.default_rng(20)
    below = 0
    for count in (1, 2, 3, 10, 100, 1000):
        z = random.normal(0, 3, (200, count)).astype(dtype)
        e = np.exp(z - z.max(1, keepdims=True))
        probs = e / e.sum(1, keepdims=True)
        sums = [math.fsum(row) for row in probs.tolist()]
        below += sum(total < 1 for total in sums)
        x = np.full((200, count + 3), -np.inf)
        x[:, :count] = random.normal(0, 3, (200, count))
        indices = np.tile(np.arange(count), (200, 1))
        values = probs if target_type == "probs" else np.log(probs)
        options: dict[str, Any] = {"target_type": target_type, "reduction": "none"}
        got, want = (function(x, ce.SparseTarget(indices, values, rest=rest), **options) for rest in ("spread", "drop"))
        assert np.isfinite(want[0]).all()
        for a, b in zip(got, want):
            assert np.array_equal(a, b)
    assert below > 100


def shares(dtype: Any, probs: Any, classes: int, **options: Any) -> Array:
    """What the classes get that are not named: the negative gradient of a class without probability."""
    x = np.zeros((1, classes))
    x[:, len(probs) :] = -1000
    target = ce.SparseTarget([np.arange(len(probs))], np.array([probs], dtype), rest="spread")
    _, grad = ce.cross_entropy_with_grad(x, target, **options)
    return -grad[0, len(probs) :]


def test_what_is_more_than_rounding_is_spread() -> None:
    """On either side of the published limits."""
    for dtype, place in ((np.float32, 2.0**-23), (np.float64, 2.0**-52)):
        for count in (1, 2, 3, 10):
            probs = [1.0] + [0.0] * (count - 1)
            limit = count * place
            for left, want in ((limit, limit), (limit - place / 2, 0), (place / 2, 0)):
                probs[0] = 1 - left
                assert float(dtype(probs[0])) == probs[0]
                assert (shares(dtype, probs, count + 2) == want / 2).all()
    # Many of float32 may leave 2^-16, but not more.
    many = [1 - 2.0**-16, *[0.0] * 999]
    assert (shares(np.float32, many, 1002) == 2.0**-17).all()
    many[0] += 2.0**-24
    assert not shares(np.float32, many, 1002).any()
    # Above 1 the limit is 2^-16 for both.
    for dtype in (np.float32, np.float64):
        assert not shares(dtype, [0.5, 0.5 + 2.0**-17], 3).any()
        assert shares(dtype, [0.5, 0.5 + 2.0**-16], 3) == [-(2.0**-16)]


def test_what_is_spread_has_no_rounding_of_a_sum() -> None:
    """Each of the small probabilities is below half a unit in the last place of the sum."""
    probs = [1 - 2.0**-40, *[2.0**-54] * 1000]
    assert shares(np.float64, probs, 1002) == [2.0**-40 - 1000 * 2.0**-54]
    assert shares(np.float64, probs[::-1], 1002) == [2.0**-40 - 1000 * 2.0**-54]
    x = np.zeros((1, 1001))
    target = ce.SparseTarget([np.arange(1001)], [probs], rest="renormalize")
    _, grad = ce.cross_entropy_with_grad(x, target)
    total = math.fsum(probs)
    assert grad[0, 0] == pytest.approx(1 / 1001 - probs[0] / total, rel=1e-15)


def test_renormalized_sums_do_not_overflow() -> None:
    x = np.array([[0.0, 1.0, 2.0]])
    target = ce.SparseTarget([[0, 2]], [[1.2e308, 0.6e308]], rest="renormalize")
    assert ce.cross_entropy(x, target) == pytest.approx(ce.cross_entropy(x, np.array([[2 / 3, 0, 1 / 3]])), rel=1e-14)


def test_all_classes_named_leave_nothing_to_spread() -> None:
    x = np.array([[0.5, 1.0, -1.0]])
    target = ce.SparseTarget([[2, 0, 1]], [[0.2, 0.3, 0.4]], rest="spread")
    assert ce.cross_entropy(x, target) == ce.cross_entropy(x, np.array([[0.3, 0.4, 0.2]]))


def test_arrays_of_other_packages() -> None:
    random = np.random.default_rng(8)
    indices, probs = named(random)
    x = random.normal(0, 2, (ROWS, CLASSES))
    want = ce.cross_entropy_with_grad(x, ce.SparseTarget(indices, probs))
    theirs = [array_api_strict.asarray(each) for each in (x, indices, probs)]
    target = ce.SparseTarget(*theirs[1:])
    assert np.shares_memory(target.probs, np.from_dlpack(theirs[2]))
    for got, mine in zip(ce.cross_entropy_with_grad(theirs[0], target), want):
        assert isinstance(got, type(theirs[0]))
        assert np.array_equal(np.from_dlpack(got), mine)


def test_what_a_sparse_target_shows() -> None:
    target = ce.SparseTarget([0, 1, 2], [0.5, 0.5, 1], offsets=[0, 2, 3], rest="spread")
    assert repr(target) == "SparseTarget(shape=(3,), rows=2, dtype=float64, rest='spread')"
    assert target.offsets is not None
    assert (target.offsets.dtype, target.offsets.tolist()) == (np.int64, [0, 2, 3])
    assert repr(ce.SparseTarget([[0]], [[1.0]])) == "SparseTarget(shape=(1, 1), dtype=float64, rest='drop')"


@pytest.mark.parametrize(
    ("name", "value"), [("rest", "bad"), ("probs", "bad"), ("indices", np.zeros(1)), ("offsets", None)]
)
def test_the_parts_of_a_sparse_target_cannot_be_set(name: str, value: Any) -> None:
    target = ce.SparseTarget([0, 1, 2], [0.5, 0.5, 1], offsets=[0, 2, 3])
    with pytest.raises(AttributeError, match=f"{name}|can't set attribute"):  # as Python 3.9 says
        setattr(target, name, value)
    again = pickle.loads(pickle.dumps(copy.copy(target)))
    x = np.array([[0.5, 1.0, -1.0]] * 2)
    assert ce.cross_entropy(x, again) == ce.cross_entropy(x, target)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "texts"),
    [
        (([[0.0]], [[1.0]]), {}, TypeError, ["indices has dtype float64, but must be integers"]),
        (([[0]], None), {}, TypeError, ["probs must be an array of numbers, not None"]),
        (([[0]], np.ones((1, 1), complex)), {}, TypeError, ["probs has dtype complex128"]),
        (([[0, 1]], [[1.0]]), {}, ValueError, ["probs has shape [1, 1], but indices has shape [1, 2]"]),
        (([[0]], [[1.0]]), {"rest": "dropped"}, ValueError, ['rest is "dropped"', 'Did you mean "drop"?']),
        (([[0]], [[1.0]]), {"rest": None}, TypeError, ["rest must be one of"]),
        (([[0]], [[1.0]]), {"offsets": [0, 1]}, ValueError, ["indices has shape [1, 1]", "one dimension"]),
        (([0], [1.0]), {"offsets": [[0, 1]]}, ValueError, ["offsets has shape [1, 2]", "one dimension"]),
        (([0], [1.0]), {"offsets": [0.0, 1.0]}, TypeError, ["offsets has dtype float64, but must be integers"]),
        (([0], [1.0]), {"offsets": 1}, ValueError, ["offsets has shape []", "one dimension"]),
    ],
)
def test_what_is_no_sparse_target(
    arguments: tuple[Any, Any], options: dict[str, Any], error: type[Exception], texts: list[str]
) -> None:
    with pytest.raises(error) as caught:
        ce.SparseTarget(*arguments, **options)
    assert isinstance(caught.value, ce.CrossEntropyError)
    for text in texts:
        assert text in str(caught.value)


# ----------------------------------------------------------------------------------------------
# What targets hold
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("target_type", ["logits", "log_probs"])
def test_teachers(target_type: str, dtype: Any) -> None:
    random = np.random.default_rng(9)
    x, teacher = (random.normal(0, 2, (5, 7)).astype(dtype) for _ in range(2))
    if target_type == "log_probs":
        teacher = ce.log_softmax(teacher)
    w = random.uniform(0.5, 2, 7)
    for temperature, squared in itertools.product([1.0, 3.0], [False, True]):
        losses = ce.cross_entropy(
            x, teacher, target_type=target_type, weight=w, label_smoothing=0.2, temperature=temperature,
            temperature_squared=squared, reduction="none",
        )  # fmt: skip
        for i in range(5):
            q = exact.distribution(exact.row(teacher[i]), target_type, temperature)
            mass = [mpf(float(w[c])) * ((1 - mpf(0.2)) * q[c] + mpf(0.2) / 7) for c in range(7)]
            want = exact.cross_entropy([value / mpf(temperature) for value in exact.row(x[i])], mass)
            want *= mpf(temperature) ** 2 if squared else 1
            assert abs(mpf(float(losses[i])) - want) <= want * mpf("1e-13" if dtype == np.float64 else "2.4e-7")


def test_a_teacher_of_equal_logits_is_the_uniform_distribution() -> None:
    x = np.random.default_rng(10).normal(0, 2, (4, 9))
    want = ce.cross_entropy_with_grad(x, np.full(x.shape, 1 / 9))
    for shift in (0.0, 1e5, -1e300):
        got = ce.cross_entropy_with_grad(x, np.full(x.shape, shift), target_type="logits")
        assert got[0] == pytest.approx(want[0], rel=1e-14)
        assert got[1] == pytest.approx(want[1], rel=1e-12, abs=1e-16)


def test_impossible_classes_of_a_teacher() -> None:
    x = np.array([[-math.inf, 1.0, 2.0]])
    loss, grad = ce.cross_entropy_with_grad(x, np.array([[-math.inf, 0.0, 0.0]]), target_type="logits")
    assert loss == pytest.approx(ce.cross_entropy(x, np.array([[0.0, 0.5, 0.5]])), rel=1e-14)
    assert grad[0, 0] == 0
    for odd in ([math.nan, 0.0, 0.0], [math.inf, 0.0, 0.0], [-math.inf] * 3):
        loss, grad = ce.cross_entropy_with_grad(np.zeros((1, 3)), np.array([odd]), target_type="logits")
        assert math.isnan(loss)
        assert np.isnan(grad).all()


def test_labels_with_a_temperature() -> None:
    random = np.random.default_rng(11)
    x, labels = random.normal(0, 3, (6, 8)), random.integers(0, 8, 6)
    got, grad = ce.cross_entropy_with_grad(x, labels, temperature=4.0)  # a division that is exact
    want, slope = ce.cross_entropy_with_grad(x / 4, labels)
    assert got == want
    assert grad == pytest.approx(slope / 4, rel=1e-15)
    squared, slope = ce.cross_entropy_with_grad(x, labels, temperature=4.0, temperature_squared=True)
    assert squared == 16 * got
    assert np.array_equal(slope, 16 * grad)


# ----------------------------------------------------------------------------------------------
# Smoothing towards a prior
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["labels", "distributions", "logits"])
def test_smoothing_towards_a_prior(kind: str, dtype: Any) -> None:
    random = np.random.default_rng(12)
    x, w = random.normal(0, 2, (6, 5)).astype(dtype), random.uniform(0.5, 2, 5)
    prior = random.uniform(0, 1, 5)  # which does not add up to 1
    labels = random.integers(0, 5, 6)
    options: dict[str, Any] = {"weight": w, "reduction": "none", "label_smoothing": 0.3}
    target: Array = labels
    q = np.eye(5)[labels]
    if kind == "distributions":
        target = q = random.dirichlet(np.ones(5), 6)
    elif kind == "logits":
        target = random.normal(0, 2, (6, 5))
        q, options["target_type"] = ce.softmax(target), "logits"
    losses, grad = ce.cross_entropy_with_grad(x, target, prior=prior, **options)
    mixed = 0.7 * q + 0.3 * prior
    want, slope = ce.cross_entropy_with_grad(x, mixed, weight=w, reduction="none")
    digits = 1e-13 if dtype == np.float64 else 5e-7
    assert losses == pytest.approx(want, rel=digits)
    assert grad == pytest.approx(slope, rel=10 * digits, abs=digits)
    uniform = ce.cross_entropy(x, target, prior=np.full(5, 0.2), **options)
    assert uniform == pytest.approx(ce.cross_entropy(x, target, **options), rel=digits)
    assert not np.array_equal(uniform, losses)


def test_a_prior_without_smoothing_changes_nothing() -> None:
    x = np.random.default_rng(13).normal(0, 2, (6, 5))
    labels = np.arange(6) % 5
    assert ce.cross_entropy(x, labels, prior=np.arange(5.0)) == ce.cross_entropy(x, labels)


def test_the_mass_is_that_before_smoothing() -> None:
    random = np.random.default_rng(14)
    x, w, prior = random.normal(0, 2, (6, 5)), random.uniform(0.5, 2, 5), random.dirichlet(np.ones(5))
    labels = np.arange(6) % 5
    options: dict[str, Any] = {"weight": w, "prior": prior, "label_smoothing": 0.4}
    total = ce.cross_entropy(x, labels, reduction="sum", **options)
    assert ce.cross_entropy(x, labels, **options) == pytest.approx(total / w[labels].sum(), rel=1e-14)
    assert ce.cross_entropy(x, labels, mean_over="mass", **options) == ce.cross_entropy(x, labels, **options)
    one_hot = ce.cross_entropy(x, np.eye(5)[labels], mean_over="mass", **options)
    assert one_hot == pytest.approx(ce.cross_entropy(x, labels, **options), rel=1e-14)


def test_nll_loss_takes_them_all() -> None:
    random = np.random.default_rng(15)
    log_probs, teacher = ce.log_softmax(random.normal(0, 2, (2, 6, 5)))
    prior = random.dirichlet(np.ones(5))
    options: dict[str, Any] = {"prior": prior, "label_smoothing": 0.2, "target_type": "log_probs"}
    got = ce.nll_loss(log_probs, teacher, **options)
    assert got == ce.cross_entropy(log_probs, teacher, input_type="log_probs", **options)
    assert got == pytest.approx(-((0.8 * np.exp(teacher) + 0.2 * prior) * log_probs).sum(1).mean(), rel=1e-13)
    labels = [0, 1, 2, 3, 4, 0]
    one_each = ce.SparseTarget(np.reshape(labels, (6, 1)), np.ones((6, 1)))
    assert ce.nll_loss(log_probs, one_each) == pytest.approx(ce.nll_loss(log_probs, labels), rel=1e-14)


# ----------------------------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------------------------

X, Q, LABELS = np.zeros((2, 3)), np.full((2, 3), 1 / 3), np.array([0, 1])
SPARSE = ce.SparseTarget([[0, 1], [2, 0]], [[0.5, 0.5], [1.0, 0.0]])


def sparse(indices: Any, **options: Any) -> ce.SparseTarget:
    return ce.SparseTarget(indices, np.ones(np.shape(indices)), **options)


@pytest.mark.parametrize(
    ("target", "options", "error", "texts"),
    [
        (SPARSE, {"label_smoothing": 0.1}, ValueError, ["label_smoothing", "probs", 'rest "spread"']),
        (SPARSE, {"target_type": "logits"}, ValueError, ['target_type is "logits"', 'rest "renormalize"']),
        (SPARSE, {"grad_target": True}, ValueError, ["grad_target", "distributions", "sparse"]),
        (SPARSE, {"grad_target": Q.copy()}, ValueError, ["grad_target", "distributions", "sparse"]),
        (LABELS, {"grad_target": True}, ValueError, ["grad_target", "labels"]),
        (LABELS, {"grad_target": Q.copy()}, ValueError, ["grad_target", "labels"]),
        (LABELS, {"target_type": "logits"}, ValueError, ["target_type", "labels"]),
        (LABELS, {"target_type": "log_probs"}, ValueError, ["target_type", "labels"]),
        (Q, {"target_type": "log"}, ValueError, ['target_type is "log"', 'Did you mean "logits"?']),
        (Q, {"target_type": None}, TypeError, ["target_type must be one of"]),
        (Q, {"grad_target": True, "focal_gamma": 2.0}, ValueError, ["grad_target", "focal_gamma"]),
        (Q, {"grad_target": True, "poly_epsilon": 2.0}, ValueError, ["grad_target", "poly_epsilon"]),
        (Q, {"grad_target": True, "mean_over": "mass"}, ValueError, ["grad_target", 'mean_over "mass"']),
        (Q, {"grad_target": np.zeros((2, 3), np.float32)}, TypeError, ["grad_target", "dtype of target"]),
        (Q, {"grad_target": np.zeros((3, 2))}, ValueError, ["grad_target has shape [3, 2]"]),
        (Q, {"temperature": 0.0}, ValueError, ["temperature is 0.0, but must be finite and above 0"]),
        (Q, {"temperature": -2.0}, ValueError, ["temperature", "-2"]),
        (LABELS, {"temperature": 2.0, "input_type": "probs"}, ValueError, ["temperature", "input_type", '"logits"']),
        (LABELS, {"prior": [0.5, 0.5], "label_smoothing": 0.1}, ValueError, ["prior has shape [2]", "3 classes"]),
        (LABELS, {"prior": [[0.5, 0.5, 0.0]], "label_smoothing": 0.1}, ValueError, ["prior has shape [1, 3]"]),
        (LABELS, {"prior": np.ones(3, complex)}, TypeError, ["prior has dtype complex128"]),
        (Q, {"ignore_index": [1, 2]}, ValueError, ["ignore_index", "distributions"]),
        (sparse([[0, 1]]), {}, ValueError, ["target has shape [1, 2]", "class axis"]),
        (sparse([0, 1]), {}, ValueError, ["target has shape [2]"]),
        (sparse([0, 1], offsets=[0, 2]), {}, ValueError, ["offsets", "3 numbers", "[2]"]),
        (sparse([0, 1], offsets=[0, 2, 1]), {}, ValueError, ["offsets of row 1"]),
        (sparse([0, 1], offsets=[-1, 1, 2]), {}, ValueError, ["offsets of row 0"]),
        (sparse([0, 1], offsets=[0, 1, 3]), {}, ValueError, ["offsets of row 1"]),
        (sparse([[0, 1], [2, 3]]), {}, IndexError, ["label 3 in row 1 is out of range: there are 3 classes"]),
        (sparse([[0, 1], [-1, 2]]), {}, IndexError, ["label -1 in row 1"]),
        (sparse([[0, 1], [2, 2]]), {}, IndexError, ["class 2 is named twice in row 1"]),
        (sparse([0, 1, 0], offsets=[0, 3, 3]), {}, IndexError, ["class 0 is named twice in row 0"]),
    ],
)
def test_errors(target: Any, options: dict[str, Any], error: type[Exception], texts: list[str]) -> None:
    outputs = {"grad": np.full((2, 3), 7.0), "out": np.full((), 7.0)}
    arrays = [*outputs.values(), *(each for each in options.values() if isinstance(each, np.ndarray))]
    if not isinstance(target, ce.SparseTarget):
        arrays.append(target)
    before = [array.tobytes() for array in arrays]
    with pytest.raises(error) as caught:
        ce.cross_entropy_with_grad(X, target, **outputs, **options)
    assert isinstance(caught.value, ce.CrossEntropyError)
    for text in texts:
        assert text in str(caught.value)
    assert [array.tobytes() for array in arrays] == before


def test_a_repeated_class_is_told_with_its_row() -> None:
    with pytest.raises(ce.LabelError) as caught:
        ce.cross_entropy(X, sparse([[0, 1], [2, 2]]))
    assert (caught.value.label, caught.value.row, caught.value.classes) == (2, 1, None)


def test_repeated_entries_that_are_ignored() -> None:
    target = ce.SparseTarget([[0, 2, 2], [1, 2, 2]], np.ones((2, 3)))
    want = ce.cross_entropy(X, np.array([0, 1]))
    assert ce.cross_entropy(X, target, ignore_index=2) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("output", ["grad", "out"])
@pytest.mark.parametrize("held", ["target", "probs"])
def test_outputs_must_not_overlap_a_sparse_target(held: str, output: str) -> None:
    memory = np.zeros(6)
    other = np.array([[0, 1], [1, 2]])
    if held == "target":
        target = ce.SparseTarget(memory.view(np.int64)[:4].reshape(2, 2), np.ones((2, 2)))
    else:
        target = ce.SparseTarget(other, memory[:4].reshape(2, 2))
    outputs: dict[str, Any] = {"grad": memory.reshape(2, 3)} if output == "grad" else {"out": memory[:1]}
    with pytest.raises(ce.ArgumentValueError, match=f"^{output} overlaps {held}\\b"):
        ce.cross_entropy_with_grad(X, target, **outputs)
