"""What the tests of binary cross-entropy in PyTorch share."""

from __future__ import annotations

from typing import Any

import torch


def problem(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    """Leaf tensors: input and target, of which some are 0 and some 1."""
    random = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(shape, generator=random, dtype=torch.float64)
    target = (2 * torch.rand(shape, generator=random, dtype=torch.float64) - 0.5).clamp(0, 1)
    return x.to(dtype).requires_grad_(), target.to(dtype).requires_grad_()


def weights(shape: tuple[int, ...] | None, dtype: Any, seed: int) -> Any:
    if shape is None:
        return None
    return (0.5 + torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def widened(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().double().requires_grad_(tensor.requires_grad)


EXTRAS: list[dict[str, Any]] = [
    {"ignore_index": 0},
    {"ignore_index": None},
    {"label_smoothing": 0.2},
    {"mean_over": "weight"},
    {"mean_over": 7},
    {"focal_gamma": 2.0, "reduction": "none"},
    {"focal_gamma": 0.5, "label_smoothing": 0.1, "mean_over": "weight"},
    {"empty": "zero", "threads": 1},
]
