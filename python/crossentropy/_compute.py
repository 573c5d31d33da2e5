"""What the losses have in common: arguments in Python's terms become one call of the library.

Errors that only Python can see are found here, all others by the library, before it writes anything.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np

from . import _arguments, _arrays, _hints
from ._c_api import calls, header
from ._errors import ArgumentTypeError, ArgumentValueError, CrossEntropyError
from ._function import Function
from ._softmax import empty_row_stats
from ._targets import SparseTarget
from ._types import Array, ArrayLike, Output

_NONE = header.REDUCTIONS["none"]


def loss(
    function: Function,
    values: tuple[Any, ...],
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    axis: SupportsIndex,
    out: Output | None,
    row_stats: bool = False,
    grad: Output | None = None,
    grad_target: bool | Output = False,
) -> Any:
    """The loss of a ``function`` whose options have these ``values``; or a tuple of it, the gradients and the
    statistics, as far as these are wanted."""
    given = x
    try:
        x = _arrays.predictions(x, function.first)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}{_hints.if_swapped(function, given, target)}") from error.__cause__
    axis = _arguments.axis(axis, x.ndim, function.first, function.per_element)
    settings = function.settings(values)
    labels, settings = _target(function, target, settings)
    if settings is not function.fixed:
        settings = _together(function, settings, x)

    target_gradient = None
    if grad_target is True:
        # Of labels there is none, as the library will say.
        target_gradient = np.empty_like(labels, np.float64 if labels.dtype.kind in "iu" else labels.dtype)
    elif grad_target is not False:
        target_gradient = _arrays.output("grad_target", grad_target, halves=True)
    stats = None
    if row_stats is not False and _arguments.flag("row_stats", row_stats):
        stats = empty_row_stats(x, axis)
    result: Array | None = None  # a scalar
    if out is not None:
        result = _arrays.output("out", out)
    elif settings.get("reduction") == _NONE and x.ndim >= (1 if function.per_element else 2):
        shape = x.shape if function.per_element else x.shape[:axis] + x.shape[axis + 1 :]
        result = np.empty(shape, x.dtype if x.dtype in header.FLOATS else np.float32)
    gradient: Any = None
    if function.with_grad:
        gradient = np.empty_like(x) if grad is None else _arrays.output("grad", grad, halves=True)

    interruptible = _arguments.is_long(max(x.size, labels.size))  # sparse targets may be larger than x
    try:
        computed = calls.loss(
            function.call, x, axis, labels, settings, result, gradient, target_gradient, stats, interruptible,
            function.names,
        )  # fmt: skip
    except CrossEntropyError as error:
        raise _hints.explained(error, function, x, labels, axis, settings, result) from None
    if result is None and not computed >= 0 and not (function.with_grad and np.may_share_memory(gradient, x)):
        _hints.warn_if_implausible(function, settings, x, labels)

    if given is not x:
        if out is None:
            computed = _arrays.like(given, computed)
        if function.with_grad and grad is None:
            gradient = _arrays.like(given, gradient)
    if out is not None:
        computed = out
    if grad is not None:
        gradient = grad
    if target_gradient is None and stats is None:
        return (computed, gradient) if function.with_grad else computed
    results: list[Any] = [computed, gradient] if function.with_grad else [computed]
    if target_gradient is not None:
        results.append(_arrays.like(target, target_gradient) if grad_target is True else grad_target)
    if stats is not None:
        results.append(stats)
    return tuple(results)


def hessian(
    function: Function,
    values: tuple[Any, ...],
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    axis: SupportsIndex,
    out: Output | None,
    vector: ArrayLike | None = None,
) -> Any:
    """The product of the Hessian with a ``vector``, or without one its diagonal."""
    given, x = x, _arrays.predictions(x)
    axis = _arguments.axis(axis, x.ndim)
    labels, settings = _target(function, target, function.settings(values))
    settings = _together(function, settings, x)
    factor = None if vector is None else _arrays.vector(vector)
    output = np.empty_like(x) if out is None else _arrays.output("out", out, halves=True)
    interruptible = _arguments.is_long(max(x.size, labels.size))
    try:
        calls.hessian(x, axis, labels, factor, settings, output, interruptible)
    except CrossEntropyError as error:
        raise _hints.explained(error, function, x, labels, axis, settings) from None
    if out is not None:
        return out
    return output if given is x else _arrays.like(given, output)


def _target(function: Function, target: ArrayLike | SparseTarget, settings: Any) -> tuple[Array, Any]:
    """Labels or distributions, and the settings, which a sparse target adds to."""
    if not isinstance(target, SparseTarget):
        return _arrays.target(target, function.per_element), settings
    added = {"target_probs": target.probs, "target_rest": header.TARGET_RESTS[target.rest]}
    if target.offsets is not None:
        added["target_offsets"] = target.offsets
    return target.indices, {**settings, **added}


def _together(function: Function, settings: Any, x: Array) -> Any:
    """The settings, with options that depend on others, or on the shape of ``x``. They are not changed themselves, as
    the next call may have the same ones."""
    if "grad_losses" in settings and (function.per_element or settings.get("reduction") != _NONE):
        otherwise = "" if function.per_element else ' unless reduction is "none"'
        shape = list(settings["grad_losses"].shape)
        raise ArgumentValueError(f"grad_loss has shape {shape}, but must be one number{otherwise}")
    if function.per_element and "sample_weight" in settings:
        return {**settings, "sample_weight": _broadcast(settings["sample_weight"], x)}
    return settings


def _broadcast(sample_weight: Array, x: Array) -> Array:
    """``sample_weight`` as a view of the shape of ``x``."""
    if sample_weight.shape == x.shape:
        return sample_weight
    try:
        return np.broadcast_to(sample_weight, x.shape)
    except ValueError:
        shapes = f"{list(sample_weight.shape)}, which does not broadcast to that of x, {list(x.shape)}"
        raise ArgumentValueError(f"sample_weight has shape {shapes}") from None
