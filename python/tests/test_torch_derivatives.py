"""First, second and third derivatives of `crossentropy.torch`. `make test-torch` runs it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch_checks import OWN_WARNINGS  # noqa: E402
from torch_problems import DERIVATIVES, problem  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402

pytestmark = OWN_WARNINGS


@pytest.mark.parametrize("weights", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("options", DERIVATIVES, ids=str)
def test_first_and_second_derivatives(options: dict[str, Any], kind: str, weights: bool) -> None:
    x, target, weight = problem((2, 3, 2), torch.float64, kind, weights)
    s = torch.tensor([[0.5, 2.0], [0.0, 1.5]], dtype=torch.float64) if weights else None

    def loss(x: Any, target: Any) -> Any:
        return cet.cross_entropy(x, target, weight, sample_weight=s, **options)

    assert gradcheck(loss, (x, target))
    assert gradgradcheck(loss, (x, target))
    if kind == "distributions":  # each alone
        assert gradcheck(loss, (x.detach(), target))
        assert gradgradcheck(loss, (x.detach(), target))
        assert gradgradcheck(loss, (x, target.detach()))


@pytest.mark.parametrize("kind", ["labels", "distributions"])
def test_terms_are_those_of_the_package(kind: str) -> None:
    x, target, _ = problem((5, 4), torch.float64, kind, False)
    terms = {"z_loss": 0.1, "softcap": 3.0, "logit_scale": 2.0, "focal_gamma": 1.5, "poly_epsilon": -0.5}
    arrays = x.detach().numpy(), target.detach().numpy()
    assert cet.CrossEntropyLoss(**terms)(x, target).item() == ce.cross_entropy(*arrays, **terms)
    with pytest.raises(ce.ArgumentValueError, match="focal_gamma"):
        cet.cross_entropy(x, target, focal_gamma=-1.0)


@pytest.mark.parametrize("kind", ["labels", "distributions"])
def test_derivatives_of_nll_loss(kind: str) -> None:
    x, target, weight = problem((5, 4), torch.float64, kind, True)

    def loss(x: Any, target: Any) -> Any:
        return cet.nll_loss(x.log_softmax(1), target, weight)

    assert gradcheck(loss, (x, target))
    assert gradgradcheck(loss, (x, target))
    if kind == "distributions":
        assert gradgradcheck(lambda x, q: cet.nll_loss(x, q, weight), (x, target))


@pytest.mark.parametrize("kind", ["labels", "distributions"])
def test_gradient_penalties_are_pytorchs(kind: str) -> None:
    """Derivatives of a sum of the loss and of something made from its gradient."""
    x, target, _ = problem((3, 4), torch.float64, kind, False)
    leaves = [each for each in (x, target) if each.requires_grad]

    def penalised(function: Any) -> Any:
        loss = function(x, target)
        return loss + torch.autograd.grad(loss, x, create_graph=True)[0].square().sum()

    for ours, theirs in zip(*(torch.autograd.grad(penalised(f), leaves) for f in (cet.cross_entropy, F.cross_entropy))):
        torch.testing.assert_close(ours, theirs)


def test_third_derivatives_are_pytorchs() -> None:
    x, target, _ = problem((3, 4), torch.float64, "distributions", False)
    direction = torch.randn(3, 4, dtype=torch.float64)

    def third(loss: Any) -> tuple[Any, ...]:
        (first,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
        (second,) = torch.autograd.grad((first * direction).sum(), x, create_graph=True)
        return torch.autograd.grad((second * direction.square()).sum(), (x, target))

    for ours, theirs in zip(third(cet.cross_entropy), third(F.cross_entropy)):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_second_derivatives_of_16_bits(dtype: Any) -> None:
    x, target, _ = problem((6, 5), dtype, "distributions", False)

    def second(x: Any, target: Any, loss: Any) -> tuple[Any, ...]:
        (first,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
        return torch.autograd.grad(first.double().square().sum(), (x, target))

    exact = [tensor.detach().double().requires_grad_() for tensor in (x, target)]
    for ours, theirs in zip(second(x, target, cet.cross_entropy), second(*exact, F.cross_entropy)):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, rtol=0.02, atol=0.02 * theirs.abs().max().item())


def test_means_of_nothing_can_be_differentiated() -> None:
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    ignored = torch.tensor([-100, -100])
    for empty, smoothing in itertools.product(("nan", "zero"), (0.0, 0.1)):
        loss = cet.cross_entropy(x, ignored, empty=empty, label_smoothing=smoothing)
        (first,) = torch.autograd.grad(loss, x, create_graph=True)
        assert torch.equal(first, torch.zeros_like(x))
        (second,) = torch.autograd.grad(first.sum(), x)
        assert torch.equal(second, torch.zeros_like(x))
    q, s = torch.rand(2, 3, dtype=torch.float64, requires_grad=True), torch.tensor([1.0, -1.0])
    for empty, expected in (("nan", float("nan")), ("zero", 0.0)):  # weights that cancel out
        loss = cet.cross_entropy(x, q, sample_weight=s, empty=empty)
        for grad in torch.autograd.grad(loss, (x, q)):
            np.testing.assert_array_equal(grad.numpy(), np.full((2, 3), expected))
