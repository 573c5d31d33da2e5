"""Messages name the arguments of the function that was called."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from wrong_calls import CLASSES, ROWS, wrong_call

import crossentropy as ce

SPARSE = ce.SparseTarget(np.zeros((ROWS, 1), int), np.ones((ROWS, 1)))
Q = np.full((ROWS, CLASSES), 0.2)
Y = np.arange(ROWS)
MEMORY = np.zeros(ROWS * CLASSES + 1)
IN_MEMORY = MEMORY[:-1].reshape(ROWS, CLASSES)


@pytest.mark.parametrize(
    ("name", "target", "options", "texts"),
    [
        ("cross_entropy", Y, {"out": np.zeros(2)}, ["out has shape [2], but a mean or sum is one number"]),
        ("cross_entropy", Y, {"out": MEMORY[:1]}, ["out overlaps x"]),
        ("cross_entropy", Y, {"mask": np.ones(3, bool)}, ["mask has shape [3], but x without its class axis has"]),
        ("cross_entropy", Q, {"ignore_index": [1, 2]}, ["ignore_index is for labels, but targets are distributions"]),
        ("cross_entropy", Y, {"focal_gamma": 1.0, "input_type": "probs"}, ["focal_gamma is for logits, but"]),
        ("cross_entropy", Q, {"temperature": 2.0, "input_type": "probs"}, ['nor target_type says "logits"']),
        ("cross_entropy", SPARSE, {"label_smoothing": 0.1}, ["but probs make", 'take rest "spread"']),
        ("cross_entropy", SPARSE, {"target_type": "logits"}, ['target_type is "logits"', 'rest "renormalize"']),
        ("cross_entropy_with_grad", Y, {"grad": np.zeros((4, 5), "f")}, ["grad must have the dtype of x"]),
        ("cross_entropy_with_grad", Y, {"grad": MEMORY[1:].reshape(4, 5)}, ["grad overlaps x"]),
        ("cross_entropy_with_grad", Y, {"grad_loss": np.ones(4)}, ["grad_loss has shape [4], but must be one"]),
        ("cross_entropy_with_grad", Q, {"mean_over": "mass", "grad_target": True}, ['with mean_over "mass"']),
        ("nll_loss", Y[:2], {}, ["target has shape [2], but log_probs without its class axis has shape [4]"]),
        ("binary_cross_entropy", Y, {}, ["target has shape [4], but x has shape [4, 5]"]),
        ("binary_cross_entropy", Q, {"reduction": "none", "out": np.zeros(4)}, ["out has shape [4], but x has shape"]),
        ("kl_divergence", Y, {}, ["target holds labels", "the KL divergence is the cross-entropy"]),
        ("kl_divergence", Q, {"out": MEMORY[:1]}, ["out overlaps x"]),
        ("hessian_diagonal", Y, {"out": np.zeros((5, 4))}, ["out has shape [5, 4], but x has shape [4, 5]"]),
        ("hessian_diagonal", Y, {"out": MEMORY[1:].reshape(4, 5)}, ["out overlaps x"]),
        ("softmax", None, {"out": np.zeros((5, 4))}, ["out has shape [5, 4], but x has shape [4, 5]"]),
        ("log_softmax", None, {"out": np.zeros((4, 5), "f")}, ["out must have the dtype of x"]),
        ("logsumexp", None, {"out": np.zeros(5)}, ["out has shape [5], but x without its class axis has shape [4]"]),
        ("logsumexp", None, {"out": np.zeros(4, np.float16)}, ["out has dtype float16", "16 bits are for inputs"]),
        ("row_stats", Y[:2], {}, ["target has shape [2], but x without its class axis has shape [4]"]),
        ("partial_statistics", Y[:2], {}, ["target has shape [2], but x without its class axis has shape [4]"]),
    ],
)
def test_messages_name_the_arguments_of_the_function_that_was_called(
    name: str, target: Any, options: dict[str, Any], texts: list[str]
) -> None:
    function = getattr(ce, name)
    with pytest.raises(ce.CrossEntropyError) as caught:
        function(IN_MEMORY, *([] if target is None else [target]), **options)
    message = str(caught.value)
    for text in texts:
        assert text in message
    # None of the header's names and constants that Python has other ones for.
    theirs = r"\b(input|output|loss has|labels has|\w+_losses|\w+_indices|target_rest)\b|ce_|[A-Z]{3}"
    assert not re.search(theirs, message)


def test_messages_of_the_classes_name_their_own_arguments() -> None:
    with pytest.raises(ce.ArgumentValueError, match=r"^weight has shape \[3\], but losses has shape \[2\]$"):
        ce.Accumulator().add(np.ones(2), np.ones(3))
    with pytest.raises(ce.ArgumentValueError, match=r"^these bytes are no accumulator of version 1$"):
        ce.Accumulator.from_bytes(bytes(600))
    statistics = ce.partial_statistics(IN_MEMORY, Y)
    with pytest.raises(ce.ArgumentValueError, match=r"^grad overlaps x$"):
        statistics.grad(IN_MEMORY, grad=MEMORY[1:].reshape(4, 5))
    nothing = ce.PartialStatistics(np.zeros_like(statistics.array))
    for call in (nothing.loss, lambda: nothing | statistics, lambda: statistics | nothing):
        with pytest.raises(ce.ArgumentValueError, match=r"^row 0 of array holds no statistics of version 1"):
            call()


def test_messages_keep_words_that_are_names_elsewhere() -> None:
    with pytest.raises(
        ce.LabelError, match=r"^label 9 in row 3 is out of range: there are 5 classes \(labels 0 to 4\)$"
    ):
        ce.row_stats(IN_MEMORY, [0, 1, 2, 9])
    x, arguments = wrong_call(target=Q, grad_target=True, focal_gamma=1.0)
    with pytest.raises(ce.ArgumentValueError, match="not computed for a loss with focal_gamma or poly_epsilon"):
        ce.cross_entropy_with_grad(x, **arguments)
