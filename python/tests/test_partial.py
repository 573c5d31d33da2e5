"""Partial statistics: slices, orders and groupings that must not matter, against exact values and the plain loss."""

from __future__ import annotations

import hashlib
import pickle
import random
import subprocess
import sys
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import ml_dtypes
import mpmath as mp
import numpy as np
import pytest

import crossentropy as ce

BLOCK = 4096
DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def cut(x: np.ndarray, blocks: list[int]) -> list[tuple[int, np.ndarray]]:
    """Slices of the last axis, each with its first class, cut at these blocks."""
    edges = [0, *(BLOCK * block for block in blocks), x.shape[-1]]
    return [(first, x[..., first:end]) for first, end in zip(edges, edges[1:])]


def statistics(x: np.ndarray, labels: np.ndarray, blocks: list[int], **options: Any) -> list[ce.PartialStatistics]:
    return [ce.partial_statistics(part, labels, first_class=first, **options) for first, part in cut(x, blocks)]


def gradient(merged: ce.PartialStatistics, x: np.ndarray, blocks: list[int], **options: Any) -> np.ndarray:
    parts = [merged.grad(part, first_class=first, classes=x.shape[-1], **options) for first, part in cut(x, blocks)]
    return np.concatenate(parts, -1)


def problem(dtype: Any, rows: int = 5, blocks: int = 7, spread: float = 5.0, seed: int = 0) -> tuple[Any, Any]:
    """Rows that end in the middle of a block, with labels anywhere, and the odd cases."""
    rng = np.random.default_rng(seed)
    classes = BLOCK * (blocks - 1) + 1234
    x = (spread * rng.standard_normal((rows, classes))).astype(dtype)
    labels = rng.integers(0, classes, rows)
    x[0, labels[0]] = x[0].max()
    x[1:2, BLOCK : 3 * BLOCK] = -np.inf
    x[2:3, ::3] = np.float32(spread)  # ties, in every block
    return x, labels


# ----------------------------------------------------------------------------------------------
# One hash
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_hash_from_1_2_4_and_8_slices(dtype: Any) -> None:
    rng = np.random.default_rng(4)
    x = (4 * rng.standard_normal((64, 131072))).astype(dtype)
    labels = rng.integers(0, 131072, 64)
    hashes = set()
    for slices in (1, 2, 4, 8):
        blocks = [131072 // BLOCK * i // slices for i in range(1, slices)]
        parts = statistics(x, labels, blocks)
        random.Random(slices).shuffle(parts)
        merged = reduce(or_, parts)
        digest = hashlib.sha256(merged.to_bytes())
        digest.update(merged.loss(classes=131072).tobytes())
        digest.update(gradient(merged, x, blocks).tobytes())
        hashes.add(digest.hexdigest())
    assert len(hashes) == 1
    loss, grad = ce.cross_entropy_with_grad(x, labels)
    bound = 1e-6 if dtype is np.float32 else 1e-13
    assert abs(merged.loss() - loss) <= 2 * bound * loss
    np.testing.assert_allclose(gradient(merged, x, [16]), grad, rtol=1e-5 if dtype is np.float32 else 2e-13)


def test_the_example_with_processes() -> None:
    program = Path(__file__).parents[2] / "examples" / "sharded_vocabulary.py"
    options = ["--rows", "3", "--classes", "30000", "--processes", "1", "3"]
    result = subprocess.run([sys.executable, str(program), *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    hashes = [line.split()[-1] for line in result.stdout.splitlines() if "hash" in line]
    assert len(hashes) == 4
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", [0.01, 5.0, 2000.0, 60000.0])
def test_any_slices_order_and_grouping(dtype: Any, spread: float) -> None:
    x, labels = problem(dtype, spread=min(spread, 12000.0) if dtype is np.float16 else spread)
    whole = ce.partial_statistics(x, labels)
    loss, grad = whole.loss(reduction="none"), whole.grad(x)
    rng = random.Random(1)
    for _ in range(20):
        blocks = sorted(rng.sample(range(1, 7), rng.randrange(7)))
        parts = statistics(x, labels, blocks)
        while len(parts) > 1:  # any two of them, in any order
            rng.shuffle(parts)
            parts.append(parts.pop() | parts.pop())
        assert parts[0] == whole
    # The last ones stand for all: what is the same bytes gives the same results.
    assert parts[0].loss(reduction="none").tobytes() == loss.tobytes()
    assert gradient(parts[0], x, [2, 3, 6]).tobytes() == grad.tobytes()


def test_exponents_far_apart() -> None:
    """Blocks whose sums leave each other's window, partly or altogether, in every order."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((9, 5 * BLOCK))
    offsets = [0, -200, -700, -760, 400, -1e5, 1e7, 2.0**45, -(2.0**70), 2.0**62, 1e300]
    for row in x:
        for block in range(5):
            row[block * BLOCK : (block + 1) * BLOCK] += offsets[rng.integers(len(offsets))]
    labels = np.zeros(9, int)
    parts = statistics(x, labels, [1, 2, 3, 4])
    whole = ce.partial_statistics(x, labels)
    for seed in range(40):
        order = parts[:]
        random.Random(seed).shuffle(order)
        left = (order[0] | order[1]) | order[2] | (order[3] | order[4])
        right = order[0] | (order[1] | (order[2] | (order[3] | order[4])))
        assert left == right == whole


def test_layouts_alignments_and_threads() -> None:
    x, labels = problem(np.float32, rows=6)
    whole = ce.partial_statistics(x, labels)
    grad = whole.grad(x)
    wide = np.zeros((x.shape[1], 13), np.float32)
    wide[:, ::2][:, :6] = x.T
    moved = np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    for other, axis in ((np.asfortranarray(x), 1), (wide[:, ::2][:, :6], 0), (moved, 1)):
        assert ce.partial_statistics(other, labels, axis=axis) == whole
        result = whole.grad(other, axis=axis)
        assert (result if axis == 1 else result.T).tobytes() == grad.tobytes()
    for threads in (1, 2, 5):
        assert ce.partial_statistics(x, labels, threads=threads) == whole
        assert whole.grad(x, threads=threads).tobytes() == grad.tobytes()
    in_place = x.copy()
    assert whole.grad(in_place, grad=in_place) is in_place
    assert in_place.tobytes() == grad.tobytes()
    cube = x.reshape(2, 3, -1).transpose(0, 2, 1)
    stacked = ce.partial_statistics(cube, labels.reshape(2, 3), axis=1)
    assert stacked.shape == (2, 3)
    assert stacked.to_bytes() == whole.to_bytes()
    assert stacked.grad(cube, axis=1).transpose(0, 2, 1).tobytes() == grad.tobytes()
    assert stacked.loss(reduction="none").shape == (2, 3)


# ----------------------------------------------------------------------------------------------
# Values
# ----------------------------------------------------------------------------------------------


def exact(row: np.ndarray, label: int) -> tuple[Any, list[Any]]:
    """Loss and probabilities of float64 or float32 logits, to 60 digits: of the confident, too."""
    mp.mp.dps = 420
    z = [mp.mpf(float(each)) for each in row]
    m = max(z)
    exponentials = [mp.exp(each - m) if each - m > -900 else mp.mpf(0) for each in z]
    total = mp.fsum(exponentials)
    return (m - z[label]) + mp.log(total), [each / total for each in exponentials]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "offset", [0.0, -7.25, 3e4, 2.0**17 + 5, -(2.0**19), 2.0**39, -(2.0**41), 2.0**45 + 3, 2.0**50, -(2.0**51)]
)
@pytest.mark.parametrize("margin", [0.0, 20.0, 80.0, 700.0])
def test_against_exact_values(dtype: Any, offset: float, margin: float) -> None:
    """Few classes that count, in three blocks; the rest far below. With a margin the loss is tiny."""
    if dtype is np.float32 and margin > 80:
        pytest.skip("its loss is no normal float32")
    classes = 2 * BLOCK + 10
    x = np.full(classes, -np.inf, dtype)
    rng = np.random.default_rng(5)
    places = np.concatenate([rng.choice(BLOCK, 4), BLOCK + rng.choice(BLOCK, 4), 2 * BLOCK + rng.choice(10, 3)])
    x[places] = offset + rng.uniform(-3, 3, places.size)
    label = int(places[5])
    x[label] = offset + margin
    loss, p = exact(x, label) if margin else exact(x, int(places[0]))
    label = label if margin else int(places[0])
    merged = reduce(or_, statistics(x[None], np.array([label]), [1, 2]))
    got = float(merged.loss(reduction="none")[0])
    bound = 1e-6 if dtype is np.float32 else 1e-13
    assert abs(got - loss) <= bound * loss
    if dtype is np.float32 and loss >= 2**-4:
        assert abs(got - loss) <= 2 * float(np.spacing(np.float32(loss)))
    grad = gradient(merged, x[None], [1, 2])[0]
    others = mp.fsum(each for c, each in enumerate(p) if c != label)
    for c in places:
        want = -others if c == label else p[c]
        if abs(want) > np.finfo(dtype).tiny * 4:
            tolerance = bound if want >= 1e-6 or c == label else 5 * bound
            assert abs(float(grad[c]) - want) <= tolerance * abs(want), (c, float(grad[c]), want)


def test_numbers_whose_neighbours_are_far_away() -> None:
    """Beyond 2^62 only equal logits count; at 2^62 those that are 512 below still do."""
    for m in (2.0**62, -(2.0**62), 2.0**62 + 1024, -(2.0**62) - 1024, 1e308, -1e308):
        x = np.full((1, 2 * BLOCK), -1.7e308)
        x[0, [5, 77, 5000]] = m
        merged = reduce(or_, statistics(x, np.array([77]), [1]))
        assert abs(float(merged.loss()) - np.log(3)) <= 1e-13
        assert gradient(merged, x, [1])[0, [5, 77, 5000, 6]].round(12).tolist() == [
            0.333333333333, -0.666666666667, 0.333333333333, 0.0
        ]  # fmt: skip
        x[0, [5, 5000]] = np.nextafter(m, -np.inf)
        merged = reduce(or_, statistics(x, np.array([77]), [1]))
        gap = m - np.nextafter(m, -np.inf)
        want = 2 * np.exp(-gap) if gap < 700 else 0.0
        assert abs(float(merged.loss()) - want) <= 1e-13 * want


@pytest.mark.parametrize("dtype", DTYPES)
def test_options_agree_with_the_plain_loss(dtype: Any) -> None:
    x, labels = problem(dtype, rows=20, spread=3.0)
    rng = np.random.default_rng(3)
    weight, sample_weight = rng.random(x.shape[1]), rng.random(20)
    sample_weight[4] = 0
    labels[7] = -100
    x[7, 3] = np.nan
    for later in (
        {},
        {"reduction": "sum", "weight": weight},
        {"reduction": "none", "sample_weight": sample_weight},
        {"weight": weight, "sample_weight": sample_weight, "mean_over": "mass"},
        {"mean_over": "count", "z_loss": 1e-3},
        {"mean_over": 3.5, "focal_gamma": 2.0, "poly_epsilon": 0.5, "weight": weight},
        {"z_loss": 1e-2, "focal_gamma": 0.5, "sample_weight": sample_weight, "reduction": "none"},
    ):
        for earlier in ({}, {"softcap": 7.0}, {"logit_scale": -0.3}, {"softcap": 3.0, "logit_scale": 2.0}):
            loss, grad = ce.cross_entropy_with_grad(x, labels, grad_loss=0.7, **earlier, **later)
            merged = reduce(or_, statistics(x, labels, [2, 5], **earlier))
            result = merged.loss(**later)
            assert result.dtype == loss.dtype
            bound = 1e-12 if dtype is np.float64 else 1e-5
            np.testing.assert_allclose(result, loss, rtol=bound)
            mine = gradient(merged, x, [2, 5], grad_loss=0.7, **later)
            assert mine.dtype == grad.dtype
            if dtype in (np.float32, np.float64):
                np.testing.assert_allclose(mine, grad, rtol=bound, atol=1e-30)
            else:  # one unit of 16 bits
                eps = 2.0**-10 if dtype is np.float16 else 2.0**-7
                np.testing.assert_allclose(mine.astype(np.float32), grad.astype(np.float32), rtol=eps, atol=2.0**-24)
            assert not mine[7].any()


def test_gradients_in_float32_of_16_bits() -> None:
    x, labels = problem(np.float16)
    whole = ce.partial_statistics(x, labels)
    wide = whole.grad(x, grad=np.empty(x.shape, np.float32))
    assert np.array_equal(wide.astype(np.float16), whole.grad(x))


# ----------------------------------------------------------------------------------------------
# Odd cases
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinities_in_any_slice(dtype: Any) -> None:
    classes = 3 * BLOCK
    x = np.zeros((6, classes), dtype)
    labels = np.array([BLOCK + 1, 0, 2 * BLOCK, 7, -100, classes - 1])
    x[0, 2 * BLOCK + 3] = np.nan
    x[1, 5] = np.inf
    x[2] = -np.inf
    x[3, 7] = -np.inf
    x[4] = np.nan
    x[5, : 2 * BLOCK] = -np.inf
    merged = reduce(or_, reversed(statistics(x, labels, [1, 2])))
    assert merged == ce.partial_statistics(x, labels)
    losses, grads = merged.loss(reduction="none"), gradient(merged, x, [1, 2], reduction="none")
    want_loss, want_grad = ce.cross_entropy_with_grad(x, labels, reduction="none")
    np.testing.assert_allclose(losses, want_loss, rtol=1e-6)
    np.testing.assert_allclose(grads, want_grad, rtol=1e-6)
    assert np.isnan(losses[:3]).all()
    assert losses[3] == np.inf
    assert losses[4] == 0
    assert not grads[4].any()
    assert np.isfinite(grads[3]).all()


def test_what_the_statistics_say() -> None:
    x = np.zeros((2, 2 * BLOCK))
    x[0, [9, BLOCK + 2]] = 3.5
    x[1, 5] = np.nan
    low, high = statistics(x, np.array([BLOCK, 0]), [1])
    assert (low.classes, high.classes, (low | high).classes) == (BLOCK, BLOCK, 2 * BLOCK)
    assert low.argmax.tolist() == [9, -1]
    assert high.argmax.tolist() == [BLOCK + 2, BLOCK]
    assert (high | low).argmax.tolist() == [9, -1]
    assert high.max.tolist() == [3.5, 0.0]
    assert high.array["target"].tolist() == [0.0, 0.0]
    assert high.array["has_target"].tolist() == [1, 0]
    assert not low.array.flags.writeable
    assert repr(low | high) == "PartialStatistics(shape=(2,), classes=8192)"


def test_statistics_are_immutable() -> None:
    x = np.random.default_rng(0).standard_normal((2, 5))
    whole = ce.partial_statistics(x, np.array([0, 4]))
    before, loss = whole.to_bytes(), whole.loss()
    records = whole.array.copy()
    copied = ce.PartialStatistics(records)
    data = bytearray(before)
    read = ce.PartialStatistics.from_bytes(data)
    records["sum"] = 0
    data[:] = bytes(len(data))
    base = whole.array
    while isinstance(base, np.ndarray):
        with pytest.raises(ValueError, match="WRITEABLE"):
            base.flags.writeable = True
        base = base.base
    with pytest.raises(AttributeError):
        whole.array = records  # type: ignore[misc]
    whole.max[:] = 0
    for each in (whole, copied, read):
        assert (each.shape, each.to_bytes(), each.loss()) == ((2,), before, loss)


def test_empty_batches() -> None:
    none = ce.partial_statistics(np.zeros((0, BLOCK), np.float32), np.zeros(0, int))
    assert (none | none).shape == (0,)
    assert np.isnan(none.loss())
    assert none.loss(empty="zero") == 0
    assert none.loss(reduction="none").shape == (0,)
    assert none.grad(np.zeros((0, BLOCK), np.float32)).shape == (0, BLOCK)
    with pytest.raises(ce.EmptyError):
        none.loss(empty="error")
    ignored = ce.partial_statistics(np.full((1, 3), np.nan), np.array([-100]))
    assert np.isnan(ignored.loss())
    assert ignored.grad(np.full((1, 3), np.nan), empty="zero").tolist() == [[0, 0, 0]]
    single = ce.partial_statistics(np.array([1.0, 2.0]), 1)
    assert single.shape == ()
    assert single.loss(reduction="none") == single.loss()
    assert abs(single.loss() - np.log1p(np.exp(-1))) < 1e-15


def test_bytes_and_pickles() -> None:
    x, labels = problem(np.float64, rows=4)
    low, high = statistics(x.reshape(2, 2, -1), labels.reshape(2, 2), [3])
    assert len(low.to_bytes()) == 4 * 408
    assert pickle.loads(pickle.dumps(low)) == low
    flat = ce.PartialStatistics.from_bytes(high.to_bytes())
    assert flat.shape == (4,)
    again = ce.PartialStatistics.from_bytes(high.to_bytes(), (2, 2))
    assert (low | again) == ce.partial_statistics(x.reshape(2, 2, -1), labels.reshape(2, 2))
    assert low != high
    with pytest.raises(ce.ArgumentValueError, match="407 bytes are no statistics"):
        ce.PartialStatistics.from_bytes(bytes(407))
    with pytest.raises(ce.ArgumentValueError, match="version 0"):
        ce.PartialStatistics.from_bytes(bytes(408))
    with pytest.raises(ce.ArgumentValueError, match="4 rows, which do not have shape"):
        ce.PartialStatistics.from_bytes(high.to_bytes(), (3,))


# ----------------------------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------------------------


def test_slices_that_do_not_make_up_the_row() -> None:
    x, labels = problem(np.float32, rows=2, blocks=4)
    classes = x.shape[1]
    a, b, c, d = statistics(x, labels, [1, 2, 3])
    complete = a | b | c | d
    assert complete.loss(classes=classes) == complete.loss()
    with pytest.raises(ce.ArgumentValueError, match="same classes in part: 4096 classes from 0 on, and 4096 from 0 on"):
        a | a
    with pytest.raises(ce.ArgumentValueError, match="not of each of the"):
        (a | b | d).loss()
    with pytest.raises(ce.ArgumentValueError, match="not of each of the 13522 classes once: they are of 12288"):
        (a | b | c).loss(classes=classes)
    with pytest.raises(ce.ArgumentValueError, match="not of each of the"):
        (b | c | d).loss()
    with pytest.raises(ce.ArgumentValueError, match="not of each of the"):
        (a | b | d).grad(x)


def test_a_slice_twice_in_place_of_another() -> None:
    x, labels = problem(np.float32, rows=2, blocks=5)
    labels[:] = 1  # in the first slice
    a, b, _, d, e = statistics(x, labels, [1, 2, 3, 4])
    with pytest.raises(ce.ArgumentValueError, match="not of each of the"):
        (a | b | d | b | e).loss()


def test_labels() -> None:
    x = np.zeros((3, BLOCK), np.float32)
    with pytest.raises(ce.LabelError, match="label -5 in row 1 is no class index"):
        ce.partial_statistics(x, np.array([0, -5, 1]))
    with pytest.raises(ce.LabelError, match="label 18446744073709551615 in row 2"):
        ce.partial_statistics(x, np.array([0, 1, 2**64 - 1], np.uint64))
    late = ce.partial_statistics(x, np.array([0, 9000, 1]))
    with pytest.raises(ce.LabelError, match=r"label 9000 in row 1 is out of range: there are 4096 classes"):
        late.loss()
    with pytest.raises(ce.LabelError, match="label 9000"):
        late.grad(x)
    assert ce.partial_statistics(x, np.array([0, -5, 1]), ignore_index=-5).loss() > 8
    assert ce.partial_statistics(x, np.array([0, 9000, 1]), ignore_index=9000).array["label"].tolist() == [0, -1, 1]


def test_what_does_not_fit_together() -> None:
    x, labels = problem(np.float32, rows=3, blocks=2)
    (first, low), (_, high) = cut(x, [1])
    a = ce.partial_statistics(low, labels, first_class=first)
    error = ce.ArgumentValueError
    with pytest.raises(error, match="of different labels"):
        a | ce.partial_statistics(high, labels[::-1], first_class=BLOCK)
    with pytest.raises(error, match="of different dtypes"):
        a | ce.partial_statistics(high.astype(np.float64), labels, first_class=BLOCK)
    with pytest.raises(error, match="softcap or logit_scale"):
        a | ce.partial_statistics(high, labels, first_class=BLOCK, softcap=30.0)
    with pytest.raises(error, match=r"shape \(1,\) do not fit"):
        a | ce.partial_statistics(high[:1], labels[:1], first_class=BLOCK)
    with pytest.raises(TypeError):
        a | 3  # type: ignore[operator]
    with pytest.raises(ce.ArgumentTypeError, match="not int"):
        a.merge(3)  # type: ignore[arg-type]
    whole = a | ce.partial_statistics(high, labels, first_class=BLOCK)
    with pytest.raises(error, match="are not of f64, but x is"):
        whole.grad(low.astype(np.float64))
    with pytest.raises(error, match="the slice is classes 8192 to"):
        whole.grad(low, first_class=2 * BLOCK)
    with pytest.raises(error, match="x has rows of shape"):
        whole.grad(low[:2])
    with pytest.raises(error, match="weight has shape"):
        whole.loss(weight=np.ones(BLOCK))
    with pytest.raises(error, match="sample_weight has shape"):
        whole.loss(sample_weight=np.ones(2))
    with pytest.raises(error, match="first_class is 100; it must be a multiple of 4096"):
        ce.partial_statistics(low, labels, first_class=100)
    with pytest.raises(error, match="first_class is -4096"):
        ce.partial_statistics(low, labels, first_class=-BLOCK)
    with pytest.raises(error, match="classes is 0"):
        whole.loss(classes=0)
    with pytest.raises(ce.ArgumentTypeError, match="must be integers"):
        ce.partial_statistics(low, low)
    with pytest.raises(error, match='reduction is "average"'):
        whole.loss(reduction="average")
    with pytest.raises(error, match="z_loss"):
        whole.loss(z_loss=-1.0)


def test_statistics_of_unknown_origin() -> None:
    """Whatever the bytes are, there is an answer or an error."""
    x, labels = problem(np.float64, rows=1, blocks=2)
    low, high = statistics(x, labels, [1])
    rng = random.Random(6)
    refused = 0
    for _ in range(3000):
        data = bytearray(low.to_bytes())
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(4, len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        strange = ce.PartialStatistics.from_bytes(bytes(data))
        for call in (lambda s: s | high, lambda s: high | s, lambda s: (s | high).loss(), lambda s: s.loss()):
            try:
                call(strange)
            except (ce.ArgumentValueError, ce.LabelError):
                refused += 1
    assert refused > 1000
