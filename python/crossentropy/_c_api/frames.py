"""Memory for the structures of a call: options, outputs, tensors."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import POINTER, c_double, c_int32, c_int64, c_uint64
from typing import Any, ClassVar, NamedTuple, Union

import numpy as np

from .._types import Array
from .functions import options_init
from .header import BFLOAT16, DTYPES, MAX_NDIM, Options, Outputs, RowStats, Tensor
from .interrupts import Cancel


class Memory(NamedTuple):
    """An array of a package that tells more cheaply where its memory is than NumPy does."""

    address: int  # 0 if it is empty
    dtype: int  # of `DTYPES`, or bfloat16
    shape: Sequence[int]
    strides: Sequence[int] | None  # in elements; None: contiguous
    owner: Any  # keeps it alive


Placeable = Union[Array, Memory]

# Fields of `Options` that are not at their defaults. Pointers to tensors are arrays here. Settings are not changed once
# a call has been made with them: a frame that holds the same ones is not filled again.
Settings = Mapping[str, Any]
NO_SETTINGS: Settings = {}


def _format(fields: Any) -> str:
    """That of `struct`, which packs faster than fields of ctypes can be set."""
    codes = {c_int32: "i", c_int64: "q", c_uint64: "Q", c_double: "d"}
    return "@" + "".join(codes.get(kind, "P") for _, kind in fields)


_TENSOR_SIZE, _OPTIONS_SIZE, _OUTPUTS_SIZE = map(ctypes.sizeof, (Tensor, Options, Outputs))
_pack_tensor = [struct.Struct(_format(Tensor._fields_) + f"{ndim}q").pack_into for ndim in range(MAX_NDIM + 1)]
_pack_outputs = struct.Struct(_format(Outputs._fields_)).pack_into
_pack_row_stats = struct.Struct(_format(RowStats._fields_)).pack_into
first_byte: Any = ctypes.c_char.from_buffer
addressof = ctypes.addressof


def _defaults() -> bytes:
    """The options as the library itself fills them."""
    options = Options()
    options_init(addressof(options), _OPTIONS_SIZE)
    return bytes(options)


_DEFAULTS = _defaults()
# What writes each field of the options, and where.
_FIELDS = {
    name: (struct.Struct(_format([(name, kind)])).pack_into, getattr(Options, name).offset)
    for name, kind, *_ in Options._fields_
}
_TENSORS = [field[0] for field in Options._fields_ if field[1] is POINTER(Tensor)]


class Frame:
    """Memory for the structures of a call: the options, the outputs, a number for a scalar loss, and for each tensor
    its shape and strides behind it.

    Frames are used again. A call takes one from `frames` and gives it back at its end, so that no two calls at a
    time have the same one, be they of two threads or of a signal handler in the middle of another call. One that ends
    in an exception gives none back: interrupted twice in a moment, it may be left before the library has ended it.
    """

    SHAPE = 8 * MAX_NDIM
    SLOT = _TENSOR_SIZE + 2 * SHAPE
    SCALAR = _OPTIONS_SIZE
    OUTPUTS = SCALAR + 8
    ROW_STATS = OUTPUTS + _OUTPUTS_SIZE
    _FIRST = ROW_STATS + ctypes.sizeof(RowStats)
    X, TARGET, LOSS, GRAD, GRAD_TARGET, SCALAR_F32, SCALAR_F64, _OTHERS = range(_FIRST, _FIRST + 8 * SLOT, SLOT)
    SIZE = _OTHERS + len(_TENSORS) * SLOT
    # Of the options' tensors, by the names of their fields.
    TENSORS: ClassVar[dict[str, int]] = dict(zip(_TENSORS, range(_OTHERS, SIZE, SLOT)))

    def __init__(self) -> None:
        memory: Any = (ctypes.c_char * self.SIZE)()
        self.memory = memory
        self.base = addressof(memory)
        self.options = memoryview(memory).cast("B")[:_OPTIONS_SIZE]
        # What the options hold now, if that is no tensor's address: see `place_options`.
        self.settings: Settings | None = None
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
            address = addressof(first_byte(array))
        except (TypeError, ValueError, BufferError):  # read-only, empty, bfloat16, or not contiguous
            address = array.__array_interface__["data"][0]
            if not array.flags.c_contiguous:
                strides = start + _TENSOR_SIZE + self.SHAPE
                numbers = [stride // array.itemsize for stride in array.strides]
                struct.pack_into(f"{ndim}q", self.memory, slot + _TENSOR_SIZE + self.SHAPE, *numbers)
        dtype = DTYPES.get(array.dtype, BFLOAT16)
        _pack_tensor[ndim](self.memory, slot, address, dtype, ndim, start + _TENSOR_SIZE, strides, *shape)
        return start

    def place_options(self, settings: Settings, cancel: Cancel | None = None) -> int:
        """The address of the options."""
        if settings is self.settings and cancel is None:
            return self.base
        options = self.options
        options[:] = _DEFAULTS
        has_addresses = cancel is not None
        for name, value in settings.items():
            if value.__class__ is not int and value.__class__ is not float:
                value = self.place(self.TENSORS[name], value)
                has_addresses = True
            pack, offset = _FIELDS[name]
            pack(options, offset, value)
        if cancel is not None:
            pack, offset = _FIELDS["cancel"]
            pack(options, offset, addressof(cancel))
        self.settings = None if has_addresses else settings
        return self.base

    def place_outputs(
        self, loss: int, grad: int, grad_target: Placeable | None, row_stats: tuple[Array, ...] | None
    ) -> int:
        """The address of the outputs; ``loss`` and ``grad`` are addresses of views, or 0."""
        target = 0 if grad_target is None else self.place(self.GRAD_TARGET, grad_target)
        stats = 0 if row_stats is None else self.place_row_stats(row_stats)
        _pack_outputs(self.memory, self.OUTPUTS, _OUTPUTS_SIZE, loss, grad, target, stats)
        return self.base + self.OUTPUTS

    def place_row_stats(self, arrays: tuple[Array, ...]) -> int:
        """The address of pointers to contiguous arrays, those of ``RowStats``."""
        _pack_row_stats(self.memory, self.ROW_STATS, ctypes.sizeof(RowStats), *map(address, arrays))
        return self.base + self.ROW_STATS


def address(array: Array) -> int:
    """Of its first element."""
    return int(array.__array_interface__["data"][0])


frames: list[Frame] = []


@contextmanager
def frame() -> Iterator[Frame]:
    """One that nobody else has, given back unless an exception ends the call."""
    try:
        taken = frames.pop()
    except IndexError:
        taken = Frame()
    yield taken
    frames.append(taken)
