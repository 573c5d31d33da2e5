"""The shared test vectors, through the public functions.

``Tests/Vectors/vectors.json`` explains itself in its header. Cases of level "c" state calls that
only codes and raw pointers can make; they are the C consumer's.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

import crossentropy as ce

Array = npt.NDArray[Any]
Case = dict[str, Any]

VECTORS = Path(__file__).parents[2] / "Tests" / "Vectors" / "vectors.json"
FILE = json.loads(VECTORS.read_text())
# Before NumPy 2 an array had at most 32 dimensions.
MAX_NDIM = 64 if int(np.__version__.partition(".")[0]) >= 2 else 32
CASES = [case for case in FILE["cases"] if case.get("level") != "c" and len(case["shape"]) <= MAX_NDIM]

DTYPES = {"f": "float", "i": "int", "u": "uint"}

ERRORS = {
    "CE_ERROR_DTYPE": ce.ArgumentTypeError,
    "CE_ERROR_SHAPE": ce.ArgumentValueError,
    "CE_ERROR_OVERFLOW": ce.ArgumentValueError,
    "CE_ERROR_OVERLAP": ce.ArgumentValueError,
    "CE_ERROR_LABEL": ce.LabelError,
    "CE_ERROR_OPTION": ce.ArgumentValueError,
    "CE_ERROR_EMPTY": ce.EmptyError,
}


NUMBERS = (
    "label_smoothing", "clip", "grad_loss", "z_loss", "focal_gamma", "poly_epsilon", "softcap", "logit_scale",
    "temperature",
)  # fmt: skip

# Where the package has another name for a thing than the header.
NAMES = {
    "input": "x", "output": "out", "loss": "out", "mean_divisor": "mean_over", "ignore_ind": "ignore_index",
    "target": "indices", "target_probs": "probs", "target_offsets": "offsets", "target_rest": "rest",
    "grad_losses": "grad_loss",
}  # fmt: skip

# For each function of the file the one that gives the loss, and the one that gives its gradient.
FUNCTIONS = {
    "cross_entropy": (ce.cross_entropy, ce.cross_entropy_with_grad),
    "binary_cross_entropy": (ce.binary_cross_entropy, ce.binary_cross_entropy_with_grad),
    "kl_divergence": (ce.kl_divergence, ce.kl_divergence_with_grad),
    "hessian_vector_product": (None, ce.hessian_vector_product),
    "hessian_diagonal": (None, ce.hessian_diagonal),
}


def named_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if name == "bf16" else np.dtype(DTYPES[name[0]] + name[1:])


def generated(generator: dict[str, Any], count: int) -> list[float]:
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
        values[index] = float(value)
    return values


def array(case: Case, values: Any, prefix: str = "") -> Array:
    """The array that a case describes, in the memory layout that it describes."""
    shape, dtype = case[prefix + "shape"], named_dtype(case[prefix + "dtype"])
    if isinstance(values, dict):
        values = generated(values, case.get("buffer_size", math.prod(shape)))
    convert = int if dtype.kind in "iu" else float
    buffer = np.array([convert(value) for value in values], dtype)
    if prefix + "strides" not in case:
        return buffer.reshape(shape)
    strides = [stride * dtype.itemsize for stride in case[prefix + "strides"]]
    return np.ndarray(shape, dtype, buffer.view(np.uint8), case[prefix + "offset"] * dtype.itemsize, strides)


def arguments(case: Case) -> dict[str, Any]:
    options = dict(case["options"])
    if "ignore_index" in options:
        ignored = options["ignore_index"]
        options["ignore_index"] = None if ignored == "none" else int(ignored)
    if options.get("mean_over") == "divisor":
        options["mean_over"] = float(options.pop("mean_divisor", 0.0))
    options.pop("mean_divisor", None)
    for number in NUMBERS:
        if number in options:
            options[number] = float(options[number])
    options.pop("target_rest", None)  # the target's
    if "temperature_squared" in options:
        options["temperature_squared"] = bool(options["temperature_squared"])
    if "kl_form" in options:
        options["form"] = options.pop("kl_form")
    if "ignore_indices" in case:
        also = options.pop("ignore_index", -100)
        options["ignore_index"] = [*case["ignore_indices"], *([] if also is None else [also])]
    if "grad_losses" in case:
        # The package takes either; so the case's scalar goes into the array, if that is exact.
        scale = options.pop("grad_loss", 1.0)
        options["grad_loss"] = array(case, case["grad_losses"], "grad_losses_") * scale
    if case.get("loss_function") == "binary_cross_entropy":
        options.setdefault("mean_over", "weight")  # the header's default, not that of the package
    for weight in ("weight", "pos_weight", "sample_weight", "mask", "prior", "vector"):
        if weight in case:
            options[weight] = array(case, case[weight], weight + "_")
    return {"axis": case.get("class_axis", -1), **options}


def target_of(case: Case) -> Array | ce.SparseTarget:
    target = array(case, case["target"], "target_")
    if "target_probs" not in case:
        return target
    rest = case["options"].get("target_rest", "drop")
    probs = array(case, case["target_probs"], "target_probs_")
    return ce.SparseTarget(target, probs, offsets=case.get("target_offsets"), rest=rest)


def takes(function: Callable[..., Any], options: dict[str, Any]) -> bool:
    """Whether there are parameters for these options."""
    return options.keys() <= inspect.signature(function).parameters.keys()


def assert_within(got: Array, want: list[Any], tolerance: list[float]) -> None:
    got = np.asarray(got, np.float64).reshape(-1)
    assert len(got) == len(want) == len(tolerance)
    for index, (g, w, t) in enumerate(zip(got.tolist(), map(float, want), map(float, tolerance))):
        if math.isfinite(w):
            assert abs(g - w) <= t, f"number {index}: {g!r} is not within {t} of {w!r}"
        else:
            assert g == w or (math.isnan(g) and math.isnan(w)), f"number {index}: {g!r} is not {w}"


def test_there_are_vectors_of_every_kind() -> None:
    names = [case["name"] for case in FILE["cases"]]
    assert len(set(names)) == len(names) >= 200
    assert {case.get("loss_function", "cross_entropy") for case in CASES} == set(FUNCTIONS)
    assert {case["status"] for case in CASES} >= {"CE_OK", *ERRORS} - {
        "CE_ERROR_OVERFLOW",
        "CE_ERROR_OVERLAP",
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vector(case: Case) -> None:
    x = array(case, case["x"])
    name = case.get("loss_function", "cross_entropy")
    loss_dtype = named_dtype(case.get("loss_dtype", "f64" if case["dtype"] == "f64" else "f32"))
    grad_dtype = named_dtype(case.get("grad_dtype", case["dtype"]))
    options = arguments(case)
    function, with_grad = FUNCTIONS[name]
    is_binary = name == "binary_cross_entropy"
    rows = x.shape if is_binary else np.moveaxis(x, options["axis"], -1).shape[:-1] if rowwise(case, x) else ()
    out = np.full(rows if case["options"].get("reduction") == "none" else (), 7.0, loss_dtype)
    grad = np.full(x.shape, 7.0, grad_dtype)
    target_grad = np.full(case["target_shape"], 7.0, "f8" if case["target_dtype"] == "f64" else "f4")
    upstream = {"grad_loss": options.pop("grad_loss", 1.0)}
    outputs: dict[str, Any] = {"out": out, "grad": grad}
    if function is None:
        outputs = {"out": grad}
    if "grad_target" in case:
        outputs["grad_target"] = target_grad

    if case["status"] != "CE_OK":
        if not takes(with_grad, options):  # an option that C refuses, and that there is no parameter for
            with pytest.raises(TypeError, match="unexpected keyword argument"):
                with_grad(x, target_of(case), **outputs, **upstream, **options)
            return
        with pytest.raises(ERRORS[case["status"]]) as caught:
            with_grad(x, target_of(case), **outputs, **upstream, **options)
        for text in case["message_contains"]:
            names = f"{text}|\\b{NAMES[text]}\\b" if text in NAMES else re.escape(text)
            assert re.search(names, str(caught.value))
        for output in outputs.values():
            assert (output == 7).all()
        return

    target = target_of(case)
    if "grad" in case.get("outputs", ["loss", "grad"]):
        with_grad(x, target, **outputs, **upstream, **options)
        at = case.get("grad_at", slice(None))
        assert_within(grad.reshape(-1)[at], case["grad"], case["grad_tol"])
        if "grad_target" in case:
            assert_within(target_grad, case["grad_target"], case["grad_target_tol"])
    if function is None:
        return
    if "grad" in case.get("outputs", ["loss", "grad"]):
        assert_within(out, case["loss"], case["loss_tol"])
    function(x, target, out=out, **options)
    assert_within(out, case["loss"], case["loss_tol"])
    if name == "cross_entropy" and options.pop("input_type", "") == "log_probs" and takes(ce.nll_loss, options):
        ce.nll_loss(x, target, out=out, **options)
        assert_within(out, case["loss"], case["loss_tol"])


STATISTICS = [case for case in CASES if "statistics" in case]


@pytest.mark.parametrize("case", STATISTICS, ids=[case["name"] for case in STATISTICS])
def test_statistics(case: Case) -> None:
    want = case["statistics"]
    x, options = array(case, case["x"]), arguments(case)
    chosen = {key: options[key] for key in ("axis", "softcap", "logit_scale") if key in options}
    labels = None if case["target_dtype"][0] not in "iu" else array(case, case["target"], "target_")
    ignored = {key: options[key] for key in ("ignore_index",) if key in options}
    got = ce.row_stats(x, labels, **chosen, **ignored)
    for name in ("lse", "max", "entropy", "target_prob"):
        assert_within(getattr(got, name), want[name], want[name + "_tol"])
    assert got.argmax.reshape(-1).tolist() == want["argmax"]
    assert got.target_rank.reshape(-1).tolist() == want["target_rank"]
    rows = np.empty(got.lse.shape)
    assert ce.logsumexp(x, out=rows, **chosen) is rows
    assert_within(rows, want["lse"], want["lse_tol"])
    if "softmax" in want:
        at = case.get("grad_at", slice(None))
        for name, function in (("softmax", ce.softmax), ("log_softmax", ce.log_softmax)):
            result = function(x, **chosen)
            assert_within(np.ascontiguousarray(result).reshape(-1)[at], want[name], want[name + "_tol"])
            assert function(x, out=x.copy(), **chosen).tobytes() == np.ascontiguousarray(result).tobytes()


def rowwise(case: Case, x: Array) -> bool:
    """Whether the loss is one a row. (Cases with an axis that is out of range never get one.)"""
    axis = case.get("class_axis", -1)
    return case["options"].get("reduction") == "none" and -x.ndim <= axis < x.ndim
