"""Train a small neural network to read handwritten digits, with crossentropy's loss and gradient.

    make build
    PYTHONPATH=python python examples/train_digits.py

The 1797 digits, 8 x 8 pixels each, come with scikit-learn; nothing is downloaded. The network is 64
inputs, 64 hidden units and 10 logits, written in NumPy. What the library does is one line of
`train`: from logits and labels it computes the mean loss, and its derivative with respect to every
logit, which is where back-propagation starts.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import crossentropy as ce

HELD_OUT = 360  # a fifth of the digits; the network never trains on them
WANTED_ACCURACY = 0.97


@dataclass
class Digits:
    """Images [n, 64], f32 in 0 ... 1, with labels [n] in 0 ... 9, in two parts."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@dataclass
class History:
    """How a training went: one number per step (minibatch) in `steps`, one per epoch elsewhere."""

    steps: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    seconds: float = 0.0


def load(seed: int = 0) -> Digits:
    """The digits, shuffled by `seed`; the last `HELD_OUT` of them are held out."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    images, labels = (images[order] / 16).astype(np.float32), labels[order]
    return Digits(images[:-HELD_OUT], labels[:-HELD_OUT], images[-HELD_OUT:], labels[-HELD_OUT:])


class Network:
    """images [n, 64] -> hidden [n, 64] = max(0, images W1 + b1) -> logits [n, 10] = hidden W2 + b2.

    All parameters are f32; images of f64 give logits of f64.
    """

    def __init__(self, rng: np.random.Generator, hidden: int = 64) -> None:
        def weights(inputs: int, outputs: int) -> np.ndarray:
            scale = np.sqrt(2 / inputs)  # keeps the variance through a ReLU layer
            return (scale * rng.standard_normal((inputs, outputs))).astype(np.float32)

        self.w1, self.b1 = weights(64, hidden), np.zeros(hidden, np.float32)
        self.w2, self.b2 = weights(hidden, 10), np.zeros(10, np.float32)

    @property
    def parameters(self) -> list[np.ndarray]:
        return [self.w1, self.b1, self.w2, self.b2]

    def forward(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.maximum(images @ self.w1 + self.b1, 0)
        return hidden, hidden @ self.w2 + self.b2

    def logits(self, images: np.ndarray) -> np.ndarray:
        return self.forward(images)[1]

    def backward(self, images: np.ndarray, hidden: np.ndarray, d_logits: np.ndarray) -> list[np.ndarray]:
        """The derivative of the loss with respect to `parameters`, from that of the logits."""
        d_hidden = (d_logits @ self.w2.T) * (hidden > 0)
        return [images.T @ d_hidden, d_hidden.sum(0), hidden.T @ d_logits, d_logits.sum(0)]


class Adam:
    """Adam's rule: steps along the running mean of the gradient over its root mean square."""

    def __init__(self, parameters: list[np.ndarray], rate: float) -> None:
        self.parameters, self.rate, self.steps = parameters, rate, 0
        self.mean = [np.zeros_like(p) for p in parameters]
        self.square = [np.zeros_like(p) for p in parameters]

    def update(self, gradients: list[np.ndarray]) -> None:
        self.steps += 1
        # Both running means start at 0; this makes up for it.
        rate = self.rate * (1 - 0.999**self.steps) ** 0.5 / (1 - 0.9**self.steps)
        for p, g, mean, square in zip(self.parameters, gradients, self.mean, self.square):
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            p -= rate * mean / (np.sqrt(square) + 1e-8)


def train(
    digits: Digits,
    *,
    epochs: int = 40,
    batch: int = 32,
    rate: float = 3e-3,
    seed: int = 0,
    quiet: bool = False,
) -> tuple[Network, History]:
    """A network trained on `digits` for `epochs` passes over them, and how it went."""
    rng = np.random.default_rng(seed)
    network, history = Network(rng), History()
    adam = Adam(network.parameters, rate)
    start = time.perf_counter()
    # None shows the bar only where there is a terminal to draw it on.
    hidden_bar = True if quiet else None
    bar = tqdm(range(1, epochs + 1), "training", unit=" epochs", ncols=100, disable=hidden_bar)
    for epoch in bar:
        order = rng.permutation(len(digits.train_labels))
        for rows in np.array_split(order, len(order) // batch):
            images, labels = digits.train_images[rows], digits.train_labels[rows]
            hidden, logits = network.forward(images)
            loss, d_logits = ce.cross_entropy_with_grad(logits, labels)  # <- the library
            adam.update(network.backward(images, hidden, d_logits))
            history.steps.append(float(loss))

        train_logits = network.logits(digits.train_images)
        test_logits = network.logits(digits.test_images)
        history.train_loss.append(float(ce.cross_entropy(train_logits, digits.train_labels)))
        history.test_loss.append(float(ce.cross_entropy(test_logits, digits.test_labels)))
        history.accuracy.append(float((test_logits.argmax(1) == digits.test_labels).mean()))
        bar.set_postfix_str(f"loss {history.train_loss[-1]:.4f}, {history.accuracy[-1]:.1%} right")
        if not quiet and (epoch in (1, 2, 5) or epoch % 10 == 0):
            bar.write(
                f"  epoch {epoch:3}   training loss {history.train_loss[-1]:.4f}   "
                f"held-out loss {history.test_loss[-1]:.4f}   "
                f"held-out accuracy {history.accuracy[-1]:.1%}"
            )
    history.seconds = time.perf_counter() - start
    return network, history


def main() -> None:
    _, history = train(load())
    accuracy = history.accuracy[-1]
    print(f"held-out accuracy {accuracy:.1%} after {history.seconds:.1f} s")
    if accuracy < WANTED_ACCURACY:
        sys.exit(f"that is below the {WANTED_ACCURACY:.0%} that this network should reach")


if __name__ == "__main__":
    main()
