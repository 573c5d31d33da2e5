"""Types of arguments and results that several modules name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Union

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class SupportsDLPack(Protocol):
    """An array of any package, torch and JAX among them."""

    def __dlpack__(self, **options: Any) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, Any]: ...


ArrayLike = Union[npt.ArrayLike, SupportsDLPack]
Output = Union[Array, SupportsDLPack]
# What has results of NumPy, unlike other arrays, which have those of their package.
NumPyLike = Union[Array, Sequence[Any]]
Loss = Union["np.floating[Any]", Array]
