"""The package as its users meet it: documentation, import, results, threads, processes, Ctrl-C."""

from __future__ import annotations

import doctest
import inspect
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import crossentropy as ce
from crossentropy import _arguments, _hessian, _kl, _loss, _runtime, _softmax, _targets
from crossentropy._c_api import header, library

PACKAGE = Path(ce.__file__).parent


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a fresh interpreter that finds the package where this one does."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


# ----------------------------------------------------------------------------------------------
# Documentation
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", [ce, _hessian, _kl, _loss, _runtime, _softmax, _targets], ids=lambda module: module.__name__
)
def test_examples_in_the_documentation(module: types.ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", [name for name in ce.__all__ if name != "__version__"])
def test_public_names_are_documented(name: str) -> None:
    assert len(inspect.getdoc(getattr(ce, name)) or "") > 40


@pytest.mark.parametrize(
    ("function", "refers_to"),
    [
        (ce.cross_entropy, None),
        (ce.cross_entropy_with_grad, ce.cross_entropy),
        (ce.kl_divergence, None),
        (ce.kl_divergence_with_grad, ce.kl_divergence),
        (ce.hessian_vector_product, ce.cross_entropy),
        (ce.SparseTarget, None),
    ],
    ids=lambda function: function.__name__ if function else "",
)
def test_every_parameter_is_documented(function: Any, refers_to: Any) -> None:
    documented = (inspect.getdoc(refers_to) or "") + (inspect.getdoc(function) or "")
    for name in inspect.signature(function).parameters.keys() - {"unknown"}:
        assert re.search(rf"^    (\w+, )*{name}(, \w+)*: ", documented, re.MULTILINE), name


@pytest.mark.parametrize(
    ("function", "without"),
    [
        (ce.cross_entropy_with_grad, ce.cross_entropy),
        (ce.kl_divergence_with_grad, ce.kl_divergence),
        (ce.hessian_vector_product, ce.hessian_diagonal),
    ],
    ids=lambda function: function.__name__,
)
def test_what_gives_more_takes_the_same(function: Any, without: Any) -> None:
    more, less = inspect.signature(function).parameters, inspect.signature(without).parameters
    assert all(more[name] == less[name] for name in less)
    assert set(more) - set(less) <= {"grad_loss", "grad", "grad_target", "vector"}


def test_nll_loss_takes_what_cross_entropy_takes() -> None:
    whole = inspect.signature(ce.cross_entropy).parameters
    part = inspect.signature(ce.nll_loss).parameters
    assert set(whole) - set(part) == {
        "x", "input_type", "clip", "z_loss", "softcap", "logit_scale", "focal_gamma", "poly_epsilon",
        "temperature", "temperature_squared", "row_stats",
    }  # fmt: skip
    assert all(part[name] == whole[name] for name in part if name != "log_probs")


# ----------------------------------------------------------------------------------------------
# Import
# ----------------------------------------------------------------------------------------------


def test_import_needs_numpy_alone_and_starts_nothing() -> None:
    program = """
import sys, numpy

def process():
    lines = open('/proc/self/status').read().splitlines()
    return [line for line in lines if line.startswith(('Sig', 'Shd', 'Threads'))]

modules, before = set(sys.modules), process()
import crossentropy
assert process() == before, (process(), before)
for name in set(sys.modules) - modules:
    if 'site-packages' in (getattr(sys.modules[name], '__file__', None) or ''):
        print(name.partition('.')[0])
"""
    result = python(program)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) <= {"numpy", "crossentropy"}


def test_import_takes_less_than_numpy() -> None:
    program = """
import time
start = time.process_time()
import numpy, numpy.typing
middle = time.process_time()
import crossentropy
print((time.process_time() - middle) / (middle - start))
"""
    # Of byte code, as installed packages have it, also where this environment writes none.
    assert min(float(python(program, PYTHONDONTWRITEBYTECODE="").stdout) for _ in range(5)) < 0.5


def test_missing_library_lists_the_places(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "crossentropy", ignore=shutil.ignore_patterns("lib"))
    environment = {key: value for key, value in os.environ.items() if "CROSSENTROPY" not in key}
    result = subprocess.run(
        [sys.executable, "-c", "import crossentropy"],
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    message = result.stderr[result.stderr.index("ImportError") :]
    in_package = tmp_path / "crossentropy" / "lib" / "libcrossentropy.so.0"
    for text in (
        f"crossentropy {ce.__version__} did not find its C library",
        f"  {in_package}\n    where `make build` and `pip install .` put it\n    {in_package}: ",
        "  libcrossentropy.so.0\n    the system's loader",
        "  the environment variable CROSSENTROPY_LIBRARY\n    not set",
        "`make build` makes it",
    ):
        assert text in message


def test_library_of_the_environment_is_the_only_one_tried() -> None:
    result = python("import crossentropy", CROSSENTROPY_LIBRARY="/nowhere/libother.so")
    assert result.returncode == 1
    assert "  /nowhere/libother.so\n    the environment variable CROSSENTROPY_LIBRARY" in result.stderr
    assert "system's loader" not in result.stderr
    result = python(
        "import crossentropy; print(crossentropy.info()['library'])",
        CROSSENTROPY_LIBRARY=library.PATH,
    )
    assert result.stdout.strip() == library.PATH


HEADER = (PACKAGE.parents[1] / "include" / "crossentropy.h").read_text()
FUNCTIONS = set(re.findall(r"^CE_API [\w *]*\b(ce_\w+)\(", HEADER, re.MULTILINE)) - {"ce_version"}


def library_of_version(number: int, folder: Path) -> Path:
    """A library that has every function of ours, and says that it is of version ``number``."""
    source = folder / "other.c"
    functions = [f"int {name}(void) {{ return 0; }}\n" for name in FUNCTIONS]
    source.write_text("".join([f"int ce_version(void) {{ return {number}; }}\n", *functions]))
    library = folder / "libother.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    return library


def version_number() -> int:
    major, minor, patch = (int(part) for part in ce.__version__.split("."))
    return major * 10000 + minor * 100 + patch


@pytest.mark.parametrize("difference", [100, 10000, 10100])
def test_handshake_refuses_another_major_or_minor_version(tmp_path: Path, difference: int) -> None:
    number = version_number() + difference
    library = library_of_version(number, tmp_path)
    result = python("import crossentropy", CROSSENTROPY_LIBRARY=str(library))
    assert result.returncode == 1
    assert (
        f"ImportError: crossentropy's Python package is version {ce.__version__}, but the library "
        f"{library} is version {number // 10000}.{number // 100 % 100}.{number % 100}:"
    ) in result.stderr


def test_handshake_accepts_another_patch(tmp_path: Path) -> None:
    library = library_of_version(version_number() // 100 * 100 + 99, tmp_path)
    result = python("import crossentropy", CROSSENTROPY_LIBRARY=str(library))
    assert result.returncode == 0, result.stderr


def test_a_library_of_something_else_is_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "other.c"
    source.write_text("int answer(void) { return 42; }\n")
    library = tmp_path / "libother.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    result = python("import crossentropy", CROSSENTROPY_LIBRARY=str(library))
    assert f"ImportError: {library} is not the crossentropy library" in result.stderr


# ----------------------------------------------------------------------------------------------
# Results and arguments
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kinds_of_results(dtype: type[np.floating[Any]]) -> None:
    x = np.zeros((2, 3, 4), dtype)
    target = np.zeros((2, 3), int)
    for reduction in ("mean", "sum"):
        assert type(ce.cross_entropy(x, target, reduction=reduction)) is dtype
    loss, grad = ce.cross_entropy_with_grad(x, target, reduction="none")
    assert (type(loss), loss.shape, loss.dtype) == (np.ndarray, (2, 3), dtype)
    assert (type(grad), grad.shape, grad.dtype) == (np.ndarray, (2, 3, 4), dtype)
    assert type(ce.cross_entropy(x[0, 0], 3, reduction="none")) is dtype
    assert type(ce.nll_loss(x, target)) is dtype


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_kinds_of_results_of_16_bits(dtype: Any) -> None:
    x = np.zeros((2, 3, 4), dtype)
    target = np.zeros((2, 3), int)
    loss, grad = ce.cross_entropy_with_grad(x, target)
    assert type(loss) is np.float32
    assert (grad.shape, grad.dtype) == ((2, 3, 4), dtype)
    assert ce.nll_loss(x, target, reduction="none").dtype == np.float32
    assert type(ce.cross_entropy(dtype(0.5).reshape(1), 0)) is np.float32
    out = np.zeros(())
    assert ce.cross_entropy(x, target, out=out) is out
    assert out == pytest.approx(np.log(4), rel=1e-7)
    for empty in (np.zeros((0, 4), dtype), np.zeros((0, 4), dtype)[:, ::-1]):
        assert ce.cross_entropy_with_grad(empty, [], reduction="none")[1].dtype == dtype


def test_bits_of_bfloat16_are_bfloat16() -> None:
    """For callers, such as crossentropy.torch, who have such numbers but no NumPy dtype for them."""
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(ml_dtypes.bfloat16)
    expected_loss, expected_grad = ce.cross_entropy_with_grad(x, [0, 1, 2])
    for bits in (x.view(header.BFLOAT16_BITS), x.T.copy().T.view(header.BFLOAT16_BITS)):
        loss, grad = ce.cross_entropy_with_grad(bits, [0, 1, 2])
        assert loss == expected_loss
        assert grad.dtype == bits.dtype
        np.testing.assert_array_equal(grad.view(np.uint16), expected_grad.view(np.uint16))
    for other in (np.dtype([("float16", np.uint16)]), np.dtype("V2")):
        with pytest.raises(ce.ArgumentTypeError, match="x has dtype"):
            ce.cross_entropy(x.view(other), [0, 1, 2])


def test_confident_loss_keeps_its_accuracy() -> None:
    loss = ce.cross_entropy(np.array([[80, 0]], np.float32), [0])
    assert loss == pytest.approx(1.8048513878454153e-35, rel=1e-6)


def test_lists_are_arrays() -> None:
    x = [[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]]
    loss = ce.cross_entropy(x, [2, 0], weight=[1, 2, 3], sample_weight=[1, 2])
    assert type(loss) is np.float64
    assert loss == ce.cross_entropy(
        np.array(x),
        np.array([2, 0]),
        weight=np.array([1.0, 2, 3]),
        sample_weight=np.array([1.0, 2]),
    )
    one_hot = ce.cross_entropy(x, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert one_hot == pytest.approx(ce.cross_entropy(x, [2, 0]))


def test_empty_batches() -> None:
    x = np.zeros((0, 5), np.float32)
    for target in ([], np.zeros(0, np.int8), np.zeros((0, 5))):
        assert np.isnan(ce.cross_entropy(x, target))
        assert ce.cross_entropy(x, target, empty="zero") == 0
        assert ce.cross_entropy(x, target, reduction="sum") == 0
        assert ce.cross_entropy(x, target, mean_over=8) == 0
        loss, grad = ce.cross_entropy_with_grad(x, target, reduction="none")
        assert loss.shape == (0,)
        assert grad.shape == (0, 5)


def test_read_only_inputs() -> None:
    arrays: dict[str, Any] = {
        "x": np.zeros((2, 3)),
        "target": np.array([2, 0]),
        "weight": np.ones(3),
        "sample_weight": np.ones(2),
    }
    for array in arrays.values():
        array.flags.writeable = False
    loss, grad = ce.cross_entropy_with_grad(arrays.pop("x"), arrays.pop("target"), **arrays)
    assert loss == pytest.approx(np.log(3))
    assert grad.flags.writeable


def test_broadcast_inputs() -> None:
    row = np.array([0.5, 1.5, -1.0])
    x = np.broadcast_to(row, (1000, 3))
    assert not x.flags.writeable
    loss, grad = ce.cross_entropy_with_grad(x, np.broadcast_to(1, 1000))
    assert loss == pytest.approx(ce.cross_entropy(row, 1), rel=1e-13)
    assert grad.shape == (1000, 3)


def test_outputs_are_returned_as_they_were_given() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6))
    target = np.arange(4)
    for shape in ((), (1,), (1, 1)):
        out = np.zeros(shape, np.float32)
        grad = np.asfortranarray(np.zeros_like(x))
        loss, gradient = ce.cross_entropy_with_grad(x, target, out=out, grad=grad)
        assert loss is out
        assert gradient is grad
        assert out.item() == np.float32(ce.cross_entropy(x, target))
    rows = np.zeros(8)[::-2]
    assert ce.cross_entropy(x, target, reduction="none", out=rows) is rows
    assert np.array_equal(rows, ce.cross_entropy(x, target, reduction="none"))
    assert ce.nll_loss(x, target, reduction="none", out=rows) is rows


def test_subclasses_of_arrays(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((4, 6))
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=x.shape)
    mapped[...] = x
    expected = ce.cross_entropy_with_grad(x, np.arange(4))
    loss, grad = ce.cross_entropy_with_grad(mapped, np.arange(4), grad=mapped)
    assert grad is mapped
    assert loss == expected[0]
    assert np.array_equal(mapped, expected[1])


def test_labels_and_weights_in_any_memory() -> None:
    """Fields of packed records and swapped bytes: copied, as they are small."""
    x = np.random.default_rng(0).standard_normal((4, 6))
    records = np.zeros(4, [("flag", "i1"), ("label", "i4"), ("weight", "f8")])
    records["label"], records["weight"] = [5, 0, 2, 2], [1, 2, 0, 3]
    expected = ce.cross_entropy(x, [5, 0, 2, 2], sample_weight=[1, 2, 0, 3])
    label, weight = records["label"], records["weight"]
    assert ce.cross_entropy(x, label, sample_weight=weight) == expected
    assert ce.cross_entropy(x, label.astype(">i4"), sample_weight=weight.astype(">f8")) == expected


def test_integer_types_of_the_same_width_are_the_same() -> None:
    for name in ("b", "h", "i", "l", "q", "B", "H", "I", "L", "Q"):
        assert ce.cross_entropy([[1.0, 2.0]], np.ones(1, name)) == ce.cross_entropy([[1.0, 2.0]], [1])


def test_numbers_of_numpy_are_numbers() -> None:
    expected = ce.cross_entropy([[1.0, 2.0]], [1], label_smoothing=0.5, mean_over=2, axis=1)
    assert expected == ce.cross_entropy(
        [[1.0, 2.0]],
        [1],
        label_smoothing=np.float32(0.5),
        mean_over=np.int64(2),
        axis=np.int8(1),
        ignore_index=np.uint8(255),
        threads=np.int32(1),
    )


def test_ignore_index_none_and_unsigned() -> None:
    x = np.zeros((2, 300))
    labels = np.array([255, 1], np.uint8)
    assert ce.cross_entropy(x, labels, ignore_index=255, reduction="none")[0] == 0
    assert ce.cross_entropy(x, labels, ignore_index=None, reduction="none")[0] > 0
    with pytest.raises(ce.LabelError):
        ce.cross_entropy(x, np.array([-100, 1]), ignore_index=None)


def test_info() -> None:
    info = ce.info()
    assert set(info) == set(ce.Info.__annotations__)
    assert info["isa"] in {"baseline", "avx2", "avx512", "neon"}
    assert info["threads"] == ce.get_num_threads() >= 1
    assert info["library"] == library.PATH
    assert info["build"]


# ----------------------------------------------------------------------------------------------
# Threads and processes
# ----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("value", "threads"), [("5", "5"), ("0", None), ("many", None)])
def test_number_of_threads_from_the_environment(value: str, threads: str | None) -> None:
    program = "import crossentropy; print(crossentropy.get_num_threads())"
    result = python(program, CROSSENTROPY_NUM_THREADS=value)
    assert result.stdout.strip() == (threads or str(len(os.sched_getaffinity(0)))), result.stderr


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
