"""What a case's target says of each row: a label, or a distribution however it is given."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf

from .exact import FORMATS, Layout, exact, layout


class Target:
    """The distribution of one row that is not ignored.

    q, log_q: for each class the probability before smoothing, and its logarithm.
    label: the class, where the target is class indices; else None.
    inaccuracy: the relative error that q may have; `off`: for each class how far it may be off beside that.
    farthest: the largest magnitude of the teacher's finite logits.
    """

    def __init__(self, q: list[mpf], log_q: list[mpf] | None = None, label: int | None = None) -> None:
        self.q, self.label = q, label
        self.log_q = [logarithm(q_c) for q_c in q] if log_q is None and label is None else log_q or []
        self.inaccuracy, self.farthest = mpf(0), mpf(0)
        self.off = [mpf(0)] * len(q)

    @property
    def is_one_hot(self) -> bool:
        exactly = self.inaccuracy == 0 and not any(self.off)
        return exactly and self.q.count(1) == 1 and self.q.count(0) == len(self.q) - 1

    def error(self, c: int) -> mpf:
        """How far the probability of a class may be off."""
        return self.inaccuracy * abs(self.q[c]) + self.off[c]


def logarithm(value: mpf) -> mpf:
    if mp.isnan(value) or value < 0:
        return mp.nan
    return mp.log(value) if value else -mp.inf


def log_softmax(z: list[mpf]) -> list[mpf]:
    """z - lse, NaN throughout where the softmax is. The largest is subtracted first, so that rows which differ by a
    constant give the same numbers."""
    largest = max(z) if z and not any(mp.isnan(value) for value in z) else mp.nan
    if not mp.isfinite(largest):
        return [mp.nan] * len(z)
    gaps = [value - largest for value in z]
    log_total = mp.log(mp.fsum(map(mp.exp, gaps)))
    return [gap - log_total for gap in gaps]


def farthest(z: list[mpf]) -> mpf:
    """The largest magnitude of finite numbers; 0 if there is none."""
    return max((abs(value) for value in z if mp.isfinite(value)), default=mpf(0))


def distribution(values: list[mpf], options: dict[str, Any]) -> Target:
    """The target that these numbers are, for as many classes."""
    kind = options.get("target_type", "probs")
    if kind == "probs":
        return Target(values)
    temperature = mpf(options.get("temperature", 1))
    if kind == "logits":
        values = [value / temperature for value in values]
    log_q = log_softmax(values) if kind == "logits" else values
    made = Target([mp.exp(value) for value in log_q], log_q)
    made.inaccuracy = mpf("1e-14")
    if kind == "logits":
        made.farthest = farthest(values)
        made.inaccuracy *= max(1, made.farthest / 100)
        lowest = max(made.q, default=mpf(0)) * mpf(2) ** -1022
    else:
        lowest = mpf(2) ** -1022
    made.off = [q_c if q_c < lowest else mpf(0) for q_c in made.q]
    return made


def remainder(total: mpf, count: int, dtype: str) -> mpf:
    """What `count` named probabilities leave of 1; 0 where that may be their rounding."""
    left = 1 - total
    noise = min(count * mpf(2) ** (-52 if dtype == "f64" else -23), mpf(2) ** -16)
    return mpf(0) if -(mpf(2) ** -16) < left < noise else left


def sparse(labels: list[int], values: list[mpf], classes: int, dtype: str, options: dict[str, Any]) -> Target:
    """The target of a row that names these classes, with probabilities of that dtype."""
    named = distribution(values, options)
    q, log_q, off = [mpf(0)] * classes, [-mp.inf] * classes, [mpf(0)] * classes
    total = mp.fsum(named.q)
    rest, inaccuracy = options.get("target_rest", "drop"), named.inaccuracy
    others = classes - len(labels)
    size = mp.fsum(abs(q_c) for q_c in named.q)
    if rest == "spread" and others:
        share = remainder(total, len(labels), dtype) / others
        q, log_q = [share] * classes, [logarithm(share)] * classes
        if share:
            off = [(named.inaccuracy * size / others + mpf(2) ** -51 * abs(share))] * classes
    for label, q_c, log_q_c, off_c in zip(labels, named.q, named.log_q, named.off):
        q[label], log_q[label], off[label] = q_c, log_q_c, off_c
        if rest == "renormalize":
            q[label] = q_c / total if total else mp.nan
            log_q[label] = log_q_c - mp.log(total) if total > 0 else mp.nan
    if rest == "renormalize" and total:
        inaccuracy += mpf("1e-14") * size / abs(total)
    made = Target(q, log_q)
    made.inaccuracy, made.off, made.farthest = inaccuracy, off, named.farthest
    return made


def targets(case: dict[str, Any]) -> list[Target | None]:
    """The target of each row, None for those that are ignored."""
    options, rows = case["options"], layout(case)
    values = exact(case, "target_")
    ignored = {options.get("ignore_index", -100), *case.get("ignore_indices", ())}
    made: list[Target | None] = []
    if "target_probs" in case:
        probs = exact(case, "target_probs_")
        entries = Layout(case["target_shape"], case.get("class_axis", -1)) if "target_offsets" not in case else None
    for i in range(len(rows.starts)):
        if "mask" in case and case["mask"][i] == 0:
            made.append(None)
        elif "target_probs" in case:
            places = entries.places(i) if entries else range(*case["target_offsets"][i : i + 2])
            kept = [place for place in places if values[place] not in ignored]
            labels = [int(values[place]) for place in kept]
            assert len(set(labels)) == len(labels), case["name"]
            assert all(0 <= label < rows.classes for label in labels), case["name"]
            named, dtype = [probs[place] for place in kept], case["target_probs_dtype"]
            made.append(sparse(labels, named, rows.classes, dtype, options) if kept else None)
        elif case["target_dtype"] in FORMATS:
            made.append(distribution([values[place] for place in rows.places(i)], options))
        else:
            label = int(values[i])
            assert label in ignored or 0 <= label < rows.classes, case["name"]
            one_hot = Target([mpf(c == label) for c in range(rows.classes)], label=label)
            made.append(None if label in ignored else one_hot)
    return made


def smoothed(target: Target, w: list[mpf], prior: list[mpf] | None, smoothing: mpf) -> list[mpf]:
    """a_c = w_c q_c with the smoothed q: the mass of each class."""
    if smoothing == 0:
        return [w_c * q_c for w_c, q_c in zip(w, target.q)]
    prior = prior or [mpf(1) / len(w)] * len(w)
    return [w_c * ((1 - smoothing) * q_c + smoothing * prior_c) for w_c, q_c, prior_c in zip(w, target.q, prior)]
