"""How far each language is from the exact results, as a fraction of the published bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tools.run import digits
from tools.run.cases import Array, Case
from tools.run.programs import Answer, Answers

JUDGED = ("Swift", "C", "Python")
LANGUAGES = (*JUDGED, "NumPy")  # NumPy is there for comparison
KINDS = (
    "textbook, logits",
    "textbook, probs",
    "logits [[80, 0]]",
    "ordinary logits",
    "confident logits",
    "long rows",
    "distributions",
    "label smoothing",
    "probabilities",
    "log-probabilities",
    "KL divergence",
    "second derivatives",
    "odd values",
    *(f"digits, {epochs} epochs" for epochs in digits.EPOCHS),
    "wrong calls",
)


@dataclass
class Difference:
    """That number of an answer which is furthest from the exact one, as a fraction of its bound."""

    case: Case
    language: str
    what: str
    got: float
    exact: float
    bound: float
    fraction: float

    def __str__(self) -> str:
        text = f"{self.what} of case {self.case.name} is {self.got:.9g}, not {self.exact:.9g}"
        if not np.isfinite(self.fraction):
            return text
        return f"{text}: {self.fraction:.3g} times the bound of {self.bound:.3g}"


@dataclass
class Row:
    """A line of the table: what the cases of one kind and dtype come to.

    values: the loss of `example` in each language, as text.
    fractions: for each language the largest fraction of a bound; NaN if it has nothing to judge.
    ulps: the largest difference of a loss in units in the last place, of the judged languages.
    same_bits: whether the judged languages give the same bits in every case.
    """

    title: str
    cases: int
    example: str
    values: dict[str, str]
    fractions: dict[str, float]
    ulps: float
    same_bits: bool


@dataclass
class Agreement:
    """The table; of each case the largest difference, worst first; and a sentence per failure."""

    rows: list[Row]
    differences: list[Difference]
    failures: list[str]
    cases: int
    numbers: int


def compare(cases: list[Case], answers: dict[str, Answers]) -> Agreement:
    """Judges the answers of the languages to the cases."""
    failures: list[str] = []
    found: dict[tuple[str, str], Difference] = {}
    same_bits = {}
    for case in cases:
        for language in LANGUAGES:
            if case.name in answers[language]:
                difference = largest_difference(case, language, answers[language][case.name])
                found[case.name, language] = difference
            elif language == "C" or (language == "Swift" and case.fields.get("level") != "c"):
                failures.append(f"{language} has no answer to case {case.name}")
        failures += sentences([found[case.name, each] for each in JUDGED if (case.name, each) in found])
        given = [answers[each][case.name] for each in JUDGED if case.name in answers[each]]
        same_bits[case.name] = len({bits(answer) for answer in given}) <= 1
        if not same_bits[case.name]:
            failures.append(f"case {case.name}: Swift, C and Python differ in their bits")

    groups: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: KINDS.index(kind(case))):
        groups.setdefault(title(case), []).append(case)
    worst: dict[str, Difference] = {}
    for (name, language), difference in found.items():
        if language in JUDGED and difference.fraction >= worst.get(name, difference).fraction:
            worst[name] = difference
    return Agreement(
        rows=[table_row(name, group, answers, found, same_bits) for name, group in groups.items()],
        differences=sorted(worst.values(), key=lambda difference: -difference.fraction),
        failures=failures,
        cases=len(cases),
        numbers=sum(len(case.loss) + len(case.grad) for case in cases),
    )


def sentences(differences: list[Difference]) -> list[str]:
    """What is wrong with the answers to a case, once for languages wrong in the same way."""
    wrong: dict[str, list[str]] = {}
    for difference in differences:
        if not difference.fraction <= 1:
            wrong.setdefault(str(difference), []).append(difference.language)
    return [f"{', '.join(languages)}: {text}" for text, languages in wrong.items()]


def kind(case: Case) -> str:
    """The kind of call a case makes: one of KINDS."""
    options = case.fields["options"]
    for prefix, name in (
        ("textbook_as_logits", "textbook, logits"),
        ("textbook_as_probs", "textbook, probs"),
        ("confident_80_to_0", "logits [[80, 0]]"),
        *((f"digits_{epochs}_", f"digits, {epochs} epochs") for epochs in digits.EPOCHS),
    ):
        if case.name.startswith(prefix):
            return name
    if case.status:
        return "wrong calls"
    x = case.array("")
    if not (x.size and all(np.isfinite(part).all() for part in (x, case.loss, case.grad))):
        return "odd values"
    if case.function != "cross_entropy" and not case.is_binary:
        return "KL divergence" if case.function == "kl_divergence" else "second derivatives"
    if "input_type" in options:
        return {"probs": "probabilities", "log_probs": "log-probabilities"}[options["input_type"]]
    if case.fields["target_dtype"][0] not in "iu" or "target_probs" in case.fields:
        return "distributions"
    if "label_smoothing" in options:
        return "label smoothing"
    if x.ndim > 0 and x.shape[case.fields.get("class_axis", -1)] >= 1000:
        return "long rows"
    small = (case.loss != 0) & (abs(case.loss) < 1e-3)
    return "confident logits" if small.any() else "ordinary logits"


def title(case: Case) -> str:
    """The line of the table that a case belongs to: its kind, and its dtype where that matters."""
    name = kind(case)
    plain = name == "wrong calls" or name.startswith(("textbook", "logits"))
    return name if plain else f"{name} {case.fields['dtype']}"


def largest_difference(case: Case, language: str, answer: Answer) -> Difference:
    """The rule of the vectors' header: both NaN, the same infinity, or within the bound."""
    if answer.status != case.status:
        status = f"status ({answer.error})" if answer.error else "status"
        return Difference(case, language, status, answer.status, case.status, 0, np.inf)
    worst = Difference(case, language, "status", answer.status, case.status, 0, 0)
    for name, got, exact, bound in (
        ("loss", answer.loss, case.loss, case.loss_tol),
        ("gradient", answer.grad, case.grad, case.grad_tol),
    ):
        if len(got) != len(exact):
            what = f"number of elements of the {name}"
            return Difference(case, language, what, len(got), len(exact), 0, np.inf)
        with np.errstate(all="ignore"):
            fractions = np.where(np.isfinite(exact), abs(got - exact) / bound, np.inf)
        fractions[(got == exact) | (np.isnan(got) & np.isnan(exact))] = 0
        fractions[np.isnan(fractions)] = np.inf
        # A number that the bound lets become 0 says nothing about accuracy if it does.
        fractions[(got == 0) & (fractions <= 1)] = 0
        if len(fractions) and fractions.max() >= worst.fraction:
            i = int(fractions.argmax())
            place = i if name == "loss" else case.fields.get("grad_at", range(len(exact)))[i]
            what = name if len(exact) == 1 else f"{name}[{place}]"
            worst = Difference(case, language, what, *map(float, (got[i], exact[i], bound[i], fractions[i])))
    return worst


def loss_ulps(case: Case, answer: Answer) -> float:
    """The largest difference of a loss in units in the last place of the coarser of the dtypes of
    input and loss. Only of normal numbers, and not of sums that nearly cancel, where the unit is no
    measure of what was added."""
    coarse = not case.is_double or case.loss_dtype == np.float32
    size = abs(case.loss)
    fit = np.isfinite(size) & (size >= smallest_normal(case))
    fit &= case.loss_tol <= (2e-6 if coarse else 2e-13) * size
    units = np.ldexp(1.0, np.frexp(size[fit])[1] - (24 if coarse else 53))
    return float((abs(answer.loss[fit] - case.loss[fit]) / units).max(initial=0))


def smallest_normal(case: Case) -> float:
    return float(np.finfo(np.float64 if case.is_double else np.float32).tiny)


def bits(answer: Answer) -> tuple[bytes, ...]:
    """The answer's bits; every NaN is the same one."""

    def canonical(numbers: Array) -> bytes:
        return np.where(np.isnan(numbers), np.nan, numbers).tobytes()

    return (bytes([answer.status & 255]), canonical(answer.loss), canonical(answer.grad))


def table_row(
    name: str,
    cases: list[Case],
    answers: dict[str, Answers],
    found: dict[tuple[str, str], Difference],
    same_bits: dict[str, bool],
) -> Row:
    # The first mean or sum that is a normal number, in the wider dtype; else what comes first.
    scalars = [case for case in cases if len(case.loss) == 1 and case.loss[0] > smallest_normal(case)]
    example = max(scalars or cases[:1], key=lambda case: case.fields["dtype"] == "f64")
    fractions = {}
    for language in LANGUAGES:
        theirs = [found[case.name, language].fraction for case in cases
                  if (case.name, language) in found]  # fmt: skip
        fractions[language] = max(theirs, default=np.nan)
    return Row(
        title=name,
        cases=len(cases),
        example=example.name,
        values={each: value_text(answers[each].get(example.name)) for each in LANGUAGES},
        fractions=fractions,
        ulps=max(
            (
                loss_ulps(case, answers[each][case.name])
                for case in cases
                for each in JUDGED
                if case.status == 0 and case.name in answers[each]
                and len(answers[each][case.name].loss) == len(case.loss)
            ),
            default=np.nan,
        ),
        same_bits=all(same_bits[case.name] for case in cases),
    )  # fmt: skip


def value_text(answer: Answer | None) -> str:
    """The loss that stands for a row of the table, or the error in its place."""
    if answer is None:
        return "-"
    if answer.status:
        return answer.error or f"status {answer.status}"
    return number_text(answer.loss[0]) if len(answer.loss) else "no loss"


def number_text(value: float) -> str:
    """About seven digits that fit a column of eleven."""
    if value == 0 or 1e-3 <= abs(value) < 1e6 or not np.isfinite(value):
        return f"{value:.7g}"
    return f"{value:.4e}"


def fraction_text(value: float) -> str:
    """A fraction of a bound: two or three decimals, or a power of ten where that says more."""
    if np.isnan(value):
        return "-"
    if value == 0 or np.isinf(value):
        return f"{value:g}"
    if 0.001 <= value < 1000:
        return f"{value:.3f}" if value < 0.01 else f"{value:.2f}"
    return f"{value:.0e}"


def table_text(rows: list[Row]) -> str:
    """The table for a terminal, 115 characters wide."""
    lines = [
        f"{'':27}{' loss of one case ':-^48}  {' difference / bound ':-^28}",
        f"{'':20} {'cases':>6}"
        + "".join(f"{each:>12}" for each in LANGUAGES)
        + "  "
        + "".join(f"{each:>7}" for each in LANGUAGES)
        + f" {'ulp':>6}  bits",
    ]
    for row in rows:
        lines.append(
            f"{row.title:20} {row.cases:6}"
            + "".join(f"{row.values[each]:>12}" for each in LANGUAGES)
            + "  "
            + "".join(f"{fraction_text(row.fractions[each]):>7}" for each in LANGUAGES)
            + f" {fraction_text(row.ulps):>6}  "
            + ("same" if row.same_bits else "DIFFER")
        )
    return "\n".join(lines)
