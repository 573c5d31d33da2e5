"""Results and arguments as users of the package meet them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import crossentropy as ce
from crossentropy._c_api import header, library


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kinds_of_results(dtype: type[np.floating[Any]]) -> None:
    x = np.zeros((2, 3, 4), dtype)
    target = np.zeros((2, 3), int)
    for reduction in ("mean", "sum"):
        assert type(ce.cross_entropy(x, target, reduction=reduction)) is dtype
    loss, grad = ce.cross_entropy_with_grad(x, target, reduction="none")
    assert (type(loss), loss.shape, loss.dtype) == (np.ndarray, (2, 3), dtype)
    assert (type(grad), grad.shape, grad.dtype) == (np.ndarray, (2, 3, 4), dtype)
    assert type(ce.cross_entropy(x[0, 0], 3, reduction="none")) is dtype
    assert type(ce.nll_loss(x, target)) is dtype


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_kinds_of_results_of_16_bits(dtype: Any) -> None:
    x = np.zeros((2, 3, 4), dtype)
    target = np.zeros((2, 3), int)
    loss, grad = ce.cross_entropy_with_grad(x, target)
    assert type(loss) is np.float32
    assert (grad.shape, grad.dtype) == ((2, 3, 4), dtype)
    assert ce.nll_loss(x, target, reduction="none").dtype == np.float32
    assert type(ce.cross_entropy(dtype(0.5).reshape(1), 0)) is np.float32
    out = np.zeros(())
    assert ce.cross_entropy(x, target, out=out) is out
    assert out == pytest.approx(np.log(4), rel=1e-7)
    for empty in (np.zeros((0, 4), dtype), np.zeros((0, 4), dtype)[:, ::-1]):
        assert ce.cross_entropy_with_grad(empty, [], reduction="none")[1].dtype == dtype


def test_bits_of_bfloat16_are_bfloat16() -> None:
    """For callers, such as crossentropy.torch, who have such numbers but no NumPy dtype for them."""
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(ml_dtypes.bfloat16)
    expected_loss, expected_grad = ce.cross_entropy_with_grad(x, [0, 1, 2])
    for bits in (x.view(header.BFLOAT16_BITS), x.T.copy().T.view(header.BFLOAT16_BITS)):
        loss, grad = ce.cross_entropy_with_grad(bits, [0, 1, 2])
        assert loss == expected_loss
        assert grad.dtype == bits.dtype
        np.testing.assert_array_equal(grad.view(np.uint16), expected_grad.view(np.uint16))
    for other in (np.dtype([("float16", np.uint16)]), np.dtype("V2")):
        with pytest.raises(ce.ArgumentTypeError, match="x has dtype"):
            ce.cross_entropy(x.view(other), [0, 1, 2])


def test_confident_loss_keeps_its_accuracy() -> None:
    loss = ce.cross_entropy(np.array([[80, 0]], np.float32), [0])
    assert loss == pytest.approx(1.8048513878454153e-35, rel=1e-6)


def test_lists_are_arrays() -> None:
    x = [[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]]
    loss = ce.cross_entropy(x, [2, 0], weight=[1, 2, 3], sample_weight=[1, 2])
    assert type(loss) is np.float64
    assert loss == ce.cross_entropy(
        np.array(x),
        np.array([2, 0]),
        weight=np.array([1.0, 2, 3]),
        sample_weight=np.array([1.0, 2]),
    )
    one_hot = ce.cross_entropy(x, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert one_hot == pytest.approx(ce.cross_entropy(x, [2, 0]))


def test_empty_batches() -> None:
    x = np.zeros((0, 5), np.float32)
    for target in ([], np.zeros(0, np.int8), np.zeros((0, 5))):
        assert np.isnan(ce.cross_entropy(x, target))
        assert ce.cross_entropy(x, target, empty="zero") == 0
        assert ce.cross_entropy(x, target, reduction="sum") == 0
        assert ce.cross_entropy(x, target, mean_over=8) == 0
        loss, grad = ce.cross_entropy_with_grad(x, target, reduction="none")
        assert loss.shape == (0,)
        assert grad.shape == (0, 5)


def test_read_only_inputs() -> None:
    arrays: dict[str, Any] = {
        "x": np.zeros((2, 3)),
        "target": np.array([2, 0]),
        "weight": np.ones(3),
        "sample_weight": np.ones(2),
    }
    for array in arrays.values():
        array.flags.writeable = False
    loss, grad = ce.cross_entropy_with_grad(arrays.pop("x"), arrays.pop("target"), **arrays)
    assert loss == pytest.approx(np.log(3))
    assert grad.flags.writeable


def test_broadcast_inputs() -> None:
    row = np.array([0.5, 1.5, -1.0])
    x = np.broadcast_to(row, (1000, 3))
    assert not x.flags.writeable
    loss, grad = ce.cross_entropy_with_grad(x, np.broadcast_to(1, 1000))
    assert loss == pytest.approx(ce.cross_entropy(row, 1), rel=1e-13)
    assert grad.shape == (1000, 3)


def test_outputs_are_returned_as_they_were_given() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6))
    target = np.arange(4)
    for shape in ((), (1,), (1, 1)):
        out = np.zeros(shape, np.float32)
        grad = np.asfortranarray(np.zeros_like(x))
        loss, gradient = ce.cross_entropy_with_grad(x, target, out=out, grad=grad)
        assert loss is out
        assert gradient is grad
        assert out.item() == np.float32(ce.cross_entropy(x, target))
    rows = np.zeros(8)[::-2]
    assert ce.cross_entropy(x, target, reduction="none", out=rows) is rows
    assert np.array_equal(rows, ce.cross_entropy(x, target, reduction="none"))
    assert ce.nll_loss(x, target, reduction="none", out=rows) is rows


def test_subclasses_of_arrays(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((4, 6))
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=x.shape)
    mapped[...] = x
    expected = ce.cross_entropy_with_grad(x, np.arange(4))
    loss, grad = ce.cross_entropy_with_grad(mapped, np.arange(4), grad=mapped)
    assert grad is mapped
    assert loss == expected[0]
    assert np.array_equal(mapped, expected[1])


def test_labels_and_weights_in_any_memory() -> None:
    """Fields of packed records and swapped bytes: copied, as they are small."""
    x = np.random.default_rng(0).standard_normal((4, 6))
    records = np.zeros(4, [("flag", "i1"), ("label", "i4"), ("weight", "f8")])
    records["label"], records["weight"] = [5, 0, 2, 2], [1, 2, 0, 3]
    expected = ce.cross_entropy(x, [5, 0, 2, 2], sample_weight=[1, 2, 0, 3])
    label, weight = records["label"], records["weight"]
    assert ce.cross_entropy(x, label, sample_weight=weight) == expected
    assert ce.cross_entropy(x, label.astype(">i4"), sample_weight=weight.astype(">f8")) == expected


def test_integer_types_of_the_same_width_are_the_same() -> None:
    for name in ("b", "h", "i", "l", "q", "B", "H", "I", "L", "Q"):
        assert ce.cross_entropy([[1.0, 2.0]], np.ones(1, name)) == ce.cross_entropy([[1.0, 2.0]], [1])


def test_numbers_of_numpy_are_numbers() -> None:
    expected = ce.cross_entropy([[1.0, 2.0]], [1], label_smoothing=0.5, mean_over=2, axis=1)
    assert expected == ce.cross_entropy(
        [[1.0, 2.0]],
        [1],
        label_smoothing=np.float32(0.5),
        mean_over=np.int64(2),
        axis=np.int8(1),
        ignore_index=np.uint8(255),
        threads=np.int32(1),
    )


def test_ignore_index_none_and_unsigned() -> None:
    x = np.zeros((2, 300))
    labels = np.array([255, 1], np.uint8)
    assert ce.cross_entropy(x, labels, ignore_index=255, reduction="none")[0] == 0
    assert ce.cross_entropy(x, labels, ignore_index=None, reduction="none")[0] > 0
    with pytest.raises(ce.LabelError):
        ce.cross_entropy(x, np.array([-100, 1]), ignore_index=None)


def test_info() -> None:
    info = ce.info()
    assert set(info) == set(ce.Info.__annotations__)
    assert info["isa"] in {"baseline", "avx2", "avx512", "neon"}
    assert info["threads"] == ce.get_num_threads() >= 1
    assert info["library"] == library.PATH
    assert info["build"]
