"""What the tests of cross-entropy in PyTorch share: problems, and what is compared."""

from __future__ import annotations

from typing import Any

import torch


def problem(shape: tuple[int, ...], dtype: Any, kind: str, weighted: bool, seed: int = 0) -> tuple[Any, ...]:
    """Leaf tensors: input, target (labels of which some are -100, or distributions), class weights or None."""
    random = torch.Generator().manual_seed(seed)
    rows, classes = (shape[:1] + shape[2:], shape[1]) if len(shape) > 1 else ((), shape[0])
    x = (3 * torch.randn(shape, generator=random, dtype=torch.float64)).to(dtype).requires_grad_()
    if kind == "labels":
        target = torch.randint(classes, rows, generator=random)
        if rows:
            target[torch.rand(rows, generator=random) < 0.2] = -100
            target[(0,) * len(rows)], target[(-1,) * len(rows)] = 0, -100
    else:
        target = torch.rand(shape, generator=random, dtype=torch.float64).to(dtype).requires_grad_()
    weight = (0.5 + torch.rand(classes, generator=random, dtype=torch.float64)).to(dtype) if weighted else None
    return x, target, weight


DERIVATIVES: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.3},
    {"reduction": "sum"},
    {"reduction": "none", "label_smoothing": 0.1},
    {"mean_over": "mass"},
    {"mean_over": "count", "label_smoothing": 0.1},
    {"mean_over": 2.5},
    {"z_loss": 0.2},
    {"focal_gamma": 2.0, "poly_epsilon": 0.5},
    {"softcap": 2.0, "logit_scale": 1.5, "label_smoothing": 0.1},
]
