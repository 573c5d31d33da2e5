// Calls on rows of classes, from bytes.
#pragma once

#include "call.h"

/// The input: dtype, shape, class axis, arrangement, values. `may_be_empty`: of no class.
void decode_input(Call &call, Bytes &bytes);

/// Loss and gradient, KL divergence and second derivatives.
void decode_loss_call(Call &call, Bytes &bytes);

/// Softmax, its logarithm, lse, row statistics.
void decode_softmax_call(Call &call, Bytes &bytes);

void decode_binary_call(Call &call, Bytes &bytes);

/// Breaks one thing about the tensors that the library has to notice; `errors` says what it must answer.
void corrupt(Call &call, Bytes &bytes);
