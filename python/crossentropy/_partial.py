"""Losses of rows whose classes are not all in one place: statistics of slices, which are merged."""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from . import _arguments, _arrays, _c_api
from ._arrays import ArrayLike, Output
from ._c_api import Array
from ._errors import ArgumentTypeError, ArgumentValueError

__all__ = ["PartialStatistics", "partial_statistics"]


def partial_statistics(
    x: ArrayLike,
    target: ArrayLike,
    *,
    first_class: SupportsIndex = 0,
    axis: SupportsIndex = -1,
    ignore_index: SupportsIndex | None = -100,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    threads: SupportsIndex | None = None,
) -> PartialStatistics:
    """What a slice of the classes contributes to the loss of each row: 408 bytes a row, which can be merged with those
    of the other slices, stored and sent.

    For vocabularies that are split over files, processes or machines. Loss and gradient are the same bits for any
    slices, and any order and grouping in which they are merged.

    Args:
        x: logits of classes ``first_class``, ``first_class + 1``, ...: float32, float64, float16 or bfloat16, at least
            one dimension; ``axis`` runs over the classes of the slice, and the others over the rows.
        target: labels, of any integer dtype, counted from class 0 whatever the slice; the shape of ``x`` without
            ``axis``. The label may be in any slice.
        first_class: a multiple of 4096, the library's block of classes. So the length of every slice but the last is
            one, too.
        axis: the dimension that holds the classes.
        ignore_index: rows with this label are ignored; None: no label is.
        softcap, logit_scale: as in `cross_entropy`; the same for all slices.
        threads: the most threads to use; None: as many as `get_num_threads` says.

    Returns:
        The statistics of the slice.

    Raises:
        LabelError: an IndexError; a negative label that is not ignored. One that is too large is found by
            `PartialStatistics.loss`, when the number of classes is known.
        ArgumentValueError, ArgumentTypeError: as `cross_entropy`; ``first_class`` is no multiple of 4096.

    Singular cases: those of `cross_entropy`, in whichever slice they are.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x = np.arange(10000.0).reshape(1, 10000) % 7
        >>> labels = np.array([9000])
        >>> low = ce.partial_statistics(x[:, :8192], labels)
        >>> high = ce.partial_statistics(x[:, 8192:], labels, first_class=8192)
        >>> print(f"{(low | high).loss():.6f}")
        8.721827
        >>> print(f"{ce.cross_entropy(x, labels):.6f}")
        8.721827
    """
    x = _arrays.predictions(x)
    target = _arrays.target(target)
    if target.dtype.kind == "f":
        raise ArgumentTypeError(f"target has dtype {target.dtype}, but must be integers: labels")
    axis = _arguments.axis(axis, x.ndim)
    records = np.zeros(x.shape[:axis] + x.shape[axis + 1 :], _c_api.PARTIAL)
    _c_api.partial_compute(
        x,
        axis,
        _class_number("first_class", first_class),
        target,
        _arguments.ignore_index(ignore_index),
        _arguments.terms(softcap=softcap, logit_scale=logit_scale),
        _threads(threads),
        records,
        _arguments.is_interruptible(x),
    )
    return PartialStatistics(records)


class PartialStatistics:
    """Statistics of rows over some of their classes, from `partial_statistics`.

    ``a | b`` and ``a.merge(b, c, ...)`` are the statistics of the classes of all of them: the same bytes in any order
    and grouping. Statistics of all classes give `loss` and `grad`. They are immutable, and can be compared, pickled and
    turned into bytes. ``PartialStatistics(array)`` are those of a copy of such records.

    Attributes:
        array: one record of ``ce_partial`` (see crossentropy.h) for each row, read-only.
        shape: the shape of the rows.
        classes: how many classes have been seen; 0 if there are no rows.
        max: the largest logit of each row, NaN where there is a NaN or inf.
        argmax: its class, the first of several; -1 where there is none.
    """

    __slots__ = ("_array",)

    def __init__(self, array: Array) -> None:
        if array.dtype != _c_api.PARTIAL:
            raise ArgumentTypeError(f"statistics have dtype {array.dtype}, but must be records of ce_partial")
        # Bytes cannot be changed, and NumPy lets nobody make an array of them writable.
        self._array = np.frombuffer(array.tobytes(), _c_api.PARTIAL).reshape(array.shape)

    @property
    def array(self) -> Array:
        return self._array.view()

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def classes(self) -> int:
        return int(self._array["classes"].flat[0]) if self._array.size else 0

    @property
    def max(self) -> Array:
        return self._array["max"].copy()

    @property
    def argmax(self) -> Array:
        return self._array["argmax"].copy()

    def merge(self, *others: PartialStatistics) -> PartialStatistics:
        """The statistics of the classes of all of them.

        Args:
            others: of the same rows, with the same labels, and of other classes.

        Raises:
            ArgumentValueError: a ValueError; shapes or labels differ, or classes are the same as far as that can be
                told from their number and the label. What is not found here is found by `loss`.
            ArgumentTypeError: a TypeError; one is no `PartialStatistics`.
        """
        merged = self._array.copy()
        for other in others:
            if not isinstance(other, PartialStatistics):
                raise ArgumentTypeError(f"only PartialStatistics can be merged, not {type(other).__name__}")
            if other.shape != self.shape:
                raise ArgumentValueError(f"statistics of rows of shape {other.shape} do not fit those of {self.shape}")
            _c_api.partial_merge(merged, other._array)
        return PartialStatistics(merged)

    def __or__(self, other: PartialStatistics) -> PartialStatistics:
        if not isinstance(other, PartialStatistics):
            return NotImplemented
        return self.merge(other)

    def loss(
        self,
        *,
        classes: SupportsIndex | None = None,
        weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        mean_over: str | SupportsFloat = "weight",
        empty: str = "nan",
        z_loss: SupportsFloat = 0.0,
        focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0,
    ) -> Any:
        """The loss, as from `cross_entropy` on all classes, within the same bounds.

        Args:
            classes: the number of classes. None: those that have been seen, where a missing last slice goes
                unnoticed.
            weight: class weights, of all classes.
            sample_weight: row weights, of the shape of the rows.
            reduction, mean_over, empty, z_loss, focal_gamma, poly_epsilon: as in `cross_entropy`.

        Returns:
            A scalar, or with ``reduction="none"`` an array of the shape of the rows; float64 for float64 logits, else
            float32.

        Raises:
            LabelError: an IndexError; a label is not below the number of classes.
            EmptyError: a ValueError; no row counts and ``empty="error"``.
            ArgumentValueError: a ValueError; not each class has been seen exactly once, or an option is out of range.
        """
        choices, divisor = _arguments.choices("logits", reduction, mean_over, empty)
        sample_weight = _arrays.weights("sample_weight", sample_weight)
        if sample_weight is not None:
            if sample_weight.shape != self.shape:
                raise ArgumentValueError(
                    f"sample_weight has shape {sample_weight.shape}, but the rows have shape {self.shape}"
                )
            sample_weight = sample_weight.reshape(-1)
        # Rows of both kinds come from arrays that were put together by hand, and count as the narrower ones.
        is_f64 = self._array.size > 0 and bool((self._array["dtype"] == _c_api.FLOATS[np.dtype(np.float64)]).all())
        result = np.empty(self._array.size if reduction == "none" else (), np.float64 if is_f64 else np.float32)
        _c_api.partial_loss(
            self._array,
            0 if classes is None else _class_number("classes", classes),
            _arrays.weights("weight", weight),
            sample_weight,
            choices,
            divisor,
            _arguments.terms(z_loss=z_loss, focal_gamma=focal_gamma, poly_epsilon=poly_epsilon),
            result,
        )
        return (result.reshape(self.shape) if reduction == "none" else result)[()]

    def grad(
        self,
        x: ArrayLike,
        *,
        first_class: SupportsIndex = 0,
        axis: SupportsIndex = -1,
        classes: SupportsIndex | None = None,
        weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        mean_over: str | SupportsFloat = "weight",
        empty: str = "nan",
        z_loss: SupportsFloat = 0.0,
        focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0,
        grad_loss: SupportsFloat = 1.0,
        grad: Output | None = None,
        threads: SupportsIndex | None = None,
    ) -> Any:
        """The derivative of `loss` with respect to the logits of a slice.

        Args:
            x, first_class, axis: as they were given to `partial_statistics`.
            classes, weight, ..., poly_epsilon: as given to `loss`.
            grad_loss: upstream gradient, a number.
            grad: array for the gradient, of the shape and dtype of ``x``; for 16 bits also float32. ``grad=x`` replaces
                ``x``. None: a new array.
            threads: the most threads to use; None: as many as `get_num_threads` says.

        Returns:
            ``grad`` if it is given, else a new array, of the package of ``x``.

        Raises:
            As `loss`.
        """
        given, x = x, _arrays.predictions(x)
        axis = _arguments.axis(axis, x.ndim)
        rows = x.shape[:axis] + x.shape[axis + 1 :]
        if rows != self.shape:
            raise ArgumentValueError(f"x has rows of shape {rows}, but the statistics are of {self.shape}")
        choices, divisor = _arguments.choices("logits", reduction, mean_over, empty)
        result = np.empty_like(x) if grad is None else _arrays.output("grad", grad, halves=True)
        _c_api.partial_grad(
            x,
            axis,
            _class_number("first_class", first_class),
            self._array,
            0 if classes is None else _class_number("classes", classes),
            _arrays.weights("weight", weight),
            _arrays.weights("sample_weight", sample_weight),
            choices,
            divisor,
            _arguments.real_number("grad_loss", grad_loss),
            _arguments.terms(z_loss=z_loss, focal_gamma=focal_gamma, poly_epsilon=poly_epsilon),
            _threads(threads),
            result,
            _arguments.is_interruptible(x),
        )
        if grad is not None:
            return grad
        return result if given is x else _arrays.like(given, result)

    def to_bytes(self) -> bytes:
        """The records of all rows, 408 bytes each: what a C program has in its array of ``ce_partial``."""
        return self._array.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, shape: tuple[int, ...] | None = None) -> PartialStatistics:
        """From `to_bytes`; ``shape`` is that of the rows, which the bytes do not tell, and None means one dimension.

        Raises:
            ArgumentValueError: a ValueError; the number of bytes does not fit, or they are no statistics.
        """
        size = _c_api.PARTIAL.itemsize
        if len(data) % size:
            raise ArgumentValueError(f"{len(data)} bytes are no statistics, which have {size} bytes a row")
        array = np.frombuffer(data, _c_api.PARTIAL)
        versions = set(array["version"].tolist()) - {_c_api.PARTIAL_VERSION}
        if versions:
            text = f"statistics of version {versions.pop()}, but only {_c_api.PARTIAL_VERSION} is known"
            raise ArgumentValueError(text)
        if shape is None:
            return cls(array)
        try:
            return cls(array.reshape(shape))
        except ValueError:
            raise ArgumentValueError(f"there are {array.size} rows, which do not have shape {shape}") from None

    def __reduce__(self) -> Any:
        return PartialStatistics.from_bytes, (self.to_bytes(), self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PartialStatistics):
            return NotImplemented
        return self.shape == other.shape and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]  # as for arrays

    def __repr__(self) -> str:
        return f"PartialStatistics(shape={self.shape}, classes={self.classes})"


def _class_number(name: str, value: SupportsIndex) -> int:
    number = _arguments.integer(name, value)
    lowest = 1 if name == "classes" else 0
    if not lowest <= number < 2**62:
        raise ArgumentValueError(f"{name} is {number}, but must be at least {lowest} and below 2**62")
    return number


def _threads(threads: SupportsIndex | None) -> int:
    return 0 if threads is None else _arguments.thread_count("threads", threads)
