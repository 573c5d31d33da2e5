"""What is timed: shapes that users have. The classes are always on axis 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Work:
    """Logits of one shape and dtype, with labels or with distributions as targets."""

    shape: tuple[int, ...]
    dtype: str = "f32"
    distribution: bool = False

    @property
    def name(self) -> str:
        return f"{list(self.shape)}{' distribution' if self.distribution else ''} {self.dtype}"

    @property
    def rows(self) -> int:
        return int(np.prod(self.shape)) // self.shape[1]

    def inputs(self) -> Inputs:
        """Random logits of standard deviation 1 and random targets; always the same ones."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal(self.shape, dtype=np.float64 if self.dtype == "f64" else np.float32)
        x = x.astype(numpy_dtype(self.dtype), copy=False)
        if self.distribution:
            target: Array = rng.random(self.shape, dtype=np.float32).astype(x.dtype, copy=False)
            target /= target.sum(axis=1, keepdims=True)
        else:
            target = rng.integers(0, self.shape[1], self.shape[:1] + self.shape[2:])
        return Inputs(self, x, target, x.copy(), np.zeros_like(x))


@dataclass
class Inputs:
    """The buffers of a work. All of them have been written, so that no timing pays for new pages."""

    work: Work
    x: Array
    target: Array
    scratch: Array  # a copy of x, for what works in place
    buffer: Array  # for gradients out of place

    @property
    def narrow_target(self) -> Array:
        """Labels as int32, which is half as much to read; distributions as they are."""
        return self.target if self.work.distribution else self.target.astype(np.int32)

    def refresh(self) -> None:
        """Makes scratch a copy of x again."""
        np.copyto(self.scratch, self.x)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of "f32" ...; ImportError for "bf16" without ml_dtypes."""
    if name == "bf16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[name])


WORKS = [
    Work((2048, 32768)),
    Work((512, 131072)),
    Work((2048, 32768), "bf16"),
    Work((512, 131072), "bf16"),
    Work((2048, 32768), "f16"),
    Work((512, 131072), "f16"),
    Work((8192, 1000)),
    Work((65536, 100)),
    Work((262144, 10)),
    Work((1048576, 2)),
    Work((8, 21, 512, 512)),
    Work((1, 16777216)),
    Work((4096, 1000), distribution=True),
    Work((2048, 32768), "f64"),
    Work((64, 10)),
]
