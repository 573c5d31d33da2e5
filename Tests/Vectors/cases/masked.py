"""Masked logits and other rows in which a reference may lie far from the largest logit; rows of many tiny exponentials.

Every implementation computes them by each of its routes: rows of 2 to 150 classes, with the class axis last and first,
and rows of several blocks of 4096 classes.
"""

from __future__ import annotations

from collections.abc import Iterator

from .case import DTYPES, Case, case, sampled

# The cases are tables, which one argument a line would hide:
# fmt: off

# Nearly the largest numbers: twice them overflow, and they do not where they are off by a bound.
LARGEST = {
    "f32": float.fromhex("0x1.fffp127"), "f64": float.fromhex("0x1.fffffffp1023"), "f16": 65504.0,
    "bf16": float.fromhex("0x1.fcp127"),
}
MASKS = {
    "f32": (-1e4, -262144.0, -1e8, -1e30, -LARGEST["f32"]),
    "f64": (-1e4, -1e8, -1e13, -1e30, -1e300, -LARGEST["f64"]),
    "f16": (-6e4, -LARGEST["f16"]),
    "bf16": (-99840.0, -99614720.0, -LARGEST["bf16"]),
}
TAIL = [1.0, 2.0, 3.0, 4.5]
# bf16 holds what these are to f32, too.
LOGITS = [0.5, -1.25, 3.0, 0.75, -2.5, 1.5]


def name_of(mask: float) -> str:
    return f"{-mask:.0e}".replace("+", "")


def short() -> Iterator[Case]:
    for dtype, masks in MASKS.items():
        for mask in masks:
            rows = [[mask] * 16 + TAIL, TAIL + [mask] * 16, [mask, *TAIL] * 4, [mask] * 20, [mask] * 19 + [0.25],
                    [mask / 2] * 16 + TAIL]
            yield case(
                f"masked_20_{dtype}_{name_of(mask)}",
                f"16 of 20 classes masked with {mask:g}, at either end and in between; 20 and 19 of 20; with half of "
                "it at the label.",
                rows, [16, 1, 2, 7, 19, 3], dtype=dtype, reduction="none",
            )
            yield case(
                f"masked_150_class_axis_0_{dtype}_{name_of(mask)}",
                f"All but the last of 150 classes masked with {mask:g}, the class axis first.",
                [[mask, mask] if c < 144 else [LOGITS[c - 144], mask if c < 149 else 1.0] for c in range(150)],
                [147, 149], class_axis=0, dtype=dtype, reduction="none", grad_at=[0, 1, 2, 287, *range(288, 300)],
            )


def huge() -> Iterator[Case]:
    for dtype, largest in LARGEST.items():
        rows = [[-largest, largest, 0.0], [largest, largest, -largest], [-largest] * 3, [largest, largest / 2, 0.0]]
        yield case(
            f"huge_3_{dtype}", "Logits at the ends of the range: differences that overflow.", rows, [1, 0, 2, 0],
            dtype=dtype, reduction="none",
        )
        rows = [[-largest] * 16 + [largest, 0.5, largest, 1.0], [0.5] * 16 + [largest, -largest, 0.0, 1.0],
                [-largest] * 16 + TAIL]
        yield case(
            f"huge_20_{dtype}", "The first 16 classes far from the largest.", rows, [16, 16, 17],
            dtype=dtype, reduction="none",
        )


def blocks() -> Iterator[Case]:
    for dtype in DTYPES:
        mask = MASKS[dtype][2]
        for where, places in (("second", (4113, 4115, 4117, 4118)), ("first", (20, 21, 23, 4095)),
                              ("both", (17, 4095, 4113, 4118))):
            put = list(zip(places, TAIL))
            for axis in (-1, 0):
                yield case(
                    f"masked_4119_{where}_{dtype}_axis_{'last' if axis else 'first'}",
                    f"4 of 4119 classes are not masked with {mask:g}, in the {where} block{'s' * (where == 'both')}.",
                    {"constant": mask, "set": [list(pair) for pair in put]}, [places[1]], dtype=dtype,
                    shape=[1, 4119] if axis else [4119, 1], class_axis=axis, reduction="none",
                    grad_at=sorted({*sampled(1, 4119, [places[1]]), *places}),
                )
        # Ordinary logits in the first block, and a second block that begins masked.
        put = [[c, (c % 7) - 3.0] for c in range(0, 4096, 64)] + [[c, mask] for c in range(4096, 4112)]
        yield case(
            f"masked_begin_of_second_block_{dtype}",
            "Ordinary logits, but for the first 16 classes of the second block.",
            {"constant": 0.25, "set": put}, [4115], dtype=dtype, shape=[1, 4120], reduction="none",
            grad_at=sampled(1, 4120, [4115]),
        )


def tiny() -> Iterator[Case]:
    """Losses that are normal numbers, though each of their terms is none."""
    for dtype, gap, step in (
        ("f32", 86.0, 3 / 256), ("f32", 88.5, 1 / 256), ("f64", 706.0, 3 / 256), ("f64", 709.5, 1 / 256),
    ):
        row = [gap] + [-step * c for c in range(256)]
        for axis in (-1, 0):
            yield case(
                f"tiny_257_{dtype}_{str(gap).replace('.', '_')}_axis_{'last' if axis else 'first'}",
                f"256 classes lie {gap} and a little more below the largest: a loss that is a normal number, a sum of "
                "smaller ones that are none.",
                [row] if axis else [[x] for x in row], [0], class_axis=axis, dtype=dtype, reduction="none",
            )
    for dtype, gap, least in (("f32", 94.0, 107.5), ("f64", 716.0, 728.5)):
        # At some distance again as many terms, that count for a thousandth.
        put = [[0, gap], *[[c, gap - least] for c in range(4097, 5000)]]
        yield case(
            f"tiny_9000_{dtype}", "Thousands of tiny terms in three blocks.", {"constant": 0.0, "set": put}, [0],
            dtype=dtype, shape=[1, 9000], reduction="none", grad_at=sampled(1, 9000, [0]),
        )
