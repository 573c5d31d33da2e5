"""What is left of a confident, correct prediction: rows [margin, 0] with label 0, here and in PyTorch.

    make gap
    PYTHONPATH=python:. python -m benchmarks.gap --markdown     the tables of docs/numerics.md

The exact loss is log1p(exp(-margin)), and the exact gradient -exp(-margin) / (1 + exp(-margin)) at the label and its
opposite at the other class. All the margins are so small that these are normal numbers of the dtype, which could hold
them to full precision.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

import crossentropy as ce

from .works import Array

MARGINS = {
    "f32": [5, 10, 15, 16, 17, 20, 30, 40, 60, 80, 86],
    "f64": [5, 10, 15, 16, 17, 20, 30, 36, 37, 40, 60, 80, 86, 100, 300, 500, 700],
}
DTYPES: dict[str, Any] = {"f32": np.float32, "f64": np.float64}
# 1 + exp(-700) alone takes 305 digits.
DIGITS = 400


@dataclass(frozen=True)
class Values:
    """Of one row, by whomever."""

    loss: Decimal
    at_label: Decimal
    at_other: Decimal


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gap", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--markdown", action="store_true", help="as the tables of a Markdown page")
    markdown = parser.parse_args().markdown
    try:
        import torch
    except ImportError as error:
        torch = None
        print(f"PyTorch is left out: {error}\n")
    else:
        print(f"PyTorch {torch.__version__.split('+')[0]}; in brackets: the relative error\n")
    for number, (dtype, margins) in enumerate(MARGINS.items()):
        x = np.array([[margin, 0] for margin in margins], DTYPES[dtype])
        columns = {"ours": ours(x), **({"PyTorch": theirs(torch, x)} if torch else {})}
        table = [[dtype, *_header(columns)], *rows(margins, columns, digits=3 if markdown else 7)]
        print("\n" * (number > 0) + (_markdown(table) if markdown else _aligned(table)))
    return 0


def ours(x: Array) -> list[Values]:
    return _values(*ce.cross_entropy_with_grad(x, _labels(x), reduction="none"))


def theirs(torch: Any, x: Array) -> list[Values]:
    """The usual way: eager, with autograd."""
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    loss = torch.nn.functional.cross_entropy(leaf, torch.from_numpy(_labels(x)), reduction="none")
    loss.sum().backward()
    return _values(loss.detach().numpy(), leaf.grad.numpy())


def exact(margin: int) -> Values:
    with localcontext() as context:
        context.prec = DIGITS
        rest = Decimal(-margin).exp()
        gradient = rest / (1 + rest)
        return Values((1 + rest).ln(), -gradient, gradient)


def rows(margins: Sequence[int], columns: dict[str, list[Values]], digits: int) -> Iterable[list[str]]:
    for number, margin in enumerate(margins):
        want = exact(margin)
        cells = [str(margin)]
        for field in ("loss", "at_label", "at_other"):
            # The exact gradient at the other class is what stands at the label, without its sign.
            if field != "at_other":
                cells.append(f"{getattr(want, field):.{digits}e}")
            for values in columns.values():
                cells.append(_cell(getattr(values[number], field), getattr(want, field), digits))
        yield cells


def _labels(x: Array) -> Array:
    return np.zeros(len(x), np.int64)


def _values(losses: Array, gradients: Array) -> list[Values]:
    """As exact decimals, which every floating-point number is."""
    both = np.column_stack([losses, gradients]).astype(np.float64)
    return [Values(*map(Decimal, row)) for row in both.tolist()]


def _cell(got: Decimal, want: Decimal, digits: int) -> str:
    with localcontext() as context:
        context.prec = DIGITS
        error = abs(got / want - 1)
    return f"{got:.{digits}e} ({error:.0e})" if got else f"0 ({error:.0f})"


def _header(columns: Iterable[str]) -> list[str]:
    names = []
    for what in ("loss", "gradient at label", "at the other"):
        if what != "at the other":
            names.append(f"{what}: exact")
        names += [f"{what}: {who}" for who in columns]
    return names


def _markdown(table: Sequence[Sequence[str]]) -> str:
    head, *body = table
    lines = [head, ["---:"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _aligned(table: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(cells, widths)) for cells in table)


if __name__ == "__main__":
    sys.exit(main())
