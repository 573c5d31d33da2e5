"""Numbers of 16 bits, f16 and bf16: computed as the f32 numbers that they are, gradients rounded at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import HALVES, INF, INPUT_TYPES, NAN, ROWS, TARGETS, Case, case, numbers, sampled
from .kl import HOLDS, kl

# The cases are tables, which one argument a line would hide:
# fmt: off

# Numbers of a generator: as many bits as the dtype has, and an exponent that spreads them over +-8.
SPREAD = {"f16": {"bits": 11, "exponent": -7}, "bf16": {"bits": 8, "exponent": -4}}


def ordinary() -> Iterator[Case]:
    for dtype in HALVES:
        yield case(
            f"{dtype}_rows", "Three ordinary rows; the losses are f32.",
            ROWS["logits"], [2, 0, 1], dtype=dtype, reduction="none",
        )
        yield case(
            f"{dtype}_grad_f32", "The gradient may be f32, and is then not rounded to 16 bits.",
            ROWS["logits"], [2, 0, 1], dtype=dtype, grad_dtype="f32",
        )
        yield case(
            f"{dtype}_odd_rows", "-inf is an impossible class; NaN, +inf and nothing but -inf make a row NaN.",
            [[0.5, -INF, 1.5], [0.5, -INF, 1.5], [0.5, NAN, 1.5], [INF, 0.5, 1.5], [-INF] * 3, [NAN] * 3],
            [2, 1, 0, 0, 1, -100], dtype=dtype, reduction="none",
        )
        rows = [[(7 * row + 3 * c) % 11 / 4 - 1 for c in range(7)] for row in range(19)]
        yield case(
            f"{dtype}_19_rows", "More rows than are computed at a time, some of them ignored.",
            rows, [-100 if row % 6 == 4 else row % 7 for row in range(19)], dtype=dtype,
        )
    yield case(
        "f16_weights", "f32 weights of classes and rows beside a 16-bit input.",
        ROWS["logits"], [2, -100, 1], dtype="f16", weight=[0.3, 1.7, 0.9], sample_weight=[0.5, 3.0, 1.25],
    )
    yield case(
        "bf16_weights_f64", "f64 weights of classes and rows beside a 16-bit input, and an f64 loss.",
        ROWS["logits"], [2, 0, 1], dtype="bf16", weight=[0.3, 1.7, 0.9], weight_dtype="f64",
        sample_weight=[0.5, 3.0, 1.25], sample_weight_dtype="f64", loss_dtype="f64",
    )
    yield case(
        "f16_smoothed", "Label smoothing.", ROWS["logits"], [2, 0, 1], dtype="f16", label_smoothing=0.1,
    )
    yield case(
        "f16_distribution_f64", "Distributions in f64.",
        ROWS["logits"], TARGETS["distribution"], dtype="f16", target_dtype="f64", reduction="sum",
    )
    yield case(
        "bf16_distribution_f32", "Distributions in f32, smoothed.",
        ROWS["logits"], TARGETS["distribution"], dtype="bf16", label_smoothing=0.2, reduction="none",
    )
    yield case(
        "f16_probs_clipped", "Probabilities, clipped at both ends.",
        [[0.25, 0.0, 0.75], [1.0, 0.0, 0.0]], [1, 0], dtype="f16", input_type="probs", clip=1e-4, reduction="none",
    )
    yield case(
        "bf16_probs_distribution", "Probabilities with distributions.",
        ROWS["probs"], TARGETS["distribution"], dtype="bf16", input_type="probs",
    )
    yield case(
        "f16_log_probs", "Logarithms of probabilities.",
        ROWS["log_probs"], [2, 0, 1], dtype="f16", input_type="log_probs", weight=[0.3, 1.7, 0.9], reduction="sum",
    )


def layouts() -> Iterator[Case]:
    for classes, dtype in (
        (1, "f16"), (2, "bf16"), (17, "f16"), (17, "bf16"), (129, "f16"), (129, "bf16"), (5000, "f16"), (5000, "bf16"),
    ):
        labels = [classes - 1, classes // 2]
        yield case(
            f"{dtype}_classes_{classes}", f"{classes} classes of 16 bits.",
            numbers(classes + 2, **SPREAD[dtype]), labels, shape=[2, classes], dtype=dtype, reduction="none",
            grad_at=sampled(2, classes, labels),
        )
    yield case(
        "f16_axis_0", "The classes on the first axis.",
        numbers(70, **SPREAD["f16"]), [4, 0, 2], shape=[5, 3], class_axis=0, dtype="f16", reduction="none",
    )
    yield case(
        "bf16_axis_1", "The classes on the middle axis.",
        numbers(71, **SPREAD["bf16"]), [[2, 0, 1, 1], [0, 2, 2, 0]], shape=[2, 3, 4], class_axis=1, dtype="bf16",
    )
    yield case(
        "f16_padded", "Rows with a gap after each class and after each row, infinite so that reading it shows.",
        numbers(72, **SPREAD["f16"], put=[(i, INF) for i in range(25) if i % 9 > 6 or i % 9 % 2]), [2, 0, 3],
        shape=[3, 4], strides=[9, 2], offset=0, buffer_size=25, dtype="f16",
    )
    yield case(
        "bf16_reversed", "Rows and classes read backwards.",
        numbers(73, **SPREAD["bf16"]), [0, 599], shape=[2, 600], strides=[-600, -1], offset=1199, buffer_size=1200,
        dtype="bf16", grad_at=sampled(2, 600, [0, 599]),
    )


def ranges() -> Iterator[Case]:
    for dtype in HALVES:
        yield case(
            f"{dtype}_confident", "The loss keeps its relative accuracy; the gradient has what 16 bits hold of it.",
            [[9.0, 0.5, -1.0], [17.0, 0.5, -1.0], [86.0, 0.5, -1.0]] * 2, [0, 0, 0, 1, 1, 1], dtype=dtype,
            reduction="none",
        )
    largest = 65504.0
    yield case(
        "f16_largest", "The largest finite numbers: the loss has room in f32.",
        [[largest, -largest, 0.0], [largest, -largest, 0.0], [largest, largest, 0.0]], [0, 1, 1], dtype="f16",
        reduction="none",
    )
    largest = (2 - 2.0**-7) * 2.0**127
    yield case(
        "bf16_largest", "The largest finite numbers: a loss beyond f32 is +infinity.",
        [[largest, -largest, 0.0], [largest, -largest, 0.0], [largest, 0.0, 0.0]], [0, 1, 1], dtype="bf16",
        reduction="none",
    )
    yield case(
        "f16_subnormal_probs", "Probabilities below the normal numbers of f16 are not 0.",
        [[2.0**-24, 0.5], [3 * 2.0**-24, 0.5], [1023 * 2.0**-24, 0.5]], [0, 0, 0], dtype="f16", input_type="probs",
        grad_loss=2.0**-12, reduction="none",
    )
    yield case(
        "bf16_subnormal_probs", "Probabilities below the normal numbers of bf16 are not 0.",
        [[2.0**-133, 0.5], [3 * 2.0**-133, 0.5], [127 * 2.0**-133, 0.5]], [0, 0, 0], dtype="bf16",
        input_type="probs", grad_loss=2.0**-20, reduction="none",
    )
    yield case(
        "f16_subnormal_gradient", "Gradients below the normal numbers of f16, down to 0.",
        [[0.5, 0.25, -1.0], [3.0, 0.25, -9.0]], [1, 0], dtype="f16", grad_loss=2.0**-16, reduction="none",
    )
    yield case(
        "bf16_subnormal_gradient", "Gradients below the normal numbers of bf16, down to 0.",
        [[0.5, 0.25, -1.0], [3.0, 0.25, -9.0]], [1, 0], dtype="bf16", grad_loss=2.0**-126, reduction="none",
    )
    yield case(
        "f16_gradient_overflow", "Gradients of 65520 and more are infinite in f16, those below are not.",
        [[0.0, 0.0, 3.0], [0.0, 0.0, -3.0]], [0, 0], dtype="f16", grad_loss=1e5, reduction="none",
    )
    yield case(
        "f16_gradient_overflow_f32", "The same gradients have room in f32.",
        [[0.0, 0.0, 3.0], [0.0, 0.0, -3.0]], [0, 0], dtype="f16", grad_dtype="f32", grad_loss=1e5, reduction="none",
    )
    yield case(
        "bf16_gradient_overflow", "3.4e38 is finite in f32, and infinite in bf16.",
        [[0.0, -INF], [0.0, 0.0]], [1, 1], dtype="bf16", grad_loss=3.4e38, reduction="none",
    )
    for dtype, bits in (("f16", 11), ("bf16", 8)):
        ulp = 2.0 ** (1 - bits)
        yield case(
            f"{dtype}_gradient_ties", "Gradients midway between two numbers, and beside the middle.",
            [[-0.5] * 4] * 4, [0, 1, 2, 3], dtype=dtype, input_type="log_probs",
            weight=[1 + ulp / 2, 1 + 3 * ulp / 2, 1 + ulp / 2 + 2.0**-20, 1 + 3 * ulp / 2 - 2.0**-20],
            reduction="none",
        )


# What is not the input, of 16 bits: beside input of the same dtype, and wider.

CLASS_WEIGHT, ROW_WEIGHT, PRIOR = [0.3, 1.7, 0.9], [0.5, 3.0, 1.25], [0.1, 0.6, 0.3]


def targets() -> Iterator[Case]:
    for half, dtype in itertools.product(HALVES, ("f32", "f64", *HALVES)):
        of = f"{half}_target_of_{dtype}"
        yield case(
            of, "Probabilities of 16 bits, smoothed, with their derivative.", ROWS["logits"], TARGETS["distribution"],
            dtype=dtype, target_dtype=half, label_smoothing=0.1, weight=CLASS_WEIGHT, reduction="none", grad_target=[],
        )
        for q in ("logits", "log_probs"):
            yield case(
                f"{of}_teacher_{q}", "A teacher of 16 bits, with its derivative.", ROWS["logits"], HOLDS[q],
                dtype=dtype, target_dtype=half, target_type=q, temperature=1.5, reduction="none", grad_target=[],
            )
        for q in HOLDS:
            yield kl(
                f"{of}_{q}", "A divergence from a target of 16 bits, with its derivative.", ROWS["logits"], HOLDS[q],
                dtype=dtype, target_dtype=half, target_type=q, reduction="none", grad_target=[],
            )
        yield kl(
            f"{of}_student", "Logits from logits.", ROWS["logits"], HOLDS["logits"], dtype=dtype, target_dtype=half,
            target_type="logits", temperature=2.0, temperature_squared=1,
        )
    for half, input_type in itertools.product(HALVES, INPUT_TYPES[1:]):
        yield case(
            f"{half}_target_for_{input_type}", "For other input than logits.", ROWS[input_type],
            TARGETS["distribution"], input_type=input_type, target_dtype=half, reduction="none", grad_target=[],
        )
        yield kl(
            f"{half}_target_for_{input_type}", "For other input than logits.", ROWS[input_type], HOLDS["probs"],
            input_type=input_type, target_dtype=half, kl_form="plain", reduction="none", grad_target=[],
        )
    for half, rest in itertools.product(HALVES, ("drop", "spread", "renormalize")):
        yield case(
            f"{half}_sparse_{rest}", "Named classes' probabilities of 16 bits, of which few add up to 1.",
            ROWS["logits"], [[2, 0], [0, 1], [1, -100]], target_dtype="i32", target_rest=rest, reduction="none",
            target_probs=[[0.6, 0.3], [0.5, 0.5], [0.9, 0.1]], target_probs_dtype=half,
        )
    # Sums below 1 by 2^-23 and by 2^-25.
    for half, probs in (
        ("f16", [0.5, 0.5 - 2.0**-12, 2.0**-12 - 2.0**-23]),
        ("bf16", [0.5, 0.5 - 2.0**-9, 2.0**-9 - 2.0**-17, 2.0**-17 - 2.0**-25]),
    ):
        yield case(
            f"{half}_sparse_of_almost_1",
            "What is left of 1 is judged as of f32: it may be rounding, and is not spread.",
            [[0.5, -1.0, 2.0, 1.0, -1e4, -1e4]], [list(range(len(probs)))], target_dtype="u8", target_probs=[probs],
            target_probs_dtype=half, target_rest="spread", reduction="none",
        )
    yield kl(
        "f16_sparse", "A divergence from them.", ROWS["logits"], [[2, 0], [0, 1], [1, -100]], target_dtype="i32",
        target_probs=[[-0.6, -1.3], [-0.5, -0.9], [-0.1, -4.5]], target_probs_dtype="f16", target_type="log_probs",
        target_rest="spread",
    )
    for half in HALVES:
        yield case(
            f"{half}_target_strided", "Blocks of a target that lies backwards.", numbers(74),
            numbers(75, **SPREAD[half]), shape=[2, 4200], target_dtype=half, target_shape=[2, 4200],
            target_strides=[-4200, -1], target_offset=8399, grad_at=[0, 4096, 8399],
        )
        yield case(
            f"{half}_target_axis_0", "The classes on the first axis.", numbers(76), numbers(77, **SPREAD[half]),
            shape=[5, 3], class_axis=0, target_dtype=half, target_shape=[5, 3], mean_over="mass",
        )
    yield case(
        "f16_target_odd", "NaN, the largest number, a subnormal one and -0 in a target.",
        [*ROWS["logits"], ROWS["logits"][0]],
        [[NAN, 0.5, 0.5], [65504.0, 0.0, 0.0], [2.0**-24, 1.0, 0.0], [-0.0, 1.0, 0.0]],
        target_dtype="f16", reduction="none",
    )


def weights() -> Iterator[Case]:
    for half, dtype in itertools.product(HALVES, ("f32", "f64", *HALVES)):
        weighted = {
            "weight": CLASS_WEIGHT, "weight_dtype": half, "sample_weight": ROW_WEIGHT, "sample_weight_dtype": half,
        }
        of = f"{half}_weights_of_{dtype}"
        yield case(f"{of}_labels", "Weights of classes and rows of 16 bits.", ROWS["logits"], [2, 0, 1], dtype=dtype,
                   **weighted)
        yield case(f"{of}_prior", "And a prior, and an upstream gradient for each row.", ROWS["logits"], [2, 0, 1],
                   dtype=dtype, label_smoothing=0.2, prior=PRIOR, prior_dtype=half, grad_losses=[0.3, -1.7, 2.0],
                   grad_losses_dtype=half, reduction="none", **weighted)
        yield case(f"{of}_distributions", "With distributions, whose mass they are part of.", ROWS["logits"],
                   TARGETS["distribution"], dtype=dtype, mean_over="mass", **weighted)
        yield case(f"{of}_diagonal", "Second derivatives.", ROWS["logits"], TARGETS["distribution"], dtype=dtype,
                   target_dtype=half, loss_function="hessian_diagonal", **weighted)
    yield case("f16_weights_subnormal", "Weights below the normal numbers of f16.", ROWS["logits"], [2, 0, 1],
               weight=[2.0**-24, 3 * 2.0**-24, 2.0**-14], weight_dtype="f16", reduction="none")
    yield case("bf16_weights_at_the_ends", "Weights near the ends of f32's range, whose product is not.",
               ROWS["logits"], [2, 0, 1], weight=[2.0**-133, 2.0**-120, 3.0**60], weight_dtype="bf16",
               sample_weight=[3.0**-60, 2.0**110, 1.5**200], sample_weight_dtype="bf16", loss_dtype="f64")


def binary() -> Iterator[Case]:
    x = [[0.3, -1.2, 2.1], [1.5, 0.0, -0.7]]
    soft, ones = [[0.9, 0.2, 0.5], [0.0, 1.0, 0.3]], [[1, 0, 1], [0, 1, 0]]
    for half, dtype in itertools.product(HALVES, ("f32", "f64", *HALVES)):
        of = f"binary_{half}_of_{dtype}"
        weighted = {
            "weight": CLASS_WEIGHT, "pos_weight": [2.5, 0.5, 4.0], "sample_weight": [[0.5, 2.0, 1.25], [1.0, 0.0, 3.0]],
            **dict.fromkeys(("weight_dtype", "pos_weight_dtype", "sample_weight_dtype"), half),
        }
        yield case(f"{of}_soft", "A target of 16 bits.", x, soft, loss_function="binary_cross_entropy", dtype=dtype,
                   target_dtype=half, reduction="none")
        yield case(f"{of}_weights", "Weights of 16 bits.", x, ones, loss_function="binary_cross_entropy", dtype=dtype,
                   **weighted)
        yield case(f"{of}_probs", "Both, of probabilities.", [[0.2, 0.3, 0.5], [0.7, 0.25, 0.1]], soft,
                   loss_function="binary_cross_entropy", dtype=dtype, target_dtype=half, input_type="probs", **weighted)
