"""`torch.nn.functional.cross_entropy`, `nll_loss`, and their modules."""

from __future__ import annotations

from typing import Literal, SupportsFloat

import torch
from torch import Tensor
from torch.nn import _reduction

from .._c_api import functions, header
from .._errors import ArgumentValueError
from ._cross_entropy_operator import Options
from ._cross_entropy_operator import cross_entropy as _cross_entropy
from ._operator import check, integer, mean_over_and_divisor, name, real, rounded, under_autocast
from ._repeated import OfTensors

__all__ = ["CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"]


# ----------------------------------------------------------------------------------------------
# What PyTorch's users call
# ----------------------------------------------------------------------------------------------


@OfTensors(_cross_entropy, functions.cross_entropy, input_type="logits").before
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int | None = -100,
    reduce: bool | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    label_smoothing: float = 0.0,
    *,
    sample_weight: Tensor | None = None,
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
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
            ``input``.
        weight: weights of the classes, shape [C].
        size_average: with ``reduce`` PyTorch's older way to say ``reduction``, which it deprecates.
        ignore_index: rows with this label count for nothing; None: every row counts. Labels only.
        reduce: see ``size_average``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: e in [0, 1]; a target distribution q becomes :math:`(1-e)\,q + e/C`.
        sample_weight: weights of the rows, of the shape of ``input`` without C.
        mean_over: what the mean divides by: ``"weight"``, as PyTorch does; ``"mass"``; ``"count"``; or a positive
            number. See `crossentropy.cross_entropy`.
        empty: the mean where that is 0: ``"nan"``, as in PyTorch, ``"zero"`` or ``"error"``.
        z_loss: at least 0; adds :math:`z\_loss \cdot lse^2` to the loss of each row, times s alone (Zoph et al., 2022,
            arXiv:2202.08906; Chowdhery et al., 2022, arXiv:2204.02311). For logits.
        softcap: c above 0; x, after ``logit_scale``, becomes :math:`c \tanh(x / c)`. Infinities stay. For logits.
        logit_scale: not 0; x is multiplied by it, before ``softcap``; the inverse of a temperature. For logits.
        focal_gamma: :math:`\gamma`, at least 0; each term of the loss is multiplied by :math:`(1 - p_c)^\gamma`, the
            focal loss (Lin et al., 2017, arXiv:1708.02002), whose alpha is ``weight`` here. For logits.
        poly_epsilon: :math:`\epsilon`; adds :math:`\epsilon (1 - p_c)` to each :math:`-\log p_c`, the poly-1 loss (Leng
            et al., 2022, arXiv:2204.12511); with ``focal_gamma`` before that multiplication. For logits.
        dtype: of the result. None: as in PyTorch, which is the dtype of ``input`` (promoted with that of ``weight`` and
            of distributions), and float32 for 16 bits under `torch.autocast`. The loss is computed in float32 at least,
            and rounded to it once.
        threads: the most threads to use; None: as many as `torch.get_num_threads` says.

    Returns:
        A tensor without dimensions, or for ``"none"`` one of the shape of ``input`` without C. It can be differentiated
        with respect to ``input`` and to distributions; for the former, the gradient is computed along with the loss, so
        that ``input`` may be changed in place before the backward pass (but for higher derivatives and that of a
        distribution, which need it).

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
        z_loss, softcap, logit_scale, focal_gamma, poly_epsilon,
    )  # fmt: skip


@OfTensors(_cross_entropy, functions.cross_entropy, input_type="log_probs").before
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int | None = -100,
    reduce: bool | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
    *,
    sample_weight: Tensor | None = None,
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
    dtype: torch.dtype | None = None,
    threads: int | None = None,
) -> Tensor:
    """`torch.nn.functional.nll_loss`: the negative log-likelihood of logarithms of probabilities.

    Args:
        input: logarithms of probabilities, otherwise as in `cross_entropy`.
        target: as in `cross_entropy`; distributions are accepted here too.
        weight, size_average, ignore_index, ..., threads: as in `cross_entropy`.

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
        reduction: Literal["mean", "sum", "none"] = "mean",
        label_smoothing: float = 0.0,
        *,
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan",
        z_loss: float = 0.0,
        softcap: float | None = None,
        logit_scale: float = 1.0,
        focal_gamma: float = 0.0,
        poly_epsilon: float = 0.0,
        dtype: torch.dtype | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        self.mean_over = mean_over
        self.empty = empty
        self.z_loss = z_loss
        self.softcap = softcap
        self.logit_scale = logit_scale
        self.focal_gamma = focal_gamma
        self.poly_epsilon = poly_epsilon
        self.dtype = dtype
        self.threads = threads

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        return cross_entropy(
            input, target, sample_weight=sample_weight, weight=self.weight, ignore_index=self.ignore_index,
            reduction=self.reduction, label_smoothing=self.label_smoothing, mean_over=self.mean_over, empty=self.empty,
            z_loss=self.z_loss, softcap=self.softcap, logit_scale=self.logit_scale, focal_gamma=self.focal_gamma,
            poly_epsilon=self.poly_epsilon, dtype=self.dtype, threads=self.threads,
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
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
        empty: Literal["nan", "zero", "error"] = "nan",
        dtype: torch.dtype | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.mean_over = mean_over
        self.empty = empty
        self.dtype = dtype
        self.threads = threads

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        return nll_loss(
            input, target, sample_weight=sample_weight, weight=self.weight, ignore_index=self.ignore_index,
            reduction=self.reduction, mean_over=self.mean_over, empty=self.empty, dtype=self.dtype,
            threads=self.threads,
        )  # fmt: skip


# ----------------------------------------------------------------------------------------------
# From PyTorch's terms to the operator's
# ----------------------------------------------------------------------------------------------


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
    z_loss: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    focal_gamma: float = 0.0,
    poly_epsilon: float = 0.0,
) -> Tensor:
    check(input, target, weight=weight, sample_weight=sample_weight)
    if input.dim() == 0:
        raise ArgumentValueError("input has no dimension, but must have one, the classes, at least")
    soft = target.is_floating_point()
    ignore_index = integer("ignore_index", ignore_index)
    if soft and ignore_index is not None and ignore_index >= 0:
        raise ArgumentValueError(
            f"ignore_index is {ignore_index}, but target holds distributions, none of which it can name: with them it "
            "must be negative or None"
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if input.dim() == 1 and target.shape == (1,) and not soft:
        target = target[0]  # as in PyTorch
    options = Options(
        min(1, input.dim() - 1),
        input_type,
        ignore_index,
        real("label_smoothing", label_smoothing),
        name("reduction", reduction, header.REDUCTIONS),
        *mean_over_and_divisor(mean_over),
        name("empty", empty, header.EMPTY),
        integer("threads", threads),
        real("z_loss", z_loss),
        None if softcap is None else real("softcap", softcap),
        real("logit_scale", logit_scale),
        real("focal_gamma", focal_gamma),
        real("poly_epsilon", poly_epsilon),
    )
    loss = _cross_entropy((input, target, weight, sample_weight), options)
    return rounded(loss, under_autocast(_loss_dtype(input, target, weight)) if dtype is None else dtype)


def _loss_dtype(input: Tensor, target: Tensor, weight: Tensor | None) -> torch.dtype:
    dtype = input.dtype
    for other in (target, weight):
        if other is not None and other.dtype != dtype and other.is_floating_point():
            dtype = torch.promote_types(dtype, other.dtype)
    return dtype
