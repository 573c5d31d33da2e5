"""Second derivatives of cross-entropy: products with a vector, and the diagonal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from . import case as make
from .case import DTYPES, HALVES, INF, NAN, ROWS, TARGET_KINDS, TARGETS, Case, numbers, sampled
from .kl import HOLDS
from .targets import CLASSES, FIVE, MASSES

# The cases are tables, which one argument a line would hide:
# fmt: off

VECTOR = [[0.5, -1.5, 2.0], [1.0, 0.25, -0.75], [-2.0, 0.5, 1.5]]
WEIGHTS: Case = {"weight": [0.3, 1.7, 0.9], "sample_weight": [0.5, 2.0, 1.25]}


def both(name: str, why: str, x: Any, target: Any, vector: Any, **fields: Any) -> Iterator[Case]:
    """The product with a vector, and the diagonal."""
    yield make.case(f"hvp_{name}", why, x, target, loss_function="hessian_vector_product", vector=vector, **fields)
    without = {key: value for key, value in fields.items() if not key.startswith("vector_")}
    yield make.case(f"hessian_diagonal_{name}", why, x, target, loss_function="hessian_diagonal", **without)


def ordinary() -> Iterator[Case]:
    x = ROWS["logits"]
    for kind, dtype in itertools.product(TARGET_KINDS, (*DTYPES, *HALVES)):
        yield from both(f"{kind}_{dtype}", "Each type of input, with labels and distributions.", x, TARGETS[kind],
                        VECTOR,
                        dtype=dtype, reduction="none")
    for kind, over in itertools.product(TARGET_KINDS, ("weight", "mass", "count", "divisor")):
        divisor = {"mean_divisor": 2.5} if over == "divisor" else {}
        yield from both(f"{kind}_over_{over}", "With weights, in each mean.", x, TARGETS[kind], VECTOR, mean_over=over,
                        **WEIGHTS, **divisor)
    for name, options in {
        "sum": {"reduction": "sum"},
        "grad_loss": {"grad_loss": -1.5},
        "grad_losses": {"grad_losses": [0.5, -2.0, 0.0], "reduction": "none", "grad_loss": 3.0},
        "z_loss": {"z_loss": 0.5, "reduction": "none"},
        "z_loss_weights": {"z_loss": 0.01, **WEIGHTS},
        "smoothing": {"label_smoothing": 0.1, **WEIGHTS},
        "prior": {"label_smoothing": 0.3, "prior": [0.5, 0.125, 0.25], **WEIGHTS},
        "mask": {"mask": [1, 0, 1]},
        "scale": {"logit_scale": 0.7, "dtype": "f64", "reduction": "none"},
        "temperature": {"temperature": 3.0, "z_loss": 0.1, "reduction": "none"},
        "temperature_squared": {"temperature": 3.0, "temperature_squared": 1, "reduction": "none"},
        "scale_and_temperature": {"logit_scale": -2.0, "temperature": 0.5, "z_loss": 0.1, "dtype": "f64"},
    }.items():
        yield from both(name, "With each option that touches it.", x, [2, 0, 1], VECTOR, **options)
    yield from both("ignored", "Ignored rows have 0, whatever they hold.", [*x, [NAN, INF, 1.0], [NAN, 0.0, 1.0]],
                    [2, 0, 1, -100, 7], [*VECTOR, [NAN, 1.0, 2.0], [1.0, 2.0, 3.0]], ignore_indices=[7],
                    mean_over="count")
    yield from both("zero_weight", "So have rows of weight 0.", [*x, [NAN, 1.0, 2.0]], [2, 0, 1, 1],
                    [*VECTOR, [NAN, 1.0, 2.0]], weight=[0.0, 1.0, 2.0], sample_weight=[1.0, 2.0, 0.5, 0.0])
    yield from both("teacher", "Of a teacher only the mass counts.", x, HOLDS["logits"], VECTOR, target_type="logits",
                    dtype="f64", reduction="none", **WEIGHTS)
    yield from both("log_probs", "Of logarithms too.", x, HOLDS["log_probs"], VECTOR, target_type="log_probs",
                    reduction="none")
    yield from both("unnormalised", "A is the sum of the masses, which may be negative.", x,
                    [[0.8, 0.8, 0.8], [-0.5, 0.25, 0.0], [0.0, 0.0, 0.0]], VECTOR, reduction="none")
    for rest in ("drop", "spread", "renormalize"):
        yield from both(f"sparse_{rest}", "Sparse targets.", FIVE, CLASSES, [[*row, 0.5, -0.25] for row in VECTOR],
                        target_probs=MASSES["probs"], target_rest=rest, weight=[0.3, 1.7, 0.9, 1.1, 0.6])
    yield from both("sparse_offsets", "Of any length; a row without entries is ignored.", FIVE, [4, 0, 1, 2],
                    [[*row, 0.5, -0.25] for row in VECTOR], target_probs=[0.1, 0.2, 0.3, 0.4],
                    target_offsets=[0, 3, 3, 4],
                    reduction="none")
    yield from both("f32_of_bf16", "A result of another type than the input.", x, [2, 0, 1], VECTOR, dtype="bf16",
                    grad_dtype="f32")
    for dtype, other in (("f32", "f64"), ("f64", "f32"), ("f32", "bf16"), ("f16", "f64")):
        yield make.case(f"hvp_{other}_vector_of_{dtype}", "A vector of another type than the input.", x, [2, 0, 1],
                        loss_function="hessian_vector_product", vector=VECTOR, vector_dtype=other, dtype=dtype)


def magnitudes() -> Iterator[Case]:
    for dtype in DTYPES:
        yield from both(f"confident_{dtype}", "Confident rows keep their digits.",
                        [[40.1, 0.3, -1.2], [0.3, 30.1, 7.7], [17.0, 0.0, 16.0]], [0, 0, 2], VECTOR, dtype=dtype,
                        reduction="none")
        yield from both(f"large_{dtype}", "Logits far from 0.",
                        [[1e4, 9999.5, 0.0], [-1e4, -9999.0, -1e4], [80.0, -80.0, 79.0]], [0, 1, 2], VECTOR,
                        dtype=dtype,
                        reduction="none")
        yield make.case(f"hvp_constant_vector_{dtype}", "H times a constant is 0: logits may be shifted.",
                        ROWS["logits"],
                        [2, 0, 1], loss_function="hessian_vector_product", vector=[[2.5] * 3, [-1.0] * 3, [0.0] * 3],
                        dtype=dtype, reduction="none")
        yield make.case(f"hvp_nearly_constant_{dtype}", "And nearly 0 times nearly a constant.", ROWS["logits"],
                        [2, 0, 1],
                        loss_function="hessian_vector_product", dtype=dtype, reduction="none",
                        vector=[[1000.0, 1000.0 + 2.0**-12, 1000.0], [1.0, 1.0, 1.0 - 2.0**-20], [-5.0, -5.0, -5.0]])
    huge = 1e300
    yield from both("huge", "As far apart as f64 goes.", [[huge, 0.0, -huge], [huge, huge, 1.0], [-huge, 0.0, 1.0]],
                    [0, 1, 2], VECTOR, dtype="f64", reduction="none")
    yield from both("impossible", "Impossible classes, with mass and without: the loss may be infinite, this is not.",
                    [[-INF, 1.0, 2.0], [-INF, 1.0, 2.0], [-INF, 3.0, -INF]], [0, 1, 1], VECTOR, reduction="none")
    yield from both("odd_rows", "NaN, +infinity and nothing possible: NaN in these rows alone.",
                    [[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, -INF, -INF], [1.0, 2.0, 3.0]], [0, 1, 2, 0],
                    [*VECTOR, [1.0, 2.0, 3.0]], reduction="none")
    yield from both("one_class", "One class is certain: 0, but for the z-loss.", [[3.5], [-2.0]], [0, 0],
                    [[2.0], [-1.0]],
                    reduction="none", z_loss=0.25)
    yield from both("one_class_plain", "And without it 0.", [[3.5], [-2.0]], [0, 0], [[2.0], [-1.0]], reduction="none")
    for empty in ("nan", "zero", "error"):
        status = {"status": "CE_ERROR_EMPTY"} if empty == "error" else {}
        yield from both(f"nothing_{empty}", "Weights that add up to 0, and an ignored row.",
                        [*ROWS["logits"]], [2, 0, -100], VECTOR, sample_weight=[1.0, -1.0, 5.0], empty=empty, **status)
    yield from both("no_rows", "No rows, nothing to write.", [], [], [], shape=[0, 3], target_shape=[0],
                    target_dtype="i64", vector_shape=[0, 3], reduction="sum")
    yield from both("vector_of_the_largest_numbers", "Their differences are beyond f64, and what comes of them is not.",
                    [[1.0, 2.0, 0.5]] * 2, [0, 1], [[-1.7e308, 1.7e308, 1e308], [1.5e308, -1e308, -1.6e308]],
                    dtype="f64", sample_weight=[1e-3, 0.25], reduction="none")


def layouts() -> Iterator[Case]:
    columns = [list(column) for column in zip(*ROWS["logits"])]
    yield from both("axis_0", "With the classes not side by side.", columns, [2, 0, 1], VECTOR, class_axis=0,
                    reduction="none")
    yield from both("axis_1_of_3", "And in the middle.", numbers(151), [[1, 4, 0], [2, 3, 3]], numbers(152),
                    shape=[2, 5, 3], vector_shape=[2, 5, 3], class_axis=1, dtype="f64", z_loss=0.1)
    yield from both("strides", "Input and vector with steps of their own.", numbers(153), [2, 0], numbers(154),
                    shape=[2, 3], strides=[-1, -3], offset=8, buffer_size=9, vector_shape=[2, 3],
                    vector_strides=[0, 2], vector_offset=1, reduction="none")
    for (classes, rows), dtype in itertools.product(((4097, 2), (10000, 1)), DTYPES):
        yield from both(f"classes_{classes}_{dtype}", "More than one block.", numbers(155 + classes), [4096, 3][:rows],
                        numbers(156 + classes), shape=[rows, classes], vector_shape=[rows, classes], dtype=dtype,
                        z_loss=0.01, grad_at=sampled(rows, classes, [4096, 3][:rows]))
    yield from both("rows_33", "More rows than a vector has lanes.", numbers(157), {"constant": 2}, numbers(158),
                    shape=[33, 4], target_shape=[33], target_dtype="i64", vector_shape=[33, 4])


def errors() -> Iterator[Case]:
    x = ROWS["logits"]

    def bad(name: str, why: str, status: str, texts: list[str], **fields: Any) -> Iterator[Case]:
        given = {"x": x, "target": [2, 0, 1], "vector": VECTOR, **fields}
        return both(f"error_{name}", why, given.pop("x"), given.pop("target"), given.pop("vector"),
                    status=f"CE_ERROR_{status}", message_contains=texts, **given)

    for name, value in (("focal_gamma", 2.0), ("poly_epsilon", 1.0), ("softcap", 3.0)):
        yield from bad(name, "What has no second derivative here.", "OPTION", [name, "second derivative"],
                       **{name: value})
    for kind in ("probs", "log_probs"):
        yield from bad(kind, "Only logits have one.", "OPTION", ["input_type", "LOGITS"], x=ROWS[kind], input_type=kind)
    yield from bad("label", "Labels are checked.", "LABEL", ["label 3", "row 1"], target=[2, 3, 1])
    yield from bad("target_shape", "So is the target's shape.", "SHAPE", ["target"], target=[2, 0])
    yield from bad("grad_dtype", "The result has the input's dtype.", "DTYPE", ["output"], grad_dtype="f64")
    for name, why, status, fields in (
        ("vector_shape", "The vector has the input's shape.", "SHAPE", {"vector": [[1.0, 2.0]] * 3}),
        ("vector_rows", "With as many rows.", "SHAPE", {"vector": VECTOR[:2]}),
        ("vector_dtype", "Of floats.", "DTYPE", {"vector": [[1, 2, 3]] * 3, "vector_dtype": "i32"}),
    ):
        yield make.case(f"hvp_error_{name}", why, x, [2, 0, 1], loss_function="hessian_vector_product",
                        status=f"CE_ERROR_{status}", message_contains=["vector"], **fields)
