#!/usr/bin/env python3
"""Holds Tests/Vectors/vectors.json to the sources that made it, without making it anew: tools/check_vectors.py

`make_vectors.py` writes Tests/Vectors/digests.txt beside the file: the SHA-256 of its own sources, with their names,
and that of the file. Either may change only with the other. Needs nothing but Python, and ends with one line
"N passed, M failed".
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "Tests" / "Vectors"
VECTORS = FOLDER / "vectors.json"
DIGESTS = FOLDER / "digests.txt"


def sources() -> list[Path]:
    """All that decides what the file holds."""
    folders = (ROOT / "tools" / "vectors", FOLDER / "cases")
    return [ROOT / "tools" / "make_vectors.py", *sorted(path for folder in folders for path in folder.rglob("*.py"))]


def digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def lines(of_sources: str, vectors: bytes) -> list[str]:
    """As `sha256sum` would write them."""
    return [f"{of_sources}  sources", f"{hashlib.sha256(vectors).hexdigest()}  {VECTORS.name}"]


def main() -> int:
    kept = DIGESTS.read_text(encoding="ascii").splitlines() if DIGESTS.exists() else []
    passed = failed = 0
    advice = {
        "sources": f"have changed since {VECTORS.name} was made: run tools/make_vectors.py",
        VECTORS.name: "is not as tools/make_vectors.py wrote it: change its sources instead, and run it",
    }
    for line in lines(digest_of_sources(), VECTORS.read_bytes()):
        name = line.split()[1]
        if line in kept:
            passed += 1
            print(f"ok      {name}")
        else:
            failed += 1
            print(f"FAILED  {name} {advice[name]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
