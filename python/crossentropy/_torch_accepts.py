"""The functions of `crossentropy.torch`, and their modules: their arguments are those of PyTorch, in its order, and
behind them options of the table in `_options`.

PyTorch is not imported here, so that ``tools/make_signatures.py`` does without.
"""

from __future__ import annotations

from ._accepts import BINARY_CROSS_ENTROPY
from ._function import Function
from ._options import (
    AXIS,
    EMPTY,
    FOCAL_GAMMA,
    IGNORE_INDEX,
    INPUT_TYPE,
    LABEL_SMOOTHING,
    LOGIT_SCALE,
    MEAN_OVER,
    POLY_EPSILON,
    POS_WEIGHT,
    REDUCTION,
    SAMPLE_WEIGHT,
    SOFTCAP,
    TARGET_TYPE,
    TEMPERATURE,
    TEMPERATURE_SQUARED,
    THREADS,
    WEIGHT,
    Z_LOSS,
    Option,
)


def _float(option: Option, text: str | None = None) -> Option:
    return option.but(text, annotation=option.annotation.replace("SupportsFloat", "float"))


def _tensor(option: Option, text: str) -> Option:
    return option.but(text, annotation="Tensor | None")


_INPUT, _TARGET = Option("input", "Tensor"), Option("target", "Tensor")
_SIZE_AVERAGE = Option(
    "size_average",
    "bool | None",
    None,
    "with ``reduce`` PyTorch's older way to say ``reduction``, which it deprecates.",
)
_REDUCE = Option("reduce", "bool | None", None, "see ``size_average``.")
_REDUCTION = REDUCTION.but('``"mean"``, ``"sum"`` or ``"none"``.')
_IGNORE_INDEX = IGNORE_INDEX.but(
    "rows with this label count for nothing; None: every row counts. Labels only.", annotation="int | None"
)
_MEAN_OVER = MEAN_OVER.but(
    'what the mean divides by: ``"weight"``, as PyTorch does; ``"mass"``; ``"count"``; or a positive number. See '
    "`crossentropy.cross_entropy`."
)
_EMPTY = EMPTY.but('the mean where that is 0: ``"nan"``, as in PyTorch, ``"zero"`` or ``"error"``.')
_DTYPE = Option(
    "dtype",
    "torch.dtype | None",
    None,
    "of the result. None: as in PyTorch, which is the dtype of ``input`` (promoted with that of ``weight`` and of "
    "distributions), and float32 for 16 bits under `torch.autocast`. The loss is computed in float32 at least, and "
    "rounded to it once.",
)
_THREADS = THREADS.but(
    "the most threads to use; None: as many as `torch.get_num_threads` says.",
    annotation="int | None",
)

CROSS_ENTROPY = Function(
    "cross_entropy",
    (
        _INPUT.but(
            "logits of shape [C], [N, C] or [N, C, d1, ...], float32, float64, float16 or bfloat16, any strides, on "
            "the CPU. Never copied."
        ),
        _TARGET.but(
            "integer labels, of the shape of ``input`` without C; or distributions, floating point, of the shape of "
            "``input``."
        ),
        _tensor(WEIGHT, "weights of the classes, shape [C]."),
        _SIZE_AVERAGE,
        _IGNORE_INDEX,
        _REDUCE,
        _REDUCTION,
        _float(LABEL_SMOOTHING, r"e in [0, 1]; a target distribution q becomes :math:`(1-e)\,q + e/C`."),
    ),
    (
        _tensor(SAMPLE_WEIGHT, "weights of the rows, of the shape of ``input`` without C."),
        _MEAN_OVER,
        _EMPTY,
        _float(Z_LOSS),
        _float(SOFTCAP),
        _float(LOGIT_SCALE),
        _float(FOCAL_GAMMA),
        _float(POLY_EPSILON),
        _DTYPE,
        _THREADS,
    ),
)

NLL_LOSS = Function(
    "nll_loss",
    (
        _INPUT.but("logarithms of probabilities, otherwise as in `cross_entropy`."),
        _TARGET.but("as in `cross_entropy`; distributions are accepted here too."),
        *CROSS_ENTROPY.positional[2:-1],
    ),
    tuple(CROSS_ENTROPY.keyword(name) for name in ("sample_weight", "mean_over", "empty", "dtype", "threads")),
    like=CROSS_ENTROPY,
)

BINARY_CROSS_ENTROPY_WITH_LOGITS = Function(
    "binary_cross_entropy_with_logits",
    (
        _INPUT.but(
            "logits of any shape, float32, float64, float16 or bfloat16, any strides, on the CPU. Never copied, but "
            "for a ``pos_weight`` that varies along several dimensions of an ``input`` that is not contiguous."
        ),
        _TARGET.but("of the shape of ``input``: floating point, any real y; or integer labels, 0 or 1."),
        _tensor(WEIGHT, "weights of the elements, of a shape that broadcasts to that of ``input``."),
        _SIZE_AVERAGE,
        _REDUCE,
        _REDUCTION,
        _tensor(
            POS_WEIGHT,
            "weights of the term of y, of a shape that broadcasts to that of ``input``: for an ``input`` [N, C] with "
            "a weight for each class [C], for one [N, C, H, W] [C, 1, 1].",
        ),
    ),
    (
        _IGNORE_INDEX.but("elements with this label count for nothing; None: all count. Labels only."),
        _float(BINARY_CROSS_ENTROPY.keyword("label_smoothing")),
        BINARY_CROSS_ENTROPY.keyword("mean_over").but(
            'what the mean divides by: ``"count"``, as PyTorch does; ``"weight"``; or a positive number. See '
            "`crossentropy.binary_cross_entropy`."
        ),
        _EMPTY,
        _float(BINARY_CROSS_ENTROPY.keyword("focal_gamma")),
        _DTYPE.but(
            "of the result. None: as in PyTorch, which is the dtype of ``target`` (of ``input`` for labels), and "
            "float32 for 16 bits under `torch.autocast`. The loss is computed in float32 at least, and rounded once."
        ),
        _THREADS,
    ),
)

KL_DIV = Function(
    "kl_div",
    (
        _INPUT.but(
            "logarithms of probabilities, any shape; float32, float64, float16 or bfloat16, any strides, on the CPU. "
            "Never copied, but for 16 bits that broadcast."
        ),
        _TARGET.but(
            "probabilities, floating point, of a shape that broadcasts with that of ``input``, and for logits equals "
            "it."
        ),
        _SIZE_AVERAGE,
        _REDUCE,
        _REDUCTION.but(
            '``"mean"``, over all elements, of which there are as many as classes times rows, with PyTorch\'s warning '
            'about it; ``"batchmean"``, the sum divided by the first length of ``input``; ``"sum"``; or ``"none"``, '
            "the loss of each element, for logits on either side that of each row. For the library elements are rows "
            'of one class, and a row costs it some 100 ns: with ``"none"`` and without logits, and where the last '
            "dimension is below some hundred, PyTorch is faster.",
            names={"none": 0, "mean": 1, "sum": 2, "batchmean": 3},
        ),
        Option("log_target", "bool", False, "whether ``target`` holds logarithms of probabilities."),
    ),
    (
        AXIS.but("for logits: the dimension that holds the classes.", annotation="int"),
        INPUT_TYPE.but('what ``input`` holds: ``"log_probs"``, ``"logits"`` or ``"probs"``.', default="log_probs"),
        TARGET_TYPE.but(
            'what ``target`` holds: ``"probs"``, ``"log_probs"`` or ``"logits"``. None: as ``log_target`` says.',
            annotation="Names | None",
            default=None,
        ),
        _float(
            TEMPERATURE,
            "T above 0, by which logits of both sides are divided. For logits on one side at least.",
        ),
        TEMPERATURE_SQUARED.but(
            "multiply the loss by :math:`T^2` (Hinton et al., 2015, arXiv:1503.02531), so that its gradients hardly "
            "depend on T."
        ),
        _DTYPE.but(
            "of the result. None: as in PyTorch, which is what both promote to, and float32 for 16 bits under "
            "`torch.autocast`. The loss is computed in float32 at least, and rounded once."
        ),
        _THREADS,
    ),
)

# The modules, by their names. A module has the arguments of its function, but for those that come with each batch.
MODULES = {
    "CrossEntropyLoss": CROSS_ENTROPY,
    "NLLLoss": NLL_LOSS,
    "BCEWithLogitsLoss": BINARY_CROSS_ENTROPY_WITH_LOGITS,
    "KLDivLoss": KL_DIV,
}
OF_A_BATCH = ("input", "target", "sample_weight")
FUNCTIONS = (CROSS_ENTROPY, NLL_LOSS, BINARY_CROSS_ENTROPY_WITH_LOGITS, KL_DIV)
