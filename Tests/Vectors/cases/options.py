"""Ignored rows, the gradient's scale, threads, and inputs that hold probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, INF, INPUT_TYPES, NAN, ROWS, TARGET_KINDS, TARGETS, Case, case, numbers

# The cases are tables, which one argument a line would hide:
# fmt: off


def ignoring() -> Iterator[Case]:
    x = ROWS["logits"]
    yield case("ignore_default", "The default ignore_index is -100.", x, [2, -100, 1])
    yield case(
        "ignore_none_reduction", "An ignored row's loss is 0.", x, [-100, 0, 1], reduction="none"
    )
    yield case(
        "ignore_inside_range",
        "An ignore_index inside [0, C) ignores that class, as a padding class.",
        x, [2, 0, 1], ignore_index=0,
    )
    yield case("ignore_minus_one", "Another common value.", x, [2, -1, -1], ignore_index=-1)
    yield case(
        "ignore_255", "The void class of segmentation masks.", x, [2, 255, 1], ignore_index=255,
        target_dtype="u8",
    )
    yield case(
        "ignore_disabled", "CE_IGNORE_NONE ignores no label.", x, [2, 0, 1], ignore_index="none"
    )
    yield case(
        "ignore_not_for_distributions",
        "A distribution has no labels to ignore.",
        x, TARGETS["distribution"], ignore_index=0,
    )
    yield case(
        "ignore_beyond_label_dtype",
        "An ignore_index that the label dtype cannot hold ignores nothing.",
        numbers(52), [156], shape=[1, 200], target_dtype="u8", ignore_index=-100,
        grad_at=[0, 155, 156, 157, 199],
    )
    yield case(
        "ignore_extreme",
        "The largest int64 as ignore_index.",
        x, [9223372036854775807, 0, 1], ignore_index=9223372036854775807,
    )


def gradient_scale() -> Iterator[Case]:
    for kind, reduction in itertools.product(TARGET_KINDS, ("none", "sum", "mean")):
        yield case(
            f"grad_loss_{reduction}_{kind}",
            "An upstream gradient multiplies the gradient and leaves the loss.",
            ROWS["logits"], TARGETS[kind], reduction=reduction, grad_loss=-2.75,
        )
    yield case(
        "grad_loss_zero", "0 makes every gradient 0.", ROWS["logits"], [2, 0, 1], grad_loss=0.0
    )
    yield case(
        "grad_loss_huge",
        "A loss scale of mixed-precision training.",
        ROWS["logits"], [2, 0, 1], grad_loss=65536.0 * 65536.0,
    )
    yield case(
        "grad_loss_tiny",
        "Gradients in the subnormal range round once.",
        ROWS["logits"], [2, 0, 1], grad_loss=1e-38,
    )
    yield case(
        "grad_loss_on_tiny_probability",
        "An upstream gradient beyond f32 on a probability of 1.8e-35: a gradient of 1.8e35.",
        [[0.0, -80.0]], [0], reduction="sum", grad_loss=1e70,
    )
    yield case(
        "grad_loss_and_weights",
        "Upstream gradient, weights and mean together.",
        ROWS["logits"], [2, 0, 1], grad_loss=0.3, weight=[0.3, 1.7, 0.9],
        sample_weight=[0.1, 1.9, 0.7], dtype="f64",
    )


def threads() -> Iterator[Case]:
    for count in (1, 8, 2147483647):
        yield case(
            f"threads_{count}", "The number of threads changes nothing.", numbers(61),
            [5 * row % 50 for row in range(40)], shape=[40, 50], threads=count,
            grad_at=[0, 49, 50, 1000, 1999],
        )


def probabilities() -> Iterator[Case]:
    for dtype, kind, input_type in itertools.product(DTYPES, TARGET_KINDS, INPUT_TYPES[1:]):
        yield case(
            f"{input_type}_weighted_{dtype}_{kind}",
            f"Input type {input_type} with class and sample weights.",
            ROWS[input_type], TARGETS[kind], dtype=dtype, input_type=input_type,
            weight=[0.3, 1.7, 0.9], sample_weight=[0.1, 1.9, 0.7],
        )
        yield case(
            f"{input_type}_smoothed_{dtype}_{kind}",
            f"Input type {input_type} with label smoothing, no reduction.",
            ROWS[input_type], TARGETS[kind], dtype=dtype, input_type=input_type,
            label_smoothing=0.1, reduction="none",
        )
    for dtype in DTYPES:
        yield case(
            f"probs_close_to_one_{dtype}",
            "-log p of a probability just below 1.",
            [[0.9999999, 0.00000005, 0.00000005], [0.999, 0.0005, 0.0005]], [0, 0], dtype=dtype,
            input_type="probs", reduction="none",
        )
        yield case(
            f"probs_above_one_{dtype}",
            "A probability above 1 is computed as written: a negative loss.",
            [[1.5, 0.2], [3.0, 0.1]], [[0.9, 0.1], [1.0, 0.0]], dtype=dtype, input_type="probs",
            reduction="none",
        )
        yield case(
            f"probs_one_{dtype}",
            "A probability of exactly 1: the loss is 0, the gradient -1.",
            [[1.0, 0.0]], [0], dtype=dtype, input_type="probs",
        )
        yield case(
            f"probs_tiny_{dtype}",
            "Tiny and subnormal probabilities.",
            [[1e-30, 1.0], [1e-39, 1.0]] if dtype == "f32" else [[1e-300, 1.0], [5e-309, 1.0]],
            [0, 0], dtype=dtype, input_type="probs", reduction="none",
        )
        yield case(
            f"probs_clip_{dtype}",
            "Clipping at 0.01: below, above, on and between the bounds; 0 and a negative too.",
            [[0.001, 0.999], [0.995, 0.005], [0.01, 0.99], [0.3, 0.7], [0.0, 1.0], [-0.5, 1.5]],
            [0, 0, 0, 0, 0, 0], dtype=dtype, input_type="probs", clip=0.01, reduction="none",
        )
        yield case(
            f"probs_clip_distribution_{dtype}",
            "Clipping acts on each class by itself.",
            [[0.001, 0.2, 0.799], [0.0, 0.0, 1.0]], TARGETS["distribution"][:2], dtype=dtype,
            input_type="probs", clip=0.0625,
        )
        yield case(
            f"probs_clip_smoothed_{dtype}",
            "Clipping makes smoothed targets finite where a probability is 0.",
            [[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], [2, 0], dtype=dtype, input_type="probs",
            clip=1e-7, label_smoothing=0.1, weight=[0.5, 1.5, 1.0],
        )
        yield case(
            f"log_probs_nll_{dtype}",
            "PyTorch's nll_loss over images: [N, C, H, W] with weights and ignored pixels.",
            [
                [[[-0.7, -1.9]], [[-1.2, -0.4]], [[-1.5, -1.7]]],
                [[[-2.3, -0.9]], [[-0.2, -1.1]], [[-2.7, -1.4]]],
            ],
            [[[0, 1]], [[-100, 2]]], dtype=dtype, input_type="log_probs", class_axis=1,
            weight=[0.5, 2.0, 1.5],
        )
        yield case(
            f"log_probs_positive_{dtype}",
            "Logarithms above 0 and exactly 0 are computed as written.",
            [[0.5, -1.0], [0.0, -3.0]], [0, 0], dtype=dtype, input_type="log_probs",
            reduction="none",
        )
        yield case(
            f"probs_negative_zero_{dtype}",
            "-0 is a probability of 0, not a negative one.",
            [[-0.0, 1.0], [0.5, -0.0]], [0, 0], dtype=dtype, input_type="probs", reduction="none",
        )
    for eps in (1e-7, 1e-9):
        yield case(
            f"probs_clip_one_{str(eps).replace('-', '_')}",
            f"Clipping at {eps:g} is done as doubles: 1 - {eps:g} is no f32, and the loss of p = 1 is {eps:g}.",
            [[1.0, 0.0]], [0], input_type="probs", clip=eps,
        )
    yield case(
        "probs_clip_below_f32",
        "Clipping at 1e-50, which f32 has no room for: 115.13 where p = 0; p = 1 is left as it is.",
        [[0.0, 1.0], [1.0, 0.0]], [0, 0], input_type="probs", clip=1e-50, reduction="none",
    )
    yield case(
        "probs_clip_changes_nan_not",
        "Clipping leaves NaN, and brings the infinities to its bounds.",
        [[NAN, 0.5], [INF, 0.5], [-INF, 0.5]], [0, 0, 0], input_type="probs", clip=0.125,
        reduction="none",
    )
    yield case(
        "probs_gradient_overflows",
        "1 / p of the smallest subnormal probability exceeds f32: -infinity.",
        [[2.0**-149, 1.0]], [0], input_type="probs",
    )
