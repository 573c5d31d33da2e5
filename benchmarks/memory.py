"""The most memory that a call takes beyond what was there before it: its inputs, and in place its output.

The peak of the resident memory during a call (VmHWM, set back through /proc/self/clear_refs) less what was resident
before, after glibc was told to give back what had been freed, which it would otherwise reuse unseen. The kernel counts
in steps of some 100 kB a thread. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any


def extra(call: Callable[[], Any]) -> int:
    """Bytes; 0 if it is too little to be seen."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    return max(0, _status("VmHWM") - before)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")
