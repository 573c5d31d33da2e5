"""Results of the same kind as their inputs: the array API standard, NumPy, PyTorch, JAX."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exporters import BFLOAT16, CLASSES, KINDS, LABELS, ROWS, address, logits

import crossentropy as ce
from crossentropy import _arrays


def package(name: str) -> Any:
    """A package that the suite can do without."""
    return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_array_api_standard(kind: str) -> None:
    array_api_strict = package("array_api_strict")
    x = array_api_strict.asarray(logits(kind))
    labels = array_api_strict.asarray(LABELS)
    assert address(_arrays.predictions(x)) == address(np.from_dlpack(x))
    for reduction in ("mean", "sum", "none"):
        expected = ce.cross_entropy_with_grad(logits(kind), LABELS, reduction=reduction)
        results = ce.cross_entropy_with_grad(x, labels, reduction=reduction)
        for result, number in zip(results, expected):
            assert isinstance(result, type(x))
            assert np.array_equal(np.asarray(result), number)
    # The kind of x decides, and nothing else.
    assert isinstance(ce.cross_entropy(logits(kind), labels), np.generic)
    out = np.zeros(())
    assert ce.cross_entropy(x, LABELS, out=out) is out


def test_subclasses_of_numpy_stay_with_numpy(tmp_path: Path) -> None:
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(ROWS, CLASSES))
    loss, grad = ce.cross_entropy_with_grad(x, LABELS)
    assert type(loss) is np.float32
    assert isinstance(grad, np.ndarray)


@pytest.mark.parametrize("kind", [*KINDS, "bfloat16"])
def test_torch(kind: str) -> None:
    torch = package("torch")
    same = logits(BFLOAT16 if kind == "bfloat16" else kind)
    x, labels = torch.tensor(same.astype(float).tolist(), dtype=getattr(torch, kind)), torch.from_numpy(LABELS)
    view = _arrays.predictions(x)
    assert (address(view), address(_arrays.target(labels))) == (x.data_ptr(), labels.data_ptr())
    for reduction in ("mean", "none"):
        loss, grad = ce.cross_entropy_with_grad(x, labels, reduction=reduction)
        expected = ce.cross_entropy_with_grad(same, LABELS, reduction=reduction)
        assert loss.dtype == (torch.float64 if kind == "float64" else torch.float32)
        assert loss.shape == (() if reduction == "mean" else (ROWS,))
        assert loss.tolist() == expected[0].tolist()
        assert grad.dtype == x.dtype
        assert grad.tolist() == expected[1].astype(float).tolist()
        out, gradient = torch.zeros_like(loss), torch.zeros_like(x).T.contiguous().T
        again = ce.cross_entropy_with_grad(x, labels, reduction=reduction, out=out, grad=gradient)
        assert again[0] is out
        assert again[1] is gradient
        assert torch.equal(out, loss)
        assert torch.equal(gradient, grad)
    loss, gradient = ce.cross_entropy_with_grad(x, labels, grad=x)
    assert gradient is x
    assert x.tolist() == ce.cross_entropy_with_grad(same, LABELS)[1].astype(float).tolist()


def test_torch_layouts() -> None:
    torch = package("torch")
    images = torch.randn(2, CLASSES, 3, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, CLASSES, (2, 3, 4))
    for x in (images, images.to(memory_format=torch.channels_last), images.bfloat16(), images[:, :, ::2, 1:]):
        y = labels[:, : x.shape[2], : x.shape[3]]
        loss, grad = ce.cross_entropy_with_grad(x, y, axis=1, reduction="none")
        expected = torch.nn.functional.cross_entropy(x.float(), y, reduction="none")
        assert torch.allclose(loss, expected, atol=1e-6)
        assert grad.shape == x.shape


def test_subclasses_of_tensors() -> None:
    torch = package("torch")

    class Mine(torch.Tensor):
        pass

    assert isinstance(ce.cross_entropy(torch.zeros(ROWS, CLASSES).as_subclass(Mine), LABELS), torch.Tensor)


def test_torch_refusals() -> None:
    torch = package("torch")
    for kind in (torch.float32, torch.bfloat16):
        x = torch.zeros(ROWS, CLASSES, dtype=kind, requires_grad=True)
        with pytest.raises(ce.ArgumentTypeError, match=r"x, a Tensor, .*require gradient, use tensor\.detach\(\)"):
            ce.cross_entropy(x, LABELS)
        assert ce.cross_entropy(x.detach(), LABELS) == pytest.approx(np.log(CLASSES))
    with pytest.raises(ce.ArgumentTypeError, match=r"x, a Parameter, .*require gradient"):
        ce.cross_entropy(torch.nn.Parameter(torch.zeros(ROWS, CLASSES)), LABELS)
    with pytest.raises(ce.ArgumentTypeError, match=r"x, a Tensor, .*meta"):
        ce.cross_entropy(torch.zeros(ROWS, CLASSES, device="meta"), LABELS)
    with pytest.raises(ce.ArgumentTypeError, match=r"x, a Tensor, .*strided"):
        ce.cross_entropy(torch.zeros(ROWS, CLASSES).to_sparse(), LABELS)
    with pytest.raises(ce.ArgumentTypeError, match=r"x has dtype int64.*predictions must be floating point"):
        ce.cross_entropy(torch.zeros(ROWS, CLASSES, dtype=torch.int64), LABELS)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_jax(kind: str) -> None:
    package("jax")
    jnp = importlib.import_module("jax.numpy")
    same = logits(BFLOAT16 if kind == "bfloat16" else kind)
    x, labels = jnp.asarray(same), jnp.asarray(LABELS.astype(np.int32))
    assert address(_arrays.predictions(x)) == x.unsafe_buffer_pointer()
    loss, grad = ce.cross_entropy_with_grad(x, labels)
    expected = ce.cross_entropy_with_grad(same, LABELS)
    assert isinstance(loss, type(x))
    assert isinstance(grad, type(x))
    assert grad.dtype == x.dtype
    assert loss == expected[0]
    assert np.array_equal(grad, expected[1])
    with pytest.raises(ce.ArgumentValueError, match="grad is read-only"):  # JAX's arrays never change
        ce.cross_entropy_with_grad(x, labels, grad=x)
    with pytest.raises(ce.ArgumentTypeError, match=r"x, a .*Tracer, gives no access"):
        importlib.import_module("jax").jit(lambda traced: ce.cross_entropy(traced, LABELS))(x)
