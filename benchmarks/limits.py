"""The memory's limit: what it takes to read the logits, and to scale them in place, with all threads.

NumPy's loops, one part a thread, took what a C program with vector loads and prefetch took (within 10 % on 268 MB), so
that no compiler is needed. Below a few megabytes the hand-over to the threads shows.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .works import Inputs


class Limits:
    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def read(self, inputs: Inputs) -> Callable[[], object]:
        parts = np.array_split(_flat(inputs.x), self.threads)
        return lambda: list(self.pool.map(np.max, parts))

    def scale(self, inputs: Inputs) -> Callable[[], object]:
        parts = np.array_split(_flat(inputs.scratch), self.threads)
        factor = parts[0].dtype.type(1.0001)
        return lambda: list(self.pool.map(lambda part: np.multiply(part, factor, out=part), parts))


def _flat(array: np.ndarray) -> np.ndarray:
    # Numbers of two bytes are read in pairs, as NumPy would first widen them one by one.
    return array.reshape(-1).view(np.float32 if array.itemsize == 2 else array.dtype)
