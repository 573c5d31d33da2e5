"""Numbers, tolerances and cases as they are written in the file."""

from __future__ import annotations

import json
import math
from typing import Any

from mpmath import mp, mpf

from .exact import FORMATS, half_smallest, ulp


class Raw(str):
    """Text that is to stand in the JSON as it is."""


def last_rounding(value: mpf, dtype: str, finer: bool) -> mpf:
    """How far an output's last rounding may lead, beyond its relative bound. `finer`: that bound is of f64."""
    once = half_smallest("f64" if dtype == "f64" else "f32")
    if finer and dtype != "f64":
        once += ulp(value, "f32") / 2
    return once if dtype in ("f32", "f64") else once + ulp(value, dtype) / 2


def texts(pairs: list[tuple[mpf, mpf]], dtype: str, finer: bool = False) -> tuple[list[Any], list[Any]]:
    """Values and tolerances as they are written, infinite where the dtype has no room."""
    digits, _, highest = FORMATS[dtype]
    limit = (2 - mpf(2) ** -digits) * mpf(2) ** highest
    values: list[Any] = []
    tolerances: list[Any] = []
    for value, bound in pairs:
        if not mp.isfinite(value) or abs(value) >= limit:
            values.append("nan" if mp.isnan(value) else "inf" if value > 0 else "-inf")
            tolerances.append(Raw("0"))
            continue
        if value == 0 and bound == 0:
            values.append(Raw("0"))
            tolerances.append(Raw("0"))
            continue
        assert abs(value) + bound < limit, "too close to overflow"
        tiny = abs(value) < mpf(2) ** -1075
        values.append(Raw("0" if tiny else mp.nstr(value, 20)))
        tolerances.append(tolerance_text(bound + last_rounding(value, dtype, finer)))
    return values, tolerances


def tolerance_text(bound: mpf) -> Raw:
    if bound < mpf("1e-290"):
        smallest = mpf(2) ** -1074
        return Raw(repr(float(mp.ceil(bound / smallest) * smallest)))
    # A bound of exactly 5e-14, say, must not fall to either side with its 400th digit.
    bound *= 1 + mpf("1e-50")
    exponent = int(mp.floor(mp.log10(bound)))
    digits = str(int(mp.floor(bound * mpf(10) ** (5 - exponent))))
    return Raw(f"{digits[0]}.{digits[1:]}e{exponent}")


def json_text(value: Any) -> str:
    """JSON on one line, with the strings of the header for what JSON has no number for."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'"{value}"'
    if isinstance(value, int) and abs(value) > 2**53:
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {json_text(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)
