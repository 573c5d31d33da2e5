"""The same bits from every instruction set, forced in turn in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crossentropy as ce

PROGRAM = Path(__file__).with_name("hash_of_results.py")
ORDER = ["baseline", "avx2", "avx512"]


def run(isa: str | None) -> tuple[str, str]:
    """The instruction set that ran, and the hash of everything it computed."""
    environment = {key: value for key, value in os.environ.items() if key != "CROSSENTROPY_ISA"}
    environment["PYTHONPATH"] = str(Path(ce.__file__).parents[1])
    if isa:
        environment["CROSSENTROPY_ISA"] = isa
    result = subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    name, digest = result.stdout.split()
    return name, digest


@pytest.fixture(scope="module")
def best() -> tuple[str, str]:
    return run(None)


@pytest.mark.parametrize("isa", ORDER)
def test_the_cap_is_obeyed_and_changes_no_bit(isa: str, best: tuple[str, str]) -> None:
    if best[0] not in ORDER:
        pytest.skip(f"this processor runs {best[0]}, for which there is no cap")
    used, digest = run(isa)
    assert used == ORDER[min(ORDER.index(isa), ORDER.index(best[0]))]
    assert digest == best[1]


def test_an_unknown_cap_is_none(best: tuple[str, str]) -> None:
    assert run("pentium") == best
