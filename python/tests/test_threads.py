"""Threads, processes and Ctrl-C, as Python has them."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from processes import python

import crossentropy as ce
from crossentropy import _arguments


def test_number_of_threads() -> None:
    default = ce.get_num_threads()
    try:
        ce.set_num_threads(3)
        assert ce.get_num_threads() == ce.info()["threads"] == 3
        ce.set_num_threads(10**12)
        assert ce.get_num_threads() == 256
    finally:
        ce.set_num_threads(None)
    assert ce.get_num_threads() == default
    assert ce.cross_entropy([[0.0, 0.0]], [1], threads=10**12) == pytest.approx(np.log(2))


PROGRAM = "import crossentropy; print(crossentropy.get_num_threads())"


@pytest.mark.parametrize(
    ("own", "omp", "threads"),
    [
        ("5", "3", "5"),
        ("", "3", "3"),
        ("0", "3", "3"),
        ("5,4", "3", "3"),
        ("many", "7,2,1", "7"),
        ("", " 6 , 2", "6"),
        ("", "99999", "256"),
    ],
)
def test_number_of_threads_from_the_environment(own: str, omp: str, threads: str) -> None:
    result = python(PROGRAM, CROSSENTROPY_NUM_THREADS=own, OMP_NUM_THREADS=omp)
    assert result.stdout.strip() == threads, result.stderr


@pytest.mark.parametrize("omp", ["", "0", "-2", "many", "3.5", "3 2", ",4"])
def test_number_of_threads_from_the_affinity(omp: str) -> None:
    processors = sorted(os.sched_getaffinity(0))
    for count in {1, len(processors)}:
        program = f"import os; os.sched_setaffinity(0, {processors[:count]})\n{PROGRAM}"
        result = python(program, CROSSENTROPY_NUM_THREADS="", OMP_NUM_THREADS=omp)
        assert 1 <= int(result.stdout) <= count, result.stderr  # fewer where there is a quota


def large_problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    return rng.standard_normal((600, 3000)).astype(np.float32), rng.integers(0, 3000, 600)


def test_calls_from_several_python_threads() -> None:
    x, target = large_problem()
    expected = ce.cross_entropy_with_grad(x, target)

    def call(number: int) -> bool:
        loss, grad = ce.cross_entropy_with_grad(x, target, threads=1 + number % 3)
        same = loss == expected[0] and np.array_equal(grad, expected[1])
        labels = target.copy()
        labels[number] = 3000 + number  # each thread gets its own message
        with pytest.raises(ce.LabelError, match=f"label {3000 + number} in row {number} "):
            ce.cross_entropy(x, labels)
        return bool(same)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(call, range(24)))


def in_child(queue: Any) -> None:
    x, target = large_problem()
    queue.put(float(ce.cross_entropy(x, target, threads=3)))


def test_fork_after_a_call_with_threads() -> None:
    x, target = large_problem()
    expected = float(ce.cross_entropy(x, target, threads=3))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=in_child, args=(queue,)) for _ in range(2)]
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork with threads; that it works is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        for child in children:
            child.start()
    try:
        assert [queue.get(timeout=60) for _ in children] == [expected, expected]
    finally:
        for child in children:
            child.join(10)
            child.kill()
    assert float(ce.cross_entropy(x, target, threads=3)) == expected


LONG_CALL = """
import numpy, os, signal, sys, threading, time
import crossentropy as ce

# Whoever started the tests in the background may have had SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A row that is repeated without taking memory: minutes of work.
x = numpy.broadcast_to(numpy.zeros(1 << 16, numpy.float32), (1 << 21, 1 << 16))
labels = numpy.broadcast_to(numpy.int64(3), 1 << 21)

def interrupt():
    time.sleep(0.5)
    print(time.perf_counter(), flush=True)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    ce.cross_entropy(x, labels)
except KeyboardInterrupt:
    print(time.perf_counter(), flush=True)
print(ce.cross_entropy(x[:2], labels[:2]), threading.active_count())
"""


def test_ctrl_c_ends_a_long_call() -> None:
    result = python(LONG_CALL)
    assert result.returncode == 0, result.stderr
    words = result.stdout.split()
    assert len(words) == 4, f"not all was printed: {result.stdout!r} {result.stderr!r}"
    sent, ended, after, threads = words
    assert float(ended) - float(sent) < 2
    assert float(after) == pytest.approx(16 * np.log(2))
    assert int(threads) == 1


def test_interruptible_calls_give_what_others_give(monkeypatch: pytest.MonkeyPatch) -> None:
    x, target = large_problem()
    expected = ce.cross_entropy_with_grad(x, target)
    monkeypatch.setattr(_arguments, "INTERRUPTIBLE_FROM", 0)
    loss, grad = ce.cross_entropy_with_grad(x, target)
    assert loss == expected[0]
    assert np.array_equal(grad, expected[1])
    with pytest.raises(ce.LabelError, match="label -1 in row 0 "):
        ce.cross_entropy(x, target * 0 - 1)


def test_other_python_threads_run_during_a_call() -> None:
    """The interpreter's lock is released: another thread gets on while a call computes."""
    x = np.broadcast_to(np.zeros(1 << 16, np.float32), (4000, 1 << 16))
    labels = np.broadcast_to(np.int64(3), 4000)
    ticks, running = [], True

    def tick() -> None:
        while running:
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.perf_counter()
        _compute_directly(x, labels)
        end = time.perf_counter()
    finally:
        running = False
        thread.join()
    inside = [moment for moment in ticks if start < moment < end]
    assert len(inside) > 3, f"{len(inside)} ticks in {end - start:.3f} s"


def _compute_directly(x: Any, labels: Any) -> None:
    # Off the main thread a call is made where it stands, whatever its size.
    worker = threading.Thread(target=lambda: ce.cross_entropy(x, labels, threads=1))
    worker.start()
    worker.join()
