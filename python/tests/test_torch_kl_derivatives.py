"""Derivatives of `crossentropy.torch.kl_div`, and PyTorch's compilers with it. `make test-torch` runs it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch_checks import OWN_WARNINGS, Log, differentiated  # noqa: E402
from torch_kl_problems import TYPES, composed, problem, widened  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402

pytestmark = [  # and what both say of "mean"
    *OWN_WARNINGS,
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
]

REDUCTIONS = ["mean", "batchmean", "sum", "none"]
OURS, THEIRS = cet.kl_div, F.kl_div


# ----------------------------------------------------------------------------------------------
# Derivatives
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("input_type", "target_type"), list(itertools.product(TYPES, repeat=2)), ids=str)
def test_first_and_second_derivatives(input_type: str, target_type: str, reduction: str) -> None:
    x, target = (each.detach().abs().requires_grad_() for each in problem((3, 2), torch.float64))
    options: dict[str, Any] = {"input_type": input_type, "target_type": target_type, "reduction": reduction}
    if "logits" in (input_type, target_type):
        options.update(temperature=2.0, temperature_squared=True, axis=0)

    def loss(x: Any, target: Any) -> Any:
        return OURS(x, target, **options)

    assert gradcheck(loss, (x, target))
    assert gradgradcheck(loss, (x, target))
    assert gradcheck(loss, (x.detach(), target))
    assert gradgradcheck(loss, (x, target.detach()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_second_derivatives_of_16_bits(dtype: Any) -> None:
    def second(x: Any, target: Any, loss: Any) -> tuple[Any, ...]:
        (first,) = torch.autograd.grad(loss(x, target, log_target=True), target, create_graph=True)
        return torch.autograd.grad(first.double().square().sum(), (x, target))

    x, target = problem((6, 5), dtype, log_target=True)
    for ours, theirs in zip(second(x, target, OURS), second(widened(x), widened(target), THEIRS)):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, rtol=0.02, atol=0.02 * theirs.abs().max().item())


def test_targets_gradients_are_the_librarys() -> None:
    x, target = (each.detach() for each in problem((6, 5), torch.float32))
    options: dict[str, Any] = {"input_type": "logits", "target_type": "logits", "temperature": 2.0}
    _, _, expected = ce.kl_divergence_with_grad(
        x.numpy(), target.numpy(), target_type="logits", temperature=2.0, reduction="sum", grad_target=True
    )
    leaf = target.requires_grad_()
    (grad,) = torch.autograd.grad(OURS(x, leaf, reduction="sum", **options), leaf)
    np.testing.assert_array_equal(grad.numpy(), expected)


def test_a_training_step_computes_and_copies_nothing_else() -> None:
    x, target = problem((6, 5), torch.float32)
    log_probs, target = x.view_as(x), target.detach()
    with Log(x.numel()) as log:
        OURS(log_probs, target, reduction="batchmean").backward()
    assert log.names == ["crossentropy.kl_div.default"]


# ----------------------------------------------------------------------------------------------
# Compilers, torch.func, fake tensors
# ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # the check's own
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(("input_type", "target_type"), [("log_probs", "probs"), ("logits", "logits")])
def test_the_operator_passes_pytorchs_own_check(input_type: str, target_type: str, reduction: str) -> None:
    x, target = problem((3, 5), torch.float64)
    torch.library.opcheck(
        torch.ops.crossentropy.kl_div.default,
        (x, target, True, -1, input_type, target_type, 1.0, False, reduction, 3, None),
    )


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_graphs_stay_whole(backend: str) -> None:
    x, target = problem((6, 5), torch.float32)

    def step(x: Any, target: Any) -> Any:
        return OURS(2 * x, target) + OURS(x, target[0], reduction="none").square().sum()

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for ours, theirs in zip(differentiated(compiled(x, target), x, target), differentiated(step(x, target), x, target)):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
def test_compiled_modules_have_any_number_of_rows(reduction: str) -> None:
    module = cet.KLDivLoss(reduction=reduction, input_type="logits", target_type="logits", temperature=2.0)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (2, 3, 7):
        x, target = problem((rows, 5), torch.float32)
        with torch.compiler.set_stance("fail_on_recompile" if rows > 2 else "default"):
            results = [differentiated(each(x, target.detach()), x) for each in (compiled, module)]
        for ours, theirs in zip(*results):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torch_func(reduction: str, log_target: bool) -> None:
    x, target = (each.detach() for each in problem((4, 3), torch.float64, log_target))

    def scalar(function: Any) -> Any:
        return lambda x, target: function(x, target, reduction=reduction, log_target=log_target).square().sum()

    for transform in (torch.func.grad, torch.func.jacrev):
        torch.testing.assert_close(
            transform(scalar(OURS), (0, 1))(x, target), transform(scalar(THEIRS), (0, 1))(x, target)
        )
    both = lambda f: torch.func.hessian(scalar(f), argnums=(0, 1))(x, target)  # noqa: E731
    torch.testing.assert_close(both(OURS), both(THEIRS))


def test_forward_mode() -> None:
    from torch.autograd import forward_ad

    x, target = (each.detach() for each in problem((6, 5), torch.float64))
    directions = torch.randn_like(x), torch.randn_like(x)
    slopes = []
    for function in (OURS, THEIRS):
        with forward_ad.dual_level():
            duals = [forward_ad.make_dual(*each) for each in zip((x, target), directions)]
            slopes.append(forward_ad.unpack_dual(function(*duals)).tangent)
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("kinds", [{}, {"input_type": "logits", "target_type": "logits", "temperature": 2.0}], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap(reduction: str, kinds: dict[str, Any]) -> None:
    x, target = (each.detach() for each in problem((3, 6, 5), torch.float64))  # [batch, rows, classes]

    def theirs(x: Any, target: Any) -> Any:
        if not kinds:
            return THEIRS(x, target, reduction=reduction)
        loss = composed(x, target, reduction=reduction, **kinds)
        return loss.sum(-1) if reduction == "none" else loss

    def ours(x: Any, target: Any) -> Any:
        return OURS(x, target, reduction=reduction, **kinds)

    for dims in ((0, 0), (1, None), (None, 0), (2, 0)):
        # One of the batch for where there is none; another axis for other dimensions.
        arguments = tuple(a[0] if dim is None else a.movedim(0, dim) for a, dim in zip((x, target), dims))
        expected = [
            theirs(*[a if dim is None else a.select(dim, i) for a, dim in zip(arguments, dims)]) for i in range(3)
        ]
        torch.testing.assert_close(torch.func.vmap(ours, dims)(*arguments), torch.stack(expected))

    per_sample = torch.func.vmap(torch.func.grad(lambda *tensors: ours(*tensors).sum()))(x, target)
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(sum(theirs(leaf[i], target[i]).sum() for i in range(3)), leaf)
    torch.testing.assert_close(per_sample, grad)


def test_vmap_over_losses_of_elements_is_one_call() -> None:
    x, target = torch.randn(3, 6, 5), torch.rand(3, 6, 5)
    with Log(target.numel()) as log:
        torch.func.vmap(lambda x, target: OURS(x, target, reduction="none"))(x, target)
    assert log.names == ["crossentropy.kl_div.default"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_meta_tensors_have_shapes(reduction: str) -> None:
    x = torch.empty(4, 5, 3, device="meta", dtype=torch.bfloat16, requires_grad=True)
    target = torch.empty(4, 5, 3, device="meta", dtype=torch.bfloat16)
    ours, theirs = (f(x, target, reduction=reduction) for f in (OURS, THEIRS))
    assert (ours.device.type, ours.shape, ours.dtype) == ("meta", theirs.shape, theirs.dtype)
    ours.sum().backward()
    assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
