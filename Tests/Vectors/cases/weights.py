"""Class and row weights, label smoothing, distributions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, INF, NAN, ROWS, TARGET_KINDS, TARGETS, Case, case

# The cases are tables, which one argument a line would hide:
# fmt: off


def class_weights() -> Iterator[Case]:
    for dtype, kind in itertools.product(DTYPES, TARGET_KINDS):
        yield case(
            f"weight_{dtype}_{kind}",
            "Class weights that are not round numbers.",
            ROWS["logits"], TARGETS[kind], dtype=dtype, weight=[0.3, 1.7, 0.9],
        )
    for dtype, other in (("f32", "f64"), ("f64", "f32")):
        yield case(
            f"weight_{other}_input_{dtype}",
            "Class and sample weights of another precision than the input's.",
            ROWS["logits"], TARGETS["index"], dtype=dtype, weight=[0.3, 1.7, 0.9],
            weight_dtype=other, sample_weight=[0.1, 0.7, 1.3], sample_weight_dtype=other,
            reduction="none",
        )
    yield case(
        "weight_zero_for_a_label",
        "A row whose class has weight 0 adds neither loss nor weight.",
        ROWS["logits"], TARGETS["index"], weight=[1.0, 2.0, 0.0],
    )
    yield case(
        "weight_zero_in_distribution",
        "A class of weight 0 in a distribution: its term is 0, its gradient is not.",
        ROWS["logits"], TARGETS["distribution"], weight=[1.0, 0.0, 3.0], reduction="none",
    )
    yield case(
        "weight_negative",
        "Negative class weights are computed as written.",
        ROWS["logits"], TARGETS["index"], weight=[1.5, -0.5, 2.0],
    )
    yield case(
        "weight_negative_distribution",
        "Negative class weights with a distribution.",
        ROWS["logits"], TARGETS["distribution"], weight=[1.5, -0.5, 2.0], reduction="none",
        dtype="f64",
    )
    yield case(
        "weight_large_confident",
        "A weight of 1000 on small losses: the accuracy is that of the weighted loss.",
        [[9.1, 0.3, -1.2], [11.7, 0.9, 2.2]], [0, 0], weight=[1000.0, 1.0, 1.0],
        reduction="none",
    )
    for dtype in DTYPES:
        yield case(
            f"weight_infinite_{dtype}",
            "An infinite weight at the label: the loss is +infinity.",
            [[2.0, 0.0, 1.0]], [0], dtype=dtype, weight=[INF, 1.5, 1.0], reduction="none",
            # (p - 1) times infinity, or infinity times p less infinity: both are the label's gradient.
            grad_at=[1, 2],
        )
        yield case(
            f"weight_infinite_one_class_{dtype}",
            "An infinite weight on a loss of exactly 0: NaN, and so is the gradient.",
            [[0.0], [0.0]], [0, -100], dtype=dtype, weight=[INF], reduction="none",
        )
        yield case(
            f"weight_nan_{dtype}",
            "A weight of NaN at the label: NaN in the whole row.",
            [[2.0, 0.0, 1.0]], [0], dtype=dtype, weight=[NAN, 1.5, 1.0], reduction="none",
        )
    yield case(
        "weight_tiny_mean",
        "Weights of 1e-30 cancel in the mean.",
        ROWS["logits"], TARGETS["index"], weight=[1e-30, 3e-30, 2e-30],
    )


def sample_weights() -> Iterator[Case]:
    for dtype, kind in itertools.product(DTYPES, TARGET_KINDS):
        yield case(
            f"sample_weight_{dtype}_{kind}",
            "Sample weights that are not round numbers, no reduction.",
            ROWS["logits"], TARGETS[kind], dtype=dtype, sample_weight=[0.1, 1.9, 0.7],
            reduction="none",
        )
    for kind in TARGET_KINDS:
        yield case(
            f"sample_weight_and_weight_{kind}",
            "Class and sample weights multiply.",
            ROWS["logits"], TARGETS[kind], weight=[0.3, 1.7, 0.9], sample_weight=[0.1, 1.9, 0.7],
        )
        yield case(
            f"sample_weight_zero_{kind}",
            "A row of weight 0 contributes nothing, with every reduction alike.",
            ROWS["logits"], TARGETS[kind], sample_weight=[0.0, 2.0, 1.0], reduction="sum",
        )
        yield case(
            f"sample_weight_negative_{kind}",
            "Negative sample weights are computed as written.",
            ROWS["logits"], TARGETS[kind], sample_weight=[-0.5, 2.0, 1.0],
        )
    tiny: Case = {
        "dtype": "f64", "weight": [1e-200, 2.0, 1.0], "sample_weight": [1e-200, 1.0, 1.0],
    }
    yield case(
        "weights_tiny_product",
        "Weights whose product is below every double: a loss of 0, and a gradient that grad_loss brings back.",
        ROWS["logits"], [0, 1, 2], reduction="none", grad_loss=1e300, **tiny,
    )
    for reduction in ("none", "sum"):
        yield case(
            f"weights_tiny_product_nan_{reduction}",
            "Neither weight is 0, so the row counts although their product is below every double: its NaN shows.",
            [[NAN, -1.2, 2.1], *ROWS["logits"][1:]], [0, 1, 2], reduction=reduction, **tiny,
        )
    for dtype in DTYPES:
        yield case(
            f"sample_weight_subnormal_mean_{dtype}",
            "A subnormal weight cancels in the mean. (1 / 1e-310 is beyond the doubles: no gradient here.)",
            [[1.0, 0.0]], [0], dtype=dtype, sample_weight=[1e-310], sample_weight_dtype="f64",
            grad_at=[],
        )
    yield case(
        "sample_weight_2d",
        "Sample weights have the input's shape without the class axis, here the middle one.",
        [[[0.1, -0.4], [1.2, 0.3], [-0.8, 2.2]], [[0.6, 0.7], [-1.4, 0.2], [0.9, -0.5]]],
        [[0, 2], [1, 1]], class_axis=1, sample_weight=[[0.5, 1.5], [2.5, 0.0]],
    )
    yield case(
        "sample_weight_with_ignored",
        "The weight of an ignored row is not part of the mean's divisor.",
        ROWS["logits"], [2, -100, 1], sample_weight=[0.5, 9.0, 0.25],
    )


def smoothing() -> Iterator[Case]:
    for dtype, kind, amount in itertools.product(DTYPES, TARGET_KINDS, (0.1, 1.0)):
        yield case(
            f"smoothing_{str(amount).replace('.', '_')}_{dtype}_{kind}",
            f"Label smoothing of {amount}: q becomes (1 - e) q + e / C.",
            ROWS["logits"], TARGETS[kind], dtype=dtype, label_smoothing=amount,
        )
    for kind in TARGET_KINDS:
        yield case(
            f"smoothing_and_weight_{kind}",
            "PyTorch's rule: class weights apply to the smoothed target as well.",
            ROWS["logits"], TARGETS[kind], label_smoothing=0.3, weight=[0.3, 1.7, 0.9],
        )
        yield case(
            f"smoothing_and_all_weights_{kind}",
            "Smoothing with class and sample weights, no reduction.",
            ROWS["logits"], TARGETS[kind], label_smoothing=0.3, weight=[0.3, 1.7, 0.9],
            sample_weight=[0.5, 0.0, 2.5], reduction="none", dtype="f64",
        )
    yield case(
        "smoothing_zero_weight_label",
        "With smoothing a row whose class has weight 0 still counts: other classes have mass.",
        ROWS["logits"], TARGETS["index"], label_smoothing=0.3, weight=[1.0, 2.0, 0.0],
    )
    yield case(
        "smoothing_with_ignored",
        "Smoothing gives an ignored row no mass.",
        ROWS["logits"], [2, -100, 1], label_smoothing=0.1,
    )
    yield case(
        "smoothing_minus_infinity",
        "Smoothing puts mass on every class, so an impossible one makes the loss infinite.",
        [[0.3, -INF, 2.1], [1.5, 0.2, -0.7]], [2, 0], label_smoothing=0.1, reduction="none",
    )
    yield case(
        "smoothing_confident",
        "Smoothing of a confident row: the loss comes from the classes without the label.",
        [[40.1, 0.3, -1.2], [0.3, 40.1, 7.7]], [0, 0], label_smoothing=0.01, reduction="none",
    )
    yield case(
        "smoothing_tiny",
        "Smoothing of 1e-9 is not lost in f32.",
        [[60.3, 0.1, 0.2, -0.3]], [0], label_smoothing=1e-9,
    )


def distributions() -> Iterator[Case]:
    for dtype, other in (("f32", "f64"), ("f64", "f32")):
        yield case(
            f"distribution_{other}_input_{dtype}",
            "A distribution of another precision than the input's.",
            ROWS["logits"], TARGETS["distribution"], dtype=dtype, target_dtype=other,
        )
    for dtype in DTYPES:
        yield case(
            f"one_hot_confident_{dtype}",
            "A one-hot row equals the class index, also where the loss is 1e-17.",
            [[40.3, 0.7, -2.9], [0.1, 33.3, 1.7]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            dtype=dtype, reduction="none",
        )
        yield case(
            f"distribution_equals_prediction_{dtype}",
            "Target and prediction nearly agree: the gradient is a difference of equal numbers.",
            [[0.0, 0.6931471805599453, 1.0986122886681098]],
            [[0.16666666666666666, 0.3333333333333333, 0.5]], dtype=dtype,
        )
    yield case(
        "distribution_confident",
        "Mass on unlikely classes of confident rows.",
        [[30.1, 0.3, -5.5], [50.9, 1.3, 2.4]], [[0.9, 0.1, 0.0], [0.999, 0.0, 0.001]],
        reduction="none",
    )
    yield case(
        "distribution_tiny_mass",
        "A mass of 1e-20 on one class of a confident row.",
        [[60.1, 0.3, -5.5]], [[1.0, 1e-20, 0.0]],
    )
