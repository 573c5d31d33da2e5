"""Rows of thousands of blocks, of which each adds less than a plain sum would keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import mp, mpf

import crossentropy as ce

BLOCKS = 2048
CLASSES = BLOCKS * 4096
# Two classes at 0, and all others so low that a block of them is just below half a unit in the last place of 1.
LOW = math.log(0.49 * 2.0**-52 / 4096)


@pytest.fixture(scope="module")
def row() -> np.ndarray:
    x = np.full((1, CLASSES), LOW)
    x[0, :2] = 0
    return x


def test_loss_and_gradient_keep_what_each_block_adds(row: np.ndarray) -> None:
    others = (CLASSES - 2) * math.exp(LOW)
    for labels in (np.array([0]), np.eye(1, CLASSES)):
        loss, grad = ce.cross_entropy_with_grad(row, labels)
        assert loss == pytest.approx(math.log1p(1 + others), rel=1e-15, abs=0)
        assert grad[0, 0] == pytest.approx(-(1 + others) / (2 + others), rel=1e-15, abs=0)
    assert others > 2e-13  # or the test could not fail


def test_statistics_keep_it_too(row: np.ndarray) -> None:
    total = 2 + (CLASSES - 2) * math.exp(LOW)
    stats = ce.row_stats(row)
    assert stats.lse[0] == pytest.approx(math.log(total), rel=1e-15, abs=0)
    entropy = math.log(total) - (CLASSES - 2) * math.exp(LOW) * LOW / total
    assert stats.entropy[0] == pytest.approx(entropy, rel=1e-15, abs=0)


def test_losses_of_probabilities_keep_it_too() -> None:
    p = np.full((1, CLASSES), 0.5)
    q = np.full((1, CLASSES), 0.49 * 2.0**-52 / 4096)
    q[0, 0] = 1
    want = math.log(2) * (1 + (CLASSES - 1) * q[0, 1])
    for input_type, x in (("probs", p), ("log_probs", np.log(p))):
        assert ce.cross_entropy(x, q, input_type=input_type) == pytest.approx(want, rel=1e-15, abs=0)


@pytest.mark.parametrize("axis", [-1, 0])
def test_tiny_losses_of_many_blocks(axis: int) -> None:
    """What a block adds is a float64, and so a multiple of 2^-1074: blocks just below half of that add nothing.

    The loss, a little above the smallest normal number, is then off by no more than that half for each block.
    """
    x = np.full((1, CLASSES), math.log(0.49) - 1074 * math.log(2) - math.log(4096))
    x[0, :4096] = -np.inf
    x[0, 0] = 0
    x[0, 1] = -708.39
    loss, grad = ce.cross_entropy_with_grad(x if axis else x.T, [0], axis=axis)
    with mp.workdps(40):
        want = mp.exp(mpf(x[0, 1])) + (CLASSES - 4096) * mp.exp(mpf(x[0, -1]))  # log1p of it is off by as little
        for got in (loss, -grad.reshape(-1)[0]):
            assert abs(mpf(float(got)) - want) <= mpf("1e-13") * want + BLOCKS * mpf(2) ** -1075
