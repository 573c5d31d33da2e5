"""Calls that are made again and again: of their structures only addresses change."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .._types import Array
from . import calls
from .frames import Frame, Settings, addressof, first_byte

# Of the addresses of data, which tensors begin with, among the 8-byte words of a frame.
_X, _TARGET, _LOSS, _GRAD = (slot // 8 for slot in (Frame.X, Frame.TARGET, Frame.LOSS, Frame.GRAD))

_empty = np.empty


class PreparedLoss:
    """A call of ``ce_cross_entropy``, ``ce_binary_cross_entropy`` or ``ce_kl_divergence`` that has succeeded once, with
    settings that hold no arrays, in a frame of its own. One thread at a time may use it."""

    __slots__ = ("call", "frame", "grad", "loss", "number", "words")

    def __init__(
        self, function: Any, x: Array, axis: int, target: Array, settings: Settings, loss: Any, grad: Array | None
    ) -> None:
        """``loss`` and ``grad`` are results of that call; where the loss is no array, it is a number of the frame."""
        self.frame = Frame()
        self.loss = (loss.shape, loss.dtype) if isinstance(loss, np.ndarray) else None
        self.grad = None if grad is None else (grad.shape, grad.dtype)
        arguments, self.number = calls.place_loss(
            self.frame, x, axis, target, settings, None if self.loss is None else loss, grad
        )
        self.call = partial(function, *arguments)
        self.words = memoryview(self.frame.memory).cast("B").cast("Q")

    def results(self, x: Array, target: Array) -> Any:
        """What the same call for these arrays, of the same dtypes and shapes, returns: loss, or loss and gradient. None
        if it has to be made otherwise: for arrays that are read-only or not contiguous, errors, and a loss that is NaN
        or negative, which may call for a warning."""
        words = self.words
        try:
            words[_X] = addressof(first_byte(x))
            words[_TARGET] = addressof(first_byte(target))
        except (TypeError, ValueError, BufferError):
            return None
        loss = grad = None
        if self.loss is not None:
            loss = _empty(*self.loss)
            words[_LOSS] = addressof(first_byte(loss))
        if self.grad is not None:
            grad = _empty(*self.grad)
            words[_GRAD] = addressof(first_byte(grad))
        if self.call():
            return None
        if loss is None:
            loss = self.number[0]
            if not loss >= 0:
                return None
        return loss if grad is None else (loss, grad)
