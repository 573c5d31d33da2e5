"""What no rounding may lead out of its range: probabilities, losses and entropies."""

from __future__ import annotations

import math

import numpy as np
import pytest

import crossentropy as ce

DTYPES = [np.float32, np.float64]
CLASSES = [1, 2, 3, 7, 16, 17, 100, 128, 129, 300, 4097, 9000]


def confident_rows(classes: int, dtype: type, axis: int) -> np.ndarray:
    """Rows in which one class leads by up to 60, many of them by so much that its probability rounds to 1."""
    generator = np.random.default_rng(classes)
    rows = 512 if classes < 1000 else 16
    x = (generator.normal(size=(rows, classes)) * 3).astype(dtype)
    x[np.arange(rows), generator.integers(0, classes, rows)] += generator.uniform(0, 60, rows).astype(dtype)
    return x if axis == -1 else np.ascontiguousarray(x.T)


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_probability_is_above_1(dtype: type, classes: int, axis: int) -> None:
    x = confident_rows(classes, dtype, axis)
    p = ce.softmax(x, axis=axis)
    assert p.max() <= 1
    assert (ce.log_softmax(x, axis=axis) <= 0).all()
    if classes == 1:
        assert (p == 1).all()
    # Taken back as probabilities they give no NaN and no negative loss.
    for labels in (np.zeros_like(p), np.ones_like(p)):
        loss = ce.binary_cross_entropy(p, labels, input_type="probs", reduction="none")
        assert not np.isnan(loss).any()
        assert (loss >= 0).all()
    assert (ce.cross_entropy(p, p.argmax(axis), axis=axis, input_type="probs", reduction="none") >= 0).all()


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_whatever_label_are_differences_of_probabilities(dtype: type, classes: int, axis: int) -> None:
    x = confident_rows(classes, dtype, axis)
    for labels in (x.argmax(axis), x.argmin(axis)):
        loss, grad = ce.cross_entropy_with_grad(x, labels, axis=axis, reduction="none")
        assert (loss >= 0).all()
        assert np.abs(grad).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_entropy_is_at_most_that_of_equal_classes(dtype: type) -> None:
    for classes in [*range(1, 300), 1000, 4096, 4097, 10000, 50257]:
        entropy = ce.row_stats(np.full((2, classes), 0.3, dtype)).entropy
        assert entropy is not None
        most = math.log(classes)
        assert (entropy >= 0).all()
        assert (entropy <= most).all()
        assert (entropy >= most * (1 - 1e-6)).all()


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("classes", [2, 17, 150])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logarithm_of_certainty_is_a_positive_zero_in_every_layout(dtype: type, classes: int, zero: float) -> None:
    x = np.full((33, classes), -np.inf, dtype)
    x[np.arange(33), np.arange(33) % classes] = zero
    for p in (ce.log_softmax(x), ce.log_softmax(np.ascontiguousarray(x.T), axis=0).T):
        certain = p[x == 0]
        assert (certain == 0).all()
        assert not np.signbit(certain).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_probability_of_minus_0_is_none(dtype: type) -> None:
    p = np.array([[-0.0, 1]], dtype)
    for loss_with_grad in (ce.cross_entropy_with_grad, ce.kl_divergence_with_grad):
        loss, grad = loss_with_grad(p, np.array([[0.25, 0.75]], dtype), input_type="probs")
        assert loss == np.inf
        assert grad[0, 0] == -np.inf


@pytest.mark.parametrize("classes", [2, 17, 150, 5000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_of_two_zeros_the_largest_logit_is_the_positive_one(dtype: type, classes: int) -> None:
    x = np.full((33, classes), -1, dtype)
    x[:, 0] = -0.0
    x[::2, -1] = 0.0
    x[1::4, -1] = -0.0
    for largest in (
        ce.row_stats(x).max,
        ce.row_stats(np.ascontiguousarray(x.T), axis=0).max,
        ce.partial_statistics(x, np.zeros(33, np.int64)).max,
    ):
        assert (largest == 0).all()
        assert not np.signbit(largest).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_plain_divergence_has_gradients_at_probabilities_beyond_all_numbers(dtype: type) -> None:
    log_p = np.array([[5000, -1]], dtype)
    loss, grad = ce.kl_divergence_with_grad(
        log_p, np.array([[0.25, 0.75]], dtype), input_type="log_probs", form="plain", reduction="sum"
    )
    np.testing.assert_allclose(loss, 0.25 * (np.log(0.25) - 5000) + 0.75 * (np.log(0.75) + 1), rtol=1e-6)
    assert grad.tolist() == [[-0.25, -0.75]]
