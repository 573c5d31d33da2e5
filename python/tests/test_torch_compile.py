"""`crossentropy.torch` in PyTorch's compilers, torch.func and fake tensors. `make test-torch` runs it."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_checks import OWN_WARNINGS, Log, differentiated  # noqa: E402
from torch_problems import DERIVATIVES, problem  # noqa: E402

import crossentropy.torch as cet  # noqa: E402

pytestmark = OWN_WARNINGS

REDUCTIONS = ["mean", "sum", "none"]


def operator_arguments(kind: str, **changes: Any) -> tuple[Any, ...]:
    x, target, weight = problem((4, 5, 3), torch.float64, kind, True)
    s = torch.rand(4, 3, dtype=torch.float64)
    values = {
        "axis": 1, "input_type": "logits", "ignore_index": -100, "label_smoothing": 0.1, "reduction": "mean",
        "mean_over": "weight", "divisor": None, "empty": "nan", "threads": None, "z_loss": 0.0,
        "softcap": None, "logit_scale": 1.0, "focal_gamma": 0.0, "poly_epsilon": 0.0, **changes,
    }  # fmt: skip
    return (x, target, weight, s, True, *values.values())


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # the check's own
@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("changes", [{}, {"reduction": "none"}, {"mean_over": None, "divisor": 3.0}], ids=str)
def test_the_operator_passes_pytorchs_own_check(kind: str, changes: dict[str, Any]) -> None:
    torch.library.opcheck(torch.ops.crossentropy.cross_entropy.default, operator_arguments(kind, **changes))


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_graphs_stay_whole(backend: str, kind: str) -> None:
    x, target, _ = problem((6, 5), torch.float32, kind, False)
    leaves = [each for each in (x, target) if each.requires_grad]

    def step(x: Any, target: Any) -> Any:
        return cet.cross_entropy(2 * x, target, label_smoothing=0.1, reduction="none").square().sum()

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for ours, theirs in zip(differentiated(compiled(x, target), *leaves), differentiated(step(x, target), *leaves)):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("mean_over", ["count", 3])
def test_compiled_graphs_have_any_number_of_rows(mean_over: Any) -> None:
    compiled = torch.compile(cet.cross_entropy, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (2, 3, 300_000):  # the last one with memory from NumPy
        x, target, _ = problem((rows, 5), torch.float32, "labels", False)
        with torch.compiler.set_stance("fail_on_recompile" if rows > 2 else "default"):
            results = [differentiated(f(x, target, mean_over=mean_over), x) for f in (compiled, cet.cross_entropy)]
        for ours, theirs in zip(*results):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("factor", [1, 1.5])
@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy_with_logits"])
def test_compiled_graphs_have_one_divisor_for_any_number_of_rows(name: str, factor: float) -> None:
    def step(x: Any, target: Any) -> Any:
        return getattr(cet, name)(x, target, mean_over=x.shape[0] * factor)

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (2, 3, 9):
        x, target, _ = problem((rows, 5), torch.float64, "labels", False)
        if name != "cross_entropy":
            target = torch.rand(rows, 5, dtype=torch.float64, requires_grad=True)
        leaves = [each for each in (x, target) if each.requires_grad]
        with torch.compiler.set_stance("fail_on_recompile" if rows > 2 else "default"):
            results = [differentiated(f(x, target), *leaves) for f in (compiled, step)]
        for ours, theirs in zip(*results):
            torch.testing.assert_close(ours, theirs)


def test_compiled_modules_under_autocast() -> None:
    x, target, weight = problem((6, 5), torch.bfloat16, "labels", True)
    loss = cet.CrossEntropyLoss(weight)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = [differentiated(each(x, target), x) for each in (compiled, loss)]
    for ours, theirs in zip(*results):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("options", DERIVATIVES[:4], ids=str)
def test_torch_func(options: dict[str, Any]) -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    x = x.detach()
    ours = lambda x: cet.cross_entropy(x, target, **options).sum()  # noqa: E731
    theirs = lambda x: F.cross_entropy(x, target, **options).sum()  # noqa: E731
    torch.testing.assert_close(torch.func.grad(ours)(x), torch.func.grad(theirs)(x))
    expected = torch.func.hessian(theirs)(x)
    torch.testing.assert_close(torch.func.jacrev(torch.func.jacrev(ours))(x), expected)
    torch.testing.assert_close(torch.func.hessian(ours)(x), expected)


@pytest.mark.parametrize("kind", ["labels", "distributions"])
def test_forward_mode(kind: str) -> None:
    from torch.autograd import forward_ad

    x, target, _ = (None if each is None else each.detach() for each in problem((6, 5), torch.float64, kind, False))
    slopes = []
    for function in (cet.cross_entropy, F.cross_entropy):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, x.roll(1))
            q = forward_ad.make_dual(target, target.roll(1)) if kind == "distributions" else target
            slopes.append(forward_ad.unpack_dual(function(dual, q, label_smoothing=0.1)).tangent)
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("options", DERIVATIVES[:4], ids=str)
def test_vmap(options: dict[str, Any], kind: str) -> None:
    x, target, _ = problem((3, 6, 5), torch.float64, kind, False)  # [batch, rows, classes]
    x, target = x.detach(), target.detach()
    if kind == "labels":
        target = torch.randint(5, (3, 6))
        target[0, 0] = -100

    def whole(loss: Any, **kwargs: Any) -> Any:
        return lambda x, target: loss(x, target, **options, **kwargs)

    for dims in ((0, 0), (1, None), (None, 0)):
        # One of the batch for where there is none; another axis for dimension 1.
        arguments = tuple(a[0] if dim is None else a.movedim(0, dim) for a, dim in zip((x, target), dims))
        ours = torch.func.vmap(whole(cet.cross_entropy), dims)(*arguments)
        expected = [
            F.cross_entropy(*[a if dim is None else a.select(dim, i) for a, dim in zip(arguments, dims)], **options)
            for i in range(3)
        ]
        torch.testing.assert_close(ours, torch.stack(expected))

    scalar = lambda x, target: cet.cross_entropy(x, target, **options).sum()  # noqa: E731
    per_sample = torch.func.vmap(torch.func.grad(scalar))(x, target)
    summed = torch.func.grad(lambda x: torch.func.vmap(scalar)(x, target).sum())(x)
    leaf = x.clone().requires_grad_()
    expected = sum(F.cross_entropy(leaf[i], target[i], **options).sum() for i in range(3))
    (expected,) = torch.autograd.grad(expected, leaf)
    torch.testing.assert_close(per_sample, expected)
    torch.testing.assert_close(summed, expected)


def test_vmap_over_losses_of_rows_is_one_call() -> None:
    x, target = torch.randn(3, 6, 5), torch.randint(5, (3, 6))
    with Log(target.numel()) as log:
        torch.func.vmap(lambda x, target: cet.cross_entropy(x, target, reduction="none"))(x, target)
    assert log.names == ["crossentropy.cross_entropy.default"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vmap_over_class_weights(reduction: str) -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    weights = torch.rand(3, 5, dtype=torch.float64)
    ours = torch.func.vmap(lambda w: cet.cross_entropy(x.detach(), target, w, reduction=reduction))(weights)
    theirs = [F.cross_entropy(x.detach(), target, w, reduction=reduction) for w in weights]
    torch.testing.assert_close(ours, torch.stack(theirs))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_batches_of_upstream_gradients(reduction: str) -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    loss = cet.cross_entropy(x, target, reduction=reduction)
    upstream = torch.randn(3, *loss.shape, dtype=torch.float64)
    (ours,) = torch.autograd.grad(loss, x, upstream, is_grads_batched=True)
    expected = [torch.autograd.grad(F.cross_entropy(x, target, reduction=reduction), x, each)[0] for each in upstream]
    torch.testing.assert_close(ours, torch.stack(expected))


def test_recomputed_in_the_backward_pass() -> None:
    from torch.utils.checkpoint import checkpoint

    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    loss = checkpoint(lambda x: cet.cross_entropy(2 * x, target), x, use_reentrant=False)
    (ours,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(ours, torch.autograd.grad(F.cross_entropy(2 * x, target), x)[0])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_meta_tensors_have_shapes(reduction: str) -> None:
    x = torch.empty(4, 5, 3, device="meta", dtype=torch.bfloat16, requires_grad=True)
    target = torch.empty(4, 3, device="meta", dtype=torch.int64)
    ours, theirs = (f(x, target, reduction=reduction) for f in (cet.cross_entropy, F.cross_entropy))
    assert (ours.device.type, ours.shape, ours.dtype) == ("meta", theirs.shape, theirs.dtype)
    ours.sum().backward()
    assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
