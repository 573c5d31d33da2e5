"""Whole runs are kept in docs/bench, one for each instruction set, so that one can be measured anew by itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "bench"
# Those that docs/speed.md speaks of also where no run has been kept, as `crossentropy.info()["isa"]` names them.
EXPECTED = ("avx2", "avx512")
TITLES = {"avx2": "AVX2", "avx512": "AVX-512", "baseline": "x86-64 baseline", "neon": "AArch64"}


def title(isa: str) -> str:
    return TITLES.get(isa, isa)


def forced() -> str:
    """Why this process does not run as it would by itself on this processor: peers would not be held back likewise."""
    for name in ("CROSSENTROPY_ISA", "CROSSENTROPY_ROUTE"):
        if os.environ.get(name):
            return f"{name} is set, which holds the peers back by nothing"
    return ""


def write(path: Path, run: dict[str, Any]) -> None:
    """As JSON with a line for each measurement."""
    parts = []
    for key, value in run.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(_rounded(each)) for each in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n ]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n " + ",\n ".join(parts) + "\n}\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def read(name: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """A run, "avx2" or "avx2-functions"; None where none has been kept."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def sets(folder: Path = FOLDER) -> list[str]:
    """The instruction sets of which a run is expected or kept."""
    there = sorted(path.stem.removesuffix("-functions") for path in folder.glob("*.json"))
    return list(dict.fromkeys([*EXPECTED, *there]))
