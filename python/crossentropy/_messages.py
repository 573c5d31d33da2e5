"""The library's messages in Python's terms: with the names that the called function has for its arguments, and the
strings that it takes where C has constants."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The header's names, where Python's are others. Sparse targets have arguments of their own.
_OPTIONS = {
    "grad_losses": "grad_loss",
    "ignore_indices": "ignore_index",
    "kl_form": "form",
    "mean_divisor": "mean_over",
    "target_offsets": "offsets",
    "target_probs": "probs",
    "target_rest": "rest",
}
ARRAYS = {**_OPTIONS, "input": "x", "loss": "out", "output": "out"}
ROW_STATS = {**ARRAYS, "labels": "target"}
PARTIALS = {**ARRAYS, "partials": "array", "into": "array", "from": "array"}
ACCUMULATOR = {"loss": "losses"}
TENSORS = _OPTIONS
BINARY_TENSORS = {**_OPTIONS, "sample_weight": "weight"}

# Names that are words, too, stand for an argument in these places alone.
_ARGUMENT = re.compile(
    r"(?P<before>^|^row \d+ of |\b(?:elements of|overlaps|but|dtype of|shape of|size of|data of) )"
    r"(?P<name>labels|loss|from|into|output)\b"
)
_NAME = re.compile(r"\b(?:the )?(input|sample_weight|partials|" + "|".join(_OPTIONS) + r")\b")
_CONSTANT = re.compile(r"\b(?:LOGITS|PROBS|LOG_PROBS|WEIGHT|MASS|COUNT|DROP|SPREAD|RENORMALIZE|GENERALIZED|PLAIN)\b")
_FUNCTION = re.compile(r"\bce_(?=cross_entropy\b|binary_cross_entropy\b|kl_divergence\b)")


def translated(message: str, names: Mapping[str, str]) -> str:
    """The ``message`` with ``names`` for the header's."""
    message = _ARGUMENT.sub(lambda found: found["before"] + names.get(found["name"], found["name"]), message)
    message = _NAME.sub(lambda found: names.get(found[1], found[1]) if found[1] in names else found[0], message)
    message = _CONSTANT.sub(lambda found: f'"{found[0].lower()}"', message)
    return _FUNCTION.sub("", message)
