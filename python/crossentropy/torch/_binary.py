"""`torch.nn.functional.binary_cross_entropy_with_logits` and its module."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, SupportsFloat

import torch
from torch import Tensor
from torch.nn import _reduction

from .. import _arguments, _messages
from .._accepts import BINARY_CROSS_ENTROPY
from .._c_api import calls, functions, header
from .._c_api.frames import Settings
from .._errors import ArgumentValueError
from ._operator import (
    Operator,
    Scalar,
    Tensors,
    check,
    integer,
    mean_over_and_divisor,
    memory,
    name,
    real,
    rounded,
    settings,
    under_autocast,
    wide,
)

__all__ = ["BCEWithLogitsLoss", "binary_cross_entropy_with_logits"]


# ----------------------------------------------------------------------------------------------
# What PyTorch's users call
# ----------------------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    pos_weight: Tensor | None = None,
    *,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan",
    focal_gamma: float = 0.0,
    dtype: torch.dtype | None = None,
    threads: int | None = None,
) -> Tensor:
    r"""`torch.nn.functional.binary_cross_entropy_with_logits`: each logit is a problem of its own.

    Where the results differ, it is because PyTorch's are inexact or refused: the loss of a confident prediction is not
    rounded to 0; a logit of inf or -inf is certain, with a loss of 0 where the target agrees and of inf where not,
    instead of NaN; elements of weight 0 have the loss and gradient 0 whatever they hold; targets may be integers, as
    labels 0 and 1.

    Args:
        input: logits of any shape, float32, float64, float16 or bfloat16, any strides, on the CPU. Never copied, but
            for a ``pos_weight`` that varies along several dimensions of an ``input`` that is not contiguous.
        target: of the shape of ``input``: floating point, any real y; or integer labels, 0 or 1.
        weight: weights of the elements, of a shape that broadcasts to that of ``input``.
        size_average: with ``reduce`` PyTorch's older way to say ``reduction``, which it deprecates.
        reduce: see ``size_average``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: weights of the term of y, of a shape that broadcasts to that of ``input``: for an ``input`` [N, C]
            with a weight for each class [C], for one [N, C, H, W] [C, 1, 1].
        ignore_index: elements with this label count for nothing; None: all count. Labels only.
        label_smoothing: e in [0, 1]; y becomes :math:`(1-e)\,y + e/2`.
        mean_over: what the mean divides by: ``"count"``, as PyTorch does; ``"weight"``; or a positive number. See
            `crossentropy.binary_cross_entropy`.
        empty: the mean where that is 0: ``"nan"``, as in PyTorch, ``"zero"`` or ``"error"``.
        focal_gamma: :math:`\gamma`, at least 0; the first term is multiplied by :math:`(1 - p)^\gamma`, the second one
            by :math:`p^\gamma` (Lin et al., 2017, arXiv:1708.02002). For logits.
        dtype: of the result. None: as in PyTorch, which is the dtype of ``target`` (of ``input`` for labels), and
            float32 for 16 bits under `torch.autocast`. The loss is computed in float32 at least, and rounded once.
        threads: the most threads to use; None: as many as `torch.get_num_threads` says.

    Returns:
        A tensor without dimensions, or for ``"none"`` one of the shape of ``input``. It can be differentiated with
        respect to ``input`` and to real targets; for the former, the gradient is computed along with the loss.

    Raises:
        As `crossentropy.binary_cross_entropy`: LabelError (an IndexError), ArgumentValueError (a ValueError; also for
            tensors that are not on the CPU and for weights that require a gradient, as in PyTorch), ArgumentTypeError
            (a TypeError), EmptyError.

    Examples:
        >>> logits = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.0, 60.0]])
        >>> target = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
        >>> print(f"{binary_cross_entropy_with_logits(logits, target).item():.6f}")
        0.276000
        >>> print(f"{binary_cross_entropy_with_logits(logits[1, 2], target[1, 2]).item():.4g}")  # PyTorch: 8.757e-27
        8.757e-27
    """
    check(input, target, weight=weight, pos_weight=pos_weight)
    shape = input.shape
    if target.shape != shape:
        raise ArgumentValueError(f"target has shape {list(target.shape)}, but must have that of input, {list(shape)}")
    if weight is not None:
        _check_broadcasts("weight", weight, shape)
    if pos_weight is not None:
        _check_broadcasts("pos_weight", pos_weight, shape)
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    options = _Options(
        integer("ignore_index", ignore_index),
        real("label_smoothing", label_smoothing),
        name("reduction", reduction, header.REDUCTIONS),
        *mean_over_and_divisor(mean_over),
        name("empty", empty, header.EMPTY),
        integer("threads", threads),
        real("focal_gamma", focal_gamma),
    )
    loss = _binary((input, target, weight, pos_weight), options)
    natural = target.dtype if target.is_floating_point() else input.dtype
    return rounded(loss, under_autocast(natural) if dtype is None else dtype)


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """`torch.nn.BCEWithLogitsLoss`, computed by `binary_cross_entropy_with_logits`, whose arguments it takes.

    Examples:
        >>> loss = BCEWithLogitsLoss(pos_weight=torch.tensor([3.0, 1.0]))
        >>> print(f"{loss(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item():.6f}")
        1.039721
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
        pos_weight: Tensor | None = None,
        *,
        ignore_index: int | None = -100,
        label_smoothing: float = 0.0,
        mean_over: Literal["weight", "count"] | SupportsFloat = "count",
        empty: Literal["nan", "zero", "error"] = "nan",
        focal_gamma: float = 0.0,
        dtype: torch.dtype | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction, pos_weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.mean_over = mean_over
        self.empty = empty
        self.focal_gamma = focal_gamma
        self.dtype = dtype
        self.threads = threads

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, mean_over=self.mean_over,
            empty=self.empty, focal_gamma=self.focal_gamma, dtype=self.dtype, threads=self.threads,
        )  # fmt: skip


def _check_broadcasts(name: str, tensor: Tensor, shape: torch.Size) -> None:
    own = tensor.shape
    if len(own) > len(shape) or any(a != 1 and a != b for a, b in zip(reversed(own), reversed(shape))):
        raise ArgumentValueError(
            f"{name} has shape {list(own)}, which does not broadcast to that of input, {list(shape)}"
        )


# ----------------------------------------------------------------------------------------------
# The operator
# ----------------------------------------------------------------------------------------------


class _Options(NamedTuple):
    """Arguments of `crossentropy.binary_cross_entropy` that are no tensors, in the order of the operator's schema."""

    ignore_index: int | None
    label_smoothing: float
    reduction: str
    mean_over: str | None
    divisor: Scalar | None  # where mean_over is a number
    empty: str
    threads: int | None
    focal_gamma: float


class _Binary(Operator):
    name = "binary_cross_entropy_with_logits"
    weights = ("weight", "pos_weight")
    options = _Options

    def loss_shape(self, x: Tensor, options: _Options) -> tuple[int, ...]:
        return x.shape

    def spread(self, d_loss: Tensor, options: _Options) -> Tensor:
        return d_loss

    @staticmethod
    def parse(options: _Options) -> Settings:
        return settings(BINARY_CROSS_ENTROPY, options)

    def compute(self, tensors: Tensors, options: _Options, loss: Tensor, grad: Tensor | None) -> None:
        x, target, weight, pos_weight = tensors
        if weight is not None:
            weight = _numbers(weight).expand(x.shape)
        first = last = 0
        if pos_weight is not None:
            first, last = _varying(pos_weight, x.dim())
        if x.dim() > 0 and first == last:
            self._call(x, target, weight, pos_weight, first, options, loss, grad)
            return
        # The dimensions along which pos_weight varies become one. What is not laid out for it is copied.
        if pos_weight is not None:
            after = x.dim() - last - 1
            pos_weight = pos_weight.expand([1] * first + list(x.shape[first : last + 1]) + [1] * after)

        def flat(tensor: Tensor) -> Any:
            return tensor.flatten(first, last) if tensor is not None and tensor.shape == x.shape else tensor

        outputs = [each for each in (loss, grad) if each is not None]
        flattened = [flat(each) for each in outputs]
        self._call(flat(x), flat(target), flat(weight), pos_weight, first, options, *flattened)
        for output, computed in zip(outputs, flattened):
            if computed.data_ptr() != output.data_ptr():
                output.copy_(computed.view(output.shape))

    def _call(
        self,
        x: Tensor,
        target: Tensor,
        weight: Tensor | None,
        pos_weight: Tensor | None,
        axis: int,
        options: _Options,
        loss: Tensor,
        grad: Tensor | None = None,
    ) -> None:
        """The library's, for which ``weight`` has the shape of x and ``pos_weight`` varies along ``axis`` alone."""
        view, all_settings = memory("input", x), self.settings(options)
        if weight is not None:
            all_settings = {**all_settings, "sample_weight": memory("weight", weight)}
        if pos_weight is not None:
            pos_weight = _numbers(pos_weight).reshape(() if pos_weight.numel() == 1 else -1)
            all_settings = {**all_settings, "pos_weight": memory("pos_weight", pos_weight)}
        calls.loss(
            functions.binary_cross_entropy,
            view,
            axis,
            memory("target", target),
            all_settings,
            memory("loss", loss),
            None if grad is None else memory("grad", grad),
            interruptible=_arguments.is_long(x.numel()),
            names=_messages.BINARY_TENSORS,
        )

    def formula(self, tensors: Tensors, options: _Options) -> Tensor:
        x, target, weight, pos_weight = tensors
        counts = torch.ones((), dtype=torch.bool)
        if not target.is_floating_point() and options.ignore_index is not None:
            counts = target != options.ignore_index
        y = (1 - options.label_smoothing) * _floating(target) + options.label_smoothing / 2
        s = torch.where(counts, x.new_ones(x.shape) if weight is None else _floating(weight), 0).expand(x.shape)
        if options.reduction == "mean":
            factor: Any
            if options.divisor is not None:
                factor = 1 / options.divisor
            else:
                divisor = counts.expand(x.shape).sum().to(x.dtype) if options.mean_over == "count" else s.sum()
                factor = torch.where(divisor == 0, 0 if options.empty == "zero" else torch.nan, 1 / divisor)
            s = torch.where(s == 0, 0, s * factor)

        # Elements that count for nothing, whatever they hold; and in the others, impossible terms without weight.
        x = torch.where(s == 0, 0, x)
        minus_log_p, minus_log_q = (-torch.nn.functional.logsigmoid(z) for z in (x, -x))
        losses = torch.zeros((), dtype=x.dtype)
        v = 1 if pos_weight is None else _floating(pos_weight)
        for factor, term, other in ((s * v * y, minus_log_p, minus_log_q), (s * (1 - y), minus_log_q, minus_log_p)):
            term = torch.where((factor == 0) & (term == torch.inf), 0, term)
            if options.focal_gamma != 0:
                term = torch.exp(-options.focal_gamma * other) * term
            losses = losses + factor * term
        return losses if options.reduction == "none" else losses.sum()

    def batch(self, tensors: Tensors, dims: Any, size: int, options: _Options) -> tuple[Tensors, _Options] | None:
        """The batch is the first dimension of all."""
        x_dim = tensors[0].dim() - (dims[0] is not None)

        def batched(tensor: Tensor, dim: int | None) -> Any:
            if tensor is None:
                return None
            tensor = tensor.unsqueeze(0) if dim is None else tensor.movedim(dim, 0)
            return tensor.reshape(tensor.shape[0], *[1] * (1 + x_dim - tensor.dim()), *tensor.shape[1:])

        x, target, weight, pos_weight = (batched(*each) for each in zip(tensors, dims))
        return (x.expand(size, *x.shape[1:]), target.expand(size, *target.shape[1:]), weight, pos_weight), options


def _numbers(tensor: Tensor) -> Tensor:
    """The tensor, as float32 if it holds integers or booleans: the library's weights are floating point."""
    return tensor if tensor.is_floating_point() else tensor.float()


def _floating(tensor: Tensor) -> Tensor:
    """The tensor, as float32 if it has 16 bits or integers."""
    return wide(tensor) if tensor.is_floating_point() else tensor.float()


def _varying(tensor: Tensor, dimensions: int) -> tuple[int, int]:
    """The first and the last of ``dimensions``, to which it broadcasts, along which it varies; 0 and 0 for none."""
    varying = [i for i, length in enumerate(tensor.shape, dimensions - tensor.dim()) if length != 1]
    return (varying[0], varying[-1]) if varying else (0, 0)


_binary = _Binary()
