"""Writes what the table of options says: into the public functions their signatures, the "Args" of their documentation
and their bodies, which pass the options on in the order of the table; and ``__init__.pyi``, where type checkers read
what each call returns. Of the functions, what is written by hand stays: decorators and the rest of the documentation.

    PYTHONPATH=python python tools/make_signatures.py            # after a change of the table
    PYTHONPATH=python python tools/make_signatures.py --check    # whether it has been run

The table is python/crossentropy/_options.py and _accepts.py; `make build` comes before, as they are imported.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import sys
import textwrap
from pathlib import Path

from crossentropy import _accepts, _torch_accepts
from crossentropy._function import Function
from crossentropy._options import REQUIRED, Option
from crossentropy._torch_accepts import OF_A_BATCH

PACKAGE = Path(__file__).parents[1] / "python" / "crossentropy"
WIDTH = 120

CONSTANTS = {id(function): name for name, function in vars(_accepts).items() if isinstance(function, Function)}


def parameter(option: Option) -> str:
    """As it stands in a signature."""
    if not option.annotation:
        return option.name
    default = ""
    if option.default is not REQUIRED:
        default = f' = "{option.default}"' if isinstance(option.default, str) else f" = {option.default!r}"
    return f"{option.name}: {option.type}{default}"


def signature(function: Function) -> list[str]:
    parameters = [*map(parameter, function.positional), "*", *map(parameter, function.keywords)]
    if function.body:
        parameters.append("**unknown: NoReturn")
    return [f"    {each}," for each in parameters]


def args(function: Function) -> list[str]:
    """The section of the documentation. What another function says too is said there."""
    options = [option for option in (*function.positional, *function.keywords) if option.annotation]
    shared: list[str] = []
    if function.like is not None:
        texts = {option.name: option.text for option in (*function.like.positional, *function.like.keywords)}
        shared = [option.name for option in options if texts.get(option.name) == option.text]
    entries = [(option.name, option.text) for option in options if option.name not in shared]
    if shared and function.like is not None:
        names = ", ".join(shared if len(shared) < 5 else [*shared[:3], "...", shared[-1]])
        before = [option.name for option in options].index(shared[0])
        entries.insert(before, (names, f"as in `{function.like.name}`."))
    lines = ["    Args:"]
    for name, text in entries:
        # Formulas are not broken.
        whole = re.sub(r":math:`[^`]+`", lambda found: found[0].replace(" ", "\0"), f"{name}: {text}")
        wrapped = textwrap.wrap(
            whole, WIDTH - 4 * function.name.count("."), initial_indent=" " * 8,
            subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        lines += [line.replace("\0", " ") for line in wrapped]
    return lines


def wrapped(items: list[str], indent: int, margin: int = 0) -> list[str]:
    """Items of a list, as many on a line as fit, none broken."""
    lines = [" " * indent]
    for item in items:
        if len(lines[-1]) + len(item) + 2 > WIDTH - margin and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += ("" if not lines[-1].strip() else " ") + item + ","
    return lines


def body(function: Function) -> list[str]:
    constant, margin = CONSTANTS[id(function)], 4 * function.name.count(".")
    names = [option.name for option in function.options]
    lines = [f"    values = ({', '.join(names)}{',' * (len(names) == 1)})"]
    if len(lines[0]) > WIDTH - margin:
        lines = ["    values = (", *wrapped(names, 8, margin), "    )  # fmt: skip"]
    arguments = [option for option in (*function.positional, *function.keywords) if option.annotation]
    passed = [f"{option.name}={option.name}" for option in arguments if option.convert is None]
    if arguments[0].name == "log_probs":
        passed[0] = "x=log_probs"
    passed = [constant, "values", *passed]
    call = [f"    return {function.body}({', '.join(passed)})"]
    if len(call[0]) > WIDTH - margin:
        call = [f"    return {function.body}(", *wrapped(passed, 8, margin), "    )  # fmt: skip"]
    return ["    if unknown:", f"        {constant}.refuse(unknown)", *lines, *call]


# ----------------------------------------------------------------------------------------------
# Overloads: the type of a result, by the arguments that it depends on
# ----------------------------------------------------------------------------------------------

Overload = tuple[dict[str, str], str]  # parameters that are not as in the signature, and the result

NUMPY = {"log_probs": "log_probs: NumPyLike", "x": "x: NumPyLike", "grad": "grad: Array | None = None"}
LOSSES: list[Overload] = [
    ({"reduction": 'reduction: Literal["mean", "sum"] = "mean"', "out": "out: None = None"}, "np.floating[Any]"),
    ({"reduction": 'reduction: Literal["none"]', "out": "out: Array | None = None"}, "Array"),
    ({"out": "out: Array"}, "Array"),
]
WITHOUT_OUT = [({"reduction": parameters["reduction"]}, result) for parameters, result in LOSSES[:2]]
ARRAY: list[Overload] = [({"out": "out: Array | None = None"}, "Array")]
# More that is returned beside a loss, if it is asked for.
FURTHER = {
    "grad_target": ("grad_target: Literal[False] = False", "grad_target: Literal[True] | Array", "Array"),
    "row_stats": ("row_stats: Literal[False] = False", "row_stats: Literal[True]", "RowStats"),
}
RESULTS = {
    **dict.fromkeys(("hessian_vector_product", "hessian_diagonal", "softmax", "log_softmax", "logsumexp"), ARRAY),
    "PartialStatistics.loss": WITHOUT_OUT,
    "PartialStatistics.grad": [({}, "Array")],
    "row_stats": [],
    "partial_statistics": [],
}


def overloads(function: Function) -> list[Overload]:
    """The last one is for arrays of other packages, whose results are of these packages."""
    names = {option.name for option in (*function.positional, *function.keywords)}
    variants = [({**NUMPY, **parameters}, [result]) for parameters, result in RESULTS.get(function.name, LOSSES)]
    if function.with_grad:
        variants = [(parameters, [*results, "Array"]) for parameters, results in variants]
    for name, (absent, present, result) in FURTHER.items():
        if name in names:
            variants = [
                variant
                for parameters, results in variants
                for variant in (
                    ({**parameters, name: absent}, results),
                    ({**parameters, name: present}, [*results, result]),
                )
            ]
    typed = [
        (parameters, results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]")
        for parameters, results in variants
    ]
    return [*typed, ({}, "Any")] if typed and function.name != "PartialStatistics.loss" else typed


def overloaded(function: Function) -> list[str]:
    name, margin = function.name.rpartition(".")[2], 4 * function.name.count(".")
    lines = []
    for parameters, result in overloads(function):
        written = [
            parameters.get(option.name, parameter(option)) if option.annotation else option.name
            for option in function.positional
        ]
        written += ["*", *(parameters.get(option.name, parameter(option)) for option in function.keywords)]
        lines += ["@overload", f"def {name}(", *wrapped(written, 4, margin), f") -> {result}: ...  # fmt: skip"]
    return lines


def stub() -> str:
    """``__init__.pyi``: the overloads, and the other public names from where they are."""
    source = (PACKAGE / "__init__.py").read_text()
    imports, functions = [], {function.name: function for function in _accepts.FUNCTIONS}
    public: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name
                if name not in functions or not overloads(functions[name]):
                    imports.append(f"from .{node.module} import {alias.name} as {name}")
                else:
                    public.append(name)
    lines = [
        "# Written by tools/make_signatures.py: what type checkers know of the package. Arrays of other packages have",
        "# results of these packages, which are not typed here.",
        "",
        "from collections.abc import Sequence",
        "from typing import Any, Literal, SupportsFloat, SupportsIndex, overload",
        "",
        "import numpy as np",
        "",
        *imports,
        "from ._types import Array, ArrayLike, NumPyLike, Output",
        "",
        *source[source.index("__all__ = [") :].rstrip().split("\n"),
        "",
    ]
    for name in public:
        lines += overloaded(functions[name])
    return "\n".join([*lines, ""])


def find(tree: ast.Module, name: str) -> list[ast.FunctionDef]:
    """A function, or a method with the name of its class, behind its overloads."""
    nodes: list[ast.stmt] = tree.body
    *classes, last = name.split(".")
    for each in classes:
        nodes = [part for node in nodes if isinstance(node, ast.ClassDef) and node.name == each for part in node.body]
    return [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == last]


def rewritten(source: str, function: Function) -> str:
    """``source`` with the function as the table has it."""
    nodes = find(ast.parse(source), function.name)
    if not nodes:
        return source
    lines, node = source.split("\n"), nodes[-1]
    margin = " " * node.col_offset
    documentation = node.body[0]
    assert isinstance(documentation, ast.Expr), f"{function.name} has no documentation"
    opened = node.lineno  # lines are counted from 1, so this is the index of the line behind `def name(`
    closed = next(index for index in range(opened, documentation.lineno) if lines[index].startswith(f"{margin}) -> "))
    text = lines[documentation.lineno - 1 : documentation.end_lineno]
    begin = text.index(f"{margin}    Args:")
    end = begin + text[begin:].index("")
    assert text[0].strip().startswith('r"""') or not any("\\" in line for line in args(function)), function.name

    def indented(generated: list[str]) -> list[str]:
        return [margin + line if line else line for line in generated]

    # Functions have their overloads in the stub, methods where they are.
    first, decorated = (
        min([one.lineno, *(each.lineno for each in one.decorator_list)]) - 1 for one in (nodes[0], node)
    )
    return "\n".join([
        *lines[:first],
        *indented(overloaded(function) if margin else []),
        *lines[decorated:opened],
        *indented(signature(function)),
        *lines[closed : documentation.lineno - 1],
        *text[:begin], *indented(args(function)), *text[end:],
        *(indented(body(function)) if function.body else lines[documentation.end_lineno : node.end_lineno]),
        *lines[node.end_lineno :],
    ])  # fmt: skip


# ----------------------------------------------------------------------------------------------
# Modules of PyTorch
# ----------------------------------------------------------------------------------------------


def init(function: Function) -> list[str]:
    """What a module is made of: PyTorch's own arguments, in its order, and the options behind them."""
    own = [option for option in function.positional if option.name not in OF_A_BATCH]
    further = [option for option in function.keywords if option.name not in OF_A_BATCH]
    names = [option.name for option in further]
    return [
        "    def __init__(",
        *(f"        {each}," for each in ["self", *map(parameter, own), "*", *map(parameter, further)]),
        "    ) -> None:",
        f"        super().__init__({', '.join(option.name for option in own)})",
        *(f"        self.{name} = {name}" for name in names),
    ]


def forward(function: Function) -> list[str]:
    batch = [option for option in function.keywords if option.name in OF_A_BATCH]
    options = [option for option in (*function.positional, *function.keywords) if option.name not in OF_A_BATCH]
    # Of the older arguments PyTorch's module has made a reduction.
    names = [option.name for option in options if option.name not in ("size_average", "reduce")]
    parameters = ["self", "input: Tensor", "target: Tensor", *(["*"] if batch else []), *map(parameter, batch)]
    passed = [f"{option.name}={option.name}" for option in batch] + [f"{name}=self.{name}" for name in names]
    return [
        f"    def forward({', '.join(parameters)}) -> Tensor:",
        f"        return {function.name}(",
        *wrapped(["input", "target", *passed], 12),
        "        )  # fmt: skip",
    ]


def with_module(source: str, name: str, function: Function) -> str:
    for method, generated in (("__init__", init(function)), ("forward", forward(function))):
        nodes = find(ast.parse(source), f"{name}.{method}")
        if nodes:
            lines = source.split("\n")
            source = "\n".join([*lines[: nodes[0].lineno - 1], *generated, *lines[nodes[0].end_lineno :]])
    return source


def files() -> dict[Path, str]:
    """Those that are generated in part or as a whole, as they should be."""
    made = {PACKAGE / "__init__.pyi": stub()}
    for path in sorted(PACKAGE.glob("_*.py")):
        source = path.read_text()
        for function in _accepts.FUNCTIONS:
            source = rewritten(source, function)
        made[path] = source
    for path in sorted((PACKAGE / "torch").glob("_*.py")):
        source = path.read_text()
        for function in _torch_accepts.FUNCTIONS:
            source = rewritten(source, function)
        for name, function in _torch_accepts.MODULES.items():
            source = with_module(source, name, function)
        made[path] = source
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes what the table of options says into the public functions.")
    parser.add_argument("--check", action="store_true", help="only say what would change")
    check = parser.parse_args().check
    changed = False
    for path, new in files().items():
        old = path.read_text() if path.exists() else ""
        if new == old:
            continue
        changed = True
        name = str(path.relative_to(PACKAGE.parents[1]))
        if check:
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, "the table"))
        else:
            path.write_text(new)
            print(f"wrote {name}")
    return int(check and changed)


if __name__ == "__main__":
    sys.exit(main())
