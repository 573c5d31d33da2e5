// The values that tensors are filled with.
#pragma once

#include "tensor.h"

/// Logits: ordinary, confident, masked, tied, huge, tiny, not numbers; row by row.
void fill_logits(Tensor &tensor, int axis, Bytes &bytes);

/// Probabilities, mostly such as add up to 1 along the axis; also negative ones, 0, or none at all.
void fill_probabilities(Tensor &tensor, int axis, Bytes &bytes);

/// Logarithms of such.
void fill_log_probabilities(Tensor &tensor, int axis, Bytes &bytes);

/// Weights: ordinary, 0, tiny, huge, and if `wild` also negative ones and such as are not finite.
void fill_weights(Tensor &tensor, Bytes &bytes, bool wild);

/// Any real numbers, some of them not finite.
void fill_numbers(Tensor &tensor, Bytes &bytes);

/// Class indices below `classes`; `ignored` now and then, and if `wild` any integer.
void fill_labels(Tensor &tensor, int64_t classes, int64_t ignored, bool wild, Bytes &bytes);

/// 0 or not.
void fill_mask(Tensor &tensor, Bytes &bytes);
