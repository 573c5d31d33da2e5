"""One number everywhere, and one contract: the header, the library, and what ctypes believes."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossentropy as ce
from crossentropy._c_api import functions, header, library

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "include" / "crossentropy.h").read_text()
VERSION = (ROOT / "VERSION").read_text().strip()


def header_number(name: str) -> int:
    found = re.search(rf"#define {name} (\d+)", HEADER)
    assert found, name
    return int(found[1])


def test_version_of_the_header() -> None:
    parts = [header_number(f"CE_VERSION_{part}") for part in ("MAJOR", "MINOR", "PATCH")]
    assert ".".join(map(str, parts)) == VERSION


def test_version_of_the_package() -> None:
    assert ce.__version__ == VERSION
    assert ce.info()["version"] == VERSION


def test_version_of_the_library() -> None:
    assert ce.info()["library_version"] == VERSION
    major, minor, patch = (int(part) for part in VERSION.split("."))
    assert library.library.ce_version() == major * 10000 + minor * 100 + patch
    assert f".so.{major}" in library.NAME


def test_version_of_the_wheel(tmp_path: Path) -> None:
    """The metadata that the build backend writes, which is what pip shows."""
    program = (
        "import sys; from setuptools import build_meta; "
        f"print(build_meta.prepare_metadata_for_build_wheel({str(tmp_path)!r}))"
    )
    # A copy of what the metadata is made of, because setuptools leaves files where it works.
    source = tmp_path / "source"
    for package in ("_c_api", "torch"):
        (source / "python" / "crossentropy" / package).mkdir(parents=True)
    (source / "python" / "tests").mkdir()
    for name in ("pyproject.toml", "setup.py", "VERSION", "README.md", "LICENSE"):
        (source / name).write_text((ROOT / name).read_text())
    packages = [f"python/crossentropy/{package}__init__.py" for package in ("", "_c_api/", "torch/")]
    for name in ("python/tests/requirements.txt", *packages):
        (source / name).write_text((ROOT / name).read_text())
    subprocess.run([sys.executable, "-c", program], cwd=source, check=True, capture_output=True)
    metadata = (tmp_path / f"crossentropy-{VERSION}.dist-info" / "METADATA").read_text()
    assert f"\nVersion: {VERSION}\n" in metadata
    assert "\nRequires-Dist: numpy" in metadata


# ----------------------------------------------------------------------------------------------
# What is exported
# ----------------------------------------------------------------------------------------------


def declared() -> set[str]:
    functions = set(re.findall(r"^CE_API [^(]*?\b(ce_\w+)\(", HEADER, re.MULTILINE))
    assert len(functions) == HEADER.count("\nCE_API ")
    return functions


def test_the_library_exports_the_header_and_nothing_else() -> None:
    path = library.library._name
    table = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True)
    assert table.returncode == 0, table.stderr
    rows = [line.split()[1:] for line in table.stdout.splitlines()]
    # A is the version script's own name; b, d, r and t are local symbols, which nobody can bind to.
    exported = {name.split("@")[0] for kind, name in rows if kind not in "Abdrt"}
    assert exported == declared()


def test_the_package_knows_no_other_functions() -> None:
    source = Path(functions.__file__).read_text()
    assert set(re.findall(r'_function\(\s*"(ce_\w+)"', source)) <= declared()


def test_few_modules_know_ctypes() -> None:
    package = Path(ce.__file__).parent
    known = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"^(import|from) ctypes\b", path.read_text(), re.MULTILINE)
    }
    rooms = {f"_c_api/{name}.py" for name in ("library", "header", "functions", "frames", "interrupts")}
    assert known == {"_dlpack.py", *rooms}


# ----------------------------------------------------------------------------------------------
# Structures and constants, asked of a C compiler
# ----------------------------------------------------------------------------------------------


def answers_of_c(tmp_path: Path, expressions: list[str]) -> list[int]:
    """What C says that each expression is."""
    lines = "\n".join(f'    printf("%lld\\n", (long long)({each}));' for each in expressions)
    source = tmp_path / "ask.c"
    source.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "crossentropy.h"\n'
        f"int main(void) {{\n{lines}\n    return 0;\n}}\n"
    )
    program = tmp_path / "ask"
    subprocess.run(["cc", f"-I{ROOT / 'include'}", source, "-o", program], check=True)
    result = subprocess.run([program], check=True, capture_output=True, text=True)
    return [int(line) for line in result.stdout.split()]


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("ce_tensor", header.Tensor),
        ("ce_options", header.Options),
        ("ce_outputs", header.Outputs),
        ("ce_row_stats", header.RowStats),
    ],
)
def test_structures(tmp_path: Path, name: str, structure: type[ctypes.Structure]) -> None:
    body = re.search(rf"struct {name} {{(.*?)\n}}", HEADER, re.DOTALL)
    assert body
    code = re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL)
    fields = re.findall(r"(\w+)\s*;", code)
    assert fields == [field[0] for field in structure._fields_]
    expressions = [f"sizeof({name})"]
    expected = [ctypes.sizeof(structure)]
    for field in fields:
        expressions += [f"offsetof({name}, {field})", f"sizeof((({name} *)0)->{field})"]
        expected += [getattr(structure, field).offset, getattr(structure, field).size]
    assert answers_of_c(tmp_path, expressions) == expected


@pytest.mark.parametrize(("name", "dtype"), [("ce_partial", header.PARTIAL), ("ce_accumulator", header.ACCUMULATOR)])
def test_records(tmp_path: Path, name: str, dtype: np.dtype[Any]) -> None:
    """Structures that are arrays in NumPy, without padding."""
    body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", HEADER, re.DOTALL)
    assert body
    code = re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL)
    fields = re.findall(r"(\w+)(?:\[\w+\])?\s*;", code)
    assert fields == list(dtype.names or ())
    expressions, expected = [f"sizeof({name})"], [dtype.itemsize]
    for field in fields:
        part, offset = dtype.fields[field][:2]  # type: ignore[index]
        expressions += [f"offsetof({name}, {field})", f"sizeof((({name} *)0)->{field})"]
        expected += [offset, part.itemsize]
    assert answers_of_c(tmp_path, expressions) == expected
    assert sum(expected[2::2]) == dtype.itemsize


def test_constants(tmp_path: Path) -> None:
    expected = {f"CE_{name}": code for name, code in header.STATUS.items()}
    for prefix, names in (
        ("INPUT", header.INPUT_TYPES),
        ("REDUCTION", header.REDUCTIONS),
        ("MEAN_OVER", header.MEAN_OVER),
        ("EMPTY", header.EMPTY),
        ("TARGET", header.TARGET_TYPES),
        ("REST", header.TARGET_RESTS),
        ("KL", header.KL_FORMS),
    ):
        expected.update({f"CE_{prefix}_{name.upper()}": code for name, code in names.items()})
    expected["CE_MEAN_OVER_DIVISOR"] = header.MEAN_OVER_DIVISOR
    for dtype, code in header.DTYPES.items():
        expected[f"CE_{dtype.kind.upper()}{8 * dtype.itemsize}"] = code
    expected["CE_BF16"] = header.BFLOAT16
    # Every enumerator of the header is known here, so that a new one is not forgotten.
    enumerators = re.findall(r"^\s+(CE_\w+)\s*= \d+", HEADER, re.MULTILINE)
    assert set(enumerators) == set(expected)
    expected["CE_IGNORE_NONE"] = header.IGNORE_NONE
    expected["CE_BLOCK"] = header.BLOCK
    expected["CE_PARTIAL_VERSION"] = header.PARTIAL_VERSION
    expected["CE_ACCUMULATOR_VERSION"] = header.ACCUMULATOR_VERSION
    assert answers_of_c(tmp_path, list(expected)) == list(expected.values())
