"""Losses with more than -log p: focal weighting, poly-1 and the z-loss."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, HALVES, INF, NAN, ROWS, TARGET_KINDS, TARGETS, Case, case, numbers, sampled

# The cases are tables, which one argument a line would hide:
# fmt: off

TERMS = {
    "z_loss": {"z_loss": 0.01},
    "focal": {"focal_gamma": 2.0},
    "poly": {"poly_epsilon": 1.5},
    "all": {"z_loss": 1e-4, "focal_gamma": 1.5, "poly_epsilon": -0.5},
}


def terms() -> Iterator[Case]:
    x = ROWS["logits"]
    for (name, options), kind, dtype in itertools.product(TERMS.items(), TARGET_KINDS, DTYPES):
        yield case(
            f"terms_{name}_{kind}_{dtype}", "Each term alone, and all together.",
            x, TARGETS[kind], dtype=dtype, reduction="none", **options,
        )
    for name, options in TERMS.items():
        yield case(
            f"terms_{name}_weights", "Class weights multiply all but the z-loss, sample weights all; an ignored row "
            "has none.", [*x, [1.0, 2.0, 3.0]], [2, 0, 1, -100],
            weight=[0.3, 1.7, 0.9], sample_weight=[0.5, 2.0, 1.25, 3.0],
            grad_loss=-1.5, **options,
        )
        yield case(
            f"terms_{name}_smoothing", "Of a smoothed label every class has a term.",
            x, [2, 0, 1], label_smoothing=0.1, weight=[0.3, 1.7, 0.9], mean_over="mass", **options,
        )
        yield case(
            f"terms_{name}_f16", "From 16 bits.", x, [2, 0, 1], dtype="f16", reduction="sum", **options,
        )
        yield case(
            f"terms_{name}_axis_0", "With the classes not side by side.",
            [[0.3, 1.5, 0.4], [-1.2, 0.2, 0.9], [2.1, -0.7, -2.2]], [2, 0, 1], class_axis=0, **options,
        )


def confident_terms() -> Iterator[Case]:
    rows = [[40.0, 0.0, -3.0], [0.0, 40.0, -3.0], [80.0, 0.0, 1.0]]
    for (name, options), dtype in itertools.product(TERMS.items(), DTYPES):
        yield case(
            f"terms_{name}_confident_{dtype}", "1 - p keeps its digits where p is nearly 1.",
            rows, [0, 0, 0], dtype=dtype, reduction="none", **options,
        )
        yield case(
            f"terms_{name}_confident_distribution_{dtype}", "Also for distributions.",
            rows, [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]], dtype=dtype, reduction="none", **options,
        )
    for gamma in (0.25, 0.5, 1.0, 5.0, 30.0):
        yield case(
            f"terms_focal_gamma_{gamma}".replace(".", "_"), "Exponents below 1, where the slope of (1 - p)^gamma is "
            "steep at p = 1, and large ones.", [[12.0, 0.0], [0.0, 12.0], [1.0, 1.0]], [0, 0, 1], dtype="f64",
            reduction="none", focal_gamma=gamma,
        )
    yield case(
        "terms_focal_below_f32", "A focal loss too small for f32 is 0.", [[80.0, 0.0]], [0], focal_gamma=2.0,
    )
    yield case(
        "terms_z_loss_near_zero", "lse near 0 though its parts are not.",
        [[-0.6931471824645996, -0.6931471824645996], [-1.0986, -1.0987]], [0, 1], z_loss=10.0, reduction="none",
    )
    yield case(
        "terms_z_loss_large_logits", "lse^2 of large logits.", [[1e15, 2.0], [-300.0, -301.0]], [0, 1], z_loss=1e-4,
        reduction="none",
    )
    yield case(
        "terms_z_loss_largest_logit", "A derivative near the largest number, and blocks that are nothing.",
        numbers(170, put=[[5000, 1.7e308]]), [3], shape=[1, 5001], dtype="f64", z_loss=1e-10, reduction="none",
        grad_at=sampled(1, 5001, [3]))
    yield case("terms_single_class", "With one class p is 1: only poly-1's slope and the z-loss are left.",
               [[3.0], [-2.0]], [0, 0], reduction="none", z_loss=0.5, poly_epsilon=1.0)
    yield case("terms_single_class_focal", "And with gamma not even that.",
               [[3.0], [-2.0]], [0, 0], reduction="none", focal_gamma=0.5)


def long_terms() -> Iterator[Case]:
    for (name, options), classes in itertools.product(TERMS.items(), (300, 5000)):
        yield case(
            f"terms_{name}_long_{classes}", "Rows beyond columns, and of several blocks.",
            numbers(71 + classes), [5, classes - 1], shape=[2, classes], grad_at=sampled(2, classes, [5, classes - 1]),
            **options,
        )
    yield case(
        "terms_all_long_smoothed", "Distributions of several blocks.", numbers(75), [4096], shape=[1, 4500],
        label_smoothing=0.2, grad_at=sampled(1, 4500, [4096]), **TERMS["all"],
    )


def odd_terms() -> Iterator[Case]:
    for name, options in TERMS.items():
        yield case(
            f"terms_{name}_odd_rows", "NaN, infinities and impossible classes, as without terms.",
            [[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, -INF, -INF], [-INF, 1.0, 2.0], [-INF, 1.0, 2.0],
             [-INF, 0.5, -INF]],
            [0, 1, 2, 0, 1, 1], reduction="none", **options,
        )
        yield case(
            f"terms_{name}_odd_distributions", "The same for distributions.",
            [[NAN, 1.0, 2.0], [-INF, 1.0, 2.0], [-INF, 1.0, 2.0], [1.0, 2.0, 3.0]],
            [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]], reduction="none", **options,
        )
    yield case("terms_empty_batch", "No rows, no loss.", [], [], shape=[0, 3], target_shape=[0], reduction="sum",
               target_dtype="i64", z_loss=1.0, focal_gamma=1.0)


TRANSFORMS = {
    "softcap": {"softcap": 2.5},
    "scale": {"logit_scale": 0.7},
    "both": {"softcap": 30.0, "logit_scale": 3.0},
}


def transforms() -> Iterator[Case]:
    x = ROWS["logits"]
    for (name, options), kind, dtype in itertools.product(TRANSFORMS.items(), TARGET_KINDS, (*DTYPES, *HALVES)):
        yield case(
            f"transform_{name}_{kind}_{dtype}", "Logits that are capped, scaled or both, of every type.",
            x, TARGETS[kind], dtype=dtype, reduction="none", **options,
        )
    for name, options in TRANSFORMS.items():
        yield case(
            f"transform_{name}_everything", "With weights, smoothing and all terms.",
            [*x, [1.0, 2.0, 3.0]], [2, 0, 1, -100], weight=[0.3, 1.7, 0.9], sample_weight=[0.5, 2.0, 1.25, 3.0],
            label_smoothing=0.1, **TERMS["all"], **options,
        )
        yield case(
            f"transform_{name}_axis_0", "With the classes not side by side.",
            [[0.3, 1.5, 0.4], [-1.2, 0.2, 0.9], [2.1, -0.7, -2.2]], [2, 0, 1], class_axis=0, **options,
        )
        yield case(
            f"transform_{name}_f32_grad_of_bf16", "A gradient of another type than the input.", x, [2, 0, 1],
            dtype="bf16", grad_dtype="f32", **options,
        )
        yield case(
            f"transform_{name}_long", "Rows of several blocks.", numbers(78), [5, 4999], shape=[2, 5000],
            grad_at=sampled(2, 5000, [5, 4999]), **options,
        )
        yield case(
            f"transform_{name}_odd", "NaN and infinities are what they are without a transform.",
            [[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, -INF, -INF], [-INF, 1.0, 2.0], [-INF, 1.0, 2.0]],
            [0, 1, 2, 0, 1], reduction="none", **options,
        )
        yield case(
            f"transform_{name}_odd_distribution", "The same for distributions.",
            [[NAN, 1.0, 2.0], [-INF, 1.0, 2.0], [-INF, 1.0, 2.0]],
            [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]], reduction="none", **options,
        )
        yield case(
            f"transform_{name}_confident", "Far out in the cap's flat part the gradient keeps its digits.",
            [[300.0, -200.0, 10.0], [10.0, 90.0, -90.0]], [0, 2], dtype="f64", reduction="none", **options,
        )
    yield case("transform_wide_cap", "A cap far beyond the logits hardly changes them.", x, [2, 0, 1], dtype="f64",
               softcap=1e9, reduction="none")
    yield case("transform_tiny_logits", "Near 0 the cap keeps the logits' digits.",
               [[1e-12, -3e-12], [1e-200, 0.0]], [0, 1],
               dtype="f64", softcap=4.0, reduction="none")
    yield case("transform_negative_scale", "A negative scale turns the logits round.", x, [2, 0, 1], logit_scale=-1.5)
    yield case("transform_negative_scale_infinity", "And makes +infinity of an impossible class.",
               [[-INF, 1.0], [INF, 1.0]], [1, 1], logit_scale=-1.0, reduction="none")


def term_errors() -> Iterator[Case]:
    x = ROWS["probs"]
    names = ("z_loss", "focal_gamma", "poly_epsilon", "softcap", "logit_scale")
    for name, value, kind in itertools.product(names, (0.5,), ("probs", "log_probs")):
        yield case(
            f"error_{name}_{kind}", "Only logits have a softmax to look at.", x, [2, 0, 1], input_type=kind,
            status="CE_ERROR_OPTION", message_contains=[name, "logits", "probabilities"], **{name: value},
        )
    for name, value in (("z_loss", -1.0), ("z_loss", NAN), ("z_loss", INF), ("focal_gamma", -0.5), ("focal_gamma", NAN),
                        ("focal_gamma", INF), ("poly_epsilon", NAN), ("poly_epsilon", INF), ("poly_epsilon", -INF),
                        ("softcap", -1.0), ("softcap", NAN), ("softcap", INF), ("logit_scale", 0.0),
                        ("logit_scale", NAN), ("logit_scale", INF)):
        yield case(
            f"error_{name}_{value}".replace("-", "minus_").replace(".", "_"), "Outside the option's range.",
            x, [2, 0, 1], status="CE_ERROR_OPTION", message_contains=[name, "finite"], **{name: value},
        )
