"""`crossentropy.torch` beside PyTorch itself, and what PyTorch does not have. `make test-torch` runs it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_checks import OWN_WARNINGS, TOLERANCE, agree, differentiated  # noqa: E402
from torch_problems import problem  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402
from crossentropy._c_api import calls  # noqa: E402

pytestmark = OWN_WARNINGS

SHAPES = [(7,), (6, 5), (4, 5, 3), (2, 9, 3, 4), (3, 1)]
REDUCTIONS = ["mean", "sum", "none"]


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
    memory = cet._cross_entropy_operator.memory
    monkeypatch.setattr(
        cet._cross_entropy_operator,
        "memory",
        lambda name, each: (seen.update({name: each.data_ptr()}), memory(name, each))[1],
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


@pytest.mark.parametrize("function", [cet.cross_entropy, cet.binary_cross_entropy_with_logits, cet.kl_div])
def test_calls_have_as_many_threads_as_pytorch(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def place_loss(frame: Any, x: Any, axis: int, target: Any, settings: Any, *others: Any) -> Any:
        used.append(settings["threads"])
        return original(frame, x, axis, target, settings, *others)

    original, default = calls.place_loss, torch.get_num_threads()
    monkeypatch.setattr(calls, "place_loss", place_loss)
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    try:
        for threads in (1, 3, 1):
            torch.set_num_threads(threads)
            for each, options in ((function, {}), (compiled, {}), (function, {"threads": 2})):
                used.clear()
                each(torch.zeros(4, 3), torch.zeros(4, 3), reduction="sum", **options)
                assert set(used) == {options.get("threads", threads)}
    finally:
        torch.set_num_threads(default)
