"""Derivatives of binary cross-entropy in PyTorch, and its compilers with it. `make test-torch` runs it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch_binary_problems import EXTRAS, problem, weights, widened  # noqa: E402
from torch_checks import OWN_WARNINGS, Log, differentiated  # noqa: E402

import crossentropy.torch as cet  # noqa: E402

pytestmark = OWN_WARNINGS

REDUCTIONS = ["mean", "sum", "none"]
OURS, THEIRS = cet.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits


# ----------------------------------------------------------------------------------------------
# Derivatives
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [*({"reduction": each} for each in REDUCTIONS), *EXTRAS[2:7], {"mean_over": "weight"}], ids=str
)
@pytest.mark.parametrize("weighted", list(itertools.product([None, (2,), (3, 1, 2)], [None, (2,), (3, 1, 2)])), ids=str)
def test_first_and_second_derivatives(options: dict[str, Any], weighted: tuple[Any, Any]) -> None:
    x, target = problem((3, 2, 2), torch.float64)
    w, v = (weights(shape, torch.float64, seed) for seed, shape in enumerate(weighted))

    def loss(x: Any, target: Any) -> Any:
        return OURS(x, target, w, pos_weight=v, **options)

    assert gradcheck(loss, (x, target))
    assert gradgradcheck(loss, (x, target))
    assert gradcheck(loss, (x.detach(), target))
    assert gradgradcheck(loss, (x, target.detach()))


def test_derivatives_of_labels_of_which_some_are_ignored() -> None:
    x, _ = problem((6, 5), torch.float64)
    labels = torch.arange(30).view(6, 5) % 3 - 1
    for reduction in REDUCTIONS:
        loss = lambda x: OURS(x, labels, ignore_index=-1, reduction=reduction)  # noqa: B023, E731
        assert gradcheck(loss, x)
        assert gradgradcheck(loss, x)


def test_third_derivatives_are_pytorchs() -> None:
    x, target = problem((3, 4), torch.float64)
    direction = torch.randn(3, 4, dtype=torch.float64)

    def third(loss: Any) -> tuple[Any, ...]:
        (first,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
        (second,) = torch.autograd.grad((first * direction).sum(), x, create_graph=True)
        return torch.autograd.grad((second * direction.square()).sum(), x)

    for ours, theirs in zip(third(OURS), third(THEIRS)):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_second_derivatives_of_16_bits(dtype: Any) -> None:
    def second(x: Any, target: Any, loss: Any) -> tuple[Any, ...]:
        (first,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
        return torch.autograd.grad(first.double().square().sum(), (x, target))

    x, target = problem((6, 5), dtype)
    for ours, theirs in zip(second(x, target, OURS), second(widened(x), widened(target), THEIRS)):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, rtol=0.02, atol=0.02 * theirs.abs().max().item())


def test_a_training_step_computes_and_copies_nothing_else() -> None:
    x, target = problem((6, 5), torch.float32)
    logits, target = x.view_as(x), target.detach()
    with Log(x.numel()) as log:
        OURS(logits, target, weights((6, 1), torch.float32, 1)).backward()
    assert log.names == ["crossentropy.binary_cross_entropy_with_logits.default"]


# ----------------------------------------------------------------------------------------------
# Compilers, torch.func, fake tensors
# ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # the check's own
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [(None, None), ((5,), (3, 1, 5))], ids=str)
def test_the_operator_passes_pytorchs_own_check(weighted: tuple[Any, Any], reduction: str) -> None:
    x, target = problem((3, 2, 5), torch.float64)
    w, v = (weights(shape, torch.float64, 1) for shape in weighted)
    torch.library.opcheck(
        torch.ops.crossentropy.binary_cross_entropy_with_logits.default,
        (x, target, w, v, True, -100, 0.1, reduction, "count", None, "nan", None, 0.0),
    )


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_graphs_stay_whole(backend: str) -> None:
    x, target = problem((6, 5), torch.float32)
    w, v = weights((6, 1), torch.float32, 1), weights((5,), torch.float32, 2)

    def step(x: Any, target: Any) -> Any:
        return OURS(2 * x, target, w, pos_weight=v, reduction="none").square().sum()

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for ours, theirs in zip(differentiated(compiled(x, target), x, target), differentiated(step(x, target), x, target)):
        torch.testing.assert_close(ours, theirs)


def test_compiled_modules_have_any_number_of_rows() -> None:
    module = cet.BCEWithLogitsLoss(pos_weight=weights((5,), torch.float32, 2))
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (2, 3, 300_000):  # the last one with memory from NumPy
        x, target = problem((rows, 5), torch.float32)
        with torch.compiler.set_stance("fail_on_recompile" if rows > 2 else "default"):
            results = [differentiated(each(x, target.detach()), x) for each in (compiled, module)]
        for ours, theirs in zip(*results):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("weighted", [(None, None), ((5,), (6, 1))], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torch_func(reduction: str, weighted: tuple[Any, Any]) -> None:
    x, target = (each.detach() for each in problem((6, 5), torch.float64))
    w, v = (weights(shape, torch.float64, 1) for shape in weighted)

    def scalar(function: Any) -> Any:
        return lambda x, target: function(x, target, w, pos_weight=v, reduction=reduction).sum()

    for transform in (torch.func.grad, torch.func.hessian, lambda f: torch.func.jacrev(torch.func.jacrev(f))):
        torch.testing.assert_close(transform(scalar(OURS))(x, target), transform(scalar(THEIRS))(x, target))
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


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap(reduction: str) -> None:
    x, target = (each.detach() for each in problem((3, 6, 5), torch.float64))  # [batch, rows, classes]
    w, v = weights((3, 5), torch.float64, 1), weights((3, 6, 1), torch.float64, 2)

    def whole(loss: Any) -> Any:
        return lambda x, target, w, v: loss(x, target, w, pos_weight=v, reduction=reduction)

    for dims in ((0, 0, 0, 0), (1, None, None, None), (None, 0, None, 0), (2, 0, 0, None), (None, None, 0, 0)):
        tensors = (x, target, w, v)
        # One of the batch for where there is none; another axis for other dimensions.
        arguments = tuple(a[0] if dim is None else a.movedim(0, dim) for a, dim in zip(tensors, dims))
        expected = [
            whole(THEIRS)(*[a if dim is None else a.select(dim, i) for a, dim in zip(arguments, dims)])
            for i in range(3)
        ]
        torch.testing.assert_close(torch.func.vmap(whole(OURS), dims)(*arguments), torch.stack(expected))

    scalar = lambda *tensors: whole(OURS)(*tensors).sum()  # noqa: E731
    per_sample = torch.func.vmap(torch.func.grad(scalar))(x, target, w, v)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(sum(whole(THEIRS)(leaf[i], target[i], w[i], v[i]).sum() for i in range(3)), leaf)
    torch.testing.assert_close(per_sample, expected)


def test_vmap_over_losses_of_elements_is_one_call() -> None:
    x, target = torch.randn(3, 6, 5), torch.rand(3, 6, 5)
    with Log(target.numel()) as log:
        torch.func.vmap(lambda x, target: OURS(x, target, reduction="none"))(x, target)
    assert log.names == ["crossentropy.binary_cross_entropy_with_logits.default"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_meta_tensors_have_shapes(reduction: str) -> None:
    x = torch.empty(4, 5, 3, device="meta", dtype=torch.bfloat16, requires_grad=True)
    target = torch.empty(4, 5, 3, device="meta", dtype=torch.bfloat16)
    ours, theirs = (f(x, target, reduction=reduction) for f in (OURS, THEIRS))
    assert (ours.device.type, ours.shape, ours.dtype) == ("meta", theirs.shape, theirs.dtype)
    ours.sum().backward()
    assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
