"""Arguments that are no arrays: checked, and in the form that the library takes."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from . import _hints
from ._c_api import header
from ._errors import ArgumentTypeError, ArgumentValueError
from ._types import Array

# From this many elements of x or the target on, a call can be interrupted. Up to there the slowest losses take one
# thread some 30 ms; the plain ones take 2 ms, beside which the start of a thread is hardly felt.
INTERRUPTIBLE_FROM = 1 << 21


def is_long(size: int) -> bool:
    """Whether Ctrl-C is to end a call on ``size`` elements."""
    return size >= INTERRUPTIBLE_FROM and threading.current_thread() is threading.main_thread()


def axis(axis: SupportsIndex, ndim: int, of: str = "x", of_elements: bool = False) -> int:
    """A position from 0 on. ``of_elements``: the argument may be a single number, which is of one class."""
    if ndim == 0 and not of_elements:
        raise ArgumentValueError(f"{of} has no dimension, but must have one, the classes, at least")
    number = axis if axis.__class__ is int else integer("axis", axis)
    count = ndim or 1
    if not -count <= number < count:
        raise ArgumentValueError(
            f"axis {number} is out of range: {of} has {ndim} dimension{'s' * (ndim != 1)} ({-count} to {count - 1})"
        )
    return number % count


def choice(name: str, value: Any, accepted: Mapping[str, int], other: str = "") -> int:
    """The number that the library has for one of the ``accepted`` names."""
    return accepted[plain_name(name, value, accepted, other)]


def plain_name(name: str, value: Any, accepted: Mapping[str, int], other: str = "") -> str:
    """One of the ``accepted`` names, which may be given as any kind of `str`: one of NumPy's, or of an enumeration."""
    if type(value) is str and value in accepted:
        return value
    names = ", ".join(f'"{each}"' for each in accepted) + other
    if not isinstance(value, str):
        hint = ': "none" is a string' if value is None and "none" in accepted else ""
        raise ArgumentTypeError(f"{name} must be one of {names}, not {type(value).__name__}{hint}")
    plain = str.__str__(value)
    if plain in accepted:
        return plain
    if hint := _hints.of_value(name, plain):
        raise ArgumentValueError(f'{name} is "{plain}", but must be one of {names}{hint}')
    from difflib import get_close_matches  # only here, as it takes a millisecond to import

    near = get_close_matches(plain.lower(), accepted, n=1, cutoff=0.4)
    hint = f'. Did you mean "{near[0]}"?' if near else ""
    raise ArgumentValueError(f'{name} is "{plain}", but must be one of {names}{hint}')


def real_number(name: str, value: SupportsFloat) -> float:
    if value.__class__ is float:
        return value
    # float() would read text, and arrays of one element. (A compiler that traces this asks no number for its ndim.)
    if not isinstance(value, (int, float)) and (isinstance(value, (str, bytes)) or getattr(value, "ndim", 0) != 0):
        raise ArgumentTypeError(f"{name} must be a number, not {type(value).__name__}")
    try:
        return float(value)
    except (TypeError, ValueError):
        text = f"{name} must be a number, not {type(value).__name__}"
        raise ArgumentTypeError(text) from None
    except OverflowError:
        raise ArgumentValueError(f"{name} is too large for a float") from None


def flag(name: str, value: bool) -> bool:
    if value is True or value is False:
        return value
    if isinstance(value, (bool, int, np.bool_)):
        return bool(value)
    raise ArgumentTypeError(f"{name} must be True or False, not {type(value).__name__}")


def divisor(mean_over: SupportsFloat) -> float:
    number = real_number("mean_over", mean_over)
    if not 0 < number < float("inf"):
        raise ArgumentValueError(f"mean_over is {number}, but a number there must be above 0 and finite")
    return number


def integer(name: str, value: SupportsIndex) -> int:
    try:
        return operator.index(value)
    except TypeError:
        text = f"{name} must be an integer, not {type(value).__name__}"
        raise ArgumentTypeError(text) from None


def ignored(value: SupportsIndex | Sequence[SupportsIndex] | None) -> tuple[int, Array | None]:
    """One label that is ignored, and where there are others, all of them."""
    if value.__class__ is int and -(2**63) < value < 2**63:
        return value, None
    if value is None or hasattr(value, "__index__"):
        return ignore_index(value), None
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        is_quoted = isinstance(value, str) and value == "none"
        hint = ': "none" in quotes is a string' if is_quoted else ""
        raise ArgumentTypeError(f"ignore_index must be an integer, several or None, not {type(value).__name__}{hint}")
    return header.IGNORE_NONE, np.array([ignore_index(each) for each in value], np.int64)


def ignore_index(value: SupportsIndex | None) -> int:
    if value is None:
        return header.IGNORE_NONE
    number = integer("ignore_index", value)
    if not -(2**63) < number < 2**63:
        raise ArgumentValueError(f"ignore_index is {number}, but must be above -2**63 and below 2**63, or None")
    return number


def class_number(name: str, value: SupportsIndex) -> int:
    """A class, or the number of classes."""
    number = integer(name, value)
    lowest = 1 if name == "classes" else 0
    if not lowest <= number < 2**62:
        raise ArgumentValueError(f"{name} is {number}, but must be at least {lowest} and below 2**62")
    return number


def thread_count(name: str, value: SupportsIndex) -> int:
    """A number of threads for the library, which itself takes very large ones as its maximum."""
    number = integer(name, value)
    if number < 1:
        raise ArgumentValueError(f"{name} is {number}, but must be 1 or more, or None")
    return min(number, 2**31 - 1)
