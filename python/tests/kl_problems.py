"""What the tests of KL divergence share: inputs of each kind, and their published bound."""

from __future__ import annotations

from typing import Any

import exact
import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf

Array = npt.NDArray[Any]
ROWS, CLASSES = 5, 6
KINDS = ["logits", "probs", "log_probs"]


def given_as(kind: str, random: np.random.Generator, shape: tuple[int, ...] = (ROWS, CLASSES)) -> Array:
    """Numbers of that kind, of distributions that do not add up to 1 where they need not."""
    values = random.normal(0, 2, shape)
    if kind == "probs":
        return random.uniform(0.001, 0.5, shape)
    return values if kind == "logits" else -abs(values)


def published_bound(p: exact.Row, q: exact.Row, digits: str, logs: tuple[exact.Row, exact.Row] | None = None) -> Any:
    """How far the generalised form may be off, as include/crossentropy.h says it. `logs`: of p and q, if known."""
    bound = mpf(digits) * exact.divergence(p, q, logs=logs)
    logs = logs or tuple([mp.log(value) if value else mpf(0) for value in each] for each in (p, q))
    for a, b, log_a, log_b in zip(p, q, *logs):
        if a and b:
            delta = mpf("1e-15") * (1 + max(abs(log_a), abs(log_b)))
            bound += min(b, abs(b - a)) * delta + min(a, b) * delta**2
    return bound
