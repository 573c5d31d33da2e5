"""Cases of real data: what a network makes of the held-out digits, early and when it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from examples import train_digits
from mpmath import mp
from tools import make_vectors

EPOCHS = (2, 40)  # logits of a network that still errs, and of one that is sure


def write_cases(path: Path, digits: train_digits.Digits) -> None:
    """Writes cases in the form of Tests/Vectors with exact expectations: for each dtype and each of
    EPOCHS the loss and gradient of every held-out digit, and those of their mean."""
    # Logits of a network are moderate: of 60 digits 40 are left after every subtraction.
    with mp.workdps(60):
        blocks = [make_vectors.json_text(make_vectors.finished(case)) for case in unfinished(digits)]
    header = make_vectors.json_text(make_vectors.HEADER)
    text = f'{{"header": {header},\n"cases": [\n' + ",\n".join(blocks) + "\n]}\n"
    path.write_text(text, encoding="utf-8")


def unfinished(digits: train_digits.Digits) -> Iterator[dict[str, Any]]:
    """The cases without what they must give."""
    labels = digits.test_labels
    for epochs in EPOCHS:
        network, _ = train_digits.train(digits, epochs=epochs, quiet=True)
        for name, dtype in (("f32", np.float32), ("f64", np.float64)):
            logits = network.logits(digits.test_images.astype(dtype))
            for reduction in ("none", "mean"):
                yield {
                    "name": f"digits_{epochs}_epochs_{reduction}_{name}",
                    "why": f"Logits of the held-out digits after {epochs} epochs of training.",
                    "dtype": name,
                    "shape": list(logits.shape),
                    "x": logits.ravel().tolist(),
                    "target_dtype": "i64",
                    "target_shape": list(labels.shape),
                    "target": labels.tolist(),
                    "reduction": reduction,
                }
