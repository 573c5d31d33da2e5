"""Statistics of rows: the same bits from every way through the kernels, and ranks among equals."""

from __future__ import annotations

import numpy as np
import pytest

import crossentropy as ce

BLOCK = 4096


def logits(rows: int, classes: int, dtype: np.dtype) -> np.ndarray:
    """Rows with ties, infinities and NaN among ordinary ones."""
    rng = np.random.default_rng(classes)
    x = (rng.standard_normal((rows, classes)) * 5).astype(dtype)
    x[rng.random(x.shape) < 0.02] = -np.inf
    x[3] = 1
    x[5] = np.round(x[5])
    x[7, classes // 2] = np.nan
    x[8, classes // 2] = np.inf
    x[9] = -np.inf
    x[14, classes * 3 // 4] = 90  # far above the reference
    if dtype != np.float16:
        x[11] *= dtype(1e4)
        x[12] += dtype(1e6)  # where exponentials are relative to a shift
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("classes", [1, 10, 16, 17, 63, 64, 80, 128, 129, 1000, BLOCK + 1, 2 * BLOCK + 77])
def test_every_way_gives_the_same_bits(dtype: type, classes: int) -> None:
    x = logits(37, classes, np.dtype(dtype).type)
    labels = np.random.default_rng(0).integers(0, classes, len(x))
    expected = ce.row_stats(x, labels)
    wide = np.zeros((*x.shape, 2), dtype)
    wide[..., 0] = x
    ways = {
        "class by class": ce.row_stats(np.ascontiguousarray(x.T), labels, axis=0),
        "gathered": ce.row_stats(wide[..., 0], labels),
        "beside a loss": ce.cross_entropy(x, labels, row_stats=True)[-1],
        "beside a gradient": ce.cross_entropy_with_grad(x, labels, row_stats=True)[-1],
        "beside a gradient in place": ce.cross_entropy_with_grad(x.copy(), labels, row_stats=True)[-1],
    }
    for way, got in ways.items():
        for want, have in zip(expected, got):
            np.testing.assert_array_equal(have, want, err_msg=way)


@pytest.mark.parametrize("value", [-np.inf, -1.5, -0.0, 0.0, 3.25])
@pytest.mark.parametrize("classes", [3, 40, 129, BLOCK + 100])
def test_equal_logits_rank_by_their_numbers(value: float, classes: int) -> None:
    x = np.full((classes, classes), value, np.float32) if classes < BLOCK else np.full((3, classes), value, np.float32)
    labels = np.arange(classes) if classes < BLOCK else np.array([1, BLOCK - 1, BLOCK + 50])
    x[:, 0] = 10  # a row of nothing but -infinity has no rank
    stats = ce.row_stats(x, labels)
    np.testing.assert_array_equal(stats.target_rank, labels)
    np.testing.assert_array_equal(stats.argmax, 0)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_rows_of_weight_0_have_no_target(label_smoothing: float) -> None:
    x, labels = np.array([[1.0, 2.0, 3.0]] * 3), np.array([0, 1, 2])
    _, stats = ce.cross_entropy(
        x, labels, sample_weight=[1, 0, 1], weight=[1, 1, 0], label_smoothing=label_smoothing, row_stats=True
    )
    assert stats.target_prob[0] > 0
    assert np.isnan(stats.target_prob[1:]).all()
    assert list(stats.target_rank) == [2, -1, -1]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("masked", [-1e300, -np.finfo(np.float64).max])
def test_a_masked_block_leaves_the_entropy(masked: float, axis: int) -> None:
    x = np.full((2, BLOCK + 3), masked)
    x[0, :3], x[1, BLOCK:] = (1e8, 1e8 + 1, 1e8 + 2), (0, 1, 2)
    p = np.exp([-2.0, -1.0, 0.0]) / np.exp([-2.0, -1.0, 0.0]).sum()
    stats = ce.row_stats(x if axis else np.ascontiguousarray(x.T), axis=axis)
    np.testing.assert_allclose(stats.entropy, -(p * np.log(p)).sum(), rtol=1e-13)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("gap", [600, 690, 700, 704, 706, 707])
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_the_entropy_of_confident_rows_is_that_of_all_blocks(blocks: int, gap: int, axis: int) -> None:
    classes = 4096 * (blocks - 1) + 100
    x = np.random.default_rng(gap).uniform(-1, 1, (2, classes))
    x[:, 7] = gap
    # exp(-gap) comes in last, so that nothing here is below the normal numbers.
    distance = np.delete(gap - x, 7, axis=1)
    entropy = (np.exp(gap - distance) * (distance + 1)).sum(axis=1) * np.exp(-gap)
    stats = ce.row_stats(x if axis else np.ascontiguousarray(x.T), axis=axis)
    np.testing.assert_allclose(stats.entropy, entropy, rtol=2e-13)
