"""What type checkers know of results. Nobody runs this: `make lint` reads it with mypy, which refuses an `assert_type`
that is wrong, also of Any, and an ignored error that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import assert_type

import crossentropy as ce

Array = npt.NDArray[Any]
Number = np.floating[Any]


class Foreign:
    """An array of another package, which has results of that package."""

    def __dlpack__(self, **options: Any) -> Any:
        return None

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return 1, 0


def losses(x: Array, labels: Array, q: Array, out: Array, other: Foreign) -> None:
    assert_type(ce.cross_entropy(x, labels), Number)
    assert_type(ce.cross_entropy([[0.0, 1.0]], [1], reduction="sum"), Number)
    assert_type(ce.cross_entropy(x, labels, reduction="none"), Array)
    assert_type(ce.cross_entropy(x, labels, out=out), Array)
    assert_type(ce.cross_entropy(x, labels, row_stats=True), tuple[Number, ce.RowStats])
    assert_type(ce.cross_entropy(x, labels, reduction="none", row_stats=True), tuple[Array, ce.RowStats])
    assert_type(ce.cross_entropy(other, labels), Any)
    assert_type(ce.nll_loss(x, labels), Number)
    assert_type(ce.nll_loss(x, labels, reduction="none"), Array)
    assert_type(ce.binary_cross_entropy(x, q), Number)
    assert_type(ce.kl_divergence(x, q, reduction="none"), Array)


def gradients(x: Array, labels: Array, q: Array, grad: Array) -> None:
    assert_type(ce.cross_entropy_with_grad(x, labels), tuple[Number, Array])
    assert_type(ce.cross_entropy_with_grad(x, labels, grad=grad, reduction="none"), tuple[Array, Array])
    assert_type(ce.cross_entropy_with_grad(x, q, grad_target=True), tuple[Number, Array, Array])
    assert_type(ce.cross_entropy_with_grad(x, q, grad_target=grad), tuple[Number, Array, Array])
    assert_type(ce.cross_entropy_with_grad(x, labels, row_stats=True), tuple[Number, Array, ce.RowStats])
    everything = ce.cross_entropy_with_grad(x, q, grad_target=True, row_stats=True)
    assert_type(everything, tuple[Number, Array, Array, ce.RowStats])
    assert_type(ce.binary_cross_entropy_with_grad(x, q), tuple[Number, Array])
    assert_type(ce.kl_divergence_with_grad(x, q), tuple[Number, Array])
    assert_type(ce.kl_divergence_with_grad(x, q, grad_target=True), tuple[Number, Array, Array])
    assert_type(ce.hessian_vector_product(x, labels, x), Array)
    assert_type(ce.hessian_diagonal(x, labels, out=grad), Array)


def others(x: Array, labels: Array) -> None:
    assert_type(ce.softmax(x), Array)
    assert_type(ce.log_softmax(x, out=x), Array)
    assert_type(ce.logsumexp(x), Array)
    assert_type(ce.row_stats(x, labels), ce.RowStats)
    statistics = ce.partial_statistics(x, labels)
    assert_type(statistics, ce.PartialStatistics)
    assert_type(statistics.loss(), Number)
    assert_type(statistics.loss(reduction="none"), Array)
    assert_type(statistics.grad(x), Array)


def mistakes(x: Array, labels: Array) -> None:
    ce.cross_entropy(x, labels, dim=1)  # type: ignore[call-overload]
    ce.cross_entropy(x, labels, reduction="batchmean")  # type: ignore[call-overload]
    ce.cross_entropy(x, labels, input_type="probabilities")  # type: ignore[call-overload]
    ce.binary_cross_entropy(x, labels, input_type="log_probs")  # type: ignore[call-overload]
    ce.row_stats(x, labels, dim=1)  # type: ignore[arg-type]
