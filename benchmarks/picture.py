"""The picture: how much of the memory's speed each shape gets, ours and the best peer's, as SVG for light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from . import kept
from .results import Result

WIDTH, LEFT, GAP, TOP = 860, 210, 56, 74
PANEL = (WIDTH - LEFT - GAP - 50) // 2  # the width of 100 %
ROW, BAR = 34, 11
PANELS = {"loss": "loss, of the speed of reading", "in place": "loss and gradient, of scaling in place"}

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1d2129 }
  .quiet { fill: #5b6270; font-size: 12px } .value { font-size: 11px } .title { font-weight: 600 }
  .ours { fill: #2b5fa8 } .peer { fill: #b4500f } .rule { stroke: #dfddd6 } .end { text-anchor: end }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e7ea } .quiet { fill: #a3a9b5 } .ours { fill: #86b4f2 } .peer { fill: #f0a266 }
    .rule { stroke: #343943 }
  }
"""


def draw(results: Sequence[Result], about: dict[str, Any]) -> str:
    drawn = [each for each in results if each.of_limit is not None and each.mode in PANELS]
    works = list(dict.fromkeys(each.work.name for each in drawn))
    height = TOP + ROW * len(works) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="Speed as a share of the memory\'s speed: ours and the best peer for each shape">',
        f"<style>{STYLE}</style>",
        f'<rect class="ours" x="{LEFT}" y="6" width="11" height="11"/><text x="{LEFT + 17}" y="16">crossentropy</text>',
        f'<rect class="peer" x="{LEFT + 120}" y="6" width="11" height="11"/>'
        f'<text x="{LEFT + 137}" y="16">the best peer for the shape, named</text>',
    ]
    for place, (mode, title) in enumerate(PANELS.items()):
        left = LEFT + place * (PANEL + GAP)
        parts.append(f'<text class="title" x="{left}" y="{TOP - 30}">{title}</text>')
        for percent in (0, 50, 100):
            at = left + PANEL * percent / 100
            parts.append(f'<line class="rule" x1="{at}" x2="{at}" y1="{TOP - 6}" y2="{TOP + ROW * len(works)}"/>')
            parts.append(f'<text class="quiet value" x="{at}" y="{TOP - 12}">{percent} %</text>')
        for each in drawn:
            if each.mode == mode:
                parts += _bars(each, left, TOP + ROW * works.index(each.work.name))
    for number, name in enumerate(works):
        parts.append(f'<text class="end" x="{LEFT - 12}" y="{TOP + ROW * number + 17}">{escape(name)}</text>')
    footer = (
        f"{kept.title(about['instruction_set'])}; {about['machine']}; {about['threads']} threads; {about['date'][:10]}"
    )
    parts.append(f'<text class="quiet" x="12" y="{height - 8}">{escape(footer)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _bars(result: Result, left: float, top: float) -> list[str]:
    share = result.of_limit or 0.0
    bars = [("ours", share, f"{share:.0%}")]
    if result.best:
        theirs = share / result.peers[result.best]
        bars.append(("peer", theirs, f"{theirs:.0%} {result.best}"))
    parts = []
    for number, (style, value, text) in enumerate(bars):
        y, length = top + 2 + number * (BAR + 2), PANEL * min(value, 1.05)
        parts.append(f'<rect class="{style}" x="{left}" y="{y}" width="{length:.1f}" height="{BAR}" rx="1.5"/>')
        parts.append(f'<text class="value" x="{left + length + 5:.1f}" y="{y + BAR - 1.5}">{escape(text)}</text>')
    return parts
