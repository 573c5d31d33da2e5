// What all kernels share: formats of numbers, what is done to logits, the terms of a loss, and how a call ends early.
#ifndef CROSSENTROPY_NUMBERS_H
#define CROSSENTROPY_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How numbers lie in memory: as the kernel's own type (f32 or f64), as 16 bits, or, for f64 kernels, as f32.
#define CROSSENTROPY_NATIVE 0
#define CROSSENTROPY_BF16   1
#define CROSSENTROPY_F16    2
#define CROSSENTROPY_F32    3

// What is done to logits before anything else, see Transform.swift; f64 kernels only.
typedef struct crossentropy_transform {
    double  logit_scale;
    double  softcap;  // 0: none
    double  slope;    // logit_scale as it multiplies gradients: without its power of two, which is part of their scale
    int64_t applies;  // 0: logits are taken as they are
} crossentropy_transform;

// What a loss of logits has beside -log p, see Terms.swift; all 0: nothing.
typedef struct crossentropy_terms {
    double z_loss;
    double focal_gamma;
    double poly_epsilon;
} crossentropy_terms;

// How a call ends early. What may take long asks `crossentropy_is_cancelled` once per block of work and stops where it is; what comes after
// it does the same, so that nothing has to be handed on but this. Core asks once more before a result counts.
typedef struct crossentropy_cancel {
    const volatile int32_t *flag;     // the caller's, who may reset it at any time
    int32_t                 is_seen;  // atomic: whether it was ever found set; remains
} crossentropy_cancel;

static inline bool crossentropy_was_cancelled(const crossentropy_cancel *cancel) {
    return cancel != NULL && __atomic_load_n(&cancel->is_seen, __ATOMIC_RELAXED) != 0;
}
// NULL: the call has no flag. Always inlined, as a function of its own would bring tables for unwinding to all of its file.
__attribute__((always_inline)) static inline bool crossentropy_is_cancelled(crossentropy_cancel *cancel) {
    if (cancel == NULL) return false;
    if (__atomic_load_n(&cancel->is_seen, __ATOMIC_RELAXED) != 0) return true;
    if (__atomic_load_n(cancel->flag, __ATOMIC_RELAXED) == 0) return false;
    __atomic_store_n(&cancel->is_seen, 1, __ATOMIC_RELAXED);
    return true;
}

#endif
