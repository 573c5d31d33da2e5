"""Arrays of other packages that are read where they lie."""

from __future__ import annotations

import array
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exporters import (
    BFLOAT16,
    CLASSES,
    KINDS,
    LABELS,
    ROWS,
    BFloat16Exporter,
    Copied,
    Described,
    Exporter,
    address,
    logits,
    versioned_capsules,
)

import crossentropy as ce
from crossentropy import _arrays, _dlpack
from crossentropy._c_api import header

BOTH_CAPSULES = pytest.mark.parametrize("old", [pytest.param(False, marks=versioned_capsules), True])


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_dlpack(kind: str, old: bool) -> None:
    x, weight, sample_weight = logits(kind), np.linspace(0.5, 2, CLASSES), np.arange(1.0, ROWS + 1)
    exported = Exporter(x, old)
    assert np.shares_memory(_arrays.predictions(exported), x)
    options = {"weight": weight, "sample_weight": sample_weight}
    expected = ce.cross_entropy_with_grad(x, LABELS, **options)
    loss, grad = ce.cross_entropy_with_grad(
        exported, Exporter(LABELS, old), **{name: Exporter(value, old) for name, value in options.items()}
    )
    assert loss == expected[0]
    assert grad.dtype == kind
    assert np.array_equal(grad, expected[1])


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_labels_through_dlpack(name: str) -> None:
    labels = LABELS.astype(name)
    assert np.shares_memory(_arrays.target(Exporter(labels)), labels)
    assert ce.cross_entropy(logits(), Exporter(labels)) == ce.cross_entropy(logits(), LABELS)


def test_distributions_and_strides_through_dlpack() -> None:
    x, q = logits(rows=2 * CLASSES)[::2].T, np.random.default_rng(0).random((CLASSES, CLASSES))[:, ::-1]
    for view, given in ((_arrays.predictions(Exporter(x)), x), (_arrays.target(Exporter(q)), q)):
        assert address(view) == address(given)
        assert view.strides == given.strides
    assert ce.cross_entropy(Exporter(x), Exporter(q)) == ce.cross_entropy(x, q)


def test_the_dtype_of_an_array_without_elements_counts() -> None:
    """An empty list is labels; an empty array of floats is distributions."""
    x = np.zeros((0, CLASSES))
    assert np.isnan(ce.cross_entropy(x, Exporter(x)))
    with pytest.raises(ce.ArgumentValueError, match="target"):
        ce.cross_entropy(x, Exporter(np.zeros(0)))
    with pytest.raises(ce.ArgumentTypeError, match="weight has dtype complex64"):
        ce.cross_entropy(x, [], weight=Exporter(np.ones(CLASSES, np.complex64)))


@BOTH_CAPSULES
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "backwards", "every other"])
def test_bfloat16_through_dlpack(layout: str, old: bool) -> None:
    x = {
        "contiguous": lambda: logits(BFLOAT16),
        "transposed": lambda: np.asfortranarray(logits(BFLOAT16)),
        "backwards": lambda: logits(BFLOAT16)[::-1],
        "every other": lambda: logits(BFLOAT16, 2 * ROWS)[1::2],
    }[layout]()
    view = _arrays.predictions(BFloat16Exporter(x, old))
    assert (view.dtype, view.shape, view.strides, address(view)) == (BFLOAT16, x.shape, x.strides, address(x))
    assert view.flags.writeable is not old  # Only capsules with a version say that one may write.
    loss, grad = ce.cross_entropy_with_grad(BFloat16Exporter(x, old), LABELS)
    expected = ce.cross_entropy_with_grad(x, LABELS)
    assert loss == expected[0]
    assert grad.dtype == BFLOAT16
    assert np.array_equal(grad, expected[1])


def test_bfloat16_in_a_program_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    x = logits(BFLOAT16)
    expected = ce.cross_entropy_with_grad(x, LABELS)
    monkeypatch.delitem(sys.modules, "ml_dtypes")
    loss, grad = ce.cross_entropy_with_grad(BFloat16Exporter(x), LABELS)
    assert loss == expected[0]
    assert grad.dtype == header.BFLOAT16_BITS
    assert grad.tobytes() == expected[1].tobytes()
    weighted = ce.cross_entropy(x, LABELS, weight=BFloat16Exporter(abs(x[0])))
    assert weighted == ce.cross_entropy(x, LABELS, weight=abs(x[0]).astype(np.float32))
    with pytest.raises(ce.ArgumentTypeError, match="out has dtype bfloat16, but must be float32 or float64"):
        ce.cross_entropy(x, LABELS, out=BFloat16Exporter(x[:1, 0].copy()))


# Of each argument that holds numbers beside x: its shape, and what else the call needs.
ARGUMENTS = {
    "target": ((ROWS, CLASSES), {"grad_target": True}),
    "weight": ((CLASSES,), {}),
    "sample_weight": ((ROWS,), {}),
    "prior": ((CLASSES,), {"label_smoothing": 0.25}),
    "grad_loss": ((ROWS,), {"reduction": "none"}),
}


@pytest.mark.parametrize("exporter", [lambda each: each, BFloat16Exporter], ids=["NumPy", "DLPack"])
@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("dtype_of_x", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_16_bits_are_the_numbers_that_they_are(name: str, dtype_of_x: str, dtype: Any, exporter: Any) -> None:
    if name == "grad_loss":
        exporter = np.asarray  # an array is told from a number by its ndim, which the exporters here do not have
    elif dtype == np.float16 and exporter is BFloat16Exporter:
        exporter = Exporter
    shape, options = ARGUMENTS[name]
    numbers = np.random.default_rng(1).random((*shape, 2)).astype(dtype)[..., 0]
    arguments: dict[str, Any] = {"x": logits(dtype_of_x), "target": LABELS, **options}
    loss, grad, *others = ce.cross_entropy_with_grad(**{**arguments, name: exporter(numbers)})
    want = ce.cross_entropy_with_grad(**{**arguments, name: numbers.astype(np.float32)})
    assert np.array_equal(loss, want[0])
    assert np.array_equal(grad, want[1])
    for other, wanted in zip(others, want[2:]):  # with respect to the target
        assert (other.dtype, wanted.dtype) == (dtype, np.float32)
        assert np.array_equal(other, wanted.astype(dtype))
        kept = np.zeros(shape, np.float32)
        assert ce.cross_entropy_with_grad(**{**arguments, name: numbers, "grad_target": kept})[2] is kept
        assert np.array_equal(kept, wanted)


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, header.BFLOAT16_BITS, np.float32, np.float64], ids=str)
def test_floating_point_is_read_where_it_lies(dtype: Any) -> None:
    numbers = np.zeros((4, 6), dtype)[::2, ::3]
    for read in (_arrays.weights("weight", numbers), _arrays.target(numbers)):
        assert read is numbers


@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4", "bool", ">f2", ">f4"])
@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name != "target"])
def test_weights_of_other_numbers(name: str, dtype: str) -> None:
    shape, options = ARGUMENTS[name]
    numbers = np.random.default_rng(1).integers(0, 3, shape).astype(dtype)
    before = numbers.tobytes()
    arguments: dict[str, Any] = {"x": logits(), "target": LABELS, **options}
    got = ce.cross_entropy_with_grad(**{**arguments, name: numbers})
    want = ce.cross_entropy_with_grad(**{**arguments, name: numbers.astype(np.float64)})
    assert all(map(np.array_equal, got, want))
    assert numbers.tobytes() == before


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.int32, np.bool_])
def test_numbers_of_the_accumulator(dtype: Any) -> None:
    losses, weight = np.array([1.5, 0.25, 3.0]).astype(dtype), np.array([1, 0, 2]).astype(dtype)
    total, wide = ce.Accumulator(), ce.Accumulator()
    total.add(losses, weight)
    wide.add(losses.astype(np.float32), weight.astype(np.float32))
    assert total.to_bytes() == wide.to_bytes()


@BOTH_CAPSULES
def test_bfloat16_capsules_are_freed_once(old: bool) -> None:
    x = logits(BFLOAT16)
    exporter = BFloat16Exporter(x, old)
    counts = [sys.getrefcount(exporter.data)]  # outside of the assertion, which pytest has references for
    views = [_dlpack.from_dlpack(exporter) for _ in range(3)]
    parts = [view[1:] for view in views]
    del views
    gc.collect()
    counts.append(sys.getrefcount(exporter.data))
    assert np.array_equal(parts[0], x[1:])
    del parts
    gc.collect()
    counts.append(sys.getrefcount(exporter.data))
    assert counts == [counts[0], counts[0] + 3, counts[0]]


def test_bfloat16_of_any_shape() -> None:
    assert _dlpack.from_dlpack(BFloat16Exporter(np.ones((), BFLOAT16))).shape == ()
    for shape in ((0, CLASSES), (CLASSES, 0), (1, 1), (2, 3, 4, 5)):
        assert _dlpack.from_dlpack(BFloat16Exporter(np.ones(shape, BFLOAT16))).shape == shape
    assert np.isnan(ce.cross_entropy(BFloat16Exporter(np.ones((0, CLASSES), BFLOAT16)), []))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"code": 12}, "DLPack type 12 of 16 bits and 1 lanes"),
        ({"lanes": 2}, "DLPack type 4 of 16 bits and 2 lanes"),
    ],
)
def test_other_types_of_dlpack_are_refused(changes: dict[str, int], text: str) -> None:
    with pytest.raises(ce.ArgumentTypeError, match=f"x, a BFloat16Exporter, gives no access to its memory: .*{text}"):
        ce.cross_entropy(BFloat16Exporter(logits(BFLOAT16), **changes), LABELS)


def test_a_device_that_the_capsule_alone_knows() -> None:
    exporter = BFloat16Exporter(logits(BFLOAT16), device_type=2)
    exporter.device = (1, 0)
    with pytest.raises(ce.ArgumentTypeError, match="is not known on device 2"):
        ce.cross_entropy(exporter, LABELS)


@versioned_capsules
def test_a_dlpack_of_the_future_is_refused() -> None:
    class Future(BFloat16Exporter):
        def __dlpack__(self, **options: Any) -> Any:
            capsule = super().__dlpack__(**options)
            pointer = _dlpack._get_pointer(capsule, b"dltensor_versioned")
            _dlpack._Versioned.from_address(pointer).major = 2
            return capsule

    with pytest.raises(ce.ArgumentTypeError, match=r"its DLPack version is 2\.\d, but only 1 is known"):
        ce.cross_entropy(Future(logits(BFLOAT16)), LABELS)


def test_array_interface_and_buffers() -> None:
    x = logits(np.float64)
    expected = ce.cross_entropy(x, LABELS)
    labels = array.array("h", LABELS.tolist())
    for given in (Described(x), memoryview(x)):
        assert np.shares_memory(_arrays.predictions(given), x)
        assert ce.cross_entropy(given, labels) == expected
    assert address(_arrays.target(labels)) == labels.buffer_info()[0]


def test_array_comes_last() -> None:
    x = logits()
    assert ce.cross_entropy(Copied(x), Copied(LABELS)) == ce.cross_entropy(x, LABELS)

    class Both(Exporter):
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            return self.data.copy()

    assert np.shares_memory(_arrays.predictions(Both(x)), x)

    class Unshared(Copied):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("not this one")

        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

    assert ce.cross_entropy(Unshared(x), LABELS) == ce.cross_entropy(x, LABELS)
    with pytest.raises(ce.ArgumentTypeError, match="grad, a Unshared, gives no access to its memory: not this one"):
        ce.cross_entropy_with_grad(x, LABELS, grad=Unshared(np.zeros_like(x)))


@pytest.mark.parametrize(("device", "name"), [((2, 1), "CUDA:1"), ((8, 0), "Metal:0"), ((99, 3), "DLPack device 99:3")])
@pytest.mark.parametrize("argument", ["x", "target", "weight", "sample_weight", "out", "grad"])
def test_other_devices_are_refused(argument: str, device: tuple[int, int], name: str) -> None:
    """Also where ``__array__`` would copy from there behind the caller's back."""

    class Elsewhere(Copied):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("not on the CPU")

        def __dlpack_device__(self) -> tuple[int, int]:
            return device

    out = np.full((), 7.0)
    arguments = {"x": logits(), "target": LABELS, "out": out, argument: Elsewhere(logits())}
    text = f"{argument} is on the device {name}, but must be on the CPU"
    with pytest.raises(ce.ArgumentTypeError, match=text):
        ce.cross_entropy_with_grad(arguments.pop("x"), arguments.pop("target"), **arguments)
    assert out == 7


@pytest.mark.parametrize("device", [3, 11, 13])
def test_memory_of_gpus_that_the_cpu_reads(device: int) -> None:
    x = logits()
    assert np.shares_memory(_arrays.predictions(Exporter(x, device=(device, 0))), x)
    x = logits(BFLOAT16)
    assert address(_arrays.predictions(BFloat16Exporter(x, device_type=device))) == address(x)


def test_nothing_is_imported() -> None:
    program = """
import sys, numpy, crossentropy as ce

class Exporter:
    def __init__(self, data): self.data = data
    def __dlpack__(self, **options): return self.data.__dlpack__(**options)
    def __dlpack_device__(self): return 1, 0

before = set(sys.modules)
ce.cross_entropy_with_grad(Exporter(numpy.zeros((2, 3))), Exporter(numpy.zeros(2, int)), grad=numpy.zeros((2, 3)))
print(*(name for name in set(sys.modules) - before if not name.startswith("numpy.")))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(ce.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
