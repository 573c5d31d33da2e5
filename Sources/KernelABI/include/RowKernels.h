// Kernels for one row at a time: probabilities, and rows in which any class may have target mass.
#ifndef CROSSENTROPY_ROW_KERNELS_H
#define CROSSENTROPY_ROW_KERNELS_H

#include "Numbers.h"

// One row of the input, its target (logits with a class index excepted: see crossentropy_group), and the memory for its
// results. Strides are in elements.
typedef struct crossentropy_row {
    const void   *input;         // the row's first class
    int64_t       classes;       // >= 1
    int64_t       input_stride;  // from class to class
    int32_t       input_format;  // CROSSENTROPY_NATIVE ...
    int64_t       label;         // index kernels: the target class, in [0, classes)
    const void   *target;        // mass kernels: the distribution q, or NULL for a class index
    int64_t       target_stride;
    int32_t       target_format; // CROSSENTROPY_NATIVE ..., of kernels for f64
    const double *weight;        // mass kernels: class weights, contiguous, or NULL
    double        keep;          // 1 - label_smoothing
    double        spread;        // label_smoothing / classes, or 0 where there is a prior
    const double *prior;         // label_smoothing times the prior of each class, contiguous, or NULL
    double        label_mass;    // index kernels: 1, as w_y is part of the row's weight. Mass kernels with a label: keep * w_y
    crossentropy_terms terms;          // logits
    crossentropy_transform transform;  // logits
    double        clip_low;      // probs: the input is clamped to [clip_low, clip_high]
    double        clip_high;
    double        row_weight;    // multiplies the loss
    double        grad_scale;    // multiplies the gradient
    double        grad_power;    // multiplies the gradient, too: a power of two, nearly always 1
    void         *grad;          // NULL: no gradient. May be input, with the same stride
    int64_t       grad_stride;
    int32_t       grad_format;
    void         *scratch;       // crossentropy_scratch_bytes() of this thread's own, 128-byte aligned
    void         *blocks;        // crossentropy_blocks_bytes(), likewise
    crossentropy_cancel *cancel; // NULL: never
} crossentropy_row;

// Returns the row's loss, weighted; writes its gradient to row->grad.
typedef double (*crossentropy_row_kernel)(const crossentropy_row *row);
// Writes `value` to every class of a row.
typedef void (*crossentropy_fill_kernel)(void *row, int64_t classes, int64_t stride, int32_t format, double value);
// Returns the sum of w_c q_c over a row's classes, times row_weight, for mean_over = mass.
typedef double (*crossentropy_mass_kernel)(const crossentropy_row *row);

#endif
