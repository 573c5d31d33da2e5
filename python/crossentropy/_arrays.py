"""From what the caller passes to arrays that the library can read or write where they lie, and back
to the caller's kind of array.

Arrays of other packages are known by what they can do, never by their name: those with
``__array_interface__`` or the buffer protocol are NumPy's to view; those with ``__dlpack__`` are
viewed through it; ``__array__``, which may copy, comes last.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import numpy as np

from . import _dlpack, _hints
from ._arguments import real_number
from ._c_api.header import DTYPES, FLOATS, is_bfloat16, is_half
from ._errors import ArgumentTypeError, ArgumentValueError
from ._types import Array, ArrayLike

_FLOATING = "float32, float64, float16 or bfloat16"

# DLPack's numbers of devices whose memory the CPU cannot read.
_DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI", 15: "WebGPU"}


def predictions(x: ArrayLike, name: str = "x") -> Array:
    """``x``, the argument ``name``, as float32, float64, float16 or bfloat16, never copied if it is an array."""
    if type(x) is np.ndarray and x.dtype in FLOATS and x.flags.c_contiguous:
        return x  # as most are, and there is nothing more to ask
    array = as_array(name, x)
    if not _is_floating(array.dtype):
        hint = f" (predictions must be floating point): {name}.astype(float)" if array.dtype.kind in "iub" else ""
        raise _wrong_dtype(name, array, _FLOATING, hint)
    return _in_place(name, array)


def vector(value: ArrayLike) -> Array:
    """What a Hessian is multiplied by: of the dtypes of x; a list of any real numbers becomes float64."""
    array = as_array("vector", value)
    if array.dtype.kind in "iu" and not _is_array(value):
        return array.astype(np.float64)
    if not _is_floating(array.dtype):
        raise _wrong_dtype("vector", array, _FLOATING)
    return _in_place("vector", array)


def target(value: ArrayLike, of_elements: bool = False) -> Array:
    """Labels of any integer dtype, ``of_elements`` booleans too; or floating point, which is no label."""
    if type(value) is np.ndarray and value.dtype in DTYPES and value.flags.c_contiguous:
        return value
    array = as_array("target", value)
    if array.size == 0 and not _is_array(value):
        return array.astype(np.int64)  # An empty list has no dtype to tell labels by.
    if _is_floating(array.dtype):
        return _in_place("target", array)
    if of_elements and array.dtype == np.bool_:
        return _native(array.view(np.uint8))
    if array.dtype.kind not in "iu":
        accepted = f"integers (labels), or {_FLOATING} (distributions)"
        raise _wrong_dtype("target", array, accepted, _hints.of_labels("target", array))
    return _native(array)


def integers(name: str, value: ArrayLike) -> Array:
    """Integers of any dtype."""
    array = as_array(name, value)
    if array.size == 0 and not _is_array(value):
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise _wrong_dtype(name, array, "integers")
    return _native(array)


def weights(name: str, value: ArrayLike | None) -> Array | None:
    """Weights of any floating-point dtype; integers and booleans become float64."""
    if value is None:
        return None
    array = as_array(name, value)
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if not _is_floating(array.dtype.newbyteorder("=")):
        accepted = "float32, float64, float16, bfloat16, integers or booleans"
        raise _wrong_dtype(name, array, accepted, _hints.of_weights(name, value))
    return _native(array)


def mask(value: ArrayLike) -> Array:
    """Booleans or integers; booleans are bytes of 0 and 1."""
    array = as_array("mask", value)
    if array.dtype == np.bool_:
        return _native(array.view(np.uint8))
    if array.dtype.kind not in "iu":
        raise _wrong_dtype("mask", array, "booleans or integers")
    return _native(array)


def upstream(grad_loss: Any) -> tuple[float, Array | None]:
    """A number for all rows, or an array with one for each."""
    if grad_loss.__class__ is float:
        return grad_loss, None
    dimensions = getattr(grad_loss, "ndim", None)
    if dimensions or (dimensions is None and hasattr(grad_loss, "__len__") and not isinstance(grad_loss, (str, bytes))):
        return 1.0, weights("grad_loss", grad_loss)
    return real_number("grad_loss", grad_loss), None


def output(name: str, value: Any, halves: bool = False) -> Array:
    """``value``, which the library is to write to, or a view of its memory; with ``halves`` it may
    be of 16 bits."""
    array = value if type(value) is np.ndarray else _writable(name, value)
    if array.dtype not in FLOATS and not (halves and is_half(array.dtype)):
        hint = " (16 bits are for inputs and gradients)" if is_half(array.dtype) else ""
        raise _wrong_dtype(name, array, _FLOATING if halves else "float32 or float64", hint)
    if not array.flags.writeable:
        raise ArgumentValueError(f"{name} is read-only; it must be writable")
    return _in_place(name, array)


def like(x: Any, result: Any) -> Any:
    """``result``, a NumPy array or scalar, as the kind of array that ``x`` is, around the same memory
    if that kind can be; unchanged where the package of ``x`` does not take arrays from others."""
    namespace = _namespace(x)
    if namespace is None:
        return result
    array = np.asarray(result)
    if is_bfloat16(array.dtype):  # which NumPy does not export
        return namespace.from_dlpack(array.view(np.int16)).view(x.dtype)
    return namespace.from_dlpack(array)


def _namespace(x: Any) -> Any:
    """Where ``x`` is an array of another package: the module with that package's ``from_dlpack``, as
    the array API standard names it, and as torch has it without ``__array_namespace__``."""
    if isinstance(x, np.ndarray) or not hasattr(x, "__dlpack__"):
        return None
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    packages = (sys.modules.get(each.__module__.partition(".")[0]) for each in type(x).__mro__)
    return next((package for package in packages if hasattr(package, "from_dlpack")), None)


# In the place of an argument that was not given.
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>"})()


def as_array(name: str, value: Any) -> Array:
    if type(value) is np.ndarray:
        return value
    if value is MISSING:
        raise ArgumentTypeError(f"missing the required argument '{name}'")
    if _masked(value):
        raise ArgumentTypeError(
            f"{name} is a masked array, whose mask would be lost: pass {name}.data, and leave rows "
            "out with ignore_index or sample_weight"
        )
    if hasattr(value, "__array_interface__") or not hasattr(value, "__dlpack__"):
        try:
            return np.asarray(value)
        except ValueError as error:
            raise ArgumentValueError(_hints.of_list(name, value)) from error
    return _from_dlpack(name, value, may_copy=True)


def _writable(name: str, value: Any) -> Array:
    """The memory of ``value`` itself: nothing that may be a copy, where results would be lost."""
    if isinstance(value, np.ndarray) and not _masked(value):
        return value
    numpy_views_it = hasattr(value, "__array_interface__")
    if isinstance(value, (np.ndarray, np.generic)) or not (numpy_views_it or hasattr(value, "__dlpack__")):
        accepted = "a NumPy array or have __dlpack__ or __array_interface__"
        raise ArgumentTypeError(f"{name} must be {accepted}, not {type(value).__name__}")
    if numpy_views_it:
        return np.asarray(value)
    array = _from_dlpack(name, value, may_copy=False)
    if not array.flags.writeable and not is_bfloat16(array.dtype) and hasattr(value, "__array__"):
        # Before DLPack's version 1 nothing said so, and NumPy before 2.1 does not ask; but the package
        # may give out the same memory as a writable array.
        other = np.asarray(value)
        if _layout(other) == _layout(array):
            return other
    return array


def _from_dlpack(name: str, value: Any, may_copy: bool) -> Array:
    """A view of the memory of ``value``, read-only unless its package says that it may be written to;
    with ``may_copy`` what its ``__array__`` gives if the package does not share it."""
    try:
        return np.from_dlpack(value)
    except Exception:  # Exporters raise what they like. It may be bfloat16 too, or on another device.
        pass
    try:
        device, number = value.__dlpack_device__()
        if device in _dlpack.ON_CPU:
            return _dlpack.from_dlpack(value)
    except Exception as error:
        refusal = error
    else:
        where = f"{_DEVICES.get(device, f'DLPack device {int(device)}')}:{number}"
        raise ArgumentTypeError(f"{name} is on the device {where}, but must be on the CPU: pass a copy there")
    if may_copy and hasattr(value, "__array__"):
        with suppress(Exception):
            return np.asarray(value)
    text = f"{name}, a {type(value).__name__}, gives no access to its memory: {refusal}{_hints.of_tensor(name, value)}"
    raise ArgumentTypeError(text) from refusal


def _layout(array: Array) -> tuple[Any, ...]:
    return array.__array_interface__["data"][0], array.dtype, array.shape, array.strides


def _is_array(value: Any) -> bool:
    """Whether it has a dtype of its own, unlike a list."""
    return hasattr(value, "dtype") or hasattr(value, "__dlpack__")


def _is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether the library reads it as floating point."""
    return dtype in FLOATS or is_half(dtype)


def _masked(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray)


def _strides_fit(array: Array) -> bool:
    """Whether neighbours are whole items apart; not so for a field of a packed record, say."""
    return array.flags.c_contiguous or not any(
        stride % array.itemsize for stride, length in zip(array.strides, array.shape) if length > 1
    )


def _in_place(name: str, array: Array) -> Array:
    """``array``, which has the size of x and is therefore never copied behind the caller's back."""
    if not _strides_fit(array):
        raise ArgumentValueError(
            f"{name} has strides of {array.strides} bytes, but they must be multiples of its item "
            f"size {array.itemsize}: pass a copy, numpy.ascontiguousarray({name})"
        )
    return array


def _native(array: Array) -> Array:
    """``array``, or a copy of it where its bytes or strides are not the library's. Labels and
    weights may be copied: they are small beside x."""
    if (array.dtype in DTYPES or is_bfloat16(array.dtype)) and _strides_fit(array):
        return array
    return array.astype(array.dtype.newbyteorder("="), order="C")


def _wrong_dtype(name: str, array: Array, accepted: str, hint: str = "") -> ArgumentTypeError:
    if not array.dtype.isnative:
        hint += f"; its bytes are swapped: {name}.astype({name}.dtype.newbyteorder('=')) helps"
    given = "bfloat16" if is_bfloat16(array.dtype) else array.dtype
    return ArgumentTypeError(f"{name} has dtype {given}, but must be {accepted}{hint}")
