"""`crossentropy.sklearn` beside scikit-learn: values, labels, warnings, errors, model selection."""

from __future__ import annotations

import doctest
import inspect
import os
import pickle
import re
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import crossentropy as ce
import crossentropy.sklearn
from crossentropy._c_api import header
from crossentropy.sklearn import log_loss

DTYPES = ["float16", ml_dtypes.bfloat16, "float32", "float64"]
ROWS = 200

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


def theirs(y_true: Any, y_proba: Any, **options: Any) -> float:
    """scikit-learn's log_loss, of the same numbers in float64; its warnings are tested by themselves."""
    from sklearn import metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(metrics.log_loss(y_true, np.asarray(y_proba).astype(np.float64), **options))


def probabilities(classes: int, dtype: Any = np.float64, rows: int = ROWS) -> Any:
    """None of them near enough to 0 or 1 to be clipped by scikit-learn."""
    p = np.random.default_rng(classes).random((rows, classes)) + 0.01
    return (p / p.sum(1, keepdims=True)).astype(dtype)


def some_labels(names: Any, rows: int = ROWS) -> Any:
    return np.asarray(names)[np.random.default_rng(rows).integers(0, len(names), rows)]


LABELS = {
    "integers": [0, 1, 2],
    "integers with gaps": [-7, 3, 1000],
    "small integers": np.array([-128, 0, 127], np.int8),
    "unsigned integers": np.array([0, 1, 2**64 - 1], np.uint64),
    "whole floats": [-1.0, 0.0, 2.5e9],
    "strings": ["ham", "spam", "eggs"],
    "strings of other lengths": ["b", "aaaa", ""],
    "strings beyond ASCII": ["ä", "z", "🙂"],
    "objects": np.array(["ham", "spam", "eggs"], object),
}


# ----------------------------------------------------------------------------------------------
# Values
# ----------------------------------------------------------------------------------------------


@needs_sklearn
@pytest.mark.parametrize("names", LABELS.values(), ids=LABELS.keys())
@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_of_every_type(names: Any, dtype: Any) -> None:
    y, p = some_labels(names), probabilities(3, dtype)
    expected = theirs(y, p)
    # float32 is what 16 bits are computed in; each row's loss is then within 1e-6.
    tolerance = 1e-13 if dtype == "float64" else 1e-6
    assert log_loss(y, p) == pytest.approx(expected, rel=tolerance)
    assert log_loss(y.tolist(), p.tolist() if dtype == "float64" else p) == pytest.approx(expected, rel=tolerance)


@needs_sklearn
@pytest.mark.parametrize("names", [[0, 1], [True, False], [-1, 1], ["no", "yes"], [1.0, 3.0]])
@pytest.mark.parametrize("dtype", DTYPES)
def test_two_labels(names: Any, dtype: Any) -> None:
    """The probability of the greater label alone, which is exact in every dtype."""
    y, p = some_labels(names), probabilities(2, dtype)[:, 1]
    expected = theirs(y, p)
    assert log_loss(y, p) == pytest.approx(expected, rel=1e-13)
    assert log_loss(y[:, None], p[:, None]) == pytest.approx(expected, rel=1e-13)
    assert log_loss(y, np.stack([1 - p.astype(float), p.astype(float)], 1)) == pytest.approx(expected, rel=1e-13)


@needs_sklearn
@pytest.mark.parametrize("kind", [bool, np.int8, np.float32, np.float64, list])
@pytest.mark.parametrize("dtype", DTYPES)
def test_indicator_matrices(kind: Any, dtype: Any) -> None:
    p = probabilities(4, dtype)
    y = np.random.default_rng(0).random(p.shape) < 0.4
    given = y.astype(int).tolist() if kind is list else y.astype(kind)
    tolerance = 1e-13 if dtype == "float64" else 1e-6
    assert log_loss(given, p) == pytest.approx(theirs(given, p), rel=tolerance)


@needs_sklearn
def test_indicator_matrices_of_two_labels() -> None:
    y = np.eye(2)[some_labels([0, 1])]
    for p in (probabilities(2)[:, 1], probabilities(2)[:, 1:]):
        assert log_loss(y, p) == pytest.approx(theirs(y, p), rel=1e-13)


@needs_sklearn
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("weights", [None, "int64", "float32", "float64", "list", "negative"])
@pytest.mark.parametrize("shape", ["multiclass", "binary", "indicator"])
def test_weights_and_sums(shape: str, weights: str | None, normalize: bool) -> None:
    p = probabilities(3 if shape == "multiclass" else 2)
    y: Any = some_labels([0, 1, 2] if shape == "multiclass" else [0, 1])
    if shape == "binary":
        p = p[:, 1]
    elif shape == "indicator":
        y = np.eye(2)[y]
    w: Any = np.random.default_rng(1).integers(0, 5, ROWS)
    options = {
        None: None, "list": w.tolist(), "negative": w - 1.5, "int64": w, "float32": w / np.float32(3), "float64": w / 3,
    }  # fmt: skip
    arguments = {"normalize": normalize, "sample_weight": options[weights]}
    assert log_loss(y, p, **arguments) == pytest.approx(theirs(y, p, **arguments), rel=1e-12)


@needs_sklearn
@pytest.mark.parametrize("y", [["b", "b", "c"], ["c", "b", "b"]])
def test_labels_that_do_not_occur(y: Any) -> None:
    p = probabilities(3, rows=3)
    labels = ["a", "b", "c"]
    assert log_loss(y, p, labels=labels) == pytest.approx(theirs(y, p, labels=labels), rel=1e-13)
    assert log_loss(["b", "b", "b"], p[:, 0], labels=["b", "c"]) == pytest.approx(-np.log1p(-p[:, 0]).mean(), rel=1e-13)


@needs_sklearn
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [[1.0, 1.0, 0.5], [0.0, 0.0, 0.5], [0.0, 1.0, 1e-12]])
def test_clipping_on_request_is_theirs(p: list[float], dtype: str) -> None:
    from sklearn import metrics

    one = np.array(p, dtype)
    two = np.stack([1 - one, one], 1)
    for given in (one, two):
        expected = metrics.log_loss([0, 1, 0], given)
        assert log_loss([0, 1, 0], given, eps="auto") == pytest.approx(
            expected, rel=1e-5 if dtype == "float32" else 1e-13
        )


@pytest.mark.parametrize(
    ("dtype", "loss"), [("float16", 10), (ml_dtypes.bfloat16, 7), ("float32", 23), ("float64", 52)]
)
def test_clipping_at_the_epsilon_of_the_dtype(dtype: Any, loss: int) -> None:
    for p in (np.zeros(2), np.array([[1.0, 0.0], [1.0, 0.0]])):
        assert log_loss([1, 1], p.astype(dtype), labels=[0, 1], eps="auto") == pytest.approx(loss * np.log(2), rel=1e-6)
        assert log_loss([1, 1], p.astype(dtype), labels=[0, 1], eps=0.25) == pytest.approx(np.log(4), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_clipped_unasked(dtype: Any) -> None:
    """The same predictions score the same in every dtype, where scikit-learn gives 18.0, 8.0 and 3.5."""
    p = np.array([[1, 0], [0, 1]], dtype)
    assert log_loss([0, 1], p) == 0
    assert log_loss([1, 1], p, labels=[0, 1]) == np.inf
    assert log_loss([0, 1], p[:, 1]) == 0
    assert log_loss([1, 1], p[:, 1], labels=[0, 1]) == np.inf
    tiny = np.array([2.0**-14, 2.0**-13], dtype)
    assert log_loss([1, 1], tiny, labels=[0, 1]) == pytest.approx(13.5 * np.log(2), rel=1e-15)
    assert log_loss([0, 0], tiny, labels=[0, 1]) == pytest.approx(1.5 * 2.0**-14, rel=1e-4)


def test_tiny_losses_of_two_classes() -> None:
    """Where 1 - p is 1, the loss is p all the same."""
    assert log_loss([0, 0], [1e-30, 3e-30], labels=[0, 1]) == pytest.approx(2e-30, rel=1e-13, abs=0)


@needs_sklearn
def test_integer_predictions_and_arrays_of_any_package() -> None:
    class Exporter:
        def __init__(self, data: Any) -> None:
            self.data = data

        def __dlpack__(self, **options: Any) -> Any:
            return self.data.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self.data.__dlpack_device__()

    assert log_loss([0, 1], [0, 1]) == log_loss([0, 1], [False, True]) == 0
    y, p, w = some_labels([0, 1, 2]), probabilities(3), np.arange(1.0, ROWS + 1)
    expected = theirs(y, p, sample_weight=w)
    assert log_loss(Exporter(y), Exporter(p), sample_weight=Exporter(w)) == pytest.approx(expected, rel=1e-13)
    assert log_loss(y, p.T.copy().T, sample_weight=w) == pytest.approx(expected, rel=1e-13)
    p16 = np.asfortranarray(probabilities(3, ml_dtypes.bfloat16))  # and as it comes where ml_dtypes is not loaded
    assert log_loss(y, p16.view(header.BFLOAT16_BITS)) == log_loss(y, p16)
    for dtype in (">f8", np.longdouble):
        assert log_loss(y, p.astype(dtype), sample_weight=w) == pytest.approx(expected, rel=1e-13)


def test_the_signature_is_theirs() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    ours = list(inspect.signature(log_loss).parameters)
    known = set(inspect.signature(metrics.log_loss).parameters) - {"y_pred"}  # until 1.8 the name of y_proba
    assert known - {"y_proba"} == set(ours) - {"y_proba", "eps"}


# ----------------------------------------------------------------------------------------------
# Warnings and errors
# ----------------------------------------------------------------------------------------------


@needs_sklearn
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_that_do_not_sum_to_one(dtype: str) -> None:
    from sklearn import metrics

    root = float(np.finfo(dtype).eps) ** 0.5
    for error, warned in ((0.25 * root, False), (-0.25 * root, False), (2 * root, True), (-2 * root, True)):
        p = np.array([[0.5, 0.5], [0.5 + error, 0.5]], dtype)
        for function in (metrics.log_loss, log_loss):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                loss = function([0, 1], p)
            assert [each.category for each in caught] == [UserWarning] * warned
            assert function is not log_loss or all(each.filename == __file__ for each in caught)
            assert loss == pytest.approx(np.log(2), rel=1e-3)  # used as they are, not divided by their sum


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_many_classes_sum_to_one(dtype: Any) -> None:
    """Also where a sum in their own dtype would not."""
    p = np.full((2, 4096), 2.0**-12, dtype)
    assert log_loss([5, 7], p, labels=range(4096)) == pytest.approx(12 * np.log(2), rel=1e-6)


@needs_sklearn
def test_labels_that_are_not_sorted() -> None:
    p = probabilities(2)
    y = some_labels(["no", "yes"])
    with pytest.warns(UserWarning, match=r"labels is \['yes' 'no'\], but .* sorted labels, \['no' 'yes'\]") as caught:
        loss = log_loss(y, p, labels=["yes", "no"])
    assert caught[0].filename == __file__
    assert loss == pytest.approx(theirs(y, p, labels=["yes", "no"]), rel=1e-13)


P = [[0.5, 0.5], [0.25, 0.75]]
WRONG = {
    "one label": (([1, 1], [0.5, 0.5]), {}, "y_true contains only one label, 1;"),
    "one label of strings": ((["a", "a"], P), {}, "y_true contains only one label, 'a';"),
    "one label in labels": (([1, 1], P), {"labels": [1]}, "labels must be .*at least two"),
    "no labels": (([1, 1], P), {"labels": []}, "labels must be .*at least two"),
    "a label twice": (([1, 0], P), {"labels": [0, 1, 1]}, "each once"),
    "unknown labels": (([1, 2], P), {"labels": [0, 1]}, r"y_true contains \[2\], .*not among labels, \[0 1\]"),
    "labels of another kind": (([0, 1], P), {"labels": ["0", "1"]}, r"y_true contains \[0 1\]"),
    "more classes than columns": (([0, 1, 2], [[0.5, 0.5]] * 3), {}, r"y_true has 3 classes, \[0 1 2\], but .* has 2"),
    "more classes than one column": (([0, 1, 2], [0.5] * 3), {}, "y_true has 3 classes, .* but y_proba has 2"),
    "more columns than classes": (([0, 1], [[0.2, 0.3, 0.5]] * 2), {}, "y_true has 2 classes, .* but y_proba has 3"),
    "more columns than labels": (([0, 1], [[0.2, 0.3, 0.5]] * 2), {"labels": [0, 1]}, "labels has 2 classes"),
    "indicators of other classes": (([[1, 0, 1], [0, 1, 0]], P), {}, "y_true has 3 classes"),
    "labels of indicators": (([[1, 0], [0, 1]], P), {"labels": [0, 1]}, "labels must be None"),
    "soft indicators": (([[0.5, 0.5], [0, 1]], P), {}, "not whole"),
    "several outputs": (([[1, 2], [3, 0]], P), {}, "no indicator matrix of 0 and 1"),
    "several outputs of strings": (([["a", "b"], ["b", "a"]], P), {}, "no indicator matrix of 0 and 1"),
    "continuous labels": (([0.5, 1.5], P), {}, "y_true contains numbers that are not whole"),
    "NaN among labels": (([np.nan, 1.0], P), {}, "y_true contains numbers that are not whole"),
    "infinity among labels": (([np.inf, 1.0], P), {}, "y_true contains numbers that are not whole"),
    "a negative probability": (([0, 1], [0.5, -0.25]), {}, "y_proba contains -0.25"),
    "a probability above 1": (([0, 1], [0.5, 1.25]), {}, "y_proba contains 1.25"),
    "NaN": (([0, 1], [0.5, np.nan]), {}, "y_proba contains nan"),
    "NaN beside the label": (([0, 1], [[0.5, np.nan], [0.5, 0.5]]), {}, "y_proba contains nan"),
    "infinity": (([0, 1], [0.5, np.inf]), {}, "y_proba contains inf"),
    "no rows": (([], []), {}, "one row"),
    "no rows of two columns": (([], np.zeros((0, 2))), {}, "one row"),
    "fewer predictions": (([0, 1, 1], [0.5, 0.5]), {}, "y_true has 3 rows, but y_proba has 2"),
    "fewer weights": (([0, 1], P), {"sample_weight": [1]}, "sample_weight has 1 rows, but y_proba has 2"),
    "weights in columns": (([0, 1], P), {"sample_weight": [[1], [2]]}, "sample_weight has 2 dimensions"),
    "weights of 0": (([0, 1], P), {"sample_weight": [0, 0]}, "weights add up to 0"),
    "NaN among weights": (([0, 1], P), {"sample_weight": [1, np.nan]}, "sample_weight contains NaN"),
    "three dimensions": (([0, 1], [[[0.5], [0.5]]] * 2), {}, "y_proba has 3 dimensions"),
}


@pytest.mark.parametrize(("arguments", "options", "text"), WRONG.values(), ids=WRONG.keys())
def test_wrong_values(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises(ce.ArgumentValueError, match=text):
        log_loss(*arguments, **options)


@needs_sklearn
@pytest.mark.parametrize(("arguments", "options", "text"), WRONG.values(), ids=WRONG.keys())
def test_wrong_values_are_wrong_for_them_too(arguments: Any, options: Any, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError):
            theirs(*arguments, **options)


def test_numbers_are_never_strings() -> None:
    """Whether scikit-learn takes 1 for "1" depends on the number of labels."""
    digits = [str(number) for number in range(10, 42)]
    with pytest.raises(ce.ArgumentValueError, match=r"y_true contains \[10 11\], .*not among labels"):
        log_loss([11, 10], np.full((2, 32), 1 / 32), labels=digits)


def test_wrong_options() -> None:
    for value, error in (
        (-0.1, ValueError),
        (0.5, ValueError),
        (np.nan, ValueError),
        ("max", ValueError),
        (1j, TypeError),
    ):
        with pytest.raises(error, match="eps"):
            log_loss([0, 1], P, eps=value)
    with pytest.raises(ce.ArgumentValueError, match="y_true has 3 dimensions"):
        log_loss(np.zeros((2, 2, 2)), P)


@pytest.mark.parametrize("y", [["a", 1], [None, "a"], np.array([0, 1], object), [b"a", b"b"], [1j, 2j]])
def test_labels_that_cannot_be_sorted(y: Any) -> None:
    with pytest.raises(ce.ArgumentTypeError, match="y_true has"):
        log_loss(y, P)
    with pytest.raises(ce.ArgumentTypeError, match="labels has"):
        log_loss([0, 1], P, labels=y)


@pytest.mark.parametrize("dtype", [complex, "U4", object])
def test_predictions_and_weights_are_numbers(dtype: Any) -> None:
    with pytest.raises(ce.ArgumentTypeError, match="y_proba has dtype"):
        log_loss([0, 1], np.array(P).astype(dtype))
    with pytest.raises(ce.ArgumentTypeError, match="sample_weight has dtype"):
        log_loss([0, 1], P, sample_weight=np.ones(2).astype(dtype))


# ----------------------------------------------------------------------------------------------
# Model selection
# ----------------------------------------------------------------------------------------------


def data(names: list[Any]) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(30 * len(names)) % len(names)
    x = rng.standard_normal((len(y), 4)) + y[:, None]
    return x, np.asarray(names)[y]


@needs_sklearn
@pytest.mark.parametrize("names", [[0, 1], ["a", "b"], ["x", "y", "z"]], ids=str)
def test_scores_of_model_selection(names: list[Any]) -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    from crossentropy.sklearn import log_loss_scorer

    x, y = data(names)
    scores = cross_val_score(LogisticRegression(), x, y, scoring=log_loss_scorer)
    assert scores == pytest.approx(cross_val_score(LogisticRegression(), x, y, scoring="neg_log_loss"), rel=1e-12)
    assert (scores < 0).all()

    grid = {"C": [1e-4, 1.0]}
    theirs = GridSearchCV(LogisticRegression(), grid, scoring="neg_log_loss").fit(x, y)
    search = clone(GridSearchCV(LogisticRegression(), grid, scoring=log_loss_scorer))
    search = pickle.loads(pickle.dumps(search)).fit(x, y)
    assert search.best_params_ == theirs.best_params_
    assert search.best_score_ == pytest.approx(theirs.best_score_, rel=1e-12)
    assert search.score(x, y) == pytest.approx(theirs.score(x, y), rel=1e-12)


@needs_sklearn
def test_weights_reach_the_scorer() -> None:
    from sklearn.linear_model import LogisticRegression

    from crossentropy.sklearn import log_loss_scorer

    x, y = data(["a", "b", "c"])
    model = LogisticRegression().fit(x, y)
    w = np.arange(len(y))
    score = log_loss_scorer(model, x, y, sample_weight=w)
    assert score == pytest.approx(-theirs(y, model.predict_proba(x), sample_weight=w), rel=1e-12)


def test_only_the_scorer_needs_scikit_learn() -> None:
    program = """
import sys
sys.modules["sklearn"] = None
from crossentropy.sklearn import log_loss
print(log_loss([0, 1], [0.5, 0.5]))
from crossentropy.sklearn import log_loss_scorer
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(ce.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert float(result.stdout) == pytest.approx(np.log(2))
    assert "ModuleNotFoundError" in result.stderr
    assert "sklearn" in result.stderr


def test_documentation() -> None:
    assert doctest.testmod(crossentropy.sklearn).failed == 0
    text = inspect.getdoc(log_loss) or ""
    assert all(re.search(rf"^    {name}: ", text, re.MULTILINE) for name in inspect.signature(log_loss).parameters)
    with pytest.raises(AttributeError, match="has no attribute 'scorer'"):
        crossentropy.sklearn.scorer  # noqa: B018
