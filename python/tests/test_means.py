"""A mean is the exact sum of the rows' losses, divided by the exact sum of their weights, and rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import crossentropy as ce


def exact_sum(values: np.ndarray) -> Fraction:
    return sum((Fraction(float(value)) for value in values), Fraction(0))


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 16, 33, 100, 1000])
def test_means_over_the_rows_are_the_nearest_numbers(rows: int) -> None:
    generator = np.random.default_rng(rows)
    for _ in range(40):
        x = generator.normal(size=(rows, 5)) * generator.choice([0.1, 3, 40])
        labels = generator.integers(0, 5, rows)
        losses = ce.cross_entropy(x, labels, reduction="none")
        assert ce.cross_entropy(x, labels) == float(exact_sum(losses) / rows)
        p = 1 / (1 + np.exp(-x))
        losses = ce.binary_cross_entropy(x, np.round(p), reduction="none")
        assert ce.binary_cross_entropy(x, np.round(p)) == float(exact_sum(losses.ravel()) / losses.size)


@pytest.mark.parametrize("scale", [1.0, 2.0**-1030, 2.0**1000])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16, 100])
def test_means_over_weights_are_the_nearest_numbers(rows: int, scale: float) -> None:
    generator = np.random.default_rng(rows)
    for _ in range(40):
        x = generator.normal(size=(rows, 5)) * 3
        labels = generator.integers(0, 5, rows)
        # Few digits, so that they are the same numbers at every scale.
        weights = np.rint(generator.uniform(1, 1000, rows))
        losses = ce.cross_entropy(x, labels, sample_weight=weights, reduction="none")
        mean = ce.cross_entropy(x, labels, sample_weight=weights * scale)
        assert mean == float(exact_sum(losses) / exact_sum(weights))


def test_weights_of_many_digits() -> None:
    generator = np.random.default_rng(0)
    for rows in (2, 3, 50):
        for _ in range(100):
            x = generator.normal(size=(rows, 3))
            labels = generator.integers(0, 3, rows)
            weights = generator.uniform(0, 1, rows) * 10.0 ** generator.integers(-8, 8, rows)
            losses = ce.cross_entropy(x, labels, sample_weight=weights, reduction="none")
            mean = ce.cross_entropy(x, labels, sample_weight=weights)
            assert mean == float(exact_sum(losses) / exact_sum(weights))


def test_accumulated_means_are_the_same() -> None:
    generator = np.random.default_rng(1)
    for _ in range(100):
        losses = generator.exponential(size=7)
        accumulator = ce.Accumulator()
        for loss in losses:
            accumulator.add(loss)
        assert accumulator.mean == float(exact_sum(losses) / 7)
