"""Binary cross-entropy: every element of the input is a problem of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from . import case as make
from .case import DTYPES, HALVES, INF, INTEGERS, NAN, Case, numbers

# The cases are tables, which one argument a line would hide:
# fmt: off

LOGITS = [[0.3, -1.2, 2.1], [1.5, 0.0, -0.7], [-4.0, 0.9, -2.2], [6.5, -9.0, 0.125]]
PROBS = [[0.2, 0.3, 0.5], [0.7, 0.25, 0.1], [0.05, 0.6, 0.15], [0.9375, 0.5, 0.75]]
LABELS = [[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
SOFT = [[0.9, 0.2, 0.5], [0.0, 1.0, 0.3], [0.75, 0.6, 0.1], [0.05, 0.4, 0.7]]
WEIGHT = [0.3, 1.7, 0.9]
POS_WEIGHT = [2.5, 0.5, 4.0]
SAMPLE_WEIGHT = [[0.5, 2.0, 1.25], [1.0, 0.0, 3.0], [0.75, 0.1, 1.0], [1.5, 1.0, 0.2]]


def binary(name: str, why: str, x: Any, target: Any, **fields: Any) -> Case:
    return make.case(f"binary_{name}", why, x, target, loss_function="binary_cross_entropy", **fields)


def ordinary() -> Iterator[Case]:
    for dtype, (kind, target) in itertools.product((*DTYPES, *HALVES), (("labels", LABELS), ("soft", SOFT))):
        yield binary(f"{kind}_{dtype}", "Each type of input, with labels and with any target.", LOGITS, target,
                     dtype=dtype, reduction="none")
    for reduction, dtype in itertools.product(("mean", "sum"), DTYPES):
        yield binary(f"{reduction}_{dtype}", "Reduced to one number.", LOGITS, LABELS, dtype=dtype, reduction=reduction)
    for integer in INTEGERS:
        yield binary(f"labels_{integer}", "Each integer type.", LOGITS, LABELS, target_dtype=integer)
    yield binary("one_dimension", "Two classes told by one number a row: the only axis is the rows'.",
                 [0.4, -2.0, 3.0], [1, 1, 0])
    for axis, (kind, target) in itertools.product((-1, 0), (("label", 1), ("soft", 0.25))):
        yield binary(f"single_{kind}_axis_{axis}".replace("-", "minus_"), "A single number, of one class.", 0.75,
                     target, class_axis=axis)
    yield binary("single_weights", "And its weights.", -0.5, 1, weight=2.0, pos_weight=[3.0], sample_weight=0.75,
                 reduction="none")
    yield binary("single_sum_f16", "In 16 bits.", -0.5, 0.25, dtype="f16", target_dtype="f16", reduction="sum")
    yield binary("f64_target", "A target in f64 for an f32 input keeps the digits of 1 - y.",
                 [[9.0, -9.0, 1.0]], [[0.9999999999, 1e-12, 0.25]], target_dtype="f64", reduction="none")
    yield binary("f32_target", "And the other way round.", LOGITS, SOFT, dtype="f64", target_dtype="f32")
    yield binary("f64_loss", "A loss in f64 for an f32 input.", LOGITS, SOFT, loss_dtype="f64")
    yield binary("f64_loss_none", "Likewise for each element.", LOGITS, LABELS, loss_dtype="f64", reduction="none")
    yield binary("f32_grad_of_bf16", "A gradient of another type than the input.", LOGITS, LABELS, dtype="bf16",
                 grad_dtype="f32")
    yield binary("any_target", "Targets outside [0, 1] are computed as written.",
                 [[0.5, -1.5, 2.5, -0.1]], [[-1.0, 3.0, 1.5, 1e-30]], dtype="f64", reduction="none")


def weights() -> Iterator[Case]:
    given = {
        "weight": {"weight": WEIGHT},
        "pos_weight": {"pos_weight": POS_WEIGHT},
        "pos_weight_one": {"pos_weight": [3.0]},
        "pos_weight_scalar": {"pos_weight": 0.25},
        "weight_one": {"weight": [3.0]},
        "weight_scalar": {"weight": 0.25},
        "sample_weight": {"sample_weight": SAMPLE_WEIGHT},
        "all": {"weight": WEIGHT, "pos_weight": POS_WEIGHT, "sample_weight": SAMPLE_WEIGHT, "label_smoothing": 0.125},
    }
    for (name, fields), (kind, target) in itertools.product(given.items(), (("labels", LABELS), ("soft", SOFT))):
        yield binary(f"{name}_{kind}", "Weights, and what the mean divides by: without pos_weight.", LOGITS, target,
                     **fields)
    for mean_over in ("weight", "count", "divisor"):
        divisor = {"mean_divisor": 2.5} if mean_over == "divisor" else {}
        yield binary(f"all_over_{mean_over}", "Each divisor of the mean, with an ignored element.",
                     LOGITS, [[1, 0, -100], *LABELS[1:]], mean_over=mean_over, grad_loss=-1.5, **given["all"],
                     **divisor)
    columns = [list(column) for column in zip(*LOGITS)]
    yield binary("class_axis_0", "Class weights along the first axis.", columns, [list(c) for c in zip(*LABELS)],
                 class_axis=0, weight=WEIGHT, pos_weight=POS_WEIGHT, reduction="none")
    yield binary("class_axis_1_of_3", "And along one in the middle.", [LOGITS, LOGITS[::-1]], [LABELS, LABELS],
                 class_axis=-2, weight=[1.0, 0.5, 2.0, 0.25], pos_weight=[1.0, 2.0, 3.0, 4.0], dtype="f64")
    yield binary("zero_weights", "Elements of weight 0 contribute nothing, whatever they hold.",
                 [[NAN, 1.0, INF], [2.0, NAN, -INF]], [[0, 1, 0], [1, 0, 1]], weight=[1.0, 0.5, 2.0],
                 sample_weight=[[0.0, 1.0, 0.0], [1.5, 0.0, 0.0]])
    yield binary("zero_pos_weight", "A positive weight of 0 leaves the negative term.",
                 [[1.0, -2.0], [NAN, -INF]], [[1, 0], [1, 1]], pos_weight=[0.0], reduction="none")
    yield binary("repeated_sample_weight", "A stride of 0 repeats a weight along a dimension.", LOGITS, LABELS,
                 sample_weight=[0.5, 2.0, 1.0, 0.25], sample_weight_shape=[4, 3], sample_weight_strides=[1, 0],
                 sample_weight_offset=0)
    for smoothing in (0.1, 1.0):
        yield binary(f"smoothing_{smoothing}".replace(".", "_"), "y becomes (1 - e) y + e / 2.", LOGITS, LABELS,
                     label_smoothing=smoothing, reduction="none")
    yield binary("smoothing_f16", "From 16 bits.", LOGITS, SOFT, label_smoothing=0.25, dtype="f16")


def counting() -> Iterator[Case]:
    yield binary("ignored", "Ignored elements count for nothing, NaN or not.",
                 [[NAN, 1.0, -2.0], [INF, 3.0, 0.5]], [[-100, 1, 0], [-100, -100, 1]])
    yield binary("ignored_none", "Likewise one by one.", [[NAN, 1.0, -2.0]], [[-100, 1, 0]], reduction="none")
    yield binary("ignore_index_1", "A label that would count may be the ignored one.", LOGITS, LABELS, ignore_index=1)
    yield binary("ignore_index_255", "In an unsigned type.", [[1.0, 2.0, 3.0]], [[255, 1, 0]], ignore_index=255,
                 target_dtype="u8")
    yield binary("ignore_index_beyond_the_type", "No i8 is 256, of which 0 is the last byte.", [[1.0, 2.0, 3.0]],
                 [[0, 1, 0]], ignore_index=256, target_dtype="i8")
    yield binary("ignore_none", "With nothing ignored.", LOGITS, LABELS, ignore_index="none")
    for empty in ("nan", "zero", "error"):
        status = {"status": "CE_ERROR_EMPTY", "message_contains": ["no element counts"]} if empty == "error" else {}
        yield binary(f"all_ignored_{empty}", "No element counts: the policy decides.", [[NAN, 1.0]], [[-100, -100]],
                     empty=empty, **status)
        yield binary(f"no_elements_{empty}", "Likewise without elements.", [], [], shape=[0, 3], target_shape=[0, 3],
                     target_dtype="f32", empty=empty, **status)
    yield binary("no_classes", "A class axis of length 0 is no error here.", [], [], shape=[2, 0], target_shape=[2, 0],
                 target_dtype="i64", reduction="sum")
    yield binary("weights_cancel", "Weights that add up to 0: no mean, though elements count.", [[1.0, 2.0]], [[1, 0]],
                 sample_weight=[[1.0, -1.0]])
    yield binary("weights_cancel_zero", "The same with 0.", [[1.0, NAN]], [[1, 0]], sample_weight=[[1.0, -1.0]],
                 empty="zero")


def magnitudes() -> Iterator[Case]:
    far = {"f32": [17.0, 40.0, 80.0, 87.0, 87.5, 100.0, 3e38], "f64": [17.0, 40.0, 200.0, 708.0, 709.5, 800.0, 1e308]}
    for dtype, label in itertools.product(DTYPES, (0, 1)):
        x = [far[dtype], [-value for value in far[dtype]]]
        yield binary(f"confident_{label}_{dtype}", "Tiny losses and slopes keep their digits; large ones are exact.",
                     x, [[label] * 7] * 2, dtype=dtype, reduction="none")
        yield binary(f"near_zero_{label}_{dtype}", "Logits around 0.", [[0.0, -0.0, 1e-30, -1e-30, 1e-7, -1e-7]],
                     [[label] * 6], dtype=dtype, reduction="none")
    yield binary("confident_soft", "A soft target's terms are each right.", [[60.0, -60.0, 30.0]], [[0.25, 0.5, 1.0]],
                 reduction="none")
    yield binary("faint_gradient", "A gradient of subnormal numbers.", LOGITS, LABELS, grad_loss=2.0**-130)
    yield binary("large_grad_loss", "A large factor.", LOGITS, LABELS, grad_loss=1e30, dtype="f64")
    yield binary("large_sum", "A sum beyond f32 whose mean is not.", [[3e38, 3e38, -3e38]], [[0, 0, 1]])


def odd() -> Iterator[Case]:
    for dtype, gamma in itertools.product(DTYPES, (0.0, 2.0)):
        yield binary(f"infinite_{dtype}_gamma_{int(gamma)}", "Infinite logits are certain: 0 where the target agrees.",
                     [[INF, INF, -INF, -INF, NAN, NAN, INF, -INF]], [[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.5, 0.5]],
                     dtype=dtype, reduction="none", focal_gamma=gamma)
    yield binary("nan_target", "A target of NaN.", [[1.0, 2.0]], [[NAN, 1.0]], reduction="none")
    yield binary("nan_in_the_mean", "One NaN makes the mean NaN, but no other slope.", [[1.0, NAN]], [[1, 0]])
    yield binary("infinite_mean", "An infinite loss in the mean.", [[1.0, -INF]], [[1, 1]])


def focal() -> Iterator[Case]:
    for gamma, dtype in itertools.product((0.5, 2.0, 5.0), DTYPES):
        yield binary(f"focal_{gamma}_{dtype}".replace(".", "_"), "Each term times the other side's probability.",
                     [*LOGITS, [40.0, -40.0, 20.0]], [*SOFT, [1.0, 0.0, 0.0]], dtype=dtype, reduction="none",
                     focal_gamma=gamma)
    yield binary("focal_weights", "With everything else.", LOGITS, LABELS, focal_gamma=1.5, weight=WEIGHT,
                 pos_weight=POS_WEIGHT, sample_weight=SAMPLE_WEIGHT, label_smoothing=0.1)
    yield binary("focal_f16", "From 16 bits.", LOGITS, LABELS, focal_gamma=2.0, dtype="f16", reduction="none")


def probabilities() -> Iterator[Case]:
    for dtype, (kind, target) in itertools.product((*DTYPES, *HALVES), (("labels", LABELS), ("soft", SOFT))):
        yield binary(f"probs_{kind}_{dtype}", "From probabilities.", PROBS, target, dtype=dtype, input_type="probs",
                     reduction="none")
    yield binary("probs_weights", "With weights.", PROBS, SOFT, input_type="probs", weight=WEIGHT,
                 pos_weight=POS_WEIGHT, sample_weight=SAMPLE_WEIGHT, label_smoothing=0.1)
    for dtype in DTYPES:
        yield binary(f"probs_tiny_{dtype}", "log(1 - p) of a tiny p, and of one next to 1.",
                     [[1e-20, 1e-30, 1e-6, 0.99999994, 0.5]], [[0, 0, 0, 0, 0]], dtype=dtype, input_type="probs",
                     reduction="none")
        yield binary(f"probs_certain_{dtype}", "0 and 1: contradicted, the loss is infinite.",
                     [[0.0, -0.0, 1.0, 0.0, 1.0]], [[0, 1, 1, 1, 0]], dtype=dtype, input_type="probs", reduction="none")
    yield binary("probs_clip", "Clipped, and no gradient where that changes the probability.",
                 [[0.0, 1.0, 0.5, 1.5, -1.0, 0.05]], [[1, 0, 1, 1, 1, 0]], input_type="probs", clip=0.1,
                 reduction="none")
    yield binary("probs_outside", "What is no probability.", [[-0.5, 1.5, NAN, INF, 0.5]], [[0, 1, 1, 0, 1]],
                 input_type="probs", reduction="none")


def layouts() -> Iterator[Case]:
    yield binary("transposed", "An input whose first axis is the fastest.", numbers(5), LABELS, shape=[4, 3],
                 strides=[1, 4], offset=0, buffer_size=12, pos_weight=POS_WEIGHT, reduction="none")
    yield binary("backwards", "Steps of their own for input, target and weights.", numbers(6), [0, 1, 1, 0, 1, 0, 1],
                 shape=[2, 3], strides=[-5, -2], offset=9, buffer_size=10, target_shape=[2, 3],
                 target_strides=[3, 1], target_offset=1, weight=WEIGHT, weight_strides=[-1], weight_offset=2)
    for length in (15, 16, 17, 1024, 1100):
        yield binary(f"length_{length}", "Around a vector and a block.", numbers(length, -19), numbers(7, -6, 6, 32),
                     shape=[2, length], target_shape=[2, length], reduction="sum",
                     grad_at=sorted({0, 14, length - 1, length, 2 * length - 1}))
    yield binary("f16_long", "Several blocks of 16 bits, with class weights.", numbers(8, -8, 11),
                 {"constant": 1, "set": [[i, -100 if i % 7 == 0 else 0] for i in range(0, 3300, 3)]},
                 shape=[1100, 3], target_shape=[1100, 3], target_dtype="i16", dtype="f16", pos_weight=POS_WEIGHT,
                 grad_at=[0, 1, 2, 1023, 1024, 3298, 3299])


def extremes() -> Iterator[Case]:
    """Weights, upstream gradients and divisors near the ends of the range, of which only the product counts."""
    soft = [[0.25, 0.5, 1.0], [0.0, 0.75, 0.125], [1.0, 0.0, 0.5], [0.375, 1.0, 0.0]]
    ones = [[1.0, 2.0, 3.0], [2.0, 1.0, 1.0], [0.5, 1.0, 4.0], [1.0, 1.0, 2.0]]

    def times(scale: float) -> list[list[float]]:
        return [[scale * weight for weight in row] for row in ones]

    for x, y, input_type, kind in ((LOGITS, LABELS, "logits", "labels"), (LOGITS, soft, "logits", "soft"),
                                   (PROBS, soft, "probs", "probs")):
        for dtype in make.DTYPES:
            tag = f"{kind}_{dtype}"

            def given(input_type: str = input_type, dtype: str = dtype, **fields: Any) -> Case:
                weights = {key + "_dtype": "f64" for key in ("weight", "sample_weight", "pos_weight") if key in fields}
                return {"input_type": input_type, "dtype": dtype, **fields, **weights}

            for name, size in (("tiny", 1e-310), ("huge", 1e300)):
                yield binary(f"sample_weights_{name}_{tag}", "Sample weights near an end of the range.", x, y,
                             **given(sample_weight=times(size)))
            for name, size in (("tiny", 1e-200), ("huge", 1e200)):
                yield binary(f"products_of_weights_{name}_{tag}", "Weights whose products are beyond the range.", x, y,
                             **given(sample_weight=times(size), weight=[size, 2 * size, size], label_smoothing=0.1))
            yield binary(f"weights_of_opposite_ends_{tag}", "1e-300, 1e300 and 1e-310: their product counts.", x, y,
                         **given(sample_weight=times(1e-300), weight=[1e300, 2e300, 1e300], pos_weight=[1e-310] * 3,
                                 grad_loss=1e-20 if dtype == "f32" else 1e300, reduction="sum"))
            yield binary(f"sample_weights_of_both_ends_{tag}", "One of 1e-310 among ordinary ones.", x, y,
                         **given(sample_weight=[[1e-310, 1.0, 1.0], *ones[1:]], pos_weight=[2.0, 1e300, 1.0],
                                 grad_loss=1e-300))
            yield binary(f"grad_loss_subnormal_{tag}", "As small a divisor makes good for it.", x, y,
                         **given(grad_loss=1e-310, mean_over="divisor", mean_divisor=1e-308,
                                 sample_weight=times(1e-308)))
            yield binary(f"divisor_subnormal_{tag}", "Without weights.", x, y,
                         **given(grad_loss=1e-310, mean_over="divisor", mean_divisor=1e-308))


def errors() -> Iterator[Case]:
    def refused(name: str, why: str, status: str, texts: list[str], x: Any = LOGITS, target: Any = LABELS,
                **fields: Any) -> Case:
        return binary(f"error_{name}", why, x, target, status=f"CE_ERROR_{status}", message_contains=texts, **fields)

    yield refused("label_2", "A label is 0 or 1.", "LABEL", ["label 2", "element 7", "neither 0 nor 1"],
                  target=[*LABELS[:2], [0, 2, 5], [0, 0, -1]])
    yield refused("label_negative", "Nor is it negative, but for the ignored one.", "LABEL", ["label -1", "element 0"],
                  target=[[-1, 0, 1], *LABELS[1:]])
    yield refused("label_not_ignored", "-100 where nothing is ignored.", "LABEL", ["label -100", "element 11"],
                  target=[*LABELS[:3], [0, 1, -100]], ignore_index="none")
    yield refused("label_huge", "Beyond every signed integer.", "LABEL", ["label 18446744073709551516"], x=[[1.0, 2.0]],
                  target=[[0, 2**64 - 100]], target_dtype="u64")
    yield refused("label_with_its_last_byte_1", "257 is not 1.", "LABEL", ["label 257"], x=[[1.0, 2.0]],
                  target=[[257, 0]], target_dtype="i16")
    yield refused("target_shape", "A label for each row, as of cross-entropy.", "SHAPE", ["target", "[4]", "[4, 3]"],
                  target=[0, 1, 0, 1])
    yield refused("weight_shape", "A weight for each class.", "SHAPE", ["weight", "[2]", "3 classes"],
                  weight=[1.0, 2.0])
    yield refused("pos_weight_shape", "Or one for all.", "SHAPE", ["pos_weight", "[2]", "3 classes"],
                  pos_weight=[1.0, 2.0])
    yield refused("sample_weight_shape", "Weights of the elements, not of rows.", "SHAPE", ["sample_weight", "[4]"],
                  sample_weight=[1.0, 2.0, 3.0, 4.0])
    yield refused("axis", "An axis that there is not.", "SHAPE", ["axis", "2"], class_axis=2)
    yield refused("single_axis", "An axis that a single number does not have either.", "SHAPE", ["axis", "1"], x=0.5,
                  target=1, class_axis=1)
    yield refused("single_weights", "A single number is of one class.", "SHAPE", ["weight", "[2]", "1 class"], x=0.5,
                  target=1, weight=[1.0, 2.0])
    yield refused("weight_of_two_dimensions", "A weight has one dimension, or none.", "SHAPE", ["weight", "[1, 1]"],
                  weight=[[1.0]])
    yield refused("log_probs", "Logarithms of p alone do not do.", "OPTION", ["input_type"], input_type="log_probs")
    yield refused("mass", "All elements have the mass 1.", "OPTION", ["mean_over"], mean_over="mass")
    yield refused("focal_probs", "Focal weighting is for logits.", "OPTION", ["focal_gamma", "logits", "probabilities"],
                  x=PROBS, input_type="probs", focal_gamma=1.0)
    yield refused("clip_logits", "Clipping is not.", "OPTION", ["clip", "logits"], clip=0.1)
    yield refused("focal_negative", "Out of range.", "OPTION", ["focal_gamma", "-1"], focal_gamma=-1.0)
    for name in ("z_loss", "poly_epsilon", "softcap", "logit_scale"):
        yield refused(name, "What a softmax has.", "OPTION", [name, "binary"], level="c", **{name: 0.5})
    yield make.case("error_pos_weight_of_a_softmax", "pos_weight is for binary cross-entropy.", LOGITS, [0, 1, 2, 0],
                    pos_weight=POS_WEIGHT, status="CE_ERROR_OPTION", message_contains=["pos_weight", "binary"],
                    level="c")
