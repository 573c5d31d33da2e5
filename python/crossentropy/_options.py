r"""The table of options: the name of each, its type, its default, what is written about it, the field of the library's
options that it sets, and the converter that makes one of the other.

`_accepts` says which function takes which. From the two come the signatures of the public functions, the "Args" of
their documentation and the tuples that their bodies pass on, which ``tools/make_signatures.py`` writes, and at run time
the settings of each call. ``tests/test_signatures.py`` holds them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import _converters as convert
from ._c_api import header

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "<required>"})()


class Option(NamedTuple):
    """An argument of public functions."""

    name: str
    annotation: str
    default: Any = REQUIRED
    text: str = ""
    field: str = ""  # of `header.Options`
    convert: Callable[[Option, Any], dict[str, Any]] | None = None  # None: not a field of the library's options
    names: Mapping[str, int] = {}  # those that it may have, with their numbers in the library

    @property
    def type(self) -> str:
        """The annotation, with the names that it may have."""
        return self.annotation.replace("Names", "Literal[{}]".format(", ".join(f'"{name}"' for name in self.names)))

    def but(self, text: str | None = None, **changes: Any) -> Option:
        """The same with another text, and other changes, for functions in which it differs."""
        return self._replace(**changes) if text is None else self._replace(text=text, **changes)


# ----------------------------------------------------------------------------------------------
# Arrays that every call has
# ----------------------------------------------------------------------------------------------

X = Option(
    "x",
    "ArrayLike",
    text="predictions, float32, float64, float16 or bfloat16 (of the package ml_dtypes, say), at least one dimension: "
    "``axis`` runs over the C >= 1 classes, the others over the rows. Any strides. 16 bits are computed as float32, "
    "which holds them exactly. This and the other arrays may be of any package, torch and JAX among them: memory that "
    "``__dlpack__``, ``__array_interface__`` or the buffer protocol gives access to is read where it lies; lists, and "
    "objects that have ``__array__`` alone, are copied.",
)
TARGET = Option(
    "target",
    "ArrayLike | SparseTarget",
    text="labels, distributions or a `SparseTarget`. Integers are labels in [0, C), with the shape of ``x`` without "
    "``axis``. Floating point, of a dtype of its own, makes them distributions q, with the shape of ``x``; they are "
    "used as they are, also when they do not add up to 1. A `SparseTarget` names the classes of each row that have any "
    "probability.",
)
LABELS = Option(
    "target",
    "ArrayLike",
    text="labels, of any integer dtype, counted from class 0 whatever the slice; the shape of ``x`` without ``axis``. "
    "The label may be in any slice.",
)
AXIS = Option("axis", "SupportsIndex", -1, "the dimension of ``x`` that holds the classes.")

# ----------------------------------------------------------------------------------------------
# Meaning of the input and of the target
# ----------------------------------------------------------------------------------------------

INPUT_TYPE = Option(
    "input_type",
    "Names",
    "logits",
    r'what ``x`` holds. ``"logits"``: any real numbers; ``"probs"``: probabilities, so that the loss of a row is '
    r':math:`-s \sum w_c q_c \log x_c`; ``"log_probs"``: their logarithms, so that it is :math:`-s \sum w_c q_c x_c`.',
    "input_type",
    convert.choice,
    header.INPUT_TYPES,
)
TARGET_TYPE = Option(
    "target_type",
    "Names",
    "probs",
    'what distributions hold, or the ``probs`` of a `SparseTarget`. ``"probs"``: probabilities q; ``"logits"``: logits '
    r't of a teacher, so that :math:`q = \mathrm{softmax}(t)`; ``"log_probs"``: :math:`q = e^t`.',
    "target_type",
    convert.choice,
    header.TARGET_TYPES,
)
LABEL_SMOOTHING = Option(
    "label_smoothing",
    "SupportsFloat",
    0.0,
    r"e in [0, 1]; q becomes :math:`(1-e)\,q + e/C` (Szegedy et al., 2016, arXiv:1512.00567).",
    "label_smoothing",
    convert.number,
)
PRIOR = Option(
    "prior",
    "ArrayLike | None",
    None,
    r"numbers u, shape [C]: ``label_smoothing`` makes q :math:`(1-e)\,q + e\,u` instead, as it is, also when u does "
    "not add up to 1.",
    "prior",
    convert.weights,
)

# ----------------------------------------------------------------------------------------------
# Weights, and rows that do not count
# ----------------------------------------------------------------------------------------------

WEIGHT = Option(
    "weight",
    "ArrayLike | None",
    None,
    "weights w of the classes, shape [C]. Weights may be of any floating-point dtype, integers or booleans.",
    "weight",
    convert.weights,
)
POS_WEIGHT = Option(
    "pos_weight",
    "ArrayLike | None",
    None,
    "weights v of the classes' positive term, shape [C]; or one number for all classes.",
    "pos_weight",
    convert.weights,
)
SAMPLE_WEIGHT = Option(
    "sample_weight",
    "ArrayLike | None",
    None,
    "weights s of the rows, with the shape of ``x`` without ``axis``.",
    "sample_weight",
    convert.weights,
)
MASK = Option(
    "mask",
    "ArrayLike | None",
    None,
    "booleans or integers, with the shape of ``x`` without ``axis``: rows where it is False or 0 count for nothing, "
    "whatever they and their targets hold.",
    "mask",
    convert.mask,
)
IGNORE_INDEX = Option(
    "ignore_index",
    "SupportsIndex | Sequence[SupportsIndex] | None",
    -100,
    "rows with this label, or one of several, count for nothing, whatever they hold; None: every row counts. Labels "
    "only.",
    "ignore_index",
    convert.ignored_labels,
)

# ----------------------------------------------------------------------------------------------
# Terms of the loss
# ----------------------------------------------------------------------------------------------

Z_LOSS = Option(
    "z_loss",
    "SupportsFloat",
    0.0,
    r"at least 0; adds :math:`z\_loss \cdot lse^2` to the loss of each row, times s alone (Zoph et al., 2022, "
    "arXiv:2202.08906; Chowdhery et al., 2022, arXiv:2204.02311). For logits.",
    "z_loss",
    convert.number,
)
SOFTCAP = Option(
    "softcap",
    "SupportsFloat | None",
    None,
    r"c above 0; x, after ``logit_scale``, becomes :math:`c \tanh(x / c)`. Infinities stay. For logits.",
    "softcap",
    convert.softcap,
)
LOGIT_SCALE = Option(
    "logit_scale",
    "SupportsFloat",
    1.0,
    "not 0; x is multiplied by it, before ``softcap``; the inverse of a temperature. For logits.",
    "logit_scale",
    convert.logit_scale,
)
FOCAL_GAMMA = Option(
    "focal_gamma",
    "SupportsFloat",
    0.0,
    r":math:`\gamma`, at least 0; each term of the loss is multiplied by :math:`(1 - p_c)^\gamma`, the focal loss (Lin "
    "et al., 2017, arXiv:1708.02002), whose alpha is ``weight`` here. For logits.",
    "focal_gamma",
    convert.number,
)
POLY_EPSILON = Option(
    "poly_epsilon",
    "SupportsFloat",
    0.0,
    r":math:`\epsilon`; adds :math:`\epsilon (1 - p_c)` to each :math:`-\log p_c`, the poly-1 loss (Leng et al., 2022, "
    "arXiv:2204.12511); with ``focal_gamma`` before that multiplication. For logits.",
    "poly_epsilon",
    convert.number,
)
TEMPERATURE = Option(
    "temperature",
    "SupportsFloat",
    1.0,
    "T above 0; logits of ``x`` (after ``logit_scale`` and ``softcap``) and of the target are divided by it. For "
    "logits on one side at least.",
    "temperature",
    convert.temperature,
)
TEMPERATURE_SQUARED = Option(
    "temperature_squared",
    "bool",
    False,
    "multiply loss and gradients by :math:`T^2`, as in distillation (Hinton et al., 2015, arXiv:1503.02531), so that "
    "their size hardly depends on T.",
    "temperature_squared",
    convert.flag,
)
FORM = Option(
    "form",
    "Names",
    "generalized",
    r'``"generalized"``, as above; or ``"plain"``, :math:`s \sum_c q_c \log (q_c / p_c)` as written, also of '
    "distributions that do not add up to 1, where it may be below 0.",
    "kl_form",
    convert.choice,
    header.KL_FORMS,
)
CLIP = Option(
    "clip",
    "SupportsFloat",
    0.0,
    'e in [0, 0.5); probabilities are clamped to [e, 1 - e]. For ``input_type="probs"``.',
    "clip",
    convert.number,
)

# ----------------------------------------------------------------------------------------------
# Reduction
# ----------------------------------------------------------------------------------------------

REDUCTION = Option(
    "reduction",
    "Names",
    "mean",
    '``"mean"``, ``"sum"``, or ``"none"`` for the loss of each row.',
    "reduction",
    convert.choice,
    header.REDUCTIONS,
)
MEAN_OVER = Option(
    "mean_over",
    "Names | SupportsFloat",
    "weight",
    'what the mean divides by. ``"weight"``: the sum of :math:`s_i w_{y_i}` for labels, of :math:`s_i` for '
    'distributions; ``"mass"``: the sum of :math:`s_i w_c q_{ic}`, with q after the ``rest`` of a `SparseTarget` and '
    'before smoothing; ``"count"``: the number of rows that are not ignored, those of weight 0 included; or a positive '
    "number.",
    "mean_over",
    convert.mean_over,
    header.MEAN_OVER,
)
EMPTY = Option(
    "empty",
    "Names",
    "nan",
    'the mean where that divisor is 0. ``"nan"``: NaN; ``"zero"``: 0; ``"error"``: `EmptyError`.',
    "empty",
    convert.choice,
    header.EMPTY,
)

# ----------------------------------------------------------------------------------------------
# Outputs and gradients
# ----------------------------------------------------------------------------------------------

OUT = Option(
    "out",
    "Output | None",
    None,
    'float32 or float64 array for the result: of the rows\' shape for ``"none"``, of one element otherwise. Of NumPy, '
    "or of another package that lets others write to its arrays.",
)
GRAD_LOSS = Option(
    "grad_loss",
    "SupportsFloat | ArrayLike",
    1.0,
    'upstream gradient, a number that multiplies the gradients and not the loss; with ``reduction="none"`` also an '
    "array of numbers of the rows' shape, one for each.",
    "grad_loss",
    convert.grad_loss,
)
GRAD = Option(
    "grad",
    "Output | None",
    None,
    "array for the gradient, of the shape and dtype of ``x``; for float16 and bfloat16 ``x`` also float32. 16 bits are "
    "the float32 gradient rounded to nearest, ties to even. ``grad=x`` replaces ``x``; any other overlap is an error. "
    "None: a new array, of the dtype and the package of ``x``, as for the loss.",
)
GRAD_TARGET = Option(
    "grad_target",
    "bool | Output",
    False,
    "True: also return the derivative with respect to the target's numbers, a new array of the target's shape, dtype "
    "and package; or an array of that shape and dtype (for 16 bits also float32) for it. For distributions; not with "
    '``focal_gamma``, ``poly_epsilon`` or ``mean_over="mass"``.',
)
ROW_STATS = Option(
    "row_stats",
    "bool",
    False,
    "also return the `RowStats` of the rows, from the same pass (one more for distributions and smoothing). For "
    "logits.",
)

# ----------------------------------------------------------------------------------------------
# The computation itself
# ----------------------------------------------------------------------------------------------

THREADS = Option(
    "threads",
    "SupportsIndex | None",
    None,
    "the most threads to use; None: as many as `get_num_threads` says.",
    "threads",
    convert.thread_count,
)
FIRST_CLASS = Option(
    "first_class",
    "SupportsIndex",
    0,
    "a multiple of 4096, the library's block of classes. So is the length of every slice but the last.",
)
CLASSES = Option(
    "classes",
    "SupportsIndex | None",
    None,
    "the number of classes. None: those that have been seen, where a missing last slice goes unnoticed.",
)
