"""The Kullback-Leibler divergence of predictions from target distributions."""

from __future__ import annotations

from typing import Literal, NoReturn, SupportsFloat, SupportsIndex

from ._accepts import KL_DIVERGENCE, KL_DIVERGENCE_WITH_GRAD
from ._compute import loss
from ._targets import SparseTarget
from ._types import Array, ArrayLike, Loss, Output

__all__ = ["kl_divergence", "kl_divergence_with_grad"]


@KL_DIVERGENCE.public
def kl_divergence(
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    *,
    axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs",
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> Loss:
    r"""Kullback-Leibler divergence of predictions from target distributions, in nats.

    With predictions :math:`p`, the target distribution :math:`q` and the sample weight :math:`s` of a row the loss of
    the row is

    .. math:: s \sum_c \Bigl(q_c \log \frac{q_c}{p_c} - q_c + p_c\Bigr)

    (Kullback and Leibler, 1951), which for distributions that add up to 1 is :math:`s \sum_c q_c \log (q_c / p_c)`. No
    term of it is below 0, so nothing cancels: it is never below 0, keeps its digits however small it is, and is exactly
    0 where p and q are the same; for logits on both sides also where they differ by a constant, if that difference is
    exact.

    Knowledge distillation (Hinton et al., 2015, arXiv:1503.02531): the logits of a student as ``x``, those of a teacher
    as ``target`` with ``target_type="logits"``, a ``temperature``, and ``temperature_squared=True``.

    Args:
        x: predictions, of the dtypes and kinds of ``x`` in `cross_entropy`, at least one dimension. Any strides.
        target: distributions, of any floating-point dtype, with the shape of ``x``; or a `SparseTarget`. Labels are
            refused: of those, the cross-entropy is the divergence.
        axis: the dimension of ``x`` that holds the classes.
        input_type: what ``x`` holds: ``"logits"``, of which the softmax is taken; ``"probs"``, probabilities p as they
            are; or ``"log_probs"``, their logarithms.
        target_type: what ``target`` holds, or the ``probs`` of a `SparseTarget`: ``"probs"``, probabilities q as they
            are; ``"logits"``, those of a teacher, of which the softmax is taken; or ``"log_probs"``.
        temperature: T above 0; logits of ``x`` (after ``logit_scale`` and ``softcap``) and of the target are divided by
            it. For logits on one side at least.
        temperature_squared: multiply loss and gradients by :math:`T^2`, as in distillation (Hinton et al., 2015,
            arXiv:1503.02531), so that their size hardly depends on T.
        form: ``"generalized"``, as above; or ``"plain"``, :math:`s \sum_c q_c \log (q_c / p_c)` as written, also of
            distributions that do not add up to 1, where it may be below 0.
        sample_weight: weights s of the rows, with the shape of ``x`` without ``axis``.
        mask: booleans or integers, with the shape of ``x`` without ``axis``: rows where it is False or 0 count for
            nothing, whatever they and their targets hold.
        softcap: c above 0; x, after ``logit_scale``, becomes :math:`c \tanh(x / c)`. Infinities stay. For logits.
        logit_scale: not 0; x is multiplied by it, before ``softcap``; the inverse of a temperature. For logits.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for the loss of each row.
        mean_over: what the mean divides by. ``"weight"``: the sum of :math:`s_i`; ``"count"``: the number of rows that
            are not ignored; or a positive number.
        empty: the mean where that divisor is 0. ``"nan"``: NaN; ``"zero"``: 0; ``"error"``: `EmptyError`.
        out: float32 or float64 array for the result: of the rows' shape for ``"none"``, of one element otherwise. Of
            NumPy, or of another package that lets others write to its arrays.
        threads: the most threads to use; None: as many as `get_num_threads` says.

    Returns:
        As `cross_entropy`.

    Raises:
        LabelError: an IndexError; when a row of a `SparseTarget` names a class twice, or one outside of [0, C).
        ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `cross_entropy`; an
            ArgumentTypeError, too, when ``target`` holds labels.

    Warns:
        UserWarning: as `cross_entropy`, for ``x`` and for ``target``.

    Singular cases: where q_c = 0 the term is p_c (0 with ``form="plain"``). p_c = 0 < q_c makes the loss inf. NaN, a
    negative probability on either side, and for logits inf or nothing but -inf, make the loss of the row NaN. Ignored
    rows and rows of weight 0 have the loss 0.

    Accuracy: with float64 on either side, a row's divergence D is within 1e-13 D, and :math:`e \sqrt{2 D} + e^2` more
    for e = 1e-15 (1 + L) and the largest :math:`|\log p_c|` or :math:`|\log q_c|`, L: what one rounding of the
    logarithms costs. Otherwise it is within 1e-6 D and the same more. Then it is rounded to the dtype of the loss.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> student, teacher = np.array([[1.0, 2.0, 0.0]]), np.array([[1.5, 2.5, -0.5]])
        >>> print(f"{ce.kl_divergence(student, teacher, target_type='logits'):.7f}")
        0.0234747
        >>> print(ce.kl_divergence(student, student + 8, target_type="logits"))
        0.0
        >>> options = {"target_type": "logits", "temperature": 4.0, "temperature_squared": True}
        >>> print(f"{ce.kl_divergence(student, teacher, **options):.7f}")
        0.0868997
    """
    if unknown:
        KL_DIVERGENCE.refuse(unknown)
    values = (
        input_type, target_type, temperature, temperature_squared, form, sample_weight, mask, softcap, logit_scale,
        reduction, mean_over, empty, threads,
    )  # fmt: skip
    return loss(KL_DIVERGENCE, values, x=x, target=target, axis=axis, out=out)


@KL_DIVERGENCE_WITH_GRAD.public
def kl_divergence_with_grad(
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    *,
    axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs",
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan",
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Output | None = None,
    grad_target: bool | Output = False,
    **unknown: NoReturn,
) -> tuple[Loss, Array] | tuple[Loss, Array, Array]:
    r"""The loss of `kl_divergence` and its derivatives with respect to ``x`` and, if asked for, the target.

    With :math:`d_c = \log q_c - \log p_c` and :math:`Q = \sum_c q_c` they are, times s and divided by the divisor
    of the mean:

    ==================  ==============================  =======================================================
    what it holds       with respect to ``x``           with respect to the target
    ==================  ==============================  =======================================================
    logits              :math:`(Q p_c - q_c) / T`       :math:`q_c (d_c - \sum_k q_k d_k) / T`
    log-probabilities   :math:`p_c - q_c`               :math:`q_c d_c`
    probabilities       :math:`1 - q_c / p_c`           :math:`d_c`
    ==================  ==============================  =======================================================

    and with ``form="plain"`` :math:`-q_c` and :math:`-q_c / p_c`, and :math:`q_c (d_c + 1)` and :math:`d_c + 1`, where
    it does not hold logits.

    Args:
        x, target, axis, ..., threads: as in `kl_divergence`.
        grad_loss: upstream gradient, a number that multiplies the gradients and not the loss; with ``reduction="none"``
            also an array of numbers of the rows' shape, one for each.
        grad: array for the gradient, as in `cross_entropy_with_grad`; ``grad=x`` replaces ``x``.
        grad_target: True: also return the derivative with respect to the target, a new array of its shape, dtype and
            package; or an array of that shape and dtype (for 16 bits also float32) for it. Not for a `SparseTarget`.

    Returns:
        A tuple of the loss as from `kl_divergence`, the gradient (``grad`` if it is given), and with ``grad_target``
        that of the target. With ``reduction="none"`` each row of them is the gradient of that row's own loss.

    Raises:
        LabelError, ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `kl_divergence`.

        After any of them but KeyboardInterrupt ``out``, ``grad`` and ``grad_target`` are as they were before the call.

    Singular cases: the gradients are exactly 0 in ignored rows and in rows of weight 0, and NaN throughout a row whose
    loss is NaN. Where the loss is inf because p_c = 0 < q_c, the gradient stays finite for logits and
    log-probabilities, and is -inf for probabilities.

    Accuracy: within 1e-13 (1e-6 without float64 on either side) of the larger of p_c and q_c (for float64 logits of
    magnitude 100 and more as many times more as they are larger than 100), then rounded to the dtype of the gradient.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x, q = np.array([[1.0, 2.0, 0.0]]), np.array([[0.25, 0.5, 0.25]])
        >>> loss, grad, grad_target = ce.kl_divergence_with_grad(x, q, grad_target=True)
        >>> print(f"{loss:.6f}")
        0.117885
        >>> print(grad.round(6))
        [[-0.005272  0.165241 -0.159969]]
        >>> print(grad_target.round(6))
        [[ 0.021312 -0.285541  1.021312]]
    """
    if unknown:
        KL_DIVERGENCE_WITH_GRAD.refuse(unknown)
    values = (
        input_type, target_type, temperature, temperature_squared, form, sample_weight, mask, softcap, logit_scale,
        reduction, mean_over, empty, threads, grad_loss,
    )  # fmt: skip
    return loss(
        KL_DIVERGENCE_WITH_GRAD, values, x=x, target=target, axis=axis, out=out, grad=grad, grad_target=grad_target,
    )  # fmt: skip
