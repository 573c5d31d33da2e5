#!/usr/bin/env python3
"""Checks the built library as a host sees it: tools/check_library.py LIBRARY

Size, dependencies, SONAME, exports; and, in the object files it was linked from, that no code built for a newer
instruction set can be taken for baseline code, and that the hot loops call nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OBJECTS = ROOT / ".build-embedded" / "release"
# Which vector registers each module may touch; the others none beyond xmm.
REGISTERS = {"KernelsAVX2": "ymm", "KernelsAVX512": "[yz]mm"}
MAX_BYTES = 400_000

failures: list[str] = []
passed = 0


def check(what: str, ok: bool, found: object) -> None:
    global passed
    if ok:
        passed += 1
        print(f"ok      {what}: {found}")
    else:
        failures.append(what)
        print(f"FAILED  {what}: {found}")


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def functions(module: str) -> Iterator[tuple[str, list[str]]]:
    """Each function of a module's object files: its symbol and its instructions."""
    for path in sorted((OBJECTS / f"{module}.build").glob("*.o")):
        name, lines = "", []
        for line in output("objdump", "-d", "--no-show-raw-insn", str(path)).splitlines():
            if match := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
                if name:
                    yield name, lines
                name, lines = match[1], []
            elif "\t" in line:
                lines.append(line.split("\t", 1)[1])
        if name:
            yield name, lines


def check_image(library: str) -> None:
    size = Path(library).stat().st_size
    check(f"smaller than {MAX_BYTES} bytes", size < MAX_BYTES, size)

    dynamic = output("readelf", "-dW", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    check("needs libc and libm alone", needed <= {"libc.so.6", "libm.so.6"}, sorted(needed))
    soname = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
    check("SONAME", soname == ["libcrossentropy.so.0"], soname)
    check("is never unloaded", "NODELETE" in dynamic, "NODELETE" in dynamic)
    stack = re.search(r"GNU_STACK.*", output("readelf", "-lW", library))
    check("stack not executable", stack is not None and "RWE" not in stack[0], stack and stack[0])

    symbols = [line.split() for line in output("nm", "-D", "--defined-only", library).splitlines()]
    exported = {s[2].split("@")[0] for s in symbols if s[1] == "T"}
    header = (ROOT / "include" / "crossentropy.h").read_text(encoding="utf-8")
    declared = set(re.findall(r"^CE_API [^;]*?\b(ce_\w+)\(", header, re.MULTILINE))
    check("exports what the header declares", exported == declared, sorted(exported ^ declared) or len(exported))
    others = {s[2] for s in symbols if s[1] != "T"}
    check("exports nothing else", not others, sorted(others))


def check_instructions() -> None:
    modules = sorted(p.name.removesuffix(".build") for p in OBJECTS.glob("*.build"))
    wide = re.compile(r"%[yz]mm")
    for module in modules:
        strangers = []
        for name, lines in functions(module):
            allowed = re.compile(f"%{REGISTERS[module]}") if module in REGISTERS else None
            for line in lines:
                if not wide.search(line):
                    continue
                registers = wide.findall(line)
                # A symbol without the module's name is shared with other modules: the linker may pick any copy.
                if allowed is None or module not in name or not all(allowed.match(r) for r in registers):
                    strangers.append(name)
                    break
        check(f"{module}: wide registers only in its own functions", not strangers, strangers or "yes")


def check_inner_loops() -> None:
    """The f32 kernels of an index target use whole registers, and no call stands in their loops."""
    for module, register in (("KernelsAVX2", "%ymm"), ("KernelsAVX512", "%zmm")):
        for stem in ("logSumExp", "writeProbabilities"):
            names = []
            for name, lines in functions(module):
                if stem not in name or "Element" not in name:
                    continue
                names.append(name)
                calls = [i for i, line in enumerate(lines) if line.startswith("call")]
                fused = [i for i, line in enumerate(lines) if "vfmadd" in line and register in line]
                # A block's loop has 8 or more of them; a call between two is a call in the loop.
                inside = [i for i in calls if fused and fused[0] < i < fused[-1]]
                check(f"{module} {stem}: fused multiply-adds on {register}", len(fused) >= 8, len(fused))
                check(f"{module} {stem}: no call in the loop", not inside, [lines[i] for i in inside] or "none")
            check(f"{module} {stem}: f32 and f64", len(names) == 2, len(names))


if __name__ == "__main__":
    check_image(sys.argv[1])
    if output("uname", "-m").strip() == "x86_64":
        check_instructions()
        check_inner_loops()
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)
