"""The C library: where it is found, what it contains, how it is called.

This is the only module that knows ctypes. Structures and prototypes repeat
``include/crossentropy.h``; ``tests/test_version.py`` holds the two together.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_uint64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _interruptible, _messages
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
        ("reserved_input", c_int32),
        ("clip", c_double),
        ("logit_scale", c_double),
        ("softcap", c_double),
        ("temperature", c_double),
        ("target_type", c_int32),
        ("target_rest", c_int32),
        ("target_probs", POINTER(Tensor)),
        ("target_offsets", POINTER(Tensor)),
        ("ignore_index", c_int64),
        ("ignore_indices", POINTER(Tensor)),
        ("label_smoothing", c_double),
        ("prior", POINTER(Tensor)),
        ("weight", POINTER(Tensor)),
        ("sample_weight", POINTER(Tensor)),
        ("mask", POINTER(Tensor)),
        ("pos_weight", POINTER(Tensor)),
        ("z_loss", c_double),
        ("focal_gamma", c_double),
        ("poly_epsilon", c_double),
        ("temperature_squared", c_int32),
        ("kl_form", c_int32),
        ("reduction", c_int32),
        ("mean_over", c_int32),
        ("mean_divisor", c_double),
        ("empty", c_int32),
        ("reserved_reduction", c_int32),
        ("grad_loss", c_double),
        ("grad_losses", POINTER(Tensor)),
        ("threads", c_int32),
        ("reserved_execution", c_int32),
        ("cancel", POINTER(c_int32)),
    ]


class Outputs(ctypes.Structure):
    """``ce_outputs``: the tensors that a call writes."""

    _fields_ = [
        ("size", c_uint64),
        ("loss", POINTER(Tensor)),
        ("grad", POINTER(Tensor)),
        ("grad_target", POINTER(Tensor)),
        ("row_stats", c_void_p),
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
TARGET_TYPES = {"probs": 0, "logits": 1, "log_probs": 2}
TARGET_RESTS = {"drop": 0, "spread": 1, "renormalize": 2}
KL_FORMS = {"generalized": 0, "plain": 1}
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
cross_entropy = _function("ce_cross_entropy", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
binary_cross_entropy = _function("ce_binary_cross_entropy", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
kl_divergence = _function("ce_kl_divergence", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
_hessian_vector_product = _function("ce_hessian_vector_product", c_int32, c_void_p, c_int32, *[c_void_p] * 4)
_hessian_diagonal = _function("ce_hessian_diagonal", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
_softmax = {
    name: _function(f"ce_{name}", c_int32, c_void_p, c_int32, *[c_void_p] * 2)
    for name in ("softmax", "log_softmax", "logsumexp")
}
_compute_row_stats = _function("ce_compute_row_stats", c_int32, c_void_p, c_int32, *[c_void_p] * 3)

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


class Memory(NamedTuple):
    """An array of a package that tells more cheaply where its memory is than NumPy does."""

    address: int  # 0 if it is empty
    dtype: int  # of `DTYPES`, or bfloat16
    shape: Sequence[int]
    strides: Sequence[int] | None  # in elements; None: contiguous
    owner: Any  # keeps it alive


Placeable = Union[Array, Memory]

# What the options are made of.

Choices = tuple[int, int, int, int]  # input_type, reduction, mean_over, empty
Numbers = tuple[int, float, float, float, float]  # ignore_index, label_smoothing, mean_divisor, clip, grad_loss
Terms = tuple[float, float, float, float, float]  # z_loss, focal_gamma, poly_epsilon, softcap, logit_scale


class Tensors(NamedTuple):
    """Arrays that the options point to, in the order of their fields; first and last those of the outputs."""

    row_stats: tuple[Array, ...] | None = None
    mask: Array | None = None
    ignore_indices: Array | None = None
    grad_losses: Array | None = None
    pos_weight: Placeable | None = None
    prior: Array | None = None
    target_probs: Array | None = None
    target_offsets: Array | None = None
    grad_target: Placeable | None = None


Modes = tuple[int, int, float, int, int]  # target_type, target_rest, temperature, temperature_squared, kl_form

NO_NUMBERS = (IGNORE_NONE, 0.0, 0.0, 0.0, 1.0)
NO_TERMS = (0.0, 0.0, 0.0, 0.0, 1.0)
NO_TENSORS = Tensors()
NO_MODES = (0, 0, 1.0, 0, 0)

# Beside them the class weights, the sample weights and the number of threads.
Settings = tuple[Choices, Numbers, Optional[Placeable], Optional[Placeable], int, Terms, Tensors, Modes]


def _packer(fields: Any, extra: str = "", zeros: Iterable[str] = ()) -> Any:
    """What writes these fields of a structure at once, much faster than one by one; ``zeros`` become 0."""
    codes = {c_int32: "i", c_int64: "q", c_uint64: "Q", c_double: "d"}
    words = [f"{ctypes.sizeof(kind)}x" if name in zeros else codes.get(kind, "P") for name, kind in fields]
    return struct.Struct("@" + "".join(words) + extra).pack_into


MAX_NDIM = 64
_RESERVED = ("reserved_input", "reserved_reduction", "reserved_execution")
# Those that are 0 in a plain call.
_EXTRAS = (
    *("softcap", "target_type", "target_rest", "target_probs", "target_offsets"),
    *("ignore_indices", "prior", "mask", "pos_weight", "z_loss", "focal_gamma", "poly_epsilon", "temperature_squared"),
    *("kl_form", "grad_losses"),
)
_pack_options = _packer(Options._fields_, zeros=_RESERVED)
_pack_plain_options = _packer(Options._fields_, zeros=(*_RESERVED, *_EXTRAS))
_pack_outputs = _packer(Outputs._fields_)
_pack_row_stats = _packer(RowStats._fields_)
_pack_tensor = [_packer(Tensor._fields_, f"{ndim}q") for ndim in range(MAX_NDIM + 1)]
_TENSOR_SIZE, _OPTIONS_SIZE, _OUTPUTS_SIZE = map(ctypes.sizeof, (Tensor, Options, Outputs))
_NO_POINTERS = (0,) * (len(Tensors._fields) - 2)


class _Frame:
    """Memory for the structures of a call: the options, the outputs, a number for a scalar loss, and for each tensor
    its shape and strides behind it.

    Frames are used again. A call takes one from `_frames` and gives it back at its end, so that no two calls at a
    time have the same one, be they of two threads or of a signal handler in the middle of another call. One that ends
    in an exception gives none back: interrupted twice in a moment, it may be left before the library has ended it.
    """

    OUTPUTS = _OPTIONS_SIZE
    SCALAR = OUTPUTS + _OUTPUTS_SIZE
    SHAPE = 8 * MAX_NDIM
    SLOT = _TENSOR_SIZE + 2 * SHAPE
    (
        X, TARGET, LOSS, GRAD, WEIGHT, SAMPLE_WEIGHT, MASK, IGNORED, GRAD_LOSSES, POS_WEIGHT, PRIOR, TARGET_PROBS,
        TARGET_OFFSETS, GRAD_TARGET, SCALAR_F32, SCALAR_F64, ROW_STATS,
    ) = range(SCALAR + 8, SCALAR + 8 + 17 * SLOT, SLOT)  # fmt: skip
    TENSORS = range(MASK, GRAD_TARGET, SLOT)  # in the order of `Tensors`

    def __init__(self) -> None:
        memory: Any = (ctypes.c_char * (self.ROW_STATS + ctypes.sizeof(RowStats)))()
        self.memory = memory
        self.base = ctypes.addressof(memory)
        # For each dtype of a scalar loss the address of a view of the number, and what reads it.
        self.scalars: dict[str, tuple[int, Array]] = {}
        for dtype, slot in (("f", self.SCALAR_F32), ("d", self.SCALAR_F64)):
            number = np.frombuffer(memory, dtype, 1, self.SCALAR)
            self.scalars[dtype] = self.place(slot, number.reshape(())), number

    def place(self, slot: int, array: Placeable | None) -> int:
        """The address of a view of ``array``, valid as long as the array is; 0 for None. Its dtype is in `DTYPES` or
        bfloat16, and its strides are multiples of its item size."""
        if array is None:
            return 0
        start = self.base + slot
        shape = array.shape
        ndim = len(shape)
        strides = 0
        if isinstance(array, Memory):
            if array.strides is not None:
                strides = start + _TENSOR_SIZE + self.SHAPE
                struct.pack_into(f"{ndim}q", self.memory, slot + _TENSOR_SIZE + self.SHAPE, *array.strides)
            _pack_tensor[ndim](
                self.memory, slot, array.address, array.dtype, ndim, start + _TENSOR_SIZE, strides, *shape
            )
            return start
        try:
            # A quarter of a microsecond, where the buffer protocol allows it, instead of a whole one.
            address = _addressof(_first_byte(array))
        except (TypeError, ValueError, BufferError):  # read-only, empty, bfloat16, or not contiguous
            address = array.__array_interface__["data"][0]
            if not array.flags.c_contiguous:
                strides = start + _TENSOR_SIZE + self.SHAPE
                numbers = [stride // array.itemsize for stride in array.strides]
                struct.pack_into(f"{ndim}q", self.memory, slot + _TENSOR_SIZE + self.SHAPE, *numbers)
        dtype = DTYPES.get(array.dtype, BFLOAT16)
        _pack_tensor[ndim](self.memory, slot, address, dtype, ndim, start + _TENSOR_SIZE, strides, *shape)
        return start

    def place_row_stats(self, arrays: tuple[Array, ...]) -> int:
        """The address of pointers to contiguous arrays, those of ``RowStats``."""
        addresses = [array.__array_interface__["data"][0] for array in arrays]
        _pack_row_stats(self.memory, self.ROW_STATS, ctypes.sizeof(RowStats), *addresses)
        return self.base + self.ROW_STATS

    def place_outputs(self, loss: int, grad: int, tensors: Tensors) -> int:
        """The address of the outputs; ``loss`` and ``grad`` are addresses of views, or 0."""
        grad_target = stats = 0
        if tensors is not NO_TENSORS:
            grad_target = self.place(self.GRAD_TARGET, tensors.grad_target)
            if tensors.row_stats is not None:
                stats = self.place_row_stats(tensors.row_stats)
        _pack_outputs(self.memory, self.OUTPUTS, _OUTPUTS_SIZE, loss, grad, grad_target, stats)
        return self.base + self.OUTPUTS

    def place_options(
        self,
        cancel: c_int32 | None = None,
        choices: Choices = (0, 0, 0, 0),
        numbers: Numbers = NO_NUMBERS,
        weight: Placeable | None = None,
        sample_weight: Placeable | None = None,
        threads: int = 0,
        terms: Terms = NO_TERMS,
        tensors: Tensors = NO_TENSORS,
        modes: Modes = NO_MODES,
    ) -> int:
        """The address of the options."""
        w = s = flag = 0
        if weight is not None:
            w = self.place(self.WEIGHT, weight)
        if sample_weight is not None:
            s = self.place(self.SAMPLE_WEIGHT, sample_weight)
        if cancel is not None:
            flag = _addressof(cancel)
        input_type, reduction, mean_over, empty = choices
        ignore_index, smoothing, divisor, clip, grad_loss = numbers
        if terms is NO_TERMS and tensors is NO_TENSORS and modes is NO_MODES:
            _pack_plain_options(
                self.memory, 0, _OPTIONS_SIZE, input_type, clip, 1.0, 1.0, ignore_index, smoothing, w, s,
                reduction, mean_over, divisor, empty, grad_loss, threads, flag,
            )  # fmt: skip
            return self.base
        z_loss, focal_gamma, poly_epsilon, softcap, logit_scale = terms
        target_type, target_rest, temperature, temperature_squared, kl_form = modes
        pointers: Iterable[int] = _NO_POINTERS
        if tensors is not NO_TENSORS:
            pointers = map(self.place, self.TENSORS, tensors[1:-1])
        mask, ignore_indices, grad_losses, pos_weight, prior, target_probs, target_offsets = pointers
        _pack_options(
            self.memory, 0, _OPTIONS_SIZE, input_type, clip, logit_scale, softcap, temperature,
            target_type, target_rest, target_probs, target_offsets, ignore_index, ignore_indices, smoothing, prior,
            w, s, mask, pos_weight, z_loss, focal_gamma, poly_epsilon, temperature_squared, kl_form,
            reduction, mean_over, divisor, empty, grad_loss, grad_losses, threads, flag,
        )  # fmt: skip
        return self.base


class _Cancel(c_int32):
    """The flag that ends a call; and what the library has in use until it has seen the flag."""

    def __init__(self, *kept: Any) -> None:
        c_int32.__init__(self, 0)  # super() has Python 3.11 refuse the class, for what ctypes makes of it
        self.kept = kept


_F64 = np.dtype(np.float64)
_frames: list[_Frame] = []
_first_byte: Any = ctypes.c_char.from_buffer
_addressof = ctypes.addressof


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype == FLOAT16 or is_bfloat16(dtype)


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """NumPy has no bfloat16 of its own; it is known by its name, whichever package it comes from."""
    return dtype == BFLOAT16_BITS or (dtype.kind == "V" and dtype.name == "bfloat16" and dtype.itemsize == 2)


def loss(
    function: Any,
    x: Placeable,
    axis: int,
    target: Placeable,
    loss: Placeable | None,
    grad: Placeable | None,
    settings: Settings,
    interruptible: bool,
    names: Mapping[str, str] = _messages.ARRAYS,
) -> Any:
    """`cross_entropy`, `binary_cross_entropy` or `kl_divergence`; a status other than CE_OK is raised as an exception.

    Returns ``loss``; or a new scalar where that is None: f64 for f64 x, else f32.

    With ``interruptible`` an exception from a signal handler, such as KeyboardInterrupt, ends the
    computation; it costs the start of a thread. Without it such an exception waits for the result. Messages
    have the caller's ``names`` for arguments.
    """
    try:
        frame = _frames.pop()
    except IndexError:
        frame = _Frame()
    place = frame.place
    cancel = _Cancel(frame, x, target, loss, grad, settings) if interruptible else None
    if loss is None:
        output, number = frame.scalars["d" if x.dtype == _F64 else "f"]
    else:
        output = place(frame.LOSS, loss)
    view = place(frame.X, x)
    arguments = (
        view,
        axis,
        place(frame.TARGET, target),
        frame.place_options(cancel, *settings),
        frame.place_outputs(output, view if grad is x else place(frame.GRAD, grad), settings[6]),
    )
    _run(function, arguments, cancel, names)
    result = number[0] if loss is None else loss
    _frames.append(frame)
    return result


@contextmanager
def _frame() -> Iterator[_Frame]:
    try:
        frame = _frames.pop()
    except IndexError:
        frame = _Frame()
    yield frame
    _frames.append(frame)


def hessian(
    x: Array,
    axis: int,
    target: Array,
    vector: Array | None,
    output: Array,
    settings: Settings,
    interruptible: bool,
) -> None:
    """``ce_hessian_vector_product``; without a vector ``ce_hessian_diagonal``."""
    with _frame() as frame:
        cancel = _Cancel(frame, x, target, vector, output, settings) if interruptible else None
        options = frame.place_options(cancel, *settings)
        inputs = frame.place(frame.X, x), axis, frame.place(frame.TARGET, target), options
        result = frame.place(frame.GRAD, output)
        if vector is None:
            _run(_hessian_diagonal, (*inputs, result), cancel)
        else:
            # It lies where a loss has its own tensor.
            _run(_hessian_vector_product, (*inputs, frame.place(frame.LOSS, vector), result), cancel)


def of_logits(
    name: str,
    x: Array,
    axis: int,
    labels: Array | None,
    ignore_index: int,
    terms: Terms,
    threads: int,
    output: Array | tuple[Array, ...],
    interruptible: bool,
) -> None:
    """``ce_softmax``, ``ce_log_softmax``, ``ce_logsumexp``; or, with the arrays of ``RowStats`` as ``output``,
    ``ce_compute_row_stats``."""
    with _frame() as frame:
        place = frame.place
        view = place(frame.X, x)
        cancel = _Cancel(frame, x, labels, output) if interruptible else None
        numbers = (ignore_index, 0.0, 0.0, 0.0, 1.0)
        options = frame.place_options(cancel, numbers=numbers, threads=threads, terms=terms)
        if isinstance(output, tuple):
            stats = frame.place_row_stats(output)
            arguments = view, axis, place(frame.TARGET, labels), options, stats
            _run(_compute_row_stats, arguments, cancel, _messages.ROW_STATS)
        else:
            _run(_softmax[name], (view, axis, options, view if output is x else place(frame.GRAD, output)), cancel)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def partial_compute(
    x: Array,
    axis: int,
    first_class: int,
    target: Array,
    ignore_index: int,
    terms: Terms,
    threads: int,
    partials: Array,
    interruptible: bool,
) -> None:
    """``ce_partial_compute``: writes to ``partials``, a contiguous array of `PARTIAL`, one for each row."""
    with _frame() as frame:
        cancel = _Cancel(frame, x, target, partials) if interruptible else None
        numbers = (ignore_index, 0.0, 0.0, 0.0, 1.0)
        options = frame.place_options(cancel, numbers=numbers, threads=threads, terms=terms)
        view, labels = frame.place(frame.X, x), frame.place(frame.TARGET, target)
        arguments = view, axis, first_class, labels, options, _address(partials)
        _run(_partial_compute, arguments, cancel, _messages.PARTIALS)


def partial_merge(into: Array, other: Array) -> None:
    """``ce_partial_merge``, of contiguous arrays of `PARTIAL`."""
    _run(_partial_merge, (_address(into), _address(other), into.size), None, _messages.PARTIALS)


def partial_loss(
    partials: Array,
    classes: int,
    weight: Array | None,
    sample_weight: Array | None,
    choices: Choices,
    mean_divisor: float,
    terms: Terms,
    loss: Array,
) -> None:
    """``ce_partial_loss``."""
    with _frame() as frame:
        numbers = (IGNORE_NONE, 0.0, mean_divisor, 0.0, 1.0)
        options = frame.place_options(None, choices, numbers, weight, sample_weight, terms=terms)
        output = frame.place(frame.LOSS, loss)
        arguments = _address(partials), partials.size, classes, options, output
        _run(_partial_loss, arguments, None, _messages.PARTIALS)


def partial_grad(
    x: Array,
    axis: int,
    first_class: int,
    partials: Array,
    classes: int,
    weight: Array | None,
    sample_weight: Array | None,
    choices: Choices,
    mean_divisor: float,
    grad_loss: float,
    terms: Terms,
    threads: int,
    grad: Array,
    interruptible: bool,
) -> None:
    """``ce_partial_grad``."""
    with _frame() as frame:
        cancel = _Cancel(frame, x, partials, weight, sample_weight, grad) if interruptible else None
        numbers = (IGNORE_NONE, 0.0, mean_divisor, 0.0, grad_loss)
        options = frame.place_options(cancel, choices, numbers, weight, sample_weight, threads, terms)
        view = frame.place(frame.X, x)
        output = view if grad is x else frame.place(frame.GRAD, grad)
        arguments = view, axis, first_class, _address(partials), classes, options, output
        _run(_partial_grad, arguments, cancel, _messages.PARTIALS)


def accumulator_init(accumulator: Array) -> None:
    """``ce_accumulator_init``, of a contiguous array of one `ACCUMULATOR`."""
    _run(_accumulator_init, (_address(accumulator),), None)


def accumulator_add(accumulator: Array, losses: Array, weight: Array | None, correct: Array | None) -> None:
    """``ce_accumulator_add``."""
    with _frame() as frame:
        loss, w = frame.place(frame.LOSS, losses), frame.place(frame.WEIGHT, weight)
        arguments = _address(accumulator), loss, w, frame.place(frame.TARGET, correct)
        _run(_accumulator_add, arguments, None, _messages.ACCUMULATOR)


def accumulator_merge(into: Array, other: Array) -> None:
    """``ce_accumulator_merge``."""
    _run(_accumulator_merge, (_address(into), _address(other)), None)


def accumulator_result(accumulator: Array) -> tuple[float, float, float]:
    """``ce_accumulator_result``: mean, sum, weight."""
    result = np.empty(3)
    start = _address(result)
    _run(_accumulator_result, (_address(accumulator), start, start + 8, start + 16), None)
    return float(result[0]), float(result[1]), float(result[2])


def _run(
    function: Any,
    arguments: tuple[int, ...],
    cancel: _Cancel | None,
    names: Mapping[str, str] = _messages.ARRAYS,
) -> None:
    """Calls; with ``cancel`` so that it can be interrupted. A status other than CE_OK is raised, with the caller's
    ``names`` for arguments."""
    if cancel is None:
        status = function(*arguments)
        if status:
            _raise(status, _messages.translated(_message(), names))
        return

    def call() -> tuple[int, str]:
        status = function(*arguments)
        # The message belongs to the thread that made the call, so it is fetched there.
        return status, _message() if status else ""

    status, message = _interruptible.run(call, cancel)
    if status:
        _raise(status, _messages.translated(message, names))


def _message() -> str:
    """This thread's last error, without the name of the C function, which the caller has not called."""
    return _text(_last_error_message()).partition(": ")[2]


def _raise(status: int, message: str) -> NoReturn:
    message = message or _text(_status_string(status))
    raise EXCEPTIONS.get(status, CrossEntropyError)(message)


def set_num_threads(count: int) -> None:
    """``ce_set_num_threads``."""
    status = _set_num_threads(count)
    if status:
        _raise(status, _message())


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
