"""`crossentropy.torch` beside PyTorch itself, and in PyTorch's own checks. `make test-torch` runs it."""

from __future__ import annotations

import contextlib
import doctest
import enum
import importlib.util
import inspect
import itertools
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch_checks import TOLERANCE, Log, agree, differentiated, doctests  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402
from crossentropy import _accepts, _torch_accepts  # noqa: E402
from crossentropy._options import REQUIRED  # noqa: E402
from crossentropy.torch import _binary, _cross_entropy, _kl  # noqa: E402

# What PyTorch says of its own interfaces.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Backwards compatibility.*undefined gradient:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning"),
]

SHAPES = [(7,), (6, 5), (4, 5, 3), (2, 9, 3, 4), (3, 1)]
REDUCTIONS = ["mean", "sum", "none"]


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


def compare(name: str, x: Any, target: Any, weight: Any = None, **options: Any) -> None:
    """Losses and gradients of the functions called ``name``."""

    def results(function: Any, *tensors: Any) -> tuple[Any, ...]:
        leaves = [each for each in tensors[:2] if each.requires_grad]
        return differentiated(function(*tensors, **options), *leaves)

    def widened(tensor: Any) -> Any:
        if tensor is None or not tensor.is_floating_point():
            return tensor
        return tensor.detach().double().requires_grad_(tensor.requires_grad)

    ours, theirs = results(getattr(cet, name), x, target, weight), results(getattr(F, name), x, target, weight)
    exact: Any = [None] * len(ours)
    if x.dtype.itemsize == 2:
        exact = results(getattr(F, name), widened(x), widened(target), widened(weight))
    for each in zip(ours, theirs, exact):
        agree(*each)


# ----------------------------------------------------------------------------------------------
# The same as PyTorch
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_is_pytorchs(shape: tuple[int, ...], dtype: Any, kind: str) -> None:
    for reduction, smoothing, weighted in itertools.product(REDUCTIONS, [0.0, 0.3], [False, True]):
        x, target, weight = problem(shape, dtype, kind, weighted)
        compare("cross_entropy", x, target, weight, reduction=reduction, label_smoothing=smoothing)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nll_loss_is_pytorchs(shape: tuple[int, ...], dtype: Any) -> None:
    for reduction, weighted, ignore_index in itertools.product(REDUCTIONS, [False, True], [-100, 0]):
        x, target, weight = problem(shape, dtype, "labels", weighted)
        if ignore_index == 0:
            target = target.clamp(min=0)
            if len(shape) == 1 or shape[1] == 1:
                continue  # nothing but ignored rows
            target.view(-1)[0] = 1
        compare("nll_loss", x, target, weight, reduction=reduction, ignore_index=ignore_index)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("flags", list(itertools.product([None, True, False], repeat=2)), ids=str)
@pytest.mark.filterwarnings("ignore:size_average and reduce args:UserWarning")
def test_the_deprecated_flags_mean_what_they_do_in_pytorch(name: str, flags: tuple[Any, Any]) -> None:
    x, target, _ = problem((6, 5), torch.float64, "labels", False)
    size_average, reduce = flags
    arguments = {"size_average": size_average, "reduce": reduce, "reduction": "sum"}
    compare(name, x, target, **arguments)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"])
def test_signatures_begin_with_pytorchs(name: str) -> None:
    theirs = getattr(F, name, None) or getattr(torch.nn, name)
    ours = list(inspect.signature(getattr(cet, name)).parameters.values())
    count = 0
    for parameter, own in zip(inspect.signature(theirs).parameters.values(), ours):
        assert (own.name, own.default, own.kind) == (parameter.name, parameter.default, parameter.kind)
        count += 1
    assert count == len(inspect.signature(theirs).parameters)
    assert all(own.kind is own.KEYWORD_ONLY for own in ours[count:])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CrossEntropyLoss", {}),
        ("CrossEntropyLoss", {"label_smoothing": 0.1, "reduction": "sum", "ignore_index": 2}),
        ("NLLLoss", {}),
        ("NLLLoss", {"reduction": "none", "ignore_index": 2}),
    ],
)
def test_modules_are_pytorchs(name: str, options: dict[str, Any]) -> None:
    x, target, weight = problem((6, 5), torch.float64, "labels", True)
    target = target.clamp(min=0)
    ours, theirs = (getattr(module, name)(weight, **options) for module in (cet, torch.nn))
    assert isinstance(ours, type(theirs))
    assert ours.state_dict().keys() == theirs.state_dict().keys() == {"weight"}
    assert repr(ours) == repr(theirs)
    for mine, other in zip(differentiated(ours(x, target), x), differentiated(theirs(x, target), x)):
        agree(mine, other)


def test_modules_pass_on_what_pytorch_does_not_have() -> None:
    x, target, _ = problem((6, 5), torch.float32, "labels", False)
    extras = {"mean_over": "count", "empty": "zero", "dtype": torch.float64, "threads": 1}
    s = torch.rand(6)
    for module, function in ((cet.CrossEntropyLoss, cet.cross_entropy), (cet.NLLLoss, cet.nll_loss)):
        expected = function(x, target, sample_weight=s, **extras)
        assert expected.dtype == torch.float64
        assert torch.equal(module(**extras)(x, target, sample_weight=s), expected)
        assert module(**extras)(x, torch.full_like(target, -100)).item() == 0


def test_the_dtype_of_the_loss_is_pytorchs() -> None:
    for x_dtype, q_dtype in itertools.product(TOLERANCE, repeat=2):
        x, q = torch.randn(4, 5).to(x_dtype), torch.rand(4, 5).to(q_dtype)
        assert cet.cross_entropy(x, q).dtype == F.cross_entropy(x, q).dtype
    x, q = torch.randn(4, 5), torch.rand(4, 5)
    weight = torch.rand(5).double()
    assert cet.cross_entropy(x, q, weight).dtype == F.cross_entropy(x, q, weight).dtype == torch.float64


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_under_autocast_the_loss_is_pytorchs(dtype: Any) -> None:
    x, target, _ = problem((6, 5), dtype, "labels", False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        compare("cross_entropy", x, target)


def test_a_single_row_may_have_its_label_in_a_list() -> None:
    x = torch.randn(5)
    y = torch.tensor([3])
    for reduction in REDUCTIONS:
        agree(cet.cross_entropy(x, y, reduction=reduction), F.cross_entropy(x, y, reduction=reduction))


@pytest.mark.parametrize("kind", ["labels", "distributions"])
def test_empty_batches_are_pytorchs(kind: str) -> None:
    x = torch.randn(0, 5, requires_grad=True)
    target = torch.zeros(0, dtype=torch.int64) if kind == "labels" else torch.rand(0, 5)
    for reduction in REDUCTIONS:
        ours, theirs = (f(x, target, reduction=reduction) for f in (cet.cross_entropy, F.cross_entropy))
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert ours.shape == theirs.shape
        (grad,) = torch.autograd.grad(ours.sum(), x)
        assert grad.shape == x.shape


def test_any_layout() -> None:
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64)
    target = torch.randint(5, (3, 4, 2))
    for view in (x.to(memory_format=torch.channels_last), x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)):
        compare("cross_entropy", view.detach().requires_grad_(), target)
    compare("cross_entropy", x[:, :, ::2, :1].detach().requires_grad_(), target[:, ::2, :1])
    repeated = torch.randn(5, dtype=torch.float64).expand(6, 5)  # with stride 0
    compare("cross_entropy", repeated.detach().requires_grad_(), torch.arange(6) % 5)


# ----------------------------------------------------------------------------------------------
# Better than PyTorch
# ----------------------------------------------------------------------------------------------


def test_confident_predictions_have_a_loss() -> None:
    x = torch.tensor([[80.0, 0.0]])
    y = torch.tensor([0])
    assert F.cross_entropy(x, y).item() == 0  # what PyTorch says
    assert cet.cross_entropy(x, y).item() == pytest.approx(np.exp(-80.0), rel=1e-6)


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_ignored_rows_have_no_gradient_whatever_they_hold(strange: float) -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [strange] * 3], requires_grad=True)
    y = torch.tensor([0, -100])
    (theirs,) = torch.autograd.grad(F.cross_entropy(x, y), x)
    assert theirs[1].isnan().all()  # what PyTorch says
    (ours,) = torch.autograd.grad(cet.cross_entropy(x, y), x, create_graph=True)
    assert torch.equal(ours[1], torch.zeros(3))
    torch.testing.assert_close(ours[0], theirs[0])
    (second,) = torch.autograd.grad(ours.square().sum(), x)
    assert torch.equal(second[1], torch.zeros(3))
    assert second[0].isfinite().all()


def test_rows_of_weightless_labels_have_no_gradient_whatever_they_hold() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [float("nan")] * 3], requires_grad=True)
    weight = torch.tensor([1.0, 0.0, 1.0])
    (first,) = torch.autograd.grad(cet.cross_entropy(x, torch.tensor([0, 1]), weight), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    for grad in (first, second):
        assert torch.equal(grad[1], torch.zeros(3))
        assert grad[0].isfinite().all()


def test_impossible_classes_without_mass_count_for_nothing() -> None:
    x = torch.tensor([[1.0, 2.0, -float("inf")]], requires_grad=True)
    q = torch.tensor([[0.25, 0.75, 0.0]], requires_grad=True)
    assert F.cross_entropy(x, q).isnan()  # what PyTorch says
    expected = F.cross_entropy(x[:, :2], q[:, :2])
    loss = cet.cross_entropy(x, q)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(torch.autograd.grad(loss, (x, q)), torch.autograd.grad(expected, (x, q))):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.uint8, torch.uint16])
def test_labels_of_any_integer_dtype(dtype: Any) -> None:
    x, y = torch.randn(6, 5), torch.randint(5, (6,))
    assert torch.equal(cet.cross_entropy(x, y.to(dtype), ignore_index=None), cet.cross_entropy(x, y))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_targets_and_weights_of_16_bits_are_read_where_they_lie(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bits of float32 copies."""
    seen: dict[str, int] = {}
    memory = cet._cross_entropy.memory
    monkeypatch.setattr(
        cet._cross_entropy, "memory", lambda name, each: (seen.update({name: each.data_ptr()}), memory(name, each))[1]
    )
    x, q = torch.randn(6, 5), torch.rand(6, 5).to(dtype)
    weight, sample_weight = torch.rand(5).to(dtype), torch.rand(6).to(dtype)
    loss = cet.cross_entropy(x, q, weight, sample_weight=sample_weight, dtype=torch.float32)
    assert [seen[name] for name in ("target", "weight", "sample_weight")] == [
        each.data_ptr() for each in (q, weight, sample_weight)
    ]
    assert torch.equal(loss, cet.cross_entropy(x, q.float(), weight.float(), sample_weight=sample_weight.float()))


def test_float16_gradients_survive_until_the_upstream_gradient_comes() -> None:
    """A mean over 4096 rows makes gradients that float16 cannot hold; a GradScaler's factor brings them back."""
    x = torch.zeros(4096, 1000, dtype=torch.float16, requires_grad=True)
    loss = cet.cross_entropy(x, torch.zeros(4096, dtype=torch.int64), dtype=torch.float32)
    (loss * 2.0**16).backward()
    assert x.grad[0, 1].item() == pytest.approx(2.0**16 / 4096 / 1000, rel=2**-11)


def test_the_loss_of_bfloat16_logits_in_float32() -> None:
    x = torch.tensor([[9.0, 0.5], [0.25, 3.0]], dtype=torch.bfloat16, requires_grad=True)
    y = torch.tensor([0, 1])
    loss = cet.cross_entropy(x, y, dtype=torch.float32)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(x.float(), y))
    loss.backward()
    assert x.grad.dtype == torch.bfloat16


def test_bfloat16_needs_no_further_package() -> None:
    program = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "import torch, crossentropy.torch as cet\n"
        "x = torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16, requires_grad=True)\n"
        "cet.cross_entropy(x, torch.tensor([0])).backward()\n"
        "print(x.grad.tolist())"
    )
    assert run(program) == "[[-0.73046875, 0.73046875]]"


def run(program: str) -> str:
    environment = {"PYTHONPATH": str(Path(ce.__file__).parent.parent), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()


def test_pytorch_is_imported_only_when_asked_for_and_its_compiler_not_at_all() -> None:
    assert run("import crossentropy, sys; print('torch' in sys.modules)") == "False"
    program = (
        "import crossentropy.torch as cet, torch, sys\n"
        "cet.cross_entropy(torch.zeros(2, 3, requires_grad=True), torch.tensor([0, 1])).backward()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert run(program) == "False"


# ----------------------------------------------------------------------------------------------
# What PyTorch does not have
# ----------------------------------------------------------------------------------------------

POLICIES: list[dict[str, Any]] = [
    {"mean_over": "count"},
    {"mean_over": "mass"},
    {"mean_over": 7},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"label_smoothing": 0.2, "mean_over": "mass"},
    {"empty": "zero", "threads": 1},
]


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("options", POLICIES, ids=str)
def test_policies_and_sample_weights_are_those_of_the_arrays(options: dict[str, Any], kind: str) -> None:
    x, target, weight = problem((4, 5, 3), torch.float64, kind, True)
    s = torch.rand(4, 3, dtype=torch.float64)
    loss = cet.cross_entropy(x, target, weight, sample_weight=s, **options)
    expected, grad = ce.cross_entropy_with_grad(
        x.detach().numpy(), target.detach().numpy(), axis=1, weight=weight.numpy(), sample_weight=s.numpy(), **options
    )
    np.testing.assert_array_equal(loss.detach().numpy(), expected)
    np.testing.assert_array_equal(torch.autograd.grad(loss.sum(), x)[0].numpy(), grad)


# ----------------------------------------------------------------------------------------------
# Derivatives
# ----------------------------------------------------------------------------------------------

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


# ----------------------------------------------------------------------------------------------
# Compilers, torch.func, fake tensors
# ----------------------------------------------------------------------------------------------


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


# ----------------------------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------------------------


def test_errors_say_what_is_accepted() -> None:
    x, y, w = torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(3)
    cases: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((x, y + 2), {}, ce.LabelError, "label 3 in row 1 is out of range: there are 3 classes"),
        ((x, x), {"ignore_index": 1}, ce.ArgumentValueError, "ignore_index is 1, but target holds distributions"),
        ((x, y[:1]), {}, ce.ArgumentValueError, "shape"),
        ((x.long(), y), {}, ce.ArgumentTypeError, "input has dtype torch.int64, but must be float32, float64"),
        ((x.to(torch.float8_e4m3fn), y), {}, ce.ArgumentTypeError, "input has dtype torch.float8_e4m3fn"),
        ((x, y.bool()), {}, ce.ArgumentTypeError, "target has dtype bool"),
        ((x.numpy(), y), {}, ce.ArgumentTypeError, "input must be a tensor, not ndarray"),
        ((x, None), {}, ce.ArgumentTypeError, "target must be a tensor, not NoneType"),
        ((x.to_sparse(), y), {}, ce.ArgumentTypeError, "input has the layout torch.sparse_coo, but must be dense"),
        ((x, y, y.new_ones(3)), {}, ce.ArgumentTypeError, "weight must be f32, f64, f16 or bf16"),
        ((x, y, w > 0), {}, ce.ArgumentTypeError, "weight has dtype bool, but must be floating point"),
        ((x, y), {"reduction": ["mean"]}, ce.ArgumentTypeError, "reduction must be one of"),
        ((x, y), {"threads": 1.5}, ce.ArgumentTypeError, "threads must be an integer, not float"),
        ((x[0, 0], y), {}, ce.ArgumentValueError, "input has no dimension"),
        ((x, y), {"weight": w.requires_grad_()}, ce.ArgumentValueError, "weight requires a gradient"),
        ((x, y), {"sample_weight": w[:2]}, ce.ArgumentValueError, "sample_weight requires a gradient"),
        ((x, y), {"reduction": np.array(["mean", "sum"])}, ce.ArgumentTypeError, "reduction must be one of"),
        ((x, y), {"empty": np.array(["nan", "nan"])}, ce.ArgumentTypeError, "empty must be one of"),
        ((x, y), {"z_loss": np.ones(2)}, ce.ArgumentTypeError, "z_loss must be a number, not ndarray"),
        ((x, y), {"mean_over": np.ones(2)}, ce.ArgumentTypeError, "mean_over must be a number, not ndarray"),
        ((x, x), {"ignore_index": np.arange(2)}, ce.ArgumentTypeError, "ignore_index must be an integer, not ndarray"),
        ((x, y), {"reduction": "avg"}, ce.ArgumentValueError, 'reduction is "avg", but must be one of'),
        ((x, y), {"label_smoothing": -0.1}, ce.ArgumentValueError, "label_smoothing"),
        ((x, y), {"mean_over": "rows"}, ce.ArgumentValueError, 'mean_over is "rows"'),
        ((x, y), {"mean_over": 0}, ce.ArgumentValueError, "mean_over is 0.0"),
        ((x, y), {"mean_over": -(2**70)}, ce.ArgumentValueError, "mean_over is -1.18"),
        ((x, y), {"mean_over": None}, ce.ArgumentTypeError, "mean_over must be a number, not NoneType"),
        ((x, y - 100), {"empty": "error", "ignore_index": -99}, ce.LabelError, "label -100"),
        ((x, y * 0 - 100), {"empty": "error"}, ce.EmptyError, "no row counts"),
    ]
    for arguments, options, error, text in cases:
        with pytest.raises(error) as caught:
            cet.cross_entropy(*arguments, **options)
        assert text in str(caught.value)


def test_tensors_of_many_dimensions() -> None:
    calls = [
        (64, lambda module, x, y, q: module.cross_entropy(x, y)),
        (64, lambda module, x, y, q: module.cross_entropy(x, q)),
        (64, lambda module, x, y, q: module.binary_cross_entropy_with_logits(x, q, q)),
        (64, lambda module, x, y, q: module.kl_div(x, q, reduction="sum")),
        (63, lambda module, x, y, q: module.kl_div(x, q, reduction="none")),
    ]
    for dimensions, (limit, call) in itertools.product((63, 64, 65), calls):
        x = torch.randn([2, 3] + [1] * (dimensions - 2), requires_grad=True)
        tensors = x, torch.tensor([0, 2]).view(x.shape[:1] + x.shape[2:]), torch.rand(x.shape)
        if dimensions > limit:
            text = f"input has {dimensions} dimensions, but at most {limit} are accepted"
            with pytest.raises(ce.ArgumentValueError, match=text):
                call(cet, *tensors)
        else:
            results = [differentiated(call(module, *tensors), x) for module in (cet, F)]
            for ours, theirs in zip(*results):
                torch.testing.assert_close(ours, theirs)


def test_weights_may_be_parameters_where_nothing_is_differentiated() -> None:
    x, y, q = torch.randn(4, 3), torch.tensor([0, 1, 2, 1]), torch.rand(4, 3)
    weight, s = torch.nn.Parameter(torch.rand(3)), torch.nn.Parameter(torch.rand(4))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            ours = cet.cross_entropy(x, y, weight, sample_weight=s)
            assert torch.equal(ours, cet.cross_entropy(x, y, weight.detach(), sample_weight=s.detach()))
            torch.testing.assert_close(cet.CrossEntropyLoss(weight)(x, y), F.cross_entropy(x, y, weight))
            ours = cet.binary_cross_entropy_with_logits(x, q, weight, pos_weight=weight)
            torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(x, q, weight, pos_weight=weight))


class Name(str, enum.Enum):
    """An enumeration whose members are strings, but have another hash than these."""

    SUM = "sum"
    NONE = "none"
    COUNT = "count"
    ZERO = "zero"
    LOGITS = "logits"


@pytest.mark.parametrize("kind", [np.str_, Name], ids=["numpy", "enum"])
def test_names_may_be_any_kind_of_string(kind: Any) -> None:
    x, y, q = torch.randn(4, 3), torch.tensor([0, 1, 2, 1]), torch.rand(4, 3)
    calls = [
        lambda name: cet.cross_entropy(x, y, reduction=name("none")),
        lambda name: cet.cross_entropy(x, y, mean_over=name("count"), empty=name("zero")),
        lambda name: cet.binary_cross_entropy_with_logits(x, q, reduction=name("sum")),
        lambda name: cet.kl_div(x, q, reduction=name("sum"), input_type=name("logits"), target_type=name("logits")),
    ]
    for call, mode in itertools.product(calls, (contextlib.nullcontext, lambda: Log(0))):
        call(str)  # An equal string that is remembered must not be what makes the difference.
        cet._cross_entropy._cross_entropy._remembered.cache_clear()
        with mode():
            assert torch.equal(call(kind), call(str))


def test_tensors_elsewhere_are_refused() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.empty(2, 3, device="cuda")
        with pytest.raises(
            ce.ArgumentValueError, match=r"input is on cuda:0, but must be on the CPU: input.cpu\(\) helps"
        ):
            cet.cross_entropy(x, torch.zeros(2, dtype=torch.int64))


# ----------------------------------------------------------------------------------------------
# Documentation
# ----------------------------------------------------------------------------------------------


def test_examples_in_the_documentation() -> None:
    result = doctests(cet.cross_entropy)
    assert result.attempted > 8
    assert result.failed == 0
    result = doctest.testmod(cet)
    assert result.attempted > 4
    assert result.failed == 0


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_extras_have_the_names_and_defaults_of_the_arrays_functions(name: str) -> None:
    arrays = inspect.signature(getattr(ce, name)).parameters
    ours = inspect.signature(getattr(cet, name)).parameters
    extras = [each for each in ours.values() if each.kind is each.KEYWORD_ONLY and each.name != "dtype"]
    assert {each.name: each.default for each in extras} == {each.name: arrays[each.name].default for each in extras}


def test_the_package_itself_says_who_differentiates() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    with pytest.raises(ce.ArgumentTypeError, match=r"Pass x\.detach\(\); or call the function of crossentropy\.torch"):
        ce.cross_entropy(x, torch.tensor([0, 1]))
    assert ce.cross_entropy(x.detach(), torch.tensor([0, 1])) == cet.cross_entropy(x, torch.tensor([0, 1])).item()


@pytest.mark.parametrize(
    ("function", "module"),
    [
        (_torch_accepts.CROSS_ENTROPY, _cross_entropy),
        (_torch_accepts.NLL_LOSS, _cross_entropy),
        (_torch_accepts.BINARY_CROSS_ENTROPY_WITH_LOGITS, _binary),
        (_torch_accepts.KL_DIV, _kl),
    ],
    ids=lambda each: each.name if isinstance(each, _accepts.Function) else "",
)
def test_operators_have_the_options_of_the_table(function: Any, module: Any) -> None:
    taken = {option.name: option for option in (*function.positional, *function.keywords)}
    parameters = inspect.signature(getattr(cet, function.name)).parameters
    assert {name: each.default for name, each in parameters.items()} == {
        name: inspect.Parameter.empty if option.default is REQUIRED else option.default
        for name, option in taken.items()
    }
    settings = {name for name, option in taken.items() if option.convert is not None}
    weights = {"weight", "sample_weight", "pos_weight"}
    missing = settings - weights - set(module._Options._fields)
    assert not missing
