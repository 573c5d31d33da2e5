#!/usr/bin/env python3
"""Loss and gradient of [2048, 32768] f32 beside NumPy and the memory's limit, interleaved in one process.

    make bench

Prints medians of `REPEATS` rounds in which everything is timed once, and ratios of those medians. The limits are what
NumPy takes to read the logits (a sum per thread's half) and to scale them in place.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import crossentropy as ce

ROWS, CLASSES = 2048, 32768
REPEATS = 7


def numpy_forward(x: np.ndarray, y: np.ndarray) -> float:
    m = x.max(axis=1)
    lse = m + np.log(np.exp(x - m[:, None]).sum(axis=1))
    return float((lse - x[np.arange(len(y)), y]).mean())


def numpy_with_grad(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e.sum(axis=1, keepdims=True)
    loss = float(-np.log(e[np.arange(len(y)), y] / s[:, 0]).mean())
    e /= s
    e[np.arange(len(y)), y] -= 1
    e /= len(y)
    return loss, e


def main() -> int:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, CLASSES), dtype=np.float32)
    y = rng.integers(0, CLASSES, ROWS)
    scratch, grad = x.copy(), np.empty_like(x)
    threads = ce.get_num_threads()
    parts = np.array_split(scratch, threads)
    pool = ThreadPoolExecutor(threads)

    def in_place() -> None:
        ce.cross_entropy_with_grad(scratch, y, grad=scratch)

    work: dict[str, Callable[[], object]] = {
        "read the logits": lambda: list(pool.map(np.max, parts)),
        "scale in place": lambda: list(pool.map(lambda p: np.multiply(p, 1.0001, out=p), parts)),
        "ours, loss": lambda: ce.cross_entropy(x, y),
        "ours, loss and gradient": lambda: ce.cross_entropy_with_grad(x, y, grad=grad),
        "ours, gradient in place": in_place,
        "NumPy, loss": lambda: numpy_forward(x, y),
        "NumPy, loss and gradient": lambda: numpy_with_grad(x, y),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for round_number in range(REPEATS + 1):
        np.copyto(scratch, x)
        for name, run in work.items():
            start = time.perf_counter()
            run()
            if round_number:  # the first one warms up
                times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}

    print(f"[{ROWS}, {CLASSES}] f32, {threads} threads, {ce.info()['isa']}, NumPy {np.__version__}")
    for name, seconds in median.items():
        print(f"  {name:26} {seconds * 1e3:9.2f} ms")
    ratios = {
        "loss: NumPy / ours": ("NumPy, loss", "ours, loss"),
        "loss: reading / ours": ("read the logits", "ours, loss"),
        "loss and gradient: NumPy / ours": ("NumPy, loss and gradient", "ours, loss and gradient"),
        "gradient in place: scaling / ours": ("scale in place", "ours, gradient in place"),
    }
    for name, (above, below) in ratios.items():
        print(f"  {name:36} {median[above] / median[below]:6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
