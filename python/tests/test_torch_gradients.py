"""Gradients of `crossentropy.torch` are made once and handed on, operator or not. `make test-torch` runs it."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_checks import OWN_WARNINGS, TOLERANCE, Log, differentiated  # noqa: E402
from torch_problems import problem  # noqa: E402

import crossentropy.torch as cet  # noqa: E402

pytestmark = OWN_WARNINGS

REDUCTIONS = ["mean", "sum", "none"]


# ----------------------------------------------------------------------------------------------
# The gradient is made once, along with the loss, and then handed on
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_a_training_step_computes_and_copies_nothing_else(dtype: Any) -> None:
    x, target, _ = problem((6, 5), dtype, "labels", False)
    logits = x.view_as(x)
    with Log(logits.numel()) as forward:
        loss = cet.cross_entropy(logits, target, dtype=torch.float32)
    assert forward.names == ["crossentropy.cross_entropy.default"]
    with Log(logits.numel()) as backward:
        loss.backward()
    assert backward.names == []


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_other_upstream_gradients_scale_it_where_it_lies(reduction: str) -> None:
    x, target, _ = problem((6, 5), torch.float32, "labels", False)
    with Log(x.numel()) as log:
        (3 * cet.cross_entropy(x, target, reduction=reduction).sum()).backward()
    assert log.names == ["crossentropy.cross_entropy.default", "aten.mul_.Tensor"]
    (expected,) = torch.autograd.grad(3 * F.cross_entropy(x, target, reduction=reduction).sum(), x)
    torch.testing.assert_close(x.grad, expected)


def test_a_loss_without_a_gradient_computes_none() -> None:
    x, target, _ = problem((6, 5), torch.float32, "labels", False)
    _, grad = torch.ops.crossentropy.cross_entropy(
        x.detach(),
        target,
        None,
        None,
        False,
        1,
        "logits",
        -100,
        0.0,
        "mean",
        "weight",
        None,
        "nan",
        None,
        0.0,
        None,
        1.0,
        0.0,
        0.0,
    )
    assert grad.numel() == 0
    with Log(x.numel()) as log:
        assert not cet.cross_entropy(x.detach(), target).requires_grad
        with torch.no_grad():
            assert not cet.cross_entropy(x, target).requires_grad
    assert log.names == []


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_retained_graph_gives_the_same_gradient_again(reduction: str, factor: float) -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    loss = factor * cet.cross_entropy(x, target, reduction=reduction).sum()
    (expected,) = torch.autograd.grad(loss, x, retain_graph=True)
    expected = expected.clone()
    for times in (1, 2, 3):  # the accumulated gradient must not be the graph's
        loss.backward(retain_graph=times < 3)
        torch.testing.assert_close(x.grad, times * expected)


@pytest.mark.parametrize("retain", [True, False])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_the_upstream_gradient_can_be_differentiated(factor: float, retain: bool) -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    k = torch.tensor(factor, dtype=torch.float64, requires_grad=True)
    loss = k * cet.cross_entropy(x, target)
    (grad,) = torch.autograd.grad(loss, x, create_graph=True, retain_graph=retain)
    (slope,) = torch.autograd.grad(grad[0, 0], k)
    torch.testing.assert_close(factor * slope, grad[0, 0].detach())


def test_gradients_carry_no_graph_unless_asked_for() -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    assert not torch.autograd.grad(cet.cross_entropy(x, target), x)[0].requires_grad
    assert torch.autograd.grad(cet.cross_entropy(x, target), x, create_graph=True)[0].requires_grad


def test_large_gradients_are_laid_out_like_their_logits() -> None:
    y = torch.randint(2, (2, 1024, 512))
    for x in (torch.randn(2, 2, 1024, 512), torch.randn(2, 2, 1024, 512).to(memory_format=torch.channels_last)):
        leaf = x.detach().requires_grad_()
        (grad,) = torch.autograd.grad(cet.cross_entropy(leaf, y), leaf)
        assert grad.stride() == x.stride()
        torch.testing.assert_close(grad, torch.autograd.grad(F.cross_entropy(leaf, y), leaf)[0])


def test_the_example_has_the_same_curve_with_either_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "examples" / "torch_training.py"
    specification = importlib.util.spec_from_file_location("torch_training", path)
    example = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "torch_training", example)  # where its dataclass looks itself up
    specification.loader.exec_module(example)
    monkeypatch.setattr(example, "STEPS", 5)
    ours, theirs = (example.train(module.CrossEntropyLoss()).losses for module in (cet, torch.nn))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert ours[-1] < ours[0]


@pytest.mark.parametrize("how", ["eager", "operator"])
@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_logits_may_be_changed_in_place_after_the_forward_pass(reduction: str, retain: bool, how: str) -> None:
    """As in PyTorch's cross_entropy, which keeps probabilities: the gradient is that of the logits as they were."""
    q, labels = torch.rand(6, 5), torch.randint(5, (6,))
    leaf = torch.randn(6, 5).sub(3).requires_grad_()
    for name, target in (("cross_entropy", labels), ("nll_loss", labels), ("kl_div", q),
                         ("binary_cross_entropy_with_logits", q)):  # fmt: skip
        grads = []
        for module in (cet, F):
            x = leaf * 1
            with Log(0) if how == "operator" else contextlib.nullcontext(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of kl_div's mean
                loss = getattr(module, name)(x, target, reduction=reduction)
            if module is cet or name == "cross_entropy":
                x.zero_()
            upstream = torch.arange(1.0, loss.numel() + 1).reshape(loss.shape)
            grads += [torch.autograd.grad(loss, leaf, upstream, retain_graph=retain)[0] for _ in range(1 + retain)]
        for ours in grads[: 1 + retain]:
            torch.testing.assert_close(ours, grads[-1])


def test_second_derivatives_need_the_logits_as_they_were() -> None:
    leaf = torch.randn(6, 5, requires_grad=True)
    x = leaf * 1
    loss = cet.cross_entropy(x, torch.randint(5, (6,)))
    x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, leaf, create_graph=True)


def test_a_graph_that_is_gone_has_no_gradient() -> None:
    x, target, _ = problem((6, 5), torch.float32, "labels", False)
    loss = cet.cross_entropy(x, target)
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


@pytest.mark.parametrize("how", ["eager", "operator"])
@pytest.mark.parametrize("factor", [1, 1000])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_what_hooks_hold_is_not_overwritten(reduction: str, factor: int, how: str) -> None:
    x, target, _ = problem((6, 5), torch.float32, "labels", False)
    held: list[Any] = []

    def pack(tensor: Any) -> int:
        held.append(tensor)
        return len(held) - 1

    mode = Log(0) if how == "operator" else contextlib.nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(pack, held.__getitem__), mode:
        loss = cet.cross_entropy(x, target, reduction=reduction).sum() * factor
    before = [each.detach().clone() for each in held]
    assert x.shape in [each.shape for each in held]
    loss.backward()
    (expected,) = torch.autograd.grad(factor * F.cross_entropy(x, target, reduction=reduction).sum(), x)
    torch.testing.assert_close(x.grad, expected)
    x.grad.zero_()
    for now, then in zip(held, before):
        assert torch.equal(now, then)


# ----------------------------------------------------------------------------------------------
# In eager mode there is no operator
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_eager_mode_and_the_operator_give_the_same_bits(dtype: Any, kind: str) -> None:
    x, target, weight = problem((6, 5, 4), dtype, kind, True)
    leaves = [each for each in (x, target) if each.requires_grad]
    q = torch.rand(6, 5, 4).to(dtype)
    calls = [
        lambda how: cet.cross_entropy(x, target, weight, label_smoothing=0.1, reduction=how),
        lambda how: cet.binary_cross_entropy_with_logits(x, q, pos_weight=q, reduction=how),
    ]
    for reduction, (call, inputs) in itertools.product(REDUCTIONS, zip(calls, (leaves, [x]))):
        results = differentiated(call(reduction), *inputs)
        with Log(0):  # a dispatch mode, for which there must be an operator
            expected = differentiated(call(reduction), *inputs)
        for mine, other in zip(results, expected):
            assert torch.equal(mine, other)
        with torch.no_grad():
            assert torch.equal(call(reduction), expected[0])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_step_in_eager_mode_dispatches_next_to_nothing(reduction: str) -> None:
    x, target, _ = problem((6, 5), torch.float32, "labels", False)
    q = torch.rand(6, 5)
    calls = [
        lambda: cet.cross_entropy(x, target, reduction=reduction),
        lambda: cet.binary_cross_entropy_with_logits(x, q, reduction=reduction),
    ]
    for call in calls:
        upstream = torch.ones_like(call())
        with torch.autograd.profiler.profile() as profile:
            torch.autograd.grad(call(), x, upstream)
        names = {event.name for event in profile.function_events}
        assert not [name for name in names if name.startswith("crossentropy::")]
        dispatched = {name for name in names if name.startswith("aten::")}
        scaling = {"aten::unsqueeze", "aten::as_strided", "aten::mul_"} if reduction == "none" else set()
        reading = {"aten::item", "aten::_local_scalar_dense"}
        assert dispatched <= {"aten::new_empty", "aten::empty", "aten::empty_like", "aten::empty_strided",
                              "aten::detach", *scaling, *reading}  # fmt: skip


def test_traces_are_of_the_operator() -> None:
    y = torch.tensor([0, 1])
    with pytest.warns(DeprecationWarning, match="torch.jit.trace"):
        traced = torch.jit.trace(lambda x: cet.cross_entropy(x, y), torch.zeros(2, 3), check_trace=False)
    x = torch.randn(2, 3)
    assert torch.equal(traced(x), cet.cross_entropy(x, y))


def test_signs_yet_to_be_changed() -> None:
    """A view of a conjugate's imaginary part has the memory of what it is the negative of."""
    x, y = torch.randn(6, 5, dtype=torch.complex64).conj().imag, torch.randint(5, (6,))
    assert x.is_neg()
    assert torch.equal(cet.cross_entropy(x, y), cet.cross_entropy(x.clone(), y))
