"""Cross-entropy with other targets: a teacher's, sparse ones, a prior; temperature, and derivatives by the target."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .case import DTYPES, HALVES, INF, INPUT_TYPES, INTEGERS, NAN, ROWS, TARGETS, Case, case, numbers, sampled
from .kl import HOLDS

# The cases are tables, which one argument a line would hide:
# fmt: off

WEIGHTS: Case = {"weight": [0.3, 1.7, 0.9], "sample_weight": [0.5, 2.0, 1.25]}
RESTS = ("drop", "spread", "renormalize")
# Three rows of five logits, and what sparse targets name of them.
FIVE = [[0.3, -1.2, 2.1, 0.8, -0.4], [1.5, 0.2, -0.7, -0.1, 0.6], [0.4, 0.9, -2.2, 1.0, 3.1]]
CLASSES = [[2, 0, 4], [0, 3, 1], [4, 1, 2]]
MASSES = {
    "probs": [[0.5, 0.25, 0.1], [0.4, 0.3, 0.2], [0.125, 0.25, 0.5]],
    "logits": [[3.5, 1.5, -0.5], [0.5, 2.0, 1.0], [-1.0, 4.5, 0.25]],
    "log_probs": [[-0.5, -1.5, -2.0], [-0.7, -2.0, -1.5], [-1.0, -0.9, -2.5]],
}


def teachers() -> Iterator[Case]:
    for x, q, dtype in itertools.product(INPUT_TYPES, HOLDS, DTYPES):
        yield case(f"teacher_{q}_for_{x}_{dtype}", "Each type of target and of input, with both derivatives.",
                   ROWS[x], HOLDS[q], input_type=x, target_type=q, dtype=dtype, reduction="none", grad_target=[])
    for q, dtype in itertools.product(HOLDS, HALVES):
        yield case(f"teacher_{q}_{dtype}", "From 16 bits.", ROWS["logits"], HOLDS[q], target_type=q, dtype=dtype,
                   grad_target=[])
    for q, over in itertools.product(HOLDS, ("weight", "count", "divisor")):
        divisor = {"mean_divisor": 2.5} if over == "divisor" else {}
        yield case(f"teacher_{q}_over_{over}", "With weights, smoothing, a mask, in a mean.",
                   [*ROWS["logits"], [NAN, 1.0, INF], [1.0, NAN, 2.0]], [*HOLDS[q], [NAN, 0.5, 0.5], [0.25, NAN, 0.5]],
                   target_type=q, weight=WEIGHTS["weight"], sample_weight=[0.5, 2.0, 1.25, 3.0, 0.0],
                   mask=[1, 1, 1, 0, 1],
                   label_smoothing=0.1, mean_over=over, grad_target=[], **divisor)
    yield case("teacher_mean_over_mass",
               "Over the mass that a teacher's logits come to, without the target's derivative.",
               ROWS["logits"], HOLDS["logits"], target_type="logits", mean_over="mass", **WEIGHTS)
    yield case("teacher_sum", "Added up.", ROWS["logits"], HOLDS["logits"], target_type="logits", reduction="sum",
               grad_loss=-1.5, grad_target=[])
    yield case("teacher_grad_losses", "Each row's upstream gradient.", ROWS["logits"], HOLDS["log_probs"],
               target_type="log_probs", reduction="none", grad_losses=[0.5, -2.0, 0.0], grad_target=[])
    yield case("teacher_terms", "Focal loss and poly-1 of a teacher's distribution.", ROWS["logits"], HOLDS["logits"],
               target_type="logits", reduction="none", focal_gamma=2.0, poly_epsilon=1.0, z_loss=0.01, dtype="f64")
    yield case("teacher_z_loss", "The z-loss does not know the target.", ROWS["logits"], HOLDS["logits"],
               target_type="logits", reduction="none", z_loss=0.5, grad_target=[])
    for dtype, other in itertools.permutations(DTYPES):
        yield case(f"teacher_{other}_for_{dtype}", "A teacher of another precision than the input.", ROWS["logits"],
                   HOLDS["logits"], target_type="logits", dtype=dtype, target_dtype=other, grad_target=[])
    yield case("teacher_clipped", "The derivative by the target of clipped probabilities.",
               [[0.0, 0.05, 0.95], [0.5, 0.25, 0.25]], HOLDS["probs"][:2], input_type="probs", clip=0.1,
               reduction="none",
               grad_target=[])
    yield case("teacher_confident", "Confident rows of both, which agree and do not.",
               [[40.1, 0.3, -1.2], [0.3, 40.1, 7.7]], [[60.0, 1.0, 2.0], [50.0, 3.0, -1.0]], target_type="logits",
               dtype="f64", reduction="none", grad_target=[])
    yield case("teacher_large", "Logits far from 0 on both sides.", [[1e4, 9990.0, 0.0], [80.0, -80.0, 0.0]],
               [[-1e4, -9990.0, 0.0], [80.0, 79.0, -1e4]], target_type="logits", dtype="f64", reduction="none",
               grad_target=[])


def teacher_layouts() -> Iterator[Case]:
    columns = [list(column) for column in zip(*ROWS["logits"])]
    teacher = [list(column) for column in zip(*HOLDS["logits"])]
    yield case("teacher_axis_0", "With the classes not side by side.", columns, teacher, class_axis=0,
               target_type="logits", reduction="none", grad_target=[])
    yield case("teacher_axis_1_of_3", "And in the middle.", numbers(121), numbers(122), shape=[2, 5, 3],
               target_shape=[2, 5, 3], class_axis=1, target_type="logits", dtype="f64", grad_target=[])
    yield case("teacher_strides", "A transposed teacher with gaps, read backwards.", ROWS["logits"], numbers(123),
               target_shape=[3, 3], target_strides=[-2, -6], target_offset=16, buffer_size=17, target_type="logits",
               grad_target=[])
    for (classes, rows), dtype in itertools.product(((4097, 2), (10000, 1)), DTYPES):
        yield case(f"teacher_classes_{classes}_{dtype}", "More than one block.", numbers(124 + classes),
                   numbers(125 + classes), shape=[rows, classes], target_shape=[rows, classes], target_type="logits",
                   dtype=dtype, temperature=1.5, reduction="none", grad_at=sampled(rows, classes, [7, 4096][:rows]))
    yield case("teacher_long_derivative", "The derivative by a teacher of several blocks.", numbers(126), numbers(127),
               shape=[1, 4200], target_shape=[1, 4200], target_type="logits", grad_at=[0, 4199], grad_target=[])
    yield case("probs_long_derivative", "And by probabilities.", numbers(128), numbers(129, -30, 20, 2**20),
               shape=[1, 4200], target_shape=[1, 4200], grad_at=[0, 4199], grad_target=[])
    yield case("teacher_rows_33", "More rows than a vector has lanes.", numbers(130), numbers(131), shape=[33, 4],
               target_shape=[33, 4], target_type="logits", grad_target=[])


def temperatures() -> Iterator[Case]:
    for t, squared, dtype in itertools.product((0.5, 3.0), (0, 1), DTYPES):
        yield case(f"temperature_{t}_{squared}_{dtype}".replace(".", "_"), "Logits of both sides over T.",
                   ROWS["logits"],
                   HOLDS["logits"], target_type="logits", temperature=t, temperature_squared=squared, dtype=dtype,
                   reduction="none", grad_target=[])
    yield case("temperature_of_labels", "With labels.", ROWS["logits"], [2, 0, 1], temperature=2.0)
    yield case("temperature_one", "A temperature of 1 is none.", ROWS["logits"], [2, 0, 1], temperature=1.0,
               temperature_squared=1)
    yield case("temperature_alone_squared", "Labels, weights and terms times T^2.", ROWS["logits"], [2, 0, 1],
               temperature=2.0, temperature_squared=1, z_loss=0.1, focal_gamma=1.5, label_smoothing=0.1, **WEIGHTS)
    yield case("temperature_of_the_target", "Logarithms have no temperature, but the teacher has.", ROWS["log_probs"],
               HOLDS["logits"], input_type="log_probs", target_type="logits", temperature=2.5, temperature_squared=1,
               grad_target=[])
    yield case("temperature_of_the_input", "And the other way round.", ROWS["logits"], HOLDS["log_probs"],
               target_type="log_probs", temperature=0.25, grad_target=[])
    yield case("temperature_and_transforms", "Scaled, capped, then divided.", ROWS["logits"], HOLDS["logits"],
               target_type="logits", logit_scale=3.0, softcap=5.0, temperature=2.0, temperature_squared=1, dtype="f64",
               reduction="none", grad_target=[])
    yield case("temperature_bf16", "From 16 bits.", ROWS["logits"], [2, 0, 1], temperature=3.0, dtype="bf16",
               reduction="none")
    yield case("temperature_odd", "NaN and infinities are what they are.",
               [[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, -INF, -INF], [-INF, 1.0, 2.0], [-INF, 1.0, 2.0]],
               [0, 1, 2, 0, 1], temperature=2.0, reduction="none")


def priors() -> Iterator[Case]:
    prior = [0.5, 0.125, 0.25]
    for kind, dtype in itertools.product(TARGETS, DTYPES):
        yield case(f"prior_{kind}_{dtype}", "Smoothing towards a prior, which need not add up to 1.", ROWS["logits"],
                   TARGETS[kind], label_smoothing=0.3, prior=prior, dtype=dtype, reduction="none")
    for x in ("probs", "log_probs"):
        yield case(f"prior_of_{x}", "For every type of input.", ROWS[x], [2, 0, 1], label_smoothing=0.3, prior=prior,
                   input_type=x)
    yield case("prior_f64", "A prior in f64 for an f32 input.", ROWS["logits"], [2, 0, 1], label_smoothing=0.3,
               prior=prior, prior_dtype="f64")
    yield case("prior_strides", "Read backwards, with gaps.", ROWS["logits"], [2, 0, 1], label_smoothing=0.3,
               prior=[0.25, 9.0, 0.125, 9.0, 0.5], prior_shape=[3], prior_strides=[-2], prior_offset=4)
    yield case("prior_everything", "With weights, terms, a mask, in 16 bits.", ROWS["logits"], [2, 0, 1],
               mask=[1, 1, 0],
               label_smoothing=0.2, prior=prior, dtype="f16", focal_gamma=2.0, z_loss=0.01, **WEIGHTS)
    yield case("prior_zero", "A class without prior has no mass beside the label.",
               [[-INF, 0.5, 1.0], [-INF, 1.0, 0.0]],
               [1, 0], label_smoothing=0.25, prior=[0.0, 0.5, 0.5], reduction="none")
    yield case("prior_negative", "A negative prior is computed as written.", ROWS["logits"], HOLDS["probs"],
               label_smoothing=0.5, prior=[-0.5, 1.0, 0.5], reduction="none", grad_target=[])
    yield case("prior_all", "Smoothing of 1 leaves the prior alone.", ROWS["logits"], HOLDS["logits"],
               target_type="logits", label_smoothing=1.0, prior=prior, reduction="none", grad_target=[])
    yield case("prior_without_smoothing", "Nothing is smoothed, so it does not matter towards what.", ROWS["logits"],
               [2, 0, 1], prior=[0.5, NAN, INF])
    yield case("prior_axis_0", "With the classes not side by side.", numbers(132), [1, 4, 0], shape=[5, 3],
               class_axis=0,
               label_smoothing=0.1, prior=[0.1, 0.2, 0.3, 0.15, 0.25], dtype="f64")
    yield case("prior_long", "In rows of several blocks.", numbers(133), [4096, 5], shape=[2, 4500],
               label_smoothing=0.2, prior=numbers(134, -30, 16, 2**16), prior_shape=[4500],
               grad_at=sampled(2, 4500, [4096, 5]))


def sparse() -> Iterator[Case]:
    for q, rest, dtype in itertools.product(MASSES, RESTS, DTYPES):
        if q != "logits" or rest == "renormalize":
            yield case(f"sparse_{q}_{rest}_{dtype}", "Each type of sparse target, and each rest.", FIVE, CLASSES,
                       target_probs=MASSES[q], target_type=q, target_rest=rest, dtype=dtype, reduction="none")
    for rest, x in itertools.product(RESTS, ("probs", "log_probs")):
        yield case(f"sparse_{rest}_of_{x}", "For every type of input.", ROWS[x], [[2, 0], [0, 1], [1, 2]],
                   target_probs=[[0.5, 0.25], [0.25, 0.5], [0.125, 0.5]], target_rest=rest, input_type=x)
    for rest, dtype in itertools.product(RESTS, HALVES):
        yield case(f"sparse_{rest}_{dtype}", "From 16 bits.", FIVE, CLASSES, target_probs=MASSES["probs"],
                   target_rest=rest, dtype=dtype)
    for integer in INTEGERS:
        yield case(f"sparse_{integer}", "Each integer type.", FIVE, CLASSES, target_probs=MASSES["probs"],
                   target_dtype=integer)
    everything: Case = {"weight": [0.3, 1.7, 0.9, 1.1, 0.6], "sample_weight": [0.5, 2.0, 1.25]}
    for over, rest in itertools.product(("weight", "mass", "count"), RESTS):
        yield case(f"sparse_{rest}_over_{over}", "With weights, in each mean.", FIVE, CLASSES, mean_over=over,
                   target_probs=MASSES["probs"], target_rest=rest, **everything)
    for rest in RESTS:
        yield case(f"sparse_{rest}_ignored",
                   "Entries of the ignored class are left out; a row of nothing else is ignored.",
                   [*FIVE, [NAN, 0.0, INF, 1.0, 2.0]], [[2, -100, 4], [0, 3, -100], [4, 1, 2], [-100, -100, -100]],
                   target_probs=[*MASSES["probs"], [0.5, NAN, 0.25]], target_rest=rest, mean_over="count")
        yield case(f"sparse_{rest}_offsets", "Rows of any length, unsorted; one without entries is ignored.",
                   [*FIVE, [NAN, 0.0, INF, 1.0, 2.0], FIVE[0]], [4, 0, 1, 2, 3, 0, 4, 3, 2, 1, 0],
                   target_probs=[0.1, 0.2, 0.3, 0.4, 0.75, 0.25, 0.1, 0.2, 0.3, 0.25, 0.15], target_rest=rest,
                   target_offsets=[0, 3, 4, 6, 6, 11], reduction="none")
        yield case(f"sparse_{rest}_all_named", "Every class is named: the rest goes nowhere.", ROWS["logits"],
                   [[2, 0, 1]] * 3, target_probs=[[0.5, 0.125, 0.25]] * 3, target_rest=rest, dtype="f64")
        yield case(f"sparse_{rest}_one", "One class each.", FIVE, [[4], [0], [2]], target_probs=[[1.0], [0.75], [0.5]],
                   target_rest=rest, reduction="none")
    # 0.1 and 0.7 of f32 leave 2^-25 of 1, of f64 2^-54; 2^-20 and 2^-40 are more than rounding.
    for dtype, left in (("f32", 2.0**-20), ("f64", 2.0**-40)):
        yield case(f"sparse_rounded_{dtype}", "Probabilities that add up to 1 but for rounding leave nothing.",
                   [[0.3, -INF, 2.1, -INF, -0.4]] * 2, [[0, 2, 4]] * 2,
                   target_probs=[[0.2, 0.7, 0.1], [0.3, 0.1, 0.6]], target_rest="spread", dtype=dtype,
                   reduction="none")
        yield case(f"sparse_nearly_all_{dtype}", "What is more than rounding is spread.",
                   FIVE[:2], [[0, 2, 4], [4, 2, 0]], target_probs=[[0.25, 0.5, 0.25 - left], [0.25 - left, 0.5, 0.25]],
                   target_rest="spread", dtype=dtype, reduction="none")
    yield case("sparse_below_the_rounding_of_a_sum", "Small probabilities that a sum in f64 would lose.",
               [[-800.0, *[0.125] * 64, -800.0]], [[*range(1, 65), 65]],
               target_probs=[[1 - 2.0**-40, *[2.0**-54] * 64]], target_rest="spread", dtype="f64", reduction="none")
    yield case("sparse_ignore_indices", "Several classes that are left out.", FIVE,
               [[2, -100, 4], [0, 7, 7], [9, 9, 7]],
               target_probs=MASSES["probs"], ignore_indices=[7, 9], target_rest="renormalize")
    yield case("sparse_offsets_mean", "In a mean, with a mask, weights and labels of 8 bits.", FIVE, [4, 0, 1, 2],
               target_dtype="u8", target_probs=[0.1, 0.2, 0.3, 0.4], target_offsets=[0, 3, 3, 4], mask=[1, 1, 1],
               **everything)
    yield case("sparse_offsets_of_a_part", "Offsets need not begin at 0 nor end at the end.", FIVE,
               [99, 4, 0, 1, 2, -5],
               target_probs=[NAN, 0.1, 0.2, 0.3, 0.4, NAN], target_offsets=[1, 3, 3, 5], reduction="none")
    yield case("sparse_no_entries", "No class is named in any row.", FIVE, [], target_shape=[3, 0], target_dtype="i64",
               target_probs=[], target_probs_shape=[3, 0], empty="zero")
    yield case("sparse_f64_probs", "Probabilities in f64 for an f32 input.", FIVE, CLASSES,
               target_probs=MASSES["probs"],
               target_probs_dtype="f64", target_rest="spread")
    yield case("sparse_f32_probs", "And the other way round.", FIVE, CLASSES, target_probs=MASSES["probs"],
               target_probs_dtype="f32", target_rest="spread", dtype="f64")
    yield case("sparse_temperature", "A teacher's best logits, over a temperature.", FIVE, CLASSES, temperature=2.0,
               target_probs=MASSES["logits"], target_type="logits", target_rest="renormalize", temperature_squared=1)
    yield case("sparse_terms", "With focal loss, poly-1 and the z-loss.", FIVE, CLASSES, target_probs=MASSES["probs"],
               target_rest="spread", focal_gamma=2.0, poly_epsilon=0.5, z_loss=0.01, reduction="none")
    yield case("sparse_transforms", "Capped and scaled.", FIVE, CLASSES, target_probs=MASSES["probs"],
               target_rest="spread", softcap=3.0, logit_scale=1.5, reduction="none")
    yield case("sparse_grad_losses", "Each row's upstream gradient, and a mask.", FIVE, CLASSES, mask=[1, 0, 1],
               target_probs=MASSES["probs"], reduction="none", grad_losses=[0.5, NAN, -2.0], grad_loss=3.0)
    for axis, rest in ((0, "spread"), (1, "drop")):
        x: dict[str, Any] = {"x": numbers(140 + axis), "shape": [[5, 3], [2, 5, 3]][axis]}
        labels = [[[2, 0, 1], [4, 3, 0]], [[[2, 0, 1], [4, 3, 0]], [[0, 1, 2], [3, 4, 4]]]][axis]
        probs = [[[0.5, 0.25, 0.125], [0.25, 0.5, 0.75]], [[[0.5, 0.25, 0.125], [0.25, 0.5, 0.75]]] * 2][axis]
        yield case(f"sparse_axis_{axis}", "With the classes not side by side.", x["x"], labels, shape=x["shape"],
                   class_axis=axis, target_probs=probs, target_rest=rest, reduction="none")
    yield case("sparse_strides", "Labels and probabilities with steps of their own.", FIVE, [0, 4, 2, 1, 3, 0],
               target_shape=[3, 2], target_strides=[-1, -3], target_offset=5,
               target_probs=[0.5, 9.0, 0.25, 9.0, 0.125, 9.0, 0.25, 9.0, 0.5, 9.0, 0.75], target_probs_shape=[3, 2],
               target_probs_strides=[4, 2], target_probs_offset=0, dtype="f64", reduction="none")
    for rest, dtype in itertools.product(RESTS, DTYPES):
        yield case(f"sparse_{rest}_long_{dtype}", "In rows of several blocks.", numbers(144),
                   [[4999, 17, 4096, 0], [4095, 1, 2500, 4097]], target_probs=[[0.5, 0.25, 0.1, 0.05]] * 2,
                   target_rest=rest, shape=[2, 5000], dtype=dtype, reduction="none",
                   grad_at=sampled(2, 5000, [17, 2500]))
    yield case("sparse_rows_33", "More rows than a vector has lanes, most classes named.", numbers(145),
               [3, 0, 1, 6, 4],
               target_shape=[33, 5], target_strides=[0, 1], target_offset=0, target_probs=numbers(146, -24, 20, 2**20),
               target_probs_shape=[33, 5], target_rest="renormalize", shape=[33, 7], reduction="sum")


def odd() -> Iterator[Case]:
    for dtype, (name, value) in itertools.product(DTYPES, (("nan", NAN), ("infinity", INF))):
        yield case(f"teacher_{name}_{dtype}", "A teacher's row of NaN or +infinity is NaN, and no other.",
                   ROWS["logits"][:2], [[0.5, value, 1.0], HOLDS["logits"][1]], target_type="logits", dtype=dtype,
                   reduction="none", grad_target=[])
    nothing = [-INF, -INF, -INF]
    yield case("teacher_nothing_possible", "A teacher without a possible class is NaN.", ROWS["logits"][:2],
               [nothing, HOLDS["logits"][1]], target_type="logits", grad_target=[])
    yield case("teacher_impossible_class", "A teacher's impossible class has no mass, whatever the input says.",
               [[0.5, 1.0, 2.0], [-INF, 1.0, 2.0]], [[-INF, 0.5, 1.0], [-INF, 2.0, 0.0]], target_type="logits",
               reduction="none", grad_target=[])
    yield case("log_probs_impossible_class", "Nor has a logarithm of -infinity.",
               [[0.5, 1.0, 2.0], [-INF, 1.0, 2.0]], [[-INF, -0.5, -1.0], [-INF, -2.0, 0.0]], target_type="log_probs",
               reduction="none", grad_target=[])
    yield case("log_probs_nan", "NaN among a target's logarithms.", ROWS["logits"][:2],
               [[NAN, -0.5, -1.0], HOLDS["log_probs"][1]], target_type="log_probs", reduction="none", grad_target=[])
    yield case("derivative_of_impossible",
               "Where the input excludes a class without mass, more mass would cost infinity.",
               [[-INF, 1.0, 2.0], [0.5, 1.0, 2.0]], [[0.0, 0.5, 0.5], [0.25, 0.5, 0.25]], reduction="none",
               grad_target=[])
    yield case("derivative_of_zero_probability", "The same for probabilities, and for certain ones: 0.",
               [[0.0, 1.0, 0.5]], [[0.0, 0.5, 0.5]], input_type="probs", reduction="none", grad_target=[])
    yield case("derivative_of_nan", "A row whose loss is NaN has NaN.", [[NAN, 1.0], [1.0, 2.0]],
               [[0.0, 1.0], [0.5, 0.5]], reduction="none", grad_target=[])
    yield case("derivative_of_zero_weight", "A class of weight 0 costs nothing.", [[-INF, 1.0, 2.0], [0.5, 1.0, 2.0]],
               [[0.5, 0.25, 0.25]] * 2, weight=[0.0, 1.0, 2.0], reduction="none", grad_target=[])
    yield case("derivative_of_certain", "A cost of 0 is 0.", [[5.0], [-1.0]], [[0.5], [1.0]], reduction="none",
               grad_target=[])
    for empty in ("nan", "zero", "error"):
        status = {"status": "CE_ERROR_EMPTY"} if empty == "error" else {}
        yield case(f"derivative_of_nothing_{empty}", "Weights that add up to 0, a row of weight 0 and a masked one.",
                   [*ROWS["logits"], [NAN, 1.0, 2.0]], [*HOLDS["probs"], HOLDS["probs"][0]], mask=[1, 1, 1, 0],
                   sample_weight=[1.0, -1.0, 0.0, 5.0], empty=empty, grad_target=[], **status)
        yield case(f"sparse_nothing_{empty}", "No row names a class.", [[NAN, 1.0], [1.0, 2.0]], [[-100], [-100]],
                   target_probs=[[0.5], [NAN]], empty=empty, **status)
    yield case("sparse_renormalize_zero", "A sum of 0 to divide by makes the row NaN.", FIVE[:2], CLASSES[:2],
               target_probs=[[0.0, 0.0, 0.0], [0.5, 0.25, 0.125]], target_rest="renormalize", reduction="none")
    yield case("sparse_over_one", "More than 1 is computed as written: what is spread is negative.", FIVE[:2],
               CLASSES[:2],
               target_probs=[[0.75, 0.5, 0.25], [-0.5, 0.25, 0.125]], target_rest="spread", reduction="none")
    yield case("sparse_nan_probability", "NaN among the probabilities of one row.", FIVE[:2], CLASSES[:2],
               target_probs=[[0.5, NAN, 0.25], [0.5, 0.25, 0.125]], reduction="none")
    for rest in ("drop", "spread"):
        yield case(f"sparse_{rest}_impossible", "Impossible classes: with mass, and with what is spread.",
                   [[-INF, 1.0, 2.0, 0.5], [-INF, 1.0, 2.0, 0.5]], [[0, 2], [1, 2]],
                   target_probs=[[0.25, 0.5], [0.25, 0.5]], target_rest=rest, reduction="none")
    yield case("sparse_odd_rows", "NaN and +infinity among the logits, nothing but -infinity.",
               [[NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF, -INF, -INF], [0.5, 1.0, 2.0]], [[1], [1], [0], [2]],
               target_probs=[[0.5]] * 4, reduction="none")


def errors() -> Iterator[Case]:
    x, q = ROWS["logits"], HOLDS["probs"]

    def bad(name: str, why: str, status: str, texts: list[str], **fields: Any) -> Case:
        given = {"x": x, "target": q, **fields}
        return case(f"error_{name}", why, given.pop("x"), given.pop("target"), status=f"CE_ERROR_{status}",
                    message_contains=texts, **given)

    for value in (-1.0, NAN, INF):
        tag = str(value).replace("-", "minus_").replace(".", "_")
        yield bad(f"temperature_{tag}", "Outside the option's range.", "OPTION", ["temperature"], temperature=value)
    yield bad("temperature_without_logits", "Neither side holds logits.", "OPTION", ["temperature", "logits"],
              x=ROWS["probs"], input_type="probs", temperature=2.0)
    for option, value in (("target_type", 3), ("target_rest", -1), ("target_type", -1), ("target_rest", 3)):
        yield bad(f"unknown_{option}_{str(value).replace('-', 'minus_')}", f"No {option} has the value {value}.",
                  "OPTION",
                  [option], level="c", **{option: value})
    for q_type in ("logits", "log_probs"):
        yield bad(f"{q_type}_of_labels", "Labels are no logits.", "OPTION", ["target_type", "labels"], target=[2, 0, 1],
                  target_type=q_type)
    yield bad("rest_of_distribution", "Only a sparse target has a rest.", "OPTION", ["target_rest", "sparse"],
              target_rest="spread", level="c")
    yield bad("kl_form", "Cross-entropy has one form.", "OPTION", ["kl_form", "KL divergence"], kl_form="plain",
              level="c")
    yield bad("prior_shape", "A prior for each class.", "SHAPE", ["prior"], prior=[0.5, 0.5], label_smoothing=0.1)
    yield bad("prior_dtype", "Of floats.", "DTYPE", ["prior"], prior=[0, 1, 0], prior_dtype="i32", label_smoothing=0.1,
              level="c")
    for name, options in {"focal_gamma": {"focal_gamma": 2.0}, "poly_epsilon": {"poly_epsilon": 1.0},
                          "mean_over": {"mean_over": "mass"}}.items():
        yield bad(f"grad_target_{name}", "The derivative by the target is not to be had with it.", "OPTION",
                  ["grad_target", name], grad_target=[], **options)
    yield bad("grad_target_of_labels", "Labels have no derivative.", "OPTION", ["grad_target", "labels"],
              target=[2, 0, 1], grad_target=[])
    yield bad("grad_target_of_sparse", "Nor have sparse targets.", "OPTION", ["grad_target", "sparse"],
              target=[[2], [0], [1]], target_probs=[[0.5]] * 3, grad_target=[])

    def sparse(name: str, why: str, status: str, texts: list[str], **fields: Any) -> Case:
        given = {"x": FIVE, "target": CLASSES, "target_probs": MASSES["probs"], **fields}
        return bad(f"sparse_{name}", why, status, texts, **given)

    yield sparse("label", "A class that there is not.", "LABEL", ["label 5", "row 1"],
                 target=[CLASSES[0], [0, 5, 1], CLASSES[2]])
    yield sparse("label_negative", "Nor a negative one.", "LABEL", ["label -1", "row 2"],
                 target=[*CLASSES[:2], [-1, 0, 2]])
    yield sparse("label_masked", "A row of weight 0 still needs labels.", "LABEL", ["label 7", "row 0"],
                 target=[[7, 0, 1], *CLASSES[1:]], sample_weight=[0.0, 1.0, 1.0])
    yield sparse("twice", "A class twice in a row.", "LABEL", ["class 3", "row 1", "twice"],
                 target=[CLASSES[0], [3, 1, 3], CLASSES[2]])
    yield sparse("floats", "The classes are integers.", "OPTION", ["target_probs", "distributions"],
                 target=MASSES["probs"], level="c")
    yield sparse("smoothing", "What is not named is spread by target_rest.", "OPTION",
                 ["label_smoothing", "target_probs"],
                 label_smoothing=0.1)
    yield sparse("probs_dtype", "The probabilities are floats.", "DTYPE", ["target_probs"],
                 target_probs=[[1, 0, 0]] * 3,
                 target_probs_dtype="i32", level="c")
    yield sparse("probs_shape", "As many probabilities as classes.", "SHAPE", ["target_probs"],
                 target_probs=[[0.5, 0.25]] * 3)
    yield sparse("rows", "As many rows as the input.", "SHAPE", ["target"], target=CLASSES[:2],
                 target_probs=MASSES["probs"][:2])
    yield sparse("dimensions", "Without offsets, as many dimensions.", "SHAPE", ["target"], target=[0, 1, 2],
                 target_probs=[0.5, 0.25, 0.125])
    yield sparse("logits", "A teacher's logits need all classes to become probabilities.", "OPTION",
                 ["target_type", "target_rest"], target_type="logits")
    flat_target: Case = {"target": [0, 1, 2, 3], "target_probs": [0.5, 0.25, 0.125, 0.0625]}
    yield sparse("offsets_decreasing", "Offsets that go back.", "SHAPE", ["target_offsets"], **flat_target,
                 target_offsets=[0, 3, 2, 4])
    yield sparse("offsets_negative", "Or begin before 0.", "SHAPE", ["target_offsets"], **flat_target,
                 target_offsets=[-1, 1, 2, 4])
    yield sparse("offsets_beyond", "Or end behind the end.", "SHAPE", ["target_offsets"], **flat_target,
                 target_offsets=[0, 1, 2, 5])
    yield sparse("offsets_too_few", "One more than rows.", "SHAPE", ["target_offsets"], **flat_target,
                 target_offsets=[0, 2, 4])
    yield sparse("offsets_2d", "Their classes stand in one dimension.", "SHAPE", ["target"],
                 target_offsets=[0, 1, 2, 3])
    yield sparse("offsets_label", "Their classes are checked.", "LABEL", ["label 9", "row 2"], target=[0, 1, 2, 9],
                 target_probs=[0.5] * 4, target_offsets=[0, 1, 2, 4])
    yield sparse("offsets_twice", "And named once.", "LABEL", ["class 1", "row 0", "twice"], target=[1, 1, 2, 3],
                 target_probs=[0.5] * 4, target_offsets=[0, 2, 3, 4])
    yield case("error_offsets_without_probs", "Offsets of a target that is not sparse.", FIVE, [2, 0, 1],
               target_offsets=[0, 1, 2, 3], status="CE_ERROR_OPTION",
               message_contains=["target_offsets", "target_probs"],
               level="c")
