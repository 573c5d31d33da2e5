"""Calls of the library: arrays in, exceptions out.

With ``interruptible`` an exception from a signal handler, such as KeyboardInterrupt, ends the computation; it costs the
start of a thread. Without it such an exception waits for the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from .. import _messages
from .._errors import ArgumentTypeError, ArgumentValueError, CrossEntropyError, EmptyError, LabelError
from .._types import Array
from . import functions, interrupts
from .frames import Frame, Placeable, Settings, address, frame, frames
from .header import STATUS
from .interrupts import Cancel

EXCEPTIONS: dict[int, type[Exception]] = {
    STATUS["ERROR_DTYPE"]: ArgumentTypeError,
    STATUS["ERROR_SHAPE"]: ArgumentValueError,
    STATUS["ERROR_OVERFLOW"]: ArgumentValueError,
    STATUS["ERROR_OVERLAP"]: ArgumentValueError,
    STATUS["ERROR_LABEL"]: LabelError,
    STATUS["ERROR_OPTION"]: ArgumentValueError,
    STATUS["ERROR_EMPTY"]: EmptyError,
    STATUS["ERROR_OUT_OF_MEMORY"]: MemoryError,
    STATUS["ERROR_PARTIAL"]: ArgumentValueError,
}

_F64 = np.dtype(np.float64)


def run(
    function: Any,
    arguments: tuple[int, ...],
    cancel: Cancel | None = None,
    names: Mapping[str, str] = _messages.ARRAYS,
) -> None:
    """Calls; with ``cancel`` so that it can be interrupted. A status other than CE_OK is raised, with the caller's
    ``names`` for arguments."""
    if cancel is None:
        status = function(*arguments)
        if status:
            _raise(status, _messages.translated(_message(), names))
        return

    def call() -> tuple[int, str]:
        status = function(*arguments)
        # The message belongs to the thread that made the call, so it is fetched there.
        return status, _message() if status else ""

    status, message = interrupts.run(call, cancel)
    if status:
        _raise(status, _messages.translated(message, names))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _message() -> str:
    """This thread's last error, without the name of the C function, which the caller has not called."""
    return _text(functions.last_error_message()).partition(": ")[2]


def _raise(status: int, message: str) -> NoReturn:
    message = message or _text(functions.status_string(status))
    raise EXCEPTIONS.get(status, CrossEntropyError)(message)


# ----------------------------------------------------------------------------------------------
# Losses
# ----------------------------------------------------------------------------------------------


def loss(
    function: Any,
    x: Placeable,
    axis: int,
    target: Placeable,
    settings: Settings,
    loss: Placeable | None,
    grad: Placeable | None = None,
    grad_target: Placeable | None = None,
    row_stats: tuple[Array, ...] | None = None,
    interruptible: bool = False,
    names: Mapping[str, str] = _messages.ARRAYS,
) -> Any:
    """``ce_cross_entropy``, ``ce_binary_cross_entropy`` or ``ce_kl_divergence``.

    Returns ``loss``; or a new scalar where that is None: f64 for f64 x, else f32.
    """
    try:
        frame = frames.pop()
    except IndexError:
        frame = Frame()
    cancel = Cancel(frame, x, target, settings, loss, grad, grad_target, row_stats) if interruptible else None
    arguments, number = place_loss(frame, x, axis, target, settings, loss, grad, grad_target, row_stats, cancel)
    run(function, arguments, cancel, names)
    result = number[0] if loss is None else loss
    frames.append(frame)
    return result


def place_loss(
    frame: Frame,
    x: Placeable,
    axis: int,
    target: Placeable,
    settings: Settings,
    loss: Placeable | None,
    grad: Placeable | None,
    grad_target: Placeable | None = None,
    row_stats: tuple[Array, ...] | None = None,
    cancel: Cancel | None = None,
) -> tuple[tuple[int, ...], Array]:
    """The arguments of the function, whose structures lie in ``frame``; and the frame's number, which is the loss if
    there is no other memory for it."""
    place = frame.place
    output, number = frame.scalars["d" if loss is None and x.dtype == _F64 else "f"]
    if loss is not None:
        output = place(frame.LOSS, loss)
    view = place(frame.X, x)
    arguments = (
        view,
        axis,
        place(frame.TARGET, target),
        frame.place_options(settings, cancel),
        frame.place_outputs(output, view if grad is x else place(frame.GRAD, grad), grad_target, row_stats),
    )
    return arguments, number


def hessian(
    x: Array,
    axis: int,
    target: Array,
    vector: Array | None,
    settings: Settings,
    output: Array,
    interruptible: bool,
) -> None:
    """``ce_hessian_vector_product``; without a vector ``ce_hessian_diagonal``."""
    with frame() as taken:
        cancel = Cancel(taken, x, target, vector, settings, output) if interruptible else None
        options = taken.place_options(settings, cancel)
        inputs = taken.place(taken.X, x), axis, taken.place(taken.TARGET, target), options
        result = taken.place(taken.GRAD, output)
        if vector is None:
            run(functions.hessian_diagonal, (*inputs, result), cancel)
        else:
            # It lies where a loss has its own tensor.
            run(functions.hessian_vector_product, (*inputs, taken.place(taken.LOSS, vector), result), cancel)


# ----------------------------------------------------------------------------------------------
# Functions of logits alone
# ----------------------------------------------------------------------------------------------


def of_logits(function: Any, x: Array, axis: int, settings: Settings, output: Array, interruptible: bool) -> None:
    """``ce_softmax``, ``ce_log_softmax`` or ``ce_logsumexp``."""
    with frame() as taken:
        cancel = Cancel(taken, x, settings, output) if interruptible else None
        view = taken.place(taken.X, x)
        options = taken.place_options(settings, cancel)
        run(function, (view, axis, options, view if output is x else taken.place(taken.GRAD, output)), cancel)


def row_stats(
    x: Array, axis: int, labels: Array | None, settings: Settings, stats: tuple[Array, ...], interruptible: bool
) -> None:
    """``ce_compute_row_stats``."""
    with frame() as taken:
        cancel = Cancel(taken, x, labels, settings, stats) if interruptible else None
        options = taken.place_options(settings, cancel)
        inputs = taken.place(taken.X, x), axis, taken.place(taken.TARGET, labels), options
        run(functions.compute_row_stats, (*inputs, taken.place_row_stats(stats)), cancel, _messages.ROW_STATS)


# ----------------------------------------------------------------------------------------------
# Partial statistics: contiguous arrays of `header.PARTIAL`, one record for each row
# ----------------------------------------------------------------------------------------------


def partial_compute(
    x: Array, axis: int, first_class: int, target: Array, settings: Settings, partials: Array, interruptible: bool
) -> None:
    """``ce_partial_compute``: writes to ``partials``."""
    with frame() as taken:
        cancel = Cancel(taken, x, target, settings, partials) if interruptible else None
        options = taken.place_options(settings, cancel)
        view, labels = taken.place(taken.X, x), taken.place(taken.TARGET, target)
        arguments = view, axis, first_class, labels, options, address(partials)
        run(functions.partial_compute, arguments, cancel, _messages.PARTIALS)


def partial_merge(into: Array, other: Array) -> None:
    """``ce_partial_merge``."""
    run(functions.partial_merge, (address(into), address(other), into.size), None, _messages.PARTIALS)


def partial_loss(partials: Array, classes: int, settings: Settings, loss: Array) -> None:
    """``ce_partial_loss``."""
    with frame() as taken:
        options, output = taken.place_options(settings), taken.place(taken.LOSS, loss)
        arguments = address(partials), partials.size, classes, options, output
        run(functions.partial_loss, arguments, None, _messages.PARTIALS)


def partial_grad(
    x: Array,
    axis: int,
    first_class: int,
    partials: Array,
    classes: int,
    settings: Settings,
    grad: Array,
    interruptible: bool,
) -> None:
    """``ce_partial_grad``."""
    with frame() as taken:
        cancel = Cancel(taken, x, partials, settings, grad) if interruptible else None
        options = taken.place_options(settings, cancel)
        view = taken.place(taken.X, x)
        output = view if grad is x else taken.place(taken.GRAD, grad)
        arguments = view, axis, first_class, address(partials), classes, options, output
        run(functions.partial_grad, arguments, cancel, _messages.PARTIALS)


# ----------------------------------------------------------------------------------------------
# Accumulators: contiguous arrays of one `header.ACCUMULATOR`
# ----------------------------------------------------------------------------------------------


def accumulator_init(accumulator: Array) -> None:
    """``ce_accumulator_init``."""
    run(functions.accumulator_init, (address(accumulator),))


def accumulator_add(accumulator: Array, losses: Array, weight: Array | None, correct: Array | None) -> None:
    """``ce_accumulator_add``."""
    with frame() as taken:
        loss, w = taken.place(taken.LOSS, losses), taken.place(taken.GRAD, weight)
        arguments = address(accumulator), loss, w, taken.place(taken.TARGET, correct)
        run(functions.accumulator_add, arguments, None, _messages.ACCUMULATOR)


def accumulator_merge(into: Array, other: Array) -> None:
    """``ce_accumulator_merge``."""
    run(functions.accumulator_merge, (address(into), address(other)))


def accumulator_result(accumulator: Array) -> tuple[float, float, float]:
    """``ce_accumulator_result``: mean, sum, weight."""
    result = np.empty(3)
    start = address(result)
    run(functions.accumulator_result, (address(accumulator), start, start + 8, start + 16))
    return float(result[0]), float(result[1]), float(result[2])


# ----------------------------------------------------------------------------------------------
# What runs
# ----------------------------------------------------------------------------------------------


def set_num_threads(count: int) -> None:
    """``ce_set_num_threads``."""
    run(functions.set_num_threads, (count,))


def get_num_threads() -> int:
    """``ce_get_num_threads``."""
    return int(functions.get_num_threads())


def version() -> str:
    """``ce_version_string``."""
    return _text(functions.version_string())


def isa() -> str:
    """``ce_isa``."""
    return _text(functions.isa())


def build_info() -> str:
    """``ce_build_info``."""
    return _text(functions.build_info())
