"""The short way of losses of tensors: see `crossentropy._repeated`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._c_api.prepared import GRAD, LOSS, TARGET, Prepared, X
from .._repeated import LARGEST, Repeated
from ._operator import Operator, Options, graph_is_kept, is_plain, memory, saving_hooks, scaled

# Options of PyTorch's functions that say nothing when they are None, as modules pass them.
_NOT_GIVEN = {"weight", "size_average", "reduce", "sample_weight", "dtype"}


class OfTensors(Repeated):
    """That of a loss of tensors, of which most options are named as those of its ``operator``."""

    def __init__(self, operator: Operator, function: Any, **fixed: Any) -> None:
        self.operator, self.function = operator, function  # PyTorch's and the library's
        self.fixed = fixed  # options of the operator that all calls have
        self.names = set(operator.options._fields) - {"axis", "divisor", *fixed}

    def kind(self, x: Any, target: Any) -> tuple[Any, ...] | None:
        # Hooks would see nothing of what is kept here for the backward pass.
        if x is None or target is None or not is_plain((x, target)) or saving_hooks() or target.requires_grad:
            return None
        try:
            if not (x.is_contiguous() and x.data_ptr() and target.is_contiguous() and target.data_ptr()):
                return None
        except RuntimeError:  # without memory of its own: sparse, or left over from a transformation
            return None
        if x.is_neg() or target.is_neg():
            return None
        with_grad = x.requires_grad and torch.is_grad_enabled()
        return self, with_grad, x.dtype, x.shape, target.dtype, target.shape, torch.get_num_threads()

    def is_possible(self, x: Tensor, target: Tensor, options: dict[str, Any]) -> bool:
        # Otherwise the loss is rounded, or labels are looked at first.
        as_computed = x.dtype in (torch.float32, torch.float64) and not (
            target.is_floating_point() and target.dtype != x.dtype
        )
        known = all(name in self.names or (name in _NOT_GIVEN and options[name] is None) for name in options)
        # A mean over a number has an option of its own.
        named = options.get("mean_over", "").__class__ is str
        return as_computed and known and named and x.dim() > 1 and x.numel() <= LARGEST

    def prepared(self, x: Tensor, target: Tensor, options: dict[str, Any], results: Tensor) -> PreparedLoss:
        named = {name: value for name, value in options.items() if name in self.names}
        all_options = self.operator.options(1, **self.fixed, **named)
        return PreparedLoss(self.operator, self.function, x, target, all_options, results)


class PreparedLoss(Prepared):
    """For tensors."""

    __slots__ = ("kept", "loss", "with_grad")

    def __init__(
        self, operator: Operator, function: Any, x: Tensor, target: Tensor, options: Options, loss: Tensor
    ) -> None:
        self.kept = operator, options
        self.loss, self.with_grad = loss.detach(), loss.requires_grad
        super().__init__(
            function, memory("input", x), options.axis, memory("target", target), operator.settings(options),
            memory("loss", loss), memory("grad", x) if self.with_grad else None,
        )  # fmt: skip

    def results(self, x: Tensor, target: Tensor) -> Tensor | None:
        words = self.words
        loss = _empty_like(self.loss)
        words[X], words[TARGET], words[LOSS] = x.data_ptr(), target.data_ptr(), loss.data_ptr()
        if not self.with_grad:
            return None if self.call() else loss
        grad = _empty_like(x)
        words[GRAD] = grad.data_ptr()
        return None if self.call() else _apply(x, target, (loss, grad), self.kept)


class _Computed(torch.autograd.Function):
    """A loss that has been computed, with its gradient. As `_operator._Eager`, but that the gradient is no second
    output: only higher derivatives need it as such, and compute it once more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor, computed: tuple[Tensor, Tensor], kept: Any) -> Tensor:
        loss, ctx.gradient = computed
        ctx.kept = kept
        ctx.save_for_backward(x, target)
        return loss

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        operator, options = ctx.kept
        gradient, is_last = ctx.gradient, False
        if gradient is None or torch.is_grad_enabled():
            x, target = ctx.saved_tensors
            gradient = operator.gradient((x, target, *[None] * len(operator.weights)), options)
        elif not graph_is_kept():
            ctx.gradient, is_last = None, True
        factor = operator.spread(d_loss, options) if options.reduction == "none" else d_loss
        return scaled(gradient, factor, options, in_place=is_last), None, None, None


_empty_like = torch.empty_like
# Without what `torch.autograd.Function.apply` does for functions with a ``setup_context`` and for torch.func, which
# takes as long as the library's own call.
_apply = super(torch.autograd.Function, _Computed).apply
