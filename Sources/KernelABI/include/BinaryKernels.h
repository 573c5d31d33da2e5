// The interface of the kernels of binary cross-entropy.
#ifndef CROSSENTROPY_BINARY_KERNELS_H
#define CROSSENTROPY_BINARY_KERNELS_H

#include "Numbers.h"

// Elements per block, which a kernel gets at a time. Small enough that nine arrays of doubles stay in the core's caches.
#define CROSSENTROPY_ELEMENTS 1024

// A block of elements, side by side in each array. "Own" is the kernel's own type, f32 or f64.
typedef struct crossentropy_binary {
    const void   *input;         // own: logits, or probabilities
    const void   *target;        // own: y. With has_indices f32: 0, 1, or NaN (ignored); padded to whole vectors
    int32_t       has_indices;
    const void   *upcoming;      // the caller's targets of the next block, to be prefetched, as the pass that converts or checks
    int64_t       upcoming_size; // a block computes too little to wait for the memory; and the bytes of each
    const double *sample_weight; // NULL: all 1
    const double *weight;        // of each element's class, likewise
    const double *positive_weight;
    double        keep;          // 1 - label_smoothing
    double        spread;        // label_smoothing / 2
    double       *positive;      // the masses a and b, see BinaryMass.swift; NULL: y and 1 - y
    double       *negative;
    float        *single_positive; // the same rounded, see BinaryWeighted.swift; padded to whole vectors
    float        *single_negative;
    const float  *single_weight; // `single_masses`: positive weights from 2^-19 to 2^20, padded, if nothing else makes masses
                                 // differ from y and 1 - y; else NULL
    int32_t       is_probs;
    double        focal_gamma;   // logits
    double        clip_low;      // probabilities: the input is clamped to [clip_low, clip_high]
    double        clip_high;
    double        grad_factor;   // multiplies the gradient; NaN: the gradient is NaN, except for elements without mass
    double        grad_power;    // multiplies the gradient, too: a power of two, nearly always 1
    double       *loss;
    float        *single_loss;   // `plain` and `weighted`: the losses; `loss` then holds 16 sums of them
    void         *grad;          // own; NULL: no gradient. May be input
} crossentropy_binary;

typedef int32_t (*crossentropy_plain_kernel)(const crossentropy_binary *block, int64_t count);
typedef void (*crossentropy_binary_kernel)(const crossentropy_binary *block, int64_t count);
// Copies `count` of the caller's numbers, from number `start` on and `stride` apart, to `copy`; and back.
typedef void (*crossentropy_gather_kernel)(const void *base, int32_t format, int64_t start, int64_t stride, int64_t count,
                                           void *copy);
typedef void (*crossentropy_scatter_kernel)(const void *copy, int64_t count, void *base, int32_t format, int64_t start,
                                            int64_t stride);
// Converts labels of `size` bytes to 0 and 1, and those whose bits equal `ignored` to NaN. Returns how many are ignored, or -1
// if there are other labels. `has_ignored` is 1 if there is such a value, and 2 if all labels are known to be 0 or 1. With
// `copy` NULL it only looks: 0 if all are 0 or 1; -1 if they are not, or if that takes longer to find out.
typedef int64_t (*crossentropy_labels_kernel)(const void *base, int32_t size, int64_t start, int64_t stride, int64_t count,
                                              uint64_t ignored, int32_t has_ignored, float *copy);
// Adds x[first], x[first + 1], ... exactly to CROSSENTROPY_SUMS vectors of 16 lanes, see ExactLanes.swift. Returns the
// index of the first of 16 numbers that do not fit, and `count` if all do.
typedef int64_t (*crossentropy_sum_kernel)(const double *x, int64_t first, int64_t count, double *sums);
#define CROSSENTROPY_SUMS 4

// A table for f32, and one for f64.
typedef struct crossentropy_binary_kernels {
    crossentropy_gather_kernel  gather;
    crossentropy_scatter_kernel scatter;
    crossentropy_plain_kernel   masses; // returns 0 if weights are too near an end of the range
    crossentropy_plain_kernel   single_masses; // f32: returns 0 if an element needs masses in f64; or, with single_weight, may
    crossentropy_plain_kernel   weighted;      // f32: as `plain`, with the masses that single_masses has written; factors up to 1
    crossentropy_plain_kernel   plain; // f32: logits with the masses y and 1 - y; returns 1 if the sums are exact
    crossentropy_binary_kernel  loss;  // f32: logits without focal weighting
} crossentropy_binary_kernels;

#endif
