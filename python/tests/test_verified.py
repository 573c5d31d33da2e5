"""tools/verified.py: which instruction sets have reproduced the hash lists from today's sources."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verified = load("verified")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small checkout, in which every instruction set is verified."""
    contents = {
        "Package.swift": 'flags("-Ounchecked")\n',
        "Sources/Kernels/Exp.swift": "// The exponential.\nlet a = 1\n",
        "Sources/KernelABI/include/KernelABI.h": "int a;\n",
        "Sources/Shims/Shims.c": "int a;\n",
        "Sources/Core/Plan.swift": "let a = 1\n",
        "Sources/CABI/Message.swift": "let a = 1\n",
        "Tests/Hashes/hashes.txt": "index_none f32 19x[100] 0123456789abcdef\n",
    }
    for name, text in contents.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in ("KernelsAVX2", "KernelsAVX512"):
        (tmp_path / "Sources" / folder).mkdir()
        (tmp_path / "Sources" / folder / "Exp.swift").symlink_to("../Kernels/Exp.swift")
    today = verified.digest(tmp_path)
    verified.write(
        tmp_path, {name: verified.Verified(today, "2026-01-02", "Some Name (model 1)") for name in verified.SETS}
    )
    return tmp_path


def test_nothing_is_said_where_all_are_verified(root: Path) -> None:
    assert verified.notice(root) == ""
    assert verified.read(root)["avx2"].processor == "Some Name (model 1)"


@pytest.mark.parametrize(
    "name",
    [
        "Package.swift",
        "Sources/Kernels/Exp.swift",
        "Sources/Kernels/New.swift",
        "Sources/KernelsAVX2/New.swift",
        "Sources/KernelABI/include/KernelABI.h",
        "Sources/Shims/Shims.c",
        "Sources/Core/Plan.swift",
        "Sources/Core/Routes/New.swift",
        "Tests/Hashes/hashes.txt",
    ],
)
def test_a_change_of_what_decides_bits_leaves_all_sets_unverified(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "let b = 2\n")
    text = verified.notice(root)
    for isa in verified.SETS:
        assert f"!!     {isa:8} for other sources, on 2026-01-02: Some Name (model 1)\n" in text


def test_a_link_that_goes_leaves_all_sets_unverified(root: Path) -> None:
    (root / "Sources/KernelsAVX512/Exp.swift").unlink()
    assert "avx512" in verified.notice(root)


def test_comments_and_other_sources_do_not_count(root: Path) -> None:
    (root / "Sources/Kernels/Exp.swift").write_text("// Its exponential.\n\n    // More.\nlet a = 1\n")
    (root / "Sources/CABI/Message.swift").write_text("let b = 2\n")
    assert verified.notice(root) == ""


def test_a_set_that_never_ran_is_named(root: Path) -> None:
    path = root / "Tests/Hashes/verified"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("avx512"))
    )
    assert [line for line in verified.notice(root).splitlines() if line.startswith("!!  ")] == ["!!     avx512   never"]


def run(result: bool, before: Callable[[], object] = lambda: None) -> tuple[str, Callable[[], bool]]:
    def lists() -> bool:
        before()
        return result

    return "Another", lists


def test_reproducing_records_the_sets_that_came_out_right(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "Sources/Core/Plan.swift").write_text("let a = 3\n")
    assert verified.reproduce(root, {"baseline": run(True), "avx2": run(False)}) == 1
    found = verified.read(root)
    assert (found["baseline"].digest, found["baseline"].processor) == (verified.digest(root), "Another")
    assert "avx2" not in found
    assert found["avx512"].processor == "Some Name (model 1)"
    assert capsys.readouterr().out.endswith("1 passed, 1 failed\n")
    assert "baseline" not in verified.notice(root)
    assert verified.reproduce(root, {"avx2": run(True), "avx512": run(True), "neon": run(True)}) == 0
    assert verified.notice(root) == ""


def test_sources_that_change_during_the_run_are_not_recorded(root: Path) -> None:
    change = run(True, lambda: (root / "Sources/Core/Plan.swift").write_text("let a = 3\n"))
    assert verified.reproduce(root, {"baseline": change, "avx2": run(True)}) == 1
    assert all(each.processor == "Some Name (model 1)" for each in verified.read(root).values())


def test_the_check_of_a_release_fails_where_something_is_unverified(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verified, "ROOT", root)
    monkeypatch.setattr(sys, "argv", ["verified.py", "--check"])
    assert verified.main() == 0
    (root / "Sources/Core/Plan.swift").write_text("let a = 3\n")
    assert verified.main() == 1
    monkeypatch.setattr(sys, "argv", ["verified.py"])
    assert verified.main() == 0
    assert "UNVERIFIED" in capsys.readouterr().out


@pytest.mark.parametrize("notice", ["", "!! UNVERIFIED: avx512"])
def test_the_count_of_tests_comes_after_what_is_unverified(
    tmp_path: Path, notice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(TOOLS)
    tally = load("tally")
    monkeypatch.setattr(tally.verified, "notice", lambda root: notice)
    (tmp_path / "c.log").write_text("3 passed, 0 failed\n")
    assert tally.main(tmp_path) == 0
    end = f"{notice}\n3 passed, 0 failed\n" if notice else "3 passed, 0 failed\n"
    output = capsys.readouterr().out
    assert output.endswith(end)
    assert ("UNVERIFIED" in output) == bool(notice)
