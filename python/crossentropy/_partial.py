"""Losses of rows whose classes are not all in one place: statistics of slices, which are merged."""

from __future__ import annotations

from typing import Any, Literal, NoReturn, SupportsFloat, SupportsIndex, overload

import numpy as np

from . import _arguments, _arrays, _hints
from ._accepts import PARTIAL_GRAD, PARTIAL_LOSS, PARTIAL_STATISTICS
from ._c_api import calls, header
from ._errors import ArgumentTypeError, ArgumentValueError, CrossEntropyError
from ._function import Function
from ._types import Array, ArrayLike, Loss, NumPyLike, Output

__all__ = ["PartialStatistics", "partial_statistics"]


@PARTIAL_STATISTICS.public
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
    **unknown: NoReturn,
) -> PartialStatistics:
    r"""Partial statistics of rows: the contribution of a slice of the classes to the loss of each row.

    They take 408 bytes a row, can be stored and sent, and are merged with those of the other slices. For vocabularies
    that are split over files, processes or machines. Loss and gradient are the same bits for any slices, and any order
    and grouping in which they are merged.

    Args:
        x: logits of classes ``first_class``, ``first_class + 1``, ...: of the dtypes and kinds of ``x`` in
            `cross_entropy`, at least one dimension; ``axis`` runs over the classes of the slice, and the others over
            the rows.
        target: labels, of any integer dtype, counted from class 0 whatever the slice; the shape of ``x`` without
            ``axis``. The label may be in any slice.
        first_class: a multiple of 4096, the library's block of classes. So is the length of every slice but the last.
        axis: the dimension of ``x`` that holds the classes.
        ignore_index: rows with this label are ignored; None: no label is.
        softcap: c above 0; x, after ``logit_scale``, becomes :math:`c \tanh(x / c)`. Infinities stay. For logits. The
            same for all slices.
        logit_scale: not 0; x is multiplied by it, before ``softcap``; the inverse of a temperature. For logits. The
            same for all slices.
        threads: the most threads to use; None: as many as `get_num_threads` says.

    Returns:
        The statistics of the slice.

    Raises:
        LabelError: an IndexError; when a label is negative and not ignored. One that is too large is found by
            `PartialStatistics.loss`, when the number of classes is known.
        ArgumentValueError: a ValueError; when ``first_class`` is no multiple of 4096; else as `cross_entropy`.
        ArgumentTypeError, KeyboardInterrupt: as `cross_entropy`.

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
    if unknown:
        PARTIAL_STATISTICS.refuse(unknown)
    values = (ignore_index, softcap, logit_scale, threads)
    return _compute(PARTIAL_STATISTICS, values, x=x, target=target, first_class=first_class, axis=axis)


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
        if array.dtype != header.PARTIAL:
            raise ArgumentTypeError(f"statistics have dtype {array.dtype}, but must be records of ce_partial")
        # Bytes cannot be changed, and NumPy lets nobody make an array of them writable.
        self._array = np.frombuffer(array.tobytes(), header.PARTIAL).reshape(array.shape)

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
            ArgumentValueError: a ValueError; when shapes or labels differ, or classes are the same as far as that can
                be told from their number and the label. The rest is found by `loss`.
            ArgumentTypeError: a TypeError; when one is no `PartialStatistics`.
        """
        merged = self._array.copy()
        for other in others:
            if not isinstance(other, PartialStatistics):
                raise ArgumentTypeError(f"only PartialStatistics can be merged, not {type(other).__name__}")
            if other.shape != self.shape:
                raise ArgumentValueError(f"statistics of rows of shape {other.shape} do not fit those of {self.shape}")
            calls.partial_merge(merged, other._array)
        return PartialStatistics(merged)

    def __or__(self, other: PartialStatistics) -> PartialStatistics:
        if not isinstance(other, PartialStatistics):
            return NotImplemented
        return self.merge(other)

    @overload
    def loss(
        self, *, classes: SupportsIndex | None = None, weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None, reduction: Literal["mean", "sum"] = "mean",
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0,
    ) -> np.floating[Any]: ...  # fmt: skip
    @overload
    def loss(
        self, *, classes: SupportsIndex | None = None, weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None, reduction: Literal["none"],
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0,
    ) -> Array: ...  # fmt: skip
    @PARTIAL_LOSS.public
    def loss(
        self,
        *,
        classes: SupportsIndex | None = None,
        weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan",
        z_loss: SupportsFloat = 0.0,
        focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0,
        **unknown: NoReturn,
    ) -> Loss:
        r"""The loss, as from `cross_entropy` on all classes, within the same bounds.

        Args:
            classes: the number of classes. None: those that have been seen, where a missing last slice goes unnoticed.
            weight: weights w of the classes, of all of them.
            sample_weight: weights s of the rows, of their shape.
            reduction, mean_over, empty, ..., poly_epsilon: as in `cross_entropy`.

        Returns:
            A scalar, or with ``reduction="none"`` an array of the shape of the rows; float64 for float64 logits, else
            float32.

        Raises:
            LabelError: an IndexError; when a label is not below the number of classes.
            ArgumentValueError: a ValueError; when not each class has been seen exactly once, or an option is out of
                range.
            ArgumentTypeError: a TypeError; when a dtype, the kind of an argument or its name is not accepted.
            EmptyError: a ValueError; when the divisor of the mean is 0, and ``empty="error"``.
        """
        if unknown:
            PARTIAL_LOSS.refuse(unknown)
        values = (weight, sample_weight, reduction, mean_over, empty, z_loss, focal_gamma, poly_epsilon)
        return self._loss(PARTIAL_LOSS, values, classes=classes)

    @overload
    def grad(
        self, x: NumPyLike, *, first_class: SupportsIndex = 0, axis: SupportsIndex = -1,
        classes: SupportsIndex | None = None, weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0, grad_loss: SupportsFloat = 1.0, grad: Array | None = None,
        threads: SupportsIndex | None = None,
    ) -> Array: ...  # fmt: skip
    @overload
    def grad(
        self, x: ArrayLike, *, first_class: SupportsIndex = 0, axis: SupportsIndex = -1,
        classes: SupportsIndex | None = None, weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0, grad_loss: SupportsFloat = 1.0, grad: Output | None = None,
        threads: SupportsIndex | None = None,
    ) -> Any: ...  # fmt: skip
    @PARTIAL_GRAD.public
    def grad(
        self,
        x: ArrayLike,
        *,
        first_class: SupportsIndex = 0,
        axis: SupportsIndex = -1,
        classes: SupportsIndex | None = None,
        weight: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan",
        z_loss: SupportsFloat = 0.0,
        focal_gamma: SupportsFloat = 0.0,
        poly_epsilon: SupportsFloat = 0.0,
        grad_loss: SupportsFloat = 1.0,
        grad: Output | None = None,
        threads: SupportsIndex | None = None,
        **unknown: NoReturn,
    ) -> Array:
        """The derivative of `loss` with respect to the logits of a slice.

        Args:
            x: logits of the slice, as they were given to `partial_statistics`.
            first_class: as it was given to `partial_statistics`.
            axis: as it was given to `partial_statistics`.
            classes, weight, sample_weight, ..., poly_epsilon: as in `PartialStatistics.loss`.
            grad_loss: upstream gradient, a number.
            grad: array for the gradient, of the shape and dtype of ``x``; for 16 bits also float32. ``grad=x`` replaces
                ``x``. None: a new array.
            threads: the most threads to use; None: as many as `get_num_threads` says.

        Returns:
            ``grad`` if it is given, else a new array, of the package of ``x``.

        Raises:
            LabelError, ArgumentValueError, ArgumentTypeError, EmptyError: as `loss`.
            KeyboardInterrupt: as `cross_entropy`.
        """
        if unknown:
            PARTIAL_GRAD.refuse(unknown)
        values = (
            weight, sample_weight, reduction, mean_over, empty, z_loss, focal_gamma, poly_epsilon, grad_loss, threads,
        )  # fmt: skip
        return self._grad(PARTIAL_GRAD, values, x=x, first_class=first_class, axis=axis, classes=classes, grad=grad)

    def _loss(self, function: Function, values: tuple[Any, ...], classes: SupportsIndex | None) -> Any:
        settings = {**function.settings(values)}
        if "sample_weight" in settings:
            weights = settings["sample_weight"]
            if weights.shape != self.shape:
                raise ArgumentValueError(
                    f"sample_weight has shape {list(weights.shape)}, but the rows have shape {list(self.shape)}"
                )
            settings["sample_weight"] = weights.reshape(-1)
        # Rows of both kinds come from arrays that were put together by hand, and count as the narrower ones.
        is_f64 = self._array.size > 0 and bool((self._array["dtype"] == header.FLOATS[np.dtype(np.float64)]).all())
        keeps_rows = settings.get("reduction") == header.REDUCTIONS["none"]
        result = np.empty(self._array.size if keeps_rows else (), np.float64 if is_f64 else np.float32)
        calls.partial_loss(self._array, _number_of(classes), settings, result)
        return (result.reshape(self.shape) if keeps_rows else result)[()]

    def _grad(
        self,
        function: Function,
        values: tuple[Any, ...],
        x: ArrayLike,
        first_class: SupportsIndex,
        axis: SupportsIndex,
        classes: SupportsIndex | None,
        grad: Output | None,
    ) -> Any:
        given, x = x, _arrays.predictions(x)
        axis = _arguments.axis(axis, x.ndim)
        rows = x.shape[:axis] + x.shape[axis + 1 :]
        if rows != self.shape:
            raise ArgumentValueError(f"x has rows of shape {list(rows)}, but the statistics are of {list(self.shape)}")
        result = np.empty_like(x) if grad is None else _arrays.output("grad", grad, halves=True)
        calls.partial_grad(
            x,
            axis,
            _arguments.class_number("first_class", first_class),
            self._array,
            _number_of(classes),
            function.settings(values),
            result,
            _arguments.is_long(x.size),
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
        size = header.PARTIAL.itemsize
        if len(data) % size:
            raise ArgumentValueError(f"{len(data)} bytes are no statistics, which have {size} bytes a row")
        array = np.frombuffer(data, header.PARTIAL)
        versions = set(array["version"].tolist()) - {header.PARTIAL_VERSION}
        if versions:
            text = f"statistics of version {versions.pop()}, but only {header.PARTIAL_VERSION} is known"
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


def _compute(
    function: Function,
    values: tuple[Any, ...],
    x: ArrayLike,
    target: ArrayLike,
    first_class: SupportsIndex,
    axis: SupportsIndex,
) -> PartialStatistics:
    x = _arrays.predictions(x)
    target = _arrays.target(target)
    if target.dtype.kind not in "iu":
        raise ArgumentTypeError(f"target has dtype {target.dtype}, but must be integers: labels")
    axis = _arguments.axis(axis, x.ndim)
    records = np.zeros(x.shape[:axis] + x.shape[axis + 1 :], header.PARTIAL)
    settings, first = function.settings(values), _arguments.class_number("first_class", first_class)
    try:
        calls.partial_compute(x, axis, first, target, settings, records, _arguments.is_long(x.size))
    except CrossEntropyError as error:
        raise _hints.explained(error, function, x, target, axis, settings) from None
    return PartialStatistics(records)


def _number_of(classes: SupportsIndex | None) -> int:
    return 0 if classes is None else _arguments.class_number("classes", classes)
