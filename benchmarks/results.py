"""One work measured: a result for the loss, and one for each of our ways to give the gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from . import calls, memory, peers, timing
from .limits import Limits
from .works import Inputs, Work

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
    extra_bytes: dict[str, int]  # beyond inputs and one gradient, by mode and by peer

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
        ours = calls.ours(inputs, gradient)
        theirs, left_out = calls.theirs(inputs, gradient, there)
        extra = _extra_memory(inputs, gradient, {**ours, **theirs}, there)
        functions = {**ours, **theirs}
        if inputs.x.nbytes >= LIMIT_FROM_BYTES:
            functions["limit"] = limits.scale(inputs) if gradient else limits.read(inputs)
        times = timing.interleave(functions, inputs.refresh, effort)
        limit = times.get("limit")
        for mode in ours:
            result = Result(
                work,
                mode,
                median(times[mode]),
                median(limit) if limit else None,
                timing.ratio(limit, times[mode]) if limit else None,
                {name: median(times[name]) for name in theirs},
                {name: timing.ratio(times[name], times[mode]) for name in theirs},
                left_out,
                {name: extra[name] for name in (mode, *theirs) if name in extra},
            )
            results.append(result)
    return results


def _extra_memory(
    inputs: Inputs, gradient: bool, functions: dict[str, Callable[[], Any]], there: Sequence[peers.Peer]
) -> dict[str, int]:
    """Bytes beyond the inputs and one gradient, by our mode or the peer's name."""
    unseen = {peer.name for peer in there if peer.pools}
    allocate = {"new array", *(peer.name for peer in there if peer.allocates)} if gradient else set()
    return {
        name: max(0, memory.extra(call) - (inputs.x.nbytes if name in allocate else 0))
        for name, call in functions.items()
        if name not in unseen
    }
