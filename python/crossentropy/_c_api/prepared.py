"""Calls that are made again and again: of their structures only addresses change."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .._types import Array
from . import calls
from .frames import Frame, Placeable, Settings, addressof, first_byte

# The words of a frame that hold the addresses of data, with which tensors begin.
X, TARGET, LOSS, GRAD = (slot // 8 for slot in (Frame.X, Frame.TARGET, Frame.LOSS, Frame.GRAD))

_empty = np.empty


class Prepared:
    """A call of ``ce_cross_entropy``, ``ce_binary_cross_entropy`` or ``ce_kl_divergence`` that has succeeded once, with
    settings that hold no arrays, in a frame of its own. One thread at a time may use it.

    ``words`` are the frame's memory, and ``call()`` is the status. Without ``loss`` the loss is ``number[0]``.
    """

    __slots__ = ("call", "frame", "number", "words")

    def __init__(
        self,
        function: Any,
        x: Placeable,
        axis: int,
        target: Placeable,
        settings: Settings,
        loss: Placeable | None,
        grad: Placeable | None,
    ) -> None:
        """Arrays are contiguous. Of the same dtypes and shapes are those whose addresses are written to `words`."""
        self.frame = Frame()
        arguments, self.number = calls.place_loss(self.frame, x, axis, target, settings, loss, grad)
        self.call = partial(function, *arguments)
        self.words = memoryview(self.frame.memory).cast("B").cast("Q")


class PreparedLoss(Prepared):
    """For arrays of NumPy."""

    __slots__ = ("grad", "loss")

    def __init__(
        self, function: Any, x: Array, axis: int, target: Array, settings: Settings, loss: Any, grad: Array | None
    ) -> None:
        """``loss`` and ``grad`` are what that call returned."""
        is_array = isinstance(loss, np.ndarray)
        self.loss = (loss.shape, loss.dtype) if is_array else None
        self.grad = None if grad is None else (grad.shape, grad.dtype)
        # In place it would have no view of its own.
        place = grad[...] if grad is x else grad
        super().__init__(function, x, axis, target, settings, loss if is_array else None, place)

    def results(self, x: Array, target: Array, out: Array | None = None, grad: Array | None = None) -> Any:
        """What the same call for these arrays, of the same dtypes and shapes, returns: loss, or loss and gradient. None
        if it has to be made otherwise: for arrays that are read-only or not contiguous, errors, and a loss that is NaN
        or negative, which may call for a warning."""
        words = self.words
        loss = out
        if loss is None and self.loss is not None:
            loss = _empty(*self.loss)
        if grad is None and self.grad is not None:
            grad = _empty(*self.grad)
        try:
            words[X] = addressof(first_byte(x))
            words[TARGET] = addressof(first_byte(target))
            if loss is not None:
                words[LOSS] = addressof(first_byte(loss))
            if grad is not None:
                words[GRAD] = addressof(first_byte(grad))
        except (TypeError, ValueError, BufferError):
            return None
        if self.call():
            return None
        if loss is None:
            loss = self.number[0]
            # In place there is nothing left to find a reason in, and no warning.
            if not loss >= 0 and words[GRAD] != words[X]:
                return None
        return loss if grad is None else (loss, grad)
