"""Cross-entropy and its gradient in NumPy's float64: every option, written for reading.

It shares no code with the library. Each result comes with the size of the parts it was added up
from, because that is what the promised accuracy is relative to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Result(NamedTuple):
    loss: Array
    grad: Array
    loss_scale: Array  # sum of the terms' sizes; the loss itself where no term is negative
    grad_scale: Array  # the larger part of p - q; the gradient itself where it is no difference
    likely: Array  # bool: target mass or a probability >= 1e-6, so that the tighter bound holds


def cross_entropy(
    x: Array,
    target: Array,
    *,
    axis: int = -1,
    input_type: str = "logits",
    weight: Array | None = None,
    sample_weight: Array | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    mean_over: str | float = "weight",
    empty: str = "nan",
    clip: float = 0.0,
    grad_loss: float = 1.0,
) -> Result:
    moved = np.moveaxis(x, axis, -1)
    shape, classes = moved.shape, moved.shape[-1]
    z = moved.reshape(-1, classes).astype(np.float64)
    rows = len(z)
    w = np.ones(classes) if weight is None else weight.astype(np.float64)
    s = np.ones(rows) if sample_weight is None else sample_weight.reshape(-1).astype(np.float64)
    hard = target.dtype.kind in "iu"
    ignored = np.zeros(rows, bool)
    if hard:
        y = target.reshape(-1)
        if ignore_index is not None:
            ignored = np.array([int(label) == ignore_index for label in y], bool)
        y = np.where(ignored, 0, y).astype(np.intp)
        q = np.zeros(z.shape)
        q[np.arange(rows), y] = 1
    else:
        q = np.moveaxis(target, axis, -1).reshape(-1, classes).astype(np.float64)

    mass = w * ((1 - label_smoothing) * q + label_smoothing / classes)
    one_hot = hard and label_smoothing == 0
    skipped = ignored | (s == 0) | (one_hot & (mass.sum(1) == 0))
    z[skipped], mass[skipped] = 0, 0
    s_counted = np.where(ignored, 0, s)

    undefined = np.isnan(z).any(1) | (z == np.inf).any(1) | (z == -np.inf).all(1)
    undefined &= ~skipped & (input_type == "logits")
    with np.errstate(all="ignore"):
        if input_type == "logits":
            minus_log_p, grad, grad_scale, likely = _logits(np.where(undefined[:, None], 0, z), mass, one_hot)
        else:
            if clip > 0:
                lowest, highest = clip, 1 - clip
                clamped = np.clip(z, lowest, highest)
            else:
                clamped = z + 0.0  # a probability of -0 is one of 0
            minus_log_p = -np.log(clamped) if input_type == "probs" else -z
            grad = -mass / clamped if input_type == "probs" else -mass
            grad = np.where((mass == 0) | (clamped != z), 0, grad)
            grad_scale, likely = abs(grad), np.ones(z.shape, bool)
        terms = np.where(mass == 0, 0, mass * minus_log_p)
        losses, scales = s * terms.sum(1), abs(s) * abs(terms).sum(1)
        losses[undefined] = np.nan
        grad[np.isnan(losses)] = np.nan
        s = np.where(skipped, 0, s)[:, None]
        grad, grad_scale = np.where(s == 0, 0, s * grad), np.where(s == 0, 0, abs(s) * grad_scale)

        loss, loss_scale, divisor = losses, scales, 1.0
        if reduction == "none":
            loss, loss_scale = losses.reshape(shape[:-1]), scales.reshape(shape[:-1])
        else:
            loss, loss_scale = losses.sum(), scales.sum()
        if reduction == "mean":
            if not isinstance(mean_over, str):
                divisor = mean_over
            elif mean_over == "count":
                divisor = np.count_nonzero(~ignored)
            elif mean_over == "weight" and not hard:
                divisor = s_counted.sum()
            else:  # for labels the weight of a row is the mass of its label
                divisor = (s_counted[:, None] * w * q).sum()
            if divisor == 0 and empty == "error":
                raise ValueError("no row counts")
            factor = 1 / divisor if divisor else {"nan": np.nan, "zero": 0.0}[empty]
            loss = loss / divisor if divisor else np.float64(factor)
            loss_scale = loss_scale / abs(divisor) if divisor else np.float64(0)
            if divisor == 0 and empty == "zero":
                grad = np.zeros_like(grad)
            grad = np.where(s == 0, 0, grad * factor)
            grad_scale = np.where(s == 0, 0, grad_scale * abs(factor))
        grad, grad_scale = grad * grad_loss, grad_scale * abs(grad_loss)

    def back(rowwise: Array) -> Array:
        return np.moveaxis(rowwise.reshape(shape), -1, axis)

    return Result(loss, back(grad), loss_scale, back(grad_scale), back(likely))


def _logits(z: Array, mass: Array, one_hot: bool) -> tuple[Array, Array, Array, Array]:
    """-log p, the gradient, its scale and where it is likely, with the largest logit left out of
    the sum: s = sum of exp(z - m) over the others, log-sum-exp = m + log1p(s)."""
    every_row = np.arange(len(z))
    largest = z.argmax(1)
    gap = z[every_row, largest][:, None] - z
    exponentials = np.exp(-gap)
    others = exponentials.copy()
    others[every_row, largest] = 0
    s = others.sum(1, keepdims=True)
    p = exponentials / (1 + s)
    minus_log_p = gap + np.log1p(s)
    total = mass.sum(1, keepdims=True)
    grad = total * p - mass
    grad_scale = np.maximum(abs(mass).sum(1, keepdims=True) * p, abs(mass))
    if one_hot:  # 1 - p of the label, without the subtraction
        rest = 1 + s - exponentials
        rest[every_row, largest] = s[:, 0]
        rest /= 1 + s
        grad = np.where(mass == 0, grad, -mass * rest)
        grad_scale = abs(grad)
    return minus_log_p, grad, grad_scale, (p >= 1e-6) | (mass != 0)
