"""Numbers of classes and rows, class axes, memory layouts, dtypes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .case import DTYPES, INTEGERS, NAN, ROWS, Case, case, numbers, sampled

# The cases are tables, which one argument a line would hide:
# fmt: off


def lengths() -> Iterator[Case]:
    for dtype in DTYPES:
        for classes in (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33):
            rows = 3 if classes < 20 else 2
            yield case(
                f"classes_{classes}_{dtype}",
                f"{classes} classes: at, before or after the edge of a vector of lanes.",
                numbers(classes, put=[(0, 9.625)]), [0, classes - 1, classes // 2][:rows],
                shape=[rows, classes], dtype=dtype, reduction="none",
            )
    long = (1000, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 4097, 10007, 100003)
    for dtype, classes in itertools.product(DTYPES, long):
        if dtype == "f64" and classes in (1023, 2047, 2049, 4096):
            continue
        rows = 2 if classes < 100000 else 1
        labels = [classes - 1, classes // 2][:rows]
        yield case(
            f"classes_{classes}_{dtype}",
            f"{classes} classes: at, before or after the edge of a block, or a vocabulary.",
            numbers(classes + 1), labels, shape=[rows, classes], dtype=dtype, reduction="none",
            grad_at=sampled(rows, classes, labels),
        )
    yield case(
        "one_class_distribution", "With one class the gradient is q - q, whatever q is.",
        [[0.7], [-300.1]], [[0.3], [2.5]], reduction="none",
    )
    yield case(
        "one_class_smoothed", "With one class smoothing changes nothing.", [[0.7], [9.3]], [0, 0],
        label_smoothing=0.1, reduction="none",
    )
    for dtype in DTYPES:
        yield case(
            f"long_confident_{dtype}",
            "5000 classes and one that leads by 30: the loss is the sum of 4999 small terms.",
            numbers(7, exponent=-22, put=[(4321, 32.703125)]), [4321], shape=[1, 5000], dtype=dtype,
            grad_at=sampled(1, 5000, [4321]),
        )
        yield case(
            f"long_offset_{dtype}",
            "3000 classes around 1000, on a grid of 2^-13.",
            numbers(11, exponent=-13, bits=17, shift=8192000), [17], shape=[1, 3000],
            dtype=dtype, grad_at=sampled(1, 3000, [17]),
        )
        yield case(
            f"long_distribution_{dtype}",
            "A distribution over 3001 classes, not normalised.",
            numbers(13), numbers(14, exponent=-34, shift=8388608), shape=[1, 3001],
            target_shape=[1, 3001], dtype=dtype, grad_at=sampled(1, 3001, [5]),
        )
        yield case(
            f"long_smoothed_{dtype}",
            "Label smoothing over 4097 classes.",
            numbers(15), [4096, 1], shape=[2, 4097], dtype=dtype, label_smoothing=0.1,
            grad_at=sampled(2, 4097, [4096, 1]),
        )
        yield case(
            f"long_probs_{dtype}",
            "Probabilities of 2500 classes.",
            numbers(16, exponent=-35, shift=8388609), [2499], shape=[1, 2500], dtype=dtype,
            input_type="probs", grad_at=sampled(1, 2500, [2499]),
        )
    yield case(
        "long_equal",
        "8192 equal logits: the sum of ones is exact.",
        {"constant": 0.5}, [77], shape=[1, 8192], grad_at=sampled(1, 8192, [77]),
    )


def row_counts() -> Iterator[Case]:
    for rows, dtype in itertools.product((0, 1, 2, 17), DTYPES):
        labels = [(5 * row + 1) % 7 for row in range(rows)]
        for reduction in ("none", "mean"):
            yield case(
                f"rows_{rows}_{reduction}_{dtype}",
                f"{rows} rows of 7 classes.",
                numbers(20 + rows), labels, shape=[rows, 7], dtype=dtype, reduction=reduction,
            )


def class_axes() -> Iterator[Case]:
    shapes = ([5], [4, 3], [2, 3, 4], [2, 3, 2, 3])
    for shape in shapes:
        for axis in range(-1, len(shape)):
            rest = [n for d, n in enumerate(shape) if d != axis % len(shape)]
            rows = 1
            for n in rest:
                rows *= n
            classes = shape[axis]
            yield case(
                f"axis_{str(axis).replace('-', 'minus_')}_of_{len(shape)}",
                f"Class axis {axis} of {len(shape)} dimensions; the others are the rows, in order.",
                numbers(30 + len(shape)), [(2 * row + 1) % classes for row in range(rows)],
                shape=shape, target_shape=rest, class_axis=axis,
                reduction="none" if axis % 2 else "mean", dtype=DTYPES[axis % 2],
            )
    yield case(
        "axis_0_distribution",
        "A distribution has the classes on the input's axis.",
        [[0.3, 1.5], [-1.2, 0.2], [2.1, -0.7]], [[0.1, 0.5], [0.2, 0.25], [0.7, 0.25]],
        class_axis=0, reduction="none",
    )
    yield case(
        "axis_1_weights",
        "Class weights, smoothing and ignored pixels with the classes on the middle axis.",
        [[[0.1, -0.4], [1.2, 0.3], [-0.8, 2.2]], [[0.6, 0.7], [-1.4, 0.2], [0.9, -0.5]]],
        [[0, 2], [-100, 1]], class_axis=-2, weight=[0.5, 1.5, 2.5], label_smoothing=0.2,
    )
    yield case(
        "dimensions_64",
        "As many dimensions as a tensor may have.",
        [0.2, 1.7, -0.4, 0.9, -1.3, 2.8], [1, 0], shape=[1] * 31 + [2] + [1] * 31 + [3],
        target_shape=[1] * 31 + [2] + [1] * 31, class_axis=63,
    )


def placed(
    values: list[list[float]], strides: list[int], offset: int, size: int, padding: float = NAN
) -> list[float]:
    """A buffer of `size` elements holding a matrix at `strides` and `offset`, else `padding`."""
    buffer = [padding] * size
    for row, numbers_of_row in enumerate(values):
        for column, number in enumerate(numbers_of_row):
            buffer[offset + row * strides[0] + column * strides[1]] = number
    return buffer


def layouts() -> Iterator[Case]:
    rows = ROWS["logits"]
    views = (
        ("padded_rows", "Rows with padding after each.", [5, 1], 0, 15),
        ("padded_offset", "A block inside a larger matrix.", [6, 1], 8, 30),
        ("transposed", "The transpose of a matrix of 3 classes by 3 rows.", [1, 3], 0, 9),
        ("every_second", "Every second element of a longer row.", [6, 2], 1, 18),
        ("reversed_rows", "Rows from the last to the first: a negative stride.", [-3, 1], 6, 9),
        ("reversed_classes", "Classes from the last to the first.", [3, -1], 2, 9),
        ("reversed_both", "Both axes backwards, with padding.", [-4, -1], 11, 12),
    )
    for dtype in DTYPES:
        for name, why, strides, offset, size in views:
            yield case(
                f"layout_{name}_{dtype}", why + " Padding is NaN, so that reading it shows.",
                placed(rows, strides, offset, size), [2, 0, 1], shape=[3, 3], strides=strides,
                offset=offset, dtype=dtype,
            )
        yield case(
            f"layout_broadcast_rows_{dtype}",
            "One row seen three times (stride 0) with different labels.",
            [0.3, -1.2, 2.1], [2, 0, 1], shape=[3, 3], strides=[0, 1], offset=0, dtype=dtype,
            reduction="none",
        )
        yield case(
            f"layout_broadcast_classes_{dtype}",
            "One number seen as all classes of a row (stride 0).",
            [0.3, -1.2], [2, 0], shape=[2, 3], strides=[1, 0], offset=0, dtype=dtype,
            reduction="none",
        )
        yield case(
            f"layout_targets_{dtype}",
            "Labels backwards, weights strided, one sample weight seen for all rows.",
            rows, [1, 0, 2], dtype=dtype, target_strides=[-1], target_offset=2,
            weight=[0.3, NAN, 1.7, NAN, 0.9], weight_shape=[3], weight_strides=[2],
            weight_offset=0, sample_weight=[0.75], sample_weight_shape=[3],
            sample_weight_strides=[0], sample_weight_offset=0,
        )
        yield case(
            f"layout_distribution_{dtype}",
            "A transposed distribution for contiguous logits.",
            rows, [0.1, 0.5, 0.3, 0.2, 0.25, 0.6, 0.7, 0.25, 0.1], target_shape=[3, 3],
            target_strides=[1, 3], target_offset=0, dtype=dtype,
        )
        yield case(
            f"layout_distribution_broadcast_{dtype}",
            "One distribution for all rows (stride 0).",
            rows, [0.1, 0.2, 0.7], target_shape=[3, 3], target_strides=[0, 1], target_offset=0,
            dtype=dtype,
        )
    yield case(
        "layout_long_transposed",
        "5 rows of 1500 classes in a class-major buffer.",
        numbers(40), [0, 1499, 700, 16, 1024], shape=[5, 1500], strides=[1, 5], offset=0,
        buffer_size=7500, reduction="none",
        grad_at=sampled(5, 1500, [0, 1499, 700, 16, 1024]),
    )
    yield case(
        "layout_long_reversed",
        "2 rows of 2000 classes, read backwards.",
        numbers(41), [0, 1999], shape=[2, 2000], strides=[2000, -1], offset=1999,
        buffer_size=4000, reduction="none", dtype="f64", grad_at=sampled(2, 2000, [0, 1999]),
    )


def dtypes() -> Iterator[Case]:
    for dtype in INTEGERS:
        yield case(
            f"labels_{dtype}",
            f"Labels of dtype {dtype}.",
            ROWS["logits"], [2, 0, 1], target_dtype=dtype,
        )
    for dtype in ("i8", "i16", "i32"):
        low = INTEGERS[dtype][0]
        yield case(
            f"labels_{dtype}_ignored_lowest",
            f"The lowest {dtype} as ignore_index.",
            ROWS["logits"], [low, 0, 1], target_dtype=dtype, ignore_index=low,
        )
    for dtype in ("u8", "u16", "u32"):
        high = INTEGERS[dtype][1]
        yield case(
            f"labels_{dtype}_ignored_highest",
            f"The highest {dtype} as ignore_index.",
            ROWS["logits"], [high, 0, 1], target_dtype=dtype, ignore_index=high,
        )
    for dtype in ("i8", "u8"):
        high = INTEGERS[dtype][1]
        yield case(
            f"labels_{dtype}_highest",
            f"The highest {dtype} as a class.",
            numbers(51), [high, 127], shape=[2, high + 1], target_dtype=dtype,
            grad_at=[0, 126, 127, high, 2 * high + 1],
        )
    yield case(
        "labels_u16_highest",
        "The highest u16 as the last of 65536 classes.",
        numbers(50), [65535], shape=[1, 65536], target_dtype="u16",
        grad_at=sampled(1, 65536, [65535]),
    )
    for dtype, loss_dtype in (("f32", "f64"), ("f64", "f32")):
        for reduction in ("none", "sum", "mean"):
            yield case(
                f"loss_{loss_dtype}_of_{dtype}_{reduction}",
                "A loss of another precision than the input's.",
                ROWS["logits"], [2, 0, 1], dtype=dtype, loss_dtype=loss_dtype,
                reduction=reduction,
            )


    yield case(
        "loss_f64_of_confident_f32", "An f64 loss of an f32 row, beyond what f32 can hold.",
        [[85.3, 0.1], [70.9, 0.3]], [0, 0], loss_dtype="f64", reduction="none",
    )
    yield case(
        "loss_f32_out_of_range", "f64 losses too small and too large for f32: 0 and +infinity.",
        [[200.3, 0.1], [0.0, 1e300]], [0, 0], dtype="f64", loss_dtype="f32", reduction="none",
    )
