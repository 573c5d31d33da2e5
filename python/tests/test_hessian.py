"""Second derivatives: against differences of the loss in 60 digits, what every Hessian obeys, arrays, errors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import array_api_strict
import exact
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mp, mpf

import crossentropy as ce

Array = npt.NDArray[Any]

OPTIONS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.2},
    {"z_loss": 0.3},
    {"logit_scale": -1.5},
    {"temperature": 2.5},
    {"temperature": 2.5, "temperature_squared": True},
    {"label_smoothing": 0.1, "z_loss": 0.2, "logit_scale": 0.5, "temperature": 0.25, "temperature_squared": True},
]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (kind, options)
        for kind, options in itertools.product(["labels", "distributions", "logits", "sparse"], OPTIONS)
        if kind != "sparse" or "label_smoothing" not in options  # which is refused
    ],
    ids=lambda value: "-".join(value) or "plain" if isinstance(value, dict) else value,
)
def test_hessian_is_the_second_derivative(kind: str, options: dict[str, Any]) -> None:
    """Columns, diagonal and a product, of every row; and what lies outside of its block is 0."""
    random = np.random.default_rng(1)
    rows, classes = 3, 4
    x = random.normal(0, 2, (rows, classes))
    x[1, 2] += 20  # a confident row
    w, s, prior = random.uniform(0.5, 2, classes), random.uniform(0.5, 2, rows), random.dirichlet(np.ones(classes))
    labels = np.array([0, 2, 3])
    q, target, more = np.eye(classes)[labels], labels, dict(options)
    if kind == "distributions":
        target = q = random.uniform(0, 1, (rows, classes))
    elif kind == "logits":
        target, more["target_type"] = random.normal(0, 1, (rows, classes)), "logits"
        q = ce.softmax(target / options.get("temperature", 1.0))
    elif kind == "sparse":
        target = ce.SparseTarget([[0, 1], [2, 3], [3, 1]], [[0.5, 0.25]] * 3)
        q = np.array([[0.5, 0.25, 0, 0], [0, 0, 0.5, 0.25], [0, 0.25, 0, 0.5]])
    e = mpf(options.get("label_smoothing", 0.0))
    scale = mpf(options.get("logit_scale", 1.0)) / mpf(options.get("temperature", 1.0))
    factor = mpf(options.get("temperature", 1.0)) ** 2 if "temperature_squared" in options else mpf(1)
    v = random.normal(0, 1, (rows, classes))

    call: dict[str, Any] = {"weight": w, "sample_weight": s, "prior": prior, "reduction": "none", **more}
    columns = []
    for i, c in itertools.product(range(rows), range(classes)):
        unit = np.zeros((rows, classes))
        unit[i, c] = 1
        column = ce.hessian_vector_product(x, target, unit, **call)
        assert not np.delete(column, i, 0).any()
        columns.append(column[i])
    hessian = np.reshape(columns, (rows, classes, classes))
    diagonal = ce.hessian_diagonal(x, target, **call)
    product = ce.hessian_vector_product(x, target, v, **call)
    for i in range(rows):
        mass = [mpf(float(w[c])) * ((1 - e) * mpf(float(q[i, c])) + e * mpf(float(prior[c]))) for c in range(classes)]

        def loss(z: exact.Row, mass: exact.Row = mass, i: int = i) -> Any:
            z = [scale * value for value in z]
            return mpf(float(s[i])) * factor * exact.cross_entropy(z, mass, options.get("z_loss", 0.0))

        at = exact.row(x[i])
        want = [[exact.second_derivative(loss, at, c, d) for d in range(classes)] for c in range(classes)]
        z = [scale * value for value in at]
        p = exact.softmax(z)
        lse = abs(z[0] - exact.log_softmax(z)[0])
        z_loss = 2 * mpf(options.get("z_loss", 0.0))
        # The published bound, with the same for the z-loss, and what a rounded q costs.
        amount = mpf(float(s[i])) * factor * scale**2 * (sum(mass) + z_loss * (lse + 1))
        k = z.index(max(z))

        def size(c: int, v: exact.Row, p: exact.Row = p, k: int = k, amount: Any = amount, z_loss: Any = z_loss) -> Any:
            apart = abs(v[c] - v[k]) + mp.fsum(a * abs(b - v[k]) for a, b in zip(p, v))
            return amount * p[c] * (apart + z_loss * max(map(abs, v)))

        for c in range(classes):
            unit_row = exact.row(np.eye(classes)[c])
            assert abs(mpf(float(diagonal[i, c])) - want[c][c]) <= mpf("1e-13") * size(c, unit_row)
            for d in range(classes):
                bound = mpf("1e-13") * size(c, exact.row(np.eye(classes)[d]))
                assert abs(mpf(float(hessian[i, d, c])) - want[c][d]) <= bound, (c, d)
            total = mp.fsum(want[c][d] * mpf(float(v[i, d])) for d in range(classes))
            assert abs(mpf(float(product[i, c])) - total) <= mpf("1e-13") * size(c, exact.row(v[i]))


@pytest.mark.parametrize("z_loss", [0.0, 0.1])
def test_symmetric(z_loss: float) -> None:
    random = np.random.default_rng(2)
    x, q, u, v = random.normal(0, 2, (4, 30, 11))
    options: dict[str, Any] = {"reduction": "sum", "z_loss": z_loss}
    one = (u * ce.hessian_vector_product(x, q, v, **options)).sum()
    other = (v * ce.hessian_vector_product(x, q, u, **options)).sum()
    assert one == pytest.approx(other, rel=1e-11)


def test_semi_definite_and_0_for_constants() -> None:
    random = np.random.default_rng(3)
    x, labels = random.normal(0, 10, (2000, 9)), random.integers(0, 9, 2000)
    v = random.normal(0, 10.0 ** random.uniform(-8, 8, (2000, 1)), x.shape)
    assert ((v * ce.hessian_vector_product(x, labels, v, reduction="none")).sum(1) > 0).all()
    assert (ce.hessian_diagonal(x, labels, reduction="none") > 0).all()
    constant = np.broadcast_to(random.normal(0, 1, (2000, 1)), x.shape)
    assert not ce.hessian_vector_product(x, labels, constant, reduction="none").any()
    # Of z_loss the constants' part remains: 2 z_loss p.
    got = ce.hessian_vector_product(x, labels, np.ones(x.shape), z_loss=0.5, reduction="none")
    assert got == pytest.approx(ce.softmax(x), rel=1e-12)


def test_confident_rows_keep_their_digits() -> None:
    x = np.array([[80.0, 0.0], [0.0, 300.0]])
    tiny = np.exp([[-80.0], [-300.0]])
    assert ce.hessian_diagonal(x, [0, 1], reduction="none") == pytest.approx(np.tile(tiny, 2), rel=1e-13)
    product = ce.hessian_vector_product(x, [0, 1], [[3, 1], [1, 3]], reduction="none")
    assert product == pytest.approx(2 * tiny * [[1, -1], [1, -1]] * [[1], [-1]], rel=1e-13)


def test_diagonal_is_that_of_the_products() -> None:
    random = np.random.default_rng(4)
    x, q = random.normal(0, 5, (2, 50, 6))
    for z_loss in (0.0, 0.01):
        diagonal = ce.hessian_diagonal(x, abs(q), z_loss=z_loss)
        for c in range(6):
            unit = np.zeros(x.shape)
            unit[:, c] = 1
            column = ce.hessian_vector_product(x, abs(q), unit, z_loss=z_loss)[:, c]
            assert column == pytest.approx(diagonal[:, c], rel=1e-11, abs=1e-16)


def test_rows_that_do_not_count_and_undefined_rows() -> None:
    x = np.array([[math.nan, 1.0], [0.0, 1.0], [math.inf, 0.0], [-math.inf, -math.inf], [-math.inf, 0.0]])
    v, labels = np.ones((5, 2)) * [1.0, 2.0], np.array([0, 1, 1, 0, 1])
    for function in (ce.hessian_diagonal, lambda x, target, **o: ce.hessian_vector_product(x, target, v, **o)):
        result = function(x, labels, reduction="none")
        assert np.isnan(result).tolist() == [[True] * 2, [False] * 2, [True] * 2, [True] * 2, [False] * 2]
        assert (result[4] == 0).all()  # One class is all that is possible.
        for options in (
            {"mask": [0, 1, 0, 0, 0]},
            {"sample_weight": [0.0, 1.0, 0.0, 0.0, 0.0]},
            {"target": np.array([7, 1, 7, 7, 7]), "ignore_index": 7},
            {"target": np.array([7, 1, 8, 8, 7]), "ignore_index": [7, 8]},
        ):
            left = function(x, **{"target": labels, "reduction": "none", **options})
            assert np.array_equal(left[1], result[1])
            assert not np.delete(left, 1, 0).any()
            assert np.array_equal(function(x, **{"target": labels, **options}), left)  # the mean is over one row
    assert np.isnan(ce.hessian_diagonal(x[1:2], [0], mean_over="weight", weight=[0.0, 1.0])).sum() == 0
    assert not ce.hessian_diagonal(x, labels, mask=[0] * 5).any()
    with pytest.raises(ce.EmptyError):
        ce.hessian_diagonal(x, labels, mask=[0] * 5, empty="error")


def test_reductions_and_upstream_gradients() -> None:
    random = np.random.default_rng(5)
    x, v = random.normal(0, 2, (2, 8, 5))
    labels, w, s = random.integers(0, 5, 8), random.uniform(0.5, 2, 5), random.uniform(0.5, 2, 8)
    calls: list[Any] = [ce.hessian_diagonal, lambda x, labels, **o: ce.hessian_vector_product(x, labels, v, **o)]
    for call in calls:
        each = call(x, labels, weight=w, sample_weight=s, reduction="none")
        for how, divisor in (
            ({"reduction": "sum"}, 1.0),
            ({}, (s * w[labels]).sum()),
            ({"mean_over": "mass"}, (s * w[labels]).sum()),
            ({"mean_over": "count"}, 8),
            ({"mean_over": 2.5}, 2.5),
        ):
            got = call(x, labels, weight=w, sample_weight=s, grad_loss=-3.0, **how)
            assert got == pytest.approx(-3 * each / divisor, rel=1e-13)
        upstream = random.normal(0, 1, 8)
        got = call(x, labels, weight=w, sample_weight=s, grad_loss=upstream, reduction="none")
        assert got == pytest.approx(each * upstream[:, None], rel=1e-13)


def test_one_hot_targets_are_labels() -> None:
    random = np.random.default_rng(6)
    x, v = random.normal(0, 2, (2, 8, 5))
    labels = random.integers(0, 5, 8)
    want = ce.hessian_vector_product(x, labels, v)
    for same in (np.eye(5)[labels], ce.SparseTarget(labels[:, None], np.ones((8, 1)))):
        assert ce.hessian_vector_product(x, same, v) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16], ids=str)
@pytest.mark.parametrize("vector_dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16], ids=str)
def test_dtypes_layouts_and_threads_give_the_same_bits(dtype: Any, vector_dtype: Any) -> None:
    """All of them are computed in float64 and rounded once."""
    random = np.random.default_rng(7)
    x, v = random.normal(0, 2, (6, 300, 5)).astype(dtype), random.normal(0, 2, (6, 300, 5)).astype(vector_dtype)
    labels = random.integers(0, 300, (6, 5))
    exact_ones = [np.asarray(each, np.float64) for each in (x, v)]
    options: dict[str, Any] = {"axis": 1, "reduction": "none", "z_loss": 0.1}
    wide = np.float64 if dtype == np.float64 else np.float32
    product = ce.hessian_vector_product(exact_ones[0], labels, exact_ones[1], threads=1, **options).astype(wide)
    diagonal = ce.hessian_diagonal(exact_ones[0], labels, threads=1, **options).astype(wide)
    for threads in (1, 2, 3):
        gaps = np.zeros((6, 5, 300, 2), dtype)
        gaps[..., 1] = x.transpose(0, 2, 1)
        there = gaps[::-1, ..., 1].swapaxes(1, 2)
        backwards = np.asfortranarray(v)[::-1]
        got = ce.hessian_vector_product(there, labels[::-1], backwards, threads=threads, **options)
        assert got.dtype == dtype
        assert np.array_equal(got[::-1], product.astype(dtype))
        assert np.array_equal(ce.hessian_diagonal(x, labels, threads=threads, **options), diagonal.astype(dtype))
    out = np.empty(x.shape, wide)
    assert ce.hessian_vector_product(x, labels, v, out=out, **options) is out
    assert np.array_equal(out, product)
    # In the place of either input.
    copy = x.copy()
    assert ce.hessian_vector_product(copy, labels, v, out=copy, **options) is copy
    assert np.array_equal(copy, product.astype(dtype))
    copy = x.copy()
    assert ce.hessian_diagonal(copy, labels, out=copy, **options) is copy
    assert np.array_equal(copy, diagonal.astype(dtype))
    if vector_dtype == dtype:
        copy = v.copy()
        assert ce.hessian_vector_product(x, labels, copy, out=copy, **options) is copy
        assert np.array_equal(copy, product.astype(dtype))


def test_arrays_of_other_packages() -> None:
    random = np.random.default_rng(8)
    x, v = random.normal(0, 2, (2, 8, 5))
    labels = random.integers(0, 5, 8)
    theirs = [array_api_strict.asarray(each) for each in (x, labels, v)]
    for got, want in (
        (ce.hessian_vector_product(*theirs), ce.hessian_vector_product(x, labels, v)),
        (ce.hessian_diagonal(*theirs[:2]), ce.hessian_diagonal(x, labels)),
    ):
        assert isinstance(got, type(theirs[0]))
        assert np.array_equal(np.from_dlpack(got), want)
    lists = ce.hessian_vector_product(x.tolist(), labels.tolist(), [[1, 0, 0, 0, 0]] * 8)
    assert np.array_equal(lists, ce.hessian_vector_product(x, labels, np.eye(5)[[0] * 8]))
    row = ce.hessian_diagonal(x[0], labels[0])
    assert np.array_equal(row, ce.hessian_diagonal(x[:1], labels[:1])[0])
    assert ce.hessian_diagonal(x[:0], labels[:0]).shape == (0, 5)


# ----------------------------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------------------------

X, V, LABELS = np.zeros((2, 3)), np.ones((2, 3)), np.array([0, 1])
SPARSE = ce.SparseTarget([[0, 1], [2, 0]], [[0.5, 0.5], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("arguments", "error", "texts"),
    [
        ({"vector": V[:1]}, ValueError, ["vector has shape [1, 3]", "[2, 3]"]),
        ({"vector": V > 0}, TypeError, ["vector has dtype bool", "float32, float64, float16 or bfloat16"]),
        ({"vector": V.astype(int)}, TypeError, ["vector has dtype int64"]),
        ({"vector": V.astype(">f8")}, TypeError, ["vector", "bytes are swapped"]),
        ({"out": V.astype(np.float32)}, TypeError, ["out must", "dtype"]),
        ({"out": V[:1]}, ValueError, ["out has shape [1, 3]"]),
        ({"out": [[0.0] * 3] * 2}, TypeError, ["out must be a NumPy array"]),
        ({"target": SPARSE, "label_smoothing": 0.1}, ValueError, ["label_smoothing", "probs", 'rest "spread"']),
        ({"target_type": "logits"}, ValueError, ["target_type", "labels"]),
        ({"target": np.array([0, 3])}, IndexError, ["label 3 in row 1"]),
        ({"temperature": 0.0}, ValueError, ["temperature is 0.0"]),
        ({"logit_scale": 0.0}, ValueError, ["logit_scale is 0.0"]),
        ({"z_loss": -1.0}, ValueError, ["z_loss"]),
        ({"grad_loss": np.ones(2)}, ValueError, ["grad_loss has shape [2]", 'reduction is "none"']),
        ({"mean_over": "row"}, ValueError, ['mean_over is "row"']),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_errors(arguments: dict[str, Any], error: type[Exception], texts: list[str]) -> None:
    whole: dict[str, Any] = {"x": X, "target": LABELS, "vector": V, "out": np.full((2, 3), 7.0), **arguments}
    for function in (ce.hessian_vector_product, ce.hessian_diagonal):
        if function is ce.hessian_diagonal and whole.pop("vector") is not V:
            continue
        arrays = [each for each in whole.values() if isinstance(each, np.ndarray)]
        before = [array.tobytes() for array in arrays]
        with pytest.raises(error) as caught:
            function(**whole)
        assert isinstance(caught.value, ce.CrossEntropyError)
        for text in texts:
            assert text in str(caught.value)
        assert [array.tobytes() for array in arrays] == before


def test_outputs_must_not_overlap_otherwise() -> None:
    memory = np.linspace(0, 1, 12)
    x, shifted = memory[:6].reshape(2, 3), memory[1:7].reshape(2, 3)
    for other in (shifted, x[::-1]):
        with pytest.raises(ce.ArgumentValueError, match="out overlaps"):
            ce.hessian_diagonal(x, LABELS, out=other)
        with pytest.raises(ce.ArgumentValueError, match="out overlaps"):
            ce.hessian_vector_product(np.zeros((2, 3)), LABELS, x, out=other)
    with pytest.raises(ce.ArgumentValueError, match="out overlaps target"):
        ce.hessian_diagonal(V, x, out=x)


def test_what_second_derivatives_are_not_computed_for_is_no_argument() -> None:
    for name in ("input_type", "softcap", "focal_gamma", "poly_epsilon", "clip", "row_stats", "grad_target"):
        with pytest.raises(TypeError, match=name):
            ce.hessian_diagonal(X, LABELS, **{name: 1})
