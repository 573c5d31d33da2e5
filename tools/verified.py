#!/usr/bin/env python3
"""On which instruction sets the lists of Tests/Hashes were reproduced from today's sources.

    tools/verified.py                says loudly which sets are not verified; nothing if all are
    tools/verified.py --check        fails if one is not, as a release must
    tools/verified.py --reproduce    runs the lists on every set that this machine has, and AArch64's under
                                     emulation; writes Tests/Hashes/verified (make verify-hashes)

A machine runs the instruction sets that its processor has, so a change tested on one machine may leave a set compiled
and never run. Tests/Hashes/verified has a line for each set: name, digest of the sources, day, processor.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "python/crossentropy/lib/libcrossentropy.so.0"
# As `ce_isa` names them. A release needs each.
SETS = ("baseline", "avx2", "avx512", "neon")
LISTS = ("hashes", "binary", "pairs", "partial", "statistics")
# Of the sources, all that can decide a bit: arithmetic, how rows are cut and summed, and the compilers' flags.
FOLDERS = ("Kernels", "KernelsAVX2", "KernelsAVX512", "KernelABI", "Shims", "Core")
HEADER = """\
# The sources from which each instruction set last reproduced the lists in this folder, and the processor. Written by
# `make verify-hashes` alone; `tools/verified.py` reads it.
"""


class Verified(NamedTuple):
    digest: str
    day: str
    processor: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/verified.py", description=(__doc__ or "").splitlines()[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="fail if an instruction set is not verified")
    choice.add_argument("--reproduce", action="store_true", help="run the lists here and write what they reproduced")
    arguments = parser.parse_args()
    if arguments.reproduce:
        return reproduce(ROOT, sets_of_this_machine(ROOT))
    text = notice(ROOT)
    print(text or f"Every instruction set is verified for today's sources: {', '.join(SETS)}.")
    return 1 if arguments.check and text else 0


# --- The file ------------------------------------------------------------------------------------


def sources(root: Path) -> Iterator[Path]:
    """The files of the digest. A link of Sources/KernelsAVX2 has the content of its file and a path of its own, so that
    a kernel that moves from one set to another counts."""
    yield root / "Package.swift"
    for folder in FOLDERS:
        yield from sorted(path for path in (root / "Sources" / folder).rglob("*") if path.is_file())
    yield from sorted((root / "Tests" / "Hashes").glob("*.txt"))


def digest(root: Path) -> str:
    """SHA-256 of the sources and lists. Blank lines and lines of comments decide nothing, and do not count."""
    total = hashlib.sha256()
    for path in sources(root):
        lines = [
            line for line in path.read_bytes().splitlines() if line.strip() and not line.lstrip().startswith(b"//")
        ]
        total.update(f"{path.relative_to(root).as_posix()} {len(lines)}\n".encode())
        total.update(b"\n".join(lines))
    return total.hexdigest()


def read(root: Path) -> dict[str, Verified]:
    path = root / "Tests" / "Hashes" / "verified"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    fields = [line.split(maxsplit=3) for line in lines if line.strip() and not line.startswith("#")]
    return {name: Verified(*rest) for name, *rest in fields}


def write(root: Path, verified: dict[str, Verified]) -> None:
    lines = [f"{name:8} {' '.join(verified[name])}\n" for name in SETS if name in verified]
    (root / "Tests" / "Hashes" / "verified").write_text(HEADER + "".join(lines), encoding="utf-8")


def notice(root: Path) -> str:
    """Names the instruction sets that are not verified for today's sources, in a frame; empty if there is none."""
    verified, today = read(root), digest(root)
    lines = []
    for name in SETS:
        last = verified.get(name)
        if last is None:
            lines.append(f"{name:8} never")
        elif last.digest != today:
            lines.append(f"{name:8} for other sources, on {last.day}: {last.processor}")
    if not lines:
        return ""
    lines = [
        "UNVERIFIED: these instruction sets have not reproduced the lists of Tests/Hashes from today's sources:",
        *(f"    {line}" for line in lines),
        "`make verify-hashes` on a machine that has them reproduces and records them; a release is refused until then.",
    ]
    return "\n".join(["!" * 120, *(f"!! {line}" for line in lines), "!" * 120])


# --- Reproducing ---------------------------------------------------------------------------------


def reproduce(root: Path, runs: dict[str, tuple[str, Callable[[], bool]]]) -> int:
    """`runs` has the processor of each instruction set, and what runs its lists and says whether all came out right."""
    today, verified, failed = digest(root), read(root), []
    for name, (processor, run) in runs.items():
        print(f"--- {name}: {processor}", flush=True)
        is_right = run()
        if digest(root) != today:
            print("FAILED: the sources changed during the run; nothing more is recorded")
            return 1
        if is_right:
            verified[name] = Verified(today, datetime.date.today().isoformat(), processor)
        else:
            failed.append(name)
            verified.pop(name, None)
        write(root, verified)
    print(notice(root) or "Every instruction set is verified.")
    print(f"{len(runs) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not runs else 0


def sets_of_this_machine(root: Path) -> dict[str, tuple[str, Callable[[], bool]]]:
    processor = processor_name()
    runs: dict[str, tuple[str, Callable[[], bool]]] = {}
    for name in SETS:
        if chosen(root, name) == name:
            runs[name] = processor, lambda name=name: run_lists(root, name)  # type: ignore[misc]
        elif name == "neon" and all(map(shutil.which, ("qemu-aarch64", "aarch64-linux-gnu-gcc"))):
            runs[name] = f"emulated by {first_line('qemu-aarch64', '--version')}", lambda: run_emulated(root)
        else:
            print(f"{name} is left out: this machine does not have it")
    return runs


def chosen(root: Path, name: str) -> str:
    """The instruction set that the library runs on if it may have no better one than `name`. Asked in a process of its
    own, as a process chooses once."""
    program = (
        f"import ctypes; ce_isa = ctypes.CDLL({str(root / LIBRARY)!r}).ce_isa; ce_isa.restype = ctypes.c_char_p; "
        "print(ce_isa().decode())"
    )
    return first_line(sys.executable, "-c", program, CROSSENTROPY_ISA=name)


def run_lists(root: Path, name: str) -> bool:
    """Every configuration of every list."""
    environment = {**os.environ, "CROSSENTROPY_ISA": name}
    commands = [[f"build/gcc/{each}", f"Tests/Hashes/{each}.txt"] for each in LISTS]
    return all([subprocess.run(command, cwd=root, env=environment).returncode == 0 for command in commands])


def run_emulated(root: Path) -> bool:
    """All lines, of the long lists in fewer configurations; with the rest of the tests of AArch64."""
    command = ["tools/test_arm64.sh", "build/vectors.txt", "Tests/Hashes", "build/gcc/vectors"]
    return subprocess.run(command, cwd=root).returncode == 0


def processor_name() -> str:
    information = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    for line in information.read_text().splitlines() if information.exists() else []:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or fields.get("CPU part") or platform.machine()
    # Virtual machines hide the rest of the name, so that these two numbers are what tells a generation.
    model = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    return f"{name} ({', '.join(model)})" if model else name


def first_line(*command: str, **environment: str) -> str:
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
