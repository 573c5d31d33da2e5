// Loss and gradient of rows, KL divergence, second derivatives.
#include "rows.h"
#include "run_call.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return run_one(data, size, decode_loss_call, expected_loss_call);
}
