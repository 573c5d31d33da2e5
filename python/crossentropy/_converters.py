"""How the value of an option becomes fields of the library's options: the column ``convert`` of `_options`.

A converter is given the option and a value other than the default, and returns the fields that are no longer at their
defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _arguments, _arrays
from ._c_api import header
from ._errors import ArgumentValueError

if TYPE_CHECKING:
    from ._options import Option

Fields = dict[str, Any]


def choice(option: Option, value: Any) -> Fields:
    if value.__class__ is str and value in option.names:
        return {option.field: option.names[value]}
    return {option.field: _arguments.choice(option.name, value, option.names)}


def number(option: Option, value: Any) -> Fields:
    return {option.field: _arguments.real_number(option.name, value)}


def flag(option: Option, value: Any) -> Fields:
    return {option.field: int(_arguments.flag(option.name, value))}


def weights(option: Option, value: Any) -> Fields:
    return {} if value is None else {option.field: _arrays.weights(option.name, value)}


def mask(option: Option, value: Any) -> Fields:
    return {} if value is None else {option.field: _arrays.mask(value)}


def thread_count(option: Option, value: Any) -> Fields:
    return {} if value is None else {option.field: _arguments.thread_count(option.name, value)}


def ignored_label(option: Option, value: Any) -> Fields:
    return {"ignore_index": _arguments.ignore_index(value)}


def ignored_labels(option: Option, value: Any) -> Fields:
    """One label that is ignored, or several."""
    first, all_of_them = _arguments.ignored(value)
    return {"ignore_index": first} if all_of_them is None else {"ignore_index": first, "ignore_indices": all_of_them}


def mean_over(option: Option, value: Any) -> Fields:
    """A name, or the number itself that the mean is divided by."""
    if isinstance(value, str):
        return {"mean_over": _arguments.choice(option.name, value, option.names, " or a number above 0")}
    return {"mean_over": header.MEAN_OVER_DIVISOR, "mean_divisor": _arguments.divisor(value)}


def grad_loss(option: Option, value: Any) -> Fields:
    """A number for all rows, or an array with one for each."""
    scale, each = _arrays.upstream(value)
    return {"grad_loss": scale} if each is None else {"grad_losses": each}


# The library checks these ranges, but what it says of 0 is for callers from C.


def softcap(option: Option, value: Any) -> Fields:
    if value is None:
        return {}
    cap = _arguments.real_number(option.name, value)
    if cap == 0:
        raise ArgumentValueError(f"softcap is {cap}, but must be finite and above 0, or None")
    return {option.field: cap}


def logit_scale(option: Option, value: Any) -> Fields:
    scale = _arguments.real_number(option.name, value)
    if scale == 0:
        raise ArgumentValueError(f"logit_scale is {scale}, but must be finite and not 0")
    return {option.field: scale}


def temperature(option: Option, value: Any) -> Fields:
    temperature = _arguments.real_number(option.name, value)
    if temperature == 0:
        raise ArgumentValueError(f"temperature is {temperature}, but must be finite and above 0")
    return {option.field: temperature}
