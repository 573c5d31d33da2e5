"""The odd cases: nothing counts, NaN and infinities, distributions that are none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, INF, INPUT_TYPES, NAN, ROWS, TARGET_KINDS, TARGETS, Case, case

# The cases are tables, which one argument a line would hide:
# fmt: off


def odd_combinations() -> Iterator[tuple[str, str, str, str]]:
    """Every dtype, input type and target kind, with a name for each combination."""
    for input_type, dtype, kind in itertools.product(INPUT_TYPES, DTYPES, TARGET_KINDS):
        yield f"{input_type}_{dtype}_{kind}", input_type, dtype, kind


def odd_nothing_counts() -> Iterator[Case]:
    for tag, input_type, dtype, kind in odd_combinations():
        both: Case = {"input_type": input_type, "dtype": dtype}
        index = kind == "index"
        nothing: Case = {} if index else {"sample_weight": [0.0] * 3}
        target = [-100] * 3 if index else TARGETS[kind]
        how = "Every row is ignored" if index else "Every row has weight 0"
        rows = [[NAN] * 3, *ROWS[input_type][1:]]
        yield case(
            f"empty_batch_{tag}", "No rows: the mean is NaN.", [], [], shape=[0, 3],
            target_shape=[0] if index else [0, 3], target_dtype="i64" if index else dtype, **both,
        )
        for empty, gives in (("nan", "a loss of NaN"), ("zero", "0"), ("error", "an error")):
            expected = {"status": "CE_ERROR_EMPTY"} if empty == "error" else {}
            yield case(
                f"nothing_counts_{empty}_{tag}", f"{how}, empty={empty}: {gives}; gradients of 0.",
                rows, target, empty=empty, **both, **nothing, **expected,
            )
        yield case(
            f"nothing_counts_sum_{tag}", f"{how}: the sum is 0, whatever the rows hold.", rows,
            target, reduction="sum", **both, **nothing,
        )
    rows = ROWS["logits"]
    for empty in ("nan", "zero", "error"):
        expected = {"status": "CE_ERROR_EMPTY"} if empty == "error" else {}
        yield case(
            f"weights_cancel_{empty}", f"Sample weights that add up to 0, empty={empty}.", rows,
            [2, 0, 1], sample_weight=[1.0, -1.0, 0.0], empty=empty, **expected,
        )
        yield case(
            f"zero_class_weights_{empty}", f"All labels have class weight 0, empty={empty}.", rows,
            [2, 0, 0], weight=[0.0, 1.0, 0.0], empty=empty, **expected,
        )
        yield case(
            f"zero_mass_{empty}", f"A distribution of zeros averaged over its mass, empty={empty}.",
            rows[:2], [[0.0] * 3] * 2, mean_over="mass", empty=empty, **expected,
        )
        yield case(
            f"empty_batch_count_{empty}", f"No rows averaged over their count, empty={empty}.", [],
            [], shape=[0, 3], mean_over="count", empty=empty, **expected,
        )
    yield case(
        "empty_batch_divisor", "No rows, and a divisor given as a number: 0, not NaN.", [], [],
        shape=[0, 3], mean_over="divisor", mean_divisor=4.0, empty="error",
    )
    yield case(
        "weights_zero_count", "Over the count, rows of weight 0 give a mean of 0.", rows,
        [2, 0, 1], sample_weight=[0.0, 0.0, 0.0], mean_over="count", empty="error",
    )
    yield case(
        "empty_error_not_empty", "empty=error changes nothing where rows count.", rows, [2, 0, 1],
        empty="error",
    )
    yield case(
        "no_rows_4d", "A length of 0 in a dimension that is not the first.", [], [],
        shape=[2, 3, 0, 4], target_shape=[2, 0, 4], class_axis=1, reduction="none",
    )


def with_row(
    input_type: str, changes: list[tuple[int, int, float]]
) -> list[list[float]]:
    """The ordinary rows with some (row, class) replaced."""
    rows = [list(row) for row in ROWS[input_type]]
    for row, column, value in changes:
        rows[row][column] = value
    return rows


def odd_rows() -> Iterator[Case]:
    sparse = [[0.0, 0.3, 0.7], [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]
    for tag, input_type, dtype, kind in odd_combinations():
        both: Case = {"input_type": input_type, "dtype": dtype}
        index = kind == "index"
        skipped: Case = {} if index else {"sample_weight": [1.0, 0.0, 2.0]}
        yield case(
            f"skipped_row_holds_nan_{tag}", "A row that does not count may hold anything.",
            with_row(input_type, [(1, 0, NAN), (1, 1, INF), (1, 2, -INF)]),
            [2, -100, 1] if index else TARGETS[kind], **both, **skipped,
        )
        target = TARGETS["index"] if index else sparse
        for name, value, why in (
            ("minus_infinity", -INF, "-infinity"), ("nan", NAN, "NaN"),
            ("infinity", INF, "+infinity"),
        ):
            yield case(
                f"{name}_in_row_{tag}",
                f"{why} at a class without mass in row 0, and with mass in row 1; row 2 is "
                "untouched by both.",
                with_row(input_type, [(0, 0, value), (1, 0, value)]), target, reduction="none",
                **both,
            )
    for dtype, kind in itertools.product(DTYPES, TARGET_KINDS):
        yield case(
            f"all_minus_infinity_{dtype}_{kind}", "A row without a possible class is NaN.",
            with_row("logits", [(1, c, -INF) for c in range(3)]), TARGETS[kind], dtype=dtype,
            reduction="none",
        )
        yield case(
            f"probability_zero_{dtype}_{kind}",
            "A probability of 0: +infinity where it has mass, nothing where it has none.",
            with_row("probs", [(0, 0, 0.0), (1, 0, 0.0)]),
            TARGETS["index"] if kind == "index" else sparse, dtype=dtype, input_type="probs",
            reduction="none",
        )
        yield case(
            f"nan_row_in_mean_{dtype}_{kind}",
            "A NaN row makes the mean NaN, and the gradient of no other row.",
            with_row("logits", [(1, 1, NAN)]), TARGETS[kind], dtype=dtype,
        )
        yield case(
            f"infinite_loss_in_mean_{dtype}_{kind}",
            "An impossible target makes the mean infinite and leaves all gradients finite.",
            with_row("logits", [(1, 0, -INF)]), TARGETS[kind], dtype=dtype,
        )
    yield case(
        "negative_probability", "A negative probability with mass gives NaN, without mass nothing.",
        with_row("probs", [(0, 0, -0.1), (1, 0, -0.1)]), [2, 0, 1], input_type="probs",
        reduction="none",
    )
    yield case(
        "one_possible_class", "All classes but one are impossible: loss 0, gradient 0.",
        [[-INF, 3.3, -INF], [-INF, -INF, -7.1]], [1, 2], reduction="none",
    )
    yield case(
        "one_class_minus_infinity", "C = 1 and an impossible class: NaN.", [[-INF], [0.7]], [0, 0],
        reduction="none",
    )
    yield case(
        "infinite_loss_weighted", "A negative weight turns an infinite loss around.",
        [[-INF, 3.3, 0.1], [0.2, 0.4, -INF]], [0, 2], sample_weight=[-1.0, 2.0], reduction="none",
    )
    yield case(
        "infinities_cancel", "+infinity and -infinity make a sum NaN.",
        [[-INF, 3.3, 0.1], [0.2, 0.4, -INF]], [0, 2], sample_weight=[-1.0, 2.0], reduction="sum",
    )
    yield case(
        "zero_weight_hides_minus_infinity", "w_c = 0 makes the term 0, also where z_c = -infinity.",
        [[-INF, 3.3, 0.1]], [[0.4, 0.4, 0.2]], weight=[0.0, 1.0, 2.0],
    )


def odd_targets() -> Iterator[Case]:
    for input_type, dtype in itertools.product(INPUT_TYPES, DTYPES):
        tag = f"{input_type}_{dtype}"
        both: Case = {"input_type": input_type, "dtype": dtype, "reduction": "none"}
        rows = ROWS[input_type]
        yield case(
            f"unnormalised_{tag}",
            "Distributions that add up to 2.4, 0.3 and 1000 are computed as written.", rows,
            [[0.8, 0.8, 0.8], [0.1, 0.1, 0.1], [500.0, 250.0, 250.0]], **both,
        )
        yield case(
            f"negative_distribution_{tag}", "Negative target masses are computed as written.",
            rows, [[-0.2, 0.5, 0.7], [1.5, -0.25, -0.25], [-1.0, -2.0, -0.5]], **both,
        )
        yield case(
            f"distribution_adds_to_zero_{tag}", "A distribution of sum 0: the gradient is -q.",
            rows[:1], [[0.5, -0.5, 0.0]], **both,
        )
        yield case(
            f"distribution_of_zeros_{tag}", "No mass at all: loss 0 and gradient 0.",
            rows[:2], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], **both,
        )
    for dtype in DTYPES:
        yield case(
            f"distribution_of_nan_{dtype}", "A NaN among the target probabilities of one row.",
            ROWS["logits"][:2], [[0.5, NAN, 0.5], [0.0, 1.0, 0.0]], dtype=dtype, reduction="none",
        )
    yield case(
        "distribution_of_zeros_nan_row", "A NaN logit shows also where no class has mass.",
        [[0.3, NAN, 2.1]], [[0.0, 0.0, 0.0]],
    )
