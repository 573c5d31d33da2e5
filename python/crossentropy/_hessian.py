"""Second derivatives of the cross-entropy, without its Hessian in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NoReturn, SupportsFloat, SupportsIndex

from ._accepts import HESSIAN_DIAGONAL, HESSIAN_VECTOR_PRODUCT
from ._compute import hessian
from ._targets import SparseTarget
from ._types import Array, ArrayLike, Output

__all__ = ["hessian_diagonal", "hessian_vector_product"]


@HESSIAN_VECTOR_PRODUCT.public
def hessian_vector_product(
    x: ArrayLike,
    target: ArrayLike | SparseTarget,
    vector: ArrayLike,
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
    z_loss: SupportsFloat = 0.0,
    logit_scale: SupportsFloat = 1.0,
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    grad_loss: SupportsFloat | ArrayLike = 1.0,
    **unknown: NoReturn,
) -> Array:
    r"""The product of a vector with the Hessian of `cross_entropy` with respect to its logits.

    The Hessian H has a block for each row of ``x`` and is 0 outside of them. With target mass :math:`a_c = w_c q_c`,
    :math:`A = \sum_c a_c`, probabilities p and :math:`m = \sum_c p_c v_c` the product is for each row

    .. math:: (H v)_c = s \bigl(A\,p_c (v_c - m) + 2\,z\_loss\,p_c (m + lse\,(v_c - m))\bigr)

    divided by the divisor of the mean; with ``logit_scale`` k and ``temperature`` T times :math:`(k / T)^2`. Without
    ``z_loss``, and where no mass is negative, H is positive semi-definite. For Newton and conjugate gradient steps, and
    for the Gauss-Newton matrix of a network, of which H is the inner part.

    Args:
        x: logits, of the dtypes and kinds of ``x`` in `cross_entropy`, at least one dimension. Any strides.
        target, axis, weight, ..., threads: as in `cross_entropy`.
        vector: float32, float64, float16 or bfloat16, the shape of ``x``.
        out: array for the result, of the shape and dtype of ``x``; for float16 and bfloat16 ``x`` also float32.
            ``out=x`` and ``out=vector`` replace these; any other overlap is an error. None: a new array, of the dtype
            and the package of ``x``.
        grad_loss: a factor of the loss, and so of the result; with ``reduction="none"`` also an array of numbers of the
            rows' shape, one for each.

    Returns:
        ``out`` if it is given, else a new array. With ``reduction="none"`` each row of it is the product with the
        Hessian of that row's own loss.

    Raises:
        LabelError, ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `cross_entropy`.

    Singular cases: rows that are ignored or of weight 0 have 0 throughout, rows whose loss is NaN have NaN. A logit of
    -inf has a probability of 0, and so has its element.

    Accuracy: computed in float64 for every dtype. Relative to :math:`|A|\,p_c (|v_c - v_k| + \sum_j p_j |v_j - v_k|)`
    with the class k of the largest logit, and likewise for ``z_loss``, within 1e-6 (1e-13 for float64 ``x``; as many
    times more as logits are larger than 100).

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x, labels = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
        >>> v = np.array([[1.0, 0.0], [1.0, 1.0]])
        >>> print(ce.hessian_vector_product(x, labels, v, reduction="sum").round(6))
        [[ 0.104994 -0.104994]
         [ 0.        0.      ]]
    """
    if unknown:
        HESSIAN_VECTOR_PRODUCT.refuse(unknown)
    values = (
        weight, sample_weight, mask, ignore_index, label_smoothing, prior, target_type, reduction, mean_over, empty,
        z_loss, logit_scale, temperature, temperature_squared, threads, grad_loss,
    )  # fmt: skip
    return hessian(HESSIAN_VECTOR_PRODUCT, values, x=x, target=target, vector=vector, axis=axis, out=out)


@HESSIAN_DIAGONAL.public
def hessian_diagonal(
    x: ArrayLike,
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
    z_loss: SupportsFloat = 0.0,
    logit_scale: SupportsFloat = 1.0,
    temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False,
    out: Output | None = None,
    threads: SupportsIndex | None = None,
    grad_loss: SupportsFloat | ArrayLike = 1.0,
    **unknown: NoReturn,
) -> Array:
    r"""The diagonal of the Hessian of `cross_entropy` with respect to its logits: second derivatives of the loss.

    With the names of `hessian_vector_product`

    .. math:: H_{cc} = s \bigl(A\,p_c (1 - p_c) + 2\,z\_loss\,p_c (p_c + lse\,(1 - p_c))\bigr)

    with :math:`1 - p_c` computed without a subtraction. Without ``z_loss``, and where no mass is negative, it is at
    least 0. For preconditioners, and as the hessian of gradient-boosted trees.

    Args:
        x, target, axis, ..., grad_loss: as in `hessian_vector_product`.
        out: array for the result, of the shape and dtype of ``x``; for float16 and bfloat16 ``x`` also float32.
            ``out=x`` replaces ``x``; any other overlap is an error. None: a new array, of the dtype and the package of
            ``x``.

    Returns:
        ``out`` if it is given, else a new array. With ``reduction="none"`` each row of it belongs to that row's own
        loss.

    Raises:
        LabelError, ArgumentValueError, ArgumentTypeError, EmptyError, KeyboardInterrupt: as `hessian_vector_product`.

    Singular cases and accuracy: as `hessian_vector_product`, with the vector that is 1 at class c and else 0.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x, labels = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
        >>> print(ce.hessian_diagonal(x, labels, reduction="sum").round(6))
        [[0.104994 0.104994]
         [0.25     0.25    ]]
    """
    if unknown:
        HESSIAN_DIAGONAL.refuse(unknown)
    values = (
        weight, sample_weight, mask, ignore_index, label_smoothing, prior, target_type, reduction, mean_over, empty,
        z_loss, logit_scale, temperature, temperature_squared, threads, grad_loss,
    )  # fmt: skip
    return hessian(HESSIAN_DIAGONAL, values, x=x, target=target, axis=axis, out=out)
