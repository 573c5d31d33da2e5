"""How fast we want to be, as ratios within one run, and whether we are.

Set for two threads. Against the "limit": the share of the memory's speed. Against peers: how many times their speed;
"best" is the fastest of those that are used as their users do, and several names mean the fastest of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .results import Result
from .works import Work

LONG = [Work((2048, 32768)), Work((512, 131072))]
LONG_HALVES = [
    Work((rows, classes), dtype) for dtype in ("bf16", "f16") for rows, classes in ((2048, 32768), (512, 131072))
]
ORDINARY = [Work((8192, 1000))]
HUNDRED = [Work((65536, 100))]
SHORT = [Work((262144, 10)), Work((1048576, 2))]
SEGMENTATION = [Work((8, 21, 512, 512))]
ONE_ROW = [Work((1, 16777216))]
DISTRIBUTION = [Work((4096, 1000), distribution=True)]
DOUBLE = [Work((2048, 32768), "f64")]
SMALL = [Work((64, 10))]


@dataclass(frozen=True)
class Wanted:
    """A ratio; of AVX-512 another one where its registers of 512 bits bring the memory's speed within reach."""

    ratio: float
    avx512: float | None = None

    def on(self, isa: str) -> float:
        return self.avx512 if isa == "avx512" and self.avx512 is not None else self.ratio


# works, mode, wanted, against
TARGETS: list[tuple[list[Work], str, Wanted, str]] = [
    (LONG, "loss", Wanted(0.6, avx512=0.85), "limit"),
    (LONG, "loss", Wanted(2.5), "best"),
    (LONG, "in place", Wanted(0.65, avx512=0.75), "limit"),
    (LONG, "in place", Wanted(6), "best"),
    (LONG_HALVES, "loss", Wanted(2.5), "best"),
    (LONG_HALVES, "in place", Wanted(6), "best"),
    (ORDINARY, "loss", Wanted(2.2), "best"),
    (ORDINARY, "in place", Wanted(4), "best"),
    (HUNDRED, "loss", Wanted(3), "best"),
    (HUNDRED, "in place", Wanted(4), "best"),
    (SHORT, "loss", Wanted(2.2), "best"),
    (SHORT, "in place", Wanted(2.4), "best"),
    (SEGMENTATION, "loss", Wanted(4), "best"),
    (SEGMENTATION, "in place", Wanted(7), "best"),
    (ONE_ROW, "loss", Wanted(4), "best"),
    (ONE_ROW, "in place", Wanted(5), "best"),
    (DISTRIBUTION, "in place", Wanted(3), "torch"),
    (DOUBLE, "loss", Wanted(4), "torch"),
    (DOUBLE, "in place", Wanted(5), "torch"),
    (SMALL, "loss", Wanted(2), "NumPy"),
    (SMALL, "in place", Wanted(4), "NumPy"),
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


def outcomes(results: Sequence[Result], isa: str) -> list[Outcome]:
    """Every target of the works in `results`, on that instruction set."""
    found = {(result.work.name, result.mode): result for result in results}
    judged = []
    for works, mode, wanted, against in TARGETS:
        for work in works:
            result = found.get((work.name, mode))
            if result:
                judged.append(Outcome(work.name, mode, wanted.on(isa), against, _measured(result, against)))
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
