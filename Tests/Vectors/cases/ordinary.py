"""Ordinary values: the textbook's example, PyTorch's, and the reductions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, ROWS, TARGET_KINDS, TARGETS, Case, case

# The cases are tables, which one argument a line would hide:
# fmt: off


def textbook() -> Iterator[Case]:
    x, labels = [[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]], [2, 0]
    for dtype in DTYPES:
        yield case(
            f"textbook_as_logits_{dtype}",
            "The textbook's predictions read as logits: a mean of 0.8178187.",
            x, labels, dtype=dtype,
        )
        yield case(
            f"textbook_as_probs_{dtype}",
            "The textbook's predictions read as probabilities, -sum y log y_hat: 0.4581454.",
            x, labels, dtype=dtype, input_type="probs",
        )
        yield case(
            f"textbook_as_probs_one_hot_{dtype}",
            "The textbook's labels as one-hot rows give what the class indices give.",
            x, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], dtype=dtype, input_type="probs",
        )
    yield case(
        "confident_80_to_0",
        "A loss of 1.8049e-35, where a sum that holds the largest term gives 0.",
        [[80.0, 0.0]], [0],
    )


TORCH_X = [
    [0.9874, 1.4878, -0.1158, -0.9413, 2.3411],
    [-0.6274, -1.1907, 0.0341, 1.5112, -2.6789],
    [0.2456, -0.8765, 0.6543, -1.2345, 0.1111],
]


def ordinary() -> Iterator[Case]:
    for dtype in DTYPES:
        yield case(
            f"torch_example_indices_{dtype}",
            "The shape of PyTorch's documented example: 3 rows of 5 logits with class indices.",
            TORCH_X, [1, 0, 4], dtype=dtype,
        )
        yield case(
            f"torch_example_distribution_{dtype}",
            "The shape of PyTorch's documented example with class probabilities.",
            TORCH_X,
            [
                [0.1, 0.2, 0.3, 0.15, 0.25],
                [0.05, 0.05, 0.8, 0.05, 0.05],
                [0.2, 0.2, 0.2, 0.2, 0.2],
            ],
            dtype=dtype,
        )
        yield case(
            f"torch_example_all_options_{dtype}",
            "Weights, ignore_index and smoothing together, averaged as PyTorch does.",
            TORCH_X, [1, 3, 4], dtype=dtype, weight=[0.5, 2.0, 1.0, 0.25, 3.0], ignore_index=3,
            label_smoothing=0.1,
        )
        yield case(
            f"uniform_row_{dtype}",
            "Equal logits: the loss is log C, the gradient 1/C and 1/C - 1.",
            [[0.25] * 10], [3], dtype=dtype,
        )
        yield case(
            f"all_zero_logits_{dtype}",
            "The logits of a network that starts at zero, every label once.",
            [[0.0] * 4] * 4, [0, 1, 2, 3], dtype=dtype, reduction="none",
        )
    yield case(
        "negative_zero_logits",
        "-0 and +0 are the same logit.",
        [[-0.0, 0.0, -0.0]], [1],
    )


def reductions() -> Iterator[Case]:
    for kind, reduction in itertools.product(TARGET_KINDS, ("none", "sum", "mean")):
        yield case(
            f"reduction_{reduction}_{kind}",
            f"Reduction {reduction} of the same rows with a target of kind {kind}.",
            ROWS["logits"], TARGETS[kind], reduction=reduction,
        )
    for kind, over in itertools.product(TARGET_KINDS, ("weight", "mass", "count", "divisor")):
        yield case(
            f"mean_over_{over}_{kind}",
            f"Mean over {over} with class and sample weights, one sample weight being 0.",
            ROWS["logits"], TARGETS[kind], mean_over=over,
            mean_divisor=7.5 if over == "divisor" else 0.0, weight=[0.5, 2.0, 1.25],
            sample_weight=[1.5, 0.0, 0.75], dtype="f64",
        )
    for kind, over in itertools.product(TARGET_KINDS, ("weight", "mass", "count", "divisor")):
        yield case(
            f"mean_over_{over}_{kind}_smoothed",
            f"Mean over {over} divides by the target as given, not by the smoothed one.",
            ROWS["logits"], TARGETS[kind], mean_over=over, label_smoothing=0.2,
            mean_divisor=2.5 if over == "divisor" else 0.0, weight=[0.5, 2.0, 1.25],
            sample_weight=[1.5, 0.5, 0.75],
        )
    yield case(
        "mean_over_mass_one_hot",
        "Over the mass a one-hot distribution with class weights averages like the indices.",
        ROWS["logits"], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], mean_over="mass",
        weight=[0.5, 2.0, 1.25],
    )
    yield case(
        "mean_over_weight_one_hot",
        "Over the weight it divides by the rows instead, as PyTorch does for probabilities.",
        ROWS["logits"], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        weight=[0.5, 2.0, 1.25],
    )
    yield case(
        "mean_over_count_with_ignored",
        "The count leaves ignored rows out and keeps rows whose weight is 0.",
        ROWS["logits"], [2, -100, 1], mean_over="count", weight=[1.0, 0.0, 2.0],
    )
    yield case(
        "mean_divisor_of_accumulation",
        "A divisor larger than the batch: one part of an accumulated gradient.",
        ROWS["logits"], TARGETS["index"], mean_over="divisor", mean_divisor=96.0,
    )
    yield case(
        "mean_divisor_small",
        "A divisor below 1 multiplies.",
        ROWS["logits"], TARGETS["index"], mean_over="divisor", mean_divisor=0.3, dtype="f64",
    )
    yield case(
        "mean_divisor_unused",
        "mean_divisor is not looked at where mean_over does not ask for it.",
        ROWS["logits"], TARGETS["index"], mean_divisor=-1.0,
    )
    yield case(
        "sum_of_large_and_small_rows",
        "Rows of very different losses: the sum keeps the small ones.",
        [[1e6, 0.0], [0.0, 16.5], [0.3, 0.1], [20.1, 0.0]], [1, 1, 0, 0], reduction="sum",
        dtype="f64",
    )
