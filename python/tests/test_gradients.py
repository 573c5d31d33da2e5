"""Gradients against finite differences of the loss as its formula stands in the books, in 60 digits.

Only losses are written down here, so that a gradient that is wrong in the same way in the library and
in the formulas of the test vectors does not go unseen.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mp, mpf

import crossentropy as ce

Array = npt.NDArray[Any]

mp.dps = 60
STEP = mpf("1e-20")  # leaves an error of its square, and 40 digits

TERMS: list[dict[str, float]] = [
    {},
    {"z_loss": 0.3},
    {"focal_gamma": 2.0},
    {"focal_gamma": 0.5, "poly_epsilon": -0.7},
    {"poly_epsilon": 2.0},
    {"softcap": 1.5},
    {"logit_scale": -0.8},
    {"z_loss": 0.1, "focal_gamma": 1.5, "poly_epsilon": 0.4, "softcap": 3.0, "logit_scale": 2.0},
]


def row_loss(x: list[mpf], mass: list[mpf], options: dict[str, float]) -> mpf:
    """The loss of a row with target mass a_c = w_c q_c."""
    z = [mpf(options.get("logit_scale", 1.0)) * value for value in x]
    if "softcap" in options:
        cap = mpf(options["softcap"])
        z = [cap * mp.tanh(value / cap) for value in z]
    lse = mp.log(mp.fsum(mp.exp(value) for value in z))
    gamma, epsilon = mpf(options.get("focal_gamma", 0.0)), mpf(options.get("poly_epsilon", 0.0))
    loss = mpf(options.get("z_loss", 0.0)) * lse**2
    for a, value in zip(mass, z):
        p = mp.exp(value - lse)
        loss += a * (1 - p) ** gamma * (-mp.log(p) + epsilon * (1 - p))
    return loss


def difference(x: list[mpf], mass: list[mpf], options: dict[str, float], c: int) -> mpf:
    """The derivative of the loss with respect to x_c."""
    above, below = list(x), list(x)
    above[c] += STEP
    below[c] -= STEP
    return (row_loss(above, mass, options) - row_loss(below, mass, options)) / (2 * STEP)


@pytest.mark.parametrize("options", TERMS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("kind", ["index", "smoothed", "distribution"])
def test_gradient_is_the_derivative(options: dict[str, float], kind: str) -> None:
    random = np.random.default_rng(5)
    x = random.normal(0, 3, (4, 5))
    x[1, 2] += 30  # a confident row
    w, s = random.uniform(0.5, 2, 5), random.uniform(0.5, 2, 4)
    labels = np.array([0, 2, 4, 1])
    q = np.eye(5)[labels] if kind != "distribution" else random.dirichlet(np.ones(5), 4)
    smoothing = 0.1 if kind == "smoothed" else 0.0
    target = q if kind == "distribution" else labels
    losses, grad = ce.cross_entropy_with_grad(
        x, target, weight=w, sample_weight=s, label_smoothing=smoothing, reduction="none", **options
    )
    for i, c in itertools.product(range(4), range(5)):
        row = [mpf(value) for value in x[i].tolist()]
        e = mpf(smoothing)
        mass = [mpf(float(w[k])) * ((1 - e) * mpf(float(q[i, k])) + e / 5) for k in range(5)]
        weight = mpf(float(s[i]))
        want = weight * difference(row, mass, options, c)
        size = abs(want) + (sum(mass) * mp.exp(-abs(max(row) - row[c])) + mass[c] if kind != "index" else 0)
        assert abs(mpf(float(grad[i, c])) - want) <= mpf("1e-12") * size
        loss = weight * row_loss(row, mass, options)
        assert abs(mpf(float(losses[i])) - loss) <= mpf("1e-12") * abs(loss)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"softcap": 0.0}, "softcap is 0.0, but must be finite and above 0, or None"),
        ({"softcap": -1.0}, "softcap"),
        ({"logit_scale": 0.0}, "logit_scale is 0.0, but must be finite and not 0"),
        ({"focal_gamma": -1.0}, "focal_gamma"),
        ({"z_loss": float("nan")}, "z_loss"),
        ({"poly_epsilon": float("inf")}, "poly_epsilon"),
    ],
)
def test_terms_out_of_range(options: dict[str, float], text: str) -> None:
    with pytest.raises(ce.ArgumentValueError, match=text):
        ce.cross_entropy(np.zeros((2, 3)), [0, 1], **options)


def test_terms_that_change_nothing() -> None:
    x = np.random.default_rng(6).normal(0, 3, (5, 7)).astype(np.float32)
    labels = np.arange(5)
    same = ce.cross_entropy(x, labels, z_loss=0, focal_gamma=0, poly_epsilon=0, softcap=None, logit_scale=1)
    assert same == ce.cross_entropy(x, labels)
    # Not for logits alone, as they are no request.
    probs = ce.cross_entropy(np.full((5, 7), 1 / 7), labels, input_type="probs", logit_scale=1.0)
    assert probs == pytest.approx(np.log(7))
