"""The shared test cases: their inputs, and why each is there.

No arithmetic on results happens here: `tools/make_vectors.py` computes what to expect, from the
formulas, and writes `vectors.json`. A case is a dictionary of the fields described in that file's
header; numbers are rounded to their dtype before anything is computed from them.
"""

from __future__ import annotations

from . import (
    binary,
    errors,
    extremes,
    halves,
    hessian,
    kl,
    layouts,
    magnitudes,
    masked,
    odd,
    options,
    ordinary,
    rows,
    targets,
    terms,
    weights,
)
from .case import Case

GROUPS = [
    ordinary.textbook,
    ordinary.ordinary,
    ordinary.reductions,
    weights.class_weights,
    weights.sample_weights,
    weights.smoothing,
    weights.distributions,
    options.ignoring,
    options.gradient_scale,
    options.threads,
    options.probabilities,
    magnitudes.confident,
    magnitudes.ties_and_offsets,
    masked.short,
    masked.huge,
    masked.blocks,
    masked.tiny,
    layouts.lengths,
    layouts.row_counts,
    layouts.class_axes,
    layouts.layouts,
    layouts.dtypes,
    halves.ordinary,
    halves.layouts,
    halves.ranges,
    halves.targets,
    halves.weights,
    halves.binary,
    rows.masks,
    rows.several_ignored,
    rows.upstream,
    terms.terms,
    terms.confident_terms,
    terms.long_terms,
    terms.odd_terms,
    terms.transforms,
    extremes.weights,
    extremes.transforms,
    extremes.z_losses,
    extremes.others,
    odd.odd_nothing_counts,
    odd.odd_rows,
    odd.odd_targets,
    errors.label_errors,
    errors.option_errors,
    errors.shape_errors,
    terms.term_errors,
    rows.row_errors,
    binary.ordinary,
    binary.weights,
    binary.counting,
    binary.magnitudes,
    binary.odd,
    binary.focal,
    binary.probabilities,
    binary.layouts,
    binary.extremes,
    binary.errors,
    targets.teachers,
    targets.teacher_layouts,
    targets.temperatures,
    targets.priors,
    targets.sparse,
    targets.odd,
    targets.errors,
    kl.ordinary,
    kl.weights,
    kl.temperatures,
    kl.equal,
    kl.magnitudes,
    kl.sizes,
    kl.odd,
    kl.layouts,
    kl.sparse,
    kl.errors,
    hessian.ordinary,
    hessian.magnitudes,
    hessian.layouts,
    hessian.errors,
]


def all_cases() -> list[Case]:
    """Every case, in the order of the file."""
    made = [one for group in GROUPS for one in group()]
    names = [one["name"] for one in made]
    assert len(set(names)) == len(names), "names must be unique"
    return made
