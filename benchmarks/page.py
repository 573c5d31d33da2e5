"""The tables of docs/speed.md, made from the runs that docs/bench keeps: python -m benchmarks.page

They stand between lines `<!-- NAME -->` and `<!-- end of NAME -->`; everything else on the page is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from . import kept

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
MODES = ("loss", "in place")


def update(page: Path = PAGE, folder: Path = kept.FOLDER) -> None:
    page.write_text(filled(page.read_text(), folder))


def filled(text: str, folder: Path = kept.FOLDER) -> str:
    """The page with today's tables."""
    for name, show in (("bench", shapes), ("bench-functions", functions)):
        sections = "\n\n".join(show(isa, folder) for isa in kept.sets(folder))
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, new=sections: f"{found[1]}\n{new}\n\n{found[2]}", text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page has {count} places for {name}")
    return text


def shapes(isa: str, folder: Path) -> str:
    """The picture and the table of one instruction set."""
    run = kept.read(isa, folder)
    if run is None:
        return f"### {kept.title(isa)}\n\n{missing(isa, 'make bench')}"
    alt = f"Speed on {kept.title(isa)} as a share of the memory's, ours and the best peer's"
    lines = [f"### {kept.title(isa)}", "", f"![{alt}](bench/{isa}.svg)", "", machine(run), ""]
    lines += ["| work | what | ours, ms | of the memory's speed | best peer | times as fast as it | wanted |"]
    lines += ["|---|---|---:|---:|---|---:|---|"]
    for result in run["results"]:
        if result["mode"] in MODES:
            share, best = result["of_limit"], result["best"]
            targets = [
                each for each in run["targets"] if (each["work"], each["mode"]) == (result["work"], result["mode"])
            ]
            cells = [
                result["work"],
                result["mode"],
                f"{result['ours_seconds'] * 1e3:.3g}",
                f"{share:.2f}" if share else "",
                best or "",
                f"{result['peers'][best]:.2f}" if best else "",
                "; ".join(map(wanted, targets)),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes(run)])


def wanted(target: dict[str, Any]) -> str:
    against = {"limit": "the memory", "best": "the best"}.get(target["against"], target["against"])
    text = f"{target['wanted']:g} of {against}: "
    if target["measured"] is None:
        return text + "not measured"
    # The other columns have the measured ratio for these two.
    measured = "" if target["against"] in ("limit", "best") else f"{target['measured']:.2f}, "
    return text + measured + ("met" if target["met"] else "**missed**")


def notes(run: dict[str, Any]) -> list[str]:
    met = [target["met"] for target in run["targets"] if target["mode"] in MODES]
    outside = [target["measured"] for target in run["targets"] if target["mode"] == "out of place"]
    extra = [result["extra_bytes"].get(result["mode"], 0) for result in run["results"]]
    theirs = [
        value for result in run["results"] for name, value in result["extra_bytes"].items() if name in run["peers"]
    ]
    lines = [f"{met.count(True)} of {len(met)} targets are met."]
    if outside:
        lines[0] += f" The gradient out of place has at least {min(outside):.2f} of the speed in place."
    if theirs:
        lines[0] += (
            f" A call takes at most {max(extra) / 1e6:.1f} MB beyond inputs and gradient; the peers up to "
            f"{max(theirs) / 1e6:.0f} MB."
        )
    return lines


def functions(isa: str, folder: Path) -> str:
    """The table of what stands beside the plain loss."""
    run = kept.read(f"{isa}-functions", folder)
    if run is None:
        return f"### Functions on {kept.title(isa)}\n\n{missing(isa, 'make bench-functions')}"
    lines = [f"### Functions on {kept.title(isa)}", "", machine(run), ""]
    lines += ["| work | what | ms | times as fast as the first | wanted |", "|---|---|---:|---:|---|"]
    work = ""
    for row in run["results"]:
        judged = "" if row["wanted"] is None else f"{row['wanted']:.2g}: "
        if judged:
            judged += "met" if row["speed"] >= row["wanted"] else "**missed**"
        speed = "" if row["speed"] is None else f"{row['speed']:.2f}"
        shown = row["work"] if row["work"] != work else ""
        lines.append(f"| {shown} | {row['call']} | {row['seconds'] * 1e3:.3g} | {speed} | {judged} |")
        work = row["work"]
    return "\n".join(lines)


def machine(run: dict[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in run["peers"].items())
    return f"{run['machine']}, {run['threads']} threads, {run['date'][:10]}, load before {run['load_before']}. {peers}."


def missing(isa: str, command: str) -> str:
    return (
        f"Missing: no whole run on a processor whose best instruction set is {kept.title(isa)} has been kept. "
        f"`{command}` there fills this in."
    )


if __name__ == "__main__":
    update()
