// Binary cross-entropy.
#include "rows.h"
#include "run_call.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return run_one(data, size, decode_binary_call, expected_binary_call);
}
