"""Train a small model in PyTorch twice, with PyTorch's loss and with crossentropy's, from the same seed.

    make build
    PYTHONPATH=python python examples/torch_training.py

It needs PyTorch and nothing else; the data are made here. The task is the one on which a language model spends its
cross-entropy: given a word out of 10 000, say which one follows. In the made-up language each word has 4 successors
that are equally likely, so that no model can have a loss below log 4 = 1.386. What changes from one training to the
other is where `CrossEntropyLoss` is imported from.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass

import torch

import crossentropy.torch

VOCABULARY, SUCCESSORS, WIDTH = 10_000, 4, 64
BATCH, STEPS, RATE = 512, 160, 0.01
SAME = 1e-3  # how far apart the losses of a step may be, relatively: rounding errors grow from step to step


@dataclass
class Training:
    losses: list[float]  # one per step
    seconds: float


def train(criterion: torch.nn.Module, seed: int = 0) -> Training:
    """A model trained with `criterion` on logits [BATCH, VOCABULARY] and labels [BATCH]."""
    torch.manual_seed(seed)
    language = torch.randint(VOCABULARY, (VOCABULARY, SUCCESSORS))
    model = torch.nn.Sequential(torch.nn.Embedding(VOCABULARY, WIDTH), torch.nn.Linear(WIDTH, VOCABULARY))
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    losses = []
    start = time.perf_counter()
    for _ in range(STEPS):
        words = torch.randint(VOCABULARY, (BATCH,))
        following = language[words, torch.randint(SUCCESSORS, (BATCH,))]
        optimizer.zero_grad()
        loss = criterion(model(words), following)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return Training(losses, time.perf_counter() - start)


def main() -> None:
    theirs = train(torch.nn.CrossEntropyLoss())
    ours = train(crossentropy.torch.CrossEntropyLoss())
    print("  step   torch.nn   crossentropy.torch")
    for step in range(0, STEPS + 1, STEPS // 8):
        step = max(step, 1)
        print(f"{step:6}   {theirs.losses[step - 1]:8.5f}   {ours.losses[step - 1]:8.5f}")
    apart = max(abs(a - b) / b for a, b in zip(ours.losses, theirs.losses))
    print(f"at most {apart:.1e} apart, relatively; no model gets below {math.log(SUCCESSORS):.5f}")
    print(f"{theirs.seconds:.1f} s with PyTorch's loss, {ours.seconds:.1f} s with crossentropy's")
    if apart > SAME:
        sys.exit(f"the curves differ by more than {SAME}")


if __name__ == "__main__":
    main()
