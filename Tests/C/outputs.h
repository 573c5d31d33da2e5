/*
 * outputs.h - the outputs of a call in one expression; each tensor may be NULL.
 */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include <crossentropy.h>

/* ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(&loss, &grad)) */
#define OUTPUTS(loss, grad) ALL_OUTPUTS(loss, grad, NULL, NULL)
#define ALL_OUTPUTS(loss, grad, grad_target, row_stats) \
    (&(const ce_outputs){sizeof(ce_outputs), (loss), (grad), (grad_target), (row_stats)})

#endif
