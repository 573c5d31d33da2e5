"""`log_loss` with scikit-learn's signature, and a scorer for its model selection.

>>> from crossentropy.sklearn import log_loss
>>> probabilities = [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]]
>>> print(f"{log_loss(['spam', 'ham', 'ham', 'spam'], probabilities):.6f}")
0.216162

``log_loss_scorer`` is what scikit-learn takes as ``scoring=``: minus the `log_loss` of ``predict_proba``, as its own
``"neg_log_loss"``. Only asking for it imports scikit-learn, 1.4 or newer.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any, Literal, SupportsFloat

import numpy as np

from . import _arrays, cross_entropy
from ._arguments import real_number
from ._c_api.header import FLOAT16, FLOATS, is_bfloat16
from ._errors import ArgumentTypeError, ArgumentValueError
from ._types import Array, ArrayLike

__all__ = ["log_loss", "log_loss_scorer"]

log_loss_scorer: Any


def __getattr__(name: str) -> Any:
    if name != "log_loss_scorer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    make_scorer = import_module("sklearn.metrics").make_scorer
    return make_scorer(log_loss, greater_is_better=False, response_method="predict_proba")


def log_loss(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    normalize: bool = True,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    eps: SupportsFloat | str = 0.0,
) -> float:
    r"""Mean of minus the logarithm of the probability that was predicted for the true label.

    Arguments, their checks and the order of the classes are those of ``sklearn.metrics.log_loss``. The results differ
    in that nothing is clipped unless ``eps`` asks for it, and that every dtype has the accuracy of its own numbers:
    the loss of float16 predictions is that of the same numbers in float64.

    Args:
        y_true: labels, shape [n]: integers, booleans, whole floats or strings. Or, for several labels a row, an
            indicator matrix, shape [n, C >= 2]; the loss of a row is then the sum of those of its labels.
        y_proba: probabilities in [0, 1], shape [n, C]; its columns are the sorted labels. Shape [n] or [n, 1] for
            two labels: the probability of the greater one. float32, float64, float16, bfloat16; integers and
            booleans become float64.
        normalize: False: the sum instead of the mean.
        sample_weight: weights of the rows, shape [n]; the mean divides by their sum.
        labels: all labels, shape [C], where ``y_true`` may lack some.
        eps: e in [0, 0.5); probabilities are clamped to [e, 1 - e]. ``"auto"``: the machine epsilon of the dtype of
            ``y_proba``, which is what scikit-learn does.

    Returns:
        A float.

    Raises:
        ArgumentValueError: a ValueError; lengths or numbers of classes do not fit together, a probability is outside
            [0, 1] or NaN, a label is not among ``labels``, there are less than two labels or no rows at all.
        EmptyError: a ValueError; the weights add up to 0, so that there is no mean.
        ArgumentTypeError: a TypeError; a dtype is not accepted.

    Warns:
        UserWarning: the probabilities of a row do not add up to 1, within the square root of the machine epsilon (they
            are used as they are); or ``labels`` is not sorted (the columns are taken as sorted all the same).

    Singular cases: a probability of 0 for the true label gives inf, where scikit-learn gives 36.0 for float64, 15.9 for
    float32 and 6.9 for float16.

    Examples:
        >>> from crossentropy.sklearn import log_loss
        >>> print(f"{log_loss([1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65]):.6f}")
        0.216162
        >>> log_loss([0, 1], [0.0, 0.0])
        inf
        >>> print(f"{log_loss([0, 1], [0.0, 0.0], eps='auto'):.6f}")
        18.021827
    """
    p, machine_epsilon = _probabilities(y_proba)
    clip = machine_epsilon if isinstance(eps, str) and eps == "auto" else _eps(eps)
    target, classes = _target(y_true, labels)
    weights = None if sample_weight is None else _weights(sample_weight)
    for name, array in (("y_true", target), ("sample_weight", weights)):
        if array is not None and len(array) != len(p):
            raise ArgumentValueError(f"{name} has {len(array)} rows, but y_proba has {len(p)}")
    columns = p.shape[1] if p.ndim == 2 else 2
    if len(classes) != columns:
        source, hint = ("labels", "") if labels is not None else ("y_true", "; the argument labels gives all of them")
        raise ArgumentValueError(f"{source} has {len(classes)} classes, {classes}, but y_proba has {columns}{hint}")

    if p.ndim == 1 and target.ndim == 2:
        p = np.stack([1 - p.astype(np.float64), p], axis=1)
    input_type: Literal["probs", "log_probs"]
    if p.ndim == 2:
        if abs(np.einsum("ij->i", p) - 1).max() > 1e-8 + machine_epsilon**0.5:
            text = "The y_proba values do not sum to one. Make sure to pass probabilities."
            warnings.warn(text, UserWarning, stacklevel=2)
        input_type = "probs"
    else:
        # The logarithm of the true label's probability, without the rounding of 1 - p.
        p = p.astype(np.float64) if clip == 0 else p.astype(np.float64).clip(clip, 1 - clip)
        with np.errstate(divide="ignore"):
            p = np.where(target == 1, np.log(p), np.log1p(-p))[:, None]
        target, clip, input_type = np.zeros_like(target), 0.0, "log_probs"
    # In float64, so that a mean of float32 is not rounded again.
    loss = cross_entropy(
        p,
        target,
        input_type=input_type,
        sample_weight=weights,
        ignore_index=None,
        reduction="mean" if normalize else "sum",
        empty="error",
        clip=clip,
        out=np.empty(()),
    )
    return float(loss)


def _probabilities(y_proba: ArrayLike) -> tuple[Array, float]:
    """Shape [n, C], or [n] for two classes, of a dtype that NumPy computes with; and the epsilon of the one given."""
    p = _arrays.as_array("y_proba", y_proba)
    if is_bfloat16(p.dtype):
        p, epsilon = (p.view(np.uint16).astype(np.uint32) << 16).view(np.float32), 2.0**-7
    elif p.dtype.kind in "biuf":
        epsilon = float(np.finfo(p.dtype if p.dtype.kind == "f" and p.itemsize < 8 else np.float64).eps)
        p = p if p.dtype in FLOATS or p.dtype == FLOAT16 else p.astype(np.float64)
    else:
        raise ArgumentTypeError(f"y_proba has dtype {p.dtype}, but must be numbers")
    if p.ndim not in (1, 2):
        raise ArgumentValueError(f"y_proba has {p.ndim} dimensions, but must have 1 or 2")
    if p.size == 0:
        raise ArgumentValueError(f"y_proba has the shape {p.shape}, but must have one row and one column at least")
    lowest, highest = p.min(), p.max()
    if not (lowest >= 0 and highest <= 1):  # NaN is neither
        wrong = lowest if not lowest >= 0 else highest
        raise ArgumentValueError(f"y_proba contains {wrong}, but probabilities are in [0, 1]")
    return (p[:, 0] if p.ndim == 2 and p.shape[1] == 1 else p), epsilon


def _eps(eps: SupportsFloat | str) -> float:
    if isinstance(eps, str):
        raise ArgumentValueError(f'eps is "{eps}", but must be a number in [0, 0.5), or "auto"')
    number = real_number("eps", eps)
    if not 0 <= number < 0.5:
        raise ArgumentValueError(f'eps is {number}, but must be a number in [0, 0.5), or "auto"')
    return number


def _weights(sample_weight: ArrayLike) -> Array:
    weights = _arrays.as_array("sample_weight", sample_weight)
    if weights.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"sample_weight has dtype {weights.dtype}, but must be numbers")
    if weights.ndim != 1:
        raise ArgumentValueError(f"sample_weight has {weights.ndim} dimensions, but must have 1")
    weights = weights.astype(np.float64, copy=False)
    if not np.isfinite(weights).all():
        raise ArgumentValueError("sample_weight contains NaN or infinity")
    return weights


def _target(y_true: ArrayLike, labels: ArrayLike | None) -> tuple[Array, Array]:
    """The index of each row's label among the sorted classes, shape [n], or an indicator matrix of 0 and 1, shape
    [n, C]; and the classes."""
    y = _labels("y_true", y_true)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        if y.dtype.kind not in "biuf" or not ((y == 0) | (y == 1)).all():
            raise ArgumentValueError("y_true has several columns, but is no indicator matrix of 0 and 1")
        if labels is not None:
            raise ArgumentValueError("y_true is an indicator matrix, whose columns are the labels: labels must be None")
        return y.astype(np.float64), np.arange(y.shape[1])
    if y.ndim != 1:
        raise ArgumentValueError(f"y_true has {y.ndim} dimensions, but must have 1, or 2 as an indicator matrix")

    if labels is None:
        classes = np.unique(y)
        if len(classes) == 1:
            raise ArgumentValueError(
                f"y_true contains only one label, {classes[0].item()!r}; the argument labels gives all of them"
            )
        return np.searchsorted(classes, y), classes
    given = _labels("labels", labels)
    classes = np.unique(given)
    if given.ndim != 1 or len(classes) != len(given) or len(classes) < 2:
        raise ArgumentValueError(f"labels must be one-dimensional, at least two and each once, not {given}")
    if not np.array_equal(classes, given):
        warnings.warn(
            f"labels is {given}, but the columns of y_proba are taken as those of the sorted labels, {classes}",
            UserWarning,
            stacklevel=3,
        )
    comparable = (y.dtype.kind == "U") == (classes.dtype.kind == "U")
    unknown = np.setdiff1d(y, classes) if comparable else np.unique(y)
    if len(unknown):
        raise ArgumentValueError(f"y_true contains {unknown}, which are not among labels, {classes}")
    return np.searchsorted(classes, y), classes


def _labels(name: str, value: ArrayLike) -> Array:
    """Whole numbers, or strings."""
    labels = _arrays.as_array(name, value)
    # A list of strings and numbers would become one of strings; pandas has strings as objects.
    if labels.dtype.kind == "O" or (labels.dtype.kind == "U" and isinstance(value, (list, tuple))):
        objects = np.asarray(value, dtype=object)
        if all(isinstance(each, str) for each in objects.flat):
            return objects.astype(str)
        raise ArgumentTypeError(f"{name} has objects of several kinds, but must be numbers or strings")
    if labels.dtype.kind not in "biufUT":
        raise ArgumentTypeError(f"{name} has dtype {labels.dtype}, but must be whole numbers or strings")
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.floor(labels)).all()):
        raise ArgumentValueError(f"{name} contains numbers that are not whole, but labels must be")
    return labels.astype(str) if labels.dtype.kind == "T" else labels
