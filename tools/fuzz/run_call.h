// One input of the fuzzer that is one call.
#pragma once

#include "call.h"
#include "decode.h"
#include "reference/expected.h"

/// Decodes a call, makes it, and checks everything.
int run_one(const uint8_t *data, size_t size, void (*decode)(Call &, Bytes &), Expected (*expect)(Call &));
