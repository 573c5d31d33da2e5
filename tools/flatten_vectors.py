"""Derives from Tests/Vectors/vectors.json a text that a C program reads without a JSON parser.

    python tools/flatten_vectors.py [FLAT_FILE]        default: standard output

The text is words separated by blanks and line ends, everything resolved: defaults filled in,
generators run, names replaced by the codes of include/crossentropy.h, floats as C99 hex floats
("0x1.8p+1", "nan", "inf"), those of f16 and bf16 tensors as the integers of their 16 bits. A case
reads:

    case NAME
    function FUNCTION                      its place in FUNCTIONS, from 0
    options INPUT_TYPE REDUCTION MEAN_OVER EMPTY IGNORE_INDEX LABEL_SMOOTHING MEAN_DIVISOR CLIP
            GRAD_LOSS THREADS Z_LOSS FOCAL_GAMMA POLY_EPSILON SOFTCAP LOGIT_SCALE TARGET_TYPE TARGET_REST TEMPERATURE
            TEMPERATURE_SQUARED KL_FORM
    axis CLASS_AXIS
    input TENSOR
    target TENSOR
    weight TENSOR or -
    pos_weight, sample_weight, prior, mask, ignore_indices, grad_losses, target_probs, target_offsets, vector: likewise
    outputs LOSS_DTYPE GRAD_DTYPE WITH_GRAD           1 or 0
    status CODE COUNT                      COUNT lines follow, each a text the message contains
    loss COUNT (WANT TOL)...
    grad COUNT (INDEX WANT TOL)...         INDEX counts in row-major order of the input's shape
    grad_target COUNT (WANT TOL)...        COUNT -1: the call does not ask for it
    statistics ROWS (LSE TOL MAX TOL ENTROPY TOL TARGET_PROB TOL ARGMAX TARGET_RANK)...    ROWS -1: not listed
    softmax COUNT (INDEX WANT TOL LOG_WANT LOG_TOL)...

and a TENSOR

    DTYPE NDIM LENGTH... STRIDED (STRIDE... OFFSET)? COUNT NUMBER...

where the numbers are the whole buffer and STRIDED is 1 or 0. The first line is "vectors 1 COUNT"
with the number of cases, the last is "end".
"""

from __future__ import annotations

import argparse
import json
import math
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parent.parent / "Tests" / "Vectors" / "vectors.json"

DTYPES = {
    "f32": 1, "f64": 2, "f16": 3, "bf16": 4, "i8": 16, "i16": 17, "i32": 18, "i64": 19, "u8": 20, "u16": 21, "u32": 22,
    "u64": 23,
}  # fmt: skip
FUNCTIONS = [
    "cross_entropy", "binary_cross_entropy", "kl_divergence", "hessian_vector_product", "hessian_diagonal",
]  # fmt: skip
CODES = {
    "input_type": ["logits", "probs", "log_probs"],
    "reduction": ["mean", "sum", "none"],
    "mean_over": ["weight", "mass", "count", "divisor"],
    "empty": ["nan", "zero", "error"],
}
LATER_CODES = {
    "target_type": ["probs", "logits", "log_probs"],
    "target_rest": ["drop", "spread", "renormalize"],
    "kl_form": ["generalized", "plain"],
}
# What a case may have beside its input and target.
TENSORS = [
    "weight", "pos_weight", "sample_weight", "prior", "mask", "ignore_indices", "grad_losses", "target_probs",
    "target_offsets", "vector",
]  # fmt: skip
STATUSES = [
    "CE_OK", "CE_ERROR_NULL_POINTER", "CE_ERROR_OPTIONS_SIZE", "CE_ERROR_DTYPE", "CE_ERROR_SHAPE",
    "CE_ERROR_OVERFLOW", "CE_ERROR_OVERLAP", "CE_ERROR_LABEL", "CE_ERROR_OPTION", "CE_ERROR_EMPTY",
    "CE_ERROR_OUT_OF_MEMORY", "CE_ERROR_CANCELLED",
]  # fmt: skip
IGNORE_NONE = -(2**63)


def generated(generator: dict[str, Any], count: int) -> list[float]:
    """The numbers of a generator object, as the header of vectors.json describes it."""
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


def number(value: Any, dtype: Any = "f64") -> str:
    """A number as a word: the digits of an integer or of 16 bits, the hexadecimal form of a float."""
    if str(dtype)[0] in "iu":
        return str(int(value))
    if dtype == "f16":
        return str(struct.unpack("<H", struct.pack("<e", float(value)))[0])
    if dtype == "bf16":
        return str(struct.unpack("<I", struct.pack("<f", float(value)))[0] >> 16)
    return re.sub(r"\.?0*p", "p", float(value).hex())


def code(table: Any, name: Any) -> str:
    """The code of a name; a bare number stands for itself."""
    if isinstance(name, int):
        return str(name)
    return str(table.index(name) if isinstance(table, list) else table[name])


def tensor(case: dict[str, Any], prefix: str, values: Any) -> str:
    """A tensor of the case, as described above."""
    shape, dtype = case[prefix + "shape"], case[prefix + "dtype"]
    if isinstance(values, dict):
        values = generated(values, case.get("buffer_size", math.prod(shape)))
    words = [code(DTYPES, dtype), len(shape), *shape]
    if prefix + "strides" in case:
        words += [1, *case[prefix + "strides"], case[prefix + "offset"]]
    else:
        words += [0]
    words += [len(values), *(number(value, dtype) for value in values)]
    return " ".join(map(str, words))


def lines(case: dict[str, Any], defaults: dict[str, Any]) -> Iterator[str]:
    options = {**defaults, **case["options"]}
    ignored = options["ignore_index"]
    yield f"case {case['name']}"
    yield f"function {FUNCTIONS.index(case.get('loss_function', FUNCTIONS[0]))}"
    words = [code(CODES[key], options[key]) for key in CODES]
    words += [str(IGNORE_NONE if ignored == "none" else int(ignored))]
    for key in ("label_smoothing", "mean_divisor", "clip", "grad_loss"):
        words += [number(options[key])]
    words += [str(options["threads"])]
    for key in ("z_loss", "focal_gamma", "poly_epsilon", "softcap", "logit_scale"):
        words += [number(options[key])]
    target_type, rest, form = (code(LATER_CODES[key], options[key]) for key in LATER_CODES)
    words += [target_type, rest, number(options["temperature"]), str(options["temperature_squared"]), form]
    yield " ".join(["options", *words])
    yield f"axis {case.get('class_axis', defaults['class_axis'])}"
    yield "input " + tensor(case, "", case["x"])
    yield "target " + tensor(case, "target_", case["target"])
    if "target_offsets" in case:
        case = {**case, "target_offsets_dtype": "i64", "target_offsets_shape": [len(case["target_offsets"])]}
    for key in TENSORS:
        yield f"{key} " + (tensor(case, key + "_", case[key]) if key in case else "-")
    loss_dtype = "f32" if case["dtype"] in ("f16", "bf16") else case["dtype"]
    words = [code(DTYPES, case.get("loss_dtype", loss_dtype)), code(DTYPES, case.get("grad_dtype", case["dtype"]))]
    yield " ".join(["outputs", *words, str(int("grad" in case.get("outputs", ["loss", "grad"])))])
    messages = case.get("message_contains", [])
    yield f"status {STATUSES.index(case['status'])} {len(messages)}"
    yield from messages
    losses = zip(case.get("loss", []), case.get("loss_tol", []))
    words = [f"{number(want)} {number(tol)}" for want, tol in losses]
    yield " ".join([f"loss {len(words)}", *words])
    grads = case.get("grad", [])
    places = case.get("grad_at", range(len(grads)))
    triples = zip(places, grads, case.get("grad_tol", []))
    words = [f"{place} {number(want)} {number(tol)}" for place, want, tol in triples]
    yield " ".join([f"grad {len(words)}", *words])
    if "grad_target" in case:
        pairs = zip(case["grad_target"], case["grad_target_tol"])
        words = [f"{number(want)} {number(tol)}" for want, tol in pairs]
        yield " ".join([f"grad_target {len(words)}", *words])
    else:
        yield "grad_target -1"
    if "statistics" not in case:
        yield "statistics -1"
        yield "softmax 0"
        return
    statistics = case["statistics"]
    names = ("lse", "max", "entropy", "target_prob")
    words = []
    for i, (argmax, rank) in enumerate(zip(statistics["argmax"], statistics["target_rank"])):
        words += [number(statistics[key][i]) for name in names for key in (name, name + "_tol")]
        words += [str(argmax), str(rank)]
    yield " ".join([f"statistics {len(statistics['argmax'])}", *words])
    wanted = statistics.get("softmax", [])
    places = case.get("grad_at", range(len(wanted)))
    keys = ("softmax", "softmax_tol", "log_softmax", "log_softmax_tol")
    words = []
    for i, place in enumerate(places if wanted else ()):
        words += [str(place), *(number(statistics[key][i]) for key in keys)]
    yield " ".join([f"softmax {len(wanted)}", *words])


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the test vectors as text for C.")
    parser.add_argument("flat_file", nargs="?", type=Path, help="default: standard output")
    target = parser.parse_args().flat_file
    data = json.loads(VECTORS.read_text(encoding="utf-8"))
    made = [f"vectors 1 {len(data['cases'])}"]
    for case in data["cases"]:
        made += lines(case, data["header"]["defaults"])
    text = "\n".join([*made, "end"]) + "\n"
    if target is not None:
        target.write_text(text, encoding="ascii")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
