"""The main job once everything is built: compare the languages, train a network, write a report.

    PYTHONPATH=python:. python -m tools.run --c-program PATH --swift-program PATH

Exits with 1 where a result exceeds its published bound, where Swift, C and Python differ in a bit,
or where the trained network reads fewer held-out digits than it should. The report is written all
the same, and says what is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from examples import train_digits
from tools.run import agreement, cases, digits, programs, report

import crossentropy as ce

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "Tests" / "Vectors" / "vectors.json"


def main() -> int:
    arguments = parse_arguments()
    work = arguments.output.parent / "run"
    work.mkdir(parents=True, exist_ok=True)
    info = ce.info()
    print(f"crossentropy {info['version']}, {info['isa']}, at most {info['threads']} threads")

    print("\n1. Agreement with the exact results\n")
    data = train_digits.load()
    found = compare(arguments, work, data)

    print("\n2. Training a network on handwritten digits\n")
    network, history = train_digits.train(data)
    accuracy = history.accuracy[-1]
    print(f"  held-out accuracy {accuracy:.1%} after {history.seconds:.1f} s")

    report.write(arguments.output, found, data, network, history)
    print(f"\n3. Report: {os.path.relpath(arguments.output)}")

    failures = found.failures
    if accuracy < train_digits.WANTED_ACCURACY:
        failures.append(
            f"the network reads {accuracy:.1%} of the held-out digits, less than {train_digits.WANTED_ACCURACY:.0%}"
        )
    for failure in failures[:10]:
        print(f"FAILED: {failure}", file=sys.stderr)
    if len(failures) > 10:
        print(f"FAILED: {len(failures) - 10} more", file=sys.stderr)
    return 1 if failures else 0


def compare(arguments: argparse.Namespace, work: Path, data: train_digits.Digits) -> agreement.Agreement:
    """Runs the shared vectors and the digits through all languages, and prints the table."""
    digit_cases, flat = work / "digits.json", work / "cases.txt"
    digits.write_cases(digit_cases, data)
    inputs = [VECTORS, digit_cases]
    every = cases.read(inputs)
    programs.write_flat(flat, every)
    swift, swift_complaints = programs.from_program(arguments.swift_program, inputs, work / "swift.txt", every)
    c, c_complaints = programs.from_program(arguments.c_program, [flat], work / "c.txt", every)
    answers = {
        "Swift": swift,
        "C": c,
        "Python": programs.from_python(every),
        "NumPy": programs.from_numpy(every),
    }
    found = agreement.compare(every, answers)
    found.failures += swift_complaints + c_complaints
    print(agreement.table_text(found.rows))
    worst = found.differences[0]
    if not found.failures:
        print("\n  Everything is within its bound, and Swift, C and Python agree in every bit.")
    print(
        "\n  difference / bound: the largest difference of a loss or a gradient element from the"
        "\n  exact result, as a fraction of the published bound; NumPy's is for comparison."
        "\n  ulp: the largest difference of a loss in units in the last place."
        "\n  bits: whether Swift, C and Python agree in every bit."
        f"\n  {found.cases} cases, {found.numbers} numbers; closest to its bound: {worst.what} of "
        f"{worst.case.name}, {worst.fraction:.2f} of it."
    )
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.run", description=__doc__.split("\n")[0])
    parser.add_argument("--c-program", type=Path, required=True, help="Tests/C/vectors.c, built")
    parser.add_argument("--swift-program", type=Path, required=True, help="crossentropy-vectors, built")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "report.html", help="default: %(default)s")
    arguments = parser.parse_args()
    programs = {"Swift": arguments.swift_program, "C": arguments.c_program}
    missing = [f"the {name} program {path}" for name, path in programs.items() if not path.is_file()]
    if missing:
        sys.exit(f"{' and '.join(missing)} cannot be found; `make run` builds what is missing")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
