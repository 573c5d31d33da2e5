"""`crossentropy.torch.kl_div` beside PyTorch's own. `make test-torch` runs it."""

from __future__ import annotations

import inspect
import itertools
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_checks import OWN_WARNINGS, TOLERANCE, agree, differentiated, doctests  # noqa: E402
from torch_kl_problems import TYPES, composed, problem, widened  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402

pytestmark = [  # and what both say of "mean"
    *OWN_WARNINGS,
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
]

REDUCTIONS = ["mean", "batchmean", "sum", "none"]
OURS, THEIRS = cet.kl_div, F.kl_div
INF, NAN = float("inf"), float("nan")

# Of input and target, which broadcast.
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((7,), (7,)),
    ((6, 5), (6, 5)),
    ((4, 3, 2, 5), (4, 3, 2, 5)),
    ((), (3,)),
    ((5,), (4, 5)),
    ((6, 5), (6, 1)),
    ((4, 1), (3, 1, 5)),
]


def compare(x: Any, target: Any, **options: Any) -> None:
    """Losses and gradients."""

    def results(function: Any, x: Any, target: Any) -> tuple[Any, ...]:
        return differentiated(function(x, target, **options), x, target)

    ours, theirs = results(OURS, x, target), results(THEIRS, x, target)
    exact: Any = [None] * len(ours)
    if x.dtype.itemsize == 2:
        exact = results(THEIRS, widened(x), widened(target))
    for each in zip(ours, theirs, exact):
        agree(*each)


# ----------------------------------------------------------------------------------------------
# The same as PyTorch
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize(("shape", "other"), SHAPES, ids=str)
def test_the_loss_is_pytorchs(shape: tuple[int, ...], other: tuple[int, ...], log_target: bool, dtype: Any) -> None:
    x, target = problem(shape, dtype, log_target, other)
    for reduction in REDUCTIONS:
        compare(x, target, log_target=log_target, reduction=reduction)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_gradients_of_what_broadcasts_are_rounded_once(dtype: Any) -> None:
    x, q = problem((500,), dtype)
    (grad,) = torch.autograd.grad(OURS(x, q.detach().expand(3, 500), reduction="mean"), x)
    assert torch.equal(grad, (-q.double() / 500).to(dtype))


@pytest.mark.parametrize("flags", list(itertools.product([None, True, False], repeat=2)), ids=str)
@pytest.mark.filterwarnings("ignore:size_average and reduce args:UserWarning")
def test_the_deprecated_flags_mean_what_they_do_in_pytorch(flags: tuple[Any, Any]) -> None:
    size_average, reduce = flags
    compare(*problem((6, 5), torch.float64), size_average=size_average, reduce=reduce, reduction="sum")


def test_a_mean_is_warned_of_where_pytorch_does() -> None:
    x, target = problem((6, 5), torch.float32)

    def messages(function: Any, **options: Any) -> list[tuple[str, str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function(x, target, **options)
        texts = [(str(each.message)[:80], each.filename) for each in caught]
        return [each for each in texts if each[0].startswith("reduction:")]

    assert len(messages(OURS)) == 1
    cases: list[dict[str, Any]] = [{}, {"reduction": "batchmean"}, {"reduction": "sum"}, {"size_average": True}]
    for options in cases:
        assert messages(OURS, **options) == messages(THEIRS, **options)


def test_dtypes_of_losses_and_gradients_are_pytorchs() -> None:
    for autocast, x_dtype, y_dtype in itertools.product([False, True], TOLERANCE, TOLERANCE):
        for shape, other in (((4, 5), (4, 5)), ((), (5,)), ((5,), ())):
            x, target = problem(shape, x_dtype)[0], problem(shape, y_dtype, other=other)[1]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                ours, theirs = (differentiated(f(x, target, reduction="sum"), x, target) for f in (OURS, THEIRS))
            assert [each.dtype for each in ours] == [each.dtype for each in theirs]
            coarsest = max(TOLERANCE[each] for each in (x_dtype, y_dtype, ours[0].dtype))
            for mine, other_ in zip(ours, theirs):
                torch.testing.assert_close(mine.double(), other_.double(), rtol=4 * coarsest, atol=4 * coarsest)


def test_signatures_begin_with_pytorchs() -> None:
    for ours, theirs in ((OURS, THEIRS), (cet.KLDivLoss, torch.nn.KLDivLoss)):
        parameters = list(inspect.signature(ours).parameters.values())
        expected = list(inspect.signature(theirs).parameters.values())
        for own, parameter in zip(parameters, expected):
            assert (own.name, own.default, own.kind) == (parameter.name, parameter.default, parameter.kind)
        assert len(parameters) > len(expected) >= 4
        assert all(own.kind is own.KEYWORD_ONLY for own in parameters[len(expected) :])


@pytest.mark.parametrize(
    "options", [{}, {"reduction": "batchmean", "log_target": True}, {"reduction": "none"}], ids=str
)
def test_modules_are_pytorchs(options: dict[str, Any]) -> None:
    x, target = problem((6, 5), torch.float64, options.get("log_target", False))
    ours, theirs = (module.KLDivLoss(**options) for module in (cet, torch.nn))
    assert isinstance(ours, type(theirs))
    assert repr(ours) == repr(theirs)
    for mine, other in zip(differentiated(ours(x, target), x, target), differentiated(theirs(x, target), x, target)):
        agree(mine, other)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (2, 0, 3)], ids=str)
def test_empty_inputs_are_pytorchs(shape: tuple[int, ...]) -> None:
    x, target = torch.zeros(shape, requires_grad=True), torch.zeros(shape, requires_grad=True)
    for reduction in REDUCTIONS:
        ours, theirs = (function(x, target, reduction=reduction) for function in (OURS, THEIRS))
        if reduction != "batchmean" or shape[0] > 0:  # the first length 0 gives 0 in some versions and NaN in others
            torch.testing.assert_close(ours, theirs, equal_nan=True)
        for grad in torch.autograd.grad(ours.sum(), (x, target)):
            assert grad.shape == shape
    logits = {"input_type": "logits", "reduction": "none"}
    assert OURS(x, target, **logits).tolist() == x.sum(-1).tolist()


def test_any_layout() -> None:
    x, target = (each.detach() for each in problem((3, 4, 5, 2), torch.float64))
    views = [
        (x.to(memory_format=torch.channels_last), target),
        (x.permute(3, 2, 1, 0), target.permute(3, 2, 1, 0).contiguous()),
        (x[:, :, ::2, :1], target[:, 1:, ::2, 1:].expand(3, 3, 3, 1)[:, [0, 1, 2, 0]]),
        (torch.randn(5, dtype=torch.float64).expand(6, 5), target.reshape(-1)[:30].view(6, 5)),  # with stride 0
    ]
    for view, q in views:
        for reduction in REDUCTIONS:
            compare(view.detach().requires_grad_(), q.detach().requires_grad_(), reduction=reduction)


# ----------------------------------------------------------------------------------------------
# Zeros, infinities, NaN
# ----------------------------------------------------------------------------------------------

# p, q, loss, derivative with respect to log p, and to q. PyTorch's is NaN: the loss where both are 0, and the
# derivative with respect to q where that is 0.
SINGULAR = [
    (0.5, 0.0, 0.0, 0.0, -INF),
    (0.0, 0.0, 0.0, 0.0, None),
    (0.0, 0.5, INF, -0.5, INF),
    (0.5, -0.5, NAN, NAN, NAN),
    (0.5, NAN, NAN, NAN, NAN),
    (NAN, 0.5, NAN, NAN, NAN),
    (1.0, 1.0, 0.0, -1.0, 1.0),
]


@pytest.mark.parametrize("create_graph", [False, True])
def test_singular_elements(create_graph: bool) -> None:
    p, q, loss, d_x, d_target = (torch.tensor([NAN if e is None else e for e in each]) for each in zip(*SINGULAR))
    x, q = p.log().requires_grad_(), q.requires_grad_()
    losses = OURS(x, q, reduction="none")
    grads = torch.autograd.grad(losses.sum(), (x, q), create_graph=create_graph)
    np.testing.assert_array_equal(losses.detach(), loss)
    np.testing.assert_array_equal(grads[0].detach(), d_x)
    defined = torch.tensor([each[4] is not None for each in SINGULAR])
    np.testing.assert_array_equal(grads[1].detach()[defined], d_target[defined])
    # PyTorch has the same numbers, but for its NaN, and but for gradients of NaN.
    theirs = THEIRS(x, q, reduction="none")
    expected = torch.autograd.grad(theirs.sum(), (x, q))
    for mine, other in zip((losses, *grads), (theirs, *expected)):
        comparable = ~(mine.isnan() | other.isnan())
        assert comparable.sum() >= 2
        assert torch.equal(mine[comparable], other[comparable])
    assert torch.equal(theirs.isnan(), losses.isnan() | ((x == -INF) & (q == 0)))


def test_zeros_in_a_sum_are_zeros() -> None:
    x = torch.tensor([[0.5, 0.0, 0.5], [0.25, 0.5, 0.25]]).log().requires_grad_()
    target = torch.tensor([[0.25, 0.0, 0.75], [0.0, 0.5, 0.5]])
    loss = OURS(x, target, reduction="sum")
    (grad,) = torch.autograd.grad(loss, x)
    assert THEIRS(x, target, reduction="sum").isnan()
    assert loss.item() == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5) + 0.5 * np.log(2.0))
    assert torch.equal(grad, -target)
    logs = OURS(x, target.log(), reduction="sum", log_target=True)
    assert logs.item() == pytest.approx(loss.item())
    torch.testing.assert_close(torch.autograd.grad(logs, x), (-target,))


@pytest.mark.parametrize("create_graph", [False, True])
def test_impossible_classes_without_mass_have_no_derivatives(create_graph: bool) -> None:
    x = torch.tensor([0.25, 0.75, 0.0]).log().requires_grad_()
    target = torch.tensor([0.5, 0.5, 0.0]).log().requires_grad_()
    for input_type in ("log_probs", "logits"):
        loss = OURS(x, target, reduction="sum", log_target=True, input_type=input_type)
        for grad in torch.autograd.grad(loss, (x, target), create_graph=create_graph):
            assert grad[2] == 0
            assert grad.isfinite().all()
            if create_graph and grad.requires_grad:
                second = torch.autograd.grad(grad.square().sum(), (x, target), retain_graph=True)
                assert all(each.isfinite().all() and each[2] == 0 for each in second)


def test_an_element_of_nan_is_that_of_its_row() -> None:
    x, target = problem((3, 4), torch.float64)
    poisoned = target.detach().index_put((torch.tensor(1), torch.tensor(2)), torch.tensor(-0.5, dtype=torch.float64))
    loss = OURS(x, poisoned, reduction="sum")
    (grad,) = torch.autograd.grad(loss, x)
    assert loss.isnan()
    assert grad[1].isnan().all()
    assert torch.equal(grad[[0, 2]], -poisoned[[0, 2]])


# ----------------------------------------------------------------------------------------------
# Logits, probabilities, temperatures
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("input_type", "target_type"), list(itertools.product(TYPES, repeat=2)), ids=str)
def test_what_either_side_holds(input_type: str, target_type: str, dtype: Any) -> None:
    x, target = (each.detach().abs().requires_grad_() for each in problem((6, 5), dtype))
    logits = "logits" in (input_type, target_type)
    temperature, squared = (2.0, True) if logits else (1.0, False)
    kinds = {"input_type": input_type, "target_type": target_type, "temperature": temperature}
    for reduction in REDUCTIONS:
        ours = OURS(x, target, reduction=reduction, temperature_squared=squared, **kinds)
        theirs = temperature**2 * composed(x, target, reduction=reduction, **kinds)
        if logits and reduction == "none":
            theirs = theirs.sum(-1)
        for mine, other in zip(differentiated(ours, x, target), differentiated(theirs, x, target)):
            agree(mine, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_distillation_from_16_bits(dtype: Any) -> None:
    x, target = problem((6, 5), dtype)
    kinds: dict[str, Any] = {"input_type": "logits", "target_type": "logits", "temperature": 3.0}
    ours = differentiated(OURS(x, target, reduction="batchmean", **kinds), x, target)
    theirs = composed(widened(x), widened(target), reduction="batchmean", **kinds)
    assert ours[0].dtype == dtype
    leaf, other = widened(x), widened(target)
    theirs = differentiated(composed(leaf, other, reduction="batchmean", **kinds), leaf, other)
    for mine, exact in zip(ours, theirs):
        agree(mine, mine, exact)


def test_the_axis_of_the_classes() -> None:
    x, target = problem((4, 5, 3), torch.float64)
    kinds: dict[str, Any] = {"input_type": "logits", "target_type": "logits"}
    for axis, reduction in itertools.product([-3, -2, 0, 1, 2], REDUCTIONS):
        first = [torch.movedim(each, axis, -1) for each in (x, target)]
        if reduction == "batchmean":
            expected = OURS(*first, reduction="sum", **kinds) / 4
        else:
            expected = OURS(*first, reduction=reduction, **kinds)
        ours = differentiated(OURS(x, target, reduction=reduction, axis=axis, **kinds), x, target)
        for mine, other in zip(ours, differentiated(expected, x, target)):
            agree(mine, other)


def test_equal_logits_have_no_divergence_and_small_ones_have_digits() -> None:
    x = torch.linspace(-3, 3, 1000).reshape(10, 100)
    kinds: dict[str, Any] = {"input_type": "logits", "target_type": "logits", "reduction": "sum"}
    assert OURS(x, x.clone(), **kinds).item() == 0
    nearby = x.double().clone()
    nearby[:, 0] += 2.0**-20
    exact = ce.kl_divergence(x.double().numpy(), nearby.numpy(), target_type="logits", reduction="sum")
    assert OURS(x.double(), nearby, **kinds).item() == pytest.approx(exact, rel=1e-12)
    assert 0 < exact < 1e-10


def test_modules_have_the_extras() -> None:
    x, target = problem((4, 5, 3), torch.float32)
    extras: dict[str, Any] = {
        "axis": 1, "input_type": "logits", "target_type": "logits", "temperature": 2.0, "temperature_squared": True,
        "dtype": torch.float64, "threads": 1,
    }  # fmt: skip
    parameters = inspect.signature(OURS).parameters.values()
    assert set(extras) == {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    loss = OURS(x, target, reduction="none", **extras)
    assert loss.dtype == torch.float64
    assert loss.shape == (4, 3)
    assert torch.equal(cet.KLDivLoss(reduction="none", **extras)(x, target), loss)
    for name, default in ((each.name, each.default) for each in parameters if each.name in extras):
        if name not in ("dtype", "threads"):  # which change the dtype, and nothing
            changed = {**extras, name: default}
            assert not torch.equal(OURS(x, target, reduction="sum", **changed), loss.sum()), name


# ----------------------------------------------------------------------------------------------
# Errors, documentation
# ----------------------------------------------------------------------------------------------


def test_errors_say_what_is_accepted() -> None:
    x, q = torch.zeros(2, 3), torch.ones(2, 3)
    logits = {"input_type": "logits"}
    cases: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((x, q[:, :2]), {}, ce.ArgumentValueError, "target has shape [2, 2], which does not broadcast"),
        ((x, q[:1]), logits, ce.ArgumentValueError, "target has shape [1, 3], but with logits must have that of input"),
        ((x, q.long()), {}, ce.ArgumentTypeError, "target has dtype torch.int64, but must be floating point"),
        ((x.long(), q), {}, ce.ArgumentTypeError, "input has dtype torch.int64, but must be float32, float64"),
        ((x.numpy(), q), {}, ce.ArgumentTypeError, "input must be a tensor, not ndarray"),
        ((x, 1.0), {}, ce.ArgumentTypeError, "target must be a tensor, not float"),
        ((x, q), {"reduction": "avg"}, ce.ArgumentValueError, 'reduction is "avg", but must be one of "none", "mean"'),
        ((x, q), {"input_type": "logit"}, ce.ArgumentValueError, 'input_type is "logit", but must be one of "logits"'),
        ((x, q), {"target_type": "labels"}, ce.ArgumentValueError, 'target_type is "labels", but must be one of'),
        (
            (x, q),
            {"target_type": "probs", "log_target": True},
            ce.ArgumentValueError,
            'target_type is "probs", but log',
        ),
        ((x, q), {"axis": 2, **logits}, ce.ArgumentValueError, "axis 2, of the classes, is out of range: input has 2"),
        ((x[0, 0], q[0, 0]), logits, ce.ArgumentValueError, "is out of range: input has 0 dimensions"),
        ((x, q), {"reduction": np.array(["sum", "sum"])}, ce.ArgumentTypeError, "reduction must be one of"),
        ((x, q), {"input_type": np.array(["probs"] * 2)}, ce.ArgumentTypeError, "input_type must be one of"),
        ((x, q), {"log_target": np.ones(2)}, ce.ArgumentTypeError, "log_target must be True or False, not ndarray"),
        ((x, q), {"temperature_squared": "no"}, ce.ArgumentTypeError, "temperature_squared must be True or False"),
        ((x, q), {"temperature": 2.0}, ce.ArgumentValueError, "temperature is for logits"),
        ((x, q), {"temperature": -1.0, **logits}, ce.ArgumentValueError, "temperature is -1"),
        ((x, q), {"temperature": "2", **logits}, ce.ArgumentTypeError, "temperature must be a number, not str"),
        ((x, q), {"threads": 0}, ce.ArgumentValueError, "threads is 0, but must be 1 or more, or None"),
    ]
    for arguments, options, error, text in cases:
        with pytest.raises(error) as caught:
            OURS(*arguments, **{"reduction": "sum", **options})
        assert text in str(caught.value)
    # PyTorch refuses them too.
    with pytest.raises(RuntimeError):
        THEIRS(x, q.long())


def test_examples_in_the_documentation() -> None:
    result = doctests(OURS)
    assert result.attempted > 6
    assert result.failed == 0
