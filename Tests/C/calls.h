/*
 * calls.h - the arguments of a call in one expression: tensors, options, and the outputs, each of which may be NULL.
 */
#ifndef CALLS_H
#define CALLS_H

#include <crossentropy.h>

/* ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(&loss, &grad)) */
#define OUTPUTS(loss, grad) ALL_OUTPUTS(loss, grad, NULL, NULL)
#define ALL_OUTPUTS(loss, grad, grad_target, row_stats) \
    (&(const ce_outputs){sizeof(ce_outputs), (loss), (grad), (grad_target), (row_stats)})

/* Inputs are not written through it. */
static inline ce_tensor tensor_of(const void *data, int32_t dtype, int32_t ndim, const int64_t *shape, const int64_t *strides) {
    ce_tensor view;
    view.data = (void *)(uintptr_t)data;
    view.dtype = dtype;
    view.ndim = ndim;
    view.shape = shape;
    view.strides = strides;
    return view;
}

static inline ce_options defaults(void) {
    ce_options options;
    ce_options_init(&options, sizeof options);
    return options;
}

#endif
