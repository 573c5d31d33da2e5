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
