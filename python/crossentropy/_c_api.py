"""The C library: where it is found, what it contains, how it is called.

This is the only module that knows ctypes. Structures and prototypes repeat
``include/crossentropy.h``; ``tests/test_version.py`` holds the two together.
"""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Callable, NoReturn

import numpy as np
import numpy.typing as npt

from ._errors import (
    ArgumentTypeError,
    ArgumentValueError,
    CrossEntropyError,
    EmptyError,
    LabelError,
)

Array = npt.NDArray[Any]

PACKAGE = Path(__file__).parent

# In the wheel a copy of the file, in a checkout a link to it, so that there is one number.
VERSION = (PACKAGE / "VERSION").read_text().strip()

# ----------------------------------------------------------------------------------------------
# Finding the library
# ----------------------------------------------------------------------------------------------

LIBRARY_NAME = "libcrossentropy.so.0"


def _places() -> list[tuple[str, str]]:
    """Where the library may be, in the order of trying: a path or name, and why it is tried."""
    chosen = os.environ.get("CROSSENTROPY_LIBRARY")
    if chosen:
        # Falling back to another library than the one asked for would hide a mistake.
        return [(chosen, "the environment variable CROSSENTROPY_LIBRARY; no other place is tried")]
    return [
        (str(PACKAGE / "lib" / LIBRARY_NAME), "where `make build` and `pip install .` put it"),
        (LIBRARY_NAME, "the system's loader: `make install`, LD_LIBRARY_PATH, ldconfig"),
    ]


def _load() -> tuple[ctypes.CDLL, str]:
    """The library and the place it came from, or an ImportError that lists every place tried."""
    tried = []
    for place, reason in _places():
        try:
            return ctypes.CDLL(place), place
        except OSError as error:
            tried.append(f"  {place}\n    {reason}\n    {error}")
    if "CROSSENTROPY_LIBRARY" not in os.environ:
        tried.append("  the environment variable CROSSENTROPY_LIBRARY\n    not set")
    raise ImportError(
        f"crossentropy {VERSION} did not find its C library. Places searched:\n"
        + "\n".join(tried)
        + "\nIn a checkout, `make build` makes it."
    )


def _check_version(library: ctypes.CDLL, path: str) -> None:
    """Refuses a library of another major or minor version: its structs may differ from ours."""
    try:
        number = library.ce_version()
    except AttributeError:
        raise ImportError(f"{path} is not the crossentropy library: it has no ce_version") from None
    major, minor, patch = number // 10000, number // 100 % 100, number % 100
    if [str(major), str(minor)] != VERSION.split(".")[:2]:
        raise ImportError(
            f"crossentropy's Python package is version {VERSION}, but the library {path} is "
            f"version {major}.{minor}.{patch}: their major and minor numbers must agree"
        )


_library, LIBRARY_PATH = _load()
_check_version(_library, LIBRARY_PATH)

# ----------------------------------------------------------------------------------------------
# Structures and constants of the header
# ----------------------------------------------------------------------------------------------


class Tensor(ctypes.Structure):
    """``ce_tensor``: a view of an array's memory; strides count elements, NULL means contiguous."""

    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("ndim", c_int32),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
    ]


class Options(ctypes.Structure):
    """``ce_options``."""

    _fields_ = [
        ("size", c_uint64),
        ("input_type", c_int32),
        ("reduction", c_int32),
        ("mean_over", c_int32),
        ("empty", c_int32),
        ("ignore_index", c_int64),
        ("label_smoothing", c_double),
        ("mean_divisor", c_double),
        ("clip", c_double),
        ("grad_loss", c_double),
        ("weight", POINTER(Tensor)),
        ("sample_weight", POINTER(Tensor)),
        ("cancel", POINTER(c_int32)),
        ("threads", c_int32),
        ("reserved", c_int32),
    ]


# Names as the public functions spell them.
INPUT_TYPES = {"logits": 0, "probs": 1, "log_probs": 2}
REDUCTIONS = {"mean": 0, "sum": 1, "none": 2}
MEAN_OVER = {"weight": 0, "mass": 1, "count": 2}
MEAN_OVER_DIVISOR = 3
EMPTY = {"nan": 0, "zero": 1, "error": 2}
IGNORE_NONE = -(2**63)

FLOATS = {np.dtype(np.float32): 1, np.dtype(np.float64): 2}
FLOAT16 = np.dtype(np.float16)
BFLOAT16 = 4
INTEGERS = {
    np.dtype(np.int8): 16,
    np.dtype(np.int16): 17,
    np.dtype(np.int32): 18,
    np.dtype(np.int64): 19,
    np.dtype(np.uint8): 20,
    np.dtype(np.uint16): 21,
    np.dtype(np.uint32): 22,
    np.dtype(np.uint64): 23,
}
DTYPES = {**FLOATS, FLOAT16: 3, **INTEGERS}

STATUS = {
    "OK": 0,
    "ERROR_NULL_POINTER": 1,
    "ERROR_OPTIONS_SIZE": 2,
    "ERROR_DTYPE": 3,
    "ERROR_SHAPE": 4,
    "ERROR_OVERFLOW": 5,
    "ERROR_OVERLAP": 6,
    "ERROR_LABEL": 7,
    "ERROR_OPTION": 8,
    "ERROR_EMPTY": 9,
    "ERROR_OUT_OF_MEMORY": 10,
    "ERROR_CANCELLED": 11,
}

EXCEPTIONS: dict[int, type[Exception]] = {
    STATUS["ERROR_DTYPE"]: ArgumentTypeError,
    STATUS["ERROR_SHAPE"]: ArgumentValueError,
    STATUS["ERROR_OVERFLOW"]: ArgumentValueError,
    STATUS["ERROR_OVERLAP"]: ArgumentValueError,
    STATUS["ERROR_LABEL"]: LabelError,
    STATUS["ERROR_OPTION"]: ArgumentValueError,
    STATUS["ERROR_EMPTY"]: EmptyError,
    STATUS["ERROR_OUT_OF_MEMORY"]: MemoryError,
}

# ----------------------------------------------------------------------------------------------
# Prototypes
# ----------------------------------------------------------------------------------------------


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_library, name)
    function.restype, function.argtypes = result, arguments
    return function


_version_string = _function("ce_version_string", c_char_p)
_build_info = _function("ce_build_info", c_char_p)
_isa = _function("ce_isa", c_char_p)
_status_string = _function("ce_status_string", c_char_p, c_int32)
_last_error_message = _function("ce_last_error_message", c_char_p)
_options_init = _function("ce_options_init", c_int32, POINTER(Options), c_size_t)
_set_num_threads = _function("ce_set_num_threads", c_int32, c_int32)
_get_num_threads = _function("ce_get_num_threads", c_int32)
_cross_entropy = _function(
    "ce_cross_entropy",
    c_int32,
    POINTER(Tensor),
    c_int32,
    POINTER(Tensor),
    POINTER(Options),
    POINTER(Tensor),
    POINTER(Tensor),
)

# ----------------------------------------------------------------------------------------------
# Calling
# ----------------------------------------------------------------------------------------------


def _default_options() -> Options:
    options = Options()
    status = _options_init(options, ctypes.sizeof(Options))
    if status:
        raise ImportError(f"{LIBRARY_PATH}: ce_options_init: {_text(_status_string(status))}")
    return options


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


_DEFAULTS = bytes(_default_options())


def options() -> Options:
    """New options that hold the defaults."""
    return Options.from_buffer_copy(_DEFAULTS)


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether it is float16 or bfloat16. NumPy has no bfloat16 of its own; it is known by its name,
    whichever package it comes from."""
    return dtype == FLOAT16 or (dtype.kind == "V" and dtype.name == "bfloat16" and dtype.itemsize == 2)


def _address(array: Any) -> int:
    # A quarter of a microsecond where the buffer protocol allows it, which knows no bfloat16, instead
    # of a whole one.
    if array.flags.carray and array.size and array.dtype.kind != "V":
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    address: int = array.__array_interface__["data"][0]
    return address


def tensor(array: Array) -> Tensor:
    """A view of ``array``, valid as long as the array is. Its dtype is in `DTYPES` or bfloat16, and
    its strides are multiples of its item size."""
    lengths = c_int64 * array.ndim
    strides = None
    if not array.flags.c_contiguous:
        strides = lengths(*[stride // array.itemsize for stride in array.strides])
    return Tensor(_address(array), DTYPES.get(array.dtype, BFLOAT16), array.ndim, lengths(*array.shape), strides)


def reference(view: Tensor) -> Any:
    """A pointer to ``view`` for a field of `Options`; it keeps the view alive."""
    return ctypes.pointer(view)


def cross_entropy(
    x: Tensor,
    axis: int,
    target: Tensor,
    options: Options,
    loss: Tensor,
    grad: Tensor | None,
    interruptible: bool,
) -> None:
    """``ce_cross_entropy``; a status other than CE_OK is raised as an exception.

    With ``interruptible`` an exception from a signal handler, such as KeyboardInterrupt, ends the
    computation; it costs the start of a thread. Without it such an exception waits for the result.
    """

    def call() -> tuple[int, str]:
        status = _cross_entropy(x, axis, target, options, loss, grad)
        # The message belongs to the thread that made the call, so it is fetched there.
        return status, _text(_last_error_message()) if status else ""

    if interruptible:
        cancel = c_int32(0)
        options.cancel = ctypes.pointer(cancel)
        status, message = _run_interruptibly(call, cancel)
    else:
        status, message = call()
    if status:
        _raise(status, message)


def _run_interruptibly(call: Callable[[], tuple[int, str]], cancel: c_int32) -> tuple[int, str]:
    """What ``call`` returns, from another thread: Python runs signal handlers in the main thread,
    and only while that executes Python code or waits for a lock."""
    results = []
    done = threading.Event()

    def work() -> None:
        try:
            if not cancel.value:
                results.append(call())
        finally:
            done.set()

    thread = threading.Thread(target=work, name="crossentropy")
    try:
        thread.start()
        done.wait()
    except BaseException as error:
        if isinstance(error, RuntimeError) and thread.ident is None:
            return call()  # No further thread can be had, so this call cannot be interrupted.
        cancel.value = 1
        # The caller's arrays are in use until the thread has seen the flag, which is soon. Further
        # interrupts are swallowed, because one is being raised already.
        while thread.is_alive():
            try:
                done.wait()
                thread.join()
            except BaseException:
                continue
        raise
    return results[0]


def _raise(status: int, message: str) -> NoReturn:
    message = message or _text(_status_string(status))
    raise EXCEPTIONS.get(status, CrossEntropyError)(message)


def set_num_threads(count: int) -> None:
    """``ce_set_num_threads``."""
    status = _set_num_threads(count)
    if status:
        _raise(status, _text(_last_error_message()))


def get_num_threads() -> int:
    """``ce_get_num_threads``."""
    return int(_get_num_threads())


def version() -> str:
    """``ce_version_string``."""
    return _text(_version_string())


def isa() -> str:
    """``ce_isa``."""
    return _text(_isa())


def build_info() -> str:
    """``ce_build_info``."""
    return _text(_build_info())
