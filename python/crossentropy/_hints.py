"""What would probably help: hints behind the texts of errors, and warnings of results that no probabilities give.

All of it is looked for after something has gone wrong, so that it costs nothing before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._c_api import header
from ._errors import CrossEntropyError

if TYPE_CHECKING:
    from ._function import Function
    from ._types import Array

# ----------------------------------------------------------------------------------------------
# Names of arguments
# ----------------------------------------------------------------------------------------------

# Arguments of other packages: their names here, of which the first counts that the function has, and what they are.
_AXIS = (("axis", "the dimension of {x} that holds the classes"),)
_FIRST = tuple((name, "the first argument") for name in ("x", "log_probs"))
_TARGET = (("target", "the second argument: labels or distributions"),)
_WEIGHT = (("weight", "an array with a number for each class"),)
_SAMPLE_WEIGHT = (("sample_weight", "an array with a number for each row"),)
_IGNORED = (("ignore_index", "the label of rows that do not count"),)
_SMOOTHING = (("label_smoothing", "a number from 0 to 1"),)
_TEMPERATURE = (("temperature", "by which logits are divided"), ("logit_scale", "the inverse of a temperature"))
_REDUCTION = (("reduction", 'one of "mean", "sum" and "none"'),)
_THREADS = (("threads", "the most that are used"),)
_MASK = (("mask", "True for rows that count"), ("sample_weight", "0 for what does not count"))
_FOREIGN: dict[str, tuple[tuple[str, str], ...]] = {
    "alpha": _WEIGHT,
    "class_axis": _AXIS,
    "class_weight": _WEIGHT,
    "class_weights": _WEIGHT,
    "dim": _AXIS,
    "dtype": (("out", "an array for the result, which keeps its dtype"),),
    "from_logits": (("input_type", 'whose "logits" is from_logits=True, and "probs" from_logits=False'),),
    "gamma": (("focal_gamma", "the exponent of the focal loss"),),
    "ignore_class": _IGNORED,
    "ignore_label": _IGNORED,
    "input": _FIRST,
    "labels": _TARGET,
    "log_target": (("target_type", 'whose "log_probs" is log_target=True'),),
    "logits": _FIRST,
    "n_jobs": _THREADS,
    "n_threads": _THREADS,
    "normalize": _REDUCTION,
    "num_threads": _THREADS,
    "pad_id": _IGNORED,
    "predictions": _FIRST,
    "reduce": _REDUCTION,
    "sample_weights": _SAMPLE_WEIGHT,
    "size_average": _REDUCTION,
    "smoothing": _SMOOTHING,
    "T": _TEMPERATURE,
    "targets": _TARGET,
    "weights": _WEIGHT,
    "where": _MASK,
    "y_pred": _FIRST,
    "y_proba": _FIRST,
    "y_true": _TARGET,
}


def of_unknown(function: Function, name: str, functions: Iterable[Function]) -> str:
    """Of a keyword argument that a function does not have."""
    own = [option.name for option in (*function.positional, *function.keywords)]
    for each, meaning in _FOREIGN.get(name, ()):
        if each in own:
            return f": did you mean {each}, {meaning.format(x=function.first)}?"
    if name in ("keepdims", "keepdim"):
        return ": the result has no dimension of classes; numpy.expand_dims(result, axis) gives it one of length 1"
    other = next((each.name for each in functions if name in [option.name for option in each.keywords]), None)
    if other is not None:
        return f", which {other}() has"
    from difflib import get_close_matches  # only here, as it takes a millisecond to import

    near = get_close_matches(name, own, n=1)
    return f": did you mean {near[0]}?" if near else f": it has {_listed(own)}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# Values of options of other packages.
_VALUES = {
    ("reduction", "batchmean"): '. The "batchmean" of torch is "mean" here: the sum divided by the number of rows',
    ("reduction", "sum_over_batch_size"): '. The "sum_over_batch_size" of Keras is "mean" here',
}


def of_value(name: str, value: str) -> str:
    """Of a value that an option does not have."""
    return _VALUES.get((name, value), "")


# ----------------------------------------------------------------------------------------------
# Arrays
# ----------------------------------------------------------------------------------------------


def of_labels(name: str, array: Array) -> str:
    """Of labels whose dtype is none."""
    if array.dtype.kind == "b":
        return f": {name}.astype(int) makes labels of booleans"
    if array.dtype.kind == "O" and any(map(_is_missing, array.flat)):
        return f". It has missing values: put -100 there, which ignore_index leaves out, and pass {name}.astype(int)"
    if array.dtype.kind in "OUST":
        return f": number the names, classes, {name} = numpy.unique({name}, return_inverse=True)"
    return ""


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def of_weights(name: str, value: Any) -> str:
    """Of weights whose dtype is none."""
    return f": it is a dict; numpy.array([{name}[c] for c in range(C)]) is an array" if isinstance(value, dict) else ""


def of_tensor(name: str, value: Any) -> str:
    """Of an array whose package does not share it."""
    if getattr(value, "requires_grad", False) is True:
        return f". Pass {name}.detach(); or call the function of crossentropy.torch, which autograd differentiates"
    return ""


def of_list(name: str, value: Any) -> str:
    """The text for a list that is no array: its rows have several lengths."""
    try:
        lengths = sorted({len(each) for each in value})
    except TypeError:
        return f"{name} is no array: its parts are of several kinds"
    filler = "-100, which ignore_index leaves out" if name == "target" else "-inf, which makes a class impossible"
    return (
        f"{name} is a sequence of rows of the lengths {_listed(list(map(str, lengths)))}, but all must have the same: "
        f"fill up the shorter ones with {filler}"
    )


def if_swapped(function: Function, x: Any, target: Any) -> str:
    """Of labels as x and predictions as target."""
    try:
        labels, predictions = np.asarray(x), np.asarray(target)
    except Exception:  # arrays of other packages refuse as they like
        return ""
    if predictions.dtype.kind == "f" and predictions.ndim == labels.ndim + 1 and labels.dtype.kind in "iu":
        return f". {function.first} comes first, target second: they may be swapped"
    return ""


# ----------------------------------------------------------------------------------------------
# Shapes and labels, which the library refuses
# ----------------------------------------------------------------------------------------------


def explained(
    error: CrossEntropyError,
    function: Function,
    x: Array,
    target: Array | None,
    axis: int,
    settings: Mapping[str, Any],
    out: Array | None = None,
) -> CrossEntropyError:
    """The library's error with a hint, if there is one."""
    hint = _hint(str(error), function, x, target, axis, settings, out)
    return type(error)(f"{error}{hint}") if hint else error


def _hint(
    message: str,
    function: Function,
    x: Array,
    target: Array | None,
    axis: int,
    settings: Mapping[str, Any],
    out: Array | None,
) -> str:
    rows = x.shape if function.per_element else x.shape[:axis] + x.shape[axis + 1 :]
    if target is not None and "target_probs" not in settings:
        if message.startswith("target has shape"):
            return _of_target(function, x, target, axis, rows)
        if message.startswith("label "):
            return _of_label(function, target, settings)
        if message.startswith("target holds labels"):
            return " with cross_entropy"
    if message.startswith("weight has shape") and settings["weight"].shape == rows:
        return "; weights of the rows are sample_weight"
    if message.startswith("sample_weight has shape") and settings["sample_weight"].shape == x.shape[axis : axis + 1]:
        return "; weights of the classes are weight"
    if message.startswith("out has shape") and out is not None and out.shape == rows and "reduction" not in settings:
        return f'; reduction="none" gives a number for each {"element" if function.per_element else "row"}'
    return ""


def _of_target(function: Function, x: Array, target: Array, axis: int, rows: tuple[int, ...]) -> str:
    shape, first = target.shape, function.first
    if function.per_element:
        return _of_ones("target", shape, rows) or _of_ones(first, rows, shape)
    if target.dtype.kind == "f":
        missing = np.isnan(target)
        if shape != rows or not (missing | (np.floor(target) == target)).all():
            return _of_ones("target", shape, x.shape)
        labels = "numpy.nan_to_num(target, nan=-100).astype(int)" if missing.any() else "target.astype(int)"
        ignored = ", and ignore_index=-100 leaves out what was NaN" if missing.any() else ""
        return f". {target.dtype} makes it distributions; labels are integers: {labels}{ignored}"
    if header.is_bfloat16(target.dtype):  # with which NumPy may not compute
        return _of_ones("target", shape, x.shape)
    if shape == x.shape and target.size and (target >= 0).all() and (target.sum(axis) == 1).all():
        return f". If it is one-hot: target.argmax({axis}) are labels, target.astype(float) distributions"
    others = [each for each in range(x.ndim) if each != axis and x.shape[:each] + x.shape[each + 1 :] == shape]
    if others:
        return f". If dimension {others[0]} of {first} holds the classes, pass axis={others[0]}"
    if x.ndim == 1:
        return f". {first} of one dimension is one row; binary_cross_entropy takes a number for each label"
    return _of_ones("target", shape, rows)


def _of_ones(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Where a dimension of length 1 is one too many."""
    for each in reversed(range(len(shape))):
        if shape[each] == 1 and shape[:each] + shape[each + 1 :] == wanted:
            return f": {name}.squeeze({-1 if each == len(shape) - 1 else each}) drops the dimension of length 1"
    return ""


def _of_label(function: Function, target: Array, settings: Mapping[str, Any]) -> str:
    if function.per_element:
        values = {int(each) for each in np.unique(target)[:4]}
        values -= {settings.get("ignore_index", -100)}
        if values == {1, 2}:
            return ": target - 1 has labels of 0 and 1"
        return ": (target + 1) // 2 has labels of 0 and 1" if values == {-1, 1} else ""
    counted = target[target != settings.get("ignore_index", -100)]
    lowest = int(counted.min())
    if lowest == 1:
        return ". The lowest here is 1, but labels count from 0: target - 1"
    if lowest < 0:
        return f"; ignore_index={lowest} leaves out the rows of label {lowest}"
    return ""


# ----------------------------------------------------------------------------------------------
# Results that no probabilities give
# ----------------------------------------------------------------------------------------------

_PROBS, _LOG_PROBS = header.INPUT_TYPES["probs"], header.INPUT_TYPES["log_probs"]
# Probabilities that were rounded may be above 1, and their logarithms above 0, by this much.
_ROUNDING = 0.01


def warn_if_implausible(function: Function, settings: Mapping[str, Any], x: Array, target: Array) -> None:
    """For a loss that is negative or NaN: a warning where numbers are no probabilities, or no logarithms of such. They
    are computed as they are, so it is no error."""
    name, kind = function.first, settings.get("input_type", 0)
    text = ""
    if kind == _PROBS and (lowest := _extreme(np.nanmin, x)) < 0:
        text = f'{name} holds {lowest:.4g}, but probabilities are at least 0: input_type="logits" or "log_probs"'
    elif kind == _PROBS and (highest := _extreme(np.nanmax, x)) > 1 + _ROUNDING:
        text = f"{name} holds {highest:.4g}, but probabilities are at most 1: divide percentages by 100"
    elif kind == _LOG_PROBS and (highest := _extreme(np.nanmax, x)) > _ROUNDING:
        other = "cross_entropy takes logits" if name == "log_probs" else 'input_type="logits" takes any numbers'
        text = f"{name} holds {highest:.4g}, but logarithms of probabilities are at most 0: {other}"
    elif (
        function.name.startswith("kl_")
        and not settings.get("target_type", 0)
        and (lowest := _extreme(np.nanmin, target)) < 0
    ):
        text = f'target holds {lowest:.4g}, but probabilities are at least 0: target_type="log_probs" or "logits"'
    if text:
        warnings.warn(text, UserWarning, stacklevel=5)  # in the caller's line, past three functions


def _extreme(function: Any, array: Array) -> float:
    """The least or the greatest number, 0 if there is none that NumPy compares."""
    if array.dtype.kind != "f" or np.isnan(array).all():
        return 0.0
    return float(function(array))
