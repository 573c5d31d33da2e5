"""The most memory that a call takes beyond the logits, the targets and one gradient.

Measured in a child process: the peak of resident memory during a second call (VmHWM, set back through
/proc/self/clear_refs) less what was resident before it, and less the gradient if the call made a new one. The kernel
counts in steps of some 100 kB a thread. Linux only; elsewhere there is nothing to print.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import crossentropy as ce

from . import calls, peers
from .works import WORKS

Extra = dict[str, dict[str, int]]


def extra_memory(works: Sequence[str], names: Sequence[str], threads: int) -> Extra:
    """Bytes by "work, loss" or "work, gradient", and by our mode or the peer's name; empty where it cannot be had."""
    # With a fixed threshold glibc gives freed memory back, instead of keeping it for the next call unseen.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps([works, names, threads])]
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = child.stdout.splitlines()
    found: Extra = json.loads(lines[-1]) if child.returncode == 0 and lines else {}
    return found


def main(works: Sequence[str], names: Sequence[str], threads: int) -> None:
    ce.set_num_threads(threads)
    peers.ONNXRuntime.arena = False  # it keeps what it once had
    there = [each(threads) for each in peers.PEERS if each.name in names]
    found: Extra = {}
    for work in WORKS:
        if work.name not in works:
            continue
        inputs = work.inputs()
        for gradient in (False, True):
            functions = calls.ours(inputs, gradient)
            functions.update(calls.theirs(inputs, gradient, there)[0])
            new = {"new array", *(peer.name for peer in there if peer.allocates)} if gradient else set()
            found[f"{work.name}, {'gradient' if gradient else 'loss'}"] = {
                name: max(0, _peak(call) - (inputs.x.nbytes if name in new else 0)) for name, call in functions.items()
            }
    print(json.dumps(found))


def _peak(call: Callable[[], Any]) -> int:
    call()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
