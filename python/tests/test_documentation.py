"""What the package says of itself: examples, names, parameters."""

from __future__ import annotations

import doctest
import inspect
import re
import types
from typing import Any

import pytest

import crossentropy as ce
from crossentropy import _hessian, _kl, _loss, _runtime, _softmax, _targets


@pytest.mark.parametrize(
    "module", [ce, _hessian, _kl, _loss, _runtime, _softmax, _targets], ids=lambda module: module.__name__
)
def test_examples_in_the_documentation(module: types.ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", [name for name in ce.__all__ if name != "__version__"])
def test_public_names_are_documented(name: str) -> None:
    assert len(inspect.getdoc(getattr(ce, name)) or "") > 40


@pytest.mark.parametrize(
    ("function", "refers_to"),
    [
        (ce.cross_entropy, None),
        (ce.cross_entropy_with_grad, ce.cross_entropy),
        (ce.kl_divergence, None),
        (ce.kl_divergence_with_grad, ce.kl_divergence),
        (ce.hessian_vector_product, ce.cross_entropy),
        (ce.SparseTarget, None),
    ],
    ids=lambda function: function.__name__ if function else "",
)
def test_every_parameter_is_documented(function: Any, refers_to: Any) -> None:
    documented = (inspect.getdoc(refers_to) or "") + (inspect.getdoc(function) or "")
    for name in inspect.signature(function).parameters.keys() - {"unknown"}:
        assert re.search(rf"^    (\w+, )*{name}(, \w+)*: ", documented, re.MULTILINE), name


@pytest.mark.parametrize(
    ("function", "without"),
    [
        (ce.cross_entropy_with_grad, ce.cross_entropy),
        (ce.kl_divergence_with_grad, ce.kl_divergence),
        (ce.hessian_vector_product, ce.hessian_diagonal),
    ],
    ids=lambda function: function.__name__,
)
def test_what_gives_more_takes_the_same(function: Any, without: Any) -> None:
    more, less = inspect.signature(function).parameters, inspect.signature(without).parameters
    assert all(more[name] == less[name] for name in less)
    assert set(more) - set(less) <= {"grad_loss", "grad", "grad_target", "vector"}


def test_nll_loss_takes_what_cross_entropy_takes() -> None:
    whole = inspect.signature(ce.cross_entropy).parameters
    part = inspect.signature(ce.nll_loss).parameters
    assert set(whole) - set(part) == {
        "x", "input_type", "clip", "z_loss", "softcap", "logit_scale", "focal_gamma", "poly_epsilon",
        "temperature", "temperature_squared", "row_stats",
    }  # fmt: skip
    assert all(part[name] == whole[name] for name in part if name != "log_probs")
