"""One work measured: a result for the loss, and one for each of our ways to give the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from . import calls, peers, timing
from .limits import Limits
from .works import Work

# Below this size what the threads' hand-over takes would be called the memory's limit.
LIMIT_FROM_BYTES = 1 << 20


@dataclass
class Result:
    work: Work
    mode: str  # as calls.ours names it
    ours_seconds: float
    limit_seconds: float | None
    of_limit: float | None  # the limit's time / ours
    peer_seconds: dict[str, float]
    peers: dict[str, float]  # the peer's time / ours
    left_out: dict[str, str]  # by peer: why
    extra_bytes: dict[str, int] = field(default_factory=dict)  # "ours", and by peer

    @property
    def usual(self) -> dict[str, float]:
        """Of `peers` those that are called as their users call them."""
        return {each.name: self.peers[each.name] for each in peers.PEERS if each.usual and each.name in self.peers}

    @property
    def best(self) -> str | None:
        return min(self.usual, key=lambda name: self.usual[name], default=None)


def measure(work: Work, there: Sequence[peers.Peer], limits: Limits, effort: timing.Effort) -> list[Result]:
    inputs = work.inputs()
    results = []
    for gradient in (False, True):
        functions = calls.ours(inputs, gradient)
        modes = list(functions)
        theirs, left_out = calls.theirs(inputs, gradient, there)
        functions.update(theirs)
        if inputs.x.nbytes >= LIMIT_FROM_BYTES:
            functions["limit"] = limits.scale(inputs) if gradient else limits.read(inputs)
        times = timing.interleave(functions, inputs.refresh, effort)
        limit = times.get("limit")
        for mode in modes:
            result = Result(
                work,
                mode,
                median(times[mode]),
                median(limit) if limit else None,
                timing.ratio(limit, times[mode]) if limit else None,
                {name: median(times[name]) for name in theirs},
                {name: timing.ratio(times[name], times[mode]) for name in theirs},
                left_out,
            )
            results.append(result)
    return results
