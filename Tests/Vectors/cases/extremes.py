"""Weights, upstream gradients, divisors and scales near the ends of the range, of which only the product counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, INF, INPUT_TYPES, ROWS, TARGET_KINDS, TARGETS, Case, case

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
            f"sample_weights_of_both_ends_{tag}", "A sample weight of 1e-310 beside ordinary ones.", rows, target,
            sample_weight=[TINY, 1.0, 2.0], **both,
        )
        yield case(
            f"divisor_of_huge_losses_{tag}", "Losses beyond the range, divided by as much.", rows, target,
            mean_over="divisor", mean_divisor=6e289, weight=[1e20, 2e20, 1e20], sample_weight=[1e302, 1e301, 2e302],
            grad_loss=1e-20, **both,
        )
        # Of classes that have mass, or the others' rounding counts for more.
        yield case(
            f"class_weights_of_both_ends_{tag}", "Rows of classes that weigh 1e300, 1e-300 and 1.", rows,
            target if kind == "index" else [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            weight=[HUGE, 1 / HUGE, 1.0], reduction="none", **both,
        )
        yield case(
            f"class_weights_subnormal_beside_ordinary_{tag}", "Products of a class weight of 1e-310 lose no digits.",
            rows, target if kind == "index" else [[1.0, 0.0, 0.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.7]],
            weight=[TINY, 2.0, 1.0], sample_weight=[1e95, 1e300, 1.0], reduction="none", **both,
        )
    for kind in TARGET_KINDS:
        yield case(
            f"mass_of_huge_weights_{kind}", "Neither the losses nor the mass that they are divided by are in range.",
            ROWS["logits"], TARGETS[kind], weight=[1e308, 1.5e308, 1e-38], sample_weight=[7845.0, 1e100, 3e100],
            mean_over="mass", dtype="f64",
        )
        for dtype in DTYPES:
            yield case(
                f"one_class_with_infinite_scale_{kind}_{dtype}",
                "One class has a gradient of 0, however large its scale is.",
                [[-1.25], [3.0]], [0, 0] if kind == "index" else [[1.0], [1.0]], dtype=dtype,
                sample_weight=[1e38, 2e38], mean_over="divisor", mean_divisor=1e-300, grad_loss=1.7e308,
            )
    yield case(
        "terms_with_huge_sample_weights", "A sample weight of 1.7e308 with terms, but no z-loss, that it overflows.",
        ROWS["logits"], TARGETS["index"], weight=[1e-246, 2e-246, 1e-246], sample_weight=[1.7e308, 1e308, 1.5e308],
        grad_loss=-2.5, poly_epsilon=-0.5, reduction="none", dtype="f64",
    )
    for smoothing in (0.0, 0.1):
        tag = "smoothed" if smoothing else "labels"
        for dtype in DTYPES:
            yield case(
                f"z_loss_beside_tiny_weights_{tag}_{dtype}", "The z-loss beside class weights of 1e-310.",
                ROWS["logits"], TARGETS["index"], z_loss=0.5, label_smoothing=smoothing, dtype=dtype, reduction="none",
                weight=[TINY, 2 * TINY, 3 * TINY], weight_dtype="f64",
            )
    yield case(
        "z_loss_beside_huge_weights", "A z-loss of 1e-20 is all the loss of rows whose classes weigh nothing.",
        ROWS["logits"], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]], weight=[HUGE, 0.0, HUGE], z_loss=1e-20,
        reduction="none", dtype="f64",
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
    for kind, temperature in itertools.product(TARGET_KINDS, (1e-200, 1e200)):
        # Losses are beyond the range; their gradients are not.
        yield case(
            f"squared_temperature_{'tiny' if temperature < 1 else 'huge'}_{kind}",
            "The square of the temperature is beyond the range; times the derivative of the scaled logits it is not.",
            [[temperature * v for v in row] for row in rows], TARGETS[kind], temperature=temperature,
            temperature_squared=1, dtype="f64", reduction="none",
        )
    yield case(
        "subnormal_gradients_of_a_large_scale", "An upstream gradient of 1e-310 times a scale of 1e50 keeps its "
        "digits.", [[1e-50 * v for v in row] for row in rows], target, logit_scale=1e50, grad_loss=TINY, dtype="f64",
        reduction="sum",
    )


def others() -> Iterator[Case]:
    """Divergences and second derivatives, which have the same scales."""
    rows, q = ROWS["logits"], TARGETS["distribution"]
    vector = [[0.5, -1.0, 2.0], [1.0, 3.0, -0.5], [-2.0, 0.25, 1.0]]
    for name, scale in (("tiny", 1e-300), ("least", 5e-324), ("huge", 1e300)):
        small: Case = {"dtype": "f64", "reduction": "none", "grad_loss": scale}
        yield case(f"kl_grad_loss_{name}", "An upstream gradient near an end of the range.", rows, q,
                   loss_function="kl_divergence", **small)
        yield case(f"kl_teacher_grad_loss_{name}_f32", "Of f32 on both sides, too.", rows, rows[::-1],
                   loss_function="kl_divergence", target_type="logits", sample_weight=[1 / max(scale, 1e-300)] * 3,
                   sample_weight_dtype="f64", loss_dtype="f64", **{**small, "dtype": "f32"})
        for function in ("hessian_vector_product", "hessian_diagonal"):
            extra: Case = {"vector": vector} if function == "hessian_vector_product" else {}
            weight = 1e290 if scale < 1 else 1e-290
            yield case(f"{function}_grad_loss_{name}", "Second derivatives with weights that make good for it.",
                       rows, q, loss_function=function, weight=[weight, 2 * weight, 3 * weight], z_loss=0.5,
                       **extra, **small)
    for temperature in (1e-200, 1e200):
        hot = [[temperature * v for v in row] for row in rows]
        both: Case = {"dtype": "f64", "reduction": "none", "temperature": temperature, "temperature_squared": 1}
        tag = "tiny" if temperature < 1 else "huge"
        yield case(f"kl_squared_temperature_{tag}", "Its square is beyond the range.", hot, q,
                   loss_function="kl_divergence", **both)
        yield case(f"hessian_squared_temperature_{tag}", "Its square is beyond the range.", hot, q,
                   loss_function="hessian_diagonal", **both)


def z_losses() -> Iterator[Case]:
    yield case(
        "z_loss_of_huge_logits",
        "The gradient at the label has its class weight, 1e-30, alone; the others have the factor of the"
        " z-loss, 1e34.",
        [[1.5e38, 0.5, 2.0, -1.0], [1.0, 0.5, 2.0, -1.0]], [1, 2], weight=[1.0, 1e-30, 1.0, 1.0],
        reduction="sum", z_loss=1e-4, dtype="f32",
    )
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
