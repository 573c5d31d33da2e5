"""Examples and signatures of `crossentropy.torch`. `make test-torch` runs it."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make test-torch` installs it and runs these")

import torch.nn.functional as F  # noqa: E402  (after importorskip)
from torch_checks import OWN_WARNINGS, doctests  # noqa: E402

import crossentropy as ce  # noqa: E402
import crossentropy.torch as cet  # noqa: E402
from crossentropy import _accepts, _torch_accepts  # noqa: E402
from crossentropy._options import REQUIRED  # noqa: E402
from crossentropy.torch import _binary, _cross_entropy, _kl  # noqa: E402

pytestmark = OWN_WARNINGS


# ----------------------------------------------------------------------------------------------
# The same as PyTorch
# ----------------------------------------------------------------------------------------------


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
    ("function", "operator"),
    [
        (_torch_accepts.CROSS_ENTROPY, _cross_entropy._cross_entropy),
        (_torch_accepts.NLL_LOSS, _cross_entropy._cross_entropy),
        (_torch_accepts.BINARY_CROSS_ENTROPY_WITH_LOGITS, _binary._binary),
        (_torch_accepts.KL_DIV, _kl._kl),
    ],
    ids=lambda each: each.name if isinstance(each, _accepts.Function) else "",
)
def test_operators_have_the_options_of_the_table(function: Any, operator: Any) -> None:
    taken = {option.name: option for option in (*function.positional, *function.keywords)}
    parameters = inspect.signature(getattr(cet, function.name)).parameters
    assert {name: each.default for name, each in parameters.items()} == {
        name: inspect.Parameter.empty if option.default is REQUIRED else option.default
        for name, option in taken.items()
    }
    settings = {name for name, option in taken.items() if option.convert is not None}
    weights = {"weight", "sample_weight", "pos_weight"}
    missing = settings - weights - set(operator.options._fields)
    assert not missing
    defaults = operator.options._field_defaults  # of those that have a short way
    assert {name: default for name, default in defaults.items() if name in taken} == {
        name: taken[name].default for name in defaults if name in taken
    }
