"""Structures and constants of ``include/crossentropy.h``; ``tests/test_version.py`` holds the two together."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_double, c_int32, c_int64, c_uint64, c_void_p
from typing import Any

import numpy as np

# ----------------------------------------------------------------------------------------------
# Structures
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
    """``ce_row_stats``: pointers to an output of one number for each row."""

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

# ----------------------------------------------------------------------------------------------
# Constants
# ----------------------------------------------------------------------------------------------

MAX_NDIM = 64
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


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype == FLOAT16 or is_bfloat16(dtype)


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """NumPy has no bfloat16 of its own; it is known by its name, whichever package it comes from."""
    return dtype == BFLOAT16_BITS or (dtype.kind == "V" and dtype.name == "bfloat16" and dtype.itemsize == 2)
