"""Binary cross-entropy beyond the shared vectors: accuracy over all f32, derivatives, sums, arrays, errors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mp, mpf

import crossentropy as ce

Array = npt.NDArray[Any]

mp.dps = 60
STEP = mpf("1e-20")  # leaves an error of its square, and 40 digits


def reference(z: Array) -> tuple[Array, Array, Array, Array]:
    """-log p, -log(1 - p), p and 1 - p of float64 logits."""
    with np.errstate(under="ignore", invalid="ignore"):
        e = np.exp(-abs(z))
        log = np.log1p(e)
        likelier, lesser = 1 / (1 + e), e / (1 + e)
    positive = z > 0
    p, other = np.where(positive, likelier, lesser), np.where(positive, lesser, likelier)
    return np.maximum(-z, 0) + log, np.maximum(z, 0) + log, p, other


@pytest.mark.parametrize("label", [0, 1])
def test_f32_over_its_whole_range(label: int) -> None:
    """Every 2003rd float32. The bounds are those that stand above the kernel, a third of the promised ones."""
    bits = np.arange(0, 2**32, 2003, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    with np.errstate(invalid="ignore"):
        minus_log_p, minus_log_other, p, other = reference(x.astype(np.float64))
    want, slope = (minus_log_p, -other) if label else (minus_log_other, p)
    target = np.full(x.shape, label, np.int8)
    loss, grad = ce.binary_cross_entropy_with_grad(x, target, reduction="none")
    assert loss.dtype == grad.dtype == np.float32
    smallest = 2.0**-126
    for got, exact, bound in ((loss, want, 2**-21.6), (grad, slope, 2**-21.7)):
        assert np.array_equal(np.isnan(got), np.isnan(exact))
        normal = (abs(exact) >= smallest) & np.isfinite(exact)
        assert normal.sum() > 1_000_000
        assert (abs(got[normal] / exact[normal] - 1)).max() <= bound
        rest = ~normal & np.isfinite(exact)
        assert (abs(got[rest] - exact[rest])).max() <= smallest
        assert np.array_equal(got[np.isinf(exact)], exact[np.isinf(exact)])


@pytest.mark.parametrize("grad_loss", [1.0, 1e-3, 1e9, 1e-30])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("names", [["pos_weight"], ["sample_weight"], ["pos_weight", "weight", "sample_weight"]])
def test_f32_with_weights(names: list[str], smoothing: float, grad_loss: float) -> None:
    """Against float64. The bounds are those that stand above the kernel, half of the promised ones."""
    random = np.random.default_rng(4)
    x = np.concatenate([random.normal(0, scale, 40_000) for scale in (1e-3, 1, 10, 30)]).astype(np.float32)[:, None]
    x = x[abs(x[:, 0]) < 87]  # beyond, exp(-|x|) may count as 0
    for y in (random.random(x.shape).astype(np.float32), random.integers(0, 2, x.shape)):
        shapes = {"pos_weight": (1,), "weight": (1,), "sample_weight": x.shape}
        weights = {name: np.exp(random.uniform(-3, 3, shapes[name])) for name in names}
        got = ce.binary_cross_entropy_with_grad(
            x, y, reduction="none", label_smoothing=smoothing, grad_loss=grad_loss, **weights
        )
        minus_log_p, minus_log_other, p, other = reference(x.astype(np.float64))
        smoothed = (1 - smoothing) * y + smoothing / 2
        scale = weights.get("weight", 1.0) * weights.get("sample_weight", 1.0)
        a = scale * weights.get("pos_weight", 1.0) * smoothed
        b = scale * ((1 - smoothing) * (1 - y.astype(np.float64)) + smoothing / 2)
        for value, exact, size, bound in (
            (got[0], a * minus_log_p + b * minus_log_other, a * minus_log_p + b * minus_log_other, 5.4e-7),
            (got[1], grad_loss * (b * p - a * other), grad_loss * (b * p + a * other), 6.6e-7),
        ):
            assert value.dtype == np.float32
            normal = size >= 2.0**-126
            assert (abs(value - exact) <= bound * size)[normal].all()


def test_elements_whose_weights_f32_cannot_hold() -> None:
    """They get the digits of float64, and do not change their neighbours' bits."""
    random = np.random.default_rng(5)
    x = random.normal(0, 3, 3000).astype(np.float32)
    y = random.random(3000).astype(np.float32)
    s, v = np.exp(random.uniform(-1, 1, 3000)), 1.5
    special = np.arange(1200, 3000, 100)
    s[1200:1700:100] = 1e-30, 1e-300, 1e-40, 1e37, 1e300
    x[1700:2200:100] = 3e38, -3e38, 80, -80, 1e10
    s[1700:2200:100] = 100, 100, 0.5, 0.5, 1e30
    x[2200], y[2200] = -1e30, 1e-39
    y[2300:2600:100] = 1e-42, 0, 1
    x[2600:3000:100] = np.inf, -np.inf, np.nan, 5
    s[2900] = 0
    options: dict[str, Any] = {"pos_weight": v, "reduction": "none"}
    loss, grad = np.empty(3000), np.empty(3000, np.float32)
    ce.binary_cross_entropy_with_grad(x, y, sample_weight=s, out=loss, grad=grad, **options)
    wide = [each.astype(np.float64) for each in (x, y)]
    exact, slope = ce.binary_cross_entropy_with_grad(*wide, sample_weight=s, **options)
    for got, want, least in ((loss, exact, 2.0**-1022), (grad, slope, 2.0**-126)):
        with np.errstate(invalid="ignore", over="ignore"):
            want = np.where(abs(want) > 3.4e38, np.sign(want) * np.inf, want) if least == 2.0**-126 else want
            near = (abs(got - want) <= 1.1e-6 * abs(want) + least) | (got == want) | (np.isnan(got) & np.isnan(want))
        # A gradient of two terms is relative to the sum of their magnitudes.
        assert near[special].all(), special[~near[special]]
    for i in [*special, *(special + 1), 0, 1023, 1024, 2047]:
        alone, slope = np.empty(1), np.empty(1, np.float32)
        part = slice(i, i + 1)
        ce.binary_cross_entropy_with_grad(x[part], y[part], sample_weight=s[part], out=alone, grad=slope, **options)
        assert alone.tobytes() == loss[part].tobytes(), i
        assert slope.tobytes() == grad[part].tobytes(), i
    in_place = x.copy()
    ce.binary_cross_entropy_with_grad(in_place, y, sample_weight=s, grad=in_place, **options)
    assert in_place.tobytes() == grad.tobytes()


def test_f64_against_many_digits() -> None:
    random = np.random.default_rng(3)
    x = np.concatenate([random.normal(0, scale, 60) for scale in (1e-8, 1e-3, 1, 10, 100, 300)])
    y = np.concatenate([random.integers(0, 2, 180).astype(np.float64), random.random(180)])
    loss, grad = ce.binary_cross_entropy_with_grad(x, y, reduction="none")
    chances = 1 / (1 + np.exp(-x[:240]))
    probs = ce.binary_cross_entropy(chances, y[:240], input_type="probs", reduction="none")
    for i, (z, t) in enumerate(zip(map(mpf, x.tolist()), map(mpf, y.tolist()))):
        p, other = 1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))
        terms = [t * -mp.log(p) if t else mpf(0), (1 - t) * -mp.log(other) if t != 1 else mpf(0)]
        assert abs(mpf(float(loss[i])) - sum(terms)) <= mpf("2e-15") * sum(terms)
        slopes = [(1 - t) * p, t * other]
        assert abs(mpf(float(grad[i])) - (slopes[0] - slopes[1])) <= mpf("2e-15") * sum(slopes)
        if i < len(probs):
            p = mpf(float(chances[i]))
            want = -t * mp.log(p) - (1 - t) * mp.log(1 - p)
            assert abs(mpf(float(probs[i])) - want) <= mpf("2e-15") * want


OPTIONS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.1},
    {"focal_gamma": 0.5},
    {"focal_gamma": 3.0, "label_smoothing": 0.2},
    {"input_type": "probs"},
]


def element_loss(x: mpf, y: mpf, v: mpf, options: dict[str, Any]) -> mpf:
    """The loss as it is defined, without its weights but v."""
    gamma = mpf(options.get("focal_gamma", 0.0))
    p = x if "input_type" in options else 1 / (1 + mp.exp(-x))
    e = mpf(options.get("label_smoothing", 0.0))
    t = (1 - e) * y + e / 2
    return -v * t * (1 - p) ** gamma * mp.log(p) - (1 - t) * p**gamma * mp.log(1 - p)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_gradient_is_the_derivative(options: dict[str, Any]) -> None:
    random = np.random.default_rng(5)
    x = random.uniform(0.05, 0.95, (6, 4)) if "input_type" in options else random.normal(0, 4, (6, 4))
    y = np.where(random.random((6, 4)) < 0.5, random.integers(0, 2, (6, 4)), random.random((6, 4)))
    w, v, s = random.uniform(0.5, 2, 4), random.uniform(0.5, 2, 4), random.uniform(0.5, 2, (6, 4))
    losses, grad = ce.binary_cross_entropy_with_grad(
        x, y, weight=w, pos_weight=v, sample_weight=s, reduction="none", **options
    )
    for i, c in itertools.product(range(6), range(4)):
        at, t, positive = mpf(float(x[i, c])), mpf(float(y[i, c])), mpf(float(v[c]))
        scale = mpf(float(s[i, c])) * mpf(float(w[c]))
        above, below = (element_loss(at + step, t, positive, options) for step in (STEP, -STEP))
        loss = scale * element_loss(at, t, positive, options)
        assert abs(mpf(float(losses[i, c])) - loss) <= mpf("1e-14") * loss
        assert abs(mpf(float(grad[i, c])) - scale * (above - below) / (2 * STEP)) <= mpf("1e-13") * scale * 10


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_exact_and_of_no_order(dtype: Any) -> None:
    """Losses from 1e-38 to 1e38, more than a piece holds; some too large or too fine for the vectors."""
    random = np.random.default_rng(8)
    x = (random.choice([-1, 1], 200_000) * 10.0 ** random.uniform(-3, 2, 200_000)).astype(dtype)
    x[::1000] = 1e6
    x[1::1000] = dtype(3e38)
    y = random.integers(0, 2, x.shape)
    losses = ce.binary_cross_entropy(x, y, reduction="none", out=np.empty(x.shape))
    total = ce.binary_cross_entropy(x, y, reduction="sum", out=np.empty(()))
    assert total == math.fsum(losses.tolist())
    assert ce.binary_cross_entropy(x[::-1], y[::-1], reduction="sum", out=np.empty(())) == total
    order = random.permutation(len(x))
    shape = (400, 500)
    mean = ce.binary_cross_entropy(x, y)
    assert ce.binary_cross_entropy(x[order].reshape(shape).T, y[order].reshape(shape).T) == mean
    assert ce.binary_cross_entropy(x, y, threads=3) == ce.binary_cross_entropy(x, y, threads=1) == mean


def test_tiny_losses_count_in_the_sum() -> None:
    x = np.full(5000, 30.0, np.float32)
    x[0] = 3
    one = float(ce.binary_cross_entropy(x[1:2], [1], reduction="sum", out=np.empty(())))
    first = float(ce.binary_cross_entropy(x[:1], [1], reduction="sum", out=np.empty(())))
    total = ce.binary_cross_entropy(x, np.ones(5000, np.int8), reduction="sum", out=np.empty(()))
    assert total == math.fsum([first] + [one] * 4999) > first


def test_weights_and_what_the_mean_divides_by() -> None:
    random = np.random.default_rng(9)
    x, y = random.normal(0, 2, (7, 5)), random.integers(0, 2, (7, 5))
    y[2, 3] = -100
    w, v, s = random.uniform(0.5, 2, 5), random.uniform(0.5, 2, 5), random.uniform(0.5, 2, (7, 1))
    minus_log_p, minus_log_other, _, _ = reference(x)
    terms = s * w * np.where(y == 1, v * minus_log_p, minus_log_other)
    counted = y != -100
    options: dict[str, Any] = {"weight": w, "pos_weight": v, "sample_weight": s}
    total = terms[counted].sum()
    assert ce.binary_cross_entropy(x, y, **options) == pytest.approx(total / 34, rel=1e-14)
    over_weight = total / (s * w * counted).sum()
    assert ce.binary_cross_entropy(x, y, mean_over="weight", **options) == pytest.approx(over_weight, rel=1e-14)
    assert ce.binary_cross_entropy(x, y, mean_over=17, **options) == pytest.approx(total / 17, rel=1e-14)
    assert ce.binary_cross_entropy(x, y, pos_weight=2) == ce.binary_cross_entropy(x, y, pos_weight=[2.0] * 5)


def test_outputs() -> None:
    random = np.random.default_rng(10)
    x, y = random.normal(0, 2, (40, 30)).astype(np.float32), random.random((40, 30)).astype(np.float32)
    loss, grad = ce.binary_cross_entropy_with_grad(x, y)
    assert type(loss) is np.float32
    copy = x.copy()
    again, same = ce.binary_cross_entropy_with_grad(copy, y, grad=copy)
    assert same is copy
    assert np.array_equal(copy, grad)
    assert again == loss
    out = np.empty((30, 40)).T
    assert ce.binary_cross_entropy(x, y, reduction="none", out=out) is out
    assert np.array_equal(out.astype(np.float32), ce.binary_cross_entropy(x, y, reduction="none"))
    half, _ = ce.binary_cross_entropy_with_grad(x.astype(np.float16), y, grad=np.empty_like(x))
    assert half.dtype == np.float32
    assert ce.binary_cross_entropy(np.array([2.0]), [1], reduction="none").shape == (1,)
    assert math.isnan(ce.binary_cross_entropy(np.empty((0, 3)), np.empty((0, 3))))


def test_arrays_of_torch() -> None:
    torch = pytest.importorskip("torch")
    x, y = torch.randn(50, 20, dtype=torch.float64), torch.rand(50, 20, dtype=torch.float64)
    v, w = torch.rand(20, dtype=torch.float64) + 0.5, torch.rand(50, 20, dtype=torch.float64)
    loss, grad = ce.binary_cross_entropy_with_grad(x, y, pos_weight=v, sample_weight=w)
    assert isinstance(grad, torch.Tensor)
    theirs = x.clone().requires_grad_()
    want = torch.nn.functional.binary_cross_entropy_with_logits(theirs, y, weight=w, pos_weight=v)
    want.backward()
    torch.testing.assert_close(loss, want.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(grad, theirs.grad, rtol=1e-10, atol=1e-14)


X = np.zeros((2, 3), np.float32)
Y = np.array([[0, 1, 0], [1, 0, 1]])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"input_type": "log_probs"},
            ce.ArgumentValueError,
            'input_type is "log_probs", but must be one of "logits", "probs"',
        ),
        (
            {"mean_over": "mass"},
            ce.ArgumentValueError,
            'mean_over is "mass", but must be one of "weight", "count" or a number',
        ),
        ({"mean_over": 0}, ce.ArgumentValueError, "mean_over"),
        (
            {"sample_weight": [1.0, 2.0]},
            ce.ArgumentValueError,
            r"sample_weight has shape \[2\], which does not broadcast",
        ),
        ({"pos_weight": [1.0, 2.0]}, ce.ArgumentValueError, r"pos_weight has shape \[2\], but there are 3 classes"),
        ({"pos_weight": "a"}, ce.ArgumentTypeError, "pos_weight has dtype"),
        (
            {"weight": [1.0, 2.0]},
            ce.ArgumentValueError,
            r"weight has shape \[2\], but there are 3 classes, and one number",
        ),
        ({"weight": [[2.0]]}, ce.ArgumentValueError, r"weight has shape \[1, 1\], but there are 3 classes"),
        ({"axis": 2}, ce.ArgumentValueError, "axis 2 is out of range"),
        ({"target": Y[0]}, ce.ArgumentValueError, "target has shape"),
        ({"target": Y + 0j}, ce.ArgumentTypeError, "target has dtype complex128"),
        ({"focal_gamma": -1}, ce.ArgumentValueError, "focal_gamma"),
        ({"clip": 0.1}, ce.ArgumentValueError, "clip is for probabilities, but input_type says logits"),
        ({"target": np.full((2, 3), -100), "empty": "error"}, ce.EmptyError, "no element counts"),
        ({"out": np.empty(3)}, ce.ArgumentValueError, "out has shape"),
        ({"out": X[0, :1]}, ce.ArgumentValueError, "out overlaps x"),
        ({"x": X + 0j}, ce.ArgumentTypeError, "x has dtype complex64"),
        ({"x": np.float32(1)}, ce.ArgumentValueError, r"target has shape \[2, 3\], but x has shape \[\]"),
        (
            {"x": 0.5, "target": 1, "axis": 1},
            ce.ArgumentValueError,
            r"axis 1 is out of range: x has 0 dimensions \(-1 to 0\)",
        ),
        (
            {"x": 0.5, "target": 1, "weight": [1.0, 2.0]},
            ce.ArgumentValueError,
            r"weight has shape \[2\], .* is 1 class",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_errors_say_what_is_wrong(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        ce.binary_cross_entropy(**{"x": X, "target": Y, **arguments})


def test_one_sample_weight_is_for_any_shape() -> None:
    """A call with the options of the last one has the same object, and another x."""
    for shape in ((2, 3), (4,), (3, 1)):
        x, y = np.full(shape, 0.5), np.ones(shape)
        got = ce.binary_cross_entropy(x, y, sample_weight=2.0, reduction="sum")
        assert got == ce.binary_cross_entropy(x, y, sample_weight=np.full(shape, 2.0), reduction="sum")


@pytest.mark.parametrize("weight", [2.5, np.float16(2.5), [2.5], np.array([2.5])])
def test_one_weight_for_all_classes(weight: Any) -> None:
    x = np.array([[2.0, -1.0, 0.5], [-3.0, 0.0, 60.0]])
    for name in ("weight", "pos_weight"):
        for mean_over in ("count", "weight"):
            got = ce.binary_cross_entropy_with_grad(x, Y, **{name: weight}, mean_over=mean_over)
            want = ce.binary_cross_entropy_with_grad(x, Y, **{name: [2.5] * 3}, mean_over=mean_over)
            assert all(map(np.array_equal, got, want))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("axis", [-1, 0])
def test_a_single_number(reduction: str, axis: int) -> None:
    options: dict[str, Any] = {"reduction": reduction, "axis": axis, "weight": 0.75, "sample_weight": 2.0}
    for x, target in ((np.float32(0.5), 1), (0.5, True), (np.array(-1.5), 0.25), (np.float16(2), np.float16(0.5))):
        loss, grad = ce.binary_cross_entropy_with_grad(x, target, **options)
        want, slope = ce.binary_cross_entropy_with_grad(np.reshape(x, 1), np.reshape(target, 1), **options)
        assert np.ndim(loss) == grad.ndim == 0
        assert (loss.dtype, grad.dtype) == (want.dtype, slope.dtype)
        assert (loss, grad) == (np.squeeze(want), slope[0])
    place = np.array(0.5, np.float32)
    assert ce.binary_cross_entropy_with_grad(place, 1, reduction=reduction, grad=place)[1] is place
    assert place < 0


def test_booleans_are_labels() -> None:
    x = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    want = ce.binary_cross_entropy_with_grad(x, Y, pos_weight=[0, 2, 1], reduction="none")
    for target in (Y > 0, (Y > 0).tolist(), np.asfortranarray(Y > 0)):
        got = ce.binary_cross_entropy_with_grad(x, target, pos_weight=np.array([0, 2, 1]), reduction="none")
        assert all(map(np.array_equal, got, want))


def test_targets_and_weights_of_16_bits() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    random = np.random.default_rng(5)
    x = random.standard_normal((40, 30)).astype(np.float32)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        arrays = {
            "target": random.random((30, 40)).astype(dtype).T,
            "weight": random.random(60).astype(dtype)[::2],
            "pos_weight": random.random(30).astype(dtype),
            "sample_weight": random.random((40, 1)).astype(dtype),
        }
        got = ce.binary_cross_entropy_with_grad(x, **arrays)
        want = ce.binary_cross_entropy_with_grad(x, **{name: each.astype(np.float32) for name, each in arrays.items()})
        assert all(map(np.array_equal, got, want))


def test_a_bad_label_is_named_in_the_order_of_the_shape() -> None:
    y = np.zeros((300, 500), np.int16)
    y[7, 11], y[250, 3] = 5, -1
    for x in (np.zeros(y.shape), np.zeros(y.shape[::-1]).T):
        grad = np.full(y.shape, 7.0)
        with pytest.raises(ce.LabelError, match=r"label 5 in element 3511 is neither 0 nor 1") as caught:
            ce.binary_cross_entropy_with_grad(x, y, grad=grad, threads=2)
        assert (caught.value.label, caught.value.row, caught.value.classes) == (5, 3511, 2)
        assert (grad == 7).all()


def test_gradients_of_subnormal_probabilities() -> None:
    x, y = np.array([2e-309, 0.25, 3e-300, 0.0]), np.array([1.0, 0.0, 2.0, 0.0])
    grad = ce.binary_cross_entropy_with_grad(x, y, input_type="probs")[1]
    want = [-1 / (4 * mpf(2e-309)), 1 / mpf(3), 1 / mpf(4) - 2 / (4 * mpf(3e-300)), 1 / mpf(4)]
    assert [abs(mpf(g) / w - 1) < 1e-13 for g, w in zip(grad.tolist(), want)] == [True] * 4
    grad = ce.binary_cross_entropy_with_grad([1e-310], [1e-5], input_type="probs")[1]
    assert abs(mpf(grad[0]) * mpf(1e-310) / mpf(1e-5) + 1) < 1e-13
    grad = ce.binary_cross_entropy_with_grad([0.0, 1e-320], [1, 1], input_type="probs")[1]
    assert grad.tolist() == [-math.inf, -math.inf]
