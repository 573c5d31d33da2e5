"""Capped and scaled logits, z = c tanh(s x / c), alone: the log-sum-exp of a single class is its logit."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

import crossentropy as ce

UNITS = 6  # in the last place of float64, as docs/numerics.md says


def units_off(got: float, want: mpf) -> float:
    return float(abs(mpf(got) - want) / mpf(2) ** (mp.frexp(want)[1] - 53))


@pytest.mark.parametrize(
    ("softcap", "scale"),
    [
        (7.3, -1.7),
        (30.0, 1.0),
        (50.0, 0.3),
        (1e-3, 1e3),
        (5.0, 1.0),
        (2.0**-0.5, 3.1),
        (1e-200, 1e-150),
        (1e100, 1e-100),
    ],
)
def test_capped_logits_keep_their_digits(softcap: float, scale: float) -> None:
    generator = np.random.default_rng(5)
    # From where tanh y is y to where it is 1, most of them in between.
    y = np.concatenate([generator.uniform(-3, 3, 1500), 10.0 ** generator.uniform(-12, 1.5, 500)])
    with np.errstate(over="ignore"):
        x = y * softcap / scale
    got = ce.logsumexp(x[:, None], softcap=softcap, logit_scale=scale)
    assert got.dtype == np.float64
    with mp.workdps(40):
        worst = max(
            units_off(z, softcap * mp.tanh(mpf(scale) * mpf(value) / mpf(softcap)))
            for value, z in zip(x.tolist(), got.tolist())
        )
    assert worst <= UNITS
    assert np.abs(got).max() <= softcap


@pytest.mark.parametrize("scale", [0.3, -1.7, 1e-200, 1e200])
def test_scaled_logits_are_rounded_once(scale: float) -> None:
    x = np.random.default_rng(6).normal(size=500) * 100
    assert np.array_equal(ce.logsumexp(x[:, None], logit_scale=scale), x * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_logits_stay_infinite_and_change_sign_with_the_scale(dtype: type) -> None:
    x = np.array([[np.inf], [-np.inf]], dtype)
    for softcap in (None, 5.0):
        assert ce.logsumexp(x, softcap=softcap, logit_scale=2.0).tolist() == [np.inf, -np.inf]
        assert ce.logsumexp(x, softcap=softcap, logit_scale=-2.0).tolist() == [-np.inf, np.inf]


# Losses of labels cap f32 logits in f32 kernels, where z never stands in memory: the largest z and the label's are f64,
# and all others are exponentials at once.

Wide = np.longdouble
CAPS = [
    2.0**-20,
    1e-3,
    0.03,
    1.0,
    15.0,
    30.0,
    50.0,
    300.0,
    4096.0,
    4097.0,
    1e6,
]  # f32 kernels take them from 2^-20 to 2^12


def capped_rows(classes: int, softcap: float, generator: np.random.Generator) -> np.ndarray:
    """Tiny logits, logits near and far beyond the cap where tanh is 1, all sizes, ties, and impossible classes."""
    u = generator.normal(size=(7, 24, classes))
    size = np.array([1e-6, 0.1, 1, 3, 20, 1, 1])[:, None, None] * softcap
    x = u * np.broadcast_to(size, u.shape)
    x[5] *= 10.0 ** generator.integers(-6, 3, x[5].shape)
    x[6] = softcap * generator.choice([-4, -1, 1, 4], x[6].shape)
    x = np.clip(x.reshape(-1, classes), -1e30, 1e30).astype(np.float32)
    x[generator.random(x.shape) < 0.03] = -np.inf
    x[3, :], x[3, -1] = -np.inf, softcap
    x[4, :], x[4, 0] = -1e30, 1e30
    alone = np.isinf(x).all(axis=1)
    x[alone, 0] = softcap / 3
    return x


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 17, 128, 129, 4097, 8200])
@pytest.mark.parametrize(("softcap", "scale"), [(c, 1.0) for c in CAPS] + [(30.0, 0.7), (5.0, 1e5), (30.0, 2.0**-19)])
def test_capped_losses_keep_the_bounds_in_every_layout(classes: int, softcap: float, scale: float) -> None:
    generator = np.random.default_rng([classes, int(softcap * 1e6)])
    x = (capped_rows(classes, softcap, generator) / np.float32(scale)).astype(np.float32)
    count = np.arange(len(x))
    labels = np.where(count % 3 == 0, x.argmax(axis=1), generator.integers(0, classes, len(x)))
    options = {"softcap": softcap, "logit_scale": scale, "reduction": "none", "threads": 1}
    losses, gradients = ce.cross_entropy_with_grad(x, labels, **options)
    assert ce.cross_entropy(x, labels, **options).tobytes() == losses.tobytes()
    for other in (x.copy(), np.asfortranarray(x), np.repeat(x, 3, axis=1)[:, ::3]):
        for grad in (None, other):
            again, g = ce.cross_entropy_with_grad(other, labels, grad=grad, **options)
            assert again.tobytes() == losses.tobytes()
            assert np.ascontiguousarray(g).tobytes() == gradients.tobytes()

    with np.errstate(all="ignore"):
        y = Wide(scale) * x.astype(Wide) / Wide(softcap)
        z = np.where(np.isinf(x), x.astype(Wide), Wide(softcap) * np.tanh(y))
        e = np.exp(-2 * np.abs(y))
        slopes = Wide(scale) * 4 * e / (1 + e) ** 2
        largest = z.argmax(axis=1)
        p = np.exp(z - z[count, largest][:, None])
        others = p.copy()
        others[count, largest] = 0
        rest = others.sum(axis=1)
        want = (z[count, largest] - z[count, labels]) + np.log1p(rest)
        p /= (1 + rest)[:, None]
        want_gradients = p.copy()
        want_gradients[count, labels] = np.where(largest == labels, -rest / (1 + rest), p[count, labels] - 1)
        want_gradients *= slopes
    assert np.array_equal(np.isinf(losses), np.isinf(want))
    normal = (want >= 2.0**-126) & np.isfinite(want)
    error = np.abs(losses[normal] - want[normal])
    assert np.all(error <= 1e-6 * want[normal])
    large = want[normal] >= 2**-4
    assert np.all(error[large] <= 2 * np.ldexp(Wide(1), np.frexp(want[normal][large])[1] - 24))
    size = np.abs(want_gradients)
    is_label = labels[:, None] == np.arange(classes)
    bound = np.where(is_label | (p >= 1e-6), 1e-6, 5e-6) * size
    normal = (size >= 2.0**-126) & (is_label | (p >= 2.0**-126))
    assert np.all(np.abs(gradients - want_gradients)[normal] <= bound[normal])
    assert np.all(np.abs(gradients[~normal]) <= 2.0**-125)


def test_rows_without_a_distribution_are_nan_under_a_cap() -> None:
    for classes in (2, 10, 200, 5000):
        x = np.zeros((5, classes), np.float32)
        x[0, 1], x[1, -1], x[2], x[3, 0] = np.nan, np.inf, -np.inf, np.nan
        labels = np.array([0, 0, 0, -100, 1])
        losses, gradients = ce.cross_entropy_with_grad(x, labels, softcap=30, reduction="none")
        assert np.isnan(losses[:3]).all()
        assert np.isnan(gradients[:3]).all()
        assert losses[3] == 0
        assert not gradients[3].any()
        assert losses[4] == np.float32(np.log(classes))
        assert np.isfinite(gradients[4]).all()


@pytest.mark.parametrize("grad_loss", [1e-30, 1e20, 1e38])
def test_slopes_meet_large_and_small_upstream_gradients(grad_loss: float) -> None:
    """A slope below f32's range times a factor near its end; beyond all of these, 0."""
    softcap = 4.0
    x = np.array([[0, 60, -60, 150, 250, 400, 2000]], np.float32).repeat(20, axis=0)
    e = np.exp(-2 * np.abs(x[0].astype(Wide)) / softcap)
    z = softcap * np.tanh(x[0].astype(Wide) / softcap)
    for label in (0, 1):
        p = np.exp(z) / np.exp(z).sum()
        p[label] -= 1
        want = p * 4 * e / (1 + e) ** 2 * grad_loss
        want[np.abs(want) < 2.0**-126] = 0
        for shape in (x, x[:1]):
            g = ce.cross_entropy_with_grad(
                shape, np.full(len(shape), label), softcap=softcap, reduction="sum", grad_loss=grad_loss
            )[1]
            assert np.all(np.abs(g - want) <= np.maximum(1e-6 * np.abs(want), 2.0**-125))
