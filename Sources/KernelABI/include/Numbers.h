// Declarations that all kernels share: formats of numbers, the transform of logits, the
// terms of a loss, and how a call ends early.
#ifndef CROSSENTROPY_NUMBERS_H
#define CROSSENTROPY_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The format of numbers in memory: the kernel's own type (f32 or f64), 16 bits or, for f64 kernels, f32.
#define CROSSENTROPY_NATIVE 0
#define CROSSENTROPY_BF16   1
#define CROSSENTROPY_F16    2
#define CROSSENTROPY_F32    3

// The transform that is first applied to logits, see Transform.swift; kernels for f32 take a softcap in groups, see Cap.swift.
typedef struct crossentropy_transform {
    double  logit_scale;
    double  softcap;  // 0: no cap
    double  slope;    // the factor of gradients: logit_scale without its power of two, which is part of their scale
    int64_t applies;  // 0: logits are not transformed
} crossentropy_transform;

// The scale s of f32 logits as part of exponentials exp(s x), see Exp.swift; s is from 2^-20 to 2^20.
typedef struct crossentropy_exponent_scale {
    double factor;     // s
    float  high, low;  // s log2(e), as a sum of two numbers
    float  inverse;    // 1 / s
} crossentropy_exponent_scale;
// That of logits without a scale.
static inline crossentropy_exponent_scale crossentropy_no_scale(void) {
    return (crossentropy_exponent_scale){1, 0x1.715476p+0f, 0x1.4ae0cp-26f, 1};
}

// That of f32 logits with a cap, whose exponentials have a unit of their own (see Cap.swift).
static inline crossentropy_exponent_scale crossentropy_cap_scale(void) {
    return (crossentropy_exponent_scale){1, 0, 0, 1};
}

// The terms of a loss of logits beside -log p, see Terms.swift; all 0: none.
typedef struct crossentropy_terms {
    double z_loss;
    double focal_gamma;
    double poly_epsilon;
} crossentropy_terms;
// Whether a loss has more than -log p as a function of p; and whether it has any term at all.
static inline bool crossentropy_terms_are_focal(crossentropy_terms terms) {
    return terms.focal_gamma != 0 || terms.poly_epsilon != 0;
}
static inline bool crossentropy_has_terms(crossentropy_terms terms) {
    return crossentropy_terms_are_focal(terms) || terms.z_loss != 0;
}

// How a call ends early. A long computation calls `crossentropy_is_cancelled` once per block of work, and stops if it is true.
// Later steps do the same, so that nothing else has to be passed on. Core calls it once more before it accepts a result.
typedef struct crossentropy_cancel {
    const volatile int32_t *flag;     // the caller's, which the caller may reset at any time
    int32_t                 is_seen;  // atomic: whether the flag was ever found set; never reset
} crossentropy_cancel;

static inline bool crossentropy_was_cancelled(const crossentropy_cancel *cancel) {
    return cancel != NULL && __atomic_load_n(&cancel->is_seen, __ATOMIC_RELAXED) != 0;
}
// NULL: the call has no flag. Always inlined, because a function of its own would add unwinding tables to its whole file.
__attribute__((always_inline)) static inline bool crossentropy_is_cancelled(crossentropy_cancel *cancel) {
    if (cancel == NULL) return false;
    if (__atomic_load_n(&cancel->is_seen, __ATOMIC_RELAXED) != 0) return true;
    if (__atomic_load_n(cancel->flag, __ATOMIC_RELAXED) == 0) return false;
    __atomic_store_n(&cancel->is_seen, 1, __ATOMIC_RELAXED);
    return true;
}

#endif
