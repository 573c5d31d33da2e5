"""What `crossentropy.torch` refuses, and what it says. `make test-torch` runs it."""

from __future__ import annotations

import contextlib
import enum
import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_checks import OWN_WARNINGS, Log, differentiated  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402

pytestmark = OWN_WARNINGS


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
