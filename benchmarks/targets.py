"""How fast we want to be, as ratios within one run, and whether we are.

Set for two processors. Against the "limit": the share of the memory's speed. Against peers: how many times their speed;
"best" is the fastest of those that are used as their users do, and several names mean the fastest of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .results import Result
from .works import Work

LONG = [Work((2048, 32768)), Work((512, 131072))]
LONG_BF16 = [Work((2048, 32768), "bf16"), Work((512, 131072), "bf16")]
ORDINARY = [Work((8192, 1000))]
SHORT = [Work((65536, 100)), Work((262144, 10)), Work((1048576, 2))]
SEGMENTATION = [Work((8, 21, 512, 512))]
ONE_ROW = [Work((1, 16777216))]
DISTRIBUTION = [Work((4096, 1000), distribution=True)]
DOUBLE = [Work((2048, 32768), "f64")]
SMALL = [Work((64, 10))]

# works, mode, wanted, against
TARGETS: list[tuple[list[Work], str, float, str]] = [
    (LONG, "loss", 0.9, "limit"),
    (LONG, "loss", 1.9, "torch.compile"),
    (LONG, "in place", 0.75, "limit"),
    (LONG, "in place", 8, "best"),
    (LONG_BF16, "loss", 1.8, "best"),
    (LONG_BF16, "in place", 6, "best"),
    (ORDINARY, "loss", 3, "best"),
    (ORDINARY, "in place", 3, "best"),
    (SHORT, "loss", 3, "best"),
    (SHORT, "in place", 4, "best"),
    (SEGMENTATION, "loss", 3, "best"),
    (SEGMENTATION, "in place", 7, "best"),
    (ONE_ROW, "loss", 10, "torch"),
    (ONE_ROW, "in place", 6, "best"),
    (DISTRIBUTION, "in place", 3, "torch"),
    (DOUBLE, "loss", 4, "torch"),
    (DOUBLE, "in place", 5, "torch"),
    (SMALL, "loss", 2, "NumPy"),
    (SMALL, "in place", 3.5, "torch or NumPy"),
]
FASTEST = {"torch.compile", "JAX"}  # without these nobody can say what the best peer takes
OUT_OF_PLACE = 0.6  # of the speed in place


@dataclass(frozen=True)
class Outcome:
    """A target; `measured` is None where the peer or the work is missing in this run."""

    work: str
    mode: str
    wanted: float
    against: str
    measured: float | None

    @property
    def met(self) -> bool | None:
        return None if self.measured is None else self.measured >= self.wanted


def outcomes(results: Sequence[Result]) -> list[Outcome]:
    """Every target of the works in `results`."""
    found = {(result.work.name, result.mode): result for result in results}
    judged = []
    for works, mode, wanted, against in TARGETS:
        for work in works:
            result = found.get((work.name, mode))
            if result:
                judged.append(Outcome(work.name, mode, wanted, against, _measured(result, against)))
    for result in results:
        if result.mode == "out of place":
            in_place = found[result.work.name, "in place"]
            measured = in_place.ours_seconds / result.ours_seconds
            judged.append(Outcome(result.work.name, result.mode, OUT_OF_PLACE, "in place", measured))
    return judged


def _measured(result: Result, against: str) -> float | None:
    if against == "limit":
        return result.of_limit
    if against == "best":
        return result.peers[result.best] if result.best and result.peers.keys() >= FASTEST else None
    chosen = [result.peers.get(name) for name in against.split(" or ")]
    return None if None in chosen else min(each for each in chosen if each is not None)
