"""Which public function takes which options of the table in `_options`, and what differs there."""

from __future__ import annotations

from . import _converters as convert
from ._c_api import functions as library
from ._c_api import header
from ._function import Function
from ._options import (
    AXIS,
    CLASSES,
    CLIP,
    EMPTY,
    FIRST_CLASS,
    FOCAL_GAMMA,
    FORM,
    GRAD,
    GRAD_LOSS,
    GRAD_TARGET,
    IGNORE_INDEX,
    INPUT_TYPE,
    LABEL_SMOOTHING,
    LABELS,
    LOGIT_SCALE,
    MASK,
    MEAN_OVER,
    OUT,
    POLY_EPSILON,
    POS_WEIGHT,
    PRIOR,
    REDUCTION,
    ROW_STATS,
    SAMPLE_WEIGHT,
    SOFTCAP,
    TARGET,
    TARGET_TYPE,
    TEMPERATURE,
    TEMPERATURE_SQUARED,
    THREADS,
    WEIGHT,
    Z_LOSS,
    Option,
    X,
)


def _without(names: dict[str, int], *dropped: str) -> dict[str, int]:
    return {name: number for name, number in names.items() if name not in dropped}


# ----------------------------------------------------------------------------------------------
# Cross-entropy
# ----------------------------------------------------------------------------------------------

_WITH_GRAD = (GRAD_LOSS, GRAD, GRAD_TARGET)

CROSS_ENTROPY = Function(
    "cross_entropy",
    (X, TARGET),
    (
        AXIS, INPUT_TYPE, WEIGHT, SAMPLE_WEIGHT, MASK, IGNORE_INDEX, LABEL_SMOOTHING, PRIOR, TARGET_TYPE, REDUCTION,
        MEAN_OVER, EMPTY, Z_LOSS, SOFTCAP, LOGIT_SCALE, FOCAL_GAMMA, POLY_EPSILON, TEMPERATURE, TEMPERATURE_SQUARED,
        CLIP, OUT, THREADS, ROW_STATS,
    ),
    body="loss",
    call=library.cross_entropy,
)  # fmt: skip

CROSS_ENTROPY_WITH_GRAD = Function(
    "cross_entropy_with_grad",
    CROSS_ENTROPY.positional,
    (*CROSS_ENTROPY.keywords, *_WITH_GRAD),
    body="loss",
    call=library.cross_entropy,
    with_grad=True,
    like=CROSS_ENTROPY,
)

NLL_LOSS = Function(
    "nll_loss",
    (
        X.but(
            "logarithms of probabilities, of the dtypes and kinds of ``x`` in `cross_entropy`, at least one dimension.",
            name="log_probs",
        ),
        TARGET,
    ),
    (
        AXIS, WEIGHT, SAMPLE_WEIGHT, MASK, IGNORE_INDEX, LABEL_SMOOTHING, PRIOR, TARGET_TYPE, REDUCTION, MEAN_OVER,
        EMPTY, OUT, THREADS,
    ),
    body="loss",
    call=library.cross_entropy,
    fixed={"input_type": header.INPUT_TYPES["log_probs"]},
    like=CROSS_ENTROPY,
)  # fmt: skip

# ----------------------------------------------------------------------------------------------
# Second derivatives
# ----------------------------------------------------------------------------------------------

HESSIAN_VECTOR_PRODUCT = Function(
    "hessian_vector_product",
    (
        X.but("logits, of the dtypes and kinds of ``x`` in `cross_entropy`, at least one dimension. Any strides."),
        TARGET,
        Option("vector", "ArrayLike", text="float32, float64, float16 or bfloat16, the shape of ``x``."),
    ),
    (
        AXIS, WEIGHT, SAMPLE_WEIGHT, MASK, IGNORE_INDEX, LABEL_SMOOTHING, PRIOR, TARGET_TYPE, REDUCTION, MEAN_OVER,
        EMPTY, Z_LOSS, LOGIT_SCALE, TEMPERATURE, TEMPERATURE_SQUARED,
        OUT.but(
            "array for the result, of the shape and dtype of ``x``; for float16 and bfloat16 ``x`` also float32. "
            "``out=x`` and ``out=vector`` replace these; any other overlap is an error. None: a new array, of the "
            "dtype and the package of ``x``."
        ),
        THREADS,
        GRAD_LOSS.but(
            'a factor of the loss, and so of the result; with ``reduction="none"`` also an array of numbers of the '
            "rows' shape, one for each."
        ),
    ),
    body="hessian",
    call=library.hessian_vector_product,
    like=CROSS_ENTROPY,
)  # fmt: skip

HESSIAN_DIAGONAL = Function(
    "hessian_diagonal",
    HESSIAN_VECTOR_PRODUCT.positional[:2],
    tuple(
        OUT.but(
            "array for the result, of the shape and dtype of ``x``; for float16 and bfloat16 ``x`` also float32. "
            "``out=x`` replaces ``x``; any other overlap is an error. None: a new array, of the dtype and the package "
            "of ``x``."
        )
        if option.name == "out"
        else option
        for option in HESSIAN_VECTOR_PRODUCT.keywords
    ),
    body="hessian",
    call=library.hessian_diagonal,
    like=HESSIAN_VECTOR_PRODUCT,
)

# ----------------------------------------------------------------------------------------------
# Binary cross-entropy
# ----------------------------------------------------------------------------------------------

BINARY_CROSS_ENTROPY = Function(
    "binary_cross_entropy",
    (
        X.but(
            "logits or probabilities, of the dtypes and kinds of ``x`` in `cross_entropy`, of any number of dimensions "
            "and any strides; one number, too."
        ),
        TARGET.but(
            "of the shape of ``x``. An array of integers or booleans makes it labels, 0 or 1; a floating-point array "
            "any real y, used as it is.",
            annotation="ArrayLike",
        ),
    ),
    (
        AXIS.but(
            "the dimension of ``x`` that runs over the C classes; only ``weight`` and ``pos_weight`` need it."
        ),
        INPUT_TYPE.but(
            'what ``x`` holds: ``"logits"``, any real numbers; or ``"probs"``, probabilities p.',
            names=_without(header.INPUT_TYPES, "log_probs"),
        ),
        WEIGHT.but("weights w of the classes, shape [C]; or one number for all classes."),
        POS_WEIGHT,
        SAMPLE_WEIGHT.but("weights s of the elements: of the shape of ``x``, or one that broadcasts to it."),
        IGNORE_INDEX.but(
            "elements with this label count for nothing, whatever they hold; None: all count. Labels only.",
            annotation="SupportsIndex | None",
            convert=convert.ignored_label,
        ),
        LABEL_SMOOTHING.but(r"e in [0, 1]; y becomes :math:`(1-e)\,y + e/2`."),
        REDUCTION.but('``"mean"``, ``"sum"``, or ``"none"`` for the loss of each element.'),
        MEAN_OVER.but(
            'what the mean divides by. ``"count"``: the number of elements that are not ignored; ``"weight"``: the sum '
            r"of their :math:`s\,w`; or a positive number.",
            default="count",
            names=_without(header.MEAN_OVER, "mass"),
        ),
        EMPTY,
        FOCAL_GAMMA.but(
            r":math:`\gamma`, at least 0; the first term is multiplied by :math:`(1 - p)^\gamma`, the second one by "
            r":math:`p^\gamma` (Lin et al., 2017, arXiv:1708.02002). For logits."
        ),
        CLIP,
        OUT.but(
            'float32 or float64 array for the result: of the shape of ``x`` for ``"none"``, of one element otherwise; '
            "as in `cross_entropy`."
        ),
        THREADS,
    ),
    body="loss",
    call=library.binary_cross_entropy,
    fixed={"mean_over": header.MEAN_OVER["count"]},
    per_element=True,
)  # fmt: skip

BINARY_CROSS_ENTROPY_WITH_GRAD = Function(
    "binary_cross_entropy_with_grad",
    BINARY_CROSS_ENTROPY.positional,
    (
        *BINARY_CROSS_ENTROPY.keywords,
        GRAD_LOSS.but(
            "upstream gradient, a number that multiplies ``grad`` and not the loss.", annotation="SupportsFloat"
        ),
        GRAD.but("array for the gradient, as in `cross_entropy_with_grad`; ``grad=x`` replaces ``x``."),
    ),
    body="loss",
    call=library.binary_cross_entropy,
    fixed=BINARY_CROSS_ENTROPY.fixed,
    per_element=True,
    with_grad=True,
    like=BINARY_CROSS_ENTROPY,
)

# ----------------------------------------------------------------------------------------------
# KL divergence
# ----------------------------------------------------------------------------------------------

KL_DIVERGENCE = Function(
    "kl_divergence",
    (
        X.but("predictions, of the dtypes and kinds of ``x`` in `cross_entropy`, at least one dimension. Any strides."),
        TARGET.but(
            "distributions, of any floating-point dtype, with the shape of ``x``; or a `SparseTarget`. Labels are "
            "refused: of those, the cross-entropy is the divergence."
        ),
    ),
    (
        AXIS,
        INPUT_TYPE.but(
            'what ``x`` holds: ``"logits"``, of which the softmax is taken; ``"probs"``, probabilities p as they are; '
            'or ``"log_probs"``, their logarithms.'
        ),
        TARGET_TYPE.but(
            'what ``target`` holds, or the ``probs`` of a `SparseTarget`: ``"probs"``, probabilities q as they are; '
            '``"logits"``, those of a teacher, of which the softmax is taken; or ``"log_probs"``.'
        ),
        TEMPERATURE,
        TEMPERATURE_SQUARED,
        FORM,
        SAMPLE_WEIGHT,
        MASK,
        SOFTCAP,
        LOGIT_SCALE,
        REDUCTION,
        MEAN_OVER.but(
            'what the mean divides by. ``"weight"``: the sum of :math:`s_i`; ``"count"``: the number of rows that are '
            "not ignored; or a positive number.",
            names=_without(header.MEAN_OVER, "mass"),
        ),
        EMPTY,
        OUT,
        THREADS,
    ),
    body="loss",
    call=library.kl_divergence,
)

KL_DIVERGENCE_WITH_GRAD = Function(
    "kl_divergence_with_grad",
    KL_DIVERGENCE.positional,
    (
        *KL_DIVERGENCE.keywords,
        GRAD_LOSS,
        GRAD.but("array for the gradient, as in `cross_entropy_with_grad`; ``grad=x`` replaces ``x``."),
        GRAD_TARGET.but(
            "True: also return the derivative with respect to the target, a new array of its shape, dtype and package; "
            "or an array of that shape and dtype (for 16 bits also float32) for it. Not for a `SparseTarget`."
        ),
    ),
    body="loss",
    call=library.kl_divergence,
    with_grad=True,
    like=KL_DIVERGENCE,
)

# ----------------------------------------------------------------------------------------------
# Softmax and statistics
# ----------------------------------------------------------------------------------------------

SOFTMAX = Function(
    "softmax",
    (X.but("logits, of the dtypes and kinds of ``x`` in `cross_entropy`; at least one dimension."),),
    (
        AXIS,
        SOFTCAP,
        LOGIT_SCALE,
        OUT.but(
            "array for the result, of the shape and dtype of ``x``; for 16 bits also float32. ``out=x`` replaces "
            "``x``; any other overlap is an error. None: a new array, of the dtype of ``x``."
        ),
        THREADS,
    ),
    body="per_class",
    call=library.softmax,
)

LOG_SOFTMAX = Function(
    "log_softmax", SOFTMAX.positional, SOFTMAX.keywords, body="per_class", call=library.log_softmax, like=SOFTMAX
)

LOGSUMEXP = Function(
    "logsumexp",
    SOFTMAX.positional,
    (
        AXIS,
        SOFTCAP,
        LOGIT_SCALE,
        OUT.but("float32 or float64 array for the result, of the shape of ``x`` without ``axis``."),
        THREADS,
    ),
    body="per_row",
    call=library.logsumexp,
    like=SOFTMAX,
)

ROW_STATISTICS = Function(
    "row_stats",
    (
        SOFTMAX.positional[0],
        TARGET.but(
            "labels in [0, C), with the shape of ``x`` without ``axis``; None: there are none.",
            annotation="ArrayLike | None",
            default=None,
        ),
    ),
    (
        AXIS,
        IGNORE_INDEX.but(
            "rows with this label have no target; None: every row has one.",
            annotation="SupportsIndex | None",
            convert=convert.ignored_label,
        ),
        SOFTCAP,
        LOGIT_SCALE,
        THREADS,
    ),
    body="statistics",
    like=SOFTMAX,
)

# ----------------------------------------------------------------------------------------------
# Partial statistics
# ----------------------------------------------------------------------------------------------

PARTIAL_STATISTICS = Function(
    "partial_statistics",
    (
        X.but(
            "logits of classes ``first_class``, ``first_class + 1``, ...: of the dtypes and kinds of ``x`` in "
            "`cross_entropy`, at least one dimension; ``axis`` runs over the classes of the slice, and the others over "
            "the rows."
        ),
        LABELS,
    ),
    (
        FIRST_CLASS,
        AXIS,
        IGNORE_INDEX.but(
            "rows with this label are ignored; None: no label is.",
            annotation="SupportsIndex | None",
            convert=convert.ignored_label,
        ),
        SOFTCAP.but(SOFTCAP.text + " The same for all slices."),
        LOGIT_SCALE.but(LOGIT_SCALE.text + " The same for all slices."),
        THREADS,
    ),
    body="_compute",
)

PARTIAL_LOSS = Function(
    "PartialStatistics.loss",
    (Option("self", ""),),
    (
        CLASSES,
        WEIGHT.but("weights w of the classes, of all of them."),
        SAMPLE_WEIGHT.but("weights s of the rows, of their shape."),
        REDUCTION,
        MEAN_OVER,
        EMPTY,
        Z_LOSS,
        FOCAL_GAMMA,
        POLY_EPSILON,
    ),
    body="self._loss",
    like=CROSS_ENTROPY,
)

PARTIAL_GRAD = Function(
    "PartialStatistics.grad",
    (Option("self", ""), X.but("logits of the slice, as they were given to `partial_statistics`.")),
    (
        FIRST_CLASS.but("as it was given to `partial_statistics`."),
        AXIS.but("as it was given to `partial_statistics`."),
        *PARTIAL_LOSS.keywords,
        GRAD_LOSS.but("upstream gradient, a number.", annotation="SupportsFloat", convert=convert.number),
        GRAD.but(
            "array for the gradient, of the shape and dtype of ``x``; for 16 bits also float32. ``grad=x`` replaces "
            "``x``. None: a new array."
        ),
        THREADS,
    ),
    body="self._grad",
    like=PARTIAL_LOSS,
)

FUNCTIONS = tuple(each for each in globals().values() if isinstance(each, Function))
