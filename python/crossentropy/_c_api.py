"""The C library: where it is found, what it contains, how it is called.

This is the only module that knows ctypes. Structures and prototypes repeat
``include/crossentropy.h``; ``tests/test_version.py`` holds the two together.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_uint64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Union

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
        ("z_loss", c_double),
        ("focal_gamma", c_double),
        ("poly_epsilon", c_double),
        ("softcap", c_double),
        ("logit_scale", c_double),
        ("row_stats", c_void_p),
        ("mask", POINTER(Tensor)),
        ("ignore_indices", POINTER(Tensor)),
        ("grad_losses", POINTER(Tensor)),
        ("pos_weight", POINTER(Tensor)),
    ]


class RowStats(ctypes.Structure):
    """``ce_row_stats``: where a number for each row is to go."""

    _fields_ = [
        ("size", c_uint64),
        ("lse", c_void_p),
        ("max", c_void_p),
        ("argmax", c_void_p),
        ("entropy", c_void_p),
        ("target_prob", c_void_p),
        ("target_rank", c_void_p),
    ]


# ``ce_partial`` and ``ce_accumulator``, which are stored and sent as bytes, on machines of little-endian order.
PARTIAL = np.dtype(
    [
        ("version", "<u4"),
        ("dtype", "<i4"),
        ("has_target", "<i4"),
        ("is_undefined", "<i4"),
        ("label", "<i8"),
        ("first_class", "<i8"),
        ("end_class", "<i8"),
        ("classes", "<i8"),
        ("cover", "<u8"),
        ("logit_scale", "<f8"),
        ("softcap", "<f8"),
        ("max", "<f8"),
        ("argmax", "<i8"),
        ("target", "<f8"),
        ("top", "<f8"),
        ("top_exponent", "<i8"),
        ("sum_exponent", "<i8"),
        ("sum", "<u8", (36,)),
    ]
)
ACCUMULATOR = np.dtype(
    [
        ("version", "<u4"),
        ("reserved", "<u4"),
        ("rows", "<i8"),
        ("judged", "<i8"),
        ("correct", "<i8"),
        ("loss_special", "<u4"),
        ("weight_special", "<u4"),
        ("loss", "<u4", (70,)),
        ("weight", "<u4", (70,)),
    ]
)
PARTIAL_VERSION = ACCUMULATOR_VERSION = 1
BLOCK = 4096

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
# The dtype of bfloat16 arrays of other libraries, in a program that has none of its own for NumPy.
BFLOAT16_BITS = np.dtype([("bfloat16", np.uint16)])
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
    "ERROR_PARTIAL": 12,
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
    STATUS["ERROR_PARTIAL"]: ArgumentValueError,
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
_set_num_threads = _function("ce_set_num_threads", c_int32, c_int32)
_get_num_threads = _function("ce_get_num_threads", c_int32)
# Addresses as numbers: the structures lie in a `_Frame`.
_cross_entropy = _function("ce_cross_entropy", c_int32, c_void_p, c_int32, *[c_void_p] * 4)
_softmax = {
    name: _function(f"ce_{name}", c_int32, c_void_p, c_int32, *[c_void_p] * 2)
    for name in ("softmax", "log_softmax", "logsumexp")
}
_compute_row_stats = _function("ce_compute_row_stats", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
_binary_cross_entropy = _function("ce_binary_cross_entropy", c_int32, c_void_p, c_int32, *[c_void_p] * 4)

_partial_compute = _function("ce_partial_compute", c_int32, c_void_p, c_int32, c_int64, *[c_void_p] * 3)
_partial_merge = _function("ce_partial_merge", c_int32, c_void_p, c_void_p, c_int64)
_partial_loss = _function("ce_partial_loss", c_int32, c_void_p, c_int64, c_int64, *[c_void_p] * 2)
_partial_grad = _function("ce_partial_grad", c_int32, c_void_p, c_int32, c_int64, c_void_p, c_int64, *[c_void_p] * 2)
_accumulator_init = _function("ce_accumulator_init", c_int32, c_void_p)
_accumulator_add = _function("ce_accumulator_add", c_int32, *[c_void_p] * 4)
_accumulator_merge = _function("ce_accumulator_merge", c_int32, c_void_p, c_void_p)
_accumulator_result = _function("ce_accumulator_result", c_int32, *[c_void_p] * 4)

# ----------------------------------------------------------------------------------------------
# Calling
# ----------------------------------------------------------------------------------------------


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _packer(structure: type[ctypes.Structure], extra: str = "") -> struct.Struct:
    """What writes all fields of ``structure`` at once, much faster than one by one."""
    codes = {c_int32: "i", c_int64: "q", c_uint64: "Q", c_double: "d"}
    return struct.Struct("@" + "".join(codes.get(field[1], "P") for field in structure._fields_) + extra)


class Memory(NamedTuple):
    """An array of a package that tells more cheaply where its memory is than NumPy does."""

    address: int  # 0 if it is empty
    dtype: int  # of `DTYPES`, or bfloat16
    shape: Sequence[int]
    strides: Sequence[int] | None  # in elements; None: contiguous
    owner: Any  # keeps it alive


Placeable = Union[Array, Memory]

MAX_NDIM = 64
_pack_options = _packer(Options).pack_into
_pack_row_stats = _packer(RowStats).pack_into
_pack_tensor = [_packer(Tensor, f"{ndim}q").pack_into for ndim in range(MAX_NDIM + 1)]


class _Frame:
    """Memory for the structures of a call: the options, a number for a scalar loss, and for each tensor its shape and
    strides behind it.

    Frames are used again. A call takes one from `_frames` and gives it back at its end, so that no two calls at a
    time have the same one, be they of two threads or of a signal handler in the middle of another call.
    """

    SCALAR = ctypes.sizeof(Options)
    TENSOR = ctypes.sizeof(Tensor)
    SHAPE = 8 * MAX_NDIM
    SLOT = TENSOR + 2 * SHAPE
    X, TARGET, LOSS, GRAD, WEIGHT, SAMPLE_WEIGHT, MASK, IGNORED, GRAD_LOSSES, POS_WEIGHT, ROW_STATS = range(
        SCALAR + 8, SCALAR + 8 + 11 * SLOT, SLOT
    )

    def __init__(self) -> None:
        self.memory = (ctypes.c_char * (self.ROW_STATS + ctypes.sizeof(RowStats)))()
        self.base = ctypes.addressof(self.memory)

    def place(self, slot: int, array: Placeable | None) -> int:
        """The address of a view of ``array``, valid as long as the array is; 0 for None. Its dtype is in `DTYPES` or
        bfloat16, and its strides are multiples of its item size."""
        if array is None:
            return 0
        start = self.base + slot
        strides = 0
        if isinstance(array, Memory):
            address, dtype, shape, numbers, _ = array
            ndim = len(shape)
            if numbers is not None:
                strides = start + self.TENSOR + self.SHAPE
                struct.pack_into(f"{ndim}q", self.memory, slot + self.TENSOR + self.SHAPE, *numbers)
            _pack_tensor[ndim](self.memory, slot, address, dtype, ndim, start + self.TENSOR, strides, *shape)
            return start
        shape = array.shape
        try:
            # A quarter of a microsecond, where the buffer protocol allows it, instead of a whole one.
            address = _addressof(_first_byte(array))
        except (TypeError, ValueError, BufferError):  # read-only, empty, bfloat16, or not contiguous
            address = array.__array_interface__["data"][0]
            if not array.flags.c_contiguous:
                strides = start + self.TENSOR + self.SHAPE
                numbers = [stride // array.itemsize for stride in array.strides]
                struct.pack_into(f"{len(shape)}q", self.memory, slot + self.TENSOR + self.SHAPE, *numbers)
        dtype, ndim = DTYPES.get(array.dtype, BFLOAT16), len(shape)
        _pack_tensor[ndim](self.memory, slot, address, dtype, ndim, start + self.TENSOR, strides, *shape)
        return start

    def place_row_stats(self, arrays: tuple[Array, ...] | None) -> int:
        """The address of pointers to contiguous arrays, those of ``RowStats``; 0 for None."""
        if arrays is None:
            return 0
        addresses = [array.__array_interface__["data"][0] for array in arrays]
        _pack_row_stats(self.memory, self.ROW_STATS, ctypes.sizeof(RowStats), *addresses)
        return self.base + self.ROW_STATS

    def place_scalar(self, slot: int, dtype: int) -> int:
        """The address of a view of the number."""
        start = self.base + slot
        _pack_tensor[0](self.memory, slot, self.base + self.SCALAR, dtype, 0, start + self.TENSOR, 0)
        return start


_PER_ROW_SLOTS = (_Frame.MASK, _Frame.IGNORED, _Frame.GRAD_LOSSES)
NO_ARRAYS: tuple[Array | None, Array | None, Array | None] = (None, None, None)

_frames: list[_Frame] = []
_first_byte: Any = ctypes.c_char.from_buffer
_addressof = ctypes.addressof
_OPTIONS_SIZE = ctypes.sizeof(Options)
_F32, _F64 = FLOATS[np.dtype(np.float32)], FLOATS[np.dtype(np.float64)]


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype == FLOAT16 or is_bfloat16(dtype)


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """NumPy has no bfloat16 of its own; it is known by its name, whichever package it comes from."""
    return dtype == BFLOAT16_BITS or (dtype.kind == "V" and dtype.name == "bfloat16" and dtype.itemsize == 2)


def cross_entropy(
    x: Placeable,
    axis: int,
    target: Placeable,
    weight: Placeable | None,
    sample_weight: Placeable | None,
    choices: tuple[int, int, int, int],
    numbers: tuple[int, float, float, float, float],
    terms: tuple[float, float, float, float, float],
    threads: int,
    loss: Placeable | None,
    grad: Placeable | None,
    row_stats: tuple[Array, ...] | None,
    per_row: tuple[Array | None, Array | None, Array | None],
    interruptible: bool,
    pos_weight: Placeable | None = None,
    is_binary: bool = False,
) -> Any:
    """``ce_cross_entropy``, or ``ce_binary_cross_entropy``; a status other than CE_OK is raised as an exception.

    ``choices``: input_type, reduction, mean_over, empty. ``numbers``: ignore_index, label_smoothing, mean_divisor,
    clip, grad_loss. ``terms``: z_loss, focal_gamma, poly_epsilon, softcap, logit_scale.
    ``per_row``: mask, ignore_indices, grad_losses. Returns ``loss``; or a new scalar where that is None: f64
    for f64 x, else f32.

    With ``interruptible`` an exception from a signal handler, such as KeyboardInterrupt, ends the
    computation; it costs the start of a thread. Without it such an exception waits for the result.
    """
    try:
        frame = _frames.pop()
    except IndexError:
        frame = _Frame()
    try:
        place, base = frame.place, frame.base
        is_f64 = x.dtype == _F64 if isinstance(x, Memory) else x.dtype.char == "d"
        view = place(frame.X, x)
        arguments = (
            view,
            axis,
            place(frame.TARGET, target),
            base,
            frame.place_scalar(frame.LOSS, _F64 if is_f64 else _F32) if loss is None else place(frame.LOSS, loss),
            view if grad is x else place(frame.GRAD, grad),
        )
        w, s = place(frame.WEIGHT, weight), place(frame.SAMPLE_WEIGHT, sample_weight)
        v = place(frame.POS_WEIGHT, pos_weight)
        function = _binary_cross_entropy if is_binary else _cross_entropy
        stats = 0 if row_stats is None else frame.place_row_stats(row_stats)
        cancel = c_int32(0) if interruptible else None
        flag = 0 if cancel is None else ctypes.addressof(cancel)
        others = (0, 0, 0) if per_row is NO_ARRAYS else map(place, _PER_ROW_SLOTS, per_row)
        _pack_options(
            frame.memory, 0, _OPTIONS_SIZE, *choices, *numbers, w, s, flag, threads, 0, *terms, stats, *others, v
        )
        _run(function, arguments, cancel)
        if loss is not None:
            return loss
        return (np.float64 if is_f64 else np.float32)(
            struct.unpack_from("d" if is_f64 else "f", frame.memory, frame.SCALAR)[0]
        )
    finally:
        _frames.append(frame)


_DEFAULT_NUMBERS = (0.0, 0.0, 0.0, 1.0)  # label_smoothing, mean_divisor, clip, grad_loss
_NO_POINTERS = (0, 0, 0, 0, 0)  # row_stats, mask, ignore_indices, grad_losses, pos_weight


@contextmanager
def _frame() -> Iterator[_Frame]:
    try:
        frame = _frames.pop()
    except IndexError:
        frame = _Frame()
    try:
        yield frame
    finally:
        _frames.append(frame)


def of_logits(
    name: str,
    x: Array,
    axis: int,
    labels: Array | None,
    ignore_index: int,
    softcap: float,
    logit_scale: float,
    threads: int,
    output: Array | tuple[Array, ...],
    interruptible: bool,
) -> None:
    """``ce_softmax``, ``ce_log_softmax``, ``ce_logsumexp``; or, with the arrays of ``RowStats`` as ``output``,
    ``ce_compute_row_stats``."""
    with _frame() as frame:
        place, base = frame.place, frame.base
        view = place(frame.X, x)
        cancel = c_int32(0) if interruptible else None
        flag = 0 if cancel is None else ctypes.addressof(cancel)
        _pack_options(
            frame.memory, 0, _OPTIONS_SIZE, 0, 0, 0, 0, ignore_index, *_DEFAULT_NUMBERS, 0, 0, flag, threads, 0,
            0.0, 0.0, 0.0, softcap, logit_scale, *_NO_POINTERS,
        )  # fmt: skip
        if isinstance(output, tuple):
            stats = frame.place_row_stats(output)
            _run(_compute_row_stats, (view, axis, place(frame.TARGET, labels), base, stats), cancel)
        else:
            _run(_softmax[name], (view, axis, base, view if output is x else place(frame.GRAD, output)), cancel)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def partial_compute(
    x: Array,
    axis: int,
    first_class: int,
    target: Array,
    ignore_index: int,
    softcap: float,
    logit_scale: float,
    threads: int,
    partials: Array,
    interruptible: bool,
) -> None:
    """``ce_partial_compute``: writes to ``partials``, a contiguous array of `PARTIAL`, one for each row."""
    with _frame() as frame:
        cancel = c_int32(0) if interruptible else None
        flag = 0 if cancel is None else ctypes.addressof(cancel)
        _pack_options(
            frame.memory, 0, _OPTIONS_SIZE, 0, 0, 0, 0, ignore_index, *_DEFAULT_NUMBERS, 0, 0, flag, threads, 0,
            0.0, 0.0, 0.0, softcap, logit_scale, *_NO_POINTERS,
        )  # fmt: skip
        view, labels = frame.place(frame.X, x), frame.place(frame.TARGET, target)
        _run(_partial_compute, (view, axis, first_class, labels, frame.base, _address(partials)), cancel)


def partial_merge(into: Array, other: Array) -> None:
    """``ce_partial_merge``, of contiguous arrays of `PARTIAL`."""
    _run(_partial_merge, (_address(into), _address(other), into.size), None)


def partial_loss(
    partials: Array,
    classes: int,
    weight: Array | None,
    sample_weight: Array | None,
    choices: tuple[int, int, int],
    mean_divisor: float,
    terms: tuple[float, float, float],
    loss: Array,
) -> None:
    """``ce_partial_loss``. ``choices``: reduction, mean_over, empty. ``terms``: z_loss, focal_gamma, poly_epsilon."""
    with _frame() as frame:
        w, s = frame.place(frame.WEIGHT, weight), frame.place(frame.SAMPLE_WEIGHT, sample_weight)
        numbers = (IGNORE_NONE, 0.0, mean_divisor, 0.0, 1.0)
        _pack_options(
            frame.memory, 0, _OPTIONS_SIZE, 0, *choices, *numbers, w, s, 0, 0, 0, *terms, 0.0, 0.0, *_NO_POINTERS
        )  # fmt: skip
        output = frame.place(frame.LOSS, loss)
        _run(_partial_loss, (_address(partials), partials.size, classes, frame.base, output), None)


def partial_grad(
    x: Array,
    axis: int,
    first_class: int,
    partials: Array,
    classes: int,
    weight: Array | None,
    sample_weight: Array | None,
    choices: tuple[int, int, int],
    mean_divisor: float,
    grad_loss: float,
    terms: tuple[float, float, float],
    threads: int,
    grad: Array,
    interruptible: bool,
) -> None:
    """``ce_partial_grad``."""
    with _frame() as frame:
        w, s = frame.place(frame.WEIGHT, weight), frame.place(frame.SAMPLE_WEIGHT, sample_weight)
        cancel = c_int32(0) if interruptible else None
        flag = 0 if cancel is None else ctypes.addressof(cancel)
        numbers = (IGNORE_NONE, 0.0, mean_divisor, 0.0, grad_loss)
        _pack_options(
            frame.memory, 0, _OPTIONS_SIZE, 0, *choices, *numbers, w, s, flag, threads, 0, *terms, 0.0, 0.0,
            *_NO_POINTERS,
        )  # fmt: skip
        view = frame.place(frame.X, x)
        output = view if grad is x else frame.place(frame.GRAD, grad)
        arguments = (view, axis, first_class, _address(partials), classes, frame.base, output)
        _run(_partial_grad, arguments, cancel)


def accumulator_init(accumulator: Array) -> None:
    """``ce_accumulator_init``, of a contiguous array of one `ACCUMULATOR`."""
    _run(_accumulator_init, (_address(accumulator),), None)


def accumulator_add(accumulator: Array, losses: Array, weight: Array | None, correct: Array | None) -> None:
    """``ce_accumulator_add``."""
    with _frame() as frame:
        loss, w = frame.place(frame.LOSS, losses), frame.place(frame.WEIGHT, weight)
        _run(_accumulator_add, (_address(accumulator), loss, w, frame.place(frame.TARGET, correct)), None)


def accumulator_merge(into: Array, other: Array) -> None:
    """``ce_accumulator_merge``."""
    _run(_accumulator_merge, (_address(into), _address(other)), None)


def accumulator_result(accumulator: Array) -> tuple[float, float, float]:
    """``ce_accumulator_result``: mean, sum, weight."""
    result = np.empty(3)
    start = _address(result)
    _run(_accumulator_result, (_address(accumulator), start, start + 8, start + 16), None)
    return float(result[0]), float(result[1]), float(result[2])


def _run(function: Any, arguments: tuple[int, ...], cancel: c_int32 | None) -> None:
    """Calls; with ``cancel`` so that it can be interrupted. A status other than CE_OK is raised."""
    if cancel is None:
        status = function(*arguments)
        message = _text(_last_error_message()) if status else ""
    else:
        status, message = _run_interruptibly(function, arguments, cancel)
    if status:
        _raise(status, message)


def _run_interruptibly(function: Any, arguments: tuple[int, ...], cancel: c_int32) -> tuple[int, str]:
    """Status and message, from another thread: Python runs signal handlers in the main thread, and only while that
    executes Python code or waits for a lock."""
    results = []
    done = threading.Event()

    def call() -> tuple[int, str]:
        status = function(*arguments)
        # The message belongs to the thread that made the call, so it is fetched there.
        return status, _text(_last_error_message()) if status else ""

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
