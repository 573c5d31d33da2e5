#!/usr/bin/env python3
"""Checks the built library as a host sees it: tools/check_library.py LIBRARY

Size, dependencies, SONAME, exports; and, in the object files it was linked from, that no code built for a newer
instruction set can be taken for baseline code, and that the hot loops call nothing.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OBJECTS = ROOT / ".build-embedded" / "release"
# Which vector registers each module may touch; the others none beyond xmm.
REGISTERS = {"KernelsAVX2": "ymm", "KernelsAVX512": "[yz]mm"}
MAX_BYTES = 1_180_000

# By these a library would interfere with its process: handlers, hooks, ends, output, environment and locale.
INTRUSIVE = {
    *("signal", "sigaction", "sigaltstack", "atexit", "on_exit", "__cxa_atexit", "pthread_atfork", "__register_atfork"),
    *("abort", "exit", "_exit", "_Exit", "quick_exit", "raise", "kill", "longjmp", "__longjmp_chk", "__assert_fail"),
    *("printf", "__printf_chk", "fprintf", "__fprintf_chk", "vfprintf", "dprintf", "puts", "fputs", "putchar", "putc"),
    *("fwrite", "write", "perror", "syslog", "setenv", "unsetenv", "putenv", "clearenv", "setlocale", "uselocale"),
}

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


def functions(module: str) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Each function of a module's object files: its symbol and its instructions, with their addresses."""
    for path in sorted((OBJECTS / f"{module}.build").glob("*.o")):
        name, lines = "", []
        for line in output("objdump", "-d", "--no-show-raw-insn", str(path)).splitlines():
            if match := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
                if name:
                    yield name, lines
                name, lines = match[1], []
            elif match := re.match(r"^ *([0-9a-f]+):\t(.*)", line):
                lines.append((int(match[1], 16), match[2]))
        if name:
            yield name, lines


def inner_loops(lines: list[tuple[int, str]]) -> list[list[str]]:
    """The instructions of each loop that has no loop inside: from the target of a jump backwards to the jump."""
    jumps = []
    for address, line in lines:
        if (match := re.match(r"j\w+ +([0-9a-f]+)", line)) and int(match[1], 16) <= address:
            jumps.append((int(match[1], 16), address))
    inner = [j for j in jumps if not any(o != j and j[0] <= o[0] and o[1] <= j[1] for o in jumps)]
    loops = [[line for address, line in lines if start <= address <= end] for start, end in inner]
    # Code behind the function's end that jumps back into it makes no loop.
    return [loop for loop in loops if not any(line.startswith("ret") for line in loop)]


def check_image(library: str) -> None:
    size = Path(library).stat().st_size
    check(f"smaller than {MAX_BYTES} bytes", size < MAX_BYTES, size)

    dynamic = output("readelf", "-dW", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    check("needs libc and libm alone", needed <= {"libc.so.6", "libm.so.6"}, sorted(needed))
    soname = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
    check("SONAME", soname == ["libcrossentropy.so.0"], soname)
    check("is never unloaded", "NODELETE" in dynamic, "NODELETE" in dynamic)
    paths = re.findall(r"\((RPATH|RUNPATH)\).*\[(.*)\]", dynamic)
    check("no search path of its own", not paths, paths or "none")
    # Full RELRO: bound at load time, and read-only from then on, the table of function addresses included.
    flags = re.findall(r"\((FLAGS|FLAGS_1|BIND_NOW)\)(.*)", dynamic)
    binds_now = any(tag == "BIND_NOW" or re.search(r"\bNOW\b|\bBIND_NOW\b", value) for tag, value in flags)
    check("binds all symbols at load time", binds_now, [value.strip() for _, value in flags])
    segments = output("readelf", "-lW", library)
    sections = re.findall(r"^ +\d\d +(.*)$", segments.split("Segment Sections")[1], re.MULTILINE)
    kinds = re.findall(r"^  (\w+) +0x", segments, re.MULTILINE)
    protected = [s for kind, s in zip(kinds, sections) if kind == "GNU_RELRO"]
    tables = {".init_array", ".fini_array", ".data.rel.ro", ".dynamic", ".got", ".got.plt"}
    written = {s for kind, names in zip(kinds, sections) if kind == "LOAD" for s in names.split()} & tables
    left = written - {s for names in protected for s in names.split()}
    check("tables of addresses are read-only after that", bool(protected) and not left, sorted(left) or protected)
    check("code needs no relocation", "TEXTREL" not in dynamic, "TEXTREL" in dynamic)
    modes = re.findall(r"^  LOAD +(?:0x[0-9a-f]+ +){5}([RWE ]+?) +0x", segments, re.MULTILINE)
    both = [mode for mode in modes if "W" in mode and "E" in mode]
    check("no segment is both writable and executable", len(modes) > 1 and not both, modes)
    stack = re.search(r"GNU_STACK.*", segments)
    check("stack not executable", stack is not None and "RWE" not in stack[0], stack and stack[0])

    imported = {line.split()[-1].split("@")[0] for line in output("nm", "-D", "--undefined-only", library).splitlines()}
    check("no hook, output, abort or change of the environment", not imported & INTRUSIVE, sorted(imported & INTRUSIVE))
    ctypes.CDLL("libm.so.6")
    libm = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libm.so" in line)
    symbols_of_libm = output("nm", "-D", "--defined-only", libm).splitlines()
    mathematics = imported & {line.split()[-1].split("@")[0] for line in symbols_of_libm}
    check("of libm only fma", mathematics == {"fma", "fmaf"}, sorted(mathematics))

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
            for _, line in lines:
                if not wide.search(line):
                    continue
                registers = wide.findall(line)
                # A symbol without the module's name is shared with other modules: the linker may pick any copy.
                if allowed is None or module not in name or not all(allowed.match(r) for r in registers):
                    strangers.append(name)
                    break
        check(f"{module}: wide registers only in its own functions", not strangers, strangers or "yes")


def check_stack() -> None:
    """Kernels have no stack protector: on the stack they write into no array, only into vectors in known places."""
    store = re.compile(r"mov\w* +[^(]*,-?(0x[0-9a-f]+)?\(%r[sb]p,%r\w+,[248]\)$")
    for module in ("Kernels", *REGISTERS):
        found = sorted({name for name, lines in functions(module) for _, line in lines if store.search(line)})
        check(f"{module}: no element of an array on the stack is written", not found, found or "none")


def check_safety() -> None:
    """What checks and plans a call has stack protectors, and traps at overflows and bounds; arithmetic has neither."""
    for module in ("CABI", "Core", "Kernels", *REGISTERS):
        objects = sorted(map(str, (OBJECTS / f"{module}.build").glob("*.o")))
        guarded = sum("__stack_chk_fail" in output("nm", "-u", path) for path in objects)
        traps = sum(line.startswith("ud2") for _, lines in functions(module) for _, line in lines)
        if module in ("CABI", "Core"):
            check(f"{module}: has stack protectors", guarded > 0, f"{guarded} of {len(objects)} object files")
            check(f"{module}: traps where the library itself is at fault", traps > 0, f"{traps} places")
        else:
            check(f"{module}: has no stack protector", guarded == 0, guarded)


def check_inner_loops() -> None:
    """Loops over exponentials of logits use whole registers, and call nothing."""
    for module, register in (("KernelsAVX2", "%ymm"), ("KernelsAVX512", "%zmm")):
        # Plain exponentials in f32 and f64, those of scaled logits in f32.
        for stem, wanted in (("sums", 3), ("keepingSums", 3), ("probabilities", 3), ("exponentials", 2)):
            counts, calls = [], []
            for name, lines in functions(module):
                if f"{len(stem)}{stem}" not in name or not re.search("Element|Exponential", name):
                    continue
                # An exponential takes 8 fused multiply-adds in f32; in AVX2 two registers, in f64 more.
                loops = [
                    loop
                    for loop in inner_loops(lines)
                    if sum("vfmadd" in line or "vfmsub" in line for line in loop if register in line) >= 8
                ]
                if loops:
                    counts.append(len(loops))
                calls += [line for loop in loops for line in loop if line.startswith("call")]
            check(f"{module} {stem}: loops on {register}, for each type", len(counts) == wanted, counts)
            check(f"{module} {stem}: no call in them", not calls, calls or "none")
        # Their loops have branches, for the last elements, and so are none of those.
        for stem in ("binaryLogits", "plainVectors"):
            lines = [line for name, lines in functions(module) if stem in name for _, line in lines]
            count = sum("vfmadd" in line and register in line for line in lines)
            check(f"{module} {stem}: on {register}", count >= 16, count)
            calls = [line for line in lines if line.startswith("call")]
            check(f"{module} {stem}: no call", not calls, calls or "none")


if __name__ == "__main__":
    check_image(sys.argv[1])
    if output("uname", "-m").strip() == "x86_64":
        check_instructions()
        check_safety()
        check_stack()
        check_inner_loops()
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)
