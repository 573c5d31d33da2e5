"""Sums of losses over batches, processes or machines that do not depend on how these were split."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from . import _arrays
from ._c_api import calls, header
from ._errors import ArgumentTypeError, ArgumentValueError
from ._types import Array, ArrayLike

__all__ = ["Accumulator"]


class Accumulator:
    """The exact mean of losses that come bit by bit.

    Sums are kept exactly and rounded once, when they are asked for: the same bits for any order of the rows and any
    split of them over accumulators, which can be merged, pickled, and turned into bytes (600 of them, equal if the
    contents are). Threads may share one: each call sees it before or after another one, never in between.

    Attributes:
        mean: the sum of the losses divided by the sum of the weights; NaN if nothing has been added.
        sum: the sum of the losses.
        weight: the sum of the weights; without weights, `count`.
        count: the number of rows, without those of weight 0.
        accuracy: the share of correct rows among those for which ``correct`` was given; NaN if there are none.

    Examples:
        >>> import crossentropy as ce
        >>> total = ce.Accumulator()
        >>> total.add([0.1, 0.2], correct=[True, False])
        >>> total.add([1e300, 0.3, -1e300])
        >>> total.sum, total.count, total.accuracy
        (0.6, 5, 0.5)
    """

    __slots__ = ("_array", "_lock")

    def __init__(self) -> None:
        self._array = np.zeros(1, header.ACCUMULATOR)
        # The library has no lock of its own, and is called without Python's. Reentrant, for a signal handler that adds
        # rows in the middle of a call.
        self._lock = threading.RLock()
        calls.accumulator_init(self._array)

    def add(self, losses: ArrayLike, weight: ArrayLike | None = None, correct: ArrayLike | None = None) -> None:
        """Adds rows.

        Args:
            losses: numbers, any shape: each row's loss, weighted, as ``reduction="none"`` gives it.
            weight: numbers, of the same shape: what each loss was weighted with (for labels, sample weight
                times class weight), 0 for ignored rows; a row of weight 0 does not count, whatever its loss is. None:
                all 1.
            correct: bool or integers, of the same shape: whether each row was predicted correctly. None: not known.

        Raises:
            ArgumentValueError: a ValueError; the shapes differ.
            ArgumentTypeError: a TypeError; a dtype is not accepted.

            Nothing has been added then.
        """
        array = _arrays.weights("losses", losses)
        if array is None:
            raise ArgumentTypeError("losses must be an array of numbers, not None")
        judged = None
        if correct is not None:
            judged = _arrays.as_array("correct", correct)
            if judged.dtype == np.bool_:
                judged = judged.view(np.uint8)
            if judged.dtype.kind not in "iu":
                raise ArgumentTypeError(f"correct has dtype {judged.dtype}, but must be bool or integers")
            judged = _arrays.target(judged)
        weights = _arrays.weights("weight", weight)
        with self._lock:
            calls.accumulator_add(self._array, array, weights, judged)

    def merge(self, *others: Accumulator) -> None:
        """Adds the rows of the others.

        Raises:
            ArgumentTypeError: a TypeError; one is no `Accumulator`.
        """
        for other in others:
            if not isinstance(other, Accumulator):
                raise ArgumentTypeError(f"only an Accumulator can be merged, not {type(other).__name__}")
        for other in others:
            array = other._copy()  # so that two that are merged into each other do not wait for each other
            with self._lock:
                calls.accumulator_merge(self._array, array)

    def _copy(self) -> Array:
        with self._lock:
            return self._array.copy()

    @property
    def mean(self) -> float:
        return calls.accumulator_result(self._copy())[0]

    @property
    def sum(self) -> float:
        return calls.accumulator_result(self._copy())[1]

    @property
    def weight(self) -> float:
        return calls.accumulator_result(self._copy())[2]

    @property
    def count(self) -> int:
        return int(self._copy()["rows"][0])

    @property
    def accuracy(self) -> float:
        array = self._copy()
        judged = int(array["judged"][0])
        return int(array["correct"][0]) / judged if judged else float("nan")

    def to_bytes(self) -> bytes:
        """The contents: a C program's ``ce_accumulator``."""
        return self._copy().tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Accumulator:
        """From `to_bytes`.

        Raises:
            ArgumentValueError: a ValueError; these bytes are no accumulator.
        """
        size = header.ACCUMULATOR.itemsize
        if len(data) != size:
            raise ArgumentValueError(f"{len(data)} bytes are no accumulator, which has {size}")
        accumulator = cls()
        accumulator._array = np.frombuffer(data, header.ACCUMULATOR).copy()
        try:
            calls.accumulator_result(accumulator._array)
        except ArgumentValueError:
            version = header.ACCUMULATOR_VERSION
            raise ArgumentValueError(f"these bytes are no accumulator of version {version}") from None
        return accumulator

    def __reduce__(self) -> Any:
        return Accumulator.from_bytes, (self.to_bytes(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Accumulator):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]  # its contents change

    def __repr__(self) -> str:
        array = self._copy()
        mean, _, weight = calls.accumulator_result(array)
        return f"Accumulator(mean={mean!r}, weight={weight!r}, count={int(array['rows'][0])})"
