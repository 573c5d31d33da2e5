"""What logits give without a loss: probabilities, their logarithms, log-sum-exp, and statistics of each row."""

from __future__ import annotations

from typing import Any, NamedTuple, SupportsFloat, SupportsIndex

import numpy as np

from . import _arguments, _arrays, _c_api
from ._arrays import ArrayLike, Output
from ._c_api import Array
from ._errors import ArgumentTypeError, ArgumentValueError

__all__ = ["RowStats", "log_softmax", "logsumexp", "row_stats", "softmax"]


def softmax(
    x: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
) -> Any:
    r"""Probabilities of logits: :math:`p_c = \exp(z_c) / \sum_j \exp(z_j)`.

    Args:
        x: logits, float32, float64, float16 or bfloat16 (as from ml_dtypes); at least one dimension.
        axis: the dimension that holds the classes.
        softcap, logit_scale: as in `cross_entropy`; 1 / temperature is a scale.
        out: array for the result, of the shape and dtype of ``x``; for 16 bits also float32. ``out=x``
            replaces ``x``; any other overlap is an error. None: a new array, of the dtype of ``x``.
        threads: the most threads to use; None: as many as `get_num_threads` says.

    Returns:
        ``out`` if it is given, else a new array.

    Raises:
        ArgumentValueError, ArgumentTypeError: as `cross_entropy`.

    Singular cases: the probability of -inf is 0. Rows with NaN or inf, or nothing but -inf, become NaN
    throughout.

    Each probability is within a relative 1e-6 (float64: 1e-13) of the exact one, and below 1e-6
    within 5e-6; those below 2**-126 (2**-1022) of the largest may be 0.

    Examples:
        >>> import crossentropy as ce
        >>> print(ce.softmax([[0.0, 1.0, 2.0]]).round(6))
        [[0.090031 0.244728 0.665241]]
    """
    return _per_class("softmax", x, axis, softcap, logit_scale, out, threads)


def log_softmax(
    x: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
) -> Any:
    r"""Logarithms of probabilities of logits: :math:`z_c - \log \sum_j \exp(z_j)`.

    Exact also where the probability is nearly 1: ``log_softmax([[80.0, 0.0]])`` begins with -1.8e-35.

    Args:
        x, axis, ..., threads: as in `softmax`.

    Returns:
        As `softmax`.

    Raises:
        As `softmax`.

    Singular cases: that of -inf is -inf. Rows with NaN or inf, or nothing but -inf, become NaN
    throughout.

    Examples:
        >>> import crossentropy as ce
        >>> print(ce.log_softmax([[0.0, 1.0, 2.0]]).round(6))
        [[-2.407606 -1.407606 -0.407606]]
    """
    return _per_class("log_softmax", x, axis, softcap, logit_scale, out, threads)


def logsumexp(
    x: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
) -> Any:
    r""":math:`\log \sum_c \exp(z_c)` of each row of logits.

    Args:
        x, axis, softcap, logit_scale, threads: as in `softmax`.
        out: float32 or float64 array for the result, of the shape of ``x`` without ``axis``.

    Returns:
        ``out`` if it is given. Otherwise an array of the shape of ``x`` without ``axis`` (a scalar if ``x`` has one
        dimension), float64 for float64 ``x`` and float32 for all others.

    Raises:
        As `softmax`.

    Singular cases: inf if the row holds inf, -inf if it holds nothing but -inf, else NaN if it holds NaN.

    Examples:
        >>> import crossentropy as ce
        >>> print(ce.logsumexp([[0.0, 1.0, 2.0]]).round(6))
        [2.407606]
    """
    given, x = x, _arrays.predictions(x)
    position = _arguments.axis(axis, x.ndim)
    dtype = x.dtype if x.dtype in _c_api.FLOATS else np.dtype(np.float32)
    result = np.empty(_rows(x, position), dtype) if out is None else _arrays.output("out", out)
    _call("logsumexp", x, position, None, None, softcap, logit_scale, threads, result)
    if out is not None:
        return out
    result = result[()]
    return result if given is x else _arrays.like(given, result)


class RowStats(NamedTuple):
    """What rows of logits tell beside their loss: arrays of the rows' shape, of float64 or int64.

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
    """The probability of the label; NaN without labels, in rows that are ignored and in calls for a loss where a weight
    is 0."""
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


def row_stats(
    x: ArrayLike,
    target: ArrayLike | None = None,
    *,
    axis: SupportsIndex = -1,
    ignore_index: SupportsIndex | None = -100,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    threads: SupportsIndex | None = None,
) -> RowStats:
    """Log-sum-exp, largest logit, its class, entropy, and probability and rank of the target, in one pass.

    To get them from the pass of a loss, call `cross_entropy` with ``row_stats=True``.

    Args:
        x: logits, as in `softmax`.
        target: labels in [0, C), with the shape of ``x`` without ``axis``; None: there are none.
        axis, softcap, logit_scale, threads: as in `softmax`.
        ignore_index: rows with this label have no target; None: every row has one.

    Returns:
        `RowStats`.

    Raises:
        LabelError: an IndexError; a label is neither in [0, C) nor ``ignore_index``.
        ArgumentValueError, ArgumentTypeError: as `cross_entropy`.

    Singular cases: see `RowStats`.

    Examples:
        >>> import crossentropy as ce
        >>> stats = ce.row_stats([[0.0, 1.0, 2.0]], [1])
        >>> print(stats.argmax, stats.target_rank, stats.entropy.round(6))
        [2] [1] [0.832396]
    """
    x = _arrays.predictions(x)
    labels = None if target is None else _arrays.target(target)
    if labels is not None and labels.dtype.kind == "f":
        raise ArgumentTypeError(f"target has dtype {labels.dtype}, but must be integers (labels), or None")
    position = _arguments.axis(axis, x.ndim)
    arrays = empty_row_stats(x, position)
    _call("row_stats", x, position, labels, ignore_index, softcap, logit_scale, threads, arrays)
    return arrays


def empty_row_stats(x: Array, axis: int) -> RowStats:
    """Room for the statistics of the rows of ``x``."""
    shape = _rows(x, axis)
    return RowStats(*(np.empty(shape, dtype) for dtype in "ddqddq"))


def _rows(x: Array, axis: int) -> tuple[int, ...]:
    return x.shape[:axis] + x.shape[axis + 1 :]


def _per_class(
    name: str,
    x: ArrayLike,
    axis: SupportsIndex,
    softcap: SupportsFloat | None,
    logit_scale: SupportsFloat,
    out: Output | None,
    threads: SupportsIndex | None,
) -> Any:
    given, x = x, _arrays.predictions(x)
    result = np.empty_like(x) if out is None else _arrays.output("out", out, halves=True)
    _call(name, x, _arguments.axis(axis, x.ndim), None, None, softcap, logit_scale, threads, result)
    if out is not None:
        return out
    return result if given is x else _arrays.like(given, result)


def _call(
    name: str,
    x: Array,
    axis: int,
    labels: Array | None,
    ignore_index: SupportsIndex | None,
    softcap: SupportsFloat | None,
    logit_scale: SupportsFloat,
    threads: SupportsIndex | None,
    output: Array | tuple[Array, ...],
) -> None:
    _c_api.of_logits(
        name,
        x,
        axis,
        labels,
        _arguments.ignore_index(ignore_index),
        _arguments.terms(softcap=softcap, logit_scale=logit_scale),
        0 if threads is None else _arguments.thread_count("threads", threads),
        output,
        _arguments.is_interruptible(x),
    )
