"""The functions of ``include/crossentropy.h``, with their prototypes.

Structures are passed by their addresses, which are numbers: they lie in a `Frame`.
"""

from __future__ import annotations

from ctypes import c_char_p, c_int32, c_int64, c_size_t, c_void_p
from typing import Any

from .library import library


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


version_string = _function("ce_version_string", c_char_p)
build_info = _function("ce_build_info", c_char_p)
isa = _function("ce_isa", c_char_p)
status_string = _function("ce_status_string", c_char_p, c_int32)
last_error_message = _function("ce_last_error_message", c_char_p)
set_num_threads = _function("ce_set_num_threads", c_int32, c_int32)
get_num_threads = _function("ce_get_num_threads", c_int32)
options_init = _function("ce_options_init", c_int32, c_void_p, c_size_t)

cross_entropy = _function("ce_cross_entropy", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
binary_cross_entropy = _function("ce_binary_cross_entropy", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
kl_divergence = _function("ce_kl_divergence", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
hessian_vector_product = _function("ce_hessian_vector_product", c_int32, c_void_p, c_int32, *[c_void_p] * 4)
hessian_diagonal = _function("ce_hessian_diagonal", c_int32, c_void_p, c_int32, *[c_void_p] * 3)
softmax = _function("ce_softmax", c_int32, c_void_p, c_int32, *[c_void_p] * 2)
log_softmax = _function("ce_log_softmax", c_int32, c_void_p, c_int32, *[c_void_p] * 2)
logsumexp = _function("ce_logsumexp", c_int32, c_void_p, c_int32, *[c_void_p] * 2)
compute_row_stats = _function("ce_compute_row_stats", c_int32, c_void_p, c_int32, *[c_void_p] * 3)

partial_compute = _function("ce_partial_compute", c_int32, c_void_p, c_int32, c_int64, *[c_void_p] * 3)
partial_merge = _function("ce_partial_merge", c_int32, c_void_p, c_void_p, c_int64)
partial_loss = _function("ce_partial_loss", c_int32, c_void_p, c_int64, c_int64, *[c_void_p] * 2)
partial_grad = _function("ce_partial_grad", c_int32, c_void_p, c_int32, c_int64, c_void_p, c_int64, *[c_void_p] * 2)
accumulator_init = _function("ce_accumulator_init", c_int32, c_void_p)
accumulator_add = _function("ce_accumulator_add", c_int32, *[c_void_p] * 4)
accumulator_merge = _function("ce_accumulator_merge", c_int32, c_void_p, c_void_p)
accumulator_result = _function("ce_accumulator_result", c_int32, *[c_void_p] * 4)
