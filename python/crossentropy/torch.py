"""Drop-in replacements for PyTorch's cross-entropy losses, on the CPU.

``cross_entropy``, ``nll_loss``, ``CrossEntropyLoss`` and ``NLLLoss`` take what their namesakes in
``torch.nn.functional`` and ``torch.nn`` take, with the same defaults, and return the same, more exactly and faster.
They are differentiable any number of times, work under ``torch.compile`` without a graph break and under
``torch.func``. This module needs PyTorch 2.5 or newer; the rest of the package does not need PyTorch.

>>> import torch
>>> import crossentropy.torch as cet
>>> logits = torch.tensor([[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]], requires_grad=True)
>>> loss = cet.cross_entropy(logits, torch.tensor([2, 0]))
>>> loss.backward()
>>> print(f"{loss.item():.6f}")
0.817819
"""

from __future__ import annotations

from typing import Any, NamedTuple, SupportsFloat

import numpy as np
import torch
from torch import Tensor
from torch.nn import _reduction

from ._arguments import real_number
from ._c_api import BFLOAT16_BITS, Array
from ._errors import ArgumentTypeError, ArgumentValueError
from ._loss import cross_entropy as _loss_of_arrays
from ._loss import cross_entropy_with_grad as _loss_and_grad_of_arrays

__all__ = ["CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"]

_HALVES = (torch.float16, torch.bfloat16)
_DTYPES = (torch.float32, torch.float64, *_HALVES)


# ----------------------------------------------------------------------------------------------
# What PyTorch's users call
# ----------------------------------------------------------------------------------------------


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int | None = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    sample_weight: Tensor | None = None,
    mean_over: str | SupportsFloat = "weight",
    empty: str = "nan",
    z_loss: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    focal_gamma: float = 0.0,
    poly_epsilon: float = 0.0,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
) -> Tensor:
    r"""`torch.nn.functional.cross_entropy`: of logits with labels or with distributions over classes.

    Where the results differ, it is because PyTorch's are inexact or refused: the loss of a confident prediction is not
    rounded to 0; ignored rows have the gradient 0 whatever they hold; classes with logits of -inf and no target mass
    count for nothing; labels may have any integer dtype and ``weight`` another dtype than ``input``; a negative
    ``label_smoothing`` is an error.

    Args:
        input: logits of shape [C], [N, C] or [N, C, d1, ...], float32, float64, float16 or bfloat16, any strides, on
            the CPU. Never copied.
        target: integer labels, of the shape of ``input`` without C; or distributions, floating point, of the shape of
            ``input``. Distributions of 16 bits are copied as float32.
        weight: weights of the classes, shape [C].
        size_average, reduce: as PyTorch's, which deprecates them in favour of ``reduction``.
        ignore_index: rows with this label count for nothing; None: every row counts. Labels only.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: e in [0, 1]; a target distribution q becomes :math:`(1-e)\,q + e/C`.
        sample_weight: weights of the rows, of the shape of ``input`` without C.
        mean_over: what the mean divides by: ``"weight"``, as PyTorch does; ``"mass"``; ``"count"``; or a positive
            number. See `crossentropy.cross_entropy`.
        empty: the mean where that is 0: ``"nan"``, as in PyTorch, ``"zero"`` or ``"error"``.
        z_loss, softcap, logit_scale, focal_gamma, poly_epsilon: as in `crossentropy.cross_entropy`.
        dtype: of the result. None: as in PyTorch, which is the dtype of ``input`` (promoted with that of ``weight``
            and of distributions), and float32 for 16 bits under `torch.autocast`. The loss is computed in float32 at
            least, and rounded to it once.
        threads: the most threads to use; None: as many as `crossentropy.get_num_threads` says, which is independent of
            `torch.get_num_threads`.

    Returns:
        A tensor without dimensions, or for ``"none"`` one of the shape of ``input`` without C. It can be differentiated
        with respect to ``input`` and to distributions; for the former, the gradient is computed along with the loss.

    Raises:
        As `crossentropy.cross_entropy`: LabelError (an IndexError), ArgumentValueError (a ValueError; also for tensors
            that are not on the CPU, for an ``ignore_index`` >= 0 with distributions and for weights that require a
            gradient), ArgumentTypeError (a TypeError), EmptyError.

    Examples:
        >>> logits = torch.tensor([[80.0, 0.0]])
        >>> print(f"{cross_entropy(logits, torch.tensor([0])).item():.4g}")  # PyTorch: 0
        1.805e-35
        >>> cross_entropy(logits, torch.tensor([-100]), empty="zero")
        tensor(0.)
    """
    return _loss(
        input, target, weight, sample_weight, size_average, reduce, dtype,
        "logits", ignore_index, label_smoothing, reduction, mean_over, empty, threads,
        _Terms(z_loss, softcap, logit_scale, focal_gamma, poly_epsilon),
    )  # fmt: skip


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int | None = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    *,
    sample_weight: Tensor | None = None,
    mean_over: str | SupportsFloat = "weight",
    empty: str = "nan",
    dtype: torch.dtype | None = None,
    threads: int | None = None,
) -> Tensor:
    """`torch.nn.functional.nll_loss`: the negative log-likelihood of logarithms of probabilities.

    Args:
        input: logarithms of probabilities, otherwise as in `cross_entropy`.
        target, weight, ..., threads: as in `cross_entropy`; distributions are accepted here too.

    Returns:
        As `cross_entropy`.

    Raises:
        As `cross_entropy`.

    Examples:
        >>> log_probs = torch.tensor([[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]]).log()
        >>> print(f"{nll_loss(log_probs, torch.tensor([2, 0])).item():.6f}")
        0.458145
    """
    return _loss(
        input, target, weight, sample_weight, size_average, reduce, dtype,
        "log_probs", ignore_index, 0.0, reduction, mean_over, empty, threads,
    )  # fmt: skip


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """`torch.nn.CrossEntropyLoss`, computed by `cross_entropy`, whose arguments it takes.

    ``sample_weight`` goes with each batch: ``loss(input, target, sample_weight=...)``.

    Examples:
        >>> loss = CrossEntropyLoss(label_smoothing=0.1)
        >>> print(f"{loss(torch.zeros(2, 3), torch.tensor([2, 0])).item():.6f}")
        1.098612
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int | None = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        mean_over: str | SupportsFloat = "weight",
        empty: str = "nan",
        z_loss: float = 0.0,
        softcap: float | None = None,
        logit_scale: float = 1.0,
        focal_gamma: float = 0.0,
        poly_epsilon: float = 0.0,
        dtype: torch.dtype | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        self.mean_over, self.empty, self.dtype, self.threads = mean_over, empty, dtype, threads
        self.z_loss, self.softcap, self.logit_scale = z_loss, softcap, logit_scale
        self.focal_gamma, self.poly_epsilon = focal_gamma, poly_epsilon

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        return cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing, sample_weight=sample_weight, mean_over=self.mean_over,
            empty=self.empty, z_loss=self.z_loss, softcap=self.softcap, logit_scale=self.logit_scale,
            focal_gamma=self.focal_gamma, poly_epsilon=self.poly_epsilon, dtype=self.dtype, threads=self.threads,
        )  # fmt: skip


class NLLLoss(torch.nn.NLLLoss):
    """`torch.nn.NLLLoss`, computed by `nll_loss`, whose arguments it takes.

    ``sample_weight`` goes with each batch: ``loss(input, target, sample_weight=...)``.

    Examples:
        >>> loss = NLLLoss(reduction="sum")
        >>> print(f"{loss(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([1])).item():.6f}")
        0.287682
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int | None = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        *,
        mean_over: str | SupportsFloat = "weight",
        empty: str = "nan",
        dtype: torch.dtype | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.mean_over, self.empty, self.dtype, self.threads = mean_over, empty, dtype, threads

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        return nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            sample_weight=sample_weight, mean_over=self.mean_over, empty=self.empty, dtype=self.dtype,
            threads=self.threads,
        )  # fmt: skip


# ----------------------------------------------------------------------------------------------
# From PyTorch's terms to the operator's
# ----------------------------------------------------------------------------------------------


class _Terms(NamedTuple):
    """What changes the loss of logits, see `crossentropy.cross_entropy`; the defaults change nothing."""

    z_loss: float = 0.0
    softcap: float | None = None
    logit_scale: float = 1.0
    focal_gamma: float = 0.0
    poly_epsilon: float = 0.0


class _Options(NamedTuple):
    """Arguments of `crossentropy.cross_entropy` that are no tensors, in the order of the operator's schema."""

    axis: int
    input_type: str
    ignore_index: int | None
    label_smoothing: float
    reduction: str
    mean_over: str | None
    divisor: float | None  # where mean_over is a number; one of the two is None, as a schema has no unions
    empty: str
    threads: int | None
    z_loss: float
    softcap: float | None
    logit_scale: float
    focal_gamma: float
    poly_epsilon: float


_OPTIONS_SCHEMA = (
    "int axis, str input_type, int? ignore_index, float label_smoothing, str reduction, str? mean_over, "
    "float? divisor, str empty, int? threads, "
    "float z_loss, float? softcap, float logit_scale, float focal_gamma, float poly_epsilon"
)


def _loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    size_average: bool | None,
    reduce: bool | None,
    dtype: torch.dtype | None,
    input_type: str,
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
    mean_over: str | SupportsFloat,
    empty: str,
    threads: int | None,
    terms: _Terms = _Terms(),  # noqa: B008
) -> Tensor:
    _check(input, target, weight, sample_weight)
    soft = target.is_floating_point()
    if soft and ignore_index is not None and ignore_index >= 0:
        raise ArgumentValueError(
            f"ignore_index is {ignore_index}, but target holds distributions, none of which it can name: with them it "
            "must be negative or None"
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if input.dim() == 1 and target.shape == (1,) and not soft:
        target = target[0]  # as in PyTorch
    name, divisor = (mean_over, None) if isinstance(mean_over, str) else (None, real_number("mean_over", mean_over))
    options = _Options(
        axis=min(1, input.dim() - 1),
        input_type=input_type,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
        mean_over=name,
        divisor=divisor,
        empty=empty,
        threads=threads,
        **terms._asdict(),
    )
    with_grad = input.requires_grad and torch.is_grad_enabled()
    loss, _ = _differentiable(input, target, weight, sample_weight, with_grad, *options)
    return loss.to(_loss_dtype(input, target, weight) if dtype is None else dtype)


def _check(input: Tensor, target: Tensor, weight: Tensor | None, sample_weight: Tensor | None) -> None:
    """What the library cannot say, as it never sees it."""
    tensors = {"input": input, "target": target, "weight": weight, "sample_weight": sample_weight}
    for name, tensor in tensors.items():
        if tensor is None and name not in ("input", "target"):
            continue
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(f"{name} must be a tensor, not {type(tensor).__name__}")
        if tensor.device.type not in ("cpu", "meta"):
            raise ArgumentValueError(f"{name} is on {tensor.device}, but must be on the CPU: {name}.cpu() helps")
    if input.dtype not in _DTYPES:
        accepted = "float32, float64, float16 or bfloat16"
        raise ArgumentTypeError(f"input has dtype {input.dtype}, but must be {accepted}")
    if input.dim() == 0:
        raise ArgumentValueError("input has no dimension, but must have one, the classes, at least")
    for name in ("weight", "sample_weight"):
        if tensors[name] is not None and tensors[name].requires_grad:
            raise ArgumentValueError(
                f"{name} requires a gradient, but there is none with respect to it: pass {name}.detach(), or "
                'reduction="none" and multiply the rows'
            )


def _loss_dtype(input: Tensor, target: Tensor, weight: Tensor | None) -> torch.dtype:
    dtype = input.dtype
    for other in (target, weight):
        if other is not None and other.dtype != dtype and other.is_floating_point():
            dtype = torch.promote_types(dtype, other.dtype)
    return torch.float32 if dtype in _HALVES and torch.is_autocast_enabled("cpu") else dtype


# ----------------------------------------------------------------------------------------------
# The operator
# ----------------------------------------------------------------------------------------------


# Not torch.library.custom_op, whose first call imports torch._dynamo, which takes a second.
_NAME = "crossentropy::cross_entropy"
torch.library.define(
    _NAME,
    "(Tensor x, Tensor target, Tensor? weight, Tensor? sample_weight, bool with_grad, "
    f"{_OPTIONS_SCHEMA}) -> (Tensor, Tensor)",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_cross_entropy = torch.ops.crossentropy.cross_entropy.default


def _on_cpu(
    x: Tensor, target: Tensor, weight: Tensor | None, sample_weight: Tensor | None, with_grad: bool, *values: Any
) -> tuple[Tensor, Tensor]:
    """The loss, and its derivative with respect to x (an empty tensor unless ``with_grad``), which can be
    differentiated in turn."""
    options = _Options(*values)
    arguments: dict[str, Any] = dict(zip(_Options._fields, values))
    divisor = arguments.pop("divisor")
    if options.mean_over is None:
        arguments["mean_over"] = divisor
    loss, grad = _outputs(x, options, with_grad)
    # The library takes no targets and weights of 16 bits.
    for name, tensor in (("weight", weight), ("sample_weight", sample_weight)):
        arguments[name] = None if tensor is None else _array(_wide(tensor))
    if with_grad:
        _loss_and_grad_of_arrays(_array(x), _array(_wide(target)), out=_array(loss), grad=_array(grad), **arguments)
    else:
        _loss_of_arrays(_array(x), _array(_wide(target)), out=_array(loss), **arguments)
    return loss, grad


torch.library.impl(_NAME, "cpu", _on_cpu)


def _outputs(x: Tensor, options: _Options, with_grad: bool) -> tuple[Tensor, Tensor]:
    """Memory for loss and gradient.

    The gradient of float16 is float32: its range is too small for a gradient that the upstream gradient, which may be
    the large factor of a GradScaler, has not yet multiplied.
    """
    shape = x.shape[: options.axis] + x.shape[options.axis + 1 :] if options.reduction == "none" else ()
    loss = x.new_empty(shape, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)
    dtype = torch.float32 if x.dtype == torch.float16 else x.dtype
    if not with_grad:
        return loss, x.new_empty(0, dtype=dtype)
    if type(x) is not Tensor or x.device.type != "cpu" or x.numel() < _HUGE_FROM:
        return loss, torch.empty_like(x, dtype=dtype)
    strides = torch.empty_like(x, dtype=dtype, device="meta").stride()
    memory = torch.from_numpy(np.empty(x.numel() * dtype.itemsize, np.uint8))
    return loss, memory.view(dtype).as_strided(x.shape, strides)


# From this many elements on, memory comes from NumPy. It asks Linux for huge pages, PyTorch does not, and loss and
# gradient of [2048, 32768] float32 then take 55 ms instead of 100 on two cores, as there are fewer pages to be given.
_HUGE_FROM = 1 << 20


@torch.library.register_fake(_NAME)
def _on_nothing(
    x: Tensor, target: Tensor, weight: Tensor | None, sample_weight: Tensor | None, with_grad: bool, *values: Any
) -> tuple[Tensor, Tensor]:
    return _outputs(x, _Options(*values), with_grad)


def _array(tensor: Tensor) -> Array:
    """The tensor's memory."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(BFLOAT16_BITS)
    return tensor.numpy()


def _wide(tensor: Tensor) -> Tensor:
    """The tensor, as float32 if it has 16 bits."""
    return tensor.float() if tensor.dtype in _HALVES else tensor


# ----------------------------------------------------------------------------------------------
# Its derivatives
# ----------------------------------------------------------------------------------------------


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, target, weight, sample_weight, ctx.with_grad, *values = inputs
    ctx.options = _Options(*values)
    ctx.set_materialize_grads(False)  # None, not zeros of the size of x, where nobody differentiates the gradient
    ctx.save_for_backward(x, target, weight, sample_weight, output[1])


def _backward(ctx: Any, d_loss: Tensor | None, d_grad: Tensor | None) -> tuple[Tensor | None, ...]:
    x, target, weight, sample_weight, grad = ctx.saved_tensors
    options = ctx.options
    needs_x, needs_target = ctx.needs_input_grad[:2]
    d_x = d_target = None
    if d_loss is not None and needs_x:
        if not ctx.with_grad:  # inside a vmap, a tensor does not tell that it requires a gradient
            grad = _differentiable(x, target, weight, sample_weight, True, *options)[1]
        d_x = _scaled(grad, d_loss, options).to(x.dtype)
    if d_grad is None and not needs_target:  # the first derivative of a training step
        return (d_x, *[None] * (4 + len(options)))

    # The derivatives that the library does not compute are those of the loss and of the gradient's slope: times their
    # own upstream gradients, and added up.
    def losses(x: Tensor, target: Tensor) -> Tensor:
        return _formula(x, target, weight, sample_weight, options)

    def slope(x: Tensor, target: Tensor) -> Tensor:
        return (torch.func.grad(lambda x: losses(x, target).sum())(x) * d_grad).sum()

    wide = _wide(x)
    if d_grad is not None and needs_x:
        second = torch.func.grad(slope)(wide, target).to(x.dtype)
        d_x = second if d_x is None else d_x + second
    if d_grad is not None and needs_target:
        d_target = torch.func.grad(slope, argnums=1)(wide, target)
    if d_loss is not None and needs_target:
        first = torch.func.grad(lambda target: (losses(wide, target) * d_loss).sum())(target)
        d_target = first if d_target is None else d_target + first
    return (d_x, d_target, *[None] * (3 + len(options)))


torch.library.register_autograd(_NAME, _backward, setup_context=_setup_context)


class _Function(torch.autograd.Function):
    """The operator once more, for torch.func, under which operators have no derivatives of their own."""

    generate_vmap_rule = True
    forward = staticmethod(lambda *arguments: _cross_entropy(*arguments))
    setup_context = staticmethod(_setup_context)
    backward = staticmethod(_backward)


def _differentiable(*arguments: Any) -> tuple[Tensor, Tensor]:
    """`_cross_entropy`, as what can be differentiated where this call is made."""
    # In a graph that is being compiled, the operator becomes one node; where nothing is differentiated, it is faster.
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _cross_entropy(*arguments)
    return _Function.apply(*arguments)


def _scaled(grad: Tensor, d_loss: Tensor, options: _Options) -> Tensor:
    """The gradient times the upstream one; in the same memory where nobody can need it again, since the functions
    above give it to nobody and the graph, if it is not kept, is about to drop it."""
    mean_or_sum = options.reduction != "none"
    factor = d_loss if mean_or_sum else d_loss.unsqueeze(options.axis)
    if type(factor) is Tensor and not torch.is_grad_enabled() and not _graph_is_kept():
        grad = grad.detach()
        try:
            return grad if mean_or_sum and factor.item() == 1 else grad.mul_(factor)
        except RuntimeError:
            pass  # Inside a vmap, a factor has no single value and the product needs more memory.
    return grad * factor


# PyTorch's public interface does not say. Where this function is missing, scaled gradients take new memory.
_graph_is_kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)


def _formula(
    x: Tensor, target: Tensor, weight: Tensor | None, sample_weight: Tensor | None, options: _Options
) -> Tensor:
    """The loss in PyTorch's operations, which can differentiate them."""
    axis, classes = options.axis, x.shape[options.axis]
    hard = not target.is_floating_point()
    along = [-1 if dimension == axis else 1 for dimension in range(x.dim())]

    q, counts = _wide(target), torch.ones((), dtype=torch.bool)
    if hard:
        if options.ignore_index is not None:
            counts = target != options.ignore_index
        q = target.unsqueeze(axis) == torch.arange(classes).view(along)
    w = torch.ones(()) if weight is None else _wide(weight).view(along)
    s = x.new_ones(x.shape[:axis] + x.shape[axis + 1 :]) if sample_weight is None else _wide(sample_weight)
    e = options.label_smoothing
    before, mass = w * q, w * ((1 - e) * q + e / classes)

    s = torch.where(counts, s, 0)
    if options.reduction == "mean":
        if options.mean_over is None:
            divisor = x.new_tensor(options.divisor)
        elif options.mean_over == "count":
            divisor = counts.expand(s.shape).sum().to(x.dtype)
        elif options.mean_over == "weight" and not hard:
            divisor = s.sum()
        else:  # for labels the weight of a row is the mass of its label
            divisor = (s * before.sum(axis)).sum()
        factor = torch.where(divisor == 0, 0 if options.empty == "zero" else torch.nan, 1 / divisor)
        s = torch.where(s == 0, 0, s * factor)
    if hard and e == 0:
        s = torch.where(mass.sum(axis) == 0, 0, s)

    # Rows that count for nothing, whatever they hold; and in the others, impossible classes without mass.
    x = torch.where(s.unsqueeze(axis) == 0, 0, x)
    if options.logit_scale != 1:
        x = options.logit_scale * x
    if options.softcap is not None:
        x = torch.where(x.isinf(), x, options.softcap * torch.tanh(x / options.softcap))
    minus_log_p = -torch.log_softmax(x, axis) if options.input_type == "logits" else -x
    minus_log_p = torch.where((mass == 0) & (minus_log_p == torch.inf), 0, minus_log_p)
    terms = minus_log_p
    if options.focal_gamma != 0 or options.poly_epsilon != 0:
        v = -torch.expm1(-minus_log_p)
        terms = minus_log_p + options.poly_epsilon * v
        if options.focal_gamma != 0:
            terms = v**options.focal_gamma * terms
    row_losses = (mass * terms).sum(axis)
    if options.z_loss != 0:
        row_losses = row_losses + options.z_loss * torch.logsumexp(x, axis) ** 2
    losses = s * row_losses
    return losses if options.reduction == "none" else losses.sum()


# ----------------------------------------------------------------------------------------------
# Batches of it
# ----------------------------------------------------------------------------------------------


@torch.library.register_vmap(_NAME)
def _vmap(
    info: Any, in_dims: tuple[Any, ...], *arguments: Any
) -> tuple[tuple[Tensor, Tensor], tuple[int | None, int | None]]:
    tensors, dims, (with_grad, *values) = arguments[:4], in_dims[:4], arguments[4:]
    options = _Options(*values)
    if options.reduction == "none" and dims[2] is None:  # The batch is a dimension of the rows.
        x, target, weight, sample_weight = (
            tensor if tensor is None or name == "weight"
            else tensor.expand(info.batch_size, *tensor.shape) if dim is None
            else tensor.movedim(dim, 0)
            for name, tensor, dim in zip(("x", "target", "weight", "sample_weight"), tensors, dims)
        )  # fmt: skip
        rows = options._replace(axis=options.axis + 1)
        return _cross_entropy(x, target, weight, sample_weight, with_grad, *rows), (0, 0 if with_grad else None)
    results = [
        _cross_entropy(
            *[tensor if dim is None else tensor.select(dim, i) for tensor, dim in zip(tensors, dims)],
            with_grad, *options,
        )
        for i in range(info.batch_size)
    ]  # fmt: skip
    losses, grads = zip(*results)
    return (torch.stack(losses), torch.stack(grads)), (0, 0)
