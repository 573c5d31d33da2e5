"""What docs say would refute their claims exists: vectors, tests and programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ["Tests", "python/tests", "tools"]
DOCUMENTS = {"docs/numerics.md": 40, "docs/promises.md": 30}  # with the least number of claims


def last_cells(document: str) -> list[str]:
    """The last cell of each row of the tables whose last column is "refuted by"."""
    cells = []
    is_wanted = False
    for line in (ROOT / document).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            is_wanted = False
            continue
        cell = line.strip().strip("|").split("|")[-1].strip()
        if cell == "refuted by":
            is_wanted = True
        elif is_wanted and not cell.startswith("---"):
            cells.append(cell)
    return cells


@pytest.fixture(scope="module")
def vectors() -> list[str]:
    cases = json.loads((ROOT / "Tests/Vectors/vectors.json").read_text(encoding="utf-8"))["cases"]
    return [case["name"] for case in cases]


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8")
        for place in PLACES
        for path in (ROOT / place).rglob("*")
        if path.suffix in (".py", ".swift", ".c", ".h", ".sh")
    }


def exists(name: str, vectors: list[str], sources: dict[str, str]) -> bool:
    if name.startswith("make "):
        return re.search(f"^{name[5:]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) is not None
    if re.fullmatch(r"[A-Z_]+", name):  # an environment variable
        return any(name in text for text in sources.values())
    file, _, test = name.partition(":")
    if "." in file:
        if file not in sources:
            return False
        if not test or file == "check_library.py":
            return test in sources[file]
        return re.search(rf"(def |func |^static .*[ *]){re.escape(test)}\(", sources[file], re.MULTILINE) is not None
    return any(vector.startswith(name[:-1]) if name.endswith("*") else vector == name for vector in vectors)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_would_refute_a_claim_exists(document: str, vectors: list[str], sources: dict[str, str]) -> None:
    cells = last_cells(document)
    assert len(cells) >= DOCUMENTS[document]
    for cell in cells:
        names = re.findall("`([^`]+)`", cell)
        assert names, cell
        assert [name for name in names if not exists(name, vectors, sources)] == [], cell


def without_comments(code: str) -> str:
    return " ".join(re.sub("//.*", "", code).split())


def test_examples_of_the_header_are_compiled() -> None:
    header = (ROOT / "include/crossentropy.h").read_text(encoding="utf-8")
    blocks = re.findall(r"(?<=^ \*\n)(?: \*     .*\n)+", header, re.MULTILINE)
    examples = [block.replace(" *     ", "") for block in blocks if ";" in block]
    assert [example.splitlines()[0].split("(")[0].split("=")[0].strip() for example in examples] == [
        "double  logits[2][3]",
        "ce_options options;",
        "ce_outputs outputs",
        "int64_t    shape[2]",
        "ce_partial *low",
    ]
    program = without_comments((ROOT / "Tests/C/example.c").read_text(encoding="utf-8"))
    for example in examples:
        assert without_comments(example) in program, example
