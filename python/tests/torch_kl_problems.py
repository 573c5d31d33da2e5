"""What the tests of KL divergence in PyTorch share."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

import crossentropy.torch as cet

TYPES = ["logits", "probs", "log_probs"]
OURS, THEIRS = cet.kl_div, F.kl_div


def problem(shape: tuple[int, ...], dtype: Any, log_target: bool = False, other: Any = None) -> tuple[Any, Any]:
    """Leaf tensors, of which no row adds up to 1."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=random, dtype=torch.float64) - 1
    target = 0.1 + torch.rand(shape if other is None else other, generator=random, dtype=torch.float64)
    return tuple(each.to(dtype).requires_grad_() for each in (x, target.log() if log_target else target))


def widened(tensor: Any) -> Any:
    return tensor.detach().double().requires_grad_()


def composed(x: Any, target: Any, input_type: str, target_type: str, temperature: float, **options: Any) -> Any:
    """The loss of logits and of probabilities by PyTorch."""
    if input_type == "logits":
        x = (x / temperature).log_softmax(-1)
    elif input_type == "probs":
        x = x.log()
    if target_type == "logits":
        target = (target / temperature).log_softmax(-1)
    return THEIRS(x, target, log_target=target_type != "probs", **options)
