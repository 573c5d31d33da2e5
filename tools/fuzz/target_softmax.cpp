// Softmax, its logarithm, lse, row statistics.
#include "rows.h"
#include "run_call.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return run_one(data, size, decode_softmax_call, expected_softmax_call);
}
