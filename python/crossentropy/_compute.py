"""What all losses have in common: arguments in Python's terms become one call of the library.

The public functions hand over all that they are given, ``**locals()``, as an argument has one name everywhere. What a
function does not have keeps the default that changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat, SupportsIndex

import numpy as np

from . import _arguments, _arrays, _c_api, _softmax
from ._arrays import ArrayLike, Output
from ._c_api import Array
from ._errors import ArgumentValueError
from ._targets import SparseTarget


class Function(NamedTuple):
    """A function of the library: how it is called, and the names that it accepts."""

    call: Any
    input_types: dict[str, int]
    mean_over: dict[str, int]
    per_element: bool = False  # instead of per row


_PROBS_TOO = {name: _c_api.INPUT_TYPES[name] for name in ("logits", "probs")}
_NO_MASS = {name: _c_api.MEAN_OVER[name] for name in ("weight", "count")}

CROSS_ENTROPY = Function(_c_api.cross_entropy, _c_api.INPUT_TYPES, _c_api.MEAN_OVER)
BINARY_CROSS_ENTROPY = Function(_c_api.binary_cross_entropy, _PROBS_TOO, _NO_MASS, per_element=True)
KL_DIVERGENCE = Function(_c_api.kl_divergence, _c_api.INPUT_TYPES, _NO_MASS)
HESSIAN = Function(_c_api.hessian, {"logits": 0}, _c_api.MEAN_OVER)


def compute(
    function: Function,
    with_grad: bool,
    *,
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    axis: SupportsIndex,
    input_type: str = "logits",
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100,
    label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None,
    target_type: str = "probs",
    reduction: str,
    mean_over: str | SupportsFloat,
    empty: str,
    z_loss: SupportsFloat = 0.0,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    focal_gamma: SupportsFloat = 0.0,
    poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    form: str = "generalized",
    clip: SupportsFloat = 0.0,
    vector: ArrayLike | None = None,
    out: Output | None,
    threads: SupportsIndex | None,
    row_stats: bool = False,
    grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Output | None = None,
    grad_target: bool | Output = False,
) -> Any:
    """The loss, or a tuple of it, the gradients and the statistics, as far as these are wanted; of `HESSIAN`, its
    diagonal or product. What only Python can get wrong is refused here; what any language can, by the library, before
    it writes anything."""
    call, input_types, means, per_element = function
    given, x = x, _arrays.predictions(x)
    sparse = target if isinstance(target, SparseTarget) else None
    labels = _arrays.target(target) if sparse is None else sparse.indices  # type: ignore[arg-type]
    axis = _arguments.axis(axis, x.ndim)
    choices, divisor = _arguments.choices(input_type, reduction, mean_over, empty, input_types, means)
    ignored, ignored_too = _arguments.ignored(ignore_index)
    scale, upstream = _arrays.upstream(grad_loss)
    if upstream is not None and (per_element or reduction != "none"):
        otherwise = "" if per_element else ' unless reduction is "none"'
        raise ArgumentValueError(f"grad_loss has shape {list(upstream.shape)}, but must be one number{otherwise}")
    weights = _arrays.weights("sample_weight", sample_weight)
    if per_element and weights is not None:
        weights = _broadcast(weights, x)

    target_gradient = None
    if grad_target is True:
        # Of labels there is none, as the library will say.
        target_gradient = np.empty_like(labels, labels.dtype if labels.dtype in _c_api.FLOATS else np.float64)
    elif grad_target is not False:
        target_gradient = _arrays.output("grad_target", grad_target)
    stats = None
    if row_stats is not False and _arguments.flag("row_stats", row_stats):
        stats = _softmax.empty_row_stats(x, axis)

    tensors = _c_api.NO_TENSORS
    if not (
        mask is None
        and sparse is None
        and prior is None
        and pos_weight is None
        and upstream is None
        and ignored_too is None
        and target_gradient is None
        and stats is None
    ):
        tensors = _c_api.Tensors(
            row_stats=stats,
            mask=None if mask is None else _arrays.mask(mask),
            ignore_indices=ignored_too,
            grad_losses=upstream,
            pos_weight=_arrays.weights("pos_weight", pos_weight),
            prior=_arrays.weights("prior", prior),
            target_probs=None if sparse is None else sparse.probs,
            target_offsets=None if sparse is None else sparse.offsets,
            grad_target=target_gradient,
        )
    modes = _c_api.NO_MODES
    if not (
        sparse is None
        and temperature_squared is False
        and temperature.__class__ is float
        and temperature == 1.0
        and target_type.__class__ is form.__class__ is str
        and target_type == "probs"
        and form == "generalized"
    ):
        modes = (
            _arguments.choice("target_type", target_type, _c_api.TARGET_TYPES),
            0 if sparse is None else _c_api.TARGET_RESTS[sparse.rest],
            _arguments.temperature(temperature),
            int(_arguments.flag("temperature_squared", temperature_squared)),
            _arguments.choice("form", form, _c_api.KL_FORMS),
        )
    numbers = (
        ignored,
        _arguments.real_number("label_smoothing", label_smoothing),
        divisor,
        _arguments.real_number("clip", clip),
        scale,
    )
    settings = (
        choices,
        numbers,
        _arrays.weights("weight", weight),
        weights,
        0 if threads is None else _arguments.thread_count("threads", threads),
        _arguments.terms(z_loss, focal_gamma, poly_epsilon, softcap, logit_scale),
        tensors,
        modes,
    )
    interruptible = _arguments.is_long(max(x.size, labels.size))  # sparse targets may be larger than x

    if function is HESSIAN:
        factor = None if vector is None else _arrays.vector(vector)
        output = np.empty_like(x) if out is None else _arrays.output("out", out, halves=True)
        _c_api.hessian(x, axis, labels, factor, output, settings, interruptible)
        if out is not None:
            return out
        return output if given is x else _arrays.like(given, output)

    loss: Array | None = None  # a scalar
    if out is not None:
        loss = _arrays.output("out", out)
    elif reduction == "none" and (x.ndim > 1 or per_element):
        shape = x.shape if per_element else x.shape[:axis] + x.shape[axis + 1 :]
        loss = np.empty(shape, x.dtype if x.dtype in _c_api.FLOATS else np.float32)
    gradient: Any = None
    if with_grad:
        gradient = np.empty_like(x) if grad is None else _arrays.output("grad", grad, halves=True)
    result = _c_api.loss(call, x, axis, labels, loss, gradient, settings, interruptible)

    if given is not x:
        if out is None:
            result = _arrays.like(given, result)
        if with_grad and grad is None:
            gradient = _arrays.like(given, gradient)
    if out is not None:
        result = out
    if grad is not None:
        gradient = grad
    if target_gradient is None and stats is None:
        return (result, gradient) if with_grad else result
    results: list[Any] = [result, gradient] if with_grad else [result]
    if target_gradient is not None:
        results.append(_arrays.like(target, target_gradient) if grad_target is True else grad_target)
    if stats is not None:
        results.append(stats)
    return tuple(results)


def _broadcast(sample_weight: Array, x: Array) -> Array:
    """``sample_weight`` as a view of the shape of ``x``."""
    if sample_weight.shape == x.shape:
        return sample_weight
    try:
        return np.broadcast_to(sample_weight, x.shape)
    except ValueError:
        shapes = f"{list(sample_weight.shape)}, which does not broadcast to that of x, {list(x.shape)}"
        raise ArgumentValueError(f"sample_weight has shape {shapes}") from None
