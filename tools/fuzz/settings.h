// The options of a call: drawn from the bytes, and which of them the header refuses.
#pragma once

#include "call.h"

/// Draws options for a call whose input, target and outputs are there, with their tensors. Those that the function refuses
/// are mostly taken back; what remains of them is expected to be refused.
void decode_options(Call &call, Bytes &bytes);
