"""What is called for one work: ours and every peer's, and whether they compute the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import crossentropy as ce

from .peers import Peer
from .works import Array, Inputs, Work

# Relative, and absolute: f16 and bf16 peers round intermediate results to their 11 and 8 bits, log-softmax too, and
# most of an f16 gradient is subnormal.
TOLERANCE = {"f64": (1e-3, 0), "f32": (1e-3, 0), "f16": (2e-2, 1.2e-7), "bf16": (1e-1, 0)}


def accepts(work: Work) -> bool:
    """Whether the library takes logits of that dtype, on this machine."""
    try:
        ce.cross_entropy(Work((1, 2), work.dtype).inputs().x, np.array([0]))
    except (TypeError, ImportError):
        return False
    return True


def ours(inputs: Inputs, gradient: bool) -> dict[str, Callable[[], Any]]:
    """Our functions by mode: the loss; or with its gradient written over the logits, into another buffer, or into a
    new array, as most peers do it."""
    x, target, scratch, buffer = inputs.x, inputs.target, inputs.scratch, inputs.buffer
    if not gradient:
        return {"loss": lambda: ce.cross_entropy(x, target, axis=1)}
    with_grad = ce.cross_entropy_with_grad
    return {
        "in place": lambda: with_grad(scratch, target, axis=1, grad=scratch),
        "out of place": lambda: with_grad(x, target, axis=1, grad=buffer),
        "new array": lambda: with_grad(x, target, axis=1),
    }


def theirs(
    inputs: Inputs, gradient: bool, peers: Iterable[Peer]
) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """The functions of the peers that compute what we do, and of the others why they are left out."""
    reference = ours(inputs, gradient)["new array" if gradient else "loss"]()
    calls: dict[str, Callable[[], Any]] = {}
    left_out: dict[str, str] = {}
    # All are made before one is called, as torch.compile forgets what it had compiled when the next one is made.
    for peer, call in [(peer, _made(peer, inputs, gradient, left_out)) for peer in peers]:
        if call:
            inputs.refresh()
            try:
                result = call()
                loss, expected = (result[0], reference[0]) if gradient else (result, reference)
                _compare(float(loss), float(expected), inputs.work)
                if gradient:
                    _compare(_sample(peer.array(result[1])), _sample(reference[1]), inputs.work)
                calls[peer.name] = call
            except Exception as error:  # a peer's failure is its own, of whatever kind
                left_out[peer.name] = _text(error)
    return calls, left_out


def _made(peer: Peer, inputs: Inputs, gradient: bool, left_out: dict[str, str]) -> Callable[[], Any] | None:
    try:
        return peer.call(inputs, gradient)
    except Exception as error:
        left_out[peer.name] = _text(error)
        return None


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _compare(found: Any, expected: Any, work: Work) -> None:
    relative, absolute = TOLERANCE[work.dtype]
    absolute += 1e-6 * float(np.abs(expected).max())
    np.testing.assert_allclose(found, expected, relative, absolute, err_msg="another result than ours")


def _sample(gradient: Array) -> Array:
    """The first and the last million elements."""
    flat = gradient.reshape(-1)
    return np.concatenate([flat[: 1 << 20], flat[-(1 << 20) :]]).astype(np.float64)
