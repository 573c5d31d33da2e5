"""bfloat16 through DLPack, which ``numpy.from_dlpack`` refuses as NumPy has no such dtype.

Nothing else gives the memory of such an array whatever package it is from (torch has no other way), so its C structures
are read here. They repeat ``dlpack.h``, not ``crossentropy.h``, and are therefore not in `_c_api`.

The capsule is looked into and kept, not consumed: as long as it bears its name, its destructor frees the array, exactly
once, when the last view of the memory is gone.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np

from ._c_api.header import BFLOAT16_BITS
from ._types import Array

# Devices whose memory the CPU can read: the CPU, and pinned and managed memory of GPUs.
ON_CPU = {1, 3, 11, 13}
_BFLOAT = 4
_READ_ONLY = 1


class _Tensor(ctypes.Structure):
    """``DLTensor``: strides count elements, NULL means contiguous."""

    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class _Versioned(ctypes.Structure):
    """``DLManagedTensorVersioned``; its predecessor ``DLManagedTensor`` begins with the tensor."""

    _fields_ = [
        ("major", c_uint32),
        ("minor", c_uint32),
        ("manager_context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _Tensor),
    ]


_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, (ctypes.py_object, c_char_p)
_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = c_void_p, (ctypes.py_object, c_char_p)


class _Memory:
    """What NumPy makes an array of, and keeps alive as long as that array."""

    def __init__(self, capsule: Any, interface: dict[str, Any]) -> None:
        self.capsule = capsule
        self.__array_interface__ = interface


def from_dlpack(value: Any) -> Array:
    """The memory of a bfloat16 array on the CPU, not copied: as the bfloat16 of ml_dtypes where the program has that
    package, and as `BFLOAT16_BITS` where not. Read-only unless the exporter says that it may be written to.

    Raises:
        BufferError: it is no such array; and what ``value.__dlpack__`` raises.
    """
    try:
        capsule = value.__dlpack__(max_version=(1, 0))
    except TypeError:  # an exporter from before the capsules with a version
        capsule = value.__dlpack__()
    if _is_valid(capsule, b"dltensor_versioned"):
        managed = _Versioned.from_address(_get_pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise BufferError(f"its DLPack version is {managed.major}.{managed.minor}, but only 1 is known")
        tensor, read_only = managed.tensor, bool(managed.flags & _READ_ONLY)
    elif _is_valid(capsule, b"dltensor"):
        tensor, read_only = _Tensor.from_address(_get_pointer(capsule, b"dltensor")), True
    else:
        raise BufferError(f"its __dlpack__ gave {capsule!r}, which is no DLPack capsule")
    if (tensor.code, tensor.bits, tensor.lanes) != (_BFLOAT, 16, 1) or tensor.device_type not in ON_CPU:
        raise BufferError(
            f"DLPack type {tensor.code} of {tensor.bits} bits and {tensor.lanes} lanes is not known"
            f" on device {tensor.device_type}"
        )
    interface: dict[str, Any] = {
        "version": 3,
        "typestr": np.dtype(np.uint16).str,
        "shape": tuple(tensor.shape[: tensor.ndim]),
        "data": ((tensor.data or 0) + tensor.byte_offset, read_only),
    }
    if tensor.strides:
        interface["strides"] = tuple(2 * stride for stride in tensor.strides[: tensor.ndim])
    bits = np.asarray(_Memory(capsule, interface))
    return bits.view(getattr(sys.modules.get("ml_dtypes"), "bfloat16", BFLOAT16_BITS))
