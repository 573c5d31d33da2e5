"""The same cases computed four times: by the Swift and C programs, by Python and by NumPy."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from python.tests import reference
from tools import flatten_vectors, make_vectors
from tools.run.cases import Array, Case

import crossentropy as ce
from crossentropy._c_api.calls import EXCEPTIONS


@dataclass
class Answer:
    """What one language gives for a case: a status, or the name of a Python exception in `error`;
    loss and gradient as float64, flat, of the gradient the elements that the case asks for."""

    status: int
    loss: Array = field(default_factory=lambda: np.zeros(0))
    grad: Array = field(default_factory=lambda: np.zeros(0))
    error: str = ""


Answers = dict[str, Answer]


def write_flat(path: Path, cases: list[Case]) -> None:
    """Writes the cases as the C program reads them."""
    lines = [f"vectors 1 {len(cases)}"]
    for case in cases:
        lines += flatten_vectors.lines(case.fields, make_vectors.HEADER["defaults"])
    path.write_text("\n".join([*lines, "end"]) + "\n", encoding="ascii")


def from_program(program: Path, inputs: Sequence[Path], results: Path, cases: list[Case]) -> tuple[Answers, list[str]]:
    """The answers of a program that is called as `program INPUT... --results RESULTS`, and what it
    finds wrong by itself. It may write whole gradients, or just what the cases ask for."""
    results.unlink(missing_ok=True)
    command = [str(program.resolve()), *map(str, inputs), "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True)
    output = (done.stdout + done.stderr).splitlines()
    if not results.exists():
        sys.exit(f"{program} wrote no results, status {done.returncode}:\n" + "\n".join(output))
    by_name, answers = {case.name: case for case in cases}, {}
    for line in results.read_text().splitlines():
        name, status, *words = line.split(" ")
        losses, grads = int(words[0]), words[int(words[0]) + 1 :]
        if len(grads) != int(grads[0]) + 1:
            sys.exit(f"{program} wrote results that are cut short, in case {name}")
        loss = np.array([float.fromhex(word) for word in words[1 : losses + 1]])
        grad = np.array([float.fromhex(word) for word in grads[1:]])
        if len(grad) > len(by_name[name].grad):
            grad = _wanted(by_name[name], grad)
        answers[name] = Answer(int(status), loss, grad)
    return answers, [f"{program.name}: {line}" for line in output] if done.returncode else []


FUNCTIONS = {
    "cross_entropy": ce.cross_entropy_with_grad,
    "binary_cross_entropy": ce.binary_cross_entropy_with_grad,
    "kl_divergence": ce.kl_divergence_with_grad,
    "hessian_vector_product": ce.hessian_vector_product,
    "hessian_diagonal": ce.hessian_diagonal,
}


def from_python(cases: list[Case]) -> Answers:
    """The answers of the Python package, that is of the library through ctypes. Calls that only codes and raw pointers
    can state are left out, and those with options that a function has no parameter for, which C refuses."""
    answers = {}
    for case in cases:
        function, options = FUNCTIONS[case.function], case.arguments()
        parameters = inspect.signature(function).parameters.keys()
        given = {name: value for name, value in options.items() if name in parameters or not is_default(name, value)}
        if case.fields.get("level") == "c" or not given.keys() <= parameters:
            continue
        try:
            answers[case.name] = Answer(0, *_results(case, function, given))
        except Exception as error:
            expected = isinstance(error, EXCEPTIONS.get(case.status, ()))
            status = case.status if expected else -1
            answers[case.name] = Answer(status, error=type(error).__name__)
    return answers


def is_default(name: str, value: object) -> bool:
    """Whether an argument that `Case.arguments` always gives says nothing."""
    return value is None or (name in ("label_smoothing", "clip") and value == 0)


def _results(case: Case, function: Callable[..., Any], options: dict[str, Any]) -> tuple[Array, Array]:
    """Loss and gradient, as in Answer; second derivatives have no loss."""
    x, target = case.array(""), case.target()
    grad = np.empty(x.shape, case.grad_dtype) if "grad_dtype" in case.fields else None
    if case.function.startswith("hessian"):
        return np.zeros(0), _wanted(case, function(x, target, out=grad, **options))
    if "grad_target" in case.fields:
        options["grad_target"] = True
    loss, grad, *_ = function(x, target, out=_out(case), grad=grad, **options)
    return np.float64(loss).ravel(), _wanted(case, grad)


# Fields and options that the reference does not know.
BEYOND = {
    "mask", "ignore_indices", "grad_losses", "loss_function", "target_probs", "prior", "z_loss", "focal_gamma",
    "poly_epsilon", "softcap", "logit_scale", "target_type", "temperature", "temperature_squared",
}  # fmt: skip


def from_numpy(cases: list[Case]) -> Answers:
    """The answers of the reference, computed in float64 and rounded to the dtypes of the results.
    It has nothing to say about wrong calls, nor about what it leaves to the exact results: rows that are left out by
    other means than one label, upstream gradients of their own, terms beside -log p, targets that are not labels or
    probabilities of all classes, and other functions than cross-entropy."""
    answers = {}
    for case in cases:
        if case.status == 0 and not BEYOND & {*case.fields, *case.fields["options"]}:
            options = case.arguments()
            options.pop("threads", None)
            result = reference.cross_entropy(case.array(""), case.array("target_"), **options)
            with np.errstate(over="ignore", under="ignore"):
                loss = result.loss.astype(case.loss_dtype)
                grad = result.grad.astype(case.grad_dtype)
            answers[case.name] = Answer(0, np.float64(loss).ravel(), _wanted(case, grad))
    return answers


def _out(case: Case) -> Array | None:
    """An array for the loss where the case wants it in another dtype than the input's."""
    if "loss_dtype" not in case.fields:
        return None
    shape = list(case.fields["shape"])
    if not case.is_binary:
        del shape[case.fields.get("class_axis", -1)]
    by_row = case.fields["options"].get("reduction") == "none"
    return np.empty(shape if by_row else (), case.loss_dtype)


def _wanted(case: Case, grad: Array) -> Array:
    """Of a whole gradient those elements that the case has expectations for."""
    flat = grad.astype(np.float64).ravel()
    places = case.fields.get("grad_at")
    return flat if places is None else flat[places]
