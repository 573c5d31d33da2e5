"""Arrays of other packages, as DLPack and the array interface show them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from crossentropy import _dlpack

ROWS, CLASSES = 6, 5
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
LABELS = np.array([4, 0, 2, 2, 1, 3])
KINDS = ["float32", "float64", "float16"]


def logits(dtype: Any = np.float32, rows: int = ROWS) -> Any:
    return (3 * np.random.default_rng(rows).standard_normal((rows, CLASSES))).astype(dtype)


def address(view: Any) -> int:
    return int(view.__array_interface__["data"][0])


class Exporter:
    """An array that can do nothing but ``__dlpack__``; ``old``: as before DLPack's version 1."""

    def __init__(self, data: Any, old: bool = False, device: tuple[int, int] = (1, 0)) -> None:
        self.data, self.old, self.device = data, old, device

    def __dlpack__(self, **options: Any) -> Any:
        if self.old and options:
            raise TypeError("__dlpack__() got an unexpected keyword argument")
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


class BFloat16Exporter(Exporter):
    """The same for bfloat16, which NumPy does not export: integers under another type code."""

    def __init__(self, data: Any, old: bool = False, **changes: int) -> None:
        super().__init__(data.view(np.int16), old, (changes.get("device_type", 1), 0))
        self.changes = {"code": 4, **changes}

    def __dlpack__(self, **options: Any) -> Any:
        capsule = super().__dlpack__(**options)
        if _dlpack._is_valid(capsule, b"dltensor"):
            tensor = _dlpack._Tensor.from_address(_dlpack._get_pointer(capsule, b"dltensor"))
        else:
            pointer = _dlpack._get_pointer(capsule, b"dltensor_versioned")
            tensor = _dlpack._Versioned.from_address(pointer).tensor
        for name, value in self.changes.items():
            setattr(tensor, name, value)
        return capsule


class Described:
    """An array that can do nothing but ``__array_interface__``."""

    def __init__(self, data: Any) -> None:
        self.data, self.__array_interface__ = data, data.__array_interface__


class Copied:
    """An array that gives out copies."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.data.copy()


versioned_capsules = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="NumPy before 2.1 exports no capsules with a version"
)
