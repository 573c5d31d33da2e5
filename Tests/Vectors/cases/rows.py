"""Rows that are left out in other ways than by one label, and upstream gradients of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, INF, NAN, ROWS, TARGET_KINDS, TARGETS, Case, case, numbers

# The cases are tables, which one argument a line would hide:
# fmt: off


def masks() -> Iterator[Case]:
    x = ROWS["logits"]
    for kind, dtype, reduction in itertools.product(TARGET_KINDS, DTYPES, ("mean", "none")):
        yield case(
            f"mask_{kind}_{dtype}_{reduction}", "A row where the mask is 0 counts for nothing.",
            x, TARGETS[kind], dtype=dtype, mask=[1, 0, 1], reduction=reduction,
        )
    for over in ("weight", "mass", "count"):
        yield case(
            f"mask_mean_over_{over}", "Nor in what the mean divides by.", x, [2, 0, 1], mask=[0, 1, 1], mean_over=over,
            weight=[0.3, 1.7, 0.9], sample_weight=[0.5, 2.0, 1.25],
        )
        yield case(
            f"mask_mean_over_{over}_distribution", "The same for distributions.", x, TARGETS["distribution"],
            mask=[0, 1, 1], mean_over=over, weight=[0.3, 1.7, 0.9], sample_weight=[0.5, 2.0, 1.25],
        )
    yield case("mask_hides_anything", "Whatever a masked row holds: NaN, and a label that is none.",
               [[NAN, INF, 1.0], [1.0, 2.0, 3.0]], [77, 1], mask=[0, 1], reduction="none")
    yield case("mask_hides_anything_smoothed", "The same with smoothing.",
               [[NAN, INF, 1.0], [1.0, 2.0, 3.0]], [-5, 1], mask=[0, 1], label_smoothing=0.1)
    yield case("mask_of_nothing", "With every row masked there is no mean.", x, [2, 0, 1], mask=[0, 0, 0])
    yield case("mask_of_nothing_zero", "Or it is 0.", x, [2, 0, 1], mask=[0, 0, 0], empty="zero")
    yield case("mask_i64", "Any integer but 0 counts, of any type.", x, [2, 0, 1], mask=[-7, 0, 256], mask_dtype="i64")
    yield case("mask_and_ignore_index", "Both leave out rows.", x, [2, 0, 1], mask=[1, 1, 0], ignore_index=2)
    yield case("mask_probs", "For every type of input.", ROWS["probs"], [2, 0, 1], mask=[0, 1, 1], input_type="probs")
    yield case("mask_long", "In rows of several blocks.", numbers(91), [3, 4, 5], shape=[3, 4200], mask=[0, 1, 1],
               grad_at=[0, 3, 4199, 4204, 8405, 12599])
    yield case("mask_axis_1", "With the classes in the middle.", numbers(92), [[0, 1], [2, 3]], shape=[2, 5, 2],
               class_axis=1, mask=[[1, 0], [0, 1]])


def several_ignored() -> Iterator[Case]:
    x = [*ROWS["logits"], [1.0, 2.0, 3.0]]
    yield case("ignore_several", "Several labels that are ignored, inside the classes and outside.",
               x, [2, 0, 77, 1], ignore_indices=[0, 77])
    yield case("ignore_several_none", "Each row's loss.", x, [2, 0, 77, -100], ignore_indices=[0, 77], reduction="none")
    yield case("ignore_several_without_default", "Without ignore_index.", x, [2, 0, 77, 1], ignore_indices=[77],
               ignore_index="none", mean_over="count")
    yield case("ignore_several_smoothed", "With smoothing.", x, [2, 0, 77, 1], ignore_indices=[77, 1],
               label_smoothing=0.2)
    yield case("ignore_several_u8", "Of labels of another type.", x, [2, 0, 255, 1], ignore_indices=[255],
               target_dtype="u8")
    yield case("ignore_several_of_nothing", "An empty list ignores nothing.", x, [2, 0, 1, 1], ignore_indices=[])


def upstream() -> Iterator[Case]:
    x = ROWS["logits"]
    for kind, dtype in itertools.product(TARGET_KINDS, DTYPES):
        yield case(
            f"grad_losses_{kind}_{dtype}", "Each row's gradient times its own upstream gradient.",
            x, TARGETS[kind], dtype=dtype, reduction="none", grad_losses=[0.5, -2.0, 0.0], grad_loss=1.5,
        )
    yield case("grad_losses_terms", "With weights and terms.", x, [2, 0, 1], reduction="none",
               grad_losses=[0.5, -2.0, 3.0], weight=[0.3, 1.7, 0.9], sample_weight=[0.5, 2.0, 1.25],
               z_loss=0.01, focal_gamma=2.0)
    yield case("grad_losses_ignored", "An ignored row's gradient is 0 whatever comes from above.", x, [2, -100, 1],
               reduction="none", grad_losses=[1.0, NAN, 1.0])
    yield case("grad_losses_probs", "For every type of input.", ROWS["probs"], [2, 0, 1], reduction="none",
               grad_losses=[0.5, -2.0, 3.0], input_type="probs")


def row_errors() -> Iterator[Case]:
    x = ROWS["logits"]
    yield case("error_mask_shape", "As many as rows.", x, [2, 0, 1], mask=[1, 0], status="CE_ERROR_SHAPE",
               message_contains=["mask", "[2]"])
    yield case("error_grad_losses_shape", "As many as rows.", x, [2, 0, 1], grad_losses=[1.0, 0.0], reduction="none",
               status="CE_ERROR_SHAPE", message_contains=["grad_losses", "[2]"])
    yield case("error_grad_losses_mean", "A mean has one upstream gradient.", x, [2, 0, 1], grad_losses=[1.0, 0.0, 2.0],
               status="CE_ERROR_OPTION", message_contains=["grad_loss", "none"])
    yield case("error_ignore_indices_distribution", "A distribution has no labels to ignore.", x,
               TARGETS["distribution"], ignore_indices=[1], status="CE_ERROR_OPTION",
               message_contains=["ignore_ind", "distributions"])
