#ifndef CROSSENTROPY_PARTIAL_STATISTICS_H
#define CROSSENTROPY_PARTIAL_STATISTICS_H

#include <stdint.h>

// Partial statistics of a row: ce_partial of crossentropy.h, which describes the fields.

#define CROSSENTROPY_PARTIAL_LIMBS 36
typedef struct crossentropy_partial {
    uint32_t version;
    int32_t  dtype;
    int32_t  has_target;
    int32_t  is_undefined;
    int64_t  label;
    int64_t  first_class;
    int64_t  end_class;
    int64_t  classes;
    uint64_t cover;
    double   logit_scale;
    double   softcap;
    double   max;
    int64_t  argmax;
    double   target;
    double   top;
    int64_t  top_exponent;
    int64_t  sum_exponent;
    uint64_t sum[CROSSENTROPY_PARTIAL_LIMBS];
} crossentropy_partial;

static inline void *crossentropy_partial_label(crossentropy_partial *partial) { return &partial->label; }
static inline uint64_t *crossentropy_partial_limbs(crossentropy_partial *partial) { return partial->sum; }

#endif
