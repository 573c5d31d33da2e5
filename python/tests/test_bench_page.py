"""docs/speed.md shows a table for each instruction set, from the runs that docs/bench keeps."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = """# By hand
<!-- bench -->
old
<!-- end of bench -->
Between.
<!-- bench-functions -->
<!-- end of bench-functions -->
Last.
"""


@pytest.fixture(scope="module", autouse=True)
def _path() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield
        for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
            del sys.modules[name]


def module(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def a_run(isa: str) -> dict[str, Any]:
    """As `make bench` makes it, of invented times: the peer takes 3 times ours, reading half of ours."""
    results, report, targets = module("results"), module("report"), module("targets")
    measured = [
        results.Result(
            work, mode, 0.01, 0.005, 0.5, {"JAX": 0.03}, {"JAX": 3.0, "torch.compile": 3.5}, {}, {mode: 5, "JAX": 7}
        )
        for work in module("works").WORKS
        for mode in ("loss", "in place", "out of place", "new array")
    ]
    about = {"date": "2026-01-02T03:04", "machine": "Some Processor", "threads": 2, "load_before": 0.1}
    about |= {"instruction_set": isa, "peers": {"JAX": "1.2"}}
    run = report.everything(about, measured, targets.outcomes(measured, isa))
    return dict(run)


def test_the_page_shows_the_kept_runs() -> None:
    text = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert module("page").filled(text) == text, "python -m benchmarks.page"


def test_pictures_and_tables_come_in_pairs() -> None:
    folder = module("kept").FOLDER
    runs = {path.stem for path in folder.glob("*.json") if not path.stem.endswith("-functions")}
    assert runs <= {path.stem for path in folder.glob("*.svg")}


def test_each_instruction_set_has_a_section_and_keeps_it(tmp_path: Path) -> None:
    page, kept = module("page"), module("kept")
    missing = "Missing: no whole run on a processor whose best instruction set is {} has been kept."
    nothing = page.filled(PAGE, tmp_path)
    assert nothing.count(missing.format("AVX2")) == nothing.count(missing.format("AVX-512")) == 2
    assert "old" not in nothing

    kept.write(tmp_path / "avx2.json", a_run("avx2"))
    one = page.filled(nothing, tmp_path)
    assert one.count(missing.format("AVX2")) == 1
    assert (
        "| [2048, 32768] f32 | loss | 10 | 0.50 | JAX | 3.00 | 0.6 of the memory: **missed**; 2.5 of the best: met |"
        in one
    )
    assert "Some Processor, 2 threads, 2026-01-02, load before 0.1. JAX 1.2." in one
    assert "![Speed on AVX2 as a share of the memory's, ours and the best peer's](bench/avx2.svg)" in one

    kept.write(tmp_path / "avx512.json", a_run("avx512"))
    both = page.filled(one, tmp_path)
    assert missing.format("AVX-512") in both  # the functions
    assert both.count("| [8192, 1000] f32 | in place |") == 2
    assert "0.6 of the memory: **missed**" in both
    assert "0.85 of the memory: **missed**" in both
    assert both.index("### AVX2") < both.index("### AVX-512") < both.index("Between.")

    rows = [{"work": "softmax", "call": "torch", "seconds": 0.002, "speed": None, "wanted": None}]
    rows += [{"work": "softmax", "call": "ours", "seconds": 0.001, "speed": 2.0, "wanted": 1.5}]
    about = {key: value for key, value in a_run("avx2").items() if key not in ("results", "targets")}
    kept.write(tmp_path / "avx2-functions.json", about | {"results": rows})
    last = page.filled(both, tmp_path)
    assert "| softmax | torch | 2 |  |  |\n|  | ours | 1 | 2.00 | 1.5: met |" in last
    assert page.filled(last, tmp_path) == last
    assert last.endswith("Last.\n")


@pytest.mark.parametrize("name", ["CROSSENTROPY_ISA", "CROSSENTROPY_ROUTE"])
def test_a_run_that_was_held_back_is_not_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSENTROPY_ISA", raising=False)
    monkeypatch.delenv("CROSSENTROPY_ROUTE", raising=False)
    assert module("kept").forced() == ""
    monkeypatch.setenv(name, "avx2")
    assert name in module("kept").forced()


def test_the_table_and_the_picture_name_the_instruction_set() -> None:
    report, picture, run = module("report"), module("picture"), a_run("avx512")
    assert report.columns([], "avx512").startswith("AVX-512 ")
    header = report.header({**run, "crossentropy": {"version": "1"}, "system": "Linux"})
    assert header.startswith("Instruction set: AVX-512\n")
    assert "AVX-512; Some Processor; 2 threads" in picture.draw([], run)


def test_labels_of_32_bits_are_those_of_64() -> None:
    works = module("works")
    inputs = works.Work((6, 5)).inputs()
    assert inputs.narrow_target.dtype == np.int32
    assert (inputs.narrow_target == inputs.target).all()
    distribution = works.Work((6, 5), distribution=True).inputs()
    assert distribution.narrow_target is distribution.target
