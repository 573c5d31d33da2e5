"""How a case is put together."""

from __future__ import annotations

from typing import Any

NAN, INF = float("nan"), float("inf")
DTYPES = ("f32", "f64")
HALVES = ("f16", "bf16")
INPUT_TYPES = ("logits", "probs", "log_probs")
TARGET_KINDS = ("index", "distribution")
Case = dict[str, Any]

# The lowest and the highest value of each label dtype.
INTEGERS = {
    "i8": (-(2**7), 2**7 - 1), "i16": (-(2**15), 2**15 - 1), "i32": (-(2**31), 2**31 - 1),
    "i64": (-(2**63), 2**63 - 1), "u8": (0, 2**8 - 1), "u16": (0, 2**16 - 1),
    "u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1),
}  # fmt: skip

# Three ordinary rows of each input type, and targets for them.
ROWS = {
    "logits": [[0.3, -1.2, 2.1], [1.5, 0.2, -0.7], [0.4, 0.9, -2.2]],
    "probs": [[0.2, 0.3, 0.5], [0.7, 0.2, 0.1], [0.25, 0.6, 0.15]],
    "log_probs": [[-1.6, -1.2, -0.7], [-0.4, -1.6, -2.3], [-1.4, -0.5, -1.9]],
}
TARGETS: dict[str, Any] = {
    "index": [2, 0, 1],
    "distribution": [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.6, 0.1]],
}


def shape_of(nested: Any) -> list[int]:
    """The lengths of a nested list, outermost first; [] for a single number."""
    if not isinstance(nested, list):
        return []
    return [len(nested), *(shape_of(nested[0]) if nested else [])]


def flat(nested: Any) -> list[Any]:
    """The numbers of a nested list in row-major order."""
    if not isinstance(nested, list):
        return [nested]
    return [number for part in nested for number in flat(part)]


def case(name: str, why: str, x: Any, target: Any, **fields: Any) -> Case:
    """A case from nested lists; `fields` are fields or options of the file format.

    Shapes follow from the lists unless given; the target's and the weights' float dtype is the
    input's unless given, and f32 for f16 and bf16. The derivative with respect to the target is asked
    for with grad_target=[].
    """
    made: Case = {"name": name, "why": why, "dtype": "f32", "shape": shape_of(x), "x": x}
    dtype = fields.get("dtype", "f32")
    values = target if isinstance(target, dict) else flat(target)
    is_float = isinstance(target, dict) or any(isinstance(value, float) for value in values)
    made["target_dtype"] = (dtype if dtype in DTYPES else "f32") if is_float else "i64"
    made["target_shape"] = shape_of(target)
    made["target"] = values
    for key in ("weight", "pos_weight", "sample_weight", "prior", "target_probs", "vector"):
        if key in fields:
            made[key + "_dtype"] = dtype if dtype in DTYPES or key == "vector" else "f32"
            made[key + "_shape"] = shape_of(fields[key])
            fields[key] = fields[key] if isinstance(fields[key], dict) else flat(fields[key])
    for key, kind in (("mask", "u8"), ("ignore_indices", "i64"), ("grad_losses", dtype if dtype in DTYPES else "f32")):
        if key in fields:
            made.setdefault(key + "_dtype", kind)
            made[key + "_shape"] = shape_of(fields[key])
            fields[key] = flat(fields[key])
    made.update(fields)
    if not isinstance(made["x"], dict):
        made["x"] = flat(made["x"])
    return made


def numbers(seed: int, exponent: int = -20, bits: int = 24, shift: int = 0, put: Any = ()) -> dict[str, Any]:
    """A generator: integers of `bits` bits, centred on `shift`, times 2^exponent."""
    made: dict[str, Any] = {"lcg": {"seed": seed, "bits": bits, "shift": shift, "exponent": exponent}}
    if put:
        made["set"] = [list(pair) for pair in put]
    return made


# Class indices at the edges of lanes and blocks.
EDGES = (0, 1, 7, 8, 15, 16, 31, 32, 1023, 1024, 2047, 2048, 4095, 4096)


def sampled(rows: int, classes: int, labels: list[int]) -> list[int]:
    """Flat gradient indices worth checking in long rows: block edges, the label, the end."""
    chosen = set()
    for row, label in enumerate(labels):
        columns = {c for c in EDGES if c < classes} | {label, classes // 3, classes - 1}
        chosen |= {row * classes + column for column in columns}
    return sorted(chosen)
