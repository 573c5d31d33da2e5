"""`crossentropy.torch.binary_cross_entropy_with_logits` beside PyTorch's own. `make test-torch` runs it."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_binary_problems import EXTRAS, problem, weights, widened  # noqa: E402
from torch_checks import OWN_WARNINGS, TOLERANCE, agree, differentiated, doctests  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402

pytestmark = OWN_WARNINGS

REDUCTIONS = ["mean", "sum", "none"]
OURS, THEIRS = cet.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits

# Of the input, and of weights and positive weights that broadcast to it: numbers, along each dimension, along several,
# neighbours or not, and along all.
SHAPES: list[tuple[tuple[int, ...], list[tuple[int, ...] | None]]] = [
    ((), [None, (), ]),
    ((1,), [None, (), (1,)]),
    ((7,), [None, (), (1,), (7,)]),
    ((6, 5), [None, (5,), (6, 1), (1, 5), (6, 5)]),
    ((4, 3, 2, 5), [None, (5,), (2, 1), (3, 1, 1), (4, 1, 1, 1), (3, 2, 1), (3, 1, 5), (4, 1, 2, 1), (4, 3, 2, 5)]),
]  # fmt: skip


def compare(x: Any, target: Any, weight: Any = None, pos_weight: Any = None, **options: Any) -> None:
    """Losses and gradients."""

    def results(function: Any, x: Any, target: Any, weight: Any, pos_weight: Any) -> tuple[Any, ...]:
        leaves = [each for each in (x, target) if each.requires_grad]
        return differentiated(function(x, target, weight, pos_weight=pos_weight, **options), *leaves)

    tensors = (x, target, weight, pos_weight)
    ours, theirs = results(OURS, *tensors), results(THEIRS, *tensors)
    exact: Any = [None] * len(ours)
    if x.dtype.itemsize == 2:
        exact = results(THEIRS, *map(widened, tensors))
    for each in zip(ours, theirs, exact):
        agree(*each)


# ----------------------------------------------------------------------------------------------
# The same as PyTorch
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("shape", "broadcast"), SHAPES, ids=str)
def test_the_loss_is_pytorchs(shape: tuple[int, ...], broadcast: list[tuple[int, ...] | None], dtype: Any) -> None:
    x, target = problem(shape, dtype)
    for reduction, w, v in itertools.product(REDUCTIONS, broadcast, broadcast):
        compare(x, target, weights(w, dtype, 1), weights(v, dtype, 2), reduction=reduction)


def test_targets_may_be_any_numbers() -> None:
    x, _ = problem((6, 5), torch.float64)
    target = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    for reduction in REDUCTIONS:
        compare(x, target, None, weights((6, 5), torch.float64, 2), reduction=reduction)


@pytest.mark.parametrize("flags", list(itertools.product([None, True, False], repeat=2)), ids=str)
@pytest.mark.filterwarnings("ignore:size_average and reduce args:UserWarning")
def test_the_deprecated_flags_mean_what_they_do_in_pytorch(flags: tuple[Any, Any]) -> None:
    size_average, reduce = flags
    compare(*problem((6, 5), torch.float64), size_average=size_average, reduce=reduce, reduction="sum")


def test_dtypes_of_losses_and_gradients_are_pytorchs() -> None:
    for autocast, x_dtype, y_dtype in itertools.product([False, True], TOLERANCE, TOLERANCE):
        x, target = problem((4, 5), x_dtype)[0], problem((4, 5), y_dtype)[1]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            ours, theirs = (differentiated(each(x, target), x, target) for each in (OURS, THEIRS))
        assert [each.dtype for each in ours] == [each.dtype for each in theirs]
        coarsest = max(TOLERANCE[dtype] for dtype in (x_dtype, y_dtype))
        for mine, other in zip(ours, theirs):
            torch.testing.assert_close(mine.double(), other.double(), rtol=4 * coarsest, atol=4 * coarsest)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64], ids=str)
def test_weights_of_any_dtype(dtype: Any) -> None:
    x, target = problem((6, 5), torch.float32)
    ours, theirs = (
        each(x, target, torch.arange(5).to(dtype), pos_weight=torch.arange(1, 6).to(dtype)) for each in (OURS, THEIRS)
    )
    agree(ours, theirs)


def test_signatures_begin_with_pytorchs() -> None:
    for ours, theirs in ((OURS, THEIRS), (cet.BCEWithLogitsLoss, torch.nn.BCEWithLogitsLoss)):
        parameters = list(inspect.signature(ours).parameters.values())
        expected = list(inspect.signature(theirs).parameters.values())
        for own, parameter in zip(parameters, expected):
            assert (own.name, own.default, own.kind) == (parameter.name, parameter.default, parameter.kind)
        assert len(parameters) > len(expected) >= 5
        assert all(own.kind is own.KEYWORD_ONLY for own in parameters[len(expected) :])


@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"reduction": "sum"}], ids=str)
def test_modules_are_pytorchs(options: dict[str, Any]) -> None:
    x, target = problem((6, 5), torch.float64)
    w, v = weights((6, 1), torch.float64, 1), weights((5,), torch.float64, 2)
    ours, theirs = (module.BCEWithLogitsLoss(w, pos_weight=v, **options) for module in (cet, torch.nn))
    assert isinstance(ours, type(theirs))
    assert ours.state_dict().keys() == theirs.state_dict().keys() == {"weight", "pos_weight"}
    assert repr(ours) == repr(theirs)
    for mine, other in zip(differentiated(ours(x, target), x), differentiated(theirs(x, target), x)):
        agree(mine, other)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 3)], ids=str)
def test_empty_inputs_are_pytorchs(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    v = torch.ones(shape[1:])
    for reduction in REDUCTIONS:
        ours, theirs = (f(x, torch.zeros(shape), reduction=reduction, pos_weight=v) for f in (OURS, THEIRS))
        torch.testing.assert_close(ours, theirs, equal_nan=True)
        (grad,) = torch.autograd.grad(ours.sum(), x)
        assert grad.shape == x.shape


def test_any_layout() -> None:
    x, target = (each.detach() for each in problem((3, 4, 5, 2), torch.float64))
    repeated = torch.randn(5, dtype=torch.float64).expand(6, 5)  # with stride 0
    views = [
        (x.to(memory_format=torch.channels_last), target),
        (x.permute(3, 2, 1, 0), target.permute(3, 2, 1, 0).contiguous()),
        (x[:, :, ::2, :1], target[:, 1:, ::2, 1:].expand(3, 3, 3, 1)[:, [0, 1, 2, 0]]),
        (repeated, target.reshape(-1)[:30].view(6, 5)),
    ]
    for view, y in views:
        for v in (None, view.shape[1:2] + (1,) * (view.dim() - 2), view.shape, view.shape[1:]):
            for reduction in REDUCTIONS:
                leaf = view.detach().requires_grad_()
                compare(leaf, y, None, weights(v, torch.float64, 2), reduction=reduction)
                compare(leaf, y, weights(v, torch.float64, 2).contiguous() if v else None, reduction=reduction)


# ----------------------------------------------------------------------------------------------
# Better than PyTorch
# ----------------------------------------------------------------------------------------------


def test_certain_logits() -> None:
    inf = float("inf")
    x = torch.tensor([inf, -inf, inf, -inf, float("nan")], requires_grad=True)
    target = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    assert THEIRS(x, target, reduction="none")[[0, 1, 3]].isnan().all()  # what PyTorch says
    loss = OURS(x, target, reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0, inf, inf, np.nan])
    (first,) = torch.autograd.grad(loss.sum(), x, create_graph=True)
    np.testing.assert_array_equal(first.detach().numpy(), [0, 0, 1, -1, np.nan])
    (second,) = torch.autograd.grad(first.sum(), x)
    np.testing.assert_array_equal(second.numpy(), [0, 0, 0, 0, np.nan])


def test_confident_predictions_have_a_loss() -> None:
    x = torch.tensor([80.0])
    assert OURS(x, torch.tensor([1.0])).item() == pytest.approx(np.exp(-80.0), rel=1e-6)


def test_weightless_elements_count_for_nothing_whatever_they_hold() -> None:
    x = torch.tensor([1.0, float("nan"), float("inf")], requires_grad=True)
    loss = OURS(x, torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]))
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert loss.isfinite()
    for grad in (first, second):
        assert grad[0].isfinite()
        assert grad[0] != 0
        assert torch.equal(grad[1:], torch.zeros(2))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.uint8], ids=str)
def test_labels(dtype: Any) -> None:
    x, _ = problem((6, 5), torch.float64)
    labels = torch.randint(2, (6, 5))
    v = weights((5,), torch.float64, 2)
    results = [differentiated(OURS(x, y, pos_weight=v), x) for y in (labels.to(dtype), labels.double())]
    for mine, other in zip(*results):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("kind", ["labels", "reals"])
@pytest.mark.parametrize("options", EXTRAS, ids=str)
def test_extras_are_those_of_the_arrays(options: dict[str, Any], kind: str) -> None:
    x, target = problem((6, 5), torch.float64)
    if kind == "labels":
        target = torch.randint(2, (6, 5))
    w, v = weights((6, 1), torch.float64, 1), weights((5,), torch.float64, 2)
    expected, grad = ce.binary_cross_entropy_with_grad(
        x.detach().numpy(), target.detach().numpy(), sample_weight=w.numpy(), pos_weight=v.numpy(), **options
    )
    reduction = options.get("reduction", "mean")
    module = {name: value for name, value in options.items() if name != "reduction"}
    for loss in (
        OURS(x, target, w, pos_weight=v, **options),
        cet.BCEWithLogitsLoss(w, reduction=reduction, pos_weight=v, **module)(x, target),
    ):
        np.testing.assert_array_equal(loss.detach().numpy(), expected)
        np.testing.assert_array_equal(torch.autograd.grad(loss.sum(), x)[0].numpy(), grad)


# ----------------------------------------------------------------------------------------------
# Errors, documentation
# ----------------------------------------------------------------------------------------------


def test_errors_say_what_is_accepted() -> None:
    x, y = torch.zeros(2, 3), torch.ones(2, 3)
    w = torch.ones(3, requires_grad=True)
    cases: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((x, y[0]), {}, ce.ArgumentValueError, "target has shape [3], but must have that of input, [2, 3]"),
        ((x, y.long() + 1), {}, ce.LabelError, "2"),
        ((x, y.bool()), {}, ce.ArgumentTypeError, "target has dtype bool"),
        ((x.long(), y), {}, ce.ArgumentTypeError, "input has dtype torch.int64, but must be float32, float64"),
        ((x.numpy(), y), {}, ce.ArgumentTypeError, "input must be a tensor, not ndarray"),
        ((x, 1.0), {}, ce.ArgumentTypeError, "target must be a tensor, not float"),
        ((x, y, torch.ones(2)), {}, ce.ArgumentValueError, "weight has shape [2], which does not broadcast"),
        ((x, y, torch.ones(1, 2, 3)), {}, ce.ArgumentValueError, "weight has shape [1, 2, 3], which does not"),
        ((x, y), {"pos_weight": torch.ones(2)}, ce.ArgumentValueError, "pos_weight has shape [2], which does not"),
        ((x, y), {"pos_weight": 2.0}, ce.ArgumentTypeError, "pos_weight must be a tensor, not float"),
        ((x, y, w), {}, ce.ArgumentValueError, "weight requires a gradient, but there is none"),
        ((x, y), {"pos_weight": w}, ce.ArgumentValueError, "pos_weight requires a gradient, but there is none"),
        ((x, y), {"reduction": "avg"}, ce.ArgumentValueError, 'reduction is "avg", but must be one of'),
        ((x, y), {"mean_over": "mass"}, ce.ArgumentValueError, 'mean_over is "mass"'),
        ((x, y), {"focal_gamma": -1.0}, ce.ArgumentValueError, "focal_gamma"),
        ((x, y.long()), {"ignore_index": 1, "empty": "error"}, ce.EmptyError, ""),
    ]
    for arguments, options, error, text in cases:
        with pytest.raises(error) as caught:
            OURS(*arguments, **options)
        assert text in str(caught.value)
    # PyTorch refuses them too.
    with pytest.raises(RuntimeError):
        THEIRS(x, y, w)


def test_examples_in_the_documentation() -> None:
    result = doctests(OURS)
    assert result.attempted > 4
    assert result.failed == 0


def test_extras_have_the_names_and_defaults_of_the_arrays_function() -> None:
    arrays = inspect.signature(ce.binary_cross_entropy).parameters
    extras = [
        each
        for each in inspect.signature(OURS).parameters.values()
        if each.kind is each.KEYWORD_ONLY and each.name != "dtype"
    ]
    assert {each.name: each.default for each in extras} == {each.name: arrays[each.name].default for each in extras}
