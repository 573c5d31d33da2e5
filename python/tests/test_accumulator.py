"""The accumulator: exact, and the same bits for any order and split."""

from __future__ import annotations

import math
import pickle
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

import crossentropy as ce


def accumulated(losses: np.ndarray, **options: np.ndarray) -> ce.Accumulator:
    total = ce.Accumulator()
    total.add(losses, **options)
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_order_and_split(dtype: type) -> None:
    rng = np.random.default_rng(0)
    losses = (10.0 ** rng.uniform(-37, 37, 5000) * rng.choice([-1, 1], 5000)).astype(dtype)
    weight = rng.random(5000).astype(dtype)
    weight[::7] = 0
    correct = rng.random(5000) < 0.3
    whole = accumulated(losses, weight=weight, correct=correct)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(5000)
        cuts = sorted(random.Random(seed).sample(range(5000), 6))
        parts = [accumulated(losses[p], weight=weight[p], correct=correct[p]) for p in np.split(order, cuts)]
        random.Random(seed).shuffle(parts)
        total = ce.Accumulator()
        parts[0].merge(*parts[1:3])
        total.merge(parts[0], *parts[3:])
        assert total == whole
        assert total.to_bytes() == whole.to_bytes()
    counted = weight != 0
    assert whole.count == counted.sum()
    assert whole.accuracy == correct[counted].sum() / counted.sum()
    exact = sum(Fraction(float(loss)) for loss in losses[counted])
    assert whole.sum == float(exact)
    assert whole.weight == math.fsum(weight.astype(float))
    assert whole.mean == float(exact / sum(Fraction(float(w)) for w in weight[counted]))


def test_the_mean_of_the_plain_call() -> None:
    """With f64 losses, to the bit: batches add up to the call on all rows."""
    rng = np.random.default_rng(1)
    x, labels = 5 * rng.standard_normal((1000, 17)), rng.integers(0, 17, 1000)
    labels[::10] = -100
    weight = rng.random(17)
    total = ce.Accumulator()
    for rows in np.split(rng.permutation(1000), [100, 101, 640]):
        y = labels[rows]
        losses = ce.cross_entropy(x[rows], y, weight=weight, reduction="none")
        total.add(losses, np.where(y == -100, 0.0, weight[np.maximum(y, 0)]), x[rows].argmax(1) == y)
    assert total.mean == ce.cross_entropy(x, labels, weight=weight)
    assert total.sum == ce.cross_entropy(x, labels, weight=weight, reduction="sum")
    assert total.count == 900
    counted = labels != -100
    assert total.accuracy == (x.argmax(1) == labels)[counted].mean()


def test_shapes_and_kinds() -> None:
    total = ce.Accumulator()
    total.add(np.ones((2, 3, 4), np.float32)[:, ::-1, ::2])
    total.add(2.5)
    total.add([1.0, 2.0], correct=np.array([0, 7], np.int8))
    total.add(np.float32(1))
    total.add(np.zeros(0))
    assert (total.sum, total.count, total.weight, total.accuracy) == (12 + 2.5 + 3 + 1, 16, 16.0, 0.5)


def test_odd_cases() -> None:
    nothing = ce.Accumulator()
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.accuracy)
    assert (nothing.sum, nothing.weight, nothing.count) == (0, 0, 0)
    assert accumulated(np.array([np.inf, 1.0])).mean == np.inf
    assert math.isnan(accumulated(np.array([np.inf, -np.inf])).sum)
    assert math.isnan(accumulated(np.array([np.nan, 1.0])).sum)
    assert accumulated(np.array([np.nan, 1.0]), weight=np.array([0.0, 2.0])).mean == 0.5
    assert accumulated(np.array([1.7e308, 1.7e308])).mean == 1.7e308
    assert accumulated(np.array([1.7e308, 1.7e308])).sum == np.inf
    tiny = accumulated(np.array([5e-324, 1e300, -1e300]))
    assert tiny.sum == 5e-324
    minus = accumulated(np.array([-1.5, 0.25]))
    minus.merge(accumulated(np.array([-1e-300])))
    assert minus.sum == -1.25
    # What comes after an infinity leaves no trace, whatever the order.
    assert accumulated(np.array([3.0, np.inf])) == accumulated(np.array([np.inf, 2.0]))
    twice = accumulated(np.array([1.0, 2.0]))
    twice.merge(twice)
    assert (twice.sum, twice.count) == (6.0, 4)


def test_bytes_and_pickles() -> None:
    total = accumulated(np.array([1.0, -0.3]), correct=np.array([True, False]))
    data = total.to_bytes()
    assert len(data) == 600
    assert ce.Accumulator.from_bytes(data) == total == pickle.loads(pickle.dumps(total))
    assert data[:4] == b"\x01\0\0\0"
    assert repr(total) == "Accumulator(mean=0.35, weight=2.0, count=2)"
    with pytest.raises(ce.ArgumentValueError, match="599 bytes are no accumulator"):
        ce.Accumulator.from_bytes(data[:-1])
    with pytest.raises(ce.ArgumentValueError, match="no accumulator of version 1"):
        ce.Accumulator.from_bytes(bytes(600))


def test_threads_may_share_one() -> None:
    """Each call as a whole: no row is lost, and what is read in between is what some of the calls have made."""
    total, other = ce.Accumulator(), accumulated(np.array([2.0]))
    losses = np.full(20_000, 0.5)
    seen = []

    def work(number: int) -> None:
        for _ in range(50):
            total.add(losses, weight=losses, correct=losses > 0.25)
            total.merge(other)
            seen.append(ce.Accumulator.from_bytes(total.to_bytes()))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert (total.count, total.sum, total.weight) == (4 * 50 * 20_001, 4 * 50 * 10_002.0, 4 * 50 * 10_001.0)
    assert total.accuracy == 1
    for each in seen:
        adds, merges = divmod(each.count, 20_000)
        assert (each.sum, each.weight) == (adds * 10_000.0 + merges * 2, adds * 10_000.0 + merges)


def test_two_may_be_merged_into_each_other_at_a_time() -> None:
    pair = ce.Accumulator(), ce.Accumulator()

    def work(number: int) -> None:
        for _ in range(5000):
            pair[number].merge(pair[1 - number])

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_errors_add_nothing() -> None:
    total = accumulated(np.array([1.0]))
    before = total.to_bytes()
    for arguments, error, text in (
        ((np.ones(2), np.ones(3)), ce.ArgumentValueError, "weight has shape"),
        ((np.ones(2), None, np.ones(3, int)), ce.ArgumentValueError, "correct has shape"),
        ((np.ones(2), None, np.ones(2)), ce.ArgumentTypeError, "correct has dtype float64"),
        ((np.ones(2, complex),), ce.ArgumentTypeError, "losses has dtype complex128"),
        ((None,), ce.ArgumentTypeError, "losses must be"),
    ):
        with pytest.raises(error, match=text):
            total.add(*arguments)
    with pytest.raises(ce.ArgumentTypeError, match="only an Accumulator"):
        total.merge(accumulated(np.array([1.0])), 3)  # type: ignore[arg-type]
    assert total.to_bytes() == before
