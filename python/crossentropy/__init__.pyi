# Written by tools/make_signatures.py: what type checkers know of the package. Arrays of other packages have
# results of these packages, which are not typed here.

from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat, SupportsIndex, overload

import numpy as np

from ._accumulator import Accumulator as Accumulator
from ._c_api.library import VERSION as __version__
from ._errors import ArgumentTypeError as ArgumentTypeError
from ._errors import ArgumentValueError as ArgumentValueError
from ._errors import CrossEntropyError as CrossEntropyError
from ._errors import EmptyError as EmptyError
from ._errors import LabelError as LabelError
from ._partial import PartialStatistics as PartialStatistics
from ._partial import partial_statistics as partial_statistics
from ._runtime import Info as Info
from ._runtime import get_num_threads as get_num_threads
from ._runtime import info as info
from ._runtime import set_num_threads as set_num_threads
from ._softmax import RowStats as RowStats
from ._softmax import row_stats as row_stats
from ._targets import SparseTarget as SparseTarget
from ._types import Array, ArrayLike, NumPyLike, Output

__all__ = [
    "Accumulator",
    "ArgumentTypeError",
    "ArgumentValueError",
    "CrossEntropyError",
    "EmptyError",
    "Info",
    "LabelError",
    "PartialStatistics",
    "RowStats",
    "SparseTarget",
    "__version__",
    "binary_cross_entropy",
    "binary_cross_entropy_with_grad",
    "cross_entropy",
    "cross_entropy_with_grad",
    "get_num_threads",
    "hessian_diagonal",
    "hessian_vector_product",
    "info",
    "kl_divergence",
    "kl_divergence_with_grad",
    "log_softmax",
    "logsumexp",
    "nll_loss",
    "partial_statistics",
    "row_stats",
    "set_num_threads",
    "softmax",
]

@overload
def binary_cross_entropy(
    x: NumPyLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum"] = "mean", mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan", focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0,
    out: None = None, threads: SupportsIndex | None = None,
) -> np.floating[Any]: ...  # fmt: skip
@overload
def binary_cross_entropy(
    x: NumPyLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0, reduction: Literal["none"],
    mean_over: Literal["weight", "count"] | SupportsFloat = "count", empty: Literal["nan", "zero", "error"] = "nan",
    focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0, out: Array | None = None,
    threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def binary_cross_entropy(
    x: NumPyLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean", mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan", focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0,
    out: Array, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def binary_cross_entropy(
    x: ArrayLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean", mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan", focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0,
    out: Output | None = None, threads: SupportsIndex | None = None,
) -> Any: ...  # fmt: skip
@overload
def binary_cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum"] = "mean", mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan", focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0,
    out: None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat = 1.0, grad: Array | None = None,
) -> tuple[np.floating[Any], Array]: ...  # fmt: skip
@overload
def binary_cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0, reduction: Literal["none"],
    mean_over: Literal["weight", "count"] | SupportsFloat = "count", empty: Literal["nan", "zero", "error"] = "nan",
    focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0, out: Array | None = None,
    threads: SupportsIndex | None = None, grad_loss: SupportsFloat = 1.0, grad: Array | None = None,
) -> tuple[Array, Array]: ...  # fmt: skip
@overload
def binary_cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean", mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan", focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0,
    out: Array, threads: SupportsIndex | None = None, grad_loss: SupportsFloat = 1.0, grad: Array | None = None,
) -> tuple[Array, Array]: ...  # fmt: skip
@overload
def binary_cross_entropy_with_grad(
    x: ArrayLike, target: ArrayLike, *, axis: SupportsIndex = -1, input_type: Literal["logits", "probs"] = "logits",
    weight: ArrayLike | None = None, pos_weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None,
    ignore_index: SupportsIndex | None = -100, label_smoothing: SupportsFloat = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean", mean_over: Literal["weight", "count"] | SupportsFloat = "count",
    empty: Literal["nan", "zero", "error"] = "nan", focal_gamma: SupportsFloat = 0.0, clip: SupportsFloat = 0.0,
    out: Output | None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat = 1.0,
    grad: Output | None = None,
) -> Any: ...  # fmt: skip
@overload
def hessian_diagonal(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1, weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, logit_scale: SupportsFloat = 1.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, out: Array | None = None,
    threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
) -> Array: ...  # fmt: skip
@overload
def hessian_diagonal(
    x: ArrayLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1, weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, logit_scale: SupportsFloat = 1.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, out: Output | None = None,
    threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
) -> Any: ...  # fmt: skip
@overload
def hessian_vector_product(
    x: NumPyLike, target: ArrayLike | SparseTarget, vector: ArrayLike, *, axis: SupportsIndex = -1,
    weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, logit_scale: SupportsFloat = 1.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, out: Array | None = None,
    threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
) -> Array: ...  # fmt: skip
@overload
def hessian_vector_product(
    x: ArrayLike, target: ArrayLike | SparseTarget, vector: ArrayLike, *, axis: SupportsIndex = -1,
    weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, logit_scale: SupportsFloat = 1.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, out: Output | None = None,
    threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
) -> Any: ...  # fmt: skip
@overload
def kl_divergence(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: None = None, threads: SupportsIndex | None = None,
) -> np.floating[Any]: ...  # fmt: skip
@overload
def kl_divergence(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["none"],
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Array | None = None, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def kl_divergence(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Array, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def kl_divergence(
    x: ArrayLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Output | None = None, threads: SupportsIndex | None = None,
) -> Any: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[np.floating[Any], Array]: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[np.floating[Any], Array, Array]: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["none"],
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Array | None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[Array, Array]: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["none"],
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Array | None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[Array, Array, Array]: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Array, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[Array, Array]: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Array, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[Array, Array, Array]: ...  # fmt: skip
@overload
def kl_divergence_with_grad(
    x: ArrayLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits",
    target_type: Literal["probs", "logits", "log_probs"] = "probs", temperature: SupportsFloat = 1.0,
    temperature_squared: bool = False, form: Literal["generalized", "plain"] = "generalized",
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "count"] | SupportsFloat = "weight", empty: Literal["nan", "zero", "error"] = "nan",
    out: Output | None = None, threads: SupportsIndex | None = None, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Output | None = None, grad_target: bool | Output = False,
) -> Any: ...  # fmt: skip
@overload
def cross_entropy(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: None = None,
    threads: SupportsIndex | None = None, row_stats: Literal[False] = False,
) -> np.floating[Any]: ...  # fmt: skip
@overload
def cross_entropy(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: None = None,
    threads: SupportsIndex | None = None, row_stats: Literal[True],
) -> tuple[np.floating[Any], RowStats]: ...  # fmt: skip
@overload
def cross_entropy(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Array | None = None, threads: SupportsIndex | None = None, row_stats: Literal[False] = False,
) -> Array: ...  # fmt: skip
@overload
def cross_entropy(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Array | None = None, threads: SupportsIndex | None = None, row_stats: Literal[True],
) -> tuple[Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: Array,
    threads: SupportsIndex | None = None, row_stats: Literal[False] = False,
) -> Array: ...  # fmt: skip
@overload
def cross_entropy(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: Array,
    threads: SupportsIndex | None = None, row_stats: Literal[True],
) -> tuple[Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy(
    x: ArrayLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Output | None = None, threads: SupportsIndex | None = None, row_stats: bool = False,
) -> Any: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: None = None,
    threads: SupportsIndex | None = None, row_stats: Literal[False] = False, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[np.floating[Any], Array]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: None = None,
    threads: SupportsIndex | None = None, row_stats: Literal[True], grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[np.floating[Any], Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: None = None,
    threads: SupportsIndex | None = None, row_stats: Literal[False] = False, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[np.floating[Any], Array, Array]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: None = None,
    threads: SupportsIndex | None = None, row_stats: Literal[True], grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[np.floating[Any], Array, Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Array | None = None, threads: SupportsIndex | None = None, row_stats: Literal[False] = False,
    grad_loss: SupportsFloat | ArrayLike = 1.0, grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[Array, Array]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Array | None = None, threads: SupportsIndex | None = None, row_stats: Literal[True],
    grad_loss: SupportsFloat | ArrayLike = 1.0, grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[Array, Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Array | None = None, threads: SupportsIndex | None = None, row_stats: Literal[False] = False,
    grad_loss: SupportsFloat | ArrayLike = 1.0, grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[Array, Array, Array]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Array | None = None, threads: SupportsIndex | None = None, row_stats: Literal[True],
    grad_loss: SupportsFloat | ArrayLike = 1.0, grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[Array, Array, Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: Array,
    threads: SupportsIndex | None = None, row_stats: Literal[False] = False, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[Array, Array]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: Array,
    threads: SupportsIndex | None = None, row_stats: Literal[True], grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[False] = False,
) -> tuple[Array, Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: Array,
    threads: SupportsIndex | None = None, row_stats: Literal[False] = False, grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[Array, Array, Array]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0, out: Array,
    threads: SupportsIndex | None = None, row_stats: Literal[True], grad_loss: SupportsFloat | ArrayLike = 1.0,
    grad: Array | None = None, grad_target: Literal[True] | Array,
) -> tuple[Array, Array, Array, RowStats]: ...  # fmt: skip
@overload
def cross_entropy_with_grad(
    x: ArrayLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    input_type: Literal["logits", "probs", "log_probs"] = "logits", weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", z_loss: SupportsFloat = 0.0, softcap: SupportsFloat | None = None,
    logit_scale: SupportsFloat = 1.0, focal_gamma: SupportsFloat = 0.0, poly_epsilon: SupportsFloat = 0.0,
    temperature: SupportsFloat = 1.0, temperature_squared: bool = False, clip: SupportsFloat = 0.0,
    out: Output | None = None, threads: SupportsIndex | None = None, row_stats: bool = False,
    grad_loss: SupportsFloat | ArrayLike = 1.0, grad: Output | None = None, grad_target: bool | Output = False,
) -> Any: ...  # fmt: skip
@overload
def nll_loss(
    log_probs: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", out: None = None, threads: SupportsIndex | None = None,
) -> np.floating[Any]: ...  # fmt: skip
@overload
def nll_loss(
    log_probs: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["none"], mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", out: Array | None = None, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def nll_loss(
    log_probs: NumPyLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", out: Array, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def nll_loss(
    log_probs: ArrayLike, target: ArrayLike | SparseTarget, *, axis: SupportsIndex = -1,
    weight: ArrayLike | None = None, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None,
    ignore_index: SupportsIndex | Sequence[SupportsIndex] | None = -100, label_smoothing: SupportsFloat = 0.0,
    prior: ArrayLike | None = None, target_type: Literal["probs", "logits", "log_probs"] = "probs",
    reduction: Literal["mean", "sum", "none"] = "mean",
    mean_over: Literal["weight", "mass", "count"] | SupportsFloat = "weight",
    empty: Literal["nan", "zero", "error"] = "nan", out: Output | None = None, threads: SupportsIndex | None = None,
) -> Any: ...  # fmt: skip
@overload
def log_softmax(
    x: NumPyLike, *, axis: SupportsIndex = -1, softcap: SupportsFloat | None = None, logit_scale: SupportsFloat = 1.0,
    out: Array | None = None, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def log_softmax(
    x: ArrayLike, *, axis: SupportsIndex = -1, softcap: SupportsFloat | None = None, logit_scale: SupportsFloat = 1.0,
    out: Output | None = None, threads: SupportsIndex | None = None,
) -> Any: ...  # fmt: skip
@overload
def logsumexp(
    x: NumPyLike, *, axis: SupportsIndex = -1, softcap: SupportsFloat | None = None, logit_scale: SupportsFloat = 1.0,
    out: Array | None = None, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def logsumexp(
    x: ArrayLike, *, axis: SupportsIndex = -1, softcap: SupportsFloat | None = None, logit_scale: SupportsFloat = 1.0,
    out: Output | None = None, threads: SupportsIndex | None = None,
) -> Any: ...  # fmt: skip
@overload
def softmax(
    x: NumPyLike, *, axis: SupportsIndex = -1, softcap: SupportsFloat | None = None, logit_scale: SupportsFloat = 1.0,
    out: Array | None = None, threads: SupportsIndex | None = None,
) -> Array: ...  # fmt: skip
@overload
def softmax(
    x: ArrayLike, *, axis: SupportsIndex = -1, softcap: SupportsFloat | None = None, logit_scale: SupportsFloat = 1.0,
    out: Output | None = None, threads: SupportsIndex | None = None,
) -> Any: ...  # fmt: skip
