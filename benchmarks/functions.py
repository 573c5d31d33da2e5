"""What stands beside the plain loss, each beside its peer: in turns in one process.

    python -m benchmarks.functions [NAME ...]     prints a table: medians, and the median of the ratios within a round
    make bench-functions                          all of them, kept in docs/bench and shown in docs/speed.md

Peers are PyTorch, eager, with autograd where there is a gradient; or the plain loss of this library, where the question
is what a function costs beside it; or the memory, for what writes as much as it reads.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import crossentropy as ce

from . import kept, page, report
from .timing import Effort, interleave, ratio

THREADS = 2


class Contest(NamedTuple):
    """Calls for the same work; the first is the peer that the others are measured against. Wanted are multiples of its
    speed, by call."""

    work: str
    calls: dict[str, Callable[[], Any]]
    wanted: dict[str, float]


def logits(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32) * 4


def leaf(x: Any) -> Any:
    import torch

    return torch.from_numpy(x.copy()).requires_grad_()


def backward(x: Any, loss: Callable[[Any], Any]) -> Callable[[], None]:
    """Loss and gradient with autograd."""

    def call() -> None:
        x.grad = None
        loss(x).backward()

    return call


def binary(shape: tuple[int, ...]) -> Contest:
    import torch

    x = logits(*shape)
    y = (np.random.default_rng(1).random(shape) < 0.3).astype(np.float32)
    grad, pos_weight, target = np.empty_like(x), np.full(shape[-1], 2.0, np.float32), torch.from_numpy(y)
    labels = y.astype(np.int64)
    eager = torch.nn.functional.binary_cross_entropy_with_logits

    def ours(y: Any, **options: Any) -> Callable[[], Any]:
        return lambda: ce.binary_cross_entropy_with_grad(x, y, grad=grad, threads=THREADS, **options)

    calls = {
        "torch": backward(leaf(x), lambda x: eager(x, target)),
        "ours": ours(y),
        "ours, int64 labels": ours(labels),
        "ours, pos_weight": ours(y, pos_weight=pos_weight),
    }
    wanted = {name: 3.5 for name in calls if name != "torch"} if shape[0] == 4096 else {}
    return Contest(f"binary, loss and gradient, {list(shape)}", calls, wanted)


def divergence(shape: tuple[int, ...]) -> Contest:
    import torch

    x, t = logits(*shape), logits(*shape)[::-1].copy()
    grad, teacher, functional = np.empty_like(x), torch.from_numpy(t), torch.nn.functional

    def eager(x: Any) -> Any:
        q = functional.softmax(teacher, -1)
        return functional.kl_div(functional.log_softmax(x, -1), q, reduction="batchmean")

    def eager_of_logs(x: Any) -> Any:
        q = functional.log_softmax(teacher, -1)
        return functional.kl_div(functional.log_softmax(x, -1), q, reduction="batchmean", log_target=True)

    def ours(**options: Any) -> Callable[[], Any]:
        return lambda: ce.kl_divergence_with_grad(x, t, target_type="logits", grad=grad, threads=THREADS, **options)

    calls = {
        "torch": backward(leaf(x), eager),
        "torch, log_target": backward(leaf(x), eager_of_logs),
        "ours": ours(),
        "ours, temperature 2": ours(temperature=2.0),
        "ours, temperature 3": ours(temperature=3.0),
    }
    wanted = {name: 4.0 for name in calls if name.startswith("ours")} if shape == (4096, 1000) else {}
    return Contest(f"KL of logits from logits, loss and gradient, {list(shape)}", calls, wanted)


def divergence_of_each(shape: tuple[int, ...], gradient: bool) -> Contest:
    """Without a reduction, of tensors: a loss for each element."""
    import torch

    import crossentropy.torch as ours

    log_p, q = ce.log_softmax(logits(*shape)), torch.from_numpy(ce.softmax(logits(*shape)[::-1].copy()))
    tensor, x, ones = torch.from_numpy(log_p), leaf(log_p), torch.ones_like(q)

    def call(kl_div: Callable[..., Any]) -> Callable[[], Any]:
        if gradient:
            return lambda: torch.autograd.grad(kl_div(x, q, reduction="none"), x, ones)
        return lambda: kl_div(tensor, q, reduction="none")

    calls = {"torch": call(torch.nn.functional.kl_div), "crossentropy.torch": call(ours.kl_div)}
    what = "loss and gradient" if gradient else "loss"
    return Contest(f"KL of probabilities, each element's {what}, {list(shape)}", calls, {"crossentropy.torch": 1.5})


def softmax(shape: tuple[int, ...]) -> Contest:
    import torch

    x = logits(*shape)
    out, tensor = np.empty_like(x), torch.from_numpy(x)
    result = torch.empty_like(tensor)
    calls = {
        "torch softmax": lambda: torch.softmax(tensor, -1),
        "torch softmax into a buffer": lambda: torch.softmax(tensor, -1, out=result),
        "copy (torch)": lambda: result.copy_(tensor),
        "softmax": lambda: ce.softmax(x, out=out, threads=THREADS),
        "log_softmax": lambda: ce.log_softmax(x, out=out, threads=THREADS),
    }
    return Contest(f"softmax, {list(shape)}", calls, {"softmax": 1, "log_softmax": 1})


def statistics_of_rows(shape: tuple[int, ...]) -> Contest:
    x = logits(*shape)
    y = np.random.default_rng(1).integers(0, shape[-1], shape[0])
    calls = {
        "plain loss": lambda: ce.cross_entropy(x, y, threads=THREADS),
        "row_stats of the loss": lambda: ce.cross_entropy(x, y, row_stats=True, threads=THREADS),
        "logsumexp": lambda: ce.logsumexp(x, threads=THREADS),
    }
    return Contest(f"row statistics, {list(shape)}", calls, {"row_stats of the loss": 1 / 1.35, "logsumexp": 1})


def terms(shape: tuple[int, ...]) -> Contest:
    x = logits(*shape)
    y = np.random.default_rng(1).integers(0, shape[-1], shape[0])
    grad = np.empty_like(x)

    def ours(**options: Any) -> Callable[[], Any]:
        return lambda: ce.cross_entropy_with_grad(x, y, grad=grad, threads=THREADS, **options)

    calls = {
        "plain": ours(),
        "z_loss": ours(z_loss=1e-4),
        "focal_gamma": ours(focal_gamma=2.0),
        "poly_epsilon": ours(poly_epsilon=1.0),
        "label_smoothing": ours(label_smoothing=0.1),
        "class weights": ours(weight=np.linspace(0.5, 2, shape[-1], dtype=np.float32)),
        "logit_scale": ours(logit_scale=0.7),
        "temperature": ours(temperature=2.0),
        "softcap": ours(softcap=30.0),
    }
    wanted = dict.fromkeys(("label_smoothing", "class weights", "logit_scale", "temperature"), 1 / 1.2)
    return Contest(f"loss and gradient with, {list(shape)}", calls, wanted | {"softcap": 1 / 3.5})


def targets(shape: tuple[int, ...], named: int) -> Contest:
    import torch

    x, t = logits(*shape), logits(*shape)[::-1].copy()
    q = ce.softmax(t)
    indices = np.argsort(-q, -1)[:, :named].copy()
    top = ce.SparseTarget(indices, np.take_along_axis(q, indices, -1), rest="spread")
    y = indices[:, 0].copy()
    grad, target, functional = np.empty_like(x), torch.from_numpy(q), torch.nn.functional

    def ours(target: Any, **options: Any) -> Callable[[], Any]:
        return lambda: ce.cross_entropy_with_grad(x, target, grad=grad, threads=THREADS, **options)

    calls = {
        "torch, distributions": backward(leaf(x), lambda x: functional.cross_entropy(x, target)),
        "distributions": ours(q),
        f"{named} named classes": ours(top),
        "labels, smoothed": ours(y, label_smoothing=0.1),
        "distributions, with their gradient": ours(q, grad_target=np.empty_like(q)),
    }
    wanted = {"distributions": 3.0} if shape == (4096, 1000) else {}
    return Contest(f"targets, loss and gradient, {list(shape)}", calls, wanted)


def teacher(shape: tuple[int, ...]) -> Contest:
    import torch

    x, t = logits(*shape), logits(*shape)[::-1].copy()
    grad, tensor, functional = np.empty_like(x), torch.from_numpy(t), torch.nn.functional
    calls = {
        "torch": backward(leaf(x), lambda x: functional.cross_entropy(x, functional.softmax(tensor, -1))),
        "ours": lambda: ce.cross_entropy_with_grad(x, t, target_type="logits", grad=grad, threads=THREADS),
    }
    return Contest(f"teacher logits, loss and gradient, {list(shape)}", calls, {"ours": 2})


def second(shape: tuple[int, ...]) -> Contest:
    import torch

    rows, classes = shape
    x, v = logits(*shape), logits(*shape)[::-1].copy()
    y = np.random.default_rng(1).integers(0, classes, rows)
    out, tensor, vector, labels = np.empty_like(x), leaf(x), torch.from_numpy(v), torch.from_numpy(y)

    def eager() -> None:
        loss = torch.nn.functional.cross_entropy(tensor, labels)
        (grad,) = torch.autograd.grad(loss, tensor, create_graph=True)
        torch.autograd.grad(grad, tensor, vector)

    calls = {
        "torch, twice backward": eager,
        "hessian_vector_product": lambda: ce.hessian_vector_product(x, y, v, out=out, threads=THREADS),
        "hessian_diagonal": lambda: ce.hessian_diagonal(x, y, out=out, threads=THREADS),
    }
    return Contest(f"second derivatives, {list(shape)}", calls, {})


def drop_in(shape: tuple[int, ...]) -> Contest:
    import torch

    import crossentropy.torch as ours

    x, y = leaf(logits(*shape)), torch.from_numpy(np.random.default_rng(1).integers(0, shape[-1], shape[0]))
    calls = {
        "torch": backward(x, lambda x: torch.nn.functional.cross_entropy(x, y)),
        "crossentropy.torch": backward(x, lambda x: ours.cross_entropy(x, y)),
    }
    wanted = {"crossentropy.torch": 1.5 if shape == (256, 1000) else 1}
    return Contest(f"cross_entropy of tensors, forward and backward, {list(shape)}", calls, wanted)


CONTESTS: dict[str, list[Callable[[], Contest]]] = {
    "binary": [lambda: binary((4096, 1000)), lambda: binary((64, 10))],
    "kl": [
        lambda: divergence((4096, 1000)),
        lambda: divergence((512, 32768)),
        lambda: divergence((64, 10)),
        lambda: divergence_of_each((4096, 1000), gradient=False),
        lambda: divergence_of_each((4096, 1000), gradient=True),
    ],
    "softmax": [lambda: softmax((2048, 32768)), lambda: softmax((8192, 1000)), lambda: softmax((64, 10))],
    "row_stats": [
        lambda: statistics_of_rows((2048, 32768)),
        lambda: statistics_of_rows((8192, 1000)),
        lambda: statistics_of_rows((65536, 100)),
        lambda: statistics_of_rows((64, 10)),
    ],
    "terms": [
        lambda: terms((1024, 32768)),
        lambda: terms((8192, 1000)),
        lambda: terms((262144, 10)),
        lambda: terms((64, 10)),
    ],
    "targets": [lambda: targets((4096, 1000), 20), lambda: targets((512, 32768), 50)],
    "teacher": [lambda: teacher((4096, 1000)), lambda: teacher((512, 32768))],
    "second": [lambda: second((4096, 1000))],
    "torch": [
        lambda: drop_in((2048, 32768)),
        lambda: drop_in((8192, 1000)),
        lambda: drop_in((256, 1000)),
        lambda: drop_in((64, 10)),
    ],
}


def measure(contest: Contest) -> list[dict[str, Any]]:
    """A row for each call."""
    for call in contest.calls.values():
        call()
    times = interleave(contest.calls, lambda: None, Effort(rounds=21, sample_seconds=0.01, budget_seconds=20))
    peer = next(iter(contest.calls))
    return [
        {
            "work": contest.work,
            "call": name,
            "seconds": statistics.median(took),
            "speed": None if name == peer else ratio(times[peer], took),
            "wanted": contest.wanted.get(name),
        }
        for name, took in times.items()
    ]


def main() -> None:
    import torch

    torch.set_num_threads(THREADS)
    about = report.machine([], THREADS) | {"peers": {"PyTorch": torch.__version__, "NumPy": np.__version__}}
    isa, names = about["instruction_set"], sys.argv[1:]
    print(f"Instruction set: {kept.title(isa)}. {page.machine(about)}\n")
    print(f"{'':40}{'ms':>9}{'speed':>9}{'wanted':>9}")
    results = []
    for name in names or CONTESTS:
        for contest in CONTESTS[name]:
            rows = measure(contest())
            print(rows[0]["work"])
            for row in rows:
                ratios = ("" if row[key] is None else f"{row[key]:.2f}" for key in ("speed", "wanted"))
                print(
                    f"  {row['call']:38}{row['seconds'] * 1e3:9.3g}{''.join(f'{each:>9}' for each in ratios)}",
                    flush=True,
                )
            results += rows
    everything = {**about, "results": results}
    kept.write(Path("build/bench-functions.json"), everything)
    if reason := "it is not a run of all of them" if names else kept.forced():
        print(f"\nNot kept for docs/speed.md: {reason}")
    else:
        kept.write(kept.FOLDER / f"{isa}-functions.json", everything)
        page.update()
        print(f"\nKept as docs/bench/{isa}-functions.json; docs/speed.md shows it")


if __name__ == "__main__":
    main()
