"""What can go wrong, as exceptions that are also the built-in ones that Python programs expect."""

from __future__ import annotations

import re

__all__ = [
    "ArgumentTypeError",
    "ArgumentValueError",
    "CrossEntropyError",
    "EmptyError",
    "LabelError",
]


class CrossEntropyError(Exception):
    """Base of every error that this package raises on purpose."""


class ArgumentTypeError(CrossEntropyError, TypeError):
    """An argument of a kind that is not accepted: its dtype, or an object of the wrong class."""


class ArgumentValueError(CrossEntropyError, ValueError):
    """An argument that does not fit: a shape, an option, an output that overlaps an input."""


class EmptyError(ArgumentValueError):
    """The divisor of the mean is 0, so that there is no mean, and ``empty="error"`` asked to be told."""


class LabelError(CrossEntropyError, IndexError):
    """A label outside ``[0, classes)`` that is not ``ignore_index``, or one that a row of a sparse target names twice.

    Attributes:
        row: index of the first such row, counting rows in C order of the labels; of binary cross-entropy that
            of the element.
        label: the label found there.
        classes: the number of classes; 2 for binary cross-entropy, None for a class that is named twice.
    """

    row: int | None = None
    label: int | None = None
    classes: int | None = None

    _TEXT = re.compile(r"label (-?\d+) in row (\d+) is out of range: there (?:is|are) (\d+) class")

    _BINARY_TEXT = re.compile(r"label (-?\d+) in element (\d+) is neither 0 nor 1")

    _TWICE_TEXT = re.compile(r"class (\d+) is named twice in row (\d+)")

    def __init__(self, message: str) -> None:
        super().__init__(message)
        if found := self._TEXT.search(message):
            self.label, self.row, self.classes = map(int, found.groups())
        elif found := self._BINARY_TEXT.search(message):
            self.label, self.row, self.classes = *map(int, found.groups()), 2
        elif found := self._TWICE_TEXT.search(message):
            self.label, self.row = map(int, found.groups())
