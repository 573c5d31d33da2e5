// Kernels that take a row's prediction and its target as two distributions, in f64.
#ifndef CROSSENTROPY_PAIR_KERNELS_H
#define CROSSENTROPY_PAIR_KERNELS_H

#include "Numbers.h"

// The kinds of numbers, with the codes of InputType; or plain numbers.
#define CROSSENTROPY_LOGITS    0
#define CROSSENTROPY_PROBS     1
#define CROSSENTROPY_LOG_PROBS 2
#define CROSSENTROPY_NUMBERS   3

// A row as a distribution, see Distribution.swift. The arrays are padded to whole vectors of 16.
typedef struct crossentropy_distribution {
    const void *data;       // the first class; may be `values`, where it is contiguous f64
    int64_t     stride;     // from class to class
    int32_t     format;     // CROSSENTROPY_NATIVE ..., of kernels for f64
    int32_t     kind;       // CROSSENTROPY_LOGITS ...
    crossentropy_transform transform;  // logits
    crossentropy_exponent_scale exponent_scale;  // its scale, for f32 logits that are not staged
    double      clip_low;   // probabilities: clamped to [clip_low, clip_high]
    double      clip_high;
    crossentropy_cancel *cancel;  // NULL: never
    // Results.
    double     *values;     // probabilities up to a factor; or the plain numbers
    double     *logs;       // their logarithms up to a summand; not for NUMBERS
    double      factor;     // multiplies `values` to give probabilities
    double      log_total;  // subtracted from `logs`, gives log-probabilities
    double      largest;    // logits: the largest, whose probability is 1 / (1 + rest); that of others is e / (1 + rest)
    double      rest;
} crossentropy_distribution;

// Both distributions of a row, and what the kernels need and return beside them.
typedef struct crossentropy_pair {
    int64_t     classes;
    crossentropy_distribution prediction;
    crossentropy_distribution target;  // or a vector, for the Hessian
    const double *weight;              // class weights, or NULL
    double      keep;                  // 1 - label_smoothing
    int32_t     is_plain;              // divergence: without q and p beside q log(q / p)
    double      grad_scale;            // multiplies derivatives
    crossentropy_cancel *cancel;       // NULL: never
    // Intermediate results: sums over the classes of q, and of q times target.logs, once these are d or costs.
    double      target_sum;
    double      cost_sum;
    // The units, powers of two: of target.logs and cost_sum, once these are d or costs; and of the divergence.
    double      unit;
    double      total_unit;
    // For the Hessian.
    double      mass;                  // sum of the target mass
    double      z_loss;
    // For divergences of f32 from f32 logits: memory for the gradient, side by side.
    float      *single_grad;
    void       *scratch;               // for the same: crossentropy_scratch_bytes() of this thread's own
} crossentropy_pair;

typedef void (*crossentropy_stage_kernel)(crossentropy_distribution *distribution, int64_t classes);
typedef void (*crossentropy_pair_kernel)(crossentropy_pair *pair);
typedef double (*crossentropy_divergence_kernel)(crossentropy_pair *pair);

// Divergences of rows of one class, which are staged as the classes of one row. Writes each row's divergence times `scale`, to
// memory that is padded to whole vectors; replaces the logs as `divergence`. Returns a sum of:
#define CROSSENTROPY_TERMS_NAN      1  // some are NaN
#define CROSSENTROPY_TERMS_OVERFLOW 2  // some are infinite that need not be: only `divergence` can tell
typedef int32_t (*crossentropy_terms_kernel)(crossentropy_pair *pair, double scale, double *terms);

// Replaces f32 logits by exponentials of f32 in `values`, padded to whole vectors, and sets `factor`, which is NaN if the
// row is. `scratch` has 32 KiB.
typedef void (*crossentropy_teacher_kernel)(crossentropy_distribution *logits, int64_t classes, void *scratch);

typedef struct crossentropy_pair_kernels {
    crossentropy_stage_kernel      stage;             // fills a distribution's arrays from its data
    crossentropy_stage_kernel      normalize;         // multiplies `values` by `factor`, which becomes 1
    crossentropy_divergence_kernel divergence;        // the divergence; leaves log(q / p) in target.logs, terms in prediction.logs
    crossentropy_terms_kernel      terms;             // instead of it, where rows have one class
    crossentropy_pair_kernel       divergence_grad;   // after either: replaces prediction.logs
    crossentropy_pair_kernel       costs;             // instead of it: replaces target.logs by w (-log p) of each class
    crossentropy_pair_kernel       target_grad;       // after either: replaces target.logs
    crossentropy_pair_kernel       chain;             // multiplies prediction.logs by the derivatives of the transform
    crossentropy_divergence_kernel single_divergence; // of f32 logits that are not staged
    crossentropy_pair_kernel       single_divergence_grad;  // after single_divergence
    crossentropy_teacher_kernel    teacher;           // in place of `stage`, for the loss's kernels of groups
    crossentropy_pair_kernel       hessian_vector;    // replaces prediction.logs
    crossentropy_pair_kernel       hessian_diagonal;  // likewise
} crossentropy_pair_kernels;

static inline crossentropy_distribution *crossentropy_prediction(crossentropy_pair *pair) { return &pair->prediction; }
static inline crossentropy_distribution *crossentropy_target(crossentropy_pair *pair) { return &pair->target; }

#endif
