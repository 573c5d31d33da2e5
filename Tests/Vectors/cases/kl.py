"""KL divergence of predictions from target distributions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from . import case as make
from .case import DTYPES, HALVES, INF, INPUT_TYPES, NAN, ROWS, Case, numbers, sampled

# The cases are tables, which one argument a line would hide:
# fmt: off

FORMS = ("generalized", "plain")
# Three rows of a target for each target type.
HOLDS = {
    "probs": [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.6, 0.1]],
    "logits": [[-0.4, 0.9, 1.6], [2.5, -0.3, 0.1], [0.7, -1.1, 3.2]],
    "log_probs": [[-2.3, -1.6, -0.4], [-0.7, -1.4, -1.4], [-1.2, -0.5, -2.3]],
}

# Without and with the derivative with respect to the target.
DERIVATIVES: dict[str, Case] = {"": {}, "derived_": {"grad_target": []}}


def kl(name: str, why: str, x: Any, target: Any, **fields: Any) -> Case:
    return make.case(f"kl_{name}", why, x, target, loss_function="kl_divergence", **fields)


def ordinary() -> Iterator[Case]:
    for x, q, form, dtype in itertools.product(INPUT_TYPES, HOLDS, FORMS, DTYPES):
        yield kl(f"{x}_from_{q}_{form}_{dtype}", "Each type of prediction and of target, in both forms.",
                 ROWS[x], HOLDS[q], input_type=x, target_type=q, kl_form=form, dtype=dtype, reduction="none",
                 grad_target=[])
    for dtype, form in itertools.product((*DTYPES, *HALVES), FORMS):
        yield kl(f"student_{form}_{dtype}", "Logits from logits, without the target's derivative.", ROWS["logits"],
                 HOLDS["logits"], target_type="logits", kl_form=form, dtype=dtype, reduction="none")
    for q, dtype in itertools.product(HOLDS, HALVES):
        yield kl(f"from_{q}_{dtype}", "From 16 bits.", ROWS["logits"], HOLDS[q], target_type=q, dtype=dtype,
                 reduction="none", grad_target=[])
    for reduction, dtype in itertools.product(("mean", "sum"), DTYPES):
        yield kl(f"{reduction}_{dtype}", "Reduced to one number.", ROWS["logits"], HOLDS["logits"], dtype=dtype,
                 target_type="logits", reduction=reduction, grad_target=[])
    yield kl("f64_target", "A target in f64 for an f32 input.", ROWS["logits"], HOLDS["probs"], target_dtype="f64",
             grad_target=[])
    yield kl("f32_target", "And the other way round.", ROWS["logits"], HOLDS["logits"], dtype="f64",
             target_dtype="f32", target_type="logits", grad_target=[])
    yield kl("f64_loss", "A loss in f64 for an f32 input has the accuracy of f64.", ROWS["logits"], HOLDS["probs"],
             loss_dtype="f64", reduction="none")
    yield kl("f32_loss", "And one in f32 for an f64 input.", ROWS["logits"], HOLDS["probs"], dtype="f64",
             loss_dtype="f32", reduction="none")
    yield kl("f32_grad_of_bf16", "A gradient of another type than the input.", ROWS["logits"], HOLDS["probs"],
             dtype="bf16", grad_dtype="f32")


def weights() -> Iterator[Case]:
    x, q = ROWS["logits"], HOLDS["logits"]
    for over in ("weight", "count", "divisor"):
        divisor = {"mean_divisor": 2.5} if over == "divisor" else {}
        yield kl(f"over_{over}", "Each divisor of the mean, with a row that is masked and one of weight 0.",
                 [*x, [1.0, 2.0, 3.0], [NAN, INF, 0.0]], [*q, [NAN, 0.0, INF], [NAN, 0.0, 1.0]], target_type="logits",
                 sample_weight=[0.5, 2.0, 1.25, 3.0, 0.0], mask=[1, 1, 1, 0, 1], mean_over=over, grad_target=[],
                 **divisor)
    yield kl("negative_weight", "Negative weights are computed as written.", x, HOLDS["probs"],
             sample_weight=[-0.5, 2.0, 1.0], reduction="none", grad_target=[])
    yield kl("grad_losses", "Each row's upstream gradient.", x, q, target_type="logits", reduction="none",
             grad_losses=[0.5, -2.0, 0.0], grad_loss=1.5, grad_target=[])
    yield kl("grad_loss", "One for all.", x, HOLDS["log_probs"], target_type="log_probs", grad_loss=-3.0, dtype="f64",
             grad_target=[])
    for empty in ("nan", "zero", "error"):
        status = {"status": "CE_ERROR_EMPTY"} if empty == "error" else {}
        yield kl(f"all_masked_{empty}", "No row counts: the policy decides.", [[NAN, 1.0]], [[0.5, 0.5]], mask=[0],
                 empty=empty, grad_target=[], **status)
        yield kl(f"no_rows_{empty}", "Likewise without rows.", [], [], shape=[0, 3], target_shape=[0, 3],
                 target_dtype="f32", empty=empty, **status)
    yield kl("weights_cancel", "Weights that add up to 0.", x[:2], q[:2], target_type="logits",
             sample_weight=[1.0, -1.0], grad_target=[])


def temperatures() -> Iterator[Case]:
    for t, dtype in itertools.product((0.3, 0.5, 3.0, 20.0), (*DTYPES, *HALVES)):
        yield kl(f"student_temperature_{t}_{dtype}".replace(".", "_"), "Distillation, without the target's derivative.",
                 ROWS["logits"], HOLDS["logits"], target_type="logits", temperature=t, temperature_squared=1,
                 dtype=dtype, reduction="none")
    for t, squared, dtype in itertools.product((0.5, 3.0), (0, 1), DTYPES):
        yield kl(f"temperature_{t}_{squared}_{dtype}".replace(".", "_"), "Distillation: both sides' logits over T.",
                 ROWS["logits"], HOLDS["logits"], target_type="logits", temperature=t, temperature_squared=squared,
                 dtype=dtype, reduction="none", grad_target=[])
    yield kl("temperature_of_the_input", "Probabilities of a target have no temperature.", ROWS["logits"],
             HOLDS["probs"], temperature=2.5, temperature_squared=1, grad_target=[])
    yield kl("temperature_of_the_target", "Nor have those of the input.", ROWS["log_probs"], HOLDS["logits"],
             input_type="log_probs", target_type="logits", temperature=2.5, dtype="f64", grad_target=[])
    yield kl("temperature_everything", "With weights, a mask, upstream gradients and 16 bits.", ROWS["logits"],
             HOLDS["logits"], target_type="logits", temperature=4.0, temperature_squared=1, dtype="bf16",
             sample_weight=[0.5, 2.0, 1.25], mask=[1, 0, 1], reduction="none", grad_losses=[0.5, 1.0, -2.0],
             grad_target=[])
    for name, options in {"softcap": {"softcap": 2.5}, "scale": {"logit_scale": 0.7},
                          "all": {"softcap": 30.0, "logit_scale": 3.0, "temperature": 2.0}}.items():
        yield kl(f"transform_{name}", "Logits that are capped, scaled and divided, in this order; the target's only "
                 "divided.", ROWS["logits"], HOLDS["logits"], target_type="logits", reduction="none", dtype="f64",
                 grad_target=[], **options)


def equal() -> Iterator[Case]:
    long = numbers(101, bits=20, exponent=-16)
    for dtype in DTYPES:
        for form in FORMS:
            yield kl(f"equal_logits_{form}_{dtype}", "Equal logits: exactly 0, in either form.", ROWS["logits"],
                     ROWS["logits"], target_type="logits", kl_form=form, dtype=dtype, reduction="none", grad_target=[])
        yield kl(f"equal_log_probs_{dtype}", "Equal logarithms.", ROWS["log_probs"], ROWS["log_probs"],
                 input_type="log_probs", target_type="log_probs", dtype=dtype, reduction="none")
        yield kl(f"equal_probs_{dtype}", "Equal probabilities.", ROWS["probs"], ROWS["probs"], input_type="probs",
                 dtype=dtype, reduction="none")
        yield kl(f"equal_but_a_constant_{dtype}", "Logits that differ by a constant are the same distribution.",
                 [[0.5, -1.25, 2.0], [8.0, 1.0, 0.0], [3.0, 4.0, 5.0]],
                 [[16.5, 14.75, 18.0], [-8.0, -15.0, -16.0], [1027.0, 1028.0, 1029.0]], target_type="logits",
                 dtype=dtype,
                 reduction="none")
        yield kl(f"equal_temperature_{dtype}", "Also over a temperature that rounds.", ROWS["logits"], ROWS["logits"],
                 target_type="logits", temperature=3.0, temperature_squared=1, dtype=dtype, reduction="none")
        yield kl(f"equal_long_{dtype}", "In rows of several blocks.", long, long, shape=[2, 4100],
                 target_shape=[2, 4100], target_type="logits", dtype=dtype, reduction="none",
                 grad_at=[0, 4095, 4096, 8199])
    for dtype, (tag, derivative) in itertools.product(DTYPES, DERIVATIVES.items()):
        step = 2.0 ** (-23 if dtype == "f32" else -52)
        yield kl(f"one_ulp_{tag}{dtype}",
                 "Rows that differ by one unit in the last place: far below that, and not negative.",
                 [[1.0, 0.5, -1.0], [4.0, 1.0, 2.0]], [[1.0 + step, 0.5, -1.0], [4.0, 1.0, 2.0 + 2 * step]],
                 target_type="logits", dtype=dtype, reduction="none", loss_dtype="f64", **derivative)
        yield kl(f"near_{tag}{dtype}", "Nearly equal rows keep their digits.",
                 [[0.5, -1.0, 2.0], [0.25, 0.5, 0.125]], [[0.5, -1.0, 2.0 + 2.0**-12], [0.25, 0.5 - 2.0**-16, 0.125]],
                 target_type="logits", dtype=dtype, reduction="none", **derivative)
        yield kl(f"near_probs_{tag}{dtype}", "And nearly equal probabilities.", [[0.25, 0.5, 0.25]],
                 [[0.25 + 2.0**-14, 0.5 - 2.0**-13, 0.25]], input_type="probs", dtype=dtype, reduction="none",
                 **derivative)


def magnitudes() -> Iterator[Case]:
    for dtype, (tag, derivative) in itertools.product(DTYPES, DERIVATIVES.items()):
        far = [[80.0, 0.0, -3.0], [0.0, 80.0, 3.0], [1e4, 1e4, -1e4], [1e4, 0.0, 0.0], [-1e4, -1e4, -9990.0]]
        other = [[75.0, 2.0, 0.0], [80.0, 0.0, 1.0], [1e4, 9999.0, 0.0], [0.0, 1e4, 1.0], [1e4, 1e4, 9995.0]]
        yield kl(f"large_logits_{tag}{dtype}", "Confident rows that agree, and that do not.", far, other,
                 target_type="logits", dtype=dtype, reduction="none", **derivative)
        huge = 3e38 if dtype == "f32" else 1e300
        if not derivative:
            yield kl(f"huge_logits_{dtype}", "As far apart as the dtype goes.", [[huge, 0.0, huge], [0.0, -huge, 1.0]],
                     [[huge, -huge, 1.0], [1.0, 2.0, -huge]], target_type="logits", dtype=dtype, reduction="none")
        yield kl(f"tiny_probs_{tag}{dtype}", "Probabilities near the smallest of the dtype.",
                 [[1e-30, 0.5, 0.5], [0.999, 1e-37, 0.001]], [[0.25, 1e-20, 0.75], [1e-36, 0.5, 0.5]],
                 input_type="probs",
                 dtype=dtype, reduction="none", **derivative)
    yield kl("unnormalised", "Masses that do not add up to 1: the forms differ.", ROWS["probs"],
             [[0.8, 0.8, 0.8], [0.1, 0.1, 0.1], [500.0, 250.0, 250.0]], input_type="probs", reduction="none",
             grad_target=[])
    yield kl("unnormalised_plain", "The plain form may be negative.", ROWS["probs"],
             [[0.8, 0.8, 0.8], [0.1, 0.1, 0.1], [500.0, 250.0, 250.0]], input_type="probs", reduction="none",
             kl_form="plain", grad_target=[])
    yield kl("unnormalised_of_logits", "The gradient has Q p - q.", ROWS["logits"],
             [[0.8, 0.8, 0.8], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]], reduction="none", dtype="f64")
    yield kl("faint_gradient", "A gradient of subnormal numbers.", ROWS["logits"], HOLDS["probs"], grad_loss=2.0**-130)


def sizes() -> Iterator[Case]:
    """Logits, logarithms and probabilities of any size, and divergences of the size of a rounding."""
    for e, dtype, (tag, derivative) in itertools.product(
            (1e5, 2.0**18, 1e10, 1e15, 1e17, 1e30, 3e38), DTYPES, DERIVATIVES.items()):
        yield kl(f"far_teacher_{e:.0e}_{tag}{dtype}".replace("+", ""), "Logits far from those of the other side.",
                 [[1.0, -1.0], [e, -e], [e, e / 2], [-e, -e]], [[-e, e], [1.0, -1.0], [0.5, -e], [0.5, 2.0]],
                 target_type="logits", dtype=dtype, reduction="none", loss_dtype="f64", **derivative)
    for m, dtype, form in itertools.product((1e4, 1e8, 1e30, INF), DTYPES, FORMS):
        yield kl(f"masked_{m:.0e}_{form}_{dtype}".replace("+", ""), "Classes that are masked on both sides, or on one.",
                 [[-m, 1.0, -m, 2.0, -m, 4.5], [-m, 1.0, 2.0, -m, 0.5, -m], [0.5, 1.0, -1.0, 2.0, 0.0, 4.5]],
                 [[-m, 0.5, -m, 3.0, -m, 4.0], [-m, -m, 1.5, -m, 0.25, -m], [-m, 1.5, -m, 2.0, -m, 4.0]],
                 target_type="logits", dtype=dtype, kl_form=form, reduction="none")
    yield kl("too_far_for_f32", "Differences that f32 cannot hold, of divergences that f64 can.",
             [[3.4e38, -3.4e38], [0.0, 3.4e38]], [[0.0, 0.0], [3.4e38, -3.4e38]], target_type="logits",
             reduction="none", loss_dtype="f64")
    for t in (0.25, 4.0):
        yield kl(f"too_far_over_{t}".replace(".", "_"), "Likewise over a temperature.", [[3e38, -3e38], [1e38, 0.0]],
                 [[0.0, 1.0], [-3e38, 3e38]], target_type="logits", temperature=t, reduction="none", loss_dtype="f64")
    yield kl("too_far_for_f64", "Differences that f64 cannot hold either, of divergences that it can.",
             [[1.7e308, -1.7e308, 0.0], [1.7e308, -1.7e308, -INF]], [[0.75, 0.25, 0.0], [0.75, 0.25, 0.0]],
             dtype="f64", reduction="none", grad_target=[])
    yield kl("too_far_for_f64_teacher", "Likewise of a teacher.", [[1.7e308, -1.7e308, 0.0]], [[1.0, 0.0, 0.5]],
             target_type="logits", dtype="f64", reduction="none", grad_target=[])
    yield kl("weighted_beyond_f64", "A divergence that only its weight makes a number of f64.",
             [[1.7e308, -1.7e308]], [[0.0, 1.0]], sample_weight=[2.0**-40], dtype="f64", reduction="none")
    yield kl("large_masses", "Probabilities near the largest f64.", [[0.2e308, 0.5]], [[1e308, 0.5]],
             input_type="probs", dtype="f64", reduction="none")
    for form in FORMS:
        yield kl(f"large_log_probs_{form}", "Logarithms of masses far above 1.", [[690.0, -1.0], [709.0, 500.0]],
                 [[0.5, 0.5], [500.0, 0.25]], input_type="log_probs", dtype="f64", kl_form=form, reduction="none")
    yield kl("large_log_probs_target", "Likewise of the target.", [[0.5, 0.5]], [[520.0, 690.0]],
             target_type="log_probs", dtype="f64", reduction="none")
    x, q = [[-500.0000004353076, -500.0000000357809]], [[0.4999999001183255, 0.5000000998816745]]
    yield kl("square_of_a_rounding", "3.5e-42, where log q is off by 1e-16.", x, q, dtype="f64", reduction="none",
             grad_target=[])
    yield kl("rounded_probs", "Probabilities that add up to 1 but for a rounding.", [[0.0, 0.0, 0.0]], [[1 / 3] * 3],
             dtype="f64", reduction="none")
    yield kl("unlikely_without_mass", "A class that is too unlikely for f64 is not impossible.", [[-800.0, 0.0]],
             [[0.0, 1.0]], dtype="f64", reduction="none", grad_target=[])
    for dtype in DTYPES:
        yield kl(f"denormal_logits_{dtype}", "Logits that are hardly there.", [[1e-45, -1e-45, 0.0]],
                 [[1e-40, 0.0, -1e-40]], target_type="logits", dtype=dtype, reduction="none")
        yield kl(f"certain_and_opposed_{dtype}", "Probabilities of 1, and not a bit more.",
                 [[3.7, -200.0], [-200.0, 11.3]], [[-200.0, 5.1], [7.9, -200.0]], target_type="logits", dtype=dtype,
                 reduction="none")


def odd() -> Iterator[Case]:
    for form in FORMS:
        yield kl(f"zero_target_{form}", "q_c = 0 makes the term p_c, with plain 0.", ROWS["logits"],
                 [[0.0, 0.3, 0.7], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], kl_form=form, reduction="none")
        yield kl(f"zero_target_probs_{form}", "Likewise of probabilities.", [[0.2, 0.3, 0.5], [0.0, 0.5, 0.5]],
                 [[0.0, 0.3, 0.7], [0.0, 0.25, 0.75]], input_type="probs", kl_form=form, reduction="none")
        yield kl(f"zero_prediction_{form}", "p_c = 0 < q_c: +infinity, and a gradient of -infinity.",
                 [[0.0, 0.5, 0.5], [0.5, 0.25, 0.25]], [[0.5, 0.25, 0.25]] * 2, input_type="probs", kl_form=form,
                 reduction="none")
        yield kl(f"impossible_log_probs_{form}", "Of logarithms the gradient stays finite.",
                 [[-INF, -0.5, -1.0], [-INF, -0.5, -1.0]], [[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]], input_type="log_probs",
                 kl_form=form, reduction="none")
        yield kl(f"impossible_logits_{form}", "Likewise of logits.", [[-INF, 0.5, 1.0], [-INF, 0.5, 1.0]],
                 [[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]], kl_form=form, reduction="none")
        yield kl(f"impossible_target_{form}", "A teacher's impossible class, which the prediction allows or not.",
                 [[1.0, 0.5, 1.0], [-INF, 0.5, 1.0]], [[-INF, 0.25, 1.5], [-INF, 1.0, 0.0]], target_type="logits",
                 kl_form=form, reduction="none")
    for form in FORMS:
        yield kl(f"impossible_class_of_the_least_mass_{form}", "+infinity, also of the least probability.",
                 [[-INF, 0.5, 1.0]], [[5e-324, 0.25, 0.75]], dtype="f64", kl_form=form, reduction="none",
                 grad_target=[])
    for dtype, (name, value) in itertools.product(DTYPES, (("nan", NAN), ("infinity", INF))):
        row = [0.5, value, 1.0]
        yield kl(f"{name}_input_{dtype}", "NaN and +infinity among the logits: NaN in this row.",
                 [row, [1.0, 2.0, 3.0]], [[0.5, 0.25, 0.25]] * 2, dtype=dtype, reduction="none")
        yield kl(f"{name}_target_{dtype}", "Likewise on the teacher's side.", [[1.0, 2.0, 3.0]] * 2,
                 [row, [0.5, 0.0, 1.0]],
                 target_type="logits", dtype=dtype, reduction="none", grad_target=[])
        yield kl(f"{name}_input_of_logits_{dtype}", "And where both hold logits.", [row, [1.0, 2.0, 3.0]],
                 [[1.0, 2.0, 3.0], [0.5, 0.0, 1.0]], target_type="logits", dtype=dtype, reduction="none")
        yield kl(f"{name}_teacher_{dtype}", "On either side.", [[1.0, 2.0, 3.0]] * 2,
                 [[0.5, 0.0, 1.0], row], target_type="logits", dtype=dtype, reduction="none")
    nothing = [-INF, -INF, -INF]
    yield kl("nothing_possible_none", "Rows without a possible class, one by one.", [nothing, [1.0, 2.0, 3.0]] * 2,
             [[1.0, 2.0, 3.0], nothing, nothing, [-INF, 0.0, -INF]], target_type="logits", reduction="none")
    yield kl("nothing_possible", "Rows without a possible class, on either side.", [nothing, [1.0, 2.0, 3.0]],
             [[1.0, 2.0, 3.0], nothing], target_type="logits", reduction="none", grad_target=[])
    for q in ("probs", "log_probs"):
        yield kl(f"nan_{q}", "NaN in a target of one row.", ROWS["logits"][:2],
                 [[HOLDS[q][0][0], NAN, 0.0], HOLDS[q][1]],
                 target_type=q, reduction="none", grad_target=[])
    for x in ("probs", "log_probs"):
        yield kl(f"nan_of_{x}", "NaN in a prediction, though the target has no mass there.",
                 [[ROWS[x][0][0], NAN, ROWS[x][0][2]], ROWS[x][1]], [[0.5, 0.0, 0.5], [0.2, 0.3, 0.5]], input_type=x,
                 reduction="none")
    yield kl("negative_target", "A negative probability is none: NaN.", ROWS["logits"][:2],
             [[-0.1, 0.4, 0.7], [0.2, 0.3, 0.5]], reduction="none", grad_target=[])
    yield kl("negative_prediction", "On either side, with mass or without.",
             [[-0.1, 0.5, 0.6], [-0.1, 0.5, 0.6], ROWS["probs"][0]],
             [[0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5]], input_type="probs", reduction="none")
    yield kl("nan_in_the_mean", "A NaN row makes the mean NaN, and no other row's gradient.",
             [[NAN, 1.0], [1.0, 2.0]], [[0.5, 0.5], [0.25, 0.75]])
    yield kl("one_class", "One class is certain: 0.", [[3.5], [-1e4]], [[-2.0], [7.0]], target_type="logits",
             reduction="none", grad_target=[])
    yield kl("one_class_probs", "But for masses that are not 1.", [[0.5], [1.0]], [[0.25], [1.0]], input_type="probs",
             reduction="none", grad_target=[])


def layouts() -> Iterator[Case]:
    columns = [list(column) for column in zip(*ROWS["logits"])]
    teacher = [list(column) for column in zip(*HOLDS["logits"])]
    yield kl("axis_0", "With the classes not side by side.", columns, teacher, class_axis=0, target_type="logits",
             reduction="none", grad_target=[])
    yield kl("axis_1_of_3", "And in the middle.", numbers(102), numbers(103), shape=[2, 5, 3], target_shape=[2, 5, 3],
             class_axis=1, target_type="logits", dtype="f64", sample_weight=[[0.5, 1.0, 2.0], [1.5, 0.0, 1.0]],
             grad_target=[])
    yield kl("strides", "A transposed input, read backwards, and a target with gaps.", numbers(104),
             [0.1, 9.0, 0.2, 9.0, 0.7, 9.0, 0.5, 9.0, 0.25, 9.0, 0.25], shape=[2, 3], strides=[-1, -3], offset=8,
             buffer_size=9, target_shape=[2, 3], target_strides=[6, 2], target_offset=0, reduction="none",
             grad_target=[])
    yield kl("one_target_for_all", "A stride of 0 repeats a target.", ROWS["logits"], [0.1, 0.2, 0.7],
             target_shape=[3, 3], target_strides=[0, 1], target_offset=0, dtype="f64", grad_target=[])
    for classes in (15, 17, 128, 129):
        yield kl(f"classes_{classes}", "Around a vector.", numbers(105 + classes), numbers(106 + classes),
                 shape=[2, classes], target_shape=[2, classes], target_type="logits", reduction="none",
                 grad_at=sampled(2, classes, [0, classes - 1]))
    for classes, dtype in itertools.product((3, 40, 300), DTYPES):
        yield kl(f"confident_{classes}_{dtype}", "Logits that are spread over 64, of rows that differ a little.",
                 numbers(115 + classes, -18), numbers(115 + classes, -18, 24, 4096), shape=[3, classes],
                 target_shape=[3, classes], target_type="logits", dtype=dtype, reduction="none", grad_loss=-2.0,
                 grad_at=sampled(3, classes, [0, 1, 2]))
        yield kl(f"opposed_{classes}_{dtype}", "And of rows that do not agree at all.", numbers(116 + classes, -18),
                 numbers(117 + classes, -18), shape=[3, classes], target_shape=[3, classes], target_type="logits",
                 dtype=dtype, reduction="none", grad_at=sampled(3, classes, [0, 1, 2]))
    for (classes, rows), dtype in itertools.product(((4097, 2), (10000, 1)), DTYPES):
        yield kl(f"classes_{classes}_{dtype}", "More than one block.", numbers(107 + classes), numbers(108 + classes),
                 shape=[rows, classes], target_shape=[rows, classes], target_type="logits", dtype=dtype,
                 reduction="none",
                 temperature=2.0, grad_at=sampled(rows, classes, [7, 4096][:rows]))
    yield kl("rows_33", "More rows than a vector has lanes.", numbers(109), numbers(110), shape=[33, 4],
             target_shape=[33, 4], target_type="logits", grad_target=[])
    yield kl("probs_long", "Probabilities of several blocks.", numbers(111, -32, 20, 2**20),
             numbers(112, -32, 20, 2**20), shape=[1, 4500], target_shape=[1, 4500], input_type="probs", dtype="f64",
             grad_at=sampled(1, 4500, [4096]))
    yield kl("bf16_long", "Several blocks of 16 bits.", numbers(113, -4, 8), numbers(114), shape=[1, 5000],
             target_shape=[1, 5000], target_dtype="f32", target_type="logits", dtype="bf16",
             grad_at=sampled(1, 5000, [4096]))


def sparse() -> Iterator[Case]:
    x = [[0.3, -1.2, 2.1, 0.8], [1.5, 0.2, -0.7, -0.1], [0.4, 0.9, -2.2, 1.0]]
    labels, probs = [[2, 0], [0, 3], [1, 2]], [[0.6, 0.3], [0.5, 0.125], [0.25, 0.5]]
    for rest, dtype in itertools.product(("drop", "spread", "renormalize"), DTYPES):
        yield kl(f"sparse_{rest}_{dtype}", "Sparse targets, and what becomes of the rest.", x, labels,
                 target_probs=probs, target_rest=rest, dtype=dtype, reduction="none")
    yield kl("sparse_log_probs", "Of logarithms.", x, labels, target_probs=[[-0.5, -1.5], [-0.7, -2.0], [-1.0, -0.9]],
             target_type="log_probs", target_rest="spread", dtype="f64", reduction="none")
    yield kl("sparse_logits", "A teacher's best logits, over a temperature.", x, labels,
             target_probs=[[3.5, 1.5], [0.5, 2.0], [-1.0, 4.5]], target_type="logits", target_rest="renormalize",
             temperature=2.0, temperature_squared=1, reduction="none")
    yield kl("sparse_offsets", "Rows of any length; one without entries is ignored.", x, [3, 1, 0, 2],
             target_probs=[0.25, 0.5, 0.125, 0.75], target_offsets=[0, 3, 3, 4], reduction="mean")
    for rest in ("drop", "spread"):
        yield kl(f"sparse_rounded_{rest}", "Probabilities that add up to 1 but for rounding leave nothing.",
                 [[0.5, 1.0, -INF, 2.0]], [[0, 1, 3]], target_probs=[[0.3, 0.6, 0.1]], target_rest=rest,
                 reduction="none")
    yield kl("sparse_of_probs", "Predictions that are probabilities.", [[0.2, 0.3, 0.4, 0.1]], [[3, 1]],
             target_probs=[[0.25, 0.5]], input_type="probs", reduction="none")


def errors() -> Iterator[Case]:
    x, q = ROWS["logits"], HOLDS["probs"]

    def bad(name: str, why: str, status: str, texts: list[str], **fields: Any) -> Case:
        given = {"x": x, "target": q, **fields}
        return kl(f"error_{name}", why, given.pop("x"), given.pop("target"), status=f"CE_ERROR_{status}",
                  message_contains=texts, **given)

    # What a KL divergence does not have, and only C has a field for.
    for name, value in (("label_smoothing", 0.1), ("z_loss", 0.5), ("focal_gamma", 2.0), ("poly_epsilon", 1.0),
                        ("weight", [1.0, 2.0, 3.0]), ("prior", [0.5, 0.25, 0.25])):
        yield bad(name, "An option of cross-entropy.", "OPTION", [name, "KL divergence"], level="c", **{name: value})
    yield bad("pos_weight", "An option of binary cross-entropy.", "OPTION", ["pos_weight"], level="c",
              pos_weight=[1.0, 2.0, 3.0])
    yield bad("clip", "An option of cross-entropy.", "OPTION", ["clip", "KL divergence"], level="c", x=ROWS["probs"],
              input_type="probs", clip=0.1)
    yield bad("mass", "Nor is there a mean over the mass.", "OPTION", ["mean_over"], mean_over="mass")
    yield bad("labels", "Labels are no distribution.", "DTYPE", ["target"], target=[2, 0, 1])
    yield bad("kl_form", "No form has this code.", "OPTION", ["kl_form", "2"], kl_form=2, level="c")
    yield bad("target_shape", "A target for each class.", "SHAPE", ["target"], target=[[0.5, 0.5]] * 3)
    yield bad("softcap_of_log_probs", "Only logits are capped.", "OPTION", ["softcap", "logits"],
              x=ROWS["log_probs"], input_type="log_probs", softcap=3.0)
