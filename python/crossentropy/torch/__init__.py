"""Drop-in replacements for PyTorch's cross-entropy losses, on the CPU.

`cross_entropy`, `nll_loss`, `binary_cross_entropy_with_logits`, `kl_div`, `CrossEntropyLoss`, `NLLLoss`,
`BCEWithLogitsLoss` and `KLDivLoss` take what their namesakes in ``torch.nn.functional`` and ``torch.nn`` take, with the
same defaults, and return the same, more exactly and, but for divergences of single elements, faster. They are
differentiable any number of times, work under ``torch.compile`` without a graph break and under ``torch.func``. This
module needs PyTorch 2.5 or newer; the rest of the package does not need PyTorch.

>>> import torch
>>> import crossentropy.torch as cet
>>> logits = torch.tensor([[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]], requires_grad=True)
>>> loss = cet.cross_entropy(logits, torch.tensor([2, 0]))
>>> loss.backward()
>>> print(f"{loss.item():.6f}")
0.817819
"""

from ._binary import BCEWithLogitsLoss, binary_cross_entropy_with_logits
from ._cross_entropy import CrossEntropyLoss, NLLLoss, cross_entropy, nll_loss
from ._kl import KLDivLoss, kl_div

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "KLDivLoss",
    "NLLLoss",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "nll_loss",
]
