"""Wrong calls: what each must answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import HALVES, INF, INTEGERS, NAN, ROWS, Case, case, flat, numbers

# The cases are tables, which one argument a line would hide:
# fmt: off


def label_errors() -> Iterator[Case]:
    def bad(name: str, why: str, labels: Any, label: int, row: int, **fields: Any) -> Case:
        rows = len(flat(labels))
        fields = {"shape": [rows, 5], **fields}
        classes = fields["shape"][fields.get("class_axis", -1)]
        return case(
            name, why, numbers(60), labels, status="CE_ERROR_LABEL",
            message_contains=[f"label {label} ", f"row {row} ", f"{classes} class"], **fields,
        )

    yield bad("label_equals_classes", "The first label beyond the classes.", [0, 1, 2, 5], 5, 3)
    yield bad("label_minus_one", "-1 is no label unless ignored.", [0, -1], -1, 1)
    yield bad("label_first_bad_row", "The first of several bad rows is named.", [4, 9, 7, -3], 9, 1)
    yield bad("label_with_ignored", "Ignored rows before the bad one count.", [-100, -100, 7], 7, 2)
    yield bad(
        "label_not_ignored", "-100 is out of range if something else is ignored.", [0, -100], -100,
        1, ignore_index=-1,
    )
    yield bad(
        "label_ignore_none", "-100 is out of range if nothing is ignored.", [-100, 0], -100, 0,
        ignore_index="none",
    )
    yield bad(
        "label_ignore_none_lowest", "CE_IGNORE_NONE does not ignore the label of its own value.",
        [1, -(2**63)], -(2**63), 1, ignore_index="none",
    )
    yield bad("label_probs", "Labels are checked for probabilities too.", [0, 5], 5, 1,
              input_type="probs")
    yield bad("label_log_probs", "And for logarithms of them.", [5, 0], 5, 0,
              input_type="log_probs", dtype="f64")
    yield bad("label_zero_sample_weight", "A row of weight 0 still needs a label.", [0, 6], 6, 1,
              sample_weight=[1.0, 0.0])
    yield bad("label_no_reduction", "Nothing is written for the good rows either.", [0, 1, 8], 8, 2,
              reduction="none")
    yield bad(
        "label_axis_1", "Rows are counted over all axes but the classes'.",
        [[[0, 1], [2, 3]], [[4, 5], [1, 1]]], 5, 5, shape=[2, 5, 2, 2], class_axis=1,
    )
    for dtype, (low, high) in INTEGERS.items():
        yield bad(f"label_highest_{dtype}", f"The highest {dtype}.", [1, high], high, 1,
                  target_dtype=dtype)
        if low < 0:
            yield bad(f"label_lowest_{dtype}", f"The lowest {dtype}.", [low, 1], low, 0,
                      target_dtype=dtype)
    yield bad(
        "label_u64_looks_ignored", "2^64 - 100 has the bits of -100 and is not -100.",
        [0, 2**64 - 100], 2**64 - 100, 1, target_dtype="u64",
    )
    yield bad("label_u64_above_2_63", "A label above 2^63.", [2**63 + 2, 1], 2**63 + 2, 0,
              target_dtype="u64")
    yield bad("label_i64_wraps_32", "2^32 is not 0.", [2**32, 1], 2**32, 0)
    yield bad("label_u32_wraps_16", "2^16 + 1 is not 1.", [0, 2**16 + 1], 2**16 + 1, 1,
              target_dtype="u32")
    yield bad(
        "label_u8_looks_ignored", "156 has the bits of the i8 -100 and is not -100.", [156, 1], 156,
        0, target_dtype="u8",
    )
    yield bad(
        "label_i8_ignore_wraps", "-100 has the bits of the u8 156, which is ignored here.",
        [1, -100], -100, 1, target_dtype="i8", ignore_index=156,
    )
    yield bad(
        "label_error_before_empty", "A bad label is an error also where no other row counts.",
        [-100, 77], 77, 1, empty="zero",
    )


def option_errors() -> Iterator[Case]:
    def bad(name: str, why: str, option: str, **fields: Any) -> Case:
        return case(name, why, ROWS["probs"], [2, 0, 1], status="CE_ERROR_OPTION",
                    message_contains=[option], **fields)

    for name, value in (
        ("negative", -0.1), ("above_one", 1.0000001), ("nan", NAN), ("infinite", INF)
    ):
        yield bad(f"smoothing_{name}", "Smoothing outside [0, 1].", "label_smoothing",
                  label_smoothing=value)
    for name, value in (("zero", 0.0), ("negative", -1.0), ("infinite", INF), ("nan", NAN)):
        yield bad(f"mean_divisor_{name}", "A divisor has to be finite and positive.",
                  "mean_divisor", mean_over="divisor", mean_divisor=value)
    for name, value in (("negative", -0.001), ("half", 0.5), ("nan", NAN), ("infinite", INF)):
        yield bad(f"clip_{name}", "A clip outside [0, 0.5).", "clip", input_type="probs",
                  clip=value)
    for input_type in ("logits", "log_probs"):
        yield bad(f"clip_of_{input_type}", "Clipping is for probabilities alone.", "clip",
                  input_type=input_type, clip=0.01)
    yield bad("threads_negative", "A negative number of threads.", "threads", threads=-1)
    for option, value in (
        ("input_type", 3), ("input_type", -1), ("reduction", 3), ("reduction", -1),
        ("mean_over", 4), ("mean_over", -1), ("empty", 3), ("empty", -1),
    ):
        name = f"unknown_{option}_{str(value).replace('-', 'minus_')}"
        yield bad(name, f"No {option} has the value {value}.", option, level="c",
                  **{option: value})
    yield case(
        "option_error_on_empty_batch", "Options are checked also where there are no rows.", [], [],
        shape=[0, 3], label_smoothing=2.0, status="CE_ERROR_OPTION",
        message_contains=["label_smoothing"],
    )


def shape_errors() -> Iterator[Case]:
    x, labels = ROWS["logits"], [2, 0, 1]

    def shape(name: str, why: str, words: list[str], **fields: Any) -> Case:
        given = {"x": x, "target": labels, **fields}
        return case(name, why, given.pop("x"), given.pop("target"), status="CE_ERROR_SHAPE",
                    message_contains=words, **given)

    yield shape("weight_too_short", "Two class weights for three classes.", ["weight"],
                weight=[1.0, 2.0])
    yield shape("weight_too_long", "Four class weights for three classes.", ["weight"],
                weight=[1.0, 2.0, 3.0, 4.0])
    yield shape("weight_empty", "No class weight at all.", ["weight"], weight=[])
    yield shape("weight_2d", "Class weights as a matrix.", ["weight"], weight=[[1.0, 2.0, 3.0]])
    yield shape("weight_0d", "A class weight that is a single number.", ["weight"], weight=1.0)
    yield shape("sample_weight_too_short", "Two sample weights for three rows.", ["sample_weight"],
                sample_weight=[1.0, 2.0])
    yield shape("sample_weight_2d_for_1d", "Sample weights as a column.", ["sample_weight"],
                sample_weight=[[1.0], [2.0], [3.0]])
    yield shape("sample_weight_0d", "A sample weight that is a single number.", ["sample_weight"],
                sample_weight=2.0)
    yield shape("target_too_short", "Two labels for three rows.", ["target"], target=[2, 0])
    yield shape("target_too_long", "Four labels for three rows.", ["target"], target=[2, 0, 1, 1])
    yield shape("target_column", "Labels as a column.", ["target"], target=[[2], [0], [1]])
    yield shape("target_0d", "One label for three rows.", ["target"], target=2)
    yield shape("target_full_shape_of_integers", "Integers of the input's shape: no distribution.",
                ["target"], target=[[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    yield shape("distribution_too_narrow", "Distributions over two of three classes.", ["target"],
                target=[[0.5, 0.5]] * 3)
    yield shape("distribution_too_few", "Two distributions for three rows.", ["target"],
                target=[[0.5, 0.25, 0.25]] * 2)
    yield shape("distribution_like_labels", "Floats of the labels' shape are no labels.",
                ["target"], target=[2.0, 0.0, 1.0])
    yield shape("distribution_other_axis", "A distribution with its axes exchanged.", ["target"],
                x=[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], target=[[0.5, 0.2, 0.3], [0.5, 0.8, 0.7]])
    yield shape("class_axis_too_large", "Axis 2 of two dimensions.", ["axis"], class_axis=2)
    yield shape("class_axis_too_small", "Axis -3 of two dimensions.", ["axis"], class_axis=-3)
    yield shape("input_0d", "An input without dimensions has no classes.", ["input"], x=0.5,
                target=0)
    yield shape("no_classes", "Rows of no classes.", ["class"], x=[[], []], target=[0, 0])
    yield shape("no_classes_no_rows", "No classes is an error also without rows.", ["class"],
                x=[], shape=[0, 0], target=[])
    yield shape("dimensions_65", "More dimensions than a tensor may have.", ["65"], x=[0.5, 0.25],
                shape=[1] * 64 + [2], target=[0], target_shape=[1] * 64, level="c")
    yield shape("negative_length", "A negative length.", ["-3"], shape=[-3, 3], level="c")

    def dtype(name: str, why: str, words: list[str], **fields: Any) -> Case:
        given = {"target": labels, **fields}
        return case(name, why, x, given.pop("target"), status="CE_ERROR_DTYPE",
                    message_contains=words, **given)

    yield dtype("weight_of_integers", "Class weights have to be floats.", ["weight"],
                weight=[1, 2, 3], weight_dtype="i32", level="c")
    yield dtype("sample_weight_of_integers", "Sample weights have to be floats.",
                ["sample_weight"], sample_weight=[1, 2, 3], sample_weight_dtype="i64", level="c")
    yield dtype("loss_of_integers", "The loss has to be f32 or f64.", ["loss"], loss_dtype="i32",
                level="c")
    for code in (0, 5, 99, -1):
        tag = str(code).replace("-", "minus_")
        yield dtype(f"input_dtype_{tag}", f"{code} is no dtype.", ["input", str(code)],
                    dtype=code, level="c")
    yield dtype("target_dtype_24", "24 is no dtype.", ["target", "24"], target_dtype=24, level="c")
    yield dtype("loss_dtype_77", "77 is no dtype.", ["loss", "77"], loss_dtype=77, level="c")
    for half in HALVES:
        for input_dtype in ("f32", half):
            of = f"{half}_of_{input_dtype}"
            yield dtype(f"loss_{of}", f"The loss is not {half}.", ["loss"], dtype=input_dtype, loss_dtype=half)
    for grad_dtype, of in (
        ("f64", "f16"), ("f64", "bf16"), ("f16", "bf16"), ("bf16", "f16"), ("f16", "f32"), ("bf16", "f64"),
        ("f64", "f32"), ("f32", "f64"),
    ):
        yield dtype(f"grad_{grad_dtype}_of_{of}", "The gradient has the input's dtype, or is the f32 one of a half.",
                    ["grad"], dtype=of, grad_dtype=grad_dtype)
    yield case(
        "input_of_integers", "The input has to be a floating-point one.", [[1, 2, 3], [4, 5, 6]], [0, 1],
        dtype="i32", status="CE_ERROR_DTYPE", message_contains=["input"],
    )

    def huge(name: str, why: str, **fields: Any) -> Case:
        return case(name, why, [0.5, 0.25], [0], status="CE_ERROR_OVERFLOW", message_contains=[],
                    level="c", outputs=["loss"], **fields)

    yield huge("sizes_overflow", "2^40 rows of 2^40 classes.", shape=[2**40, 2**40],
               target_shape=[2**40])
    yield huge("sizes_overflow_to_zero", "A product of 2^64, which wraps to 0.",
               shape=[2**32, 2**32], target_shape=[2**32])
    yield huge("strides_overflow", "A stride whose multiple leaves 63 bits.", shape=[3, 2],
               strides=[2**62, 1], offset=0, target_shape=[3], target_strides=[0],
               target_offset=0)
    yield huge("strides_overflow_negative", "The same downwards.", shape=[4, 2],
               strides=[-(2**62), 1], offset=0, target_shape=[4], target_strides=[0],
               target_offset=0)
