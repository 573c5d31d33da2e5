"""Gradients just above the smallest normal number."""

from __future__ import annotations

import numpy as np
import pytest

import crossentropy as ce


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("below", [0.0, 10.0, 31.9, 33.0])
@pytest.mark.parametrize(("dtype", "last", "bound"), [(np.float32, 87.2, 5e-6), (np.float64, 708.0, 1e-13)])
def test_probabilities_just_above_the_smallest_normal_number(
    dtype: type, last: float, bound: float, below: float, axis: int
) -> None:
    x = np.full((1, 4136), -np.inf, dtype)
    x[0, 0] = largest = 0.7  # with 0 factors are powers of two, which are not rounded
    x[0, 4096:4112] = largest - last - below  # the reference of the second block
    x[0, 4112:] = np.linspace(largest - last, largest - last + 0.05, 24)
    want = np.exp(x.astype(np.longdouble) - x[0, 0])
    want /= want.sum()
    normal = np.flatnonzero(want[0] >= np.finfo(dtype).tiny)
    assert len(normal) >= 25
    rows = x if axis else np.ascontiguousarray(x.T)
    for scale in (1.0, 2.0**40, 2.0**126):
        grad = ce.cross_entropy_with_grad(rows, [0], axis=axis, grad_loss=scale)[1].reshape(-1)
        assert np.abs(grad[normal[1:]] / (scale * want[0, normal[1:]]) - 1).max() <= bound
    p = ce.softmax(rows, axis=axis).reshape(-1)
    assert np.abs(p[normal] / want[0, normal] - 1).max() <= bound


@pytest.mark.parametrize("mass", [1e-290, -3e-300, 1e-306])
@pytest.mark.parametrize("largest", [1.0, -7.0])
def test_gradients_of_a_tiny_target_mass(mass: float, largest: float) -> None:
    x = np.array([[0.0, -7.0, 1.0]])
    q = mass * (x == largest)
    p = np.exp(x.astype(np.longdouble))
    p /= p.sum()
    grad = ce.cross_entropy_with_grad(x, q)[1]
    assert np.abs(grad / (mass * (p - (x == largest))) - 1).max() <= 1e-13
