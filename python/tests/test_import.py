"""Importing the package: what it needs and starts, and which library it takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PACKAGE, python

import crossentropy as ce
from crossentropy._c_api import library


def test_import_needs_numpy_alone_and_starts_nothing() -> None:
    program = """
import sys, numpy

def process():
    lines = open('/proc/self/status').read().splitlines()
    # SigQ counts the signals that wait for all processes of the user.
    return [line for line in lines if line.startswith(('SigPnd', 'SigBlk', 'SigIgn', 'SigCgt', 'Shd', 'Threads'))]

modules, before = set(sys.modules), process()
import crossentropy
assert process() == before, (process(), before)
for name in set(sys.modules) - modules:
    if 'site-packages' in (getattr(sys.modules[name], '__file__', None) or ''):
        print(name.partition('.')[0])
"""
    result = python(program)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) <= {"numpy", "crossentropy"}


def test_import_takes_less_than_numpy() -> None:
    program = """
import time
start = time.process_time()
import numpy, numpy.typing
middle = time.process_time()
import crossentropy
print((time.process_time() - middle) / (middle - start))
"""
    # Of byte code, as installed packages have it, also where this environment writes none.
    assert min(float(python(program, PYTHONDONTWRITEBYTECODE="").stdout) for _ in range(5)) < 0.5


def test_missing_library_lists_the_places(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "crossentropy", ignore=shutil.ignore_patterns("lib"))
    environment = {key: value for key, value in os.environ.items() if "CROSSENTROPY" not in key}
    result = subprocess.run(
        [sys.executable, "-c", "import crossentropy"],
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    message = result.stderr[result.stderr.index("ImportError") :]
    in_package = tmp_path / "crossentropy" / "lib" / "libcrossentropy.so.0"
    for text in (
        f"crossentropy {ce.__version__} did not find its C library",
        f"  {in_package}\n    where `make build` and `pip install .` put it\n    {in_package}: ",
        "  libcrossentropy.so.0\n    the system's loader",
        "  the environment variable CROSSENTROPY_LIBRARY\n    not set",
        "`make build` makes it",
    ):
        assert text in message


def test_library_of_the_environment_is_the_only_one_tried() -> None:
    result = python("import crossentropy", CROSSENTROPY_LIBRARY="/nowhere/libother.so")
    assert result.returncode == 1
    assert "  /nowhere/libother.so\n    the environment variable CROSSENTROPY_LIBRARY" in result.stderr
    assert "system's loader" not in result.stderr
    result = python(
        "import crossentropy; print(crossentropy.info()['library'])",
        CROSSENTROPY_LIBRARY=library.PATH,
    )
    assert result.stdout.strip() == library.PATH


HEADER = (PACKAGE.parents[1] / "include" / "crossentropy.h").read_text()
FUNCTIONS = set(re.findall(r"^CE_API [\w *]*\b(ce_\w+)\(", HEADER, re.MULTILINE)) - {"ce_version"}


def library_of_version(number: int, folder: Path) -> Path:
    """A library that has every function of ours, and says that it is of version ``number``."""
    source = folder / "other.c"
    functions = [f"int {name}(void) {{ return 0; }}\n" for name in FUNCTIONS]
    source.write_text("".join([f"int ce_version(void) {{ return {number}; }}\n", *functions]))
    library = folder / "libother.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    return library


def version_number() -> int:
    major, minor, patch = (int(part) for part in ce.__version__.split("."))
    return major * 10000 + minor * 100 + patch


@pytest.mark.parametrize("difference", [100, 10000, 10100])
def test_handshake_refuses_another_major_or_minor_version(tmp_path: Path, difference: int) -> None:
    number = version_number() + difference
    library = library_of_version(number, tmp_path)
    result = python("import crossentropy", CROSSENTROPY_LIBRARY=str(library))
    assert result.returncode == 1
    assert (
        f"ImportError: crossentropy's Python package is version {ce.__version__}, but the library "
        f"{library} is version {number // 10000}.{number // 100 % 100}.{number % 100}:"
    ) in result.stderr


def test_handshake_accepts_another_patch(tmp_path: Path) -> None:
    library = library_of_version(version_number() // 100 * 100 + 99, tmp_path)
    result = python("import crossentropy", CROSSENTROPY_LIBRARY=str(library))
    assert result.returncode == 0, result.stderr


def test_a_library_of_something_else_is_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "other.c"
    source.write_text("int answer(void) { return 42; }\n")
    library = tmp_path / "libother.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    result = python("import crossentropy", CROSSENTROPY_LIBRARY=str(library))
    assert f"ImportError: {library} is not the crossentropy library" in result.stderr
