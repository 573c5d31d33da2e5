"""The loss and gradient of a large vocabulary whose classes are split over processes: one hash, however many.

    make build
    PYTHONPATH=python python examples/sharded_vocabulary.py

Each process sees its slice of the classes alone, as a machine would that holds this part of the last layer. What
travels is 408 bytes a row: the statistics of each slice, which are merged in the order in which they happen to come,
and the result back, from which every process computes the gradient of its slice.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import crossentropy as ce

BLOCK = 4096  # slices begin at multiples of it


@dataclass(frozen=True)
class Slice:
    """Classes `first` to `end` of the logits in one file, whose gradient goes to another: [rows, classes] each."""

    logits: Path
    gradient: Path
    labels: np.ndarray
    first: int
    end: int

    def part(self, path: Path, mode: str) -> np.ndarray:
        return np.lib.format.open_memmap(path, mode)[:, self.first : self.end]


def statistics(slice_: Slice) -> ce.PartialStatistics:
    x = slice_.part(slice_.logits, "r")
    return ce.partial_statistics(x, slice_.labels, first_class=slice_.first, threads=1)


def write_gradient(task: tuple[Slice, ce.PartialStatistics]) -> None:
    slice_, merged = task
    gradient = slice_.part(slice_.gradient, "r+")
    x = slice_.part(slice_.logits, "r")
    merged.grad(x, first_class=slice_.first, grad=gradient, threads=1)


def sharded(logits: Path, labels: np.ndarray, processes: int, gradient: Path) -> tuple[float, str]:
    """The mean loss, and a hash of it and the gradient."""
    shape, dtype = np.load(logits, "r").shape, np.load(logits, "r").dtype
    np.lib.format.open_memmap(gradient, "w+", dtype, shape)
    blocks = -(-shape[1] // BLOCK)
    edges = [min(blocks * i // processes * BLOCK, shape[1]) for i in range(processes + 1)]
    slices = [Slice(logits, gradient, labels, first, end) for first, end in zip(edges, edges[1:])]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        merged = reduce(or_, pool.imap_unordered(statistics, slices))
        pool.map(write_gradient, [(each, merged) for each in slices])
    loss = merged.loss(classes=shape[1])
    return float(loss), hashlib.sha256(loss.tobytes() + np.load(gradient).tobytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description="One loss and gradient from a vocabulary split over processes.")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--classes", type=int, default=131072)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    hashes = set()
    with TemporaryDirectory() as folder:
        for dtype in ("float32", "float64"):
            logits, gradient = Path(folder) / "logits.npy", Path(folder) / "gradient.npy"
            labels = rng.integers(0, arguments.classes, arguments.rows)
            np.save(logits, (4 * rng.standard_normal((arguments.rows, arguments.classes))).astype(dtype))
            print(f"[{arguments.rows}, {arguments.classes}] {dtype}")
            for processes in arguments.processes:
                loss, digest = sharded(logits, labels, processes, gradient)
                print(f"  {processes} slices: loss {loss:.15g}, hash {digest}")
                hashes.add((dtype, digest))
            print(f"  at once: loss {ce.cross_entropy(np.load(logits), labels):.15g}")
    if len(hashes) != 2:
        raise SystemExit("the hashes differ")


if __name__ == "__main__":
    main()
