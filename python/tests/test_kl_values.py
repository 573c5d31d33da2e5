"""KL divergence's zero and its sign, logits and probabilities of any size, and odd cases."""

from __future__ import annotations

import itertools
import math
from typing import Any

import exact
import ml_dtypes
import numpy as np
import pytest
from kl_problems import KINDS, given_as, published_bound
from mpmath import mp, mpf

import crossentropy as ce

# ----------------------------------------------------------------------------------------------
# Zero
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_exactly_0_where_equal(kind: str, dtype: Any) -> None:
    random = np.random.default_rng(5)
    for classes in (1, 2, 7, 64, 1000, 5000):
        x = given_as(kind, random, (20, classes)).astype(dtype)
        target = x.astype(np.float32 if x.dtype.itemsize == 2 else dtype)
        options: dict[str, Any] = {"input_type": kind, "target_type": kind, "reduction": "none"}
        losses, grad, grad_target = ce.kl_divergence_with_grad(x, target, grad_target=True, **options)
        assert not losses.any()
        assert not grad.astype(np.float64).any()
        assert not grad_target.any()
        if kind == "logits":
            assert not ce.kl_divergence(x, target, temperature=3.0, **options).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exactly_0_where_logits_differ_by_a_constant(dtype: Any) -> None:
    random = np.random.default_rng(6)
    x = np.round(random.normal(0, 5, (200, 300)) * 64).astype(dtype) / 64
    shift = np.round(random.normal(0, 50, (200, 1)) * 64).astype(dtype) / 64
    options: dict[str, Any] = {"target_type": "logits", "reduction": "none"}
    losses, grad = ce.kl_divergence_with_grad(x, x + shift, **options)
    assert not losses.any()
    assert not grad.any()
    assert ce.kl_divergence(x, 2 * x + shift, **options).all()


@pytest.mark.parametrize("kind", KINDS)
def test_never_below_0(kind: str) -> None:
    """Pairs from far apart to so near that only the last bits differ."""
    random = np.random.default_rng(7)
    x = given_as(kind, random, (40_000, 5)).astype(np.float32)
    distance = 10.0 ** random.uniform(-9, 1, (len(x), 1))
    target = x.astype(np.float64) * (1 + distance * random.normal(0, 1, x.shape))
    if kind == "probs":
        target = abs(target)
    for near in (target, target.astype(np.float32)):
        out = np.empty(len(x))
        losses = ce.kl_divergence(x, near, input_type=kind, target_type=kind, reduction="none", out=out)
        assert (losses >= 0).all()
    # Of these the largest steps are no rounding errors.
    assert (losses > 1e-3).sum() > 1000
    assert ((losses < 1e-12) & (losses > 0)).sum() > 100


@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, "1e-13"), (np.float32, "1e-6")])
def test_small_divergences_keep_their_digits(dtype: Any, digits: str) -> None:
    random = np.random.default_rng(14)
    x = random.normal(0, 2, (10, 50)).astype(dtype)
    for step in (1e-2, 1e-4, 1e-6):
        for shift in (0, 7):  # by which p and q do not differ, but their exponentials are others
            near = (x + step * random.normal(0, 1, x.shape) + shift).astype(dtype)
            losses = ce.kl_divergence(x, near, target_type="logits", reduction="none", out=np.empty(10))
            for i in range(10):
                p, q = (exact.softmax(exact.row(z[i])) for z in (x, near))
                want = exact.divergence(p, q)
                assert abs(mpf(float(losses[i])) - want) <= published_bound(p, q, digits)
                assert want < 10 * step**2


# ----------------------------------------------------------------------------------------------
# Logits and probabilities of any size
# ----------------------------------------------------------------------------------------------


def distributions_of(x: Any, target: Any, input_type: str = "logits", target_type: str = "logits") -> Any:
    return exact.distribution(exact.row(x), input_type), exact.distribution(exact.row(target), target_type)


LARGEST = {np.float64: 1.79e308, np.float32: 3.4e38, np.float16: 6e4, ml_dtypes.bfloat16: 3.38e38}


@pytest.mark.parametrize("dtype", LARGEST, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("classes", [2, 3, 16, 37])
def test_logits_of_any_size(classes: int, dtype: Any) -> None:
    """On one side, on the other and on both; the largest of one row may be masked in the other."""
    random = np.random.default_rng(15)
    sizes = [10.0**k for k in (*range(3, 39), 100, 200, 307) if 10.0**k < LARGEST[dtype]]
    for size in (*sizes, LARGEST[dtype]):
        for a in (size, -size):
            ordinary = random.normal(0, 3, classes)
            near = a * (1 - random.integers(0, 4, classes) * np.finfo(np.float32).eps)
            far = np.where(random.random(classes) < 0.5, a, random.permutation([-a, *ordinary[1:]]))
            masked = np.where(np.arange(classes) % 2, -size, ordinary)
            rows = [ordinary, near, far, masked]
            students = [row.astype(dtype) for row in rows]
            teachers = [row.astype(np.float64 if dtype == np.float64 else np.float32) for row in rows]
            with mp.workdps(400):
                ps = [exact.softmax_and_log(exact.row(z)) for z in students]
                is_same = students[0].dtype == teachers[0].dtype
                qs = ps if is_same else [exact.softmax_and_log(exact.row(z)) for z in teachers]
                for i, j in itertools.permutations(range(len(rows)), 2):
                    x, teacher, (p, log_p), (q, log_q) = students[i], teachers[j], ps[i], qs[j]
                    loss = ce.kl_divergence(x[None], teacher[None], target_type="logits", out=np.empty(()))
                    want = exact.divergence(p, q, logs=(log_p, log_q))
                    if want > np.finfo(np.float64).max:
                        assert loss == INF
                    else:
                        bound = published_bound(p, q, "1e-13" if dtype == np.float64 else "1e-6", (log_p, log_q))
                        assert abs(mpf(float(loss)) - want) <= bound


def test_divergences_of_logits_that_are_too_far_apart_for_their_dtype() -> None:
    """The difference overflows, the divergence does not."""
    x, target = np.array([[1.79e308, -1.79e308, 0.0]]), np.array([[0.75, 0.25, 0.0]])
    loss, grad, grad_target = ce.kl_divergence_with_grad(x, target, grad_target=True)
    assert loss == 0.25 * 1.79e308 * 2
    assert np.array_equal(grad, [[0.25, -0.25, 0.0]])
    assert grad_target.tolist() == [[pytest.approx(math.log(0.75)), INF, -INF]]
    weighted = ce.kl_divergence(x, target, sample_weight=[1e-100], reduction="sum")
    assert weighted == pytest.approx(0.5 * 1.79e208, rel=1e-14)
    x[0, 1] = -INF
    assert ce.kl_divergence(x, target) == INF
    x = np.array([[1.79e308, -1.79e308, 0.0]])
    teacher = np.array([[math.log(3), 0.0, -INF]])
    loss, _, grad_target = ce.kl_divergence_with_grad(x, teacher, target_type="logits", grad_target=True)
    assert loss == pytest.approx(0.25 * 1.79e308 * 2, rel=1e-14)
    # q_c (d_c - sum(q d)), d = {0, 2, -} 1.79e308
    assert grad_target[0] == pytest.approx([-0.75 * loss, 0.75 * loss, 0.0], rel=1e-14)
    # In f32 they overflow more often, but what they add up to need not.
    x, teacher = np.array([[3.4e38, -3.4e38]], np.float32), np.array([[0.0, 0.0]], np.float32)
    out = np.empty(())
    assert ce.kl_divergence(x, teacher, target_type="logits", out=out) == pytest.approx(3.4e38, rel=1e-6)
    x, masses = np.array([[0.5, 0.5]]), np.array([[1e308, 1e308]])
    assert exact.divergence(*distributions_of(x[0], masses[0], "probs", "probs")) > 1.79e308
    assert ce.kl_divergence(x, masses, input_type="probs") == INF
    x, masses = np.array([[0.2e308, 0.5]]), np.array([[1e308, 0.5]])
    want = exact.divergence(*distributions_of(x[0], masses[0], "probs", "probs"))
    assert ce.kl_divergence(x, masses, input_type="probs") == pytest.approx(float(want), rel=1e-12)


def test_log_probs_of_large_masses() -> None:
    """exp(700) is a number; exp(710) is none."""
    x = np.array([[0.0, 500.0], [690.0, 0.0], [709.0, 0.0], [710.0, 0.0], [1e300, 0.0], [513.0, 600.0]])
    target = np.full(x.shape, 0.5)
    losses, grad = ce.kl_divergence_with_grad(x, target, input_type="log_probs", reduction="none")
    for i in range(len(x)):
        want = exact.divergence(*distributions_of(np.minimum(x[i], 800), target[i], "log_probs", "probs"))
        assert losses[i] == (INF if want > 1.79e308 else pytest.approx(float(want), rel=1e-13))
        p = [float(mp.exp(value)) for value in np.minimum(x[i], 800)]
        assert grad[i] == pytest.approx(np.array(p) - 0.5, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_probability_is_above_1(dtype: Any) -> None:
    """Gradients of rows that hold certain, and opposite, distributions are these probabilities."""
    random = np.random.default_rng(16)
    m = random.normal(0, 20, (2, 20_000)).astype(dtype)
    x = np.stack([m[0], m[0] - 200], 1)
    teacher = np.stack([m[1] - 200, m[1]], 1)
    options: dict[str, Any] = {"target_type": "logits", "reduction": "none"}
    _, grad = ce.kl_divergence_with_grad(x, teacher, **options)
    assert grad.max() <= 1
    assert grad.min() >= -1
    assert abs(abs(grad) - 1).max() < (2e-7 if dtype == np.float32 else 1e-15)


def test_divergences_as_small_as_the_rounding_of_a_logarithm() -> None:
    """log(q) in float64 is off by up to 1e-16, of which the square remains."""
    x = np.array([[-500.0000004353076, -500.0000000357809]])
    target = np.array([[0.4999999001183255, 0.5000000998816745]])
    p, q = distributions_of(x[0], target[0], target_type="probs")
    want = exact.divergence(p, q)
    assert mpf("3e-42") < want < mpf("4e-42")
    loss = ce.kl_divergence(x, target)
    assert loss >= 0
    assert abs(mpf(float(loss)) - want) <= published_bound(p, q, "1e-13") < mpf("4e-30")


# ----------------------------------------------------------------------------------------------
# Odd cases
# ----------------------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan


def test_infinite_losses_have_no_gradient_of_a_teacher() -> None:
    """It would be a difference of infinities; those of what is not normalised are as they are."""
    loss, _, grad_target = row_of([-INF, 0.0, 0.0], [0.0, 0.0, 1.0], target_type="logits")
    assert loss == INF
    assert all(map(math.isnan, grad_target))
    loss, _, grad_target = row_of([-INF, 0.0, 0.0], [-1.0, -1.0, -1.0], target_type="log_probs")
    assert (loss, grad_target[0]) == (INF, INF)
    assert all(map(math.isfinite, grad_target[1:]))


def row_of(x: list[float], target: list[float], **options: Any) -> tuple[float, list[float], list[float]]:
    loss, grad, grad_target = ce.kl_divergence_with_grad(
        np.array(x), np.array(target), reduction="none", grad_target=True, **options
    )
    return float(loss), grad.tolist(), grad_target.tolist()


def test_a_target_of_0() -> None:
    loss, grad, grad_target = row_of([0.25, 0.75], [0.0, 0.75], input_type="probs")
    assert (loss, grad) == (0.25, [1.0, 0.0])
    assert grad_target == [-INF, 0.0]
    loss, grad, grad_target = row_of([0.25, 0.75], [0.0, 0.75], input_type="probs", form="plain")
    assert (loss, grad) == (0.0, [0.0, -1.0])
    loss, _, grad_target = row_of([0.0, 1.0], [0.0, 1.0], input_type="probs")
    assert (loss, grad_target) == (0, [0.0, 0.0])
    # Which is not so for a class that is only too unlikely to have a probability.
    loss, _, grad_target = row_of([-800.0, 0.0], [0.0, 1.0])
    assert (loss, grad_target) == (0, [-INF, 0.0])


def test_a_prediction_of_0() -> None:
    loss, grad, _ = row_of([0.0, 1.0], [0.5, 0.5], input_type="probs")
    assert (loss, grad) == (INF, [-INF, 0.5])
    loss, grad, _ = row_of([-INF, 0.0], [0.5, 0.5], input_type="log_probs")
    assert (loss, grad) == (INF, [-0.5, 0.5])
    loss, grad, _ = row_of([-INF, 0.0], [0.5, 0.5])
    assert (loss, grad) == (INF, [-0.5, 0.5])
    loss, grad, _ = row_of([-INF, 0.0, 0.0], [-INF, 3.0, 3.0], target_type="logits")
    assert (loss, grad) == (0.0, [0.0, 0.0, 0.0])


@pytest.mark.parametrize("form", ["generalized", "plain"])
@pytest.mark.parametrize(
    ("x", "target", "options"),
    [
        ([NAN, 1.0], [0.5, 0.5], {}),
        ([INF, 1.0], [0.5, 0.5], {}),
        ([-INF, -INF], [0.5, 0.5], {}),
        ([0.0, 1.0], [NAN, 0.5], {}),
        ([0.0, 1.0], [-0.5, 0.5], {}),
        ([-0.5, 1.0], [0.5, 0.5], {"input_type": "probs"}),
        ([NAN, 1.0], [0.5, 0.5], {"input_type": "probs"}),
        ([NAN, -1.0], [0.5, 0.5], {"input_type": "log_probs"}),
        ([0.0, 1.0], [NAN, 0.5], {"target_type": "logits"}),
        ([0.0, 1.0], [INF, 0.5], {"target_type": "logits"}),
        ([0.0, 1.0], [-INF, -INF], {"target_type": "logits"}),
        ([0.0, 1.0], [NAN, -0.5], {"target_type": "log_probs"}),
    ],
)
def test_undefined_rows(x: list[float], target: list[float], options: dict[str, Any], form: str) -> None:
    both = np.array([x, [0.25, 0.75]]), np.array([target, [0.5, 0.5]])
    losses, grad, grad_target = ce.kl_divergence_with_grad(
        *both, reduction="none", grad_target=True, form=form, **options
    )
    assert np.isnan(losses).tolist() == [True, False]
    assert np.isnan(grad).tolist() == [[True, True], [False, False]]
    assert np.isnan(grad_target).tolist() == [[True, True], [False, False]]
    # Nor do they poison anything where they do not count.
    for left_out in ({"mask": [False, True]}, {"sample_weight": [0.0, 1.0]}):
        loss, grad, grad_target = ce.kl_divergence_with_grad(*both, grad_target=True, form=form, **options, **left_out)
        assert loss == losses[1]
        assert (grad[0] == 0).all()
        assert (grad_target[0] == 0).all()
