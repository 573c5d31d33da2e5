"""Interleaved timing: in each round every function is timed once, and ratios are taken within rounds.

Each round begins with another function, so that none always follows the same one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Before each sample: the threads of OpenMP spin for some milliseconds after a call, and those of ONNX Runtime for 30
# where they are not told to stop, on processors that the next function needs.
SETTLE_SECONDS = 0.03


@dataclass(frozen=True)
class Effort:
    """The number of rounds; the least time of a sample, in which short functions are repeated; the time after which
    a function is left out of further rounds."""

    rounds: int
    sample_seconds: float
    budget_seconds: float


def interleave(
    calls: Mapping[str, Callable[[], Any]], refresh: Callable[[], None], effort: Effort
) -> dict[str, list[float]]:
    """Seconds per call in round 0, 1, ...; slow functions have fewer rounds. Each has been called before.

    `refresh` comes before every sample, so that all find the same things in the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    repeats: dict[str, int] = {}
    names = list(calls)
    for number in range(effort.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            call = calls[name]
            if sum(times[name]) * repeats.get(name, 1) > effort.budget_seconds:
                continue
            time.sleep(SETTLE_SECONDS)
            refresh()
            if name in repeats:
                times[name].append(_sample(call, repeats[name]))
                continue
            seconds = _sample(call, 1)
            repeats[name] = max(1, min(10_000, round(effort.sample_seconds / seconds)))
            times[name].append(seconds if repeats[name] == 1 else _sample(call, repeats[name]))
    return times


def _sample(call: Callable[[], Any], repeats: int) -> float:
    """Seconds per call."""
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
