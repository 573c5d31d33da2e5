"""The table of options beside what is made of it, and beside the header."""

from __future__ import annotations

import inspect
import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossentropy as ce
from crossentropy import _accepts, _repeated
from crossentropy._accepts import FUNCTIONS, SOFTMAX
from crossentropy._c_api import frames, header
from crossentropy._function import Function
from crossentropy._options import REQUIRED

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "include" / "crossentropy.h").read_text()

# Fields that no option of the table sets: the library's own, and those of a `SparseTarget`, which is an argument.
RESERVED = {field[0] for field in header.Options._fields_ if field[0].startswith("reserved")}
NO_OPTION = {"size", "cancel", "target_probs", "target_offsets", "target_rest", *RESERVED}
# Fields that an option sets beside its own.
BESIDE = {"mean_divisor", "ignore_indices", "grad_losses"}

names = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)


def public(function: Function) -> Any:
    owner: Any = ce
    for name in function.name.split("."):
        owner = getattr(owner, name)
    return owner


def test_signatures_are_those_of_the_table() -> None:
    """Run `tools/make_signatures.py` after a change of the table."""
    result = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_signatures.py", "--check"],
        env={"PYTHONPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_new_option_can_be_imported_before_signatures_have_it() -> None:
    """By `tools/make_signatures.py`, that is, which writes it there."""
    option = SOFTMAX.keyword("logit_scale")
    function = Function("function", SOFTMAX.positional, (option, option._replace(name="new", default=2.0)))

    @function.public
    def without_it(x: Any, *, logit_scale: float = 1.0) -> None: ...

    assert function.defaults == (1.0, 2.0)


@names
def test_parameters_at_run_time(function: Function) -> None:
    expected = [(option.name, option.default) for option in (*function.positional, *function.keywords)]
    parameters = list(inspect.signature(public(function)).parameters.values())
    assert parameters.pop().kind is inspect.Parameter.VAR_KEYWORD
    assert [
        (each.name, REQUIRED if each.default is inspect.Parameter.empty else each.default) for each in parameters
    ] == expected


@names
def test_a_plain_call_has_the_defaults_of_the_library(function: Function) -> None:
    plain = tuple(option.default for option in function.options)
    assert dict(function.settings(function.defaults)) == dict(function.fixed)  # the short way
    # The long way, for objects that only equal the defaults.
    library = header.Options.from_buffer_copy(frames._DEFAULTS)
    for option, value in zip(function.options, plain):
        assert option.convert is not None
        fields = {**{each[0]: getattr(library, each[0]) for each in library._fields_}, **function.fixed}
        assert {**fields, **option.convert(option, value)} == fields, option.name


def test_every_field_of_the_options_is_set_by_the_table() -> None:
    fields = {option.field for function in FUNCTIONS for option in function.options}
    assert fields | NO_OPTION | BESIDE == {field[0] for field in header.Options._fields_}


COLUMNS = {
    "loss": [_accepts.CROSS_ENTROPY, _accepts.CROSS_ENTROPY_WITH_GRAD, _accepts.NLL_LOSS],
    "kl": [_accepts.KL_DIVERGENCE, _accepts.KL_DIVERGENCE_WITH_GRAD],
    "second": [_accepts.HESSIAN_VECTOR_PRODUCT, _accepts.HESSIAN_DIAGONAL],
    "binary": [_accepts.BINARY_CROSS_ENTROPY, _accepts.BINARY_CROSS_ENTROPY_WITH_GRAD],
    "softmax": [_accepts.SOFTMAX, _accepts.LOG_SOFTMAX, _accepts.LOGSUMEXP],
    "stats": [_accepts.ROW_STATISTICS],
    "partial": [_accepts.PARTIAL_STATISTICS, _accepts.PARTIAL_LOSS, _accepts.PARTIAL_GRAD],
}


# A softmax's scale is its temperature; sparse targets leave out what they do not name.
SPELLED_OTHERWISE = {"softmax": {"temperature"}, "stats": {"temperature"}, "kl": {"ignore_index"}}


def test_functions_take_what_the_table_of_the_header_says() -> None:
    titles = re.search(r"^ \* +input +((?:\w+ +)+\w+)$", HEADER, re.MULTILINE)
    assert titles
    columns = titles[1].split()
    assert sorted(columns) == sorted(COLUMNS)
    rows = dict(re.findall(r"^ \*     (\w+) +(?:[PL] +)?((?:[x-] +){6}[x-])$", HEADER, re.MULTILINE))
    assert set(rows) | {"size", "mean_divisor"} | RESERVED >= {field[0] for field in header.Options._fields_}
    accepted = {name: dict(zip(columns, marks.split())) for name, marks in rows.items()}
    for column, functions in COLUMNS.items():
        for function in functions:
            refused = [option.name for option in function.options if accepted[option.field][column] != "x"]
            assert not refused, function.name
        taken = {option.field for function in functions for option in function.options}
        possible = {field for field, marks in accepted.items() if marks[column] == "x"}
        assert possible - taken <= NO_OPTION | BESIDE | SPELLED_OTHERWISE.get(column, set()), column


def test_calls_do_not_depend_on_those_before_them() -> None:
    """The memory of a call is used again, and so are the settings of options that are the same objects."""
    x, labels = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 1, 2, 1])
    weight = np.array([1.0, 2.0, 3.0])
    smoothing, equal, flag = 0.1, 1.0, True
    options: list[dict[str, Any]] = [
        {},
        {"label_smoothing": smoothing},
        {"label_smoothing": smoothing, "reduction": "sum"},
        {"label_smoothing": equal},
        {"label_smoothing": flag},
        {"weight": weight, "reduction": "sum"},
        {"reduction": "sum"},
        {"mean_over": equal, "z_loss": smoothing},
    ]

    def alone(each: dict[str, Any]) -> float:
        frames.frames.clear()
        _repeated.kinds.clear()
        _accepts.CROSS_ENTROPY.last = _accepts.CROSS_ENTROPY.defaults, _accepts.CROSS_ENTROPY.fixed
        return float(ce.cross_entropy(x, labels, **each))

    expected = [alone(each) for each in options]
    assert len(set(expected)) == 7  # True is 1.0
    for first, second in itertools.product(range(len(options)), repeat=2):
        for each in (first, second, second, first):
            assert ce.cross_entropy(x, labels, **options[each]) == expected[each]
    # Of lists and arrays the numbers count that they have now.
    for each in (weight, [1.0, 2.0, 3.0]):
        ce.cross_entropy(x, labels, weight=each)
        each[0] = 5.0
        assert ce.cross_entropy(x, labels, weight=each) == alone({"weight": [5.0, 2.0, 3.0]})
    # An equal object of another type is not taken for the one before.
    ce.cross_entropy(x, labels, ignore_index=1)
    with pytest.raises(TypeError, match="ignore_index must be an integer"):
        ce.cross_entropy(x, labels, ignore_index=1.0)  # type: ignore[call-overload]
