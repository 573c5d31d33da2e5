"""The operator of `crossentropy.torch.cross_entropy` and `nll_loss`."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import _arguments, _messages
from .._accepts import CROSS_ENTROPY
from .._c_api import calls, functions
from .._c_api.frames import Settings
from ._operator import Operator, Scalar, Tensors, memory, settings, wide

__all__ = ["Options", "cross_entropy"]


class Options(NamedTuple):
    """Arguments of `crossentropy.cross_entropy` that are no tensors, in the order of the operator's schema,
    with the same defaults."""

    axis: int
    input_type: str = "logits"
    ignore_index: int | None = -100
    label_smoothing: float = 0.0
    reduction: str = "mean"
    mean_over: str | None = "weight"
    divisor: Scalar | None = None  # where mean_over is a number
    empty: str = "nan"
    threads: int | None = None
    z_loss: float = 0.0
    softcap: float | None = None
    logit_scale: float = 1.0
    focal_gamma: float = 0.0
    poly_epsilon: float = 0.0


class _CrossEntropy(Operator):
    name = "cross_entropy"
    weights = ("weight", "sample_weight")
    options = Options

    def loss_shape(self, x: Tensor, options: Options) -> tuple[int, ...]:
        return x.shape[: options.axis] + x.shape[options.axis + 1 :]

    def spread(self, d_loss: Tensor, options: Options) -> Tensor:
        return d_loss.unsqueeze(options.axis)

    @staticmethod
    def parse(options: Options) -> Settings:
        return settings(CROSS_ENTROPY, options)

    def compute(self, tensors: Tensors, options: Options, loss: Tensor, grad: Tensor | None) -> None:
        x, target, weight, sample_weight = tensors
        view, all_settings = memory("input", x), self.settings(options)
        if weight is not None:
            all_settings = {**all_settings, "weight": memory("weight", weight)}
        if sample_weight is not None:
            all_settings = {**all_settings, "sample_weight": memory("sample_weight", sample_weight)}
        calls.loss(
            functions.cross_entropy,
            view,
            options.axis,
            memory("target", target),
            all_settings,
            memory("loss", loss),
            None if grad is None else memory("grad", grad),
            interruptible=_arguments.is_long(x.numel()),
            names=_messages.TENSORS,
        )

    def formula(self, tensors: Tensors, options: Options) -> Tensor:
        x, target, weight, sample_weight = tensors
        axis, classes = options.axis, x.shape[options.axis]
        hard = not target.is_floating_point()
        along = [-1 if dimension == axis else 1 for dimension in range(x.dim())]

        q, counts = wide(target), torch.ones((), dtype=torch.bool)
        if hard:
            if options.ignore_index is not None:
                counts = target != options.ignore_index
            q = target.unsqueeze(axis) == torch.arange(classes).view(along)
        w = torch.ones(()) if weight is None else wide(weight).view(along)
        s = x.new_ones(x.shape[:axis] + x.shape[axis + 1 :]) if sample_weight is None else wide(sample_weight)
        e = options.label_smoothing
        before, mass = w * q, w * ((1 - e) * q + e / classes)

        s = torch.where(counts, s, 0)
        if options.reduction == "mean":
            factor: Any
            if options.divisor is not None:
                factor = 1 / options.divisor
            else:
                if options.mean_over == "count":
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

    def batch(self, tensors: Tensors, dims: Any, size: int, options: Options) -> tuple[Tensors, Options] | None:
        """The batch is a dimension of the rows."""
        if dims[2] is not None:
            return None
        x, target, weight, sample_weight = (
            tensor if tensor is None or name == "weight"
            else tensor.expand(size, *tensor.shape) if dim is None
            else tensor.movedim(dim, 0)
            for name, tensor, dim in zip(("x", "target", *self.weights), tensors, dims)
        )  # fmt: skip
        return (x, target, weight, sample_weight), options._replace(axis=options.axis + 1)


cross_entropy = _CrossEntropy()
