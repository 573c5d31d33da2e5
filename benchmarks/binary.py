"""Binary cross-entropy of logits beside PyTorch: loss and gradient, in turns in one process.

    python -m benchmarks.binary        prints a table: medians, and the median of the ratios within a round

Targets are f32, as PyTorch wants them. PyTorch's is ``binary_cross_entropy_with_logits``, eager, with autograd, and a
new gradient.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import crossentropy as ce

SHAPES = [(4096, 1000), (262144, 10), (64, 10)]
THREADS = 2


def contestants(shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    import torch

    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, dtype=np.float32)
    y = (rng.random(shape) < 0.3).astype(np.float32)
    leaf, target = torch.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(y)
    grad = np.empty_like(x)
    pos_weight = np.full(shape[-1], 2.0, np.float32)
    labels = y.astype(np.int64)

    def eager() -> None:
        leaf.grad = None
        torch.nn.functional.binary_cross_entropy_with_logits(leaf, target).backward()

    return {
        "torch": eager,
        "ours": lambda: ce.binary_cross_entropy_with_grad(x, y, threads=THREADS),
        "ours, grad given": lambda: ce.binary_cross_entropy_with_grad(x, y, grad=grad, threads=THREADS),
        "ours, int64 labels": lambda: ce.binary_cross_entropy_with_grad(x, labels, grad=grad, threads=THREADS),
        "ours, pos_weight": lambda: ce.binary_cross_entropy_with_grad(
            x, y, grad=grad, pos_weight=pos_weight, threads=THREADS
        ),
    }


def seconds(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def main() -> None:
    import torch

    torch.set_num_threads(THREADS)
    print(f"PyTorch {torch.__version__}, {THREADS} threads\n")
    print("| shape | what | ms | times as fast as torch |\n| --- | --- | ---: | ---: |")
    for shape in SHAPES:
        calls = contestants(shape)
        repeats = max(1, 20_000 // int(np.prod(shape)) * 10)
        rounds = [{name: seconds(call, repeats) for name, call in calls.items()} for _ in range(16)][1:]
        for name in calls:
            took = statistics.median(each[name] for each in rounds)
            ratio = statistics.median(each["torch"] / each[name] for each in rounds)
            print(f"| {list(shape)} | {name} | {took * 1e3:.3g} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
