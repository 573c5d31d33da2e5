"""Weights, upstream gradients, divisors and scales near the ends of the range, of which only the product counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import INF, INPUT_TYPES, ROWS, TARGET_KINDS, TARGETS, Case, case

# The cases are tables, which one argument a line would hide:
# fmt: off

TINY, HUGE = 1e-310, 1e300


def weights() -> Iterator[Case]:
    for input_type, kind in itertools.product(INPUT_TYPES, TARGET_KINDS):
        both: Case = {"input_type": input_type, "dtype": "f64"}
        tag, rows, target = f"{input_type}_{kind}", ROWS[input_type], TARGETS[kind]
        yield case(
            f"sample_weights_subnormal_{tag}", "Sample weights near 1e-310 weigh rows as any others do.", rows, target,
            sample_weight=[TINY, 3 * TINY, 2 * TINY], **both,
        )
        yield case(
            f"sample_weights_huge_{tag}", "Sample weights near 1e308, whose sum overflows.", rows, target,
            sample_weight=[1e308, 1.5e308, 0.5e308], **both,
        )
        for name, size in (("tiny", 1e-200), ("huge", 1e200)):
            # The mean over the mass divides by the products; over the rows of distributions they have to be in range.
            yield case(
                f"products_of_weights_{name}_{tag}",
                f"Class and sample weights of {size:g}, whose products are beyond the range.", rows, target,
                weight=[size, 2 * size, size], sample_weight=[size, size, 3 * size], mean_over="mass", **both,
            )
        yield case(
            f"weights_of_opposite_ends_{tag}",
            "Weights of 1e300 and upstream gradients of 1e-300: their product counts.",
            rows, target, weight=[HUGE, 2 * HUGE, HUGE], sample_weight=[1 / HUGE, 1 / HUGE, 3 / HUGE],
            grad_losses=[HUGE, 1.0, 1 / HUGE], reduction="none", **both,
        )
        yield case(
            f"upstream_gradient_of_huge_weights_{tag}", "grad_loss 1e-300 makes good for class weights of 1e300.",
            rows, target, weight=[HUGE, 2 * HUGE, HUGE], grad_loss=1 / HUGE, reduction="sum", **both,
        )
        yield case(
            f"divisor_subnormal_{tag}", "A subnormal divisor, and as small an upstream gradient.", rows, target,
            mean_over="divisor", mean_divisor=TINY, grad_loss=TINY, sample_weight=[TINY] * 3, **both,
        )
        yield case(
            f"gradient_near_the_end_{tag}", "An upstream gradient of 1e-304 loses no digits.", rows, target,
            grad_loss=1e-304, **both,
        )
    yield case(
        "smoothed_labels_with_huge_weights", "Class weights of 1e300 with smoothing.", ROWS["logits"], TARGETS["index"],
        weight=[HUGE, 2 * HUGE, HUGE], label_smoothing=0.1, grad_loss=1 / HUGE, dtype="f64",
    )
    yield case(
        "smoothed_labels_with_tiny_weights", "Class weights of 1e-310 with smoothing and z-loss.", ROWS["logits"],
        TARGETS["index"], weight=[TINY, 2 * TINY, TINY], label_smoothing=0.1, dtype="f64",
    )
    yield case(
        "z_loss_of_extreme_rows", "The z-loss has a row's sample weight, and not that of its class.", ROWS["logits"],
        TARGETS["index"], weight=[1e-200, 2e-200, 1e-200], sample_weight=[1e200, 1e200, 3e200], z_loss=0.5, dtype="f64",
    )


def transforms() -> Iterator[Case]:
    rows, target = ROWS["logits"], TARGETS["index"]
    yield case(
        "softcap_of_an_overflowing_scale", "Scaled logits overflow, and are all capped.", rows, target, softcap=3.0,
        logit_scale=1.5e308, dtype="f64", reduction="none",
    )
    yield case(
        "softcap_of_an_overflowing_scale_f32", "In f32 as in f64; -infinity remains an impossible class.",
        [[1e30, -2e30, 3.0], [0.0, 1e30, -INF]], [0, 0], softcap=2.5, logit_scale=1e300, reduction="none",
    )
    for softcap in (0.0, 5.0):
        yield case(
            f"tiny_temperature_and_scale_softcap_{int(softcap)}", "A scale of 1e-310 and a temperature of 1e-310.",
            rows, target, softcap=softcap, logit_scale=TINY, temperature=TINY, dtype="f64", reduction="none",
        )


def z_losses() -> Iterator[Case]:
    rows = ROWS["logits"]
    # The same targets as labels, one-hot and as labels that are hardly smoothed.
    for name, target, smoothing in (
        ("labels", [2, 0, 1], 0.0), ("one_hot", [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 0.0),
        ("smoothed", [2, 0, 1], 2.0**-60),
    ):
        yield case(
            f"terms_zero_weight_{name}",
            "A class weight of 0 makes the class's terms 0; the z-loss is the row's, whatever the target is.",
            rows, target, weight=[0.0, 1.0, 1.0], reduction="none", z_loss=0.5, label_smoothing=smoothing,
        )
    yield case(
        "terms_zero_weight_of_an_impossible_class", "The label's logit is -infinity, but its class weight is 0.",
        [[-INF, 0.5, 2.0]], [0], weight=[0.0, 1.0, 1.0], reduction="none", z_loss=0.5,
    )
