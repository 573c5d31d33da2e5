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
