"""Arguments that are no arrays: checked, and in the form that the library takes."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable, Sequence
from typing import SupportsFloat, SupportsIndex

import numpy as np

from . import _c_api
from ._c_api import NO_TERMS, Array, Choices, Terms
from ._errors import ArgumentTypeError, ArgumentValueError

# From this many elements of x or the target on, a call can be interrupted. Up to there the slowest losses take one
# thread some 30 ms; the plain ones take 2 ms, beside which the start of a thread is hardly felt.
INTERRUPTIBLE_FROM = 1 << 21


def is_interruptible(x: Array) -> bool:
    """Whether Ctrl-C is to end a call on ``x``."""
    return is_long(x.size)


def is_long(size: int) -> bool:
    """The same for ``size`` elements."""
    return size >= INTERRUPTIBLE_FROM and threading.current_thread() is threading.main_thread()


def axis(axis: SupportsIndex, ndim: int) -> int:
    if ndim == 0:
        raise ArgumentValueError("x has no dimension, but must have one, the classes, at least")
    number = axis if axis.__class__ is int else integer("axis", axis)
    if not -ndim <= number < ndim:
        raise ArgumentValueError(
            f"axis {number} is out of range: x has {ndim} dimension{'s' * (ndim > 1)} ({-ndim} to {ndim - 1})"
        )
    return number % ndim


def choice(name: str, value: str, accepted: dict[str, int], other: str = "") -> int:
    """The number that the library has for one of the ``accepted`` names."""
    return accepted[plain_name(name, value, accepted, other)]


def plain_name(name: str, value: str, accepted: dict[str, int], other: str = "") -> str:
    """One of the ``accepted`` names, which may be given as any kind of `str`: one of NumPy's, or of an enumeration."""
    if value.__class__ is str and value in accepted:
        return value
    names = ", ".join(f'"{each}"' for each in accepted) + other
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be one of {names}, not {type(value).__name__}")
    plain = str.__str__(value)
    if plain in accepted:
        return plain
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


def terms(
    z_loss: SupportsFloat = 0.0,
    focal_gamma: SupportsFloat = 0.0,
    poly_epsilon: SupportsFloat = 0.0,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
) -> Terms:
    """What changes the loss of logits. For the library a cap of 0 is none; here it would be one."""
    are_floats = z_loss.__class__ is focal_gamma.__class__ is poly_epsilon.__class__ is logit_scale.__class__ is float
    if softcap is None and are_floats and z_loss == focal_gamma == poly_epsilon == 0.0 and logit_scale == 1.0:
        return NO_TERMS  # Arrays, whose comparison has no truth value, are refused below.
    cap = 0.0 if softcap is None else real_number("softcap", softcap)
    if softcap is not None and cap == 0:
        raise ArgumentValueError(f"softcap is {cap}, but must be finite and above 0, or None")
    scale = real_number("logit_scale", logit_scale)
    if scale == 0:
        raise ArgumentValueError(f"logit_scale is {scale}, but must be finite and not 0")
    return (
        real_number("z_loss", z_loss),
        real_number("focal_gamma", focal_gamma),
        real_number("poly_epsilon", poly_epsilon),
        cap,
        scale,
    )


def temperature(value: SupportsFloat) -> float:
    """The library checks the range, but what it says of 0 is for callers from C."""
    number = real_number("temperature", value)
    if number == 0:
        raise ArgumentValueError(f"temperature is {number}, but must be finite and above 0")
    return number


def choices(
    input_type: str,
    reduction: str,
    mean_over: str | SupportsFloat,
    empty: str,
    input_types: dict[str, int] = _c_api.INPUT_TYPES,
    means: dict[str, int] = _c_api.MEAN_OVER,
) -> tuple[Choices, float]:
    """What the input is and what becomes of the rows' losses, as the library has it, and the divisor of the mean where
    ``mean_over`` is one."""
    try:
        numbers = input_types[input_type], _c_api.REDUCTIONS[reduction], means[mean_over], _c_api.EMPTY[empty]  # type: ignore[index]
        return numbers, 0.0
    except (KeyError, TypeError):  # an unknown name, or a number for mean_over
        pass
    if isinstance(mean_over, str):
        over, number = choice("mean_over", mean_over, means, " or a number above 0"), 0.0
    else:
        over, number = _c_api.MEAN_OVER_DIVISOR, divisor(mean_over)
    return (
        choice("input_type", input_type, input_types),
        choice("reduction", reduction, _c_api.REDUCTIONS),
        over,
        choice("empty", empty, _c_api.EMPTY),
    ), number


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
        raise ArgumentTypeError(f"ignore_index must be an integer, several or None, not {type(value).__name__}")
    return _c_api.IGNORE_NONE, np.array([ignore_index(each) for each in value], np.int64)


def ignore_index(value: SupportsIndex | None) -> int:
    if value is None:
        return _c_api.IGNORE_NONE
    number = integer("ignore_index", value)
    if not -(2**63) < number < 2**63:
        raise ArgumentValueError(f"ignore_index is {number}, but must be above -2**63 and below 2**63, or None")
    return number


def thread_count(name: str, value: SupportsIndex) -> int:
    """A number of threads for the library, which itself takes very large ones as its maximum."""
    number = integer(name, value)
    if number < 1:
        raise ArgumentValueError(f"{name} is {number}, but must be 1 or more, or None")
    return min(number, 2**31 - 1)
