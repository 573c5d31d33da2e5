"""Confident rows, ties, and logits at every place of the range."""

from __future__ import annotations

from collections.abc import Iterator

from .case import DTYPES, ROWS, Case, case

# The cases are tables, which one argument a line would hide:
# fmt: off


GAPS = (0.5, 1, 2, 4, 8, 10, 16, 17, 20, 30, 40, 60, 80, 86)
GAPS_BEYOND_F32 = (100, 200, 300, 400, 500, 600, 700)


def confident() -> Iterator[Case]:
    for dtype in DTYPES:
        gaps = GAPS if dtype == "f32" else GAPS + GAPS_BEYOND_F32
        for gap in gaps:
            bases = (0.1234567, 7.654321, -3.3)
            rows = [[base, base + gap, base - 1.7] for base in bases for _ in range(3)]
            yield case(
                f"confident_{dtype}_gap_{str(gap).replace('.', '_')}",
                f"The largest logit leads by {gap}, from bases that are not round so that the "
                "difference is inexact; right and wrong labels.",
                rows, [1, 0, 2] * len(bases), dtype=dtype, reduction="none",
            )
    yield case(
        "confident_many_small",
        "The loss is a sum of 40 small terms.",
        [[30.7] + [0.1 * (c % 9) - 0.4 for c in range(40)]], [0],
    )
    for dtype, gap in (("f32", 95.3), ("f32", 102.1), ("f64", 720.3), ("f64", 741.7)):
        yield case(
            f"subnormal_loss_{dtype}_gap_{int(gap)}",
            "A loss below the normal numbers may be flushed to 0, and is never negative.",
            [[gap, 0.0]], [0], dtype=dtype,
        )
    for dtype in DTYPES:
        yield case(
            f"two_classes_far_apart_{dtype}",
            "What rounding takes from a distance of 2^124 is itself of the size of 2^100, and counts for nothing.",
            [[float.fromhex("0x1.93e594p+99"), float.fromhex("0x1.fa5d3ap+124")]] * 2, [0, 1], dtype=dtype,
            reduction="none",
        )
        yield case(
            f"smoothed_far_apart_{dtype}",
            "Smoothed labels of logits whose differences f32 does not hold.",
            [[-3.1e38, 2.7e38, 1.0, -2.0e38, 5.0]], [1], dtype=dtype, label_smoothing=1e-3,
        )
        yield case(
            f"confident_mean_{dtype}",
            "The mean of confident rows keeps their relative accuracy.",
            [[70.3, 0.1, 2.2], [0.3, 66.6, 0.2], [-0.7, 0.9, 71.1]], [0, 1, 2], dtype=dtype,
        )


def ties_and_offsets() -> Iterator[Case]:
    for dtype in DTYPES:
        yield case(
            f"ties_{dtype}",
            "Two and three classes share the largest logit; the label is each in turn.",
            [[5.1, 5.1, 1.3], [5.1, 5.1, 1.3], [5.1, 5.1, 1.3], [2.7, 2.7, 2.7]],
            [0, 1, 2, 2], dtype=dtype, reduction="none",
        )
        yield case(
            f"near_ties_{dtype}",
            "Logits one unit in the last place apart.",
            [[1.0, 1.0 + 2.0**-23, 1.0 - 2.0**-24]] * 3, [0, 1, 2], dtype=dtype,
            reduction="none",
        )
        for offset in (1000.0, -1000.0, 1e6, -1e6):
            sign = "plus" if offset > 0 else "minus"
            yield case(
                f"offset_{sign}_{int(abs(offset))}_{dtype}",
                f"Rows shifted by {offset:g}: the loss does not depend on it.",
                [[value + offset for value in row] for row in ROWS["logits"]], [2, 0, 1],
                dtype=dtype, reduction="none",
            )
        yield case(
            f"offset_ulps_apart_{dtype}",
            "Large logits a few units in the last place apart.",
            [[16777216.0, 16777214.0, 16777210.0], [-16777216.0, -16777214.0, -16777220.0]],
            [0, 2], dtype=dtype, reduction="none",
        )
        yield case(
            f"subnormal_logits_{dtype}",
            "Subnormal logits are 0 for all purposes of the result.",
            [[1e-45, -1e-40, 1e-39]] if dtype == "f32" else [[5e-324, -1e-310, 1e-309]], [1],
            dtype=dtype,
        )
        big = 3e38 if dtype == "f32" else 1.7e308
        yield case(
            f"huge_equal_{dtype}",
            "Equal logits at the top of the range.",
            [[big, big, -big]], [0], dtype=dtype,
        )
        yield case(
            f"huge_spread_right_{dtype}",
            "Logits over the whole range: the difference overflows, the loss of the largest is 0.",
            [[-big, big, 0.0]], [1], dtype=dtype,
        )
        yield case(
            f"huge_spread_wrong_{dtype}",
            "The loss of the smallest is beyond the largest finite number: +infinity.",
            [[-big, big, 0.0]], [0], dtype=dtype,
        )
        yield case(
            f"huge_but_finite_loss_{dtype}",
            "A loss as large as the largest logit is finite.",
            [[0.0, big, 1.0]], [0], dtype=dtype,
        )
    yield case(
        "huge_spread_wrong_loss_f64",
        "The same loss has room in an f64 result.",
        [[-3e38, 3e38, 0.0]], [0], loss_dtype="f64",
    )
    yield case(
        "huge_mean",
        "Two losses whose sum is beyond f32 have a mean within it.",
        [[0.0, 3e38], [0.0, 2.5e38]], [0, 0],
    )
    yield case(
        "huge_mean_f64",
        "Two losses whose sum is beyond f64 have a mean within it.",
        [[0.0, 1.5e308], [0.0, 1.25e308]], [0, 0], dtype="f64",
    )
    yield case(
        "flushed_probabilities",
        "Many classes below 2^-126 of the largest, a few above it.",
        [[100.3, 0.1, 12.7, 14.1, 3.3, 60.2, -7.7, 20.9]], [0],
    )
    yield case(
        "wide_row_of_gaps",
        "Probabilities of every magnitude in one row, down to 1e-38.",
        [[0.37 - 2.87 * c for c in range(31)]], [3],
    )
