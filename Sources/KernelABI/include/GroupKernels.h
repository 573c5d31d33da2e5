// Up to 16 rows of logits with labels at a time; long ones in parts; slices of their classes.
#ifndef CROSSENTROPY_GROUP_KERNELS_H
#define CROSSENTROPY_GROUP_KERNELS_H

#include "Numbers.h"

// What a group is for: losses and gradients; or the probabilities of all classes, or their logarithms, in place of gradients.
#define CROSSENTROPY_LOSS        0
#define CROSSENTROPY_SOFTMAX     1
#define CROSSENTROPY_LOG_SOFTMAX 2

// Which statistics of rows are wanted: lse, largest and target_prob, which are there anyway; and those that take a look more.
#define CROSSENTROPY_STATISTICS 1
#define CROSSENTROPY_ARGMAX     2
#define CROSSENTROPY_ENTROPY    4
#define CROSSENTROPY_RANK       8

// Up to CROSSENTROPY_GROUP rows of logits with class indices; where statistics stand side by side, a row in each lane.
#define CROSSENTROPY_GROUP 16
typedef struct crossentropy_group {
    const void *input;             // the first row's first class
    int64_t     classes;           // >= 1
    int64_t     input_stride;      // from class to class
    int64_t     input_row_stride;  // from row to row
    int64_t     rows;              // 1 to CROSSENTROPY_GROUP; 1 if there are more than CROSSENTROPY_BLOCK classes one by one
    int32_t     mode;              // CROSSENTROPY_LOSS ...
    int32_t     wants_statistics;  // 0, or a sum of CROSSENTROPY_STATISTICS and what follows it
    int32_t     by_columns;        // class by class across the rows, rather than row by row
    int32_t     input_format;      // CROSSENTROPY_NATIVE ...
    int32_t     grad_format;
    void       *grad;              // NULL: no gradient. May be input, with the same strides
    int64_t     grad_stride;
    int64_t     grad_row_stride;
    crossentropy_terms terms;
    crossentropy_transform transform;
    int64_t     has_powers;        // 0: loss_power and grad_power are not set, and are all 1
    int64_t     label[CROSSENTROPY_GROUP];       // 0 in lanes without a row
    double      is_counted[CROSSENTROPY_GROUP];  // 0: the row's loss and gradient are 0, whatever it holds
    double      loss_scale[CROSSENTROPY_GROUP];  // multiplies the loss
    double      grad_scale[CROSSENTROPY_GROUP];  // multiplies the gradient; NaN: so is that
    double      sample_weight[CROSSENTROPY_GROUP];  // multiplies the z-loss; part of loss_scale
    double      grad_weight[CROSSENTROPY_GROUP];    // multiplies the gradient of the z-loss; part of grad_scale
    double      loss_power[CROSSENTROPY_GROUP];     // powers of two: the loss is to be multiplied by it, by the caller
    double      grad_power[CROSSENTROPY_GROUP];     // and the gradient
    const void *upcoming;          // columns: what will be read next: a line per class, so many bytes apart
    int64_t     upcoming_stride;
    void       *scratch;           // crossentropy_scratch_bytes() of this thread's own, 128-byte aligned
    void       *blocks;            // crossentropy_blocks_bytes(), likewise: statistics of the blocks
    void       *kept;              // room for the exponentials of all the rows, or NULL
    crossentropy_cancel *cancel;   // NULL: never
    // Results; the statistics, where they are wanted, as crossentropy.h describes them.
    double      loss[CROSSENTROPY_GROUP];  // lse, if the mode is not CROSSENTROPY_LOSS
    double      lse[CROSSENTROPY_GROUP];
    double      largest[CROSSENTROPY_GROUP];
    double      argmax[CROSSENTROPY_GROUP];
    double      entropy[CROSSENTROPY_GROUP];
    double      target_prob[CROSSENTROPY_GROUP];
    double      target_rank[CROSSENTROPY_GROUP];
    // In between.
    double      target[CROSSENTROPY_GROUP];       // the logit of the label
    double      target_slope[CROSSENTROPY_GROUP]; // its derivative, if there is a transform
    double      max[CROSSENTROPY_GROUP];          // see LogSumExp.swift
    double      rest[CROSSENTROPY_GROUP];
    double      prob_scale[CROSSENTROPY_GROUP];   // what multiplies the probabilities in the gradient; for their logarithms
                                                  // instead: log1p(rest)
    double      target_grad[CROSSENTROPY_GROUP];  // the gradient of the label's class
    double      is_filled[CROSSENTROPY_GROUP];    // not 0: the gradient is target_grad throughout
} crossentropy_group;

// Classes of rows that are not neighbours in memory, up to which they are taken column by column.
#define CROSSENTROPY_COLUMN_CLASSES 128

// Classes per block: small enough that a block of f64 and its target mass stay near the core while it is
// looked at twice, large enough that the work per block does not count.
#define CROSSENTROPY_BLOCK 4096
// Room for four blocks of doubles (the gathered input, the target mass, the gradient before it is scattered, the input before
// a transform); for columns, for a block of each row.
static inline size_t crossentropy_scratch_bytes(int64_t classes, int by_columns, int transforms) {
    const int64_t block  = classes < CROSSENTROPY_BLOCK ? classes : CROSSENTROPY_BLOCK;
    const size_t  column = ((size_t)block + 3 * CROSSENTROPY_GROUP) * CROSSENTROPY_GROUP * 8;
    const size_t  row    = (transforms ? 4 : 3) * CROSSENTROPY_BLOCK * 8;
    return by_columns ? column : row;
}
// Seven doubles (see BlockTable) for each of 16 blocks of one row, or for one block of each of 16 rows.
static inline size_t crossentropy_blocks_bytes(int64_t classes, int by_columns) {
    const size_t blocks = (size_t)(classes / CROSSENTROPY_BLOCK) + 1;
    return (by_columns ? blocks : blocks / CROSSENTROPY_GROUP + 1) * CROSSENTROPY_GROUP * 7 * 8;
}

// Sets the losses of a group's rows; their gradients are written to group->grad.
typedef void (*crossentropy_group_kernel)(crossentropy_group *group);
// The same for a group of a single long row, in parts that different threads may take: first `begin`, then `sum` for all of
// its blocks, then `finish`, then `grad` for all of its blocks.
typedef void (*crossentropy_block_kernel)(crossentropy_group *group, int64_t first, int64_t count);
typedef struct crossentropy_long_row_kernels {
    crossentropy_group_kernel begin;
    crossentropy_block_kernel sum;
    crossentropy_group_kernel finish;
    crossentropy_block_kernel grad;
} crossentropy_long_row_kernels;
// What a block of a row comes to, in units of 2^exponent; see Slice.swift.
typedef struct crossentropy_block_sum {
    double  max;
    int64_t argmax;    // counted from the slice's first class; if it was not to be looked for, -1
    double  sum;       // of the exponentials, but for one of the largest
    double  top;       // the exponential of the largest
    int64_t exponent;
} crossentropy_block_sum;
// The largest logit and the sums of one block of one row of a group; argmax, if max is above what it was before.
typedef void (*crossentropy_block_sum_kernel)(crossentropy_group *group, int64_t row, int64_t block,
                                              crossentropy_block_sum *result);
// Rows of which a group holds a slice of the classes.
typedef struct crossentropy_slice_kernels {
    crossentropy_group_kernel     read;  // sets `target`, and `target_slope`, of the labels in the slice
    crossentropy_block_sum_kernel sum;
    crossentropy_group_kernel     grad;
} crossentropy_slice_kernels;
// sum 2^exponent / exp(max)
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
