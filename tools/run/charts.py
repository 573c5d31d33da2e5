"""Line charts and 8 x 8 images as SVG text; colours and fonts come from report.css."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 450, 284
LEFT, RIGHT, TOP, BOTTOM = 44, 114, 12, 44  # the margins; series are named in the right one


@dataclass
class Series:
    """A line: `style` is its class in report.css; it is named at its end if `name` is not empty."""

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float]


def line_chart(
    description: str,
    x_title: str,
    series: Sequence[Series],
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    y_text: Callable[[float], str],
    *,
    logarithmic: bool = False,
    mark: tuple[float, str] | None = None,
) -> str:
    """A chart whose axes go from the first tick to the last; lines are cut there. `mark` is the
    height and the text of a dashed line."""
    scale: Callable[[float], float] = math.log10 if logarithmic else float
    bottom, top = scale(y_ticks[0]), scale(y_ticks[-1])

    def across(x: float) -> float:
        return LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        share = (scale(min(max(y, y_ticks[0]), y_ticks[-1])) - bottom) / (top - bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">']
    for y in y_ticks:
        at = f"{down(y):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick y" x="{LEFT - 8}" y="{at}">{y_text(y)}</text>')
    for x in x_ticks:
        parts.append(f'<text class="tick x" x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 17}">{x:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick x" x="{middle}" y="{HEIGHT - 8}">{escape(x_title)}</text>')
    if mark:
        at = f"{down(mark[0]):.1f}"
        parts.append(f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="name" x="{WIDTH - RIGHT + 8}" y="{at}">{escape(mark[1])}</text>')
    for line in series:
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(line.x, line.y))
        parts.append(f'<polyline class="{line.style}" points="{points}"/>')
        if line.name:
            parts.append(
                f'<text class="name {line.style}" x="{WIDTH - RIGHT + 8}" '
                f'y="{down(line.y[-1]):.1f}">{escape(line.name)}</text>'
            )
    return "\n".join([*parts, "</svg>"])


def image(pixels: npt.NDArray[np.float32], description: str) -> str:
    """An 8 x 8 image of values in 0 ... 1 as squares of ink."""
    squares = "".join(
        f'<rect x="{x}" y="{y}" width="1" height="1" fill-opacity="{value:.2f}"/>'
        for (y, x), value in np.ndenumerate(pixels.reshape(8, 8))
        if value > 0
    )
    return (
        f'<svg class="digit" viewBox="0 0 8 8" role="img" shape-rendering="crispEdges" '
        f'aria-label="{escape(description)}">{squares}</svg>'
    )
