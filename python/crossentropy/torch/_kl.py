"""`torch.nn.functional.kl_div` and its module."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import _reduction

from .. import _arguments, _messages
from .._accepts import KL_DIVERGENCE
from .._c_api import calls, functions, header
from .._c_api.frames import Settings
from .._errors import ArgumentTypeError, ArgumentValueError
from .._torch_accepts import KL_DIV
from ._operator import (
    HALVES,
    Operator,
    SymInt,
    Tensors,
    check,
    integer,
    memory,
    name,
    real,
    rounded,
    under_autocast,
    wide,
)

__all__ = ["KLDivLoss", "kl_div"]


# ----------------------------------------------------------------------------------------------
# What PyTorch's users call
# ----------------------------------------------------------------------------------------------


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Literal["none", "mean", "sum", "batchmean"] = "mean",
    log_target: bool = False,
    *,
    axis: int = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "log_probs",
    target_type: Literal["probs", "logits", "log_probs"] | None = None,
    temperature: float = 1.0,
    temperature_squared: bool = False,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
) -> Tensor:
    r"""`torch.nn.functional.kl_div`: the Kullback-Leibler divergence of ``input``, logarithms of probabilities p, from
    the probabilities q in ``target``; :math:`q \log (q / p)` for each element, as written also where they do not add up
    to 1.

    For distillation, either side may hold logits instead, of which the softmax along ``axis`` is taken here, after
    division by a ``temperature``: ``kl_div(student, teacher, reduction="batchmean", input_type="logits",
    target_type="logits", temperature=T, temperature_squared=True)`` is what is otherwise spelled
    ``kl_div((student / T).log_softmax(-1), (teacher / T).softmax(-1), reduction="batchmean") * T**2``. With logits on
    both sides no row is below 0, small ones keep their digits, and equal logits have exactly 0.

    Where the results differ from PyTorch's: q = 0 has the loss 0 also where p = 0 (PyTorch: NaN), and its derivative is
    the limit, -inf for probabilities and 0 for their logarithms (PyTorch: NaN). NaN anywhere, and a negative q or p,
    make the loss NaN, as in PyTorch, but also the gradients of all elements that share the last dimension (for logits,
    ``axis``) with them, unless the reduction is ``"none"``.

    Args:
        input: logarithms of probabilities, any shape; float32, float64, float16 or bfloat16, any strides, on the CPU.
            Never copied, but for 16 bits that broadcast.
        target: probabilities, floating point, of a shape that broadcasts with that of ``input``, and for logits equals
            it.
        size_average: with ``reduce`` PyTorch's older way to say ``reduction``, which it deprecates.
        reduce: see ``size_average``.
        reduction: ``"mean"``, over all elements, of which there are as many as classes times rows, with PyTorch's
            warning about it; ``"batchmean"``, the sum divided by the first length of ``input``; ``"sum"``; or
            ``"none"``, the loss of each element, for logits on either side that of each row. For the library elements
            are rows of one class, and a row costs it some 100 ns: with ``"none"`` and without logits, and where the
            last dimension is below some hundred, PyTorch is faster.
        log_target: whether ``target`` holds logarithms of probabilities.
        axis: for logits: the dimension that holds the classes.
        input_type: what ``input`` holds: ``"log_probs"``, ``"logits"`` or ``"probs"``.
        target_type: what ``target`` holds: ``"probs"``, ``"log_probs"`` or ``"logits"``. None: as ``log_target`` says.
        temperature: T above 0, by which logits of both sides are divided. For logits on one side at least.
        temperature_squared: multiply the loss by :math:`T^2` (Hinton et al., 2015, arXiv:1503.02531), so that its
            gradients hardly depend on T.
        dtype: of the result. None: as in PyTorch, which is what both promote to, and float32 for 16 bits under
            `torch.autocast`. The loss is computed in float32 at least, and rounded once.
        threads: the most threads to use; None: as many as `torch.get_num_threads` says.

    Returns:
        A tensor without dimensions; for ``"none"`` one of the shape to which both broadcast, and for logits of that
        shape without ``axis``. It can be differentiated with respect to both; the gradient of ``input`` is computed
        along with the loss.

    Raises:
        ArgumentValueError (a ValueError; also for tensors that are not on the CPU), ArgumentTypeError (a TypeError;
            also for integers, as in PyTorch).

    Examples:
        >>> p = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]])
        >>> q = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.75, 0.25]])
        >>> print(f"{kl_div(p.log(), q, reduction='batchmean').item():.6f}")  # PyTorch: nan
        0.152049
        >>> student, teacher = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[1.5, 2.5, -0.5]])
        >>> options = {"input_type": "logits", "target_type": "logits", "temperature": 4.0, "temperature_squared": True}
        >>> print(f"{kl_div(student, teacher, reduction='batchmean', **options).item():.6f}")
        0.086900
    """
    check(input, target)
    if not target.is_floating_point():
        raise ArgumentTypeError(
            f"target has dtype {target.dtype}, but must be floating point: probabilities or what target_type says"
        )
    is_legacy = size_average is not None or reduce is not None
    if is_legacy:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    reduced = _arguments.plain_name("reduction", reduction, _REDUCTIONS)
    if reduced == "mean" and not is_legacy and not torch.compiler.is_compiling():  # compilers cannot warn
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    input_holds = name("input_type", input_type, header.INPUT_TYPES)
    log_target = _arguments.flag("log_target", log_target)
    if target_type is None:
        target_type = "log_probs" if log_target else "probs"
    target_holds = name("target_type", target_type, header.TARGET_TYPES)
    if log_target and target_holds != "log_probs":
        raise ArgumentValueError(f'target_type is "{target_holds}", but log_target says that it is "log_probs"')
    if input_holds == "logits" or target_holds == "logits":
        if input.shape != target.shape:
            raise ArgumentValueError(
                f"target has shape {list(target.shape)}, but with logits must have that of input, {list(input.shape)}"
            )
        axis = _below_0(axis, input.dim())
    else:
        axis = -1
    divisor = 1
    if reduced == "batchmean" and input.dim() > 0:
        divisor = input.shape[0]
    natural = input.dtype
    if target.dtype != natural or target.shape != input.shape:
        natural = _promoted(input, target)
        input, target = _broadcast(input, target)
    if reduced == "mean":
        divisor = input.numel()
    options = _Options(
        axis,
        input_holds,
        target_holds,
        real("temperature", temperature),
        _arguments.flag("temperature_squared", temperature_squared),
        "none" if reduced == "none" else "mean",
        divisor,
        integer("threads", threads),
    )
    loss = _kl((input, target), options)
    return rounded(loss, under_autocast(natural) if dtype is None else dtype)


class KLDivLoss(torch.nn.KLDivLoss):
    """`torch.nn.KLDivLoss`, computed by `kl_div`, whose arguments it takes.

    Examples:
        >>> loss = KLDivLoss(reduction="sum")
        >>> print(f"{loss(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75])).item():.6f}")
        0.130812
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum", "batchmean"] = "mean",
        log_target: bool = False,
        *,
        axis: int = -1,
        input_type: Literal["logits", "probs", "log_probs"] = "log_probs",
        target_type: Literal["probs", "logits", "log_probs"] | None = None,
        temperature: float = 1.0,
        temperature_squared: bool = False,
        dtype: torch.dtype | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction, log_target)
        self.axis = axis
        self.input_type = input_type
        self.target_type = target_type
        self.temperature = temperature
        self.temperature_squared = temperature_squared
        self.dtype = dtype
        self.threads = threads

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return kl_div(
            input, target, reduction=self.reduction, log_target=self.log_target, axis=self.axis,
            input_type=self.input_type, target_type=self.target_type, temperature=self.temperature,
            temperature_squared=self.temperature_squared, dtype=self.dtype, threads=self.threads,
        )  # fmt: skip


_REDUCTIONS = next(option.names for option in KL_DIV.positional if option.name == "reduction")


def _below_0(axis: int, dimensions: int) -> int:
    number = axis if axis.__class__ is int else _arguments.integer("axis", axis)
    if not -dimensions <= number < dimensions:
        raise ArgumentValueError(
            f"axis {number}, of the classes, is out of range: input has {dimensions} dimension{'s' * (dimensions != 1)}"
        )
    return number if number < 0 else number - dimensions


def _promoted(input: Tensor, target: Tensor) -> torch.dtype:
    """`torch.result_type`, which would break a compiler's graph."""
    if (input.dim() == 0) == (target.dim() == 0):
        return torch.promote_types(input.dtype, target.dtype)
    return input.dtype if target.dim() == 0 else target.dtype


def _broadcast(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Views of one shape; of copies where there are 16 bits, in which gradients would be rounded before their sum."""
    if input.shape == target.shape:
        return input, target
    if any(a != b and a != 1 and b != 1 for a, b in zip(reversed(input.shape), reversed(target.shape))):
        raise ArgumentValueError(
            f"target has shape {list(target.shape)}, which does not broadcast with that of input, {list(input.shape)}"
        )
    first, second = torch.broadcast_tensors(wide(input), wide(target))
    return first, second


# ----------------------------------------------------------------------------------------------
# The operator
# ----------------------------------------------------------------------------------------------


class _Options(NamedTuple):
    """Arguments of `crossentropy.kl_divergence` that are no tensors, in the order of the operator's schema."""

    axis: int  # below 0, so that it is the same in a batch
    input_type: str
    target_type: str
    temperature: float
    temperature_squared: bool
    reduction: str  # "none", or "mean", the sum over a divisor
    divisor: SymInt
    threads: int | None

    @property
    def has_logits(self) -> bool:
        """Whether the losses are those of rows, not of elements."""
        return self.input_type == "logits" or self.target_type == "logits"


class _KL(Operator):
    name = "kl_div"
    weights = ()
    options = _Options

    def loss_shape(self, x: Tensor, options: _Options) -> tuple[int, ...]:
        if not options.has_logits:
            return x.shape
        axis = x.dim() + options.axis
        return x.shape[:axis] + x.shape[axis + 1 :]

    def spread(self, d_loss: Tensor, options: _Options) -> Tensor:
        return d_loss.unsqueeze(options.axis) if options.has_logits else d_loss

    @staticmethod
    def parse(options: _Options) -> Settings:
        values = options._asdict()
        divisor = values.pop("divisor")
        if options.reduction == "mean" and divisor > 0:
            values["mean_over"] = float(divisor)
        return {**KL_DIVERGENCE.named_settings(values), "kl_form": header.KL_FORMS["plain"]}

    def compute(self, tensors: Tensors, options: _Options, loss: Tensor, grad: Tensor | None) -> None:
        x, target = tensors
        self._call(x, target, options, loss, grad, None)

    def target_gradient(self, tensors: Tensors, options: _Options) -> Tensor:
        x, target = tensors
        gradient = torch.empty_like(target, dtype=torch.float32 if target.dtype in HALVES else target.dtype)
        self._call(x, target, options, self._empty_loss(x, target, options), None, gradient)
        return gradient

    def _call(
        self,
        x: Tensor,
        target: Tensor,
        options: _Options,
        loss: Tensor,
        grad: Tensor | None,
        grad_target: Tensor | None,
    ) -> None:
        if x.numel() == 0:
            loss.fill_(torch.nan if options.reduction == "mean" and options.divisor == 0 else 0)
            return

        def seen(argument: str, tensor: Tensor | None) -> Any:
            """With elements as rows of one class where each has a loss of its own."""
            if tensor is None:
                return None
            by_element = not options.has_logits and options.reduction == "none"
            if by_element and tensor.dim() >= header.MAX_NDIM:
                limit = f'at most {header.MAX_NDIM - 1} are accepted with reduction="none" and without logits'
                raise ArgumentValueError(f"{argument} has {tensor.dim()} dimensions, but {limit}")
            return memory(argument, tensor.unsqueeze(-1) if by_element or tensor.dim() == 0 else tensor)

        view = seen("input", x)
        calls.loss(
            functions.kl_divergence,
            view,
            len(view.shape) + options.axis,
            seen("target", target),
            self.settings(options),
            memory("loss", loss),
            seen("grad", grad),
            seen("grad_target", grad_target),
            interruptible=_arguments.is_long(x.numel()),
            names=_messages.TENSORS,
        )

    def formula(self, tensors: Tensors, options: _Options) -> Tensor:
        x, target = tensors[0], wide(tensors[1])
        axis, temperature = options.axis, options.temperature
        if options.target_type == "probs":
            q = target
            q_log_q = -torch.special.entr(q)
        else:
            log_q = torch.log_softmax(target / temperature, axis) if options.target_type == "logits" else target
            q = torch.exp(log_q)
            q_log_q = q * torch.where(q == 0, 0, log_q)
        if options.input_type == "logits":
            log_p = torch.log_softmax(x / temperature, axis)
        elif options.input_type == "probs":
            log_p = torch.log(torch.where((q == 0) & (x == 0), 1, x))
        else:
            log_p = x
        # Impossible classes without mass count for nothing.
        terms = q_log_q - q * torch.where((q == 0) & (log_p == -torch.inf), 0, log_p)
        losses = terms.sum(axis) if options.has_logits else terms
        if options.temperature_squared:
            losses = losses * temperature**2
        return losses if options.reduction == "none" else losses.sum() / options.divisor

    def batch(self, tensors: Tensors, dims: Any, size: int, options: _Options) -> tuple[Tensors, _Options] | None:
        """The batch is the first dimension."""
        x, target = (
            tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, dims)
        )
        return (x, target), options


_kl = _KL()
