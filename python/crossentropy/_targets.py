"""Targets that name a few classes of each row."""

from __future__ import annotations

from typing import Literal

import numpy as np

from . import _arguments, _arrays
from ._c_api import header
from ._errors import ArgumentTypeError, ArgumentValueError
from ._types import Array, ArrayLike

__all__ = ["SparseTarget"]


class SparseTarget:
    r"""A target distribution of which each row names a few classes: the top k of a teacher, say.

    It is given as the ``target`` of `cross_entropy` and `kl_divergence`, and nothing of the size of rows times classes
    is made of it. The named classes are either the same number K in each row, or with ``offsets`` any number, as in a
    CSR matrix.

    Args:
        indices: the classes, of any integer dtype. Without ``offsets`` it has the shape of ``x``, but for its class
            axis, which has the length K >= 0. With ``offsets`` it has one dimension: the classes of all rows, one row
            after the other. No row names a class twice. An entry that is ``ignore_index`` of the loss (-100) is left
            out, so that rows of fewer classes can be filled up; a row of which nothing remains is ignored.
        probs: numbers, the shape of ``indices``: the probability of each, used as it is. With the loss's
            ``target_type="log_probs"`` its logarithm; with ``"logits"`` a teacher's logit, of which
            ``rest="renormalize"`` makes probabilities: the softmax over the classes that the row names.
        offsets: integers, shape [rows + 1]: row i, rows counted in C order, names
            ``indices[offsets[i]:offsets[i + 1]]``.
        rest: what becomes of the probability that a row does not name, :math:`1 - \sum_k q_k`. ``"drop"``: nothing, the
            other classes have none. ``"spread"``: it is spread evenly over the other classes. A sum that is 1 but for
            rounding leaves nothing: one that is less than :math:`2^{-16}` above 1, or less than :math:`2^{-23}`
            (float32 and 16 bits) or :math:`2^{-52}` (float64) below 1 for each class that the row names, but at most
            :math:`2^{-16}`. ``"renormalize"``: those that it names are divided by their sum.

    Attributes:
        indices, probs, offsets, rest: as they were given, as arrays of NumPy that share the memory where they can. They
            cannot be set, as they have been checked together.

    Raises:
        ArgumentValueError: a ValueError; when shapes do not fit together, or ``rest`` is unknown.
        ArgumentTypeError: a TypeError; when a dtype or the kind of an argument is not accepted.

        What can only be told beside ``x`` is told by the loss: a `LabelError` for a class outside of [0, C) or one that
        a row names twice, an `ArgumentValueError` for shapes and offsets that do not fit.

    Singular cases: a row whose probabilities add up to 0 cannot be renormalized, and its loss is NaN.

    Examples:
        >>> import numpy as np
        >>> import crossentropy as ce
        >>> x = np.array([[0.1, 0.4, 0.5, 0.2], [0.8, 0.1, 0.1, 0.3]])
        >>> target = ce.SparseTarget([[2, 1], [0, 3]], [[0.6, 0.3], [0.9, 0.1]], rest="spread")
        >>> print(f"{ce.cross_entropy(x, target):.7f}")
        1.1345742
        >>> rows = ce.SparseTarget([2, 1, 0], [0.6, 0.4, 1.0], offsets=[0, 2, 3])
        >>> print(f"{ce.cross_entropy(x, rows):.7f}")
        1.0970742
    """

    __slots__ = ("_indices", "_offsets", "_probs", "_rest")

    def __init__(
        self,
        indices: ArrayLike,
        probs: ArrayLike,
        *,
        offsets: ArrayLike | None = None,
        rest: Literal["drop", "spread", "renormalize"] = "drop",
    ) -> None:
        self._indices = _arrays.integers("indices", indices)
        weights = _arrays.weights("probs", probs)
        if weights is None:
            raise ArgumentTypeError("probs must be an array of numbers, not None")
        self._probs = weights
        if self._probs.shape != self._indices.shape:
            raise ArgumentValueError(
                f"probs has shape {list(self._probs.shape)}, but indices has shape {list(self._indices.shape)}"
            )
        self._offsets: Array | None = None
        if offsets is not None:
            self._offsets = np.asarray(_arrays.integers("offsets", offsets), np.int64, order="C")
            for name, array in (("offsets", self._offsets), ("indices", self._indices)):
                if array.ndim != 1:
                    raise ArgumentValueError(
                        f"{name} has shape {list(array.shape)}, but with offsets it must have one dimension"
                    )
        self._rest = _arguments.plain_name("rest", rest, header.TARGET_RESTS)

    @property
    def indices(self) -> Array:
        return self._indices

    @property
    def probs(self) -> Array:
        return self._probs

    @property
    def offsets(self) -> Array | None:
        return self._offsets

    @property
    def rest(self) -> str:
        return self._rest

    def __repr__(self) -> str:
        offsets = "" if self.offsets is None else f", rows={len(self.offsets) - 1}"
        return f"SparseTarget(shape={self.indices.shape}{offsets}, dtype={self.probs.dtype}, rest={self.rest!r})"
