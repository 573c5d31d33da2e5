#!/usr/bin/env python3
"""Adds up the tests of each stage from the logs that tools/stage.sh leaves: tools/tally.py build/logs

A stage that failed without a word on how many tests did counts as one. Says how many shared vectors there are of each
function, each run by C, Python and Swift, and which instruction sets are not verified for today's sources
(tools/verified.py). Ends with one line "N passed, M failed".
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

import verified

SUMMARIES = (
    # swift test (Swift Testing)
    re.compile(r"Test run with (?P<passed>\d+) tests? .*passed"),
    # pytest
    re.compile(r"^(?:(?P<failed>\d+) failed, )?(?P<passed>\d+) passed(?:, (?P<skipped>\d+) skipped)?.* in [\d.]+s"),
    # the C programs and the scripts
    re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed$"),
)
# What tools/stage.sh writes last.
STAGE_FAILED = re.compile(r"^FAILED: stage ", re.MULTILINE)

VECTORS = Path(__file__).resolve().parent.parent / "Tests" / "Vectors" / "vectors.json"


def main(folder: Path) -> int:
    total_passed = total_failed = total_skipped = 0
    for log in sorted(folder.glob("*.log")):
        passed = failed = skipped = 0
        text = log.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            for summary in SUMMARIES:
                if match := summary.search(line):
                    counts = match.groupdict(default="0")
                    passed += int(counts["passed"])
                    failed += int(counts.get("failed", 0))
                    skipped += int(counts.get("skipped", 0))
                    break
        if STAGE_FAILED.search(text):
            failed = max(failed, 1)
        if passed or failed:
            counts = {"failed": failed, "skipped": skipped}
            print(f"{log.stem:16} {passed:6} passed", *(f"{n} {what}" for what, n in counts.items() if n), sep=", ")
        total_passed += passed
        total_failed += failed
        total_skipped += skipped
    cases = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
    of_each = Counter(case.get("loss_function", "cross_entropy") for case in cases)
    print("shared vectors:", ", ".join(f"{name} {count}" for name, count in of_each.most_common()))
    if text := verified.notice(verified.ROOT):
        print(text)
    print(f"{total_passed} passed, {total_failed} failed" + (f", {total_skipped} skipped" if total_skipped else ""))
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
