// Kernels for up to 16 rows of logits with labels at a time; for long rows in parts; and for slices of the classes.
#ifndef CROSSENTROPY_GROUP_KERNELS_H
#define CROSSENTROPY_GROUP_KERNELS_H

#include "Numbers.h"

// The mode of a group: losses and gradients; or, in place of gradients, the probabilities of all classes or their logarithms.
#define CROSSENTROPY_LOSS        0
#define CROSSENTROPY_SOFTMAX     1
#define CROSSENTROPY_LOG_SOFTMAX 2

// The row statistics that are requested: lse, largest and target_prob, which need no
// extra work; and those that take a further pass.
#define CROSSENTROPY_STATISTICS 1
#define CROSSENTROPY_ARGMAX     2
#define CROSSENTROPY_ENTROPY    4
#define CROSSENTROPY_RANK       8

// Up to CROSSENTROPY_GROUP rows of logits with class indices. Arrays have a lane for each row.
#define CROSSENTROPY_GROUP 16
typedef struct crossentropy_group {
    const void *input;             // the first row's first class
    int64_t     classes;           // >= 1
    int64_t     input_stride;      // from class to class
    int64_t     input_row_stride;  // from row to row
    int64_t     rows;              // 1 to CROSSENTROPY_GROUP; 1 if rows longer than CROSSENTROPY_BLOCK are computed row by row
    int32_t     mode;              // CROSSENTROPY_LOSS ...
    int32_t     wants_statistics;  // 0, or CROSSENTROPY_STATISTICS plus any of those after it
    int32_t     by_columns;        // class by class across the rows, rather than row by row
    int32_t     input_format;      // CROSSENTROPY_NATIVE ...
    int32_t     grad_format;
    void       *grad;              // NULL: no gradient. May be input, with the same strides
    int64_t     grad_stride;
    int64_t     grad_row_stride;
    crossentropy_terms terms;
    crossentropy_transform transform;
    crossentropy_exponent_scale exponent_scale;  // of 1, unless logits are f32
    // Targets beside labels; f32 only, without terms, and not by columns.
    double      smoothing;         // label smoothing, evenly
    const void *mass;              // the first row's distribution, in place of labels; NULL: none
    int64_t     mass_stride;       // from class to class
    int64_t     mass_row_stride;   // from row to row
    int32_t     mass_format;       // CROSSENTROPY_NATIVE ..., of kernels for f64
    int64_t     has_powers;        // 0: loss_power and grad_power are not set, and are all 1
    int64_t     label[CROSSENTROPY_GROUP];       // 0 in lanes without a row
    double      is_counted[CROSSENTROPY_GROUP];  // 0: the row's loss and gradient are 0, whatever it holds
    double      loss_scale[CROSSENTROPY_GROUP];  // multiplies the loss
    double      grad_scale[CROSSENTROPY_GROUP];  // multiplies the gradient; NaN: the gradient is NaN
    double      sample_weight[CROSSENTROPY_GROUP];  // multiplies the z-loss; part of loss_scale
    double      grad_weight[CROSSENTROPY_GROUP];    // multiplies the gradient of the z-loss; part of grad_scale
    double      loss_power[CROSSENTROPY_GROUP];     // a power of two by which the caller multiplies the loss
    double      grad_power[CROSSENTROPY_GROUP];     // a power of two that multiplies the gradient
    const void *upcoming;          // columns: logits that are read next, a cache line per class, so many bytes apart
    int64_t     upcoming_stride;
    void       *scratch;           // crossentropy_scratch_bytes() of this thread's own, 128-byte aligned
    void       *blocks;            // crossentropy_blocks_bytes(), likewise: the block sums
    void       *kept;              // memory for the exponentials of all rows, or NULL
    crossentropy_cancel *cancel;   // NULL: never
    // Results. Row statistics are set if they are requested, as crossentropy.h describes them.
    double      loss[CROSSENTROPY_GROUP];  // lse, if the mode is not CROSSENTROPY_LOSS
    double      lse[CROSSENTROPY_GROUP];
    double      largest[CROSSENTROPY_GROUP];
    double      argmax[CROSSENTROPY_GROUP];
    double      entropy[CROSSENTROPY_GROUP];
    double      target_prob[CROSSENTROPY_GROUP];
    double      target_rank[CROSSENTROPY_GROUP];
    // Intermediate results.
    double      target[CROSSENTROPY_GROUP];       // the logit of the label
    double      target_slope[CROSSENTROPY_GROUP]; // the derivative of the transform there
    double      max[CROSSENTROPY_GROUP];          // see LogSumExp.swift
    double      rest[CROSSENTROPY_GROUP];
    double      distances[CROSSENTROPY_GROUP];    // the sum of max - z over all classes, times a distribution if there is one
    double      masses[CROSSENTROPY_GROUP];       // the sum of the distribution
    double      offset[CROSSENTROPY_GROUP];       // added to each class's gradient, times a distribution if there is one
    double      mass_factor[CROSSENTROPY_GROUP];  // multiplies the distribution; set by the caller
    double      late_scale[CROSSENTROPY_GROUP];   // multiplies a gradient that is otherwise complete: a scale far from 1
    double      prob_scale[CROSSENTROPY_GROUP];   // the factor of the probabilities in the gradient; for their logarithms
                                                  // it is log1p(rest) instead
    double      target_grad[CROSSENTROPY_GROUP];  // the gradient of the label's class
    double      is_filled[CROSSENTROPY_GROUP];    // not 0: the gradient of every class is target_grad
} crossentropy_group;

// The most classes of rows that are computed class by class although they are not neighbours in memory.
#define CROSSENTROPY_COLUMN_CLASSES 128

// Classes per block: small enough that a block of f64 and its target mass stay in the core's caches between two passes,
// large enough that the work per block is negligible.
#define CROSSENTROPY_BLOCK 4096
// Bytes for four blocks of doubles (the gathered input, the target mass, the gradient before it is scattered, the input
// before a transform, or a gathered distribution); for columns, for a block of each row.
static inline size_t crossentropy_scratch_bytes(int64_t classes, int by_columns, int needs_fourth) {
    const int64_t block  = classes < CROSSENTROPY_BLOCK ? classes : CROSSENTROPY_BLOCK;
    const size_t  column = ((size_t)block + 3 * CROSSENTROPY_GROUP) * CROSSENTROPY_GROUP * 8;
    const size_t  row    = (needs_fourth ? 4 : 3) * CROSSENTROPY_BLOCK * 8;
    return by_columns ? column : row;
}
// Seven doubles (see BlockTable) for each of 16 blocks of one row, or for one block of each of 16 rows.
static inline size_t crossentropy_blocks_bytes(int64_t classes, int by_columns) {
    const size_t blocks = (size_t)(classes / CROSSENTROPY_BLOCK) + 1;
    return (by_columns ? blocks : blocks / CROSSENTROPY_GROUP + 1) * CROSSENTROPY_GROUP * 7 * 8;
}

// Computes the losses of a group's rows, and writes their gradients to group->grad.
typedef void (*crossentropy_group_kernel)(crossentropy_group *group);
// The same for a group of a single long row, in parts that different threads may compute: first `begin`, then `sum` for
// all blocks, then `finish`, then `grad` for all blocks.
typedef void (*crossentropy_block_kernel)(crossentropy_group *group, int64_t first, int64_t count);
typedef struct crossentropy_long_row_kernels {
    crossentropy_group_kernel begin;
    crossentropy_block_kernel sum;
    crossentropy_group_kernel finish;
    crossentropy_block_kernel grad;
} crossentropy_long_row_kernels;
// The sums of a block of a row, in units of 2^exponent; see Slice.swift.
typedef struct crossentropy_block_sum {
    double  max;
    int64_t argmax;    // counted from the slice's first class; -1 if it was not searched for
    double  sum;       // of the exponentials without one of the largest
    double  top;       // the exponential of the largest
    int64_t exponent;
} crossentropy_block_sum;
// Computes the largest logit and the sums of one block of one row of a group; argmax only if max is above its previous value.
typedef void (*crossentropy_block_sum_kernel)(crossentropy_group *group, int64_t row, int64_t block,
                                              crossentropy_block_sum *result);
// Kernels for rows of which a group holds a slice of the classes.
typedef struct crossentropy_slice_kernels {
    crossentropy_group_kernel     read;  // sets `target`, and `target_slope`, for labels in the slice
    crossentropy_block_sum_kernel sum;
    crossentropy_group_kernel     grad;
} crossentropy_slice_kernels;
// Returns sum 2^exponent / exp(max).
typedef double (*crossentropy_rest_kernel)(double max, double sum, int64_t exponent);

// Swift sees an array in a struct as a tuple, which it does not index.
static inline double *crossentropy_group_target(crossentropy_group *group) { return group->target; }
static inline double *crossentropy_group_max(crossentropy_group *group) { return group->max; }
static inline double *crossentropy_group_rest(crossentropy_group *group) { return group->rest; }
static inline int64_t *crossentropy_group_labels(crossentropy_group *group) { return group->label; }
static inline double  *crossentropy_group_is_counted(crossentropy_group *group) { return group->is_counted; }
static inline double  *crossentropy_group_loss_scale(crossentropy_group *group) { return group->loss_scale; }
static inline double  *crossentropy_group_grad_scale(crossentropy_group *group) { return group->grad_scale; }
static inline double  *crossentropy_group_sample_weight(crossentropy_group *group) { return group->sample_weight; }
static inline double  *crossentropy_group_mass_factor(crossentropy_group *group) { return group->mass_factor; }
static inline double  *crossentropy_group_lse(crossentropy_group *group) { return group->lse; }
static inline double  *crossentropy_group_largest(crossentropy_group *group) { return group->largest; }
static inline double  *crossentropy_group_argmax(crossentropy_group *group) { return group->argmax; }
static inline double  *crossentropy_group_entropy(crossentropy_group *group) { return group->entropy; }
static inline double  *crossentropy_group_target_prob(crossentropy_group *group) { return group->target_prob; }
static inline double  *crossentropy_group_target_rank(crossentropy_group *group) { return group->target_rank; }
static inline double  *crossentropy_group_grad_weight(crossentropy_group *group) { return group->grad_weight; }
static inline double  *crossentropy_group_loss_power(crossentropy_group *group) { return group->loss_power; }
static inline double  *crossentropy_group_grad_power(crossentropy_group *group) { return group->grad_power; }
static inline double  *crossentropy_group_loss(crossentropy_group *group) { return group->loss; }

#endif
