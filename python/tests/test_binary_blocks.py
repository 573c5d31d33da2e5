"""Binary cross-entropy of labels and of positive weights: what is computed a block at a time in f32 gives the bits that
other ways give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crossentropy as ce

LABELS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
# Less than a vector, around one, around a block, and work for two threads.
SHAPES = [(1, 1), (3, 5), (2, 8), (1, 17), (8, 128), (5, 205), (7, 300), (2100, 64)]


def logits(shape: tuple[int, ...], seed: int = 0) -> Any:
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def layouts(array: Any) -> list[Any]:
    """The same elements in other places."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
    strided, beside = wide[..., 1::2], np.zeros((array.shape[0], array.shape[1] + 3), array.dtype)[:, 1:-2]
    strided[:] = beside[:] = array
    return [array, strided, beside, np.asfortranarray(array), array[:, ::-1].copy()[:, ::-1]]


def bits(results: Any) -> list[bytes]:
    return [np.ascontiguousarray(each).tobytes() for each in results]


def both_ways(x: Any, y: Any, others: dict[str, Any], **options: Any) -> None:
    """That the bits are those of the way that ``others``, which change nothing, lead to."""
    for reduction in ("none", "mean"):
        given = ce.binary_cross_entropy_with_grad(x, y, reduction=reduction, **options)
        assert bits(given) == bits(ce.binary_cross_entropy_with_grad(x, y, reduction=reduction, **options, **others))


@pytest.mark.parametrize("dtype", LABELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_labels_are_numbers(dtype: str, shape: tuple[int, int]) -> None:
    x, y = logits(shape), np.random.default_rng(1).random(shape) < 0.3
    expected = bits(ce.binary_cross_entropy_with_grad(x, y.astype(np.float32)))
    for labels in layouts(y.astype(dtype)):
        assert bits(ce.binary_cross_entropy_with_grad(x, labels)) == expected
        assert bits(ce.binary_cross_entropy_with_grad(x, labels, ignore_index=None)) == expected
        place = x.copy()
        assert bits(ce.binary_cross_entropy_with_grad(place, labels, grad=place)) == expected


IGNORED = [-100, 0, 1, 2, 200, 255, -1, 1 << 32, (1 << 32) + 1, (7 << 32) + 5, -1 << 32, (-1 << 32) + 1, (-1 << 63) + 1]


@pytest.mark.parametrize(
    ("dtype", "ignored"),
    [(dtype, each) for dtype in LABELS[:-1] for each in IGNORED if np.iinfo(dtype).min <= each <= np.iinfo(dtype).max],
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ignored_labels(dtype: str, ignored: int, shape: tuple[int, int]) -> None:
    x, rng = logits(shape), np.random.default_rng(2)
    y = (rng.random(shape) < 0.4).astype(dtype)
    if ignored not in (0, 1):
        y[rng.random(shape) < (0.1 if shape[0] < 100 else 1e-4)] = ignored
    is_ignored = y == ignored
    losses, grad = ce.binary_cross_entropy_with_grad(x, (y == 1).astype(np.float32), reduction="none")
    losses[is_ignored] = grad[is_ignored] = 0
    count = (~is_ignored).sum()
    for labels in layouts(y):
        results = ce.binary_cross_entropy_with_grad(x, labels, ignore_index=ignored, reduction="none")
        assert bits(results) == bits((losses, grad))
        mean = ce.binary_cross_entropy(x, labels, ignore_index=ignored)
        assert np.isnan(mean) if count == 0 else mean == np.float32(losses.sum(dtype=np.float64) / count)


@pytest.mark.parametrize("dtype", LABELS[:-1])
@pytest.mark.parametrize("ignored", [None, -100, 0, 1, 3, 5])
def test_labels_that_are_none(dtype: str, ignored: int | None) -> None:
    limits = np.iinfo(dtype)
    odd = [2, 3, limits.max, limits.min, limits.max - 1, -1, -100, 1 << 8, 1 << 16, 1 << 32, (1 << 32) + 1]
    odd += [(1 << 32) + 3, (1 << 32) - 100, -1 << 32, (1 << 63) - 100]
    for shape in SHAPES[:-1]:
        x, y = logits(shape), np.zeros(shape, dtype)
        before = x.copy()
        for number, label in enumerate(odd):
            if not limits.min <= label <= limits.max or label in (0, 1, ignored):
                continue
            place = (number * 97 + 11) % y.size
            y[:] = 0 if ignored is None else 1
            y.ravel()[place] = label
            if ignored is not None and limits.min <= ignored:
                y.ravel()[: place // 2] = ignored
            for labels in layouts(y):
                with pytest.raises(ce.LabelError, match=rf"label {label} .* {place} ") as caught:
                    ce.binary_cross_entropy_with_grad(x, labels, ignore_index=ignored, grad=x)
                assert caught.value.row == place
                assert np.array_equal(x, before)


def weights(classes: int, dtype: Any) -> Any:
    return np.random.default_rng(3).integers(1, 40, classes).astype(dtype) / 8


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 3000), (2, 3100), (3, 1024), (3, 5000)], ids=str)
def test_positive_weights(dtype: str, shape: tuple[int, int]) -> None:
    x, rng = logits(shape), np.random.default_rng(4)
    others = {"sample_weight": np.ones(1)}
    for weight in (weights(shape[1], dtype), np.full(1, 2.5, dtype)[0], strided_weights(shape[1], dtype)):
        for y in (rng.random(shape).astype(np.float32), rng.integers(0, 2, shape)):
            for target in layouts(y):
                both_ways(x, target, others, pos_weight=weight)
            both_ways(x, y, others, pos_weight=weight, threads=1, grad_loss=0.25)
            both_ways(x, y, others, pos_weight=weight, grad_loss=1e25)
    for array in layouts(x):
        both_ways(array, y, others, pos_weight=weights(shape[1], dtype))
        both_ways(array, y, others, pos_weight=weights(shape[0], dtype), axis=0)
    place = x.copy()
    results = ce.binary_cross_entropy_with_grad(place, y, pos_weight=weight, grad=place)
    assert bits(results) == bits(ce.binary_cross_entropy_with_grad(x, y, pos_weight=weight, **others))


def strided_weights(classes: int, dtype: Any) -> Any:
    return np.repeat(weights(classes, dtype), 3)[::3]


EDGES = {
    "x": [0.0, -0.0, 73, -73, 73.1, -74, 80, 90, 104, -104, 1e3, 3e38, np.inf, -np.inf, np.nan, 1e-40],
    "y": [
        -0.0,
        1e-45,
        1e-40,
        2.0**-100,
        2.0**-101,
        2.0**-25,
        1 - 2.0**-24,
        1 + 2.0**-23,
        2,
        -1,
        -1e-30,
        1e30,
        np.inf,
        np.nan,
    ],
    "pos_weight": [0, -0.0, 1e-30, 2.0**-19, 2.0**-20, 2.0**20, 2.0**21, 1e30, 0.1, 1 / 3, -2, np.inf, np.nan, 1e200],
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("is_alone", [True, False])
def test_positive_weights_of_odd_numbers(name: str, is_alone: bool) -> None:
    rng = np.random.default_rng(5)
    for number in EDGES[name]:
        for target in ("f4", "i8"):
            x, y = logits((4, 512)), rng.random((4, 512)).astype(np.float32)
            y[:, ::3], y[:, 1::3] = 0, 1
            numbers = {"x": x, "y": y, "pos_weight": weights(512, np.float64)}
            if is_alone:
                numbers[name].ravel()[77] = number
            else:
                numbers[name].ravel()[rng.random(numbers[name].size) < 0.1] = number
            if target == "i8":
                if name == "y":
                    continue
                numbers["y"] = (y > 0.5).astype(target)
            with np.errstate(all="ignore"):
                both_ways(x, numbers["y"], {"sample_weight": np.ones(1)}, pos_weight=numbers["pos_weight"])


def test_positive_weights_and_ignored_labels() -> None:
    x, y = logits((6, 700)), np.random.default_rng(6).integers(0, 2, (6, 700))
    y[2, 100:130] = y[5, -1] = -100
    x[2, 110], x[2, 111] = np.nan, np.inf
    both_ways(x, y, {"sample_weight": np.ones(1)}, pos_weight=weights(700, np.float32))
    _, grad = ce.binary_cross_entropy_with_grad(x, y, pos_weight=weights(700, np.float32))
    assert not grad[y < 0].any()
    assert not np.signbit(grad[y < 0]).any()
