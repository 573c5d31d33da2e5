"""Losses of one row as their formulas stand in the books, in 60 digits, and derivatives as differences of them.

Only losses are written down here, so that a gradient that is wrong in the same way in the library and
in the formulas of the test vectors does not go unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mpmath import mp, mpf

mp.dps = 60
STEP = mpf("1e-20")  # leaves an error of its square, and 40 digits
CURVED_STEP = mpf("1e-13")  # the same for second derivatives

Row = list[Any]


def row(values: Iterable[Any]) -> Row:
    return [mpf(float(value)) for value in values]


def softmax_and_log(z: Row) -> tuple[Row, Row]:
    largest = max(z)
    exponentials = {value: mp.exp(value - largest) for value in set(z)}  # each once: they cost the most
    total = mp.fsum(exponentials[value] for value in z)
    lse = largest + mp.log(total)
    return [exponentials[value] / total for value in z], [value - lse for value in z]


def log_softmax(z: Row) -> Row:
    return softmax_and_log(z)[1]


def softmax(z: Row) -> Row:
    return softmax_and_log(z)[0]


def distribution(values: Row, kind: str, temperature: float = 1.0) -> Row:
    """What probabilities, log-probabilities or logits stand for."""
    if kind == "logits":
        return softmax([value / mpf(temperature) for value in values])
    return [mp.exp(value) for value in values] if kind == "log_probs" else values


def divergence(p: Row, q: Row, form: str = "generalized", logs: tuple[Row, Row] | None = None) -> Any:
    """`logs`: of p and of q, where they are known, as they cost the most."""
    if logs:
        terms = [b * (log_b - log_a) if b else mpf(0) for b, log_a, log_b in zip(q, *logs)]
    else:
        terms = [b * mp.log(b / a) if b else mpf(0) for a, b in zip(p, q)]
    if form == "generalized":
        terms += [a - b for a, b in zip(p, q)]
    return mp.fsum(terms)


def cross_entropy(z: Row, mass: Row, z_loss: float = 0.0) -> Any:
    """Of logits, with target mass a_c = w_c q_c."""
    minus_log_p = [-value for value in log_softmax(z)]
    lse = z[0] + minus_log_p[0]
    return mp.fsum(a * value for a, value in zip(mass, minus_log_p)) + mpf(z_loss) * lse**2


def derivative(loss: Callable[[Row], Any], at: Row, c: int) -> Any:
    return (loss(moved(at, c, STEP)) - loss(moved(at, c, -STEP))) / (2 * STEP)


def second_derivative(loss: Callable[[Row], Any], at: Row, c: int, d: int) -> Any:
    h = CURVED_STEP
    corners = [i * j * loss(moved(moved(at, c, i * h), d, j * h)) for i in (1, -1) for j in (1, -1)]
    return mp.fsum(corners) / (4 * h * h)


def moved(at: Row, c: int, step: Any) -> Row:
    return [value + step if k == c else value for k, value in enumerate(at)]
