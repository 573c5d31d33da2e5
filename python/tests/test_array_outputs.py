"""Outputs in arrays of other packages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exporters import BFLOAT16, LABELS, ROWS, BFloat16Exporter, Copied, Described, Exporter, logits, versioned_capsules

import crossentropy as ce


@pytest.mark.parametrize("kind", [pytest.param(Exporter, marks=versioned_capsules), Described])
def test_outputs_of_other_packages(kind: Any) -> None:
    x = logits()
    expected = ce.cross_entropy_with_grad(x, LABELS, reduction="none")
    out, grad = kind(np.zeros(ROWS, np.float32)), kind(np.zeros_like(x))
    loss, gradient = ce.cross_entropy_with_grad(x, LABELS, reduction="none", out=out, grad=grad)
    assert loss is out
    assert gradient is grad
    assert np.array_equal(out.data, expected[0])
    assert np.array_equal(grad.data, expected[1])


@pytest.mark.parametrize("kind", [pytest.param(Exporter, marks=versioned_capsules), Described])
def test_in_place_in_arrays_of_other_packages(kind: Any) -> None:
    x = logits()
    expected = ce.cross_entropy_with_grad(x, LABELS)
    given = kind(x)
    loss, gradient = ce.cross_entropy_with_grad(given, LABELS, grad=given)
    assert loss == expected[0]
    assert gradient is given
    assert np.array_equal(x, expected[1])


@versioned_capsules
def test_bfloat16_gradient_through_dlpack() -> None:
    x = logits(BFLOAT16)
    grad = np.zeros_like(x)
    ce.cross_entropy_with_grad(x, LABELS, grad=BFloat16Exporter(grad))
    assert np.array_equal(grad, ce.cross_entropy_with_grad(x, LABELS)[1])


@pytest.mark.parametrize("exporter", [Exporter, BFloat16Exporter])
def test_outputs_that_nobody_says_may_be_written_to(exporter: Any) -> None:
    x = logits(BFLOAT16 if exporter is BFloat16Exporter else np.float32)
    grad = np.zeros_like(x)
    with pytest.raises(ce.ArgumentValueError, match="grad is read-only"):
        ce.cross_entropy_with_grad(x, LABELS, grad=exporter(grad, old=True))
    assert not grad.any()


def test_old_exporters_that_give_out_a_writable_array() -> None:
    x = logits()

    class Old(Exporter):
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            return self.data

    grad = np.zeros_like(x)
    ce.cross_entropy_with_grad(x, LABELS, grad=Old(grad, old=True))
    assert np.array_equal(grad, ce.cross_entropy_with_grad(x, LABELS)[1])

    class Copying(Exporter):
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            return self.data.copy()

    copying = Copying(np.zeros_like(x), old=True)
    with pytest.raises(ce.ArgumentValueError, match="grad is read-only"):
        ce.cross_entropy_with_grad(x, LABELS, grad=copying)
    assert not copying.data.any()


@pytest.mark.parametrize("value", [np.float32(0), Copied(np.zeros(()))])
def test_outputs_that_would_be_copies(value: Any) -> None:
    text = f"out must be a NumPy array or have __dlpack__ or __array_interface__, not {type(value).__name__}"
    with pytest.raises(ce.ArgumentTypeError, match=text):
        ce.cross_entropy(logits(), LABELS, out=value)


def test_outputs_that_are_wrong_in_other_packages() -> None:
    x = logits()
    read_only = np.zeros_like(x)
    read_only.flags.writeable = False
    with pytest.raises(ce.ArgumentValueError, match="grad is read-only"):
        ce.cross_entropy_with_grad(x, LABELS, grad=Described(read_only))
    with pytest.raises(ce.ArgumentTypeError, match="grad has dtype int64"):
        ce.cross_entropy_with_grad(x, LABELS, grad=Described(np.zeros(x.shape, np.int64)))
    with pytest.raises(ce.ArgumentValueError, match="overlap"):
        ce.cross_entropy_with_grad(x, LABELS, grad=Described(x[::-1]))
