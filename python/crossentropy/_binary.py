"""Binary cross-entropy: every element of x is a problem of its own."""

from __future__ import annotations

from typing import Literal, NoReturn, SupportsFloat, SupportsIndex

from ._accepts import BINARY_CROSS_ENTROPY, BINARY_CROSS_ENTROPY_WITH_GRAD
from ._compute import loss
from ._types import Array, ArrayLike, Loss, Output

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_grad"]


@BINARY_CROSS_ENTROPY.public
def binary_cross_entropy(
    x: ArrayLike,
    target: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100,
    label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan",
    focal_gamma: SupportsFloat = 0.0,
    clip: SupportsFloat = 0.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    **unknown: NoReturn,
) -> Loss:
    r"""Binary cross-entropy of each element of ``x`` with its own target, in nats.

    With the probability :math:`p = 1 / (1 + e^{-z})` of a logit :math:`z` and the target :math:`y` the loss of an
    element is

    .. math:: s\,w \bigl(v\,y\,(-\log p) + (1 - y)\,(-\log(1 - p))\bigr)

    with the sample weight :math:`s`, the weight :math:`w` and the positive weight :math:`v` of its class. Terms whose
    factor is 0 are 0. For labels that do not exclude each other (multi-label classification), and for two classes that
    one number tells apart.

    Args:
        x: logits or probabilities, of the dtypes and kinds of ``x`` in `cross_entropy`, of any number of dimensions and
            any strides; one number, too.
        target: of the shape of ``x``. An array of integers or booleans makes it labels, 0 or 1; a floating-point array
            any real y, used as it is.
        axis: the dimension of ``x`` that runs over the C classes; only ``weight`` and ``pos_weight`` need it.
        input_type: what ``x`` holds: ``"logits"``, any real numbers; or ``"probs"``, probabilities p.
        weight: weights w of the classes, shape [C]; or one number for all classes.
        pos_weight: weights v of the classes' positive term, shape [C]; or one number for all classes.
        sample_weight: weights s of the elements: of the shape of ``x``, or one that broadcasts to it.
        ignore_index: elements with this label count for nothing, whatever they hold; None: all count. Labels only.
        label_smoothing: e in [0, 1]; y becomes :math:`(1-e)\,y + e/2`.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for the loss of each element.
        mean_over: what the mean divides by. ``"count"``: the number of elements that are not ignored; ``"weight"``: the
            sum of their :math:`s\,w`; or a positive number.
        empty: the mean where that divisor is 0. ``"nan"``: NaN; ``"zero"``: 0; ``"error"``: `EmptyError`.
        focal_gamma: :math:`\gamma`, at least 0; the first term is multiplied by :math:`(1 - p)^\gamma`, the second one
            by :math:`p^\gamma` (Lin et al., 2017, arXiv:1708.02002). For logits.
        clip: e in [0, 0.5); probabilities are clamped to [e, 1 - e]. For ``input_type="probs"``.
        out: float32 or float64 array for the result: of the shape of ``x`` for ``"none"``, of one element otherwise; as
            in `cross_entropy`.
        threads: the most threads to use; None: as many as `get_num_threads` says.

    Returns:
        ``out`` if it is given. Otherwise float64 for float64 ``x`` and float32 for all others: a scalar, or
        for ``reduction="none"`` an array of the shape of ``x``. Of NumPy or of the package of ``x``, as in
        `cross_entropy`.

    Raises:
        LabelError: an IndexError; when a label is neither 0 nor 1 nor ``ignore_index``. Its ``row`` is the index of the
            element in C order.
        ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `cross_entropy`.

    Warns:
        UserWarning: as `cross_entropy`.

    Singular cases: a logit of inf or -inf is certain: its loss is 0 where the target agrees, and inf where it does not.
    NaN makes the loss of that element NaN. A probability of 0 or 1 that the target contradicts gives inf, one outside
    [0, 1] NaN; ``clip`` avoids both. Elements that are ignored or of weight 0 have the loss 0.

    Accuracy: relative 1e-6 (1e-13 for float64 ``x``), times 1 + ``focal_gamma``, wherever the loss is a normal number,
    of tiny losses too; of two terms relative to the sum of their sizes.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x = np.array([[2.0, -1.0, 0.5], [-3.0, 0.0, 60.0]])
        >>> labels = np.array([[1, 0, 1], [0, 1, 1]])
        >>> print(f"{ce.binary_cross_entropy(x, labels):.7f}")
        0.2760002
        >>> ce.binary_cross_entropy(x, labels, reduction="none").round(4)
        array([[0.1269, 0.3133, 0.4741],
               [0.0486, 0.6931, 0.    ]])
        >>> print(ce.binary_cross_entropy(x[1, 2:], labels[1, 2:]))
        8.75651076269652e-27
    """
    if unknown:
        BINARY_CROSS_ENTROPY.refuse(unknown)
    values = (
        input_type, weight, pos_weight, sample_weight, ignore_index, label_smoothing, reduction, mean_over, empty,
        focal_gamma, clip, threads,
    )  # fmt: skip
    return loss(BINARY_CROSS_ENTROPY, values, x=x, target=target, axis=axis, out=out)


@BINARY_CROSS_ENTROPY_WITH_GRAD.public
def binary_cross_entropy_with_grad(
    x: ArrayLike,
    target: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100,
    label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan",
    focal_gamma: SupportsFloat = 0.0,
    clip: SupportsFloat = 0.0,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    grad_loss: SupportsFloat = 1.0,
    grad: Output | None = None,
    **unknown: NoReturn,
) -> tuple[Loss, Array]:
    r"""The loss of `binary_cross_entropy` and its derivative with respect to ``x``, in one pass.

    For logits the derivative is

    .. math:: s\,w \bigl((1 - y)\,p - v\,y\,(1 - p)\bigr)

    divided by the divisor of the mean, with :math:`1 - p` computed without a subtraction. For ``"probs"`` it is
    :math:`s\,w\,((1 - y) / (1 - p) - v\,y / p)`, and 0 where ``clip`` changed the probability.

    Args:
        x, target, axis, ..., threads: as in `binary_cross_entropy`.
        grad_loss: upstream gradient, a number that multiplies ``grad`` and not the loss.
        grad: array for the gradient, as in `cross_entropy_with_grad`; ``grad=x`` replaces ``x``.

    Returns:
        The loss as from `binary_cross_entropy`, and the gradient: ``grad`` if it is given. With
        ``reduction="none"`` each element of it is the derivative of that element's own loss.

    Raises:
        LabelError, ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `binary_cross_entropy`.

        After any of them but KeyboardInterrupt ``out`` and ``grad`` are as they were before the call.

    Singular cases: the gradient is exactly 0 in elements that are ignored or of weight 0, and NaN where the loss is.
    Of a logit of inf or -inf it is 0 where the target agrees, and :math:`s\,w` or :math:`-s\,w\,v` where it does not.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x = np.array([2.0, -1.0, 0.0])
        >>> loss, grad = ce.binary_cross_entropy_with_grad(x, [1, 1, 0], reduction="sum")
        >>> print(f"{loss:.6f}")
        2.133337
        >>> print(grad.round(6))
        [-0.119203 -0.731059  0.5     ]
    """
    if unknown:
        BINARY_CROSS_ENTROPY_WITH_GRAD.refuse(unknown)
    values = (
        input_type, weight, pos_weight, sample_weight, ignore_index, label_smoothing, reduction, mean_over, empty,
        focal_gamma, clip, threads, grad_loss,
    )  # fmt: skip
    return loss(BINARY_CROSS_ENTROPY_WITH_GRAD, values, x=x, target=target, axis=axis, out=out, grad=grad)
