"""Makes Tests/Vectors/vectors.json: what cross-entropy must give for the cases of cases.py.

    python tools/make_vectors.py            write the file
    python tools/make_vectors.py --check    exit with 1 if the file is not what would be written

The expected values come from the formulas as they stand in the books, in mpmath, with so many
digits that no rearrangement is needed; nothing is shared with the library. Needs mpmath alone, and
gives the same bytes on every run.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from mpmath import mp, mpf

FOLDER = Path(__file__).resolve().parent.parent / "Tests" / "Vectors"
VECTORS = FOLDER / "vectors.json"
sys.path.insert(0, str(FOLDER))
import cases  # noqa: E402  (lies beside the data, not beside this script)

# lse - z loses as many digits as lie between the largest probability and the smallest that a double
# holds (324), or between the largest logit and 1 (308); 60 and more remain.
mp.dps = 400

DEFAULTS: dict[str, Any] = {
    "input_type": "logits",
    "reduction": "mean",
    "mean_over": "weight",
    "empty": "nan",
    "ignore_index": -100,
    "label_smoothing": 0.0,
    "mean_divisor": 0.0,
    "clip": 0.0,
    "grad_loss": 1.0,
    "threads": 0,
    "z_loss": 0.0,
    "focal_gamma": 0.0,
    "poly_epsilon": 0.0,
    "softcap": 0.0,
    "logit_scale": 0.0,
}

HEADER: dict[str, Any] = {
    "what": "Test vectors of crossentropy: calls, and what each must give. Any language can use "
    "them; made by tools/make_vectors.py from the formulas with mpmath, so they hold for any "
    "implementation of the same contract (include/crossentropy.h).",
    "check": "status is the expected one, and for each expected number: both are NaN, or both are "
    "the same infinity, or both are finite and |got - want| <= tol, computed in binary64. No other "
    "tolerance is to be added. After any status but CE_OK no output has changed.",
    "numbers": "JSON numbers, except that NaN and the infinities are the strings 'nan', 'inf' and "
    "'-inf', and integers beyond +-2^53 are strings of their digits. Inputs are exactly the "
    "numbers of their dtype that are meant; wanted numbers have 20 significant digits.",
    "fields": {
        "name": "unique, made of a-z, 0-9 and _",
        "why": "what the case is there to show",
        "level": "'c' where only an interface of raw tensors and codes can state the call; others "
        "may leave the case out",
        "loss_function": "binary_cross_entropy: of each element of the input; absent: cross_entropy, of each row",
        "dtype": "of the input: f32, f64, f16 (binary16) or bf16 (the upper half of a binary32); in error cases "
        "also another name or a bare code",
        "shape": "of the input and the gradient; class_axis says which dimension holds the classes "
        "(default -1); the others, in their order, are the rows",
        "strides, offset": "in elements; element (i, j, ...) is number offset + i*strides[0] + "
        "j*strides[1] + ... of x. Without them x is in row-major order. buffer_size: the length of "
        "a generated x that is not the product of the shape. A gradient goes by the shape in "
        "row-major order",
        "x": "the input's numbers, or a generator",
        "target": "class indices (an integer target_dtype: i8 to i64, u8 to u64) or distributions "
        "(f32, f64), with target_shape, and target_strides and target_offset like the input's. Of binary_cross_entropy "
        "labels 0 and 1, or real numbers, for each element of the input",
        "weight, sample_weight": "class and row weights with *_dtype, *_shape, *_strides, *_offset; absent: all 1. Of "
        "binary_cross_entropy sample_weight has the input's shape, and there is pos_weight: for each class, or one "
        "number",
        "options": "each option that is not at its default; see defaults. ignore_index 'none' is "
        "CE_IGNORE_NONE; a bare number in place of an option's name is an unknown code",
        "loss_dtype": "absent: the input's dtype, and f32 for f16 and bf16",
        "grad_dtype": "absent: the input's dtype",
        "outputs": "['loss']: call without a gradient; absent: both",
        "status": "CE_OK or another name of the header's enum",
        "message_contains": "for errors: each text occurs in the error message",
        "loss, loss_tol": "one number, or with reduction none one a row, or of binary_cross_entropy one an element",
        "grad, grad_tol": "the whole gradient in row-major order, or, where grad_at is given, the "
        "elements of those row-major indices",
    },
    "generators": {
        "lcg": "state = seed; for each number: state = (state * 6364136223846793005 + "
        "1442695040888963407) mod 2^64; u = state >> (64 - bits); the number is "
        "(u - 2^(bits-1) + shift) * 2^exponent, exactly representable in the dtype",
        "constant": "every number is this one",
        "set": "afterwards, for each pair [i, value]: number i becomes value",
    },
    "defaults": {"class_axis": -1, **DEFAULTS},
    "tolerances": {
        "rule": "The bounds that the library publishes, with nothing added. C classes; for row i: "
        "a_c = w_c ((1-e) q_c + e/C), A = sum a_c, s its sample weight, p its softmax, "
        "L = s sum a_c (lse - z_c), M = |s| sum |a_c (lse - z_c)| (for other input types the terms "
        "are -a_c log x_c and -a_c x_c), D the mean's divisor (1 for sum and none). f16 and bf16 input has the "
        "bounds of f32.",
        "row": "T = 2 ulp32(M) where M >= 2^-4, else 1e-6 M, for f32 input; 1e-13 M for f64 input; "
        "+ F + h. For f64 input with an f32 loss + ulp32(L)/2.",
        "F": "probabilities below 2^-126 (f32 input) or 2^-1022 (f64) of the row's largest may be "
        "0: F = |s A| (sum of those p).",
        "h": "half the smallest subnormal number of the output's dtype; of f32 for an f16 or bf16 gradient.",
        "mean, sum": "(sum of the rows' T without h) / |D| + half a unit in the last place of the "
        "result in the loss's dtype + h.",
        "gradient": "b |r| m_c + |r A| f_c + h with r = s grad_loss / D. Index targets without "
        "smoothing, and rows of q with one 1 and else 0: m_c = |A p_c - a_c|. Others: "
        "m_c = max(|A p_c|, |a_c|). b = 1e-13 for f64 input; for f32 1e-6 where p_c >= 1e-6 or "
        "|a_c| >= |A p_c|, else 5e-6. f_c = p_c if it may be 0, else 0; for the class of mass in "
        "rows of the first kind f_c = sum of all p that may be 0. Input types probs and "
        "log_probs: b = 1e-6 or 1e-13, m_c = |a_c / x_c| or |a_c|, f_c = 0. For an f16 or bf16 gradient + half a "
        "unit in the last place of that dtype at the exact value, which is at least 2^-25 (f16) or 2^-134 (bf16).",
        "z_loss, focal_gamma, poly_epsilon": "with v_c = 1 - p_c the row is L = s (sum a_c f_c + z_loss lse^2), "
        "f_c = v_c^gamma ((lse - z_c) + poly_epsilon v_c), and its gradient s (K p_c - a_c b_c), b_c = v_c^gamma (1 + "
        "poly_epsilon p_c + gamma p_c ((lse - z_c) / v_c + poly_epsilon)), K = sum a_c b_c + 2 z_loss lse. All bounds "
        "are multiplied by 1 + gamma. Magnitudes are what comes of the formulas with |poly_epsilon| for poly_epsilon, "
        "|a_c| for a_c and E = |m| + log(sum exp(z - m)), m the largest logit, for |lse|: in M, and K' and b'_c in the "
        "gradient, where m_c = b'_y |p_c - [c = y]| + 2 z_loss E p_c for one-hot rows of mass 1 "
        "(times |a_y|, but for the z-loss), else max(K' p_c, |a_c| b'_c); |A| becomes K' in F and f_c.",
        "softcap, logit_scale": "all of the above is of z_c = softcap tanh(logit_scale x_c / softcap), or "
        "logit_scale x_c without softcap (0), where logit_scale 0 is 1 and infinite x_c stay infinite; gradients are "
        "multiplied by dz_c / dx_c. As z_c may be off by t |z_c|, t = 2^-50, T + t sum (K' p_c + |a_c| b'_c) |z_c| over finite "
        "z_c, and for the gradient 2 (1 + gamma) t max |z_c| |r| m_c dz_c / dx_c more.",
        "binary_cross_entropy": "an element is a row whose loss is L = s w (a f + b g), a = v y', b = 1 - y', "
        "y' = (1-e) y + e/2, v the pos_weight, w the class's weight; f = (1-p)^gamma (-log p), "
        "g = p^gamma (-log(1-p)), "
        "p = 1 / (1 + exp(-x)), or x itself for probs. M = |s w| (|a| f + |b| g), T = B (1 + gamma) M + F + h "
        "with B = 1e-6 "
        "(f32) or 1e-13 (f64). Its slope is s w (b g' + a f'); the gradient's bound is B (1 + gamma) |r w| "
        "(|b g'| + |a f'|) "
        "+ |r w| (|a| + |b|) E + h. E = exp(-|x|) where that is below 2^-126 (f32) or 2^-1022 (f64), else 0; "
        "F = |s w| (|a| + "
        "|b|) E. Terms with a = 0 or b = 0 are 0. D as for a row, with the sum of s w as weight.",
        "ulp32": "the unit in the last place of binary32 at that magnitude, at least 2^-149.",
        "rounding": "tolerances are cut, not rounded up, to 6 digits; those below 1e-290 are "
        "rounded up to a binary64 number.",
    },
}


# Numbers of the input ------------------------------------------------------------------------


# The significant bits of a dtype, the exponent of its smallest subnormal number, and that of its largest binade.
FORMATS = {"f16": (11, -24, 15), "bf16": (8, -133, 127), "f32": (24, -149, 127), "f64": (53, -1074, 1023)}


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


# The formulas --------------------------------------------------------------------------------


def ulp(value: mpf, dtype: str) -> mpf:
    """The unit in the last place of `dtype` at the magnitude of `value`, beyond its range too."""
    exponent = mp.frexp(abs(value))[1] if value else -10000
    digits, lowest, _ = FORMATS[dtype]
    return mpf(2) ** max(exponent - digits, lowest)


def half_smallest(dtype: str) -> mpf:
    return mpf(2) ** (FORMATS[dtype][1] - 1)


def last_rounding(value: mpf, dtype: str) -> mpf:
    """How far an output's last rounding may lead, beyond its relative bound."""
    if dtype in ("f32", "f64"):
        return half_smallest(dtype)
    return half_smallest("f32") + ulp(value, dtype) / 2


def transformed(x: list[mpf], options: dict[str, Any]) -> tuple[list[mpf], list[mpf]]:
    """The logits z that are meant by x, and dz/dx."""
    scale, cap = mpf(options.get("logit_scale", 0)) or mpf(1), mpf(options.get("softcap", 0))
    z, chain = [], []
    for x_c in x:
        y = scale * x_c
        is_capped = cap != 0 and mp.isfinite(y)
        z.append(cap * mp.tanh(y / cap) if is_capped else y)
        chain.append(scale * mp.sech(y / cap) ** 2 if is_capped else scale if cap == 0 else mpf(0))
    return z, chain


class Term:
    """The term f of the loss that a class with target mass a has, and its slope b; `_size`: all parts positive."""

    def __init__(self, a: mpf, minus_log_p: mpf, p: mpf, gamma: mpf, epsilon: mpf) -> None:
        v = 1 - p
        power = v**gamma if gamma else mpf(1)
        bend = (power / v * minus_log_p if v else power) * gamma * p if gamma and p else mpf(0)
        self.f = a * power * (minus_log_p + epsilon * v)
        self.f_size = abs(a) * power * (minus_log_p + abs(epsilon) * v)
        self.b = a * (power * (1 + epsilon * p * (1 + gamma)) + bend)
        self.b_size = abs(a) * (power * (1 + abs(epsilon) * p * (1 + gamma)) + bend)


class Row:
    """One row that counts: loss, gradient and what bounds them, before s, D and grad_loss.

    magnitude: the sum of the loss's terms, each made positive.
    flushed: the part of the loss that probabilities which may be 0 can take away.
    unsure: what rounding of transformed logits may change in the loss.
    widening: what the bounds of accuracy are multiplied by.
    slopes: for each class the gradient, and its bound.
    """

    def __init__(self, x: list[mpf], a: list[mpf], one_hot: bool, case: dict[str, Any]) -> None:
        self.loss, self.magnitude, self.flushed, self.unsure, self.widening = mpf(0), mpf(0), mpf(0), mpf(0), mpf(1)
        self.slopes: list[tuple[mpf, mpf]] = []
        if case["options"].get("input_type", "logits") == "logits":
            z, chain = transformed(x, case["options"])
            self.from_logits(z, a, one_hot, case)
            self.slopes = [(slope * d, bound * abs(d)) for (slope, bound), d in zip(self.slopes, chain)]
        else:
            self.from_probabilities(x, a, case)

    def add_term(self, term: mpf) -> None:
        self.loss += term
        self.magnitude += abs(term)

    @staticmethod
    def bound(magnitude: mpf, dtype: str) -> mpf:
        """Of the loss, where the terms' sizes add up to this."""
        if dtype == "f64":
            return mpf("1e-13") * magnitude
        return 2 * ulp(magnitude, "f32") if magnitude >= mpf(2) ** -4 else mpf("1e-6") * magnitude

    def from_logits(self, z: list[mpf], a: list[mpf], one_hot: bool, case: dict[str, Any]) -> None:
        dtype, options = case["dtype"], case["options"]
        gamma, epsilon, z_loss = (mpf(options.get(name, 0)) for name in ("focal_gamma", "poly_epsilon", "z_loss"))
        largest = max(z)
        if any(mp.isnan(value) for value in z) or mp.isinf(largest):
            self.loss = mp.nan
            self.slopes = [(mp.nan, mpf(0))] * len(z)
            return
        powers = [mp.exp(value) for value in z]
        total_power = mp.fsum(powers)
        lse = mp.log(total_power)
        lse_size = abs(largest) + mp.log(total_power / mp.exp(largest))
        p = [power / total_power for power in powers]
        # Of classes without target mass there is no term.
        terms = [Term(a_c, lse - z_c, p_c, gamma, epsilon) if a_c else None for a_c, z_c, p_c in zip(a, z, p)]
        present = [term for term in terms if term]
        self.loss = mp.fsum(term.f for term in present) + z_loss * lse**2
        self.magnitude = mp.fsum(term.f_size for term in present) + z_loss * lse_size**2
        self.widening = 1 + gamma

        total = mp.fsum(term.b for term in present) + 2 * z_loss * lse
        total_size = mp.fsum(term.b_size for term in present)
        if gamma == 0 and epsilon == 0:
            total_size = abs(mp.fsum(a))
        total_size += 2 * z_loss * lse_size
        lowest = max(p) * mpf(2) ** (-1022 if dtype == "f64" else -126)
        may_be_zero = [value if value < lowest else mpf(0) for value in p]
        self.flushed = total_size * mp.fsum(may_be_zero)
        farthest = mpf(0)
        if "softcap" in options or "logit_scale" in options:
            off = [mpf(2) ** -50 * abs(z_c) if mp.isfinite(z_c) else mpf(0) for z_c in z]
            farthest = max(off)
            self.unsure = mp.fsum(
                (total_size * p_c + (term.b_size if term else 0)) * off_c for p_c, term, off_c in zip(p, terms, off)
            )
        for p_c, term, lost in zip(p, terms, may_be_zero):
            mass, mass_size = (term.b, term.b_size) if term else (mpf(0), mpf(0))
            precise = p_c >= mpf("1e-6") or mass_size >= total_size * p_c
            bound = mpf("1e-13") if dtype == "f64" else mpf("1e-6" if precise else "5e-6")
            if one_hot:
                from_mass = mass_size * (1 - p_c) if term else (total_size - 2 * z_loss * lse_size) * p_c
                size = from_mass + 2 * z_loss * lse_size * p_c
                if term:
                    lost = mp.fsum(may_be_zero)
            else:
                size = max(total_size * p_c, mass_size)
            self.slopes.append((total * p_c - mass, self.widening * (bound + 2 * farthest) * size + total_size * lost))

    def from_probabilities(self, x: list[mpf], a: list[mpf], case: dict[str, Any]) -> None:
        options = case["options"]
        bound = mpf("1e-13" if case["dtype"] == "f64" else "1e-6")
        low = options.get("clip", 0.0)
        high = 1 - low  # as binary64, as the header says
        for x_c, a_c in zip(x, a):
            slope = mpf(0)
            if a_c != 0 and options["input_type"] == "log_probs":
                self.add_term(-a_c * x_c)
                slope = -a_c
            elif a_c != 0:
                used = x_c
                if low > 0 and not mp.isnan(x_c):
                    used = min(max(x_c, mpf(low)), mpf(high))
                if used < 0 or mp.isnan(used):
                    self.add_term(mp.nan)
                    slope = mp.nan
                else:
                    self.add_term(-a_c * mp.log(used))
                    if used == x_c or low == 0:
                        slope = -a_c / used if used else -a_c * mp.inf
            self.slopes.append((slope, bound * abs(slope)))
        if mp.isnan(self.loss):
            self.slopes = [(mp.nan, mpf(0))] * len(x)


class Element:
    """One element of binary cross-entropy that counts; the fields are those of a row of one class.

    Masses a and b of the positive and of the negative term, as the file's header has them.
    """

    def __init__(self, x: mpf, a: mpf, b: mpf, case: dict[str, Any]) -> None:
        options = case["options"]
        gamma = mpf(options.get("focal_gamma", 0))
        self.loss, self.magnitude, self.flushed, self.unsure, self.widening = mpf(0), mpf(0), mpf(0), mpf(0), 1 + gamma
        slope, size, lost = mpf(0), mpf(0), mpf(0)
        is_probs = options.get("input_type", "logits") == "probs"
        low = options.get("clip", 0.0)
        used = x if low == 0 or mp.isnan(x) else min(max(x, mpf(low)), mpf(1 - low))
        if is_probs:
            p, other = used, 1 - used
        else:
            p, other = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
            tiny = mp.exp(-abs(x))
            lost = tiny if tiny < mpf(2) ** (-1022 if case["dtype"] == "f64" else -126) else mpf(0)
        for mass, sign, q, v in ((a, -1, p, other), (b, 1, other, p)):
            if mass == 0:
                continue
            if mp.isnan(mass) or mp.isnan(q) or q < 0 or q > 1:
                self.loss = slope = mp.nan
                break
            minus_log = -mp.log(q) if q else mp.inf
            power = v**gamma if gamma else mpf(1)
            term = abs(mass) * (power * minus_log if power else mpf(0))
            self.loss += term if mass > 0 else -term
            self.magnitude += term
            # The derivative of the term with respect to -log q, and of that with respect to x.
            bend = power + (gamma * q * power / v * minus_log if gamma and q and v else 0)
            step = (1 / q if q else mp.inf) if is_probs else v
            part = abs(mass) * bend * step if bend else mpf(0)
            slope += sign * (part if mass > 0 else -part)
            size += part
        if is_probs and used != x and not mp.isnan(x):
            slope, size = mpf(0), mpf(0)
        self.flushed = (abs(a) + abs(b)) * lost
        bound = mpf("1e-13" if case["dtype"] == "f64" else "1e-6")
        self.slopes = [(slope, self.widening * bound * size + self.flushed)]

    @staticmethod
    def bound(magnitude: mpf, dtype: str) -> mpf:
        return mpf("1e-13" if dtype == "f64" else "1e-6") * magnitude


def expected_binary(case: dict[str, Any]) -> dict[str, Any]:
    """The same for binary cross-entropy."""
    option = {**DEFAULTS, **case["options"]}
    shape, axis = case["shape"], case.get("class_axis", -1) % len(case["shape"])
    count, inner, classes = math.prod(shape), math.prod(shape[axis + 1 :]), shape[axis]
    x, target = exact(case, ""), exact(case, "target_")
    w = exact(case, "weight_") if "weight" in case else [mpf(1)] * classes
    v = exact(case, "pos_weight_") if "pos_weight" in case else [mpf(1)]
    s = exact(case, "sample_weight_") if "sample_weight" in case else [mpf(1)] * count
    v = v * classes if len(v) == 1 else v
    smooth = mpf(option["label_smoothing"])
    indexed = case["target_dtype"] not in ("f32", "f64")
    elements: list[Element | None] = []
    scales: list[mpf] = []
    divisor = mpf(0)
    for i in range(count):
        c = i // inner % classes
        ignored = indexed and target[i] == option["ignore_index"]
        assert ignored or not indexed or target[i] in (0, 1), case["name"]
        scales.append(s[i] * w[c])
        divisor += 0 if ignored else scales[i] if option["mean_over"] == "weight" else 1
        y = (1 - smooth) * target[i] + smooth / 2
        skipped = ignored or scales[i] == 0
        elements.append(None if skipped else Element(x[i], v[c] * y, 1 - y, case))
    if option["reduction"] != "mean":
        divisor = mpf(1)
    elif option["mean_over"] == "divisor":
        divisor = mpf(option["mean_divisor"])
    return results(case, option, list(range(count)), 1, 1, elements, scales, divisor)


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """The fields that say what the case must give."""
    if case.get("loss_function") == "binary_cross_entropy":
        return expected_binary(case)
    option = {**DEFAULTS, **case["options"]}
    shape, axis = case["shape"], case.get("class_axis", -1) % len(case["shape"])
    classes, inner = shape[axis], math.prod(shape[axis + 1 :])
    starts = [outer * classes * inner + column for outer in range(math.prod(shape[:axis])) for column in range(inner)]
    x, target = exact(case, ""), exact(case, "target_")
    w = exact(case, "weight_") if "weight" in case else [mpf(1)] * classes
    s = exact(case, "sample_weight_") if "sample_weight" in case else [mpf(1)] * len(starts)
    indexed = case["target_dtype"] not in ("f32", "f64")
    smooth = mpf(option["label_smoothing"])

    rows: list[Row | None] = []
    divisor = mpf(0)
    for i, start in enumerate(starts):
        places = range(start, start + classes * inner, inner)
        if indexed:
            label = int(target[i])
            if label == option["ignore_index"]:
                rows.append(None)
                continue
            assert 0 <= label < classes, case["name"]
            q = [mpf(c == label) for c in range(classes)]
            one_hot = smooth == 0
            skipped = s[i] == 0 or (smooth == 0 and w[label] == 0)
        else:
            q = [target[place] for place in places]
            one_hot = smooth == 0 and q.count(1) == 1 and q.count(0) == classes - 1
            skipped = s[i] == 0
        mass = mp.fsum(w_c * q_c for w_c, q_c in zip(w, q))
        divisor += {
            "weight": s[i] * (mass if indexed else 1),
            "mass": s[i] * mass,
            "count": 1,
            "divisor": 0,
        }[option["mean_over"]]
        a = [w_c * ((1 - smooth) * q_c + smooth / classes) for w_c, q_c in zip(w, q)]
        z = [x[place] for place in places]
        rows.append(None if skipped else Row(z, a, one_hot, case))
    if option["reduction"] != "mean":
        divisor = mpf(1)
    elif option["mean_over"] == "divisor":
        divisor = mpf(option["mean_divisor"])
    return results(case, option, starts, classes, inner, rows, s, divisor)


def results(
    case: dict[str, Any],
    option: dict[str, Any],
    starts: list[int],
    classes: int,
    inner: int,
    rows: Sequence[Row | Element | None],
    s: list[mpf],
    divisor: mpf,
) -> dict[str, Any]:
    """Losses and gradients of the rows, reduced, with their tolerances, as the file's fields."""
    dtype, grad_dtype = case["dtype"], case.get("grad_dtype", case["dtype"])
    loss_dtype = case.get("loss_dtype", "f64" if dtype == "f64" else "f32")
    nothing = divisor == 0
    zero = nothing and option["empty"] == "zero"
    assert not (nothing and option["empty"] == "error"), case["name"]

    losses = [(mpf(0), mpf(0))] * len(rows)
    for i, row in enumerate(rows):
        if row is None:
            continue
        loss, magnitude = s[i] * row.loss, abs(s[i]) * row.magnitude
        if not mp.isfinite(loss):
            losses[i] = (loss, mpf(0))
            continue
        bound = row.bound(magnitude, dtype)
        losses[i] = (loss, row.widening * bound + abs(s[i]) * (row.flushed + row.unsure))

    if option["reduction"] == "none":
        total = losses
        if (dtype, loss_dtype) == ("f64", "f32"):
            total = [(v, t + ulp(v, "f32") / 2 if mp.isfinite(v) else t) for v, t in losses]
    elif nothing:
        total = [(mpf(0) if zero else mp.nan, mpf(0))]
    else:
        value = sum((v for v, _ in losses), mpf(0)) / divisor
        bound = mp.fsum(t for _, t in losses) / abs(divisor)
        once_more = ulp(value, loss_dtype) / 2 if mp.isfinite(value) else mpf(0)
        total = [(value, bound + once_more)]

    wanted = case.get("grad_at")
    grads: dict[int, tuple[mpf, mpf]] = {}
    for i, (start, row) in enumerate(zip(starts, rows)):
        for c in range(classes):
            place = start + c * inner
            if row is None or zero:
                grads[place] = (mpf(0), mpf(0))
            elif nothing:
                grads[place] = (mp.nan, mpf(0))
            elif wanted is None or place in wanted:
                r = s[i] * mpf(option["grad_loss"]) / divisor
                slope, bound = row.slopes[c]
                grads[place] = (r * slope, abs(r) * bound)
    order = sorted(grads) if wanted is None else wanted
    fields: dict[str, Any] = {}
    fields["loss"], fields["loss_tol"] = texts(total, loss_dtype)
    fields["grad"], fields["grad_tol"] = texts([grads[place] for place in order], grad_dtype)
    return fields


# Writing -------------------------------------------------------------------------------------


class Raw(str):
    """Text that is to stand in the JSON as it is."""


def texts(pairs: list[tuple[mpf, mpf]], dtype: str) -> tuple[list[Any], list[Any]]:
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
        assert abs(value) + bound < limit, "too close to overflow"
        tiny = abs(value) < mpf(2) ** -1075
        values.append(Raw("0" if tiny else mp.nstr(value, 20)))
        tolerances.append(tolerance_text(bound + last_rounding(value, dtype)))
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


def finished(case: dict[str, Any]) -> dict[str, Any]:
    """A case as it stands in the file: numbers rounded, options gathered, expectations added."""
    case = dict(case)
    case["options"] = {key: case.pop(key) for key in DEFAULTS if key in case}
    case["options"] = {k: v for k, v in case["options"].items() if v != DEFAULTS[k]}
    for prefix, key in (("", "x"), ("target_", "target"), ("weight_", "weight"), ("pos_weight_", "pos_weight"),
                        ("sample_weight_", "sample_weight")):  # fmt: skip
        dtype = case.get(prefix + "dtype")
        if isinstance(case.get(key), list) and dtype in FORMATS:
            case[key] = [rounded(value, dtype) for value in case[key]]
    case.setdefault("status", "CE_OK")
    if case["status"] == "CE_OK":
        case.update(expected(case))
    elif case["status"] == "CE_ERROR_EMPTY":
        case.setdefault("message_contains", [])
    first = [key for key in FIELD_ORDER if key in case]
    assert len(first) == len(case), set(case) - set(first)
    return {key: case[key] for key in first}


FIELD_ORDER = [
    "name", "why", "level", "loss_function", "dtype", "shape", "class_axis", "strides", "offset", "buffer_size", "x",
    "target_dtype", "target_shape", "target_strides", "target_offset", "target",
    "weight_dtype", "weight_shape", "weight_strides", "weight_offset", "weight",
    "pos_weight_dtype", "pos_weight_shape", "pos_weight_strides", "pos_weight_offset", "pos_weight",
    "sample_weight_dtype", "sample_weight_shape", "sample_weight_strides", "sample_weight_offset",
    "sample_weight", "options", "loss_dtype", "grad_dtype", "outputs", "status", "message_contains",
    "loss", "loss_tol", "grad_at", "grad", "grad_tol",
]  # fmt: skip


def file_text() -> str:
    header = json.dumps(HEADER, indent=2)
    blocks = []
    for case in cases.all_cases():
        lines = [f"    {json.dumps(key)}: {json_text(v)}" for key, v in finished(case).items()]
        blocks.append("  {\n" + ",\n".join(lines) + "\n  }")
    return f'{{\n"header": {header},\n"cases": [\n' + ",\n".join(blocks) + "\n]\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes or checks Tests/Vectors/vectors.json.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    arguments = parser.parse_args()
    text = file_text()
    count = text.count('"name":') - 1
    if not arguments.check:
        VECTORS.write_text(text, encoding="utf-8")
        print(f"{VECTORS.name}: {count} cases, {len(text)} bytes")
        return 0
    if VECTORS.exists() and VECTORS.read_text(encoding="utf-8") == text:
        print(f"{VECTORS.name} is current: {count} cases")
        return 0
    print(f"{VECTORS.name} is not what tools/make_vectors.py makes; run it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
