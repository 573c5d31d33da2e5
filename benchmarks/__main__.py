"""Loss and gradient beside every peer that is installed, and beside the memory's limit.

    make bench            all peers, in an environment of their own; some minutes. Kept in docs/bench, a run for each
                          instruction set, and shown in docs/speed.md
    make bench-quick      NumPy alone; below a minute
    PYTHONPATH=python:. python -m benchmarks --only 32768 --peers torch,JAX

Everything runs in one process and is interleaved; a peer's result must agree with ours before it is timed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import crossentropy as ce

from . import calls, kept, page, picture, report, results, targets
from .limits import Limits
from .peers import PEERS, Peer
from .timing import Effort
from .works import WORKS

FULL = Effort(rounds=7, sample_seconds=0.02, budget_seconds=1.0)
QUICK = Effort(rounds=3, sample_seconds=0.01, budget_seconds=0.2)


def main() -> int:
    arguments = parse_arguments()
    threads = restrict_threads(arguments.threads)
    there = installed(arguments.peers, threads)
    about = report.machine(there, threads)
    print(report.header(about))
    works = [work for work in WORKS if arguments.only in work.name]
    for work in [work for work in works if not calls.accepts(work)]:
        print(f"{work.name} is left out: the library does not take {work.dtype}, or ml_dtypes is missing")
        works.remove(work)

    isa = about["instruction_set"]
    print(report.columns(there, isa))
    measured = []
    limits, effort = Limits(threads), QUICK if arguments.quick else FULL
    for work in works:
        for result in results.measure(work, there, limits, effort):
            print(report.line(result, there), flush=True)
            measured.append(result)
            if result.mode in ("loss", "in place"):
                for name, reason in result.left_out.items():
                    print(f"  {name} left out: {reason}")

    judged = targets.outcomes(measured, isa)
    print(f"\nTargets on {kept.title(isa)}")
    for outcome in judged:
        print(report.verdict(outcome, measured))
    everything = report.everything(about, measured, judged)
    kept.write(arguments.json, everything)
    print(f"\nEverything measured: {os.path.relpath(arguments.json)}")
    if arguments.keep:
        if reason := not_whole(arguments):
            print(f"Not kept for docs/speed.md: {reason}")
        else:
            kept.write(kept.FOLDER / f"{isa}.json", everything)
            (kept.FOLDER / f"{isa}.svg").write_text(picture.draw(measured, about))
            page.update()
            print(f"Kept as {os.path.relpath(kept.FOLDER / isa)}.json and .svg; docs/speed.md shows it")
    return 0


def not_whole(arguments: argparse.Namespace) -> str:
    """Why this run does not say how fast the library is on processors like this one; empty if it does."""
    if arguments.quick or arguments.only or arguments.peers is not None or arguments.threads:
        return "only a whole run is, without --quick, --only, --peers and --threads"
    return kept.forced()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="works whose name contains it: 32768, f64, [64")
    parser.add_argument("--peers", metavar="A,B", help=f"of {', '.join(peer.name for peer in PEERS)}")
    parser.add_argument("--threads", type=int, metavar="N", help="for everyone; default: every processor")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="PATH")
    parser.add_argument(
        "--keep", action="store_true", help="keep a whole run in docs/bench, and show it in docs/speed.md"
    )
    arguments = parser.parse_args()
    if arguments.peers is not None:
        arguments.peers = [name.strip() for name in arguments.peers.split(",") if name.strip()]
        unknown = set(arguments.peers) - {peer.name for peer in PEERS}
        if unknown:
            parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return arguments


def restrict_threads(count: int | None) -> int:
    """Leaves this process `count` processors, which is how JAX is told, before any peer is imported."""
    processors = sorted(os.sched_getaffinity(0))
    if count is not None:
        os.sched_setaffinity(0, processors[:count])
        processors = processors[:count]
    ce.set_num_threads(len(processors))
    os.environ["OMP_NUM_THREADS"] = str(len(processors))
    return len(processors)


def installed(names: list[str] | None, threads: int) -> list[Peer]:
    """The peers of those names, or all, as far as they can be imported."""
    there = []
    for peer in PEERS:
        if names is None or peer.name in names:
            try:
                there.append(peer(threads))
            except ImportError as error:
                print(f"{peer.name} is not installed: {error}")
    return there


if __name__ == "__main__":
    sys.exit(main())
