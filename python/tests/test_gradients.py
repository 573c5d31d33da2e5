"""Gradients against finite differences of the loss as its formula stands in the books, in 60 digits.

Only losses are written down here, so that a gradient that is wrong in the same way in the library and
in the formulas of the test vectors does not go unseen.
"""

from __future__ import annotations

import itertools
from typing import Any

import exact
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
    {"temperature": 2.5},
    {"temperature": 0.75, "temperature_squared": True},
    {"temperature": 3.0, "temperature_squared": True, "z_loss": 0.1, "softcap": 3.0, "logit_scale": 2.0},
]


def row_loss(x: list[mpf], mass: list[mpf], options: dict[str, float]) -> mpf:
    """The loss of a row with target mass a_c = w_c q_c."""
    z = [mpf(options.get("logit_scale", 1.0)) * value for value in x]
    if "softcap" in options:
        cap = mpf(options["softcap"])
        z = [cap * mp.tanh(value / cap) for value in z]
    temperature = mpf(options.get("temperature", 1.0))
    z = [value / temperature for value in z]
    lse = mp.log(mp.fsum(mp.exp(value) for value in z))
    gamma, epsilon = mpf(options.get("focal_gamma", 0.0)), mpf(options.get("poly_epsilon", 0.0))
    loss = mpf(options.get("z_loss", 0.0)) * lse**2
    for a, value in zip(mass, z):
        p = mp.exp(value - lse)
        loss += a * (1 - p) ** gamma * (-mp.log(p) + epsilon * (1 - p))
    return loss * temperature**2 if "temperature_squared" in options else loss


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


INPUTS: list[dict[str, Any]] = [
    {},
    {"z_loss": 0.3, "logit_scale": 1.5},
    {"label_smoothing": 0.3},
    {"temperature": 2.5, "temperature_squared": True},
    {"input_type": "log_probs", "label_smoothing": 0.1},
    {"input_type": "probs"},
]


@pytest.mark.parametrize("options", INPUTS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("target_type", ["probs", "log_probs", "logits"])
def test_gradient_of_the_target_is_the_derivative(target_type: str, options: dict[str, Any]) -> None:
    random = np.random.default_rng(7)
    x, target = random.normal(0, 3, (2, 4, 5))
    if options.get("input_type") == "probs":
        x = random.uniform(0.01, 1, x.shape)
    if target_type == "probs":
        target = random.uniform(0, 1, x.shape)
    x[1, 2] += 30  # a confident row
    w, s, prior = random.uniform(0.5, 2, 5), random.uniform(0.5, 2, 4), random.dirichlet(np.ones(5))
    _, _, grad_target = ce.cross_entropy_with_grad(
        x, target, weight=w, sample_weight=s, prior=prior, target_type=target_type, reduction="none", grad_target=True,
        grad_loss=-0.75, **options,
    )  # fmt: skip
    assert grad_target.dtype == target.dtype
    e, temperature = mpf(options.get("label_smoothing", 0.0)), mpf(options.get("temperature", 1.0))
    for i in range(4):
        input = exact.row(x[i])
        if options.get("input_type") == "probs":
            log_p = [mp.log(value) for value in input]
        elif options.get("input_type") == "log_probs":
            log_p = input
        else:
            log_p = exact.log_softmax([mpf(options.get("logit_scale", 1.0)) * value / temperature for value in input])

        def loss(values: exact.Row, i: int = i, log_p: exact.Row = log_p) -> Any:
            q = exact.distribution(values, target_type, float(temperature))
            mass = [mpf(float(w[c])) * ((1 - e) * q[c] + e * mpf(float(prior[c]))) for c in range(5)]
            total = mpf(float(s[i])) * -mp.fsum(a * b for a, b in zip(mass, log_p))
            return total * temperature**2 if "temperature_squared" in options else total

        values = exact.row(target[i])
        q = exact.distribution(values, target_type, float(temperature))
        largest = max(abs(value) for value in log_p) * mpf(float(s[i])) * 2 * temperature
        for c in range(5):
            want = mpf("-0.75") * exact.derivative(loss, values, c)
            size = abs(want) if target_type != "logits" else q[c] * largest
            assert abs(mpf(float(grad_target[i, c])) - want) <= mpf("1e-12") * size


def test_gradient_of_the_target_is_reduced_as_the_loss_is() -> None:
    random = np.random.default_rng(8)
    x, q, s = random.normal(0, 2, (6, 5)), random.dirichlet(np.ones(5), 6), random.uniform(0.5, 2, 6)
    s[3], mask = 0, np.array([1, 1, 1, 1, 0, 1])
    x[3:5] = np.nan
    options: dict[str, Any] = {"sample_weight": s, "mask": mask, "grad_target": True}
    _, _, each = ce.cross_entropy_with_grad(x, q, reduction="none", **options)
    assert not each[3:5].any()
    assert np.array_equal(each[3:5], np.zeros((2, 5)))
    for how, divisor in (
        ({"reduction": "sum"}, 1.0),
        ({}, s[mask == 1].sum()),
        ({"mean_over": "count"}, 5),
        ({"mean_over": 0.5}, 0.5),
    ):
        got = ce.cross_entropy_with_grad(x, q, **how, **options)[2]
        assert got == pytest.approx(each / divisor, rel=1e-14)
    upstream = random.normal(0, 1, 6)
    got = ce.cross_entropy_with_grad(x, q, reduction="none", grad_loss=upstream, **options)[2]
    assert got == pytest.approx(each * upstream[:, None], rel=1e-14)
    x[0, 1] = np.nan
    got = ce.cross_entropy_with_grad(x, q, reduction="none", **options)[2]
    assert np.isnan(got).tolist() == [[True] * 5, *[[False] * 5] * 5]


def test_gradient_of_the_target_where_it_has_no_mass() -> None:
    """The loss would be infinite with any."""
    x, q = np.array([[-np.inf, 1.0, 2.0]]), np.array([[0.0, 0.5, 0.5]])
    loss, _, grad_target = ce.cross_entropy_with_grad(x, q, grad_target=True)
    assert np.isfinite(loss)
    assert grad_target[0, 0] == np.inf
    assert np.isfinite(grad_target[0, 1:]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_of_the_target_in_any_layout_and_with_statistics(dtype: Any) -> None:
    random = np.random.default_rng(9)
    x, q = random.normal(0, 2, (7, 200, 3)).astype(np.float32), random.random((7, 200, 3)).astype(dtype)
    options: dict[str, Any] = {"axis": 1, "reduction": "none"}
    loss, grad, want = ce.cross_entropy_with_grad(x, q, grad_target=True, threads=1, **options)
    assert want.dtype == dtype
    for threads in (1, 2, 3):
        room = np.full((3, 7, 200, 2), 7, dtype)
        out = room[..., ::-1, 1].transpose(1, 2, 0)
        results = ce.cross_entropy_with_grad(x, q, grad_target=out, threads=threads, row_stats=True, **options)
        assert results[2] is out
        assert np.array_equal(out, want)
        assert np.array_equal(results[1], grad)
        assert np.array_equal(results[0], loss)
        assert results[3].lse == pytest.approx(ce.logsumexp(x, axis=1), rel=1e-6)
        assert (room[..., 0] == 7).all()
    # Without it the loss and its gradient are the same.
    for a, b in zip(ce.cross_entropy_with_grad(x, q, **options), (loss, grad)):
        assert np.array_equal(a, b)


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
