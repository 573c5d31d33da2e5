"""The cross-entropy loss and its gradient: exact, reproducible, fast.

>>> import numpy as np
>>> import crossentropy as ce
>>> logits = np.array([[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]], dtype=np.float32)
>>> loss, grad = ce.cross_entropy_with_grad(logits, np.array([2, 0]))
>>> print(f"{loss:.6f}")
0.817819
"""

from ._accumulator import Accumulator
from ._binary import binary_cross_entropy, binary_cross_entropy_with_grad
from ._c_api.library import VERSION as __version__
from ._errors import (
    ArgumentTypeError,
    ArgumentValueError,
    CrossEntropyError,
    EmptyError,
    LabelError,
)
from ._hessian import hessian_diagonal, hessian_vector_product
from ._kl import kl_divergence, kl_divergence_with_grad
from ._loss import cross_entropy, cross_entropy_with_grad, nll_loss
from ._partial import PartialStatistics, partial_statistics
from ._runtime import Info, get_num_threads, info, set_num_threads
from ._softmax import RowStats, log_softmax, logsumexp, row_stats, softmax
from ._targets import SparseTarget

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
