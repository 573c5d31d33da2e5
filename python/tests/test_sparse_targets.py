"""Sparse targets beyond the shared vectors: the distributions that they name, what they leave to others, layouts."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

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
