"""A case's numbers, exactly, and the formats that results are rounded to."""

from __future__ import annotations

import math
import struct
from itertools import product
from typing import Any

from mpmath import mp, mpf

# lse - z loses as many digits as lie between the largest probability and the smallest that a double
# holds (324), or between the largest logit and 1 (308); 60 and more remain.
mp.dps = 400

# The significant bits of a dtype, the exponent of its smallest subnormal number, and that of its largest binade.
FORMATS = {"f16": (11, -24, 15), "bf16": (8, -133, 127), "f32": (24, -149, 127), "f64": (53, -1074, 1023)}


def digits(case: dict[str, Any]) -> int:
    """How many digits the case needs: 400, or 100 where probabilities are of generated logits within 40 of 0, between
    which lie 35 digits. That is faster where there are 100003 classes."""
    x, options = case["x"], case["options"]
    if not isinstance(x, dict) or "lcg" not in x or "set" in x or options.get("input_type", "logits") != "logits":
        return mp.dps
    lcg = x["lcg"]
    largest = math.ldexp(2 ** (lcg["bits"] - 1) + abs(lcg["shift"]), lcg["exponent"])
    largest *= abs(options.get("logit_scale", 1)) / options.get("temperature", 1)
    return 100 if largest <= 40 else mp.dps


def powers(z: list[mpf]) -> list[mpf]:
    """exp(z - max) of logits. Below e^-100000 it is 0, which no result can tell: such numbers take mpmath hours."""
    largest = max(z)
    known = {value: mp.exp(value - largest) if value - largest > -100000 else mpf(0) for value in set(z)}
    return [known[value] for value in z]


def rounded(value: float, dtype: Any) -> float:
    """The number of this dtype nearest to a double."""
    if dtype in ("f32", "f16"):
        code = "<f" if dtype == "f32" else "<e"
        return struct.unpack(code, struct.pack(code, value))[0]
    if dtype == "bf16" and math.isfinite(value):
        digits, lowest, _ = FORMATS[dtype]
        exponent = max(math.frexp(value)[1] - digits, lowest)
        return math.copysign(math.ldexp(round(math.ldexp(value, -exponent)), exponent), value)
    return float(value)


def generated(generator: dict[str, Any], count: int) -> list[float]:
    """The numbers of a generator object, as the file's header describes it."""
    if "constant" in generator:
        values = [float(generator["constant"])] * count
    else:
        lcg, values = generator["lcg"], []
        state, bits = lcg["seed"], lcg["bits"]
        for _ in range(count):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            integer = (state >> (64 - bits)) - 2 ** (bits - 1) + lcg["shift"]
            values.append(math.ldexp(integer, lcg["exponent"]))
    for index, value in generator.get("set", ()):
        values[index] = value
    return values


def exact(case: dict[str, Any], prefix: str) -> list[mpf]:
    """A tensor of the case as exact numbers, in row-major order of its shape."""
    shape = case[prefix + "shape"]
    values = case[{"": "x", "target_": "target"}.get(prefix, prefix[:-1])]
    if isinstance(values, dict):
        values = generated(values, case.get("buffer_size", math.prod(shape)))
        assert all(rounded(v, case[prefix + "dtype"]) == v for v in values), case["name"]
    if prefix + "strides" in case:
        strides, offset = case[prefix + "strides"], case[prefix + "offset"]
        values = [
            values[offset + sum(i * stride for i, stride in zip(index, strides))]
            for index in product(*map(range, shape))
        ]
    assert len(values) == math.prod(shape), case["name"]
    return [mpf(value) for value in values]


class Layout:
    """Where the rows of a tensor in row-major order are.

    starts: the place of each row's first class.
    step: from a class to the next.
    """

    def __init__(self, shape: list[int], class_axis: int) -> None:
        axis = class_axis % len(shape)
        self.classes, self.step = shape[axis], math.prod(shape[axis + 1 :])
        outers = range(math.prod(shape[:axis]))
        self.starts = [outer * self.classes * self.step + column for outer in outers for column in range(self.step)]

    def places(self, row: int) -> range:
        start = self.starts[row]
        return range(start, start + self.classes * self.step, self.step)


def layout(case: dict[str, Any]) -> Layout:
    return Layout(case["shape"], case.get("class_axis", -1))


def ulp(value: mpf, dtype: str) -> mpf:
    """The unit in the last place of `dtype` at the magnitude of `value`, beyond its range too."""
    exponent = mp.frexp(abs(value))[1] if value else -10000
    digits, lowest, _ = FORMATS[dtype]
    return mpf(2) ** max(exponent - digits, lowest)


def half_smallest(dtype: str) -> mpf:
    return mpf(2) ** (FORMATS[dtype][1] - 1)


def accuracy(dtype: str) -> mpf:
    """The relative bound of most things for input of this dtype."""
    return mpf("1e-13" if dtype == "f64" else "1e-6")
