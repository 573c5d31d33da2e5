"""Cross-entropy of predictions with labels or with distributions over classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn, SupportsFloat, SupportsIndex

from ._accepts import CROSS_ENTROPY, CROSS_ENTROPY_WITH_GRAD, NLL_LOSS
from ._compute import loss
from ._softmax import RowStats
from ._targets import SparseTarget
from ._types import ArrayLike, Loss, Output

__all__ = ["cross_entropy", "cross_entropy_with_grad", "nll_loss"]


@CROSS_ENTROPY.public
def cross_entropy(
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    *,
    axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100,
    label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None,
    target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
    z_loss: SupportsFloat = 0.0,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    focal_gamma: SupportsFloat = 0.0,
    poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    clip: SupportsFloat = 0.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    row_stats: bool = False,
    **unknown: NoReturn,
) -> Loss | tuple[Loss, RowStats]:
    r"""Cross-entropy of predictions with labels or with distributions over classes, in nats.

    With logits :math:`z`, their probabilities :math:`p = \mathrm{softmax}(z)`, the target distribution :math:`q`, class
    weights :math:`w` and the sample weight :math:`s` of a row, the loss of the row is

    .. math:: s \sum_c w_c q_c (-\log p_c) = s \sum_c w_c q_c (lse - z_c), \qquad lse = \log \sum_k e^{z_k}

    which for a label :math:`y` is :math:`s\,w_y (lse - z_y)`. Terms with :math:`w_c q_c = 0` are 0.

    Args:
        x: predictions, float32, float64, float16 or bfloat16 (of the package ml_dtypes, say), at least one dimension:
            ``axis`` runs over the C >= 1 classes, the others over the rows. Any strides. 16 bits are computed as
            float32, which holds them exactly. This and the other arrays may be of any package, torch and JAX among
            them: memory that ``__dlpack__``, ``__array_interface__`` or the buffer protocol gives access to is read
            where it lies; lists, and objects that have ``__array__`` alone, are copied.
        target: labels, distributions or a `SparseTarget`. Integers are labels in [0, C), with the shape of ``x``
            without ``axis``. Floating point, of a dtype of its own, makes them distributions q, with the shape of
            ``x``; they are used as they are, also when they do not add up to 1. A `SparseTarget` names the classes of
            each row that have any probability.
        axis: the dimension of ``x`` that holds the classes.
        input_type: what ``x`` holds. ``"logits"``: any real numbers; ``"probs"``: probabilities, so that the loss of a
            row is :math:`-s \sum w_c q_c \log x_c`; ``"log_probs"``: their logarithms, so that it is
            :math:`-s \sum w_c q_c x_c`.
        weight: weights w of the classes, shape [C]. Weights may be of any floating-point dtype, integers or booleans.
        sample_weight: weights s of the rows, with the shape of ``x`` without ``axis``.
        mask: booleans or integers, with the shape of ``x`` without ``axis``: rows where it is False or 0 count for
            nothing, whatever they and their targets hold.
        ignore_index: rows with this label, or one of several, count for nothing, whatever they hold; None: every row
            counts. Labels only.
        label_smoothing: e in [0, 1]; q becomes :math:`(1-e)\,q + e/C` (Szegedy et al., 2016, arXiv:1512.00567).
        prior: numbers u, shape [C]: ``label_smoothing`` makes q :math:`(1-e)\,q + e\,u` instead, as it is, also when u
            does not add up to 1.
        target_type: what distributions hold, or the ``probs`` of a `SparseTarget`. ``"probs"``: probabilities q;
            ``"logits"``: logits t of a teacher, so that :math:`q = \mathrm{softmax}(t)`; ``"log_probs"``:
            :math:`q = e^t`.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for the loss of each row.
        mean_over: what the mean divides by. ``"weight"``: the sum of :math:`s_i w_{y_i}` for labels, of :math:`s_i` for
            distributions; ``"mass"``: the sum of :math:`s_i w_c q_{ic}`, with q after the ``rest`` of a `SparseTarget`
            and before smoothing; ``"count"``: the number of rows that are not ignored, those of weight 0 included; or a
            positive number.
        empty: the mean where that divisor is 0. ``"nan"``: NaN; ``"zero"``: 0; ``"error"``: `EmptyError`.
        z_loss: at least 0; adds :math:`z\_loss \cdot lse^2` to the loss of each row, times s alone (Zoph et al., 2022,
            arXiv:2202.08906; Chowdhery et al., 2022, arXiv:2204.02311). For logits.
        softcap: c above 0; x, after ``logit_scale``, becomes :math:`c \tanh(x / c)`. Infinities stay. For logits.
        logit_scale: not 0; x is multiplied by it, before ``softcap``; the inverse of a temperature. For logits.
        focal_gamma: :math:`\gamma`, at least 0; each term of the loss is multiplied by :math:`(1 - p_c)^\gamma`, the
            focal loss (Lin et al., 2017, arXiv:1708.02002), whose alpha is ``weight`` here. For logits.
        poly_epsilon: :math:`\epsilon`; adds :math:`\epsilon (1 - p_c)` to each :math:`-\log p_c`, the poly-1 loss (Leng
            et al., 2022, arXiv:2204.12511); with ``focal_gamma`` before that multiplication. For logits.
        temperature: T above 0; logits of ``x`` (after ``logit_scale`` and ``softcap``) and of the target are divided by
            it. For logits on one side at least.
        temperature_squared: multiply loss and gradients by :math:`T^2`, as in distillation (Hinton et al., 2015,
            arXiv:1503.02531), so that their size hardly depends on T.
        clip: e in [0, 0.5); probabilities are clamped to [e, 1 - e]. For ``input_type="probs"``.
        out: float32 or float64 array for the result: of the rows' shape for ``"none"``, of one element otherwise. Of
            NumPy, or of another package that lets others write to its arrays.
        threads: the most threads to use; None: as many as `get_num_threads` says.
        row_stats: also return the `RowStats` of the rows, from the same pass (one more for distributions and
            smoothing). For logits.

    Returns:
        ``out`` if it is given. Otherwise float64 for float64 ``x`` and float32 for all others: a scalar, or for
        ``reduction="none"`` an array of the shape of ``x`` without ``axis`` (a scalar if ``x`` has one dimension). It
        is of NumPy; or of the package of ``x`` if that has ``from_dlpack``, as torch, JAX and the array API standard
        do. With ``row_stats`` a tuple of it and the `RowStats`.

    Raises:
        LabelError: an IndexError; when a label is neither in [0, C) nor ``ignore_index``, or a row of a `SparseTarget`
            names a class twice.
        ArgumentValueError: a ValueError; when shapes do not fit together, an option is unknown, outside its range or
            contradicts another one, or ``out`` is read-only or overlaps an input.
        ArgumentTypeError: a TypeError; when a dtype, the kind of an argument or its name is not accepted, an array is
            not on the CPU, or its package does not share it (torch, if it requires a gradient).
        EmptyError: a ValueError; when the divisor of the mean is 0, and ``empty="error"``.
        KeyboardInterrupt: at once, when Ctrl-C is pressed during a long call in the main thread.

        After any of them but KeyboardInterrupt ``out`` is as it was before the call.

    Warns:
        UserWarning: when a mean or sum is negative or NaN, and ``x`` holds no probabilities, or no logarithms of such,
            though ``input_type`` says so. They are computed as they are.

    Singular cases: a logit of -inf is an impossible class, and the loss of a row whose target it is is inf. NaN or inf
    among the logits of a row, or nothing but -inf, makes its loss NaN; so it is with the logits of a teacher. A
    probability of 0 at the target gives inf, which ``clip`` avoids, and a negative one NaN. Ignored rows and rows of
    weight 0 have the loss 0.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x = np.array([[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]])
        >>> labels = np.array([2, 0])
        >>> print(f"{ce.cross_entropy(x, labels):.7f}")
        0.8178187
        >>> print(f"{ce.cross_entropy(x, labels, input_type='probs'):.7f}")
        0.4581454
        >>> ce.cross_entropy(x, labels, reduction="none").shape
        (2,)
    """
    if unknown:
        CROSS_ENTROPY.refuse(unknown)
    values = (
        input_type, weight, sample_weight, mask, ignore_index, label_smoothing, prior, target_type, reduction,
        mean_over, empty, z_loss, softcap, logit_scale, focal_gamma, poly_epsilon, temperature, temperature_squared,
        clip, threads,
    )  # fmt: skip
    return loss(CROSS_ENTROPY, values, x=x, target=target, axis=axis, out=out, row_stats=row_stats)


@CROSS_ENTROPY_WITH_GRAD.public
def cross_entropy_with_grad(
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    *,
    axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100,
    label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None,
    target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
    z_loss: SupportsFloat = 0.0,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    focal_gamma: SupportsFloat = 0.0,
    poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    clip: SupportsFloat = 0.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    row_stats: bool = False,
    grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Output | None = None,
    grad_target: bool | Output = False,
    **unknown: NoReturn,
) -> tuple[Any, ...]:
    r"""The loss of `cross_entropy` and its derivative with respect to ``x``, in one pass.

    For a row of logits with target mass :math:`a_c = w_c q_c`, :math:`A = \sum_c a_c` and probabilities
    :math:`p = \mathrm{softmax}(z)` the gradient is

    .. math:: s\,(A\,p_c - a_c)

    divided by the divisor of the mean. For ``"probs"`` it is :math:`-s\,a_c / x_c`, and 0 where ``clip`` changed the
    probability; for ``"log_probs"`` it is :math:`-s\,a_c`.

    With respect to distributions, ``grad_target``, it is with :math:`f_c = -\log p_c`

    .. math:: u_c = s\,w_c (1 - e) f_c, \qquad q_c u_c, \qquad q_c \Bigl(u_c - \sum_k q_k u_k\Bigr) / T

    for probabilities, for log-probabilities and for the logits of a teacher.

    Args:
        x, target, axis, ..., row_stats: as in `cross_entropy`.
        grad_loss: upstream gradient, a number that multiplies the gradients and not the loss; with ``reduction="none"``
            also an array of numbers of the rows' shape, one for each.
        grad: array for the gradient, of the shape and dtype of ``x``; for float16 and bfloat16 ``x`` also float32. 16
            bits are the float32 gradient rounded to nearest, ties to even. ``grad=x`` replaces ``x``; any other overlap
            is an error. None: a new array, of the dtype and the package of ``x``, as for the loss.
        grad_target: True: also return the derivative with respect to the target's numbers, a new array of the target's
            shape, dtype and package; or an array of that shape and dtype (for 16 bits also float32) for it. For
            distributions; not with ``focal_gamma``, ``poly_epsilon`` or ``mean_over="mass"``.

    Returns:
        A tuple of the loss as from `cross_entropy`, the gradient (``grad`` if it is given), with ``grad_target`` that
        of the target (the array if one is given), and with ``row_stats`` the `RowStats`. With ``reduction="none"`` each
        row of a gradient is that of the row's own loss.

    Raises:
        LabelError, ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `cross_entropy`.

        After any of them but KeyboardInterrupt ``out``, ``grad`` and ``grad_target`` are as they were before the call.

    Singular cases: the gradient is exactly 0 in ignored rows and in rows of weight 0, and NaN throughout a row whose
    loss is NaN. The probability of a logit of -inf is 0. Where the divisor of the mean is 0, the gradient is 0 in rows
    without weight, and in the others NaN (``empty="nan"``) or 0 (``empty="zero"``). A probability of 0 at the target
    has the gradient -inf. Where q_c = 0, ``grad_target`` for probabilities may be inf: the loss would be, for any other
    q_c.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x = np.array([[2.0, 0.0], [0.0, 0.0]])
        >>> loss, grad = ce.cross_entropy_with_grad(x, [0, 1], reduction="sum")
        >>> print(f"{loss:.6f}")
        0.820075
        >>> print(grad.round(6))
        [[-0.119203  0.119203]
         [ 0.5      -0.5     ]]
    """
    if unknown:
        CROSS_ENTROPY_WITH_GRAD.refuse(unknown)
    values = (
        input_type, weight, sample_weight, mask, ignore_index, label_smoothing, prior, target_type, reduction,
        mean_over, empty, z_loss, softcap, logit_scale, focal_gamma, poly_epsilon, temperature, temperature_squared,
        clip, threads, grad_loss,
    )  # fmt: skip
    return loss(
        CROSS_ENTROPY_WITH_GRAD, values, x=x, target=target, axis=axis, out=out, row_stats=row_stats, grad=grad,
        grad_target=grad_target,
    )  # fmt: skip


@NLL_LOSS.public
def nll_loss(
    log_probs: ArrayLike,
    target: ArrayLike | SparseTarget,
    *,
    axis: SupportsIndex = -1,
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100,
    label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None,
    target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> Loss:
    r"""Negative log-likelihood of labels or distributions, from logarithms of probabilities.

    The loss of a row is

    .. math:: -s \sum_c w_c q_c \log p_c

    which for a label :math:`y` is :math:`-s\,w_y \log p_y`. The logarithms are read from ``log_probs`` without another
    softmax: the same as ``cross_entropy(log_probs, target, input_type="log_probs", ...)``.

    Args:
        log_probs: logarithms of probabilities, of the dtypes and kinds of ``x`` in `cross_entropy`, at least one
            dimension.
        target, axis, weight, ..., threads: as in `cross_entropy`.

    Returns:
        As `cross_entropy`.

    Raises:
        LabelError, ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `cross_entropy`.

    Warns:
        UserWarning: as `cross_entropy`.

    Singular cases: -inf at the target gives inf. Classes without target mass are not read.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> log_probs = np.log([[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]])
        >>> print(f"{ce.nll_loss(log_probs, [2, 0]):.7f}")
        0.4581454
    """
    if unknown:
        NLL_LOSS.refuse(unknown)
    values = (
        weight, sample_weight, mask, ignore_index, label_smoothing, prior, target_type, reduction, mean_over, empty,
        threads,
    )  # fmt: skip
    return loss(NLL_LOSS, values, x=log_probs, target=target, axis=axis, out=out)
