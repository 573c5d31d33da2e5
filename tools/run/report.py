"""The report of a run: one HTML file that needs nothing else, light or dark, on screen or paper."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from html import escape
from importlib.metadata import version
from pathlib import Path

import numpy as np
from examples.train_digits import WANTED_ACCURACY, Digits, History, Network
from tools.run.agreement import (
    JUDGED,
    LANGUAGES,
    Agreement,
    Difference,
    Row,
    fraction_text,
)
from tools.run.charts import Series, image, line_chart

import crossentropy as ce

WORST_CASES, HARDEST_DIGITS = 6, 12


def write(path: Path, agreement: Agreement, digits: Digits, network: Network, history: History) -> None:
    """Writes the report of these results to `path`."""
    accuracy, worst = history.accuracy[-1], agreement.differences[0].fraction
    tiles = {
        "cases": f"{agreement.cases}",
        "numbers compared": f"{agreement.numbers:,}".replace(",", "\u202f"),
        "furthest, of its bound": fraction_text(worst),
        "digits read right": f"{accuracy:.1%}".replace("%", "\u202f%"),
        "training": f"{history.seconds:.1f}\u202fs",
    }
    body = f"""
<header>
<h1>crossentropy {escape(ce.__version__)}</h1>
<p class="quiet">Agreement of Swift, C, Python and NumPy; a small network trained on real data</p>
{verdict(agreement, accuracy)}
<dl class="tiles">{"".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in tiles.items())}</dl>
</header>
<main>
<h2>Training on handwritten digits</h2>
<p>A network of 64 inputs, 64 hidden units and 10 logits, in NumPy; loss and gradient come from the
library. It trained on {len(digits.train_labels)} digits and never saw the
{len(digits.test_labels)} held-out ones.</p>
<div class="charts">
<figure><figcaption>Loss, logarithmic (thin: each batch)</figcaption>{loss_chart(history)}</figure>
<figure><figcaption>Held-out digits read right</figcaption>{accuracy_chart(history)}</figure>
</div>
<h2>Agreement</h2>
<p>Each case is a call with its exact result, computed with mpmath. Difference / bound is the
largest difference of a loss or a gradient element from it, as a fraction of the accuracy that the
library publishes: 1 would be at the bound. NumPy is an independent reference in float64, rounded
like the others; it is shown for comparison and judges nothing.</p>
{table(agreement.rows)}
<p class="quiet">ulp: the largest difference of a loss in units in the last place, Swift, C and
Python together. bits: whether these three agree in every bit.</p>
<h2>Worst cases</h2>
<p>The numbers that come closest to their bounds, the closest of each case. Those that are 0 because
the contract lets them, being below the normal numbers, are left out.</p>
<div class="worst">{"".join(map(worst_case, agreement.differences[:WORST_CASES]))}</div>
<h2>Hardest digits</h2>
<p>The held-out digits with the largest loss after training.</p>
<div class="digits">{"".join(hardest(digits, network))}</div>
<h2>Where this ran</h2>
<dl class="facts">{"".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in facts())}</dl>
</main>"""
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"""<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>crossentropy {escape(ce.__version__)}: run report</title>
<style>
{style}</style>
</head>
<body>{body}
</body>
</html>
""",
        encoding="utf-8",
    )


def verdict(agreement: Agreement, accuracy: float) -> str:
    sentences = []
    if agreement.failures:
        count = len(agreement.failures)
        first = escape(agreement.failures[0])
        sentences.append(f'<span class="bad">{count} failure{"s" * (count > 1)}.</span> The first: {first}.')
    else:
        sentences.append(
            f'<span class="good">Within bounds.</span> Swift, C and Python give results within the '
            f"published bounds in all {agreement.cases} cases, the same to the bit."
        )
    right = "good" if accuracy >= WANTED_ACCURACY else "bad"
    sentences.append(
        f'The network trained with the library reads <span class="{right}">{accuracy:.1%}</span> '
        f"of the held-out digits; at least {WANTED_ACCURACY:.0%} are asked for."
    )
    return f'<p class="verdict">{" ".join(sentences)}</p>'


def loss_chart(history: History) -> str:
    epochs = len(history.train_loss)
    steps = len(history.steps)
    every_epoch = range(1, epochs + 1)
    lowest = min(history.train_loss + history.test_loss)
    return line_chart(
        f"Training loss falls to {history.train_loss[-1]:.4f}, held-out loss to "
        f"{history.test_loss[-1]:.4f} in {epochs} epochs.",
        "epoch",
        [
            Series("", "step", [(i + 1) * epochs / steps for i in range(steps)], history.steps),
            Series(f"training {history.train_loss[-1]:.4f}", "train", every_epoch,
                   history.train_loss),
            Series(f"held-out {history.test_loss[-1]:.4f}", "test", every_epoch,
                   history.test_loss),
        ],
        ticks(epochs),
        [10.0**power for power in range(int(np.floor(np.log10(lowest))), 1)] + [4.0],
        lambda y: f"{y:g}",
        logarithmic=True,
    )  # fmt: skip


def accuracy_chart(history: History) -> str:
    epochs = len(history.accuracy)
    return line_chart(
        f"Accuracy on held-out digits rises to {history.accuracy[-1]:.1%} in {epochs} epochs.",
        "epoch",
        [Series(f"{history.accuracy[-1]:.1%}", "test", range(1, epochs + 1), history.accuracy)],
        ticks(epochs),
        [0.8, 0.85, 0.9, 0.95, 1.0],
        lambda y: f"{y:.0%}",
        mark=(WANTED_ACCURACY, f"{WANTED_ACCURACY:.0%} asked for"),
    )


def ticks(epochs: int) -> list[float]:
    return [epochs * i / 4 for i in range(5)]


def table(rows: list[Row]) -> str:
    names = "".join(f'<th scope="col">{each}</th>' for each in LANGUAGES)
    names = names.replace("<th", '<th class="gap"', 1)
    head = (
        '<tr><th></th><th></th><th class="over gap" colspan="4">loss of one case</th>'
        '<th class="over gap" colspan="4">difference / bound</th><th></th><th></th></tr>'
        f'<tr><th scope="col">kind of case</th><th scope="col">cases</th>{names}{names}'
        '<th class="gap" scope="col">ulp</th><th scope="col">bits</th></tr>'
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Agreement"><table>'
        f"<thead>{head}</thead><tbody>{''.join(map(table_row, rows))}</tbody></table></div>"
    )


def table_row(row: Row) -> str:
    cells = [f'<th scope="row">{escape(row.title)}</th>', f"<td>{row.cases}</td>"]
    for i, language in enumerate(LANGUAGES):
        gap = ' class="gap"' if i == 0 else ""
        cells.append(f'<td{gap} title="{escape(row.example)}">{escape(row.values[language])}</td>')
    for i, language in enumerate(LANGUAGES):
        share = row.fractions[language]
        style = "share gap" if i == 0 else "share"
        filled = min(share, 1) if language in JUDGED and np.isfinite(share) else 0
        cells.append(f'<td class="{style}" style="--share:{filled:.2f}">{fraction_text(share)}</td>')
    cells.append(f'<td class="gap">{fraction_text(row.ulps)}</td>')
    cells.append("<td>same</td>" if row.same_bits else '<td class="bad">differ</td>')
    return f"<tr>{''.join(cells)}</tr>"


def worst_case(found: Difference) -> str:
    digits = 17 if found.case.is_double else 9
    facts = {
        "number": f"{found.what}, {found.case.fields['dtype']}",
        "exact": f"{found.exact:.{digits + 3 if digits == 9 else digits}g}",
        "got": f"{found.got:.{digits}g}",
        "difference": f"{abs(found.got - found.exact):.3g}",
        "bound": f"{found.bound:.3g}",
        "of the bound": fraction_text(found.fraction),
    }
    return (
        f'<article><h3 class="code">{escape(found.case.name)}</h3>'
        f'<p class="quiet">{escape(found.case.why)}</p>'
        f"<dl>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in facts.items())}</dl>"
        f'<div class="track"><i style="--share:{min(found.fraction, 1):.3f}"></i></div></article>'
    )


def hardest(digits: Digits, network: Network) -> Iterable[str]:
    logits = network.logits(digits.test_images)
    losses = ce.cross_entropy(logits, digits.test_labels, reduction="none")
    for i in np.argsort(-losses)[:HARDEST_DIGITS]:
        label, read = int(digits.test_labels[i]), int(logits[i].argmax())
        outcome = f'<span class="bad">read as {read}</span>' if read != label else "read right"
        picture = image(digits.test_images[i], f"a handwritten {label}")
        yield (f"<figure>{picture}<figcaption>a {label}, {outcome}<br>loss {losses[i]:.3f}</figcaption></figure>")


def facts() -> Iterable[tuple[str, str]]:
    """What may matter for the figures; nothing that names the machine."""
    info = ce.info()
    library = Path(info["library"])
    size = f", {library.stat().st_size / 1000:.0f} kB" if library.exists() else ""
    yield "Library", f"{library.name} {info['library_version']}{size}"
    yield "Built", info["build"]
    yield "Instruction set", info["isa"]
    yield "Threads", f"{info['threads']} at most"
    yield "Processor", processor()
    yield "System", f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}"
    yield "Python", platform.python_version()
    packages = ("numpy", "scikit-learn", "mpmath")
    yield "Packages", ", ".join(f"{name} {version(name)}" for name in packages)
    yield "When", time.strftime("%d %B %Y, %H:%M UTC", time.gmtime())


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
