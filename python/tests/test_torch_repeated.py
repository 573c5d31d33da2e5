"""Calls of `crossentropy.torch` that repeat an earlier one and take a short way. `make test-torch` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

from torch_checks import OWN_WARNINGS  # noqa: E402  (after importorskip)

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402
from crossentropy import _repeated  # noqa: E402
from crossentropy._c_api import calls  # noqa: E402
from crossentropy.torch import _operator  # noqa: E402

pytestmark = OWN_WARNINGS


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    _repeated.kinds.clear()
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def problem(seed: int = 0, shape: tuple[int, ...] = (64, 10), dtype: Any = torch.float32) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, dtype=dtype, generator=generator, requires_grad=True)
    return x, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


def long_way(function: Any, *arguments: Any, **options: Any) -> Any:
    return function.__wrapped__(*arguments, **options)


def repeated(**options: Any) -> tuple[Any, Any]:
    """Tensors of a call that takes the short way."""
    for seed in range(3):
        cet.cross_entropy(*problem(seed), **options)
    return problem()


def is_short(function: Any, *arguments: Any, **options: Any) -> bool:
    longer = []

    def call(self: Any, *arguments: Any) -> Any:
        longer.append(True)
        return original(self, *arguments)

    original = _operator.Operator.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_operator.Operator, "__call__", call)
        function(*arguments, **options)
    return not longer


def assert_same(function: Any, x: Any, target: Any, **options: Any) -> None:
    """That loss, gradient and what becomes of a second derivative are those of the long way."""
    losses = [each(x, target, **options) for each in (function, function.__wrapped__)]
    assert losses[0].dtype == losses[1].dtype
    assert torch.equal(*losses)
    upstream = torch.arange(1, losses[0].numel() + 1).reshape(losses[0].shape).to(x.dtype)
    once = [torch.autograd.grad(loss, x, upstream, retain_graph=True)[0] for loss in losses]
    assert once[0].dtype == once[1].dtype
    assert torch.equal(*once)
    slopes = [torch.autograd.grad(loss, x, upstream, create_graph=True)[0] for loss in losses]
    assert torch.equal(*slopes)
    twice = [torch.autograd.grad(slope.square().sum(), x)[0] for slope in slopes]
    torch.testing.assert_close(*twice)


@pytest.mark.parametrize("shape", [(64, 10), (4, 10, 3), (2, 5, 3, 2)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reduction": "none"},
        {"reduction": "sum", "label_smoothing": 0.1, "ignore_index": 3},
        {"z_loss": 1e-3, "mean_over": "count", "threads": 1, "weight": None, "dtype": None},
        {"softcap": 3, "logit_scale": 2.0, "focal_gamma": 2.0, "poly_epsilon": 0.5, "empty": "zero"},
    ],
    ids=str,
)
def test_the_same_results(shape: tuple[int, ...], dtype: Any, options: dict[str, Any]) -> None:
    for seed in range(4):
        x, target = problem(seed, shape, dtype)
        assert is_short(cet.cross_entropy, x, target, **options) == (seed > 0)  # its third call
        assert_same(cet.cross_entropy, x, target, **options)


def test_distributions_and_log_probabilities() -> None:
    for seed in range(4):
        x, target = problem(seed)
        for function, y in ((cet.nll_loss, target), (cet.cross_entropy, problem(9)[0].detach().softmax(1))):
            assert_same(function, x, y)
    assert is_short(function, x, y)
    assert is_short(cet.nll_loss, x, target)
    y.requires_grad_()
    assert not is_short(function, x, y)
    for each in (function, function.__wrapped__):
        torch.testing.assert_close(torch.autograd.grad(each(x, y), y)[0], -x.log_softmax(1) / 64)


def test_modules() -> None:
    loss = cet.CrossEntropyLoss(label_smoothing=0.1)
    for seed in range(4):
        x, target = problem(seed)
        assert is_short(loss, x, target) == (seed > 1)
        assert torch.equal(
            loss(x.detach(), target), long_way(cet.cross_entropy, x.detach(), target, label_smoothing=0.1)
        )


@pytest.mark.filterwarnings("ignore:size_average and reduce args will be deprecated:UserWarning")
@pytest.mark.parametrize(
    "options",
    [{"mean_over": 3.0}, {"size_average": False}, {"dtype": torch.float64}, {"weight": torch.ones(10)}],
    ids=str,
)
def test_options_without_a_short_way(options: dict[str, Any]) -> None:
    for seed in range(4):
        x, target = problem(seed)
        assert not is_short(cet.cross_entropy, x, target, **options)
        assert_same(cet.cross_entropy, x, target, **options)


def test_what_is_rounded_has_no_short_way() -> None:
    for seed in range(4):
        x, target = problem(seed)
        half = x.detach().bfloat16().requires_grad_()
        assert_same(cet.cross_entropy, half, target)
        mixed = problem(seed, dtype=torch.float64)[0].detach().softmax(1)
        assert cet.cross_entropy(x, mixed).dtype == torch.float64
    assert not _repeated.kinds
    for seed in range(4):
        with torch.autocast("cpu"):
            assert_same(cet.cross_entropy, *problem(seed))


def test_one_row_is_as_in_pytorch() -> None:
    for seed in range(4):
        x = problem(seed)[0].detach()[0].clone()
        assert torch.equal(cet.cross_entropy(x, torch.tensor([3])), cet.cross_entropy(x, torch.tensor(3)))
    assert not _repeated.kinds


def test_each_gradient_has_memory_of_its_own() -> None:
    repeated()
    calls = [problem(seed) for seed in range(3)]
    losses = [cet.cross_entropy(*each) for each in calls]
    expected = [torch.autograd.grad(long_way(cet.cross_entropy, *each), each[0])[0] for each in calls]
    for loss in losses:
        loss.backward()
    for (x, _), grad in zip(calls, expected):
        assert torch.equal(x.grad, grad)


def test_backward_passes_of_one_graph() -> None:
    x, target = repeated()
    expected = torch.autograd.grad(long_way(cet.cross_entropy, x, target), x)[0]
    loss = cet.cross_entropy(x, target)
    for factor in (1.0, 2.0, 0.5):
        (grad,) = torch.autograd.grad(loss, x, torch.tensor(factor), retain_graph=True)
        assert torch.equal(grad, factor * expected)
    assert torch.equal(torch.autograd.grad(4 * loss, x)[0], 4 * expected)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()
    batched = cet.cross_entropy(x, target)
    (grads,) = torch.autograd.grad(batched, x, torch.tensor([1.0, 3.0]), is_grads_batched=True)
    assert torch.equal(grads, torch.stack((expected, 3 * expected)))


def test_logits_may_change_before_the_backward_pass() -> None:
    leaf, target = repeated()
    (expected,) = torch.autograd.grad(long_way(cet.cross_entropy, leaf, target), leaf)
    x = leaf * 1
    cet.cross_entropy(x, target)
    loss = cet.cross_entropy(x, target)
    assert is_short(cet.cross_entropy, x, target)
    x.data.zero_()
    with torch.no_grad():
        x.add_(1)
    for _ in range(2):
        assert torch.equal(torch.autograd.grad(loss, x, retain_graph=True)[0], expected)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, x, create_graph=True)


def test_hooks_on_what_is_saved() -> None:
    x, target = repeated()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: (saved.append(each), each)[1], lambda each: each):
        loss = cet.cross_entropy(x, target)
    assert any(each.shape == x.shape and each.data_ptr() != x.data_ptr() for each in saved)  # the gradient too
    (expected,) = torch.autograd.grad(cet.cross_entropy(x, target), x)
    assert torch.equal(torch.autograd.grad(loss, x)[0], expected)
    checkpointed = torch.utils.checkpoint.checkpoint(cet.cross_entropy, x, target, use_reentrant=False)
    assert torch.equal(torch.autograd.grad(checkpointed, x)[0], expected)


def test_transformations() -> None:
    x, target = repeated()
    with torch.no_grad():
        for _ in range(3):
            cet.cross_entropy(x, target)

    def of(function: Any) -> list[Any]:
        return [
            torch.func.grad(function)(x.detach(), target),
            torch.func.vmap(function)(x.detach().expand(3, *x.shape), target.expand(3, 64)),
            *torch.func.jvp(lambda z: function(z, target), (x.detach(),), (torch.ones_like(x),)),
            torch.func.hessian(function)(x.detach()[:2], target[:2]),
        ]

    for ours, theirs in zip(of(cet.cross_entropy), of(cet.cross_entropy.__wrapped__)):
        assert torch.equal(ours, theirs)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones_like(x))
        assert torch.autograd.forward_ad.unpack_dual(cet.cross_entropy(dual, target)).tangent is not None
    compiled = torch.compile(lambda x, y: cet.cross_entropy(x, y), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x, target), cet.cross_entropy(x, target))
    # Left over from a transformation: such a tensor has no memory of its own.
    left = []
    torch.func.grad(lambda z: (left.append(z), z.sum())[1])(x.detach())
    assert torch.equal(cet.cross_entropy(left[0], target).detach(), cet.cross_entropy(x, target).detach())


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state:UserWarning")
def test_tensors_that_are_not_plain_memory() -> None:
    x, target = repeated()
    expected = cet.cross_entropy(x, target)
    for _ in range(3):
        cet.cross_entropy(x.detach(), target)
    assert is_short(cet.cross_entropy, x.detach(), target)
    strided = torch.empty(64, 20)[:, ::2].copy_(x.detach())
    for other in (strided, x.detach().t().contiguous().t(), torch.nn.Parameter(x.detach())):
        assert torch.equal(cet.cross_entropy(other, target), expected)
    negative = torch._neg_view(-x.detach())
    assert negative.is_neg()
    assert torch.equal(cet.cross_entropy(negative, target), expected)
    for sparse in (x.detach().to_sparse(), x.detach().to_sparse_csr()):
        with pytest.raises(ce.ArgumentTypeError, match="input has the layout"):
            cet.cross_entropy(sparse, target)
    for arguments in ((None, target), (x, None), (x.detach().numpy(), target)):
        with pytest.raises(ce.ArgumentTypeError, match="must be a tensor"):
            cet.cross_entropy(*arguments)


def test_errors() -> None:
    x, target = repeated()
    target[5] = 11
    for each in (x, x.detach(), x):
        with pytest.raises(ce.LabelError, match=r"^label 11 in row 5 is out of range"):
            cet.cross_entropy(each, target)


def test_modes() -> None:
    x, target = repeated()
    assert cet.cross_entropy(x, target).requires_grad
    with torch.inference_mode():
        for _ in range(3):
            assert cet.cross_entropy(x, target).is_inference()
    with torch.no_grad():
        loss = cet.cross_entropy(x, target)
        assert is_short(cet.cross_entropy, x, target)
        assert not loss.requires_grad
        assert not loss.is_inference()
    with torch.device("meta"):
        assert cet.cross_entropy(x, target).is_cpu
    assert cet.cross_entropy(x, target).requires_grad


def test_calls_have_as_many_threads_as_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def place_loss(frame: Any, x: Any, axis: int, target: Any, settings: Any, *others: Any) -> Any:
        used.append(settings["threads"])
        return original(frame, x, axis, target, settings, *others)

    original = calls.place_loss
    monkeypatch.setattr(calls, "place_loss", place_loss)
    x, target = problem()
    for options in ({}, {"threads": 2}):
        used.clear()
        for threads in (1, 3, 1, 3):
            torch.set_num_threads(threads)
            for _ in range(3):
                cet.cross_entropy(x, target, **options)
        # The first call of a number of threads, the second one, and what that prepares.
        assert used == ([1, 1, 1, 3, 3, 3] if not options else [2] * 6)


def test_threads() -> None:
    torch.set_num_threads(1)
    problems = [problem(seed) for seed in range(6)]
    expected = [torch.autograd.grad(long_way(cet.cross_entropy, *each), each[0])[0] for each in problems]

    def work(number: int) -> None:
        for _ in range(200):
            (grad,) = torch.autograd.grad(cet.cross_entropy(*problems[number]), problems[number][0])
            assert torch.equal(grad, expected[number])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == [None] * 6
