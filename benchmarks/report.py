"""The table on the terminal, and everything for JSON."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import crossentropy as ce

from . import kept, peers, targets
from .results import Result

# Beside the table, in one column a peer.
SHORT_NAMES = {"scikit-learn": "sklearn", "torch.compile": "compile", "torch.compile in place": "compile*"}
SHORT_NAMES |= {"JAX donated": "JAX don."}
SHORT_NAMES |= {"TensorFlow": "TF", "ONNX Runtime": "ORT"}


def machine(there: Sequence[peers.Peer], threads: int) -> dict[str, Any]:
    """What the figures belong to."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next((int(line.split()[1]) >> 20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    info = ce.info()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        "machine": f"{cpu or platform.machine()}, {os.cpu_count()} processors, {memory} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "instruction_set": info["isa"],
        "threads": threads,
        "load_before": round(os.getloadavg()[0], 2),
        "crossentropy": {key: info[key] for key in ("version", "build")},
        "peers": {peer.name: peer.version() for peer in there},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def header(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["peers"].items())
    text = f"Instruction set: {kept.title(about['instruction_set'])}\n"
    text += f"crossentropy {about['crossentropy']['version']} beside {versions or 'nobody'}\n"
    text += f"{about['machine']}; {about['system']}; {about['threads']} threads for everyone who can use them\n"
    if about["load_before"] > 0.3:
        text += f"The machine was busy with something else (load {about['load_before']}): expect noise.\n"
    return text + (
        "ours: milliseconds a call. of limit: its share of the memory's speed, reading or scaling in place. extra MB:\n"
        "the most memory a call takes beyond inputs and one gradient, ours / the peers' least-most. Then the peers'\n"
        "time as a multiple of ours; their gradient is the same for each way of ours. compile*: torch.compile bent to\n"
        "overwrite the logits; no target counts it.\n"
    )


def columns(there: Sequence[peers.Peer], isa: str) -> str:
    names = "".join(f"{SHORT_NAMES.get(peer.name, peer.name):>9}" for peer in there)
    return f"{kept.title(isa):32}{'':12}{'ours ms':>9}{'of limit':>9}{'extra MB':>14}{names}"


def line(result: Result, there: Sequence[peers.Peer]) -> str:
    """One row of the table."""
    theirs = [result.extra_bytes[name] for name in result.usual if name in result.extra_bytes]
    extra = f"{result.extra_bytes[result.mode] / 1e6:.1f}"
    if theirs:
        extra += f" / {min(theirs) / 1e6:.0f}-{max(theirs) / 1e6:.0f}"
    cells = [
        f"{result.ours_seconds * 1e3:9.4g}",
        f"{result.of_limit:9.2f}" if result.of_limit else f"{'':9}",
        f"{extra:>14}",
        *(f"{result.peers[p.name]:8.3g}x" if p.name in result.peers else f"{'-':>9}" for p in there),
    ]
    return f"{result.work.name if result.mode == 'loss' else '':32}{result.mode:12}{''.join(cells)}"


def verdict(outcome: targets.Outcome, results: Sequence[Result]) -> str:
    """One target: whether it is met, and by whom it was measured."""
    result = next(each for each in results if (each.work.name, each.mode) == (outcome.work, outcome.mode))
    word = {True: "met", False: "MISSED", None: "-"}[outcome.met]
    against = f"best peer ({result.best})" if outcome.against == "best" else outcome.against
    measured = "not measured" if outcome.measured is None else f"{outcome.measured:.3g}"
    return f"  {word:7} {outcome.work:32}{outcome.mode:12} wanted {outcome.wanted:4g} of {against}: {measured}"


def everything(about: dict[str, Any], results: Sequence[Result], outcomes: Sequence[targets.Outcome]) -> dict[str, Any]:
    """For JSON."""
    rows = [{**asdict(result), "work": result.work.name, "best": result.best} for result in results]
    judged = [{**asdict(outcome), "met": outcome.met} for outcome in outcomes]
    return {**about, "results": rows, "targets": judged}
