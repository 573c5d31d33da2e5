"""From what the caller passes to arrays that the library can read or write where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._c_api import DTYPES, FLOATS, Array, is_half
from ._errors import ArgumentTypeError, ArgumentValueError

_WITH_HALVES = "float32, float64, float16 or bfloat16"


def predictions(x: npt.ArrayLike) -> Array:
    """``x`` as float32, float64, float16 or bfloat16, never copied if it is an array."""
    array = _as_array("x", x)
    if array.dtype not in FLOATS and not is_half(array.dtype):
        hint = " (predictions must be floating point)" if array.dtype.kind in "iub" else ""
        raise _wrong_dtype("x", array, _WITH_HALVES, hint)
    return _in_place("x", array)


def target(value: npt.ArrayLike) -> Array:
    """Labels of any integer dtype, or a distribution as float32 or float64."""
    array = _as_array("target", value)
    if array.size == 0 and not isinstance(value, np.ndarray):
        return array.astype(np.int64)  # An empty list has no dtype to tell labels by.
    if array.dtype in FLOATS:
        return _in_place("target", array)
    if array.dtype.kind not in "iu":
        accepted = "integers (labels), or float32 or float64 (distributions)"
        raise _wrong_dtype("target", array, accepted)
    return _native(array)


def weights(name: str, value: npt.ArrayLike | None) -> Array | None:
    """Weights as float32 or float64; a list of any real numbers becomes float64."""
    if value is None:
        return None
    array = _as_array(name, value)
    if array.dtype.kind in "iu" and not isinstance(value, np.ndarray):
        return array.astype(np.float64)
    if array.dtype.kind != "f" or array.dtype.newbyteorder("=") not in FLOATS:
        raise _wrong_dtype(name, array, "float32 or float64")
    return _native(array)


def output(name: str, array: Any, halves: bool = False) -> Array:
    """``array`` itself, which the library is to write to; with ``halves`` it may be of 16 bits."""
    if type(array) is not np.ndarray and (not isinstance(array, np.ndarray) or _masked(array)):
        raise ArgumentTypeError(f"{name} must be a NumPy array, not {type(array).__name__}")
    if array.dtype not in FLOATS and not (halves and is_half(array.dtype)):
        raise _wrong_dtype(name, array, _WITH_HALVES if halves else "float32 or float64")
    if not array.flags.writeable:
        raise ArgumentValueError(f"{name} is read-only; it must be writable")
    return _in_place(name, array)


def _as_array(name: str, value: npt.ArrayLike) -> Array:
    if type(value) is np.ndarray:
        return value
    if _masked(value):
        raise ArgumentTypeError(
            f"{name} is a masked array, whose mask would be lost: pass {name}.data, and leave rows "
            "out with ignore_index or sample_weight"
        )
    return np.asarray(value)


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
    if array.dtype in DTYPES and _strides_fit(array):
        return array
    return array.astype(array.dtype.newbyteorder("="), order="C")


def _wrong_dtype(name: str, array: Array, accepted: str, hint: str = "") -> ArgumentTypeError:
    if is_half(array.dtype):
        hint += "; only x and grad may have 16 bits"
    if not array.dtype.isnative:
        hint += f"; its bytes are swapped: {name}.astype({name}.dtype.newbyteorder('=')) helps"
    return ArgumentTypeError(f"{name} has dtype {array.dtype}, but must be {accepted}{hint}")
