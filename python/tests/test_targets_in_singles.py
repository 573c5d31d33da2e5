"""Scales, smoothed labels and distributions of f32 logits, which take the kernels of labels, beside long double."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crossentropy as ce

Wide = Any  # of long double

SHAPES = [(20, 1), (20, 2), (16, 3), (64, 10), (40, 100), (33, 129), (17, 1000), (5, 4099), (3, 20000), (1, 140000)]
FAR = [-1e4, -1e30, -3e38]


def logits(random: np.random.Generator, shape: tuple[int, int], spread: float, offset: float, masked: bool) -> Any:
    x = (random.standard_normal(shape) * spread + offset).astype(np.float32)
    if masked:
        x[random.random(shape) < 0.3] = random.choice(FAR)
    return x


def want(x: Any, q: Wide, scale: float) -> tuple[Wide, Wide, Wide, Wide]:
    """Losses and gradients, each with what its errors are relative to."""
    z = x.astype(np.longdouble) * np.longdouble(scale)
    rows, largest = np.arange(len(z)), z.argmax(1)
    m = z[rows, largest][:, None]
    e = np.exp(z - m)
    e[rows, largest] = 0
    rest = e.sum(1)[:, None]
    e[rows, largest] = 1
    p, total = e / (1 + rest), q.sum(1)[:, None]
    terms = np.concatenate([q * (m - z), total * np.log1p(rest)], axis=1)
    grad = total * p - q
    # Which cancels where the row is confident.
    others = (total - q[rows, largest][:, None])[:, 0]
    grad[rows, largest] = others - (total * rest / (1 + rest))[:, 0]
    size = np.maximum(abs(total) * p, abs(q))
    return terms.sum(1), abs(terms).sum(1), grad * np.longdouble(scale), size * np.longdouble(scale)


def check(x: Any, target: Any, q: Wide, scale: float = 1.0, **options: Any) -> None:
    options["reduction"] = "none"
    if "temperature" not in options:
        options["logit_scale"] = scale
    loss, grad = ce.cross_entropy_with_grad(x, target, **options)
    exact, magnitude, exact_grad, size = want(x, q, scale)
    fits = abs(exact) < 3e38
    assert np.all(abs(loss[~fits]) > 2.9e38)
    relative = abs(loss[fits] - exact[fits]) / np.maximum(magnitude[fits], np.longdouble(2) ** -126)
    assert np.max(relative, initial=0) < 3e-7
    assert np.max(abs(grad - exact_grad) / np.maximum(size, np.longdouble(2) ** -126)) < 1e-6

    # The same bits without a gradient, in place, and with the class axis first.
    assert ce.cross_entropy(x, target, **options).tobytes() == loss.tobytes()
    place = x.copy()
    assert ce.cross_entropy_with_grad(place, target, grad=place, **options)[0].tobytes() == loss.tobytes()
    assert place.tobytes() == grad.tobytes()
    turned = target if np.ndim(target) == 1 else np.ascontiguousarray(target.T)
    first = ce.cross_entropy_with_grad(np.ascontiguousarray(x.T), turned, axis=0, **options)
    assert first[0].tobytes() == loss.tobytes()
    assert np.ascontiguousarray(first[1].T).tobytes() == grad.tobytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.01, 0.7, 3.3, 30.0])
def test_scaled_logits(shape: tuple[int, int], scale: float) -> None:
    random = np.random.default_rng([1, *shape])
    for spread, offset in ((1, 0), (8, 0), (60, 1e4), (8, 3e6)):
        x = logits(random, shape, spread, offset, masked=random.random() < 0.5)
        labels = random.integers(0, shape[1], shape[0])
        one_hot = np.zeros(shape, np.longdouble)
        one_hot[np.arange(shape[0]), labels] = 1
        x[np.arange(shape[0]), labels] = np.maximum(x[np.arange(shape[0]), labels], np.float32(offset - 100))
        check(x, labels, one_hot, scale)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[1] >= 4])
@pytest.mark.parametrize("smoothing", [0.1, 0.9, 1.0])
@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_smoothed_labels(shape: tuple[int, int], smoothing: float, scale: float) -> None:
    random = np.random.default_rng([2, *shape])
    for spread, offset in ((1, 0), (8, 1e4), (60, 0)):
        x = logits(random, shape, spread, offset, masked=random.random() < 0.5)
        labels = random.integers(0, shape[1], shape[0])
        q = np.full(shape, np.longdouble(smoothing) / shape[1])
        q[np.arange(shape[0]), labels] += 1 - np.longdouble(smoothing)
        check(x, labels, q, scale, label_smoothing=smoothing)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["dense", "one_hot", "confident", "few", "signed"])
@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_distributions(shape: tuple[int, int], kind: str, scale: float) -> None:
    random = np.random.default_rng([3, *shape])
    rows, classes = np.arange(shape[0]), random.integers(0, shape[1], shape[0])
    for spread, offset in ((1, 0), (8, 1e4), (60, 0)):
        x = logits(random, shape, spread, offset, masked=random.random() < 0.5)
        if kind == "signed":
            q = random.standard_normal(shape)
        elif kind in ("dense", "few"):
            q = random.dirichlet(np.ones(shape[1]), shape[0])
            if kind == "few":
                q *= random.random(shape) < 0.1
        else:
            q = np.zeros(shape)
            q[rows, classes] = 1
            if kind == "confident":
                x[rows, classes] = offset + 100
        target = q.astype(np.float32)
        check(x, target, target.astype(np.longdouble), scale)
        wide = ce.cross_entropy_with_grad(x, target.astype(np.float64), logit_scale=scale)
        same = ce.cross_entropy_with_grad(x, target, logit_scale=scale)
        assert wide[0] == same[0] or np.isnan(wide[0])
        assert wide[1].tobytes() == same[1].tobytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [1.0, 2.0, 3.0, 0.3])
def test_teacher_logits(shape: tuple[int, int], temperature: float) -> None:
    random = np.random.default_rng([6, *shape])
    for spread, offset, masked in ((1, 0, False), (8, 1e4, True), (60, 0, False)):
        x = logits(random, shape, spread, 0, masked=spread < 60 and random.random() < 0.5)
        teacher = logits(random, shape, spread, offset, masked)
        if spread == 60:
            x[:, 0], teacher[:, 0] = 500, 700  # sure of the same class
        z = teacher.astype(np.longdouble) / np.longdouble(temperature)
        q = np.exp(z - z.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
        check(x, teacher, q, 1 / temperature, target_type="logits", temperature=temperature)
        halves = teacher.astype(np.float16).astype(np.float32) if offset == 0 else None
        if halves is not None:
            same = ce.cross_entropy_with_grad(x, halves, target_type="logits", temperature=temperature)
            half = ce.cross_entropy_with_grad(
                x, halves.astype(np.float16), target_type="logits", temperature=temperature
            )
            assert half[0] == same[0]
            assert half[1].tobytes() == same[1].tobytes()


def test_teachers_that_are_no_distribution() -> None:
    x = np.zeros((4, 5), np.float32)
    teacher = np.zeros((4, 5), np.float32)
    teacher[0, 1], teacher[1, 2], teacher[2] = np.nan, np.inf, -np.inf
    loss, grad = ce.cross_entropy_with_grad(x, teacher, target_type="logits", reduction="none")
    np.testing.assert_array_equal(np.isnan(loss), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(grad), np.repeat([[True], [True], [True], [False]], 5, axis=1))
    mask = [False, False, False, True]
    loss, grad = ce.cross_entropy_with_grad(x, teacher, target_type="logits", mask=mask)
    assert loss == np.float32(np.log(5))
    assert not grad.any()


@pytest.mark.parametrize("grad_loss", [1e-300, 1e-42, 1e-25, 1e25, 1e60])
def test_scales_of_gradients_near_the_ends(grad_loss: float) -> None:
    random = np.random.default_rng(4)
    x = random.standard_normal((5, 200)).astype(np.float32)
    target = random.dirichlet(np.ones(200), 5).astype(np.float32)
    labels = [3, 1, 199, 0, 7]
    for y, options in ((target, {}), (labels, {"label_smoothing": 0.1})):
        plain = ce.cross_entropy_with_grad(x, y, reduction="sum", **options)[1]
        scaled = ce.cross_entropy_with_grad(x, y, reduction="sum", grad_loss=grad_loss, **options)[1]
        with np.errstate(over="ignore", under="ignore"):
            exact = (plain.astype(np.float64) * grad_loss).astype(np.float32)
        np.testing.assert_allclose(scaled, exact, rtol=1e-6, atol=2.0**-149)


def test_derivatives_of_targets_leave_the_loss_as_it_is() -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((7, 33)).astype(np.float32)
    target = random.dirichlet(np.ones(33), 7).astype(np.float32)
    loss, grad = ce.cross_entropy_with_grad(x, target)
    derivative = np.empty((7, 33), np.float32)
    both = ce.cross_entropy_with_grad(x, target, grad_target=derivative)
    assert both[0] == loss
    assert both[1].tobytes() == grad.tobytes()
    exact = -np.log(np.exp(x) / np.exp(x).sum(1, keepdims=True)) / 7
    np.testing.assert_allclose(derivative, exact, rtol=1e-5)
