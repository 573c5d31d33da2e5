"""Interleaved timing: in each round every function is timed once, and ratios are taken within rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Between two functions: the threads of OpenMP and of ONNX Runtime spin for some milliseconds after a
# call, on processors that the next function needs.
SETTLE_SECONDS = 0.01
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, the least time of a sample (short functions are repeated within it), and the time
    for one function in all rounds after the first three."""

    rounds: int
    sample_seconds: float
    budget_seconds: float


def interleave(
    calls: Mapping[str, Callable[[], Any]], refresh: Callable[[], None], effort: Effort
) -> dict[str, list[float]]:
    """Seconds per call in round 0, 1, ...; slow functions have fewer rounds. Each has been called once before.

    `refresh` comes before every sample, so that all find the same things in the caches.
    """
    repeats = {}
    for name, call in calls.items():
        refresh()
        seconds = _sample(call, 1)
        repeats[name] = min(10_000, max(1, round(effort.sample_seconds / seconds)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(effort.rounds):
        for name, call in calls.items():
            if number >= LEAST_ROUNDS and sum(times[name]) * repeats[name] > effort.budget_seconds:
                continue
            time.sleep(SETTLE_SECONDS)
            refresh()
            times[name].append(_sample(call, repeats[name]))
    return times


def _sample(call: Callable[[], Any], repeats: int) -> float:
    if repeats > 1:
        call()  # wakes the threads
    start = time.perf_counter()
    for _ in range(repeats):
        result = call()
    seconds = time.perf_counter() - start
    del result  # giving memory back is not timed, where the sample is one call
    return seconds / repeats


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(above, below))
