"""Prints the instruction set in use and a hash over many results, for test_isa.py to compare."""

from __future__ import annotations

import hashlib
import itertools

import ml_dtypes
import numpy as np

import crossentropy as ce

# Short rows, rows around the width of vectors and blocks, and one that is many blocks long.
CLASSES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 127, 129, 500, 1023, 1025, 4099, 70_001]

DTYPES = ["float32", "float64", "float16", ml_dtypes.bfloat16]


def main() -> None:
    digest = hashlib.sha256()
    rng = np.random.default_rng(11)
    for classes, dtype in itertools.product(CLASSES, DTYPES):
        rows = 2 if classes > 5000 else 8
        labels = rng.integers(0, classes, rows)
        weight = rng.random(classes).astype(np.float64 if dtype == "float64" else np.float32)
        distributions = rng.random((rows, classes))
        for spread in (0.01, 1.0, 30.0, 3000.0):
            logits = (spread * rng.standard_normal((rows, classes))).astype(dtype)
            logits[0, classes // 2] = -np.inf
            logits[-1, -1] = np.nan
            for result in (*ce.row_stats(logits, labels), ce.log_softmax(logits), ce.softmax(logits, softcap=50.0)):
                digest.update(np.ascontiguousarray(result).tobytes())
            probabilities = rng.random((rows, classes)).astype(dtype)
            for x, input_type in (
                (logits, "logits"),
                (logits.T.copy().T, "logits"),
                (probabilities, "probs"),
                (-abs(logits), "log_probs"),
            ):
                for target, smoothing in ((labels, 0.0), (labels, 0.1), (distributions, 0.0)):
                    for reduction in ("none", "mean"):
                        results = ce.cross_entropy_with_grad(
                            x,
                            target,
                            input_type=input_type,
                            label_smoothing=smoothing,
                            reduction=reduction,
                            weight=weight if reduction == "mean" else None,
                        )
                        for result in results:
                            digest.update(np.ascontiguousarray(result).tobytes())
    print(ce.info()["isa"], digest.hexdigest())


if __name__ == "__main__":
    main()
