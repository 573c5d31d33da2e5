"""The cases of Tests/Vectors, read from their JSON; its header describes the fields."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from tools import flatten_vectors

import crossentropy as ce

Array = npt.NDArray[Any]


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype for a name of the files: f32, bf16, i64, u8 ..."""
    if name == "bf16":
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(f"{name[0]}{int(name[1:]) // 8}")


@dataclass
class Case:
    """A call, and what it must give.

    loss, grad: the exact results as float64, flat; of the gradient the elements at `grad_at`, or
        all of them.
    loss_tol, grad_tol: the published bounds of their differences.
    """

    name: str
    why: str
    fields: dict[str, Any]
    status: int
    loss: Array
    loss_tol: Array
    grad: Array
    grad_tol: Array

    @property
    def loss_dtype(self) -> np.dtype[Any]:
        return dtype_of(self.fields.get("loss_dtype", "f64" if self.is_double else "f32"))

    @property
    def grad_dtype(self) -> np.dtype[Any]:
        return dtype_of(self.fields.get("grad_dtype", self.fields["dtype"]))

    @property
    def function(self) -> str:
        return str(self.fields.get("loss_function", "cross_entropy"))

    @property
    def is_binary(self) -> bool:
        return self.function == "binary_cross_entropy"

    @property
    def is_double(self) -> bool:
        """Whether the input is f64; everything shorter is computed as f32."""
        return bool(self.fields["dtype"] == "f64")

    def array(self, prefix: str) -> Array:
        """The input (prefix ""), the "target_", the "weight_", the "sample_weight_" ..."""
        values = self.fields[prefix[:-1] or "x"]
        dtype = dtype_of(self.fields[prefix + "dtype"])
        shape = self.fields[prefix + "shape"]
        if isinstance(values, dict):
            size = self.fields.get("buffer_size", math.prod(shape))
            values = flatten_vectors.generated(values, size)
        whole = int if dtype.kind in "iu" else float
        buffer = np.array([whole(value) for value in values], dtype)
        if prefix + "strides" not in self.fields:
            return buffer.reshape(shape)
        offset = self.fields[prefix + "offset"] * dtype.itemsize
        strides = [stride * dtype.itemsize for stride in self.fields[prefix + "strides"]]
        return np.ndarray(shape, dtype, buffer.view(np.uint8), offset, strides)

    def target(self) -> Array | ce.SparseTarget:
        target = self.array("target_")
        if "target_probs" not in self.fields:
            return target
        rest = self.fields["options"].get("target_rest", "drop")
        offsets = self.fields.get("target_offsets")
        return ce.SparseTarget(target, self.array("target_probs_"), offsets=offsets, rest=rest)

    def arguments(self) -> dict[str, Any]:
        """The case's options as keyword arguments of the Python functions."""
        options = dict(self.fields["options"])
        divisor = float(options.pop("mean_divisor", 0))
        if options.get("mean_over") == "divisor":
            options["mean_over"] = divisor
        if "ignore_index" in options:
            text = options["ignore_index"]
            options["ignore_index"] = None if text == "none" else int(text)
        for name in ("label_smoothing", "clip", "grad_loss"):
            options[name] = float(options.get(name, name == "grad_loss"))
        options["axis"] = self.fields.get("class_axis", -1)
        for name in ("weight", "sample_weight"):
            options[name] = self.array(name + "_") if name in self.fields else None
        for name in ("mask", "pos_weight", "prior", "vector"):
            if name in self.fields:
                options[name] = self.array(name + "_")
        if "ignore_indices" in self.fields:
            also = options.get("ignore_index", -100)
            options["ignore_index"] = [*self.fields["ignore_indices"], *([] if also is None else [also])]
        if "grad_losses" in self.fields:
            options["grad_loss"] = self.array("grad_losses_") * options["grad_loss"]
        if self.is_binary:
            options.setdefault("mean_over", "weight")  # the header's default, not that of the package
        for name in ("z_loss", "focal_gamma", "poly_epsilon", "softcap", "logit_scale", "temperature"):
            if name in options:
                options[name] = float(options[name])
        options.pop("target_rest", None)  # the target's
        if "temperature_squared" in options:
            options["temperature_squared"] = bool(options["temperature_squared"])
        if "kl_form" in options:
            options["form"] = options.pop("kl_form")
        return options


def read(paths: Iterable[Path]) -> list[Case]:
    """All cases of these files."""
    return [
        Case(
            name=fields["name"],
            why=fields["why"],
            fields=fields,
            status=flatten_vectors.STATUSES.index(fields["status"]),
            **{key: _floats(fields, key) for key in ("loss", "loss_tol", "grad", "grad_tol")},
        )
        for path in paths
        for fields in json.loads(path.read_text(encoding="utf-8"))["cases"]
    ]


def _floats(fields: dict[str, Any], key: str) -> Array:
    return np.array([float(value) for value in fields.get(key, ())], np.float64)
