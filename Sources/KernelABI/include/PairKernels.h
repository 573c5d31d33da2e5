// The part of the wall between Core and the kernel modules that looks at a row's prediction and its target as two
// distributions, in f64.
#ifndef CROSSENTROPY_PAIR_KERNELS_H
#define CROSSENTROPY_PAIR_KERNELS_H

#include "Numbers.h"

// What numbers are, with the codes of InputType; or just numbers.
#define CROSSENTROPY_LOGITS    0
#define CROSSENTROPY_PROBS     1
#define CROSSENTROPY_LOG_PROBS 2
#define CROSSENTROPY_NUMBERS   3

// A row as a distribution, see Distribution.swift. The arrays have room for whole vectors of 16.
typedef struct crossentropy_distribution {
    const void *data;       // the first class; may be `values`, where it is contiguous f64
    int64_t     stride;     // from class to class
    int32_t     format;     // CROSSENTROPY_NATIVE ..., of kernels for f64
    int32_t     kind;       // CROSSENTROPY_LOGITS ...
    crossentropy_transform transform;  // logits
    double      clip_low;   // probabilities: clamped to [clip_low, clip_high]
    double      clip_high;
    crossentropy_cancel *cancel;  // NULL: never
    // Results.
    double     *values;     // probabilities, but for a factor; or just the numbers
    double     *logs;       // their logarithms, but for a summand; not of NUMBERS
    double      factor;     // makes probabilities of `values`
    double      log_total;  // taken from `logs`, makes log-probabilities of them
    double      largest;    // logits: the largest; probability of it: 1 / (1 + rest), others: e / (1 + rest)
    double      rest;
} crossentropy_distribution;

// Both distributions of a row, and what is to become of them.
typedef struct crossentropy_pair {
    int64_t     classes;
    crossentropy_distribution prediction;
    crossentropy_distribution target;  // or a vector, for the Hessian
    const double *weight;              // of the classes, or NULL
    double      keep;                  // 1 - label_smoothing
    int32_t     is_plain;              // divergence: without q and p beside q log(q / p)
    double      grad_scale;            // multiplies derivatives
    crossentropy_cancel *cancel;       // NULL: never
    // In between: sums over the classes of q, and of q times what the target's logs have become.
    double      target_sum;
    double      cost_sum;
    // The units, powers of two, of target.logs and cost_sum once they are d or costs, and of the divergence.
    double      unit;
    double      total_unit;
    // The Hessian's.
    double      mass;                  // sum of the target mass
    double      z_loss;
    // For divergences of f32 from f32 logits: where gradients go, side by side.
    float      *single_grad;
} crossentropy_pair;

typedef void (*crossentropy_stage_kernel)(crossentropy_distribution *distribution, int64_t classes);
typedef void (*crossentropy_pair_kernel)(crossentropy_pair *pair);
typedef double (*crossentropy_divergence_kernel)(crossentropy_pair *pair);

typedef struct crossentropy_pair_kernels {
    crossentropy_stage_kernel      stage;             // fills a distribution's arrays from its data
    crossentropy_stage_kernel      normalize;         // multiplies `values` by `factor`, which becomes 1
    crossentropy_divergence_kernel divergence;        // the divergence; each class's log(q / p) takes the place of target.logs
    crossentropy_pair_kernel       divergence_grad;   // after it, in the place of prediction.logs
    crossentropy_pair_kernel       costs;             // instead of it: w (-log p) of each class in the place of target.logs
    crossentropy_pair_kernel       target_grad;       // after either, in the place of target.logs
    crossentropy_pair_kernel       chain;             // multiplies prediction.logs by the derivatives of the transform
    crossentropy_divergence_kernel single_divergence; // of f32 logits that are not staged
    crossentropy_pair_kernel       single_divergence_grad;  // after it
    crossentropy_pair_kernel       hessian_vector;    // in the place of prediction.logs
    crossentropy_pair_kernel       hessian_diagonal;  // likewise
} crossentropy_pair_kernels;

static inline crossentropy_distribution *crossentropy_prediction(crossentropy_pair *pair) { return &pair->prediction; }
static inline crossentropy_distribution *crossentropy_target(crossentropy_pair *pair) { return &pair->target; }

#endif
