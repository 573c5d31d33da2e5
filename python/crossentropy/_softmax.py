"""Functions of logits without a target: probabilities, their logarithms, log-sum-exp, and statistics of each row."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn, SupportsFloat, SupportsIndex

import numpy as np

from . import _arguments, _arrays, _hints
from ._accepts import LOG_SOFTMAX, LOGSUMEXP, ROW_STATISTICS, SOFTMAX
from ._c_api import calls, header
from ._errors import ArgumentTypeError, ArgumentValueError, CrossEntropyError
from ._function import Function
from ._types import Array, ArrayLike, Output

__all__ = ["RowStats", "log_softmax", "logsumexp", "row_stats", "softmax"]


@SOFTMAX.public
def softmax(
    x: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> Array:
    r"""Probabilities of logits.

    .. math:: p_c = \exp(z_c) / \sum_j \exp(z_j)

    Args:
        x: logits, of the dtypes and kinds of ``x`` in `cross_entropy`; at least one dimension.
        axis: the dimension of ``x`` that holds the classes.
        softcap: c above 0; x, after ``logit_scale``, becomes :math:`c \tanh(x / c)`. Infinities stay. For logits.
        logit_scale: not 0; x is multiplied by it, before ``softcap``; the inverse of a temperature. For logits.
        out: array for the result, of the shape and dtype of ``x``; for 16 bits also float32. ``out=x`` replaces ``x``;
            any other overlap is an error. None: a new array, of the dtype of ``x``.
        threads: the most threads to use; None: as many as `get_num_threads` says.

    Returns:
        ``out`` if it is given, else a new array.

    Raises:
        ArgumentValueError, ArgumentTypeError, KeyboardInterrupt: as `cross_entropy`.

    Singular cases: the probability of -inf is 0. Rows with NaN or inf, or nothing but -inf, become NaN
    throughout.

    Accuracy: each probability is within a relative 1e-6 (float64: 1e-13) of the exact one, and below 1e-6
    within 5e-6; those below 2**-126 (2**-1022) of the largest may be 0.

    Examples:
        >>> import crossentropy as ce
        >>> print(ce.softmax([[0.0, 1.0, 2.0]]).round(6))
        [[0.090031 0.244728 0.665241]]
    """
    if unknown:
        SOFTMAX.refuse(unknown)
    values = (softcap, logit_scale, threads)
    return per_class(SOFTMAX, values, x=x, axis=axis, out=out)


@LOG_SOFTMAX.public
def log_softmax(
    x: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> Array:
    r"""Logarithms of the probabilities of logits.

    .. math:: \log p_c = z_c - \log \sum_j \exp(z_j)

    Exact also where the probability is nearly 1: ``log_softmax([[80.0, 0.0]])`` begins with -1.8e-35.

    Args:
        x, axis, softcap, ..., threads: as in `softmax`.

    Returns:
        As `softmax`.

    Raises:
        ArgumentValueError, ArgumentTypeError, KeyboardInterrupt: as `softmax`.

    Singular cases: that of -inf is -inf. Rows with NaN or inf, or nothing but -inf, become NaN
    throughout.

    Examples:
        >>> import crossentropy as ce
        >>> print(ce.log_softmax([[0.0, 1.0, 2.0]]).round(6))
        [[-2.407606 -1.407606 -0.407606]]
    """
    if unknown:
        LOG_SOFTMAX.refuse(unknown)
    values = (softcap, logit_scale, threads)
    return per_class(LOG_SOFTMAX, values, x=x, axis=axis, out=out)


@LOGSUMEXP.public
def logsumexp(
    x: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> Array:
    r"""Logarithm of the sum of the exponentials of each row of logits.

    .. math:: lse = \log \sum_c \exp(z_c)

    Args:
        x, axis, softcap, ..., threads: as in `softmax`.
        out: float32 or float64 array for the result, of the shape of ``x`` without ``axis``.

    Returns:
        ``out`` if it is given. Otherwise an array of the shape of ``x`` without ``axis`` (a scalar if ``x`` has one
        dimension), float64 for float64 ``x`` and float32 for all others.

    Raises:
        ArgumentValueError, ArgumentTypeError, KeyboardInterrupt: as `softmax`.

    Singular cases: inf if the row holds inf, -inf if it holds nothing but -inf, else NaN if it holds NaN.

    Examples:
        >>> import crossentropy as ce
        >>> print(ce.logsumexp([[0.0, 1.0, 2.0]]).round(6))
        [2.407606]
    """
    if unknown:
        LOGSUMEXP.refuse(unknown)
    values = (softcap, logit_scale, threads)
    return per_row(LOGSUMEXP, values, x=x, axis=axis, out=out)


class RowStats(NamedTuple):
    """Statistics of each row of logits: arrays of the rows' shape, of float64 or int64.

    Rows with inf, or with nothing but -inf, have ``lse``, ``max`` and ``argmax``, and NaN and -1 for the rest;
    other rows with NaN have NaN and -1 throughout.
    """

    lse: Array
    """log(sum(exp(z)))."""
    max: Array
    """The largest logit."""
    argmax: Array
    """The class of the largest logit, the first of several."""
    entropy: Array
    """-sum(p log p) in nats, from 0 to log(C)."""
    target_prob: Array
    """The probability of the label; NaN without labels, in rows that are ignored and in calls for a loss where the
    sample weight is 0, or the weight of the label and ``z_loss``."""
    target_rank: Array
    """How many classes are ahead of the label's: those of larger logits, and of equal ones those of lower index; -1
    where ``target_prob`` is NaN."""

    def correct(self, k: SupportsIndex = 1) -> Array:
        """Whether the label is among the k best classes: booleans of the rows' shape. The mean over the rows that
        have a label is the top-k accuracy.

        >>> import crossentropy as ce
        >>> stats = ce.row_stats([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]], [1, 0])
        >>> print(stats.correct(), stats.correct(k=2))
        [False  True] [ True  True]
        """
        best = _arguments.integer("k", k)
        if best < 1:
            raise ArgumentValueError(f"k is {best}, but must be 1 or more")
        return (self.target_rank >= 0) & (self.target_rank < best)


@ROW_STATISTICS.public
def row_stats(
    x: ArrayLike,
    target: ArrayLike | None = None,
    *,
    axis: SupportsIndex = -1,
    ignore_index: SupportsIndex | None = -100,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> RowStats:
    """Log-sum-exp, largest logit, its class, entropy, and probability and rank of the target, in one pass.

    To get them from the pass of a loss, call `cross_entropy` with ``row_stats=True``.

    Args:
        x, axis, softcap, ..., threads: as in `softmax`.
        target: labels in [0, C), with the shape of ``x`` without ``axis``; None: there are none.
        ignore_index: rows with this label have no target; None: every row has one.

    Returns:
        `RowStats`.

    Raises:
        LabelError: an IndexError; when a label is neither in [0, C) nor ``ignore_index``.
        ArgumentValueError, ArgumentTypeError, KeyboardInterrupt: as `cross_entropy`.

    Singular cases: see `RowStats`.

    Examples:
        >>> import crossentropy as ce
        >>> stats = ce.row_stats([[0.0, 1.0, 2.0]], [1])
        >>> print(stats.argmax, stats.target_rank, stats.entropy.round(6))
        [2] [1] [0.832396]
    """
    if unknown:
        ROW_STATISTICS.refuse(unknown)
    values = (ignore_index, softcap, logit_scale, threads)
    return statistics(ROW_STATISTICS, values, x=x, target=target, axis=axis)


def per_class(
    function: Function,
    values: tuple[Any, ...],
    x: ArrayLike,
    axis: SupportsIndex,
    out: Output | None,
) -> Any:
    """What has a number for each class of each row."""
    given, x = x, _arrays.predictions(x)
    result = np.empty_like(x) if out is None else _arrays.output("out", out, halves=True)
    axis = _arguments.axis(axis, x.ndim)
    calls.of_logits(function.call, x, axis, function.settings(values), result, _arguments.is_long(x.size))
    if out is not None:
        return out
    return result if given is x else _arrays.like(given, result)


def per_row(
    function: Function,
    values: tuple[Any, ...],
    x: ArrayLike,
    axis: SupportsIndex,
    out: Output | None,
) -> Any:
    """What has one number for each row."""
    given, x = x, _arrays.predictions(x)
    axis = _arguments.axis(axis, x.ndim)
    dtype = x.dtype if x.dtype in header.FLOATS else np.dtype(np.float32)
    output = np.empty(_rows(x, axis), dtype) if out is None else _arrays.output("out", out)
    calls.of_logits(function.call, x, axis, function.settings(values), output, _arguments.is_long(x.size))
    if out is not None:
        return out
    result = output[()]
    return result if given is x else _arrays.like(given, result)


def statistics(
    function: Function,
    values: tuple[Any, ...],
    x: ArrayLike,
    target: ArrayLike | None,
    axis: SupportsIndex,
) -> RowStats:
    x = _arrays.predictions(x)
    labels = None if target is None else _arrays.target(target)
    if labels is not None and labels.dtype.kind not in "iu":
        raise ArgumentTypeError(f"target has dtype {labels.dtype}, but must be integers (labels), or None")
    axis = _arguments.axis(axis, x.ndim)
    arrays = empty_row_stats(x, axis)
    settings = function.settings(values)
    try:
        calls.row_stats(x, axis, labels, settings, arrays, _arguments.is_long(x.size))
    except CrossEntropyError as error:
        raise _hints.explained(error, function, x, labels, axis, settings) from None
    return arrays


def empty_row_stats(x: Array, axis: int) -> RowStats:
    """Memory for the statistics of the rows of ``x``."""
    shape = _rows(x, axis)
    return RowStats(*(np.empty(shape, dtype) for dtype in "ddqddq"))


def _rows(x: Array, axis: int) -> tuple[int, ...]:
    return x.shape[:axis] + x.shape[axis + 1 :]
