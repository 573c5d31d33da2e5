"""KL divergence beyond the shared vectors: loss and derivatives against 60 digits, rows, arrays, errors."""

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
from kl_problems import CLASSES, KINDS, ROWS, given_as, published_bound
from mpmath import mp, mpf

import crossentropy as ce

Array = npt.NDArray[Any]


def check_row(x: Array, target: Array, loss: float, grad: Array, grad_target: Array, s: float, **options: Any) -> None:
    """One row against the formula and its differences, within the published bounds."""
    input_type, target_type = options.get("input_type", "logits"), options.get("target_type", "probs")
    temperature = options.get("temperature", 1.0)
    form = options.get("form", "generalized")
    factor = mpf(s) * (mpf(temperature) ** 2 if options.get("temperature_squared") else 1)

    def loss_of(x: exact.Row, target: exact.Row) -> Any:
        p = exact.distribution(x, input_type, temperature)
        q = exact.distribution(target, target_type, temperature)
        return factor * exact.divergence(p, q, form)

    x, target = exact.row(x), exact.row(target)
    p = exact.distribution(x, input_type, temperature)
    q = exact.distribution(target, target_type, temperature)
    largest = max(abs(mp.log(each)) for each in p + q)
    want = loss_of(x, target)
    bound = published_bound(p, q, "1e-13") * factor
    if form == "plain":
        terms = [(abs(b * mp.log(b / a)), b * (1 + abs(mp.log(a)) + abs(mp.log(b)))) for a, b in zip(p, q)]
        bound = mp.fsum(mpf("1e-13") * cost + mpf("1e-15") * rounding for cost, rounding in terms) * factor
    assert abs(mpf(float(loss)) - want) <= bound
    for c in range(len(x)):
        want = exact.derivative(lambda x: loss_of(x, target), x, c)
        size = factor * max(p[c], q[c]) / (p[c] if input_type == "probs" else 1)
        assert abs(mpf(float(grad[c])) - want) <= mpf("1e-13") * size, c
        want = exact.derivative(lambda target: loss_of(x, target), target, c)
        size = factor * (1 + largest) * (1 if target_type == "probs" else q[c])
        assert abs(mpf(float(grad_target[c])) - want) <= mpf("1e-13") * size, c


@pytest.mark.parametrize("form", ["generalized", "plain"])
@pytest.mark.parametrize("target_type", KINDS)
@pytest.mark.parametrize("input_type", KINDS)
def test_loss_and_derivatives(input_type: str, target_type: str, form: str) -> None:
    random = np.random.default_rng(1)
    x, target = given_as(input_type, random), given_as(target_type, random)
    s = random.uniform(0.5, 2, ROWS)
    options: dict[str, Any] = {"input_type": input_type, "target_type": target_type, "form": form}
    losses, grad, grad_target = ce.kl_divergence_with_grad(
        x, target, sample_weight=s, reduction="none", grad_target=True, **options
    )
    assert np.array_equal(ce.kl_divergence(x, target, sample_weight=s, reduction="none", **options), losses)
    for i in range(ROWS):
        check_row(x[i], target[i], losses[i], grad[i], grad_target[i], float(s[i]), **options)


@pytest.mark.parametrize("kinds", ["logits logits", "logits probs", "probs logits"])
@pytest.mark.parametrize("squared", [False, True])
def test_temperature(kinds: str, squared: bool) -> None:
    """Of distillation: with the square, losses and gradients are T^2 times as large."""
    random = np.random.default_rng(2)
    input_type, target_type = kinds.split()
    x, target = given_as(input_type, random), given_as(target_type, random)
    options: dict[str, Any] = {
        "input_type": input_type,
        "target_type": target_type,
        "temperature": 2.5,
        "temperature_squared": squared,
    }
    losses, grad, grad_target = ce.kl_divergence_with_grad(x, target, reduction="none", grad_target=True, **options)
    for i in range(ROWS):
        check_row(x[i], target[i], losses[i], grad[i], grad_target[i], 1.0, **options)


def test_the_size_of_gradients_hardly_depends_on_a_high_temperature_squared() -> None:
    """Hinton et al.: they tend to (z - v) / C of logits without a mean."""
    random = np.random.default_rng(3)
    x, teacher = random.normal(0, 1, (2, ROWS, CLASSES))
    x -= x.mean(1, keepdims=True)
    teacher -= teacher.mean(1, keepdims=True)
    _, grad = ce.kl_divergence_with_grad(
        x, teacher, target_type="logits", temperature=1e4, temperature_squared=True, reduction="none"
    )
    assert grad == pytest.approx((x - teacher) / CLASSES, rel=1e-3, abs=1e-4)


def test_what_holds_the_same_distributions_agrees() -> None:
    random = np.random.default_rng(4)
    logits, teacher = random.normal(0, 2, (2, ROWS, CLASSES))
    of_x = {"logits": logits, "probs": ce.softmax(logits), "log_probs": ce.log_softmax(logits)}
    of_target = {"logits": teacher, "probs": ce.softmax(teacher), "log_probs": ce.log_softmax(teacher)}
    want = ce.kl_divergence(logits, teacher, target_type="logits", reduction="none")
    textbook = (of_target["probs"] * (of_target["log_probs"] - of_x["log_probs"])).sum(1)
    assert want == pytest.approx(textbook, rel=1e-12)
    for a, b, form in itertools.product(KINDS, KINDS, ["generalized", "plain"]):
        got = ce.kl_divergence(of_x[a], of_target[b], input_type=a, target_type=b, form=form, reduction="none")
        assert got == pytest.approx(want, rel=1e-13), (a, b, form)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16], ids=str)
@pytest.mark.parametrize("temperature", [1.0, 4.0, 3.0, 0.7])
@pytest.mark.parametrize("classes", [1, 2, 15, 16, 17, 100, 5000])
def test_logits_of_32_bits(classes: int, temperature: float, dtype: Any) -> None:
    """Against float64, which is tested above, within the bound of float32; from far apart to nearly the same."""
    random = np.random.default_rng(13)
    x = random.normal(0, 3, (24, classes)).astype(dtype)
    distance = 10.0 ** random.uniform(-7, 1, (24, 1))
    teacher = (x.astype(np.float64) + distance * random.normal(0, 1, x.shape)).astype(np.float32)
    options: dict[str, Any] = {"target_type": "logits", "temperature": temperature, "reduction": "none"}
    want, slope = ce.kl_divergence_with_grad(x.astype(np.float64), teacher.astype(np.float64), **options)
    p, q = (ce.softmax(z.astype(np.float64), logit_scale=1 / temperature) for z in (x, teacher))
    for threads in (1, 3):
        grad = np.empty(x.shape, np.float32)
        losses = ce.kl_divergence(x, teacher, out=np.empty(24), threads=threads, **options)
        again, _ = ce.kl_divergence_with_grad(x, teacher, grad=grad, threads=threads, **options)
        assert np.array_equal(again, losses.astype(np.float32))
        largest = 1 + abs(np.log([p, q])).max((0, 2))
        assert (abs(losses - want) <= 1e-6 * want + 2e-15 * largest * np.sqrt(2 * want)).all()
        assert (abs(grad - slope) <= 1.1e-6 * np.maximum(p, q) / temperature).all()
        # Elsewhere in memory, and in place, they are the same bits.
        backwards = np.asfortranarray(x[:, ::-1])[:, ::-1]
        turned = np.asfortranarray(teacher)
        _, elsewhere = ce.kl_divergence_with_grad(backwards, turned, grad=backwards, threads=threads, **options)
        assert elsewhere is backwards
        assert np.array_equal(elsewhere, grad.astype(dtype))
        assert np.array_equal(ce.kl_divergence(x.T, teacher.T, **{**options, "axis": 0}), again)


@pytest.mark.parametrize("offset", [0.0, 3e4, 1e6, -3e30])
@pytest.mark.parametrize(
    "scales",
    [
        {"temperature": 3.0},
        {"logit_scale": 1.7},
        {"temperature": 0.3, "logit_scale": 0.9},
        {"temperature": 2.0**-19},
        {"temperature": 2.0**-20},
        {"temperature": 1e7},
    ],
    ids=str,
)
def test_scaled_logits_of_any_size(scales: dict[str, float], offset: float) -> None:
    """The prediction's and the target's scale may differ, and may be too small or too large for float32."""
    random = np.random.default_rng(14)
    spread = 3 * scales.get("temperature", 1.0)
    x, teacher = (
        (np.float32(offset) * factor + random.normal(0, spread, (20, 200))).astype(np.float32) for factor in (1, 2)
    )
    teacher[5] = x[5]
    options: dict[str, Any] = {"target_type": "logits", "reduction": "none", **scales}
    want, slope = ce.kl_divergence_with_grad(x.astype(np.float64), teacher.astype(np.float64), **options)
    losses = ce.kl_divergence(x, teacher, out=np.empty(20), **options)
    _, grad = ce.kl_divergence_with_grad(x, teacher, **options)
    finite = np.isfinite(want)
    assert np.array_equal(losses[~finite], want[~finite])
    assert (abs(losses - want)[finite] <= 1e-6 * want[finite] + 1e-14).all()
    # p and q are at most 1, and slope is their difference times this.
    factor = scales.get("logit_scale", 1.0) / scales.get("temperature", 1.0)
    p = ce.softmax(x.astype(np.float64), logit_scale=factor)
    q = ce.softmax(teacher.astype(np.float64), logit_scale=1 / scales.get("temperature", 1.0))
    assert (abs(grad - slope) <= 1e-6 * factor * np.maximum(p, q) + 1e-37).all()


def test_gradients_of_huge_and_tiny_factors_of_32_bits() -> None:
    random = np.random.default_rng(15)
    x, teacher = (random.normal(0, 3, (8, 50)).astype(np.float32) for _ in range(2))
    p, q = (ce.softmax(z.astype(np.float64)) for z in (x, teacher))
    for grad_loss in (1e-36, 1e-20, 1e3, 1e25):
        _, grad = ce.kl_divergence_with_grad(x, teacher, target_type="logits", reduction="none", grad_loss=grad_loss)
        assert (abs(grad - grad_loss * (p - q)) <= 1e-6 * grad_loss * np.maximum(p, q) + 2.0**-149).all()


# ----------------------------------------------------------------------------------------------
# Odd cases
# ----------------------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan


# ----------------------------------------------------------------------------------------------
# Rows and arrays
# ----------------------------------------------------------------------------------------------


def test_reductions() -> None:
    random = np.random.default_rng(8)
    x, q = random.normal(0, 2, (30, 4)), random.dirichlet(np.ones(4), 30)
    s, mask = random.uniform(0, 2, 30), random.random(30) < 0.7
    options: dict[str, Any] = {"sample_weight": s, "mask": mask}
    losses, grads, target_grads = ce.kl_divergence_with_grad(x, q, reduction="none", grad_target=True, **options)
    assert (losses[~mask] == 0).all()
    total = math.fsum(losses)
    for how, divisor in (
        ({"reduction": "sum"}, 1.0),
        ({}, math.fsum(s[mask])),
        ({"mean_over": "count"}, mask.sum()),
        ({"mean_over": 12.5}, 12.5),
    ):
        loss, grad, grad_target = ce.kl_divergence_with_grad(x, q, grad_target=True, grad_loss=-1.5, **how, **options)
        assert loss == pytest.approx(total / divisor, rel=1e-14)
        assert grad == pytest.approx(-1.5 * grads / divisor, rel=1e-13)
        assert grad_target == pytest.approx(-1.5 * target_grads / divisor, rel=1e-13)
    upstream = random.normal(0, 1, 30)
    _, grad, grad_target = ce.kl_divergence_with_grad(
        x, q, reduction="none", grad_loss=upstream, grad_target=True, **options
    )
    assert grad == pytest.approx(grads * upstream[:, None], rel=1e-13)
    assert grad_target == pytest.approx(target_grads * upstream[:, None], rel=1e-13)


def test_nothing_counts() -> None:
    x, q = np.zeros((2, 3)), np.full((2, 3), 1 / 3)
    assert math.isnan(ce.kl_divergence(x, q, mask=[0, 0]))
    assert ce.kl_divergence(x, q, mask=[0, 0], empty="zero") == 0
    assert ce.kl_divergence(x[:0], q[:0], reduction="sum") == 0
    with pytest.raises(ce.EmptyError):
        ce.kl_divergence(x, q, sample_weight=[0.0, 0.0], empty="error")


def test_softcap_and_scale_come_first() -> None:
    random = np.random.default_rng(9)
    x, q = random.normal(0, 2, (4, 5)), random.dirichlet(np.ones(5), 4)
    capped = 1.5 * np.tanh(-0.7 * x / 1.5)
    got, grad = ce.kl_divergence_with_grad(x, q, softcap=1.5, logit_scale=-0.7, temperature=2.0)
    want, slope = ce.kl_divergence_with_grad(capped, q, temperature=2.0)
    assert got == pytest.approx(want, rel=1e-13)
    assert grad == pytest.approx(slope * -0.7 * (1 - (capped / 1.5) ** 2), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16], ids=str)
@pytest.mark.parametrize("target_dtype", [np.float64, np.float32])
@pytest.mark.parametrize("target_type", KINDS)
def test_dtypes_layouts_and_threads_give_the_same_bits(dtype: Any, target_dtype: Any, target_type: str) -> None:
    """All of them are computed in float64 and rounded once."""
    random = np.random.default_rng(10)
    x = random.normal(0, 2, (6, 300, 5)).astype(dtype)
    target = given_as(target_type, random, x.shape).astype(target_dtype)
    options: dict[str, Any] = {"axis": 1, "target_type": target_type, "reduction": "none", "grad_target": True}
    want = ce.kl_divergence_with_grad(
        x.astype(np.float64), target.astype(np.float64), out=np.empty((6, 5)), threads=1, **options
    )
    wide = np.float64 if dtype == np.float64 else np.float32
    loss, grad, grad_target = ce.kl_divergence_with_grad(x, target, **options)
    assert (loss.dtype, grad.dtype, grad_target.dtype) == (wide, np.dtype(dtype), target_dtype)
    assert np.array_equal(loss, want[0].astype(wide))
    assert np.array_equal(grad_target, want[2].astype(target_dtype))
    rounded = want[1].astype(wide).astype(dtype)
    assert np.array_equal(grad, rounded)
    # The same where everything lies differently, in place, and with other numbers of threads.
    for threads in (1, 2, 3):
        backwards = np.asfortranarray(x)[::-1]
        gaps = np.zeros((6, 5, 300, 2), target_dtype)
        gaps[..., 1] = target.transpose(0, 2, 1)
        out, where = np.empty((5, 6)).T, np.full((6, 5, 300, 2), 7, target_dtype)
        got = ce.kl_divergence_with_grad(
            backwards, gaps[::-1, ..., 1].swapaxes(1, 2), grad=backwards, out=out[::-1], threads=threads,
            **{**options, "grad_target": where[::-1, ..., 1].swapaxes(1, 2)},
        )  # fmt: skip
        assert got[1] is backwards
        assert np.array_equal(out, want[0])
        assert np.array_equal(backwards[::-1], rounded)
        assert np.array_equal(where[..., 1].swapaxes(1, 2), grad_target)
        assert (where[..., 0] == 7).all()


def elements(kind: str, dtype: Any, random: np.random.Generator) -> Array:
    """Probabilities of every size, or their logarithms, and what is none, as rows of one class."""
    p = np.exp(random.uniform(-40, 0.5, 3000))
    p[random.random(len(p)) < 0.1] = 0
    p[random.random(len(p)) < 0.1] = 1
    with np.errstate(divide="ignore", over="ignore"):
        x = p if kind == "probs" else np.log(p)
        # In the second thousand, where products overflow that another unit would hold; and what is no distribution.
        x[1000:2000:50] = 1e308 if kind == "probs" else 708
        x[2000::50] = np.resize([np.nan, np.inf, -np.inf, -1.0, 800.0, -0.0, 5e-324], 20)
        return x.astype(dtype)[:, None]


@pytest.mark.filterwarnings("ignore:.*probabilities are at")
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("form", ["generalized", "plain"])
@pytest.mark.parametrize("target_type", ["probs", "log_probs"])
@pytest.mark.parametrize("input_type", ["probs", "log_probs"])
def test_elements_side_by_side_have_the_bits_of_rows_alone(
    input_type: str, target_type: str, form: str, reduction: str
) -> None:
    random = np.random.default_rng(2)
    options: dict[str, Any] = {
        "input_type": input_type,
        "target_type": target_type,
        "form": form,
        "reduction": reduction,
        "grad_loss": 1e-3,
    }

    def call(x: Array, target: Array, **more: Any) -> list[bytes]:
        results = ce.kl_divergence_with_grad(x, target, grad_target=np.empty_like(target), **options, **more)
        return [np.asarray(each).tobytes() for each in results]

    for dtype, target_dtype in itertools.product([np.float64, np.float32, np.float16], [np.float64, np.float32]):
        x, target = elements(input_type, dtype, random), elements(target_type, target_dtype, random)[::-1].copy()
        # Sample weights have each row computed alone.
        want = call(x, target, sample_weight=np.ones(len(x)))
        assert call(x, target, threads=1) == want
        wide, strided = np.empty((len(x), 3), dtype), np.empty((3, len(x)), target_dtype).T
        wide[:, :1], strided[:, :1] = x, target
        assert call(wide[:, :1], strided[:, :1], threads=2) == want


def test_threads_and_splits_give_the_same_mean() -> None:
    random = np.random.default_rng(11)
    x, teacher = random.normal(0, 3, (2, 500, 700)).astype(np.float32)
    options: dict[str, Any] = {"target_type": "logits", "grad_target": True}
    want = ce.kl_divergence_with_grad(x, teacher, threads=1, **options)
    for threads in (2, 3, 8):
        for got, each in zip(ce.kl_divergence_with_grad(x, teacher, threads=threads, **options), want):
            assert np.array_equal(got, each)
    order = random.permutation(500)
    assert ce.kl_divergence(x[order], teacher[order], target_type="logits") == want[0]


def test_kinds_of_results() -> None:
    x, q = np.zeros((2, 3), np.float32), np.full((2, 3), 1 / 3)
    assert type(ce.kl_divergence(x, q)) is np.float32
    assert ce.kl_divergence([[0.0, 0.0]], [[0.5, 0.5]]) == 0
    result = ce.kl_divergence_with_grad(x, q)
    assert [type(each) for each in result] == [np.float32, np.ndarray]
    out, grad, grad_target = np.empty(()), np.empty_like(x), np.empty_like(q)
    result = ce.kl_divergence_with_grad(x, q, out=out, grad=grad, grad_target=grad_target)
    assert all(a is b for a, b in zip(result, (out, grad, grad_target)))


def test_arrays_of_other_packages() -> None:
    random = np.random.default_rng(12)
    x, q = random.normal(0, 1, (4, 5)), random.dirichlet(np.ones(5), 4)
    want = ce.kl_divergence_with_grad(x, q, grad_target=True)
    theirs = array_api_strict.asarray(x), array_api_strict.asarray(q)
    got = ce.kl_divergence_with_grad(*theirs, grad_target=True)
    for mine, other in zip(want, got):
        assert type(other) is type(theirs[0])
        assert np.array_equal(mine, np.from_dlpack(other))
    mixed = ce.kl_divergence_with_grad(x, theirs[1], grad_target=True)
    assert [type(each) for each in mixed[1:]] == [np.ndarray, type(theirs[1])]


# ----------------------------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------------------------

X, Q, OUT = np.zeros((2, 3)), np.full((2, 3), 1 / 3), np.full((2, 3), 7.0)


@pytest.mark.parametrize(
    ("arguments", "error", "texts"),
    [
        ({"target": [0, 1]}, TypeError, ["target", "labels", "cross-entropy"]),
        ({"target": Q[:, :2]}, ValueError, ["target has shape [2, 2]", "[2, 3]"]),
        ({"target": Q > 0}, TypeError, ["target has dtype bool"]),
        ({"form": "exact"}, ValueError, ['form is "exact"', '"generalized", "plain"']),
        ({"form": None}, TypeError, ['form must be one of "generalized", "plain", not NoneType']),
        ({"target_type": "logit"}, ValueError, ['target_type is "logit"', 'Did you mean "logits"?']),
        ({"input_type": "prob"}, ValueError, ['input_type is "prob"', 'Did you mean "probs"?']),
        ({"mean_over": "mass"}, ValueError, ['mean_over is "mass"', '"weight", "count" or a number']),
        ({"temperature": 0}, ValueError, ["temperature is 0.0, but must be finite and above 0"]),
        ({"temperature": -1.0}, ValueError, ["temperature", "-1"]),
        ({"temperature": NAN}, ValueError, ["temperature"]),
        ({"temperature": INF}, ValueError, ["temperature"]),
        ({"temperature": "2"}, TypeError, ["temperature must be a number, not str"]),
        ({"temperature": 2.0, "input_type": "probs"}, ValueError, ["temperature", "input_type", "target_type"]),
        ({"softcap": 2.0, "input_type": "probs"}, ValueError, ["softcap", "logits"]),
        ({"grad_target": Q[0]}, ValueError, ["grad_target has shape [3]", "[2, 3]"]),
        ({"grad_target": Q.astype(np.float32)}, TypeError, ["grad_target", "dtype of target"]),
        ({"grad_target": Q.astype(np.float16)}, TypeError, ["grad_target must have the dtype of target"]),
        ({"grad_target": None}, TypeError, ["grad_target must be a NumPy array"]),
        ({"grad_target": Q}, ValueError, ["grad_target", "overlap", "target"]),
        ({"grad_target": OUT, "grad": OUT}, ValueError, ["grad", "overlap", "grad_target"]),
        ({"grad_target": OUT, "out": OUT[0, :1]}, ValueError, ["out overlaps grad_target"]),
        ({"grad": X.astype(np.float32)}, TypeError, ["grad", "dtype"]),
        ({"grad_loss": np.ones(2)}, ValueError, ["grad_loss has shape [2]", 'reduction is "none"']),
        ({"sample_weight": [1.0]}, ValueError, ["sample_weight has shape [1]"]),
        ({"axis": 2}, ValueError, ["axis 2 is out of range"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_errors(arguments: dict[str, Any], error: type[Exception], texts: list[str]) -> None:
    whole: dict[str, Any] = {"x": X, "target": Q, "grad": np.full((2, 3), 7.0), "out": np.full((), 7.0)}
    whole.update(arguments)
    arrays = [each for each in whole.values() if isinstance(each, np.ndarray)]
    before = [array.tobytes() for array in arrays]
    with pytest.raises(error) as caught:
        ce.kl_divergence_with_grad(**whole)
    assert isinstance(caught.value, ce.CrossEntropyError)
    for text in texts:
        assert text in str(caught.value)
    assert [array.tobytes() for array in arrays] == before
