"""What becomes of rows: weights, the mean's divisor, upstream gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from mpmath import mp, mpf

from .exact import exact, ulp
from .text import texts

Pair = tuple[mpf, mpf]  # a number, and how far from it one may be


class Row(Protocol):
    """One row that counts, before weights, divisor and upstream gradients.

    slopes, target_slopes: the gradient by class; those with respect to the target are there if they are asked for.
    """

    loss: mpf
    slopes: dict[int, Pair]
    target_slopes: dict[int, Pair]

    def loss_bound(self, scale: mpf) -> mpf:
        """How far the loss times `scale` may be off."""


class Reduction:
    """How the rows of a case become its results.

    starts, step: where the classes of each row are. scales: what each row is multiplied by. divisor: of the mean.
    finer: the rows' bounds are those of f64, and all results are rounded once more.
    """

    def __init__(
        self, case: dict[str, Any], starts: Sequence[int], classes: int, step: int, scales: list[mpf], divisor: mpf
    ) -> None:
        self.case, self.options = case, case["options"]
        self.starts, self.classes, self.step, self.scales = starts, classes, step, scales
        self.divisor = divisor
        if self.options.get("reduction", "mean") != "mean":
            self.divisor = mpf(1)
        elif self.options.get("mean_over") == "divisor":
            self.divisor = mpf(self.options["mean_divisor"])
        self.finer = case.get("loss_function") == "kl_divergence"
        self.nothing = self.divisor == 0
        self.zero = self.nothing and self.options.get("empty") == "zero"
        assert not (self.nothing and self.options.get("empty") == "error"), case["name"]

    def losses(self, rows: Sequence[Row | None]) -> dict[str, Any]:
        dtype = self.case["dtype"]
        loss_dtype = self.case.get("loss_dtype", "f64" if dtype == "f64" else "f32")
        losses = [(mpf(0), mpf(0))] * len(rows)
        for i, row in enumerate(rows):
            if row is not None:
                loss = self.scales[i] * row.loss
                losses[i] = (loss, row.loss_bound(abs(self.scales[i])) if mp.isfinite(loss) else mpf(0))
        if self.options.get("reduction") == "none":
            if loss_dtype == "f32" and (self.finer or dtype == "f64"):
                losses = [(v, t + ulp(v, "f32") / 2 if mp.isfinite(v) and v else t) for v, t in losses]
        elif self.nothing:
            losses = [(mpf(0) if self.zero else mp.nan, mpf(0))]
        else:
            value = sum((v for v, _ in losses), mpf(0)) / self.divisor
            bound = mp.fsum(t for _, t in losses) / abs(self.divisor)
            losses = [(value, bound + (ulp(value, loss_dtype) / 2 if mp.isfinite(value) and value else 0))]
        return fields("loss", losses, loss_dtype)

    def grads(self, name: str, rows: Sequence[Row | None], dtype: str, wanted: Iterable[int] | None) -> dict[str, Any]:
        """The gradient that `name` says, "grad" or "grad_target"; `wanted`: its places, None for all."""
        upstream = exact(self.case, "grad_losses_") if "grad_losses" in self.case else [mpf(1)] * len(rows)
        grad_loss = mpf(self.options.get("grad_loss", 1))
        found: dict[int, Pair] = {}
        for i, (start, row) in enumerate(zip(self.starts, rows)):
            for c in range(self.classes):
                place = start + c * self.step
                if row is None or self.zero:
                    found[place] = (mpf(0), mpf(0))
                elif self.nothing:
                    found[place] = (mp.nan, mpf(0))
                elif wanted is None or place in wanted:
                    r = self.scales[i] * grad_loss * upstream[i] / self.divisor
                    slope, bound = (row.slopes if name == "grad" else row.target_slopes)[c]
                    found[place] = (r * slope, abs(r) * bound)
        order = sorted(found) if wanted is None else wanted
        return fields(name, [found[place] for place in order], dtype, self.finer)


def fields(name: str, pairs: list[Pair], dtype: str, finer: bool = False) -> dict[str, Any]:
    """The field of these results, and that of their tolerances."""
    values, tolerances = texts(pairs, dtype, finer)
    return {name: values, name + "_tol": tolerances}
