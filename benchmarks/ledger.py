"""Instructions of some forty calls on the AVX2 kernels, counted by callgrind: what a busy machine does not disturb.

    make ledger            # beside benchmarks/instructions.json; fails where a call has grown by more than 3 %
    make ledger UPDATE=1   # writes that file: after a change that means to cost more, or costs less

The counts are of one call each, from C, on one thread. They are not times: memory, dependences and branches are not in
them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LEDGER = Path(__file__).parent / "instructions.json"
TOLERANCE = 0.03


def count(program: Path) -> dict[str, int]:
    """Instructions of each call of the program."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        command = ["valgrind", "--tool=callgrind", "--combine-dumps=yes", f"--callgrind-out-file={out}", str(program)]
        environment = os.environ | {"CROSSENTROPY_ISA": "avx2"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"{program} failed under valgrind:\n{run.stderr}")
        text = out.read_text(encoding="utf-8")
    parts = re.split(r"^desc: Trigger: ", text, flags=re.MULTILINE)[1:]
    counts = {}
    for part in parts:
        name = re.match(r"Client Request: (.*)", part)
        total = re.search(r"^(?:summary|totals): (\d+)", part, re.MULTILINE)
        if name and total:
            counts[name[1]] = int(total[1])
    if not counts:
        sys.exit("callgrind counted nothing: is valgrind's header the one of the valgrind that ran?")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--update", action="store_true", help="write the ledger")
    arguments = parser.parse_args()
    counts = count(arguments.program)
    before: dict[str, int] = json.loads(LEDGER.read_text(encoding="utf-8")) if LEDGER.exists() else {}
    failures = 0
    for name, instructions in counts.items():
        old = before.get(name)
        ratio = instructions / old if old else None
        is_more = ratio is None or ratio > 1 + TOLERANCE
        failures += is_more
        change = "new" if ratio is None else f"{ratio - 1:+.1%}"
        print(f"{'FAILED' if is_more and not arguments.update else 'ok':7} {name:36} {instructions:12,} {change:>8}")
    for name in before.keys() - counts.keys():
        print(f"FAILED  {name:36} is not counted any more")
        failures += 1
    if arguments.update:
        LEDGER.write_text(json.dumps(counts, indent=4) + "\n", encoding="utf-8")
        return
    print(f"{len(counts) - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
