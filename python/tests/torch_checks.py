"""What the tests of `crossentropy.torch` share: how near results are to PyTorch's own, which operations are made."""

from __future__ import annotations

import doctest
import sys
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

# What PyTorch says of its own interfaces, for `pytestmark`.
OWN_WARNINGS = [
    pytest.mark.filterwarnings("ignore:Backwards compatibility.*undefined gradient:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning"),
]

# Relative to the largest element. PyTorch's own error, as ours is far smaller; with 16 bits, in which PyTorch also adds
# up, ours against PyTorch in float64: one rounding, and for bfloat16 gradients another after the upstream gradient.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 2 * 2**-8, torch.float16: 2**-11}


def agree(ours: Any, theirs: Any, exact: Any = None) -> None:
    """That ours is like PyTorch's, and near it, or near what PyTorch makes of the same numbers in float64."""
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    expected = (theirs if exact is None else exact).double()
    error = (ours.double() - expected).abs().max() / expected.abs().max().clamp(min=1e-30)
    assert error.item() <= TOLERANCE[ours.dtype]


def differentiated(loss: Any, *leaves: Any) -> tuple[Any, ...]:
    """The loss, and gradients under an upstream gradient that differs from row to row."""
    upstream = torch.arange(1, loss.numel() + 1).reshape(loss.shape).to(loss.dtype)
    return (loss.detach(), *torch.autograd.grad(loss, leaves, upstream))


class Log(TorchDispatchMode):
    """The names of operations whose result has ``size`` elements, views excepted."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.names = size, []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = function(*args, **(kwargs or {}))
        tensors = results if isinstance(results, tuple) else [results]
        sizes = [each.numel() for each in tensors if torch.is_tensor(each)]
        if self.size in sizes and not function.is_view:
            self.names.append(str(function))
        return results


def doctests(function: Any) -> doctest.TestResults:
    """The examples of the module that defines ``function``."""
    return doctest.testmod(sys.modules[function.__module__])
