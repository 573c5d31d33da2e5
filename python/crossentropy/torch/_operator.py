"""What the losses have in common: how one becomes an operator of PyTorch, with derivatives and batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, ClassVar, SupportsFloat, SupportsIndex

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .. import _arguments
from .._c_api import header
from .._c_api.frames import Memory, Settings
from .._errors import ArgumentTypeError, ArgumentValueError
from .._function import Function

HALVES = (torch.float16, torch.bfloat16)
_DTYPES = (torch.float32, torch.float64, *HALVES)

# Options of a loss: a named tuple with a `reduction` and `threads`, whose annotations are the types of the operator's
# schema.
Options = Any
Scalar = float  # in a schema, a float that may depend on a length that a compiler leaves open
SymInt = int  # likewise
# x, target and the loss's weights, each a tensor or None.
Tensors = tuple[Any, ...]


def check(input: Tensor, target: Tensor, **weights: Tensor | None) -> None:
    """What the library cannot say, as it never sees it."""
    _check_tensor("input", input)
    _check_tensor("target", target)
    if input.dtype not in _DTYPES:
        accepted = "float32, float64, float16 or bfloat16"
        raise ArgumentTypeError(f"input has dtype {input.dtype}, but must be {accepted}")
    for name, tensor in weights.items():
        if tensor is None:
            continue
        _check_tensor(name, tensor)
        if tensor.requires_grad and torch.is_grad_enabled():
            raise ArgumentValueError(
                f"{name} requires a gradient, but there is none with respect to it: pass {name}.detach(), or "
                'reduction="none" and multiply the losses'
            )


def _check_tensor(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"{name} must be a tensor, not {type(tensor).__name__}")
    if not tensor.is_cpu and not tensor.is_meta:
        raise ArgumentValueError(f"{name} is on {tensor.device}, but must be on the CPU: {name}.cpu() helps")
    if tensor.layout != torch.strided:
        raise ArgumentTypeError(f"{name} has the layout {tensor.layout}, but must be dense: {name}.to_dense() helps")


def under_autocast(dtype: torch.dtype) -> torch.dtype:
    """The dtype of the loss that would otherwise have ``dtype``."""
    return torch.float32 if dtype in HALVES and torch.is_autocast_enabled("cpu") else dtype


def rounded(loss: Tensor, dtype: torch.dtype) -> Tensor:
    return loss if loss.dtype == dtype else loss.to(dtype)


def wide(tensor: Tensor) -> Tensor:
    """The tensor, as float32 if it has 16 bits."""
    return tensor.float() if tensor.dtype in HALVES else tensor


def memory(name: str, tensor: Tensor) -> Memory:
    """The tensor's memory, a third of what NumPy's view of it would cost."""
    dtype = _NUMBERS.get(tensor.dtype)
    if dtype is None:
        given, accepted = str(tensor.dtype)[6:], "floating point or integers" if name == "target" else "floating point"
        raise ArgumentTypeError(f"{name} has dtype {given}, but must be {accepted}")
    if tensor.dim() > header.MAX_NDIM:
        given, accepted = f"{tensor.dim()} dimensions", f"at most {header.MAX_NDIM} are accepted"
        raise ArgumentValueError(f"{name} has {given}, but {accepted}")
    if tensor.is_neg():  # a view with the signs yet to be changed
        tensor = tensor.resolve_neg()
    strides = None if tensor.is_contiguous() else tensor.stride()
    return Memory(tensor.data_ptr(), dtype, tensor.shape, strides, tensor)


_NUMBERS = {
    **{getattr(torch, str(dtype)): number for dtype, number in header.DTYPES.items()},
    torch.bfloat16: header.BFLOAT16,
}


# ----------------------------------------------------------------------------------------------
# Options
# ----------------------------------------------------------------------------------------------


def real(name: str, value: SupportsFloat) -> float:
    return value if value.__class__ is float else _arguments.real_number(name, value)


def integer(name: str, value: SupportsIndex | None) -> int | None:
    return value if value is None or value.__class__ is int else _arguments.integer(name, value)


def name(option: str, value: str, accepted: Mapping[str, int], other: str = "") -> str:
    """A plain string, which a schema takes and `settings` will check, of any kind of string."""
    return value if value.__class__ is str else _arguments.plain_name(option, value, accepted, other)


def mean_over_and_divisor(mean_over: str | SupportsFloat) -> tuple[str | None, float | None]:
    """A name or a number; the other one is None, as a schema has no unions. Numbers stay as they are: one that depends
    on a length that a compiler leaves open would be fixed by its conversion."""
    if isinstance(mean_over, str):
        return name("mean_over", mean_over, header.MEAN_OVER, " or a number above 0"), None
    if isinstance(mean_over, _NUMBERS_OF_COMPILERS) and -(2**63) <= mean_over < 2**63:
        return None, mean_over
    return None, real("mean_over", mean_over)


_NUMBERS_OF_COMPILERS = (int, float, torch.SymInt, torch.SymFloat)


def settings(function: Function, options: Options) -> Settings:
    """The library's options for those of an operator, which are named as in ``function``. A ``divisor`` is what the
    mean is over where ``mean_over`` does not say."""
    values = options._asdict()
    if values.get("mean_over") is None and "divisor" in values:
        values["mean_over"] = values["divisor"]
    return function.named_settings(values)


# ----------------------------------------------------------------------------------------------
# The operator
# ----------------------------------------------------------------------------------------------


class Operator(ABC):
    """A loss of (x, target, weights, options), and its derivatives of any order with respect to x and target. A
    subclass says what differs from loss to loss, and has one instance.

    In eager mode the loss is computed where it is called. For compilers, `torch.func`, dispatch modes and subclasses of
    tensors there is an operator of PyTorch, ``crossentropy::name``; its cost is that of some hundred lines of Python.
    """

    name: ClassVar[str]
    weights: ClassVar[tuple[str, ...]]
    options: ClassVar[type[Any]]

    @abstractmethod
    def loss_shape(self, x: Tensor, options: Options) -> tuple[int, ...]:
        """Of the losses that are neither added nor averaged."""

    @abstractmethod
    def compute(self, tensors: Tensors, options: Options, loss: Tensor, grad: Tensor | None) -> None:
        """Writes to ``loss``, and to ``grad`` if it is wanted."""

    def target_gradient(self, tensors: Tensors, options: Options) -> Tensor | None:
        """The losses' derivatives with respect to target, in float32 at least and new memory; None where the library
        does not compute them, or no better."""
        return None

    def settings(self, options: Options) -> Settings:
        """What `parse` makes of them, and PyTorch's number of threads unless they have one. Remembered, as few options
        are used many times."""
        threads = torch.get_num_threads() if options.threads is None else None
        try:
            return self._remembered(options, threads)
        except TypeError:  # one has no hash; it will not please `parse` either, which can say why
            return self._parse(options, threads)

    def _parse(self, options: Options, threads: int | None) -> Settings:
        parsed = self.parse(options)
        return parsed if threads is None else {**parsed, "threads": threads}

    @staticmethod
    @abstractmethod
    def parse(options: Options) -> Settings:
        """The options in the form that the library takes."""

    @abstractmethod
    def formula(self, tensors: Tensors, options: Options) -> Tensor:
        """The loss in PyTorch's operations, which can differentiate them."""

    @abstractmethod
    def spread(self, d_loss: Tensor, options: Options) -> Tensor:
        """Losses' upstream gradients, as what broadcasts to the shape of x."""

    @abstractmethod
    def batch(self, tensors: Tensors, dims: Any, size: int, options: Options) -> tuple[Tensors, Options] | None:
        """Arguments of one call without a reduction for a batch of ``size``, whose dimensions are ``dims``; None where
        there is no such call."""

    def __init__(self) -> None:
        self._remembered = lru_cache(maxsize=256)(self._parse)
        # Not torch.library.custom_op, whose first call imports torch._dynamo, which takes a second.
        name = f"crossentropy::{self.name}"
        weights = "".join(f"Tensor? {each}, " for each in self.weights)
        torch.library.define(
            name,
            f"(Tensor x, Tensor target, {weights}bool with_grad, {_schema(self.options)}) -> (Tensor, Tensor)",
            tags=(torch.Tag.pt2_compliant_tag,),
        )
        torch.library.impl(name, "cpu", self._on_cpu)
        torch.library.register_fake(name, self._on_nothing)
        torch.library.register_autograd(name, self._backward, setup_context=self._setup_context)
        torch.library.register_vmap(name, self._vmap)
        self._dispatched = getattr(torch.ops.crossentropy, self.name).default
        self._transformed: Any = type(
            f"_{self.name}",
            (torch.autograd.Function,),
            {
                "__doc__": "The operator once more, for torch.func, under which operators have no derivatives.",
                "generate_vmap_rule": True,
                "forward": staticmethod(lambda *arguments: self._dispatched(*arguments)),
                "setup_context": staticmethod(self._setup_context),
                "backward": staticmethod(self._backward),
                "jvp": staticmethod(self._jvp),
            },
        )

    def __call__(self, tensors: Tensors, options: Options) -> Tensor:
        """The loss, in float32 at least, as what can be differentiated where this call is made."""
        x, target = tensors[:2]
        grad_enabled = torch.is_grad_enabled()
        with_grad = grad_enabled and x.requires_grad
        if is_plain(tensors):
            if with_grad or (grad_enabled and target.requires_grad):
                return _Eager.apply(with_grad, self, options, *tensors)[0]
            loss = self._empty_loss(x, target, options)
            self.compute(tensors, options, loss, None)
            return loss
        return self._differentiable(tensors, with_grad, options)[0]

    def _differentiable(self, tensors: Tensors, with_grad: bool, options: Options) -> tuple[Tensor, Tensor]:
        """Loss, and its derivative with respect to x (an empty tensor unless ``with_grad``), which can be
        differentiated in turn."""
        # In a graph that is being compiled, the operator becomes one node.
        if torch.compiler.is_compiling():
            return self._dispatched(*tensors, with_grad, *options)
        return self._transformed.apply(*tensors, with_grad, *options)

    def gradient(self, tensors: Tensors, options: Options) -> Tensor:
        """The loss's derivative with respect to x, which can be differentiated in turn."""
        return self._differentiable(tensors, True, options)[1]

    def _on_cpu(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        tensors, with_grad, options = self._parted(arguments)
        loss, grad = self._outputs(tensors, options, with_grad)
        self.compute(tensors, options, loss, grad if with_grad else None)
        return loss, grad

    def _on_nothing(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        tensors, with_grad, options = self._parted(arguments)
        return self._outputs(tensors, options, with_grad)

    def _parted(self, arguments: tuple[Any, ...]) -> tuple[Tensors, bool, Options]:
        count = 2 + len(self.weights)
        return arguments[:count], arguments[count], self.options(*arguments[count + 1 :])

    def _empty_loss(self, x: Tensor, target: Tensor, options: Options) -> Tensor:
        shape = self.loss_shape(x, options) if options.reduction == "none" else ()
        return x.new_empty(shape, dtype=_computed_in(x, target))

    def _outputs(self, tensors: Tensors, options: Options, with_grad: bool) -> tuple[Tensor, Tensor]:
        """Memory for loss and gradient.

        The gradient of float16 is float32: its range is too small for a gradient that the upstream gradient, which may
        be the large factor of a GradScaler, has not yet multiplied.
        """
        x, target = tensors[:2]
        loss = self._empty_loss(x, target, options)
        dtype = torch.float32 if x.dtype == torch.float16 else x.dtype
        if not with_grad:
            return loss, x.new_empty(0, dtype=dtype)
        if type(x) is not Tensor or x.device.type != "cpu" or x.numel() < _HUGE_FROM:
            return loss, torch.empty_like(x, dtype=dtype)
        strides = torch.empty_like(x, dtype=dtype, device="meta").stride()
        memory = torch.from_numpy(np.empty(x.numel() * dtype.itemsize, np.uint8))
        return loss, memory.view(dtype).as_strided(x.shape, strides)

    # ------------------------------------------------------------------------------------------
    # Derivatives
    # ------------------------------------------------------------------------------------------

    def _setup_context(self, ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        tensors, with_grad, options = self._parted(inputs)
        _remember(ctx, self, tensors, with_grad, options, output[1])
        if isinstance(ctx, torch.autograd.function.FunctionCtx):  # else without forward mode
            ctx.save_for_forward(*tensors, output[1])

    def _backward(self, ctx: Any, d_loss: Tensor | None, d_grad: Tensor | None) -> tuple[Tensor | None, ...]:
        others = len(self.weights) + 1 + len(ctx.options)
        return (*_derivatives(ctx, ctx.needs_input_grad[:2], d_loss, d_grad), *[None] * others)

    def _jvp(self, ctx: Any, d_x: Tensor | None, d_target: Tensor | None, *_: None) -> tuple[Tensor, Tensor]:
        x, target, *weights, grad = ctx.saved_tensors

        def outputs(x: Tensor, target: Tensor = target) -> tuple[Tensor, Tensor]:
            def losses(x: Tensor) -> tuple[Tensor, Tensor]:
                loss = self.formula((x, target, *weights), ctx.options)
                return loss.sum(), loss

            slope, loss = torch.func.grad(losses, has_aux=True)(x)
            return loss, slope

        primals, tangents = [wide(x)], [torch.zeros_like(wide(x)) if d_x is None else wide(d_x)]
        if d_target is not None:
            primals.append(target)
            tangents.append(d_target)
        # Forward mode cannot be nested, so this is reverse mode twice: the derivative of a linear function, which maps
        # upstream gradients to gradients.
        values, pull_back = torch.func.vjp(outputs, *primals)
        _, push_forward = torch.func.vjp(lambda *d: pull_back(d), *map(torch.zeros_like, values))
        d_loss, d_grad = push_forward(tuple(tangents))
        d_grad = d_grad.to(grad.dtype) if ctx.with_grad else torch.zeros_like(grad)
        return d_loss.to(_computed_in(x, target)), d_grad

    # ------------------------------------------------------------------------------------------
    # Batches
    # ------------------------------------------------------------------------------------------

    def _vmap(self, info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[tuple[Tensor, Tensor], Any]:
        tensors, with_grad, options = self._parted(arguments)
        dims = in_dims[: len(tensors)]
        whole = self.batch(tensors, dims, info.batch_size, options) if options.reduction == "none" else None
        if whole is not None:
            tensors, options = whole
            return self._dispatched(*tensors, with_grad, *options), (0, 0 if with_grad else None)
        results = [
            self._dispatched(
                *[tensor if dim is None else tensor.select(dim, i) for tensor, dim in zip(tensors, dims)],
                with_grad, *options,
            )
            for i in range(info.batch_size)
        ]  # fmt: skip
        losses, grads = zip(*results)
        return (torch.stack(losses), torch.stack(grads)), (0, 0)


def _schema(options: type[Any]) -> str:
    """Of an operator that takes them one by one."""
    types = {name: str(getattr(each, "__forward_arg__", each)) for name, each in options.__annotations__.items()}
    return ", ".join(f"{each.replace(' | None', '?')} {name}" for name, each in types.items())


def _computed_in(x: Tensor, target: Tensor) -> torch.dtype:
    """The dtype of the loss before it is rounded to what PyTorch's would be."""
    return torch.float64 if x.dtype == torch.float64 or target.dtype == torch.float64 else torch.float32


# From this many elements on, memory comes from NumPy. It asks Linux for huge pages, PyTorch does not, and loss and
# gradient of [2048, 32768] float32 then take 55 ms instead of 100 on two cores, as there are fewer pages to be given.
_HUGE_FROM = 1 << 20


# ----------------------------------------------------------------------------------------------
# In eager mode
# ----------------------------------------------------------------------------------------------


def is_plain(tensors: Tensors) -> bool:
    """Whether the tensors are memory, and nobody but autograd watches what is done with them."""
    if torch.compiler.is_compiling() or _is_watched():
        return False
    for tensor in tensors:  # noqa: SIM110  (all() would take twice as long)
        if tensor is not None and not (tensor.__class__ in _PLAIN and tensor.is_cpu):
            return False
    return True


_PLAIN = (Tensor, torch.nn.Parameter)


def _is_watched() -> bool:
    """Whether there is a transformation of torch.func, a dispatch mode, a trace, or forward-mode differentiation."""
    return bool(
        torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._is_tracing()
        or forward_ad._current_level >= 0
    )


class _Eager(torch.autograd.Function):
    """The loss without the operator. It has no ``setup_context``, for which `torch.autograd.Function` looks at
    signatures in every call; torch.func would need it."""

    @staticmethod
    def forward(
        ctx: Any, with_grad: bool, operator: Operator, options: Options, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        loss, grad = operator._outputs(tensors, options, with_grad)
        operator.compute(tensors, options, loss, grad if with_grad else None)
        _remember(ctx, operator, tensors, with_grad, options, grad)
        return loss, grad

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor | None, d_grad: Tensor | None) -> tuple[Tensor | None, ...]:
        derivatives = _derivatives(ctx, ctx.needs_input_grad[3:5], d_loss, d_grad)
        return (None, None, None, *derivatives, *[None] * len(ctx.operator.weights))


# ----------------------------------------------------------------------------------------------
# Derivatives of all losses
# ----------------------------------------------------------------------------------------------


def _remember(ctx: Any, operator: Operator, tensors: Tensors, with_grad: bool, options: Options, grad: Tensor) -> None:
    ctx.operator, ctx.with_grad, ctx.options = operator, with_grad, options
    ctx.set_materialize_grads(False)  # None, not zeros of the size of x, where nobody differentiates the gradient
    ctx.save_for_backward(*tensors, grad)
    # The same memory once more, for a training step: it looks at nothing that has been saved, so that the logits may
    # have been changed in place since, and may write here. Not where hooks keep what is saved elsewhere, or hold it.
    ctx.dtype, ctx.gradient = tensors[0].dtype, None
    if with_grad and type(grad) is Tensor and not torch._C._are_functorch_transforms_active() and not saving_hooks():
        ctx.gradient = grad.detach()


# PyTorch's public interface does not say. Where this function is missing, there might always be some.
saving_hooks = partial(getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: True), False)


def _derivatives(
    ctx: Any, needed: tuple[bool, bool], d_loss: Tensor | None, d_grad: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Those with respect to x and target, where they are ``needed``."""
    needs_x, needs_target = needed
    operator, options = ctx.operator, ctx.options
    own = None if torch.is_grad_enabled() else ctx.gradient
    is_last = ctx.gradient is not None and not graph_is_kept()
    if is_last:
        ctx.gradient = None
    is_step = own is not None and d_grad is None and not needs_target
    if not is_step:
        x, target, *weights, grad = ctx.saved_tensors
    d_x = d_target = None
    if d_loss is not None and needs_x:
        if own is None and not ctx.with_grad:  # inside a vmap, a tensor does not tell that it requires a gradient
            grad = operator.gradient((x, target, *weights), options)
        factor = d_loss if options.reduction != "none" else operator.spread(d_loss, options)
        d_x = scaled(grad, factor, options) if own is None else scaled(own, factor, options, in_place=is_last)
        if d_x.dtype != ctx.dtype:
            d_x = d_x.to(ctx.dtype)
    if is_step or (d_grad is None and not needs_target):
        return d_x, None

    # The derivatives that the library does not compute are those of the loss and of the gradient's slope: times their
    # own upstream gradients, and added up.
    def losses(x: Tensor, target: Tensor) -> Tensor:
        return operator.formula((x, target, *weights), options)

    def slope(x: Tensor, target: Tensor) -> Tensor:
        return (torch.func.grad(lambda x: losses(x, target).sum())(x) * d_grad).sum()

    widened = wide(x)
    if d_grad is not None and needs_x:
        twice = torch.func.grad(slope)(widened, target).to(x.dtype)
        d_x = twice if d_x is None else d_x + twice
    if d_grad is not None and needs_target:
        d_target = torch.func.grad(slope, argnums=1)(widened, target)
    if d_loss is not None and needs_target:
        once = None
        if not torch.is_grad_enabled() and is_plain((x, target, *weights, d_loss)):
            once = operator.target_gradient((x, target, *weights), options)
        if once is None:
            once = torch.func.grad(lambda target: (losses(widened, target) * d_loss).sum())(target)
        else:
            once = once.mul_(d_loss if options.reduction != "none" else operator.spread(d_loss, options))
            once = once.to(target.dtype)
        d_target = once if d_target is None else d_target + once
    return d_x, d_target


def scaled(grad: Tensor, factor: Tensor, options: Options, in_place: bool = False) -> Tensor:
    """The gradient times the upstream one, ``in_place`` where nobody can need it again."""
    if in_place and type(factor) is Tensor:
        try:
            return grad if options.reduction != "none" and factor.item() == 1 else grad.mul_(factor)
        except RuntimeError:
            pass  # Inside a vmap, a factor has no single value and the product needs more memory.
    return grad * factor


# PyTorch's public interface does not say. Where this function is missing, scaled gradients take new memory.
graph_is_kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)
