"""A call that is right but for what a test changes, and the check that it fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crossentropy as ce

ROWS, CLASSES = 4, 5


def wrong_call(**changes: Any) -> tuple[Any, dict[str, Any]]:
    """A call that is right but for the changes, and the outputs that it must not touch."""
    arguments: dict[str, Any] = {
        "x": np.linspace(-1, 1, ROWS * CLASSES).reshape(ROWS, CLASSES),
        "target": np.arange(ROWS),
        "out": np.full((), 7.0),
        "grad": np.full((ROWS, CLASSES), 7.0),
    }
    arguments.update(changes)
    return arguments.pop("x"), arguments


def check(error: type[Exception], *texts: str, **changes: Any) -> None:
    x, arguments = wrong_call(**changes)
    arrays = [x, *(each for each in arguments.values() if isinstance(each, np.ndarray))]
    before = [array.tobytes() for array in arrays if isinstance(array, np.ndarray)]
    with pytest.raises(error) as caught:
        ce.cross_entropy_with_grad(x, **arguments)
    assert isinstance(caught.value, ce.CrossEntropyError)
    for text in texts:
        assert text in str(caught.value)
    assert [array.tobytes() for array in arrays if isinstance(array, np.ndarray)] == before
