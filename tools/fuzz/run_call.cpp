#include "run_call.h"

#include <cstdio>

#include "checks.h"
#include "report.h"
#include "rows.h"

int run_one(const uint8_t *data, size_t size, void (*decode)(Call &, Bytes &), Expected (*expect)(Call &)) {
    memory::begin();
    Bytes bytes(data, size);
    // Decided first, but what it does comes last.
    const bool is_to_be_corrupted = bytes.one_in(16);
    const uint8_t how[] = {bytes.byte(), bytes.byte(), bytes.byte(), bytes.byte()};
    Call call;
    decode(call, bytes);
    const Expected expected = expect(call);
    if (is_to_be_corrupted) {
        Bytes corruption(how, sizeof how);
        corrupt(call, corruption);
    }
    if (is_verbose) {
        for (Tensor &tensor : call.tensors) {
            if (tensor.present) tensor.snapshot();
        }
        fprintf(stderr, "%s", text_of(call).c_str());
    }
    call.run();
    call.check_memory();
    const bool is_cancelled = call.is_cancellable && call.cancel != 0;
    if (is_cancelled && call.status == CE_ERROR_CANCELLED) return 0;
    if (call.errors != 0) {
        if (call.status == CE_OK || (call.errors >> call.status & 1) == 0) {
            fail(call, "status %d (%s) where one of the bits 0x%x is due", call.status, ce_status_string(call.status),
                 call.errors);
        }
        return 0;
    }
    if (call.status != CE_OK) fail(call, "status %d (%s)", call.status, ce_status_string(call.status));
    check_invariants(call);
    check_results(call, expected);
    check_reproducible(call);
    check_sum(call, expected);
    return 0;
}
