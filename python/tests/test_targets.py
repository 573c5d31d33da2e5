"""Teachers' logits, priors and temperatures beyond the shared vectors, and errors of all targets."""

from __future__ import annotations

import itertools
import math
from typing import Any

import exact
import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mpf

import crossentropy as ce

Array = npt.NDArray[Any]


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
