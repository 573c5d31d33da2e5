// The part of the wall between Core and the kernel modules that is binary cross-entropy's.
#ifndef CROSSENTROPY_BINARY_KERNELS_H
#define CROSSENTROPY_BINARY_KERNELS_H

#include "Numbers.h"

// Elements per block: what a kernel is given at a time. Small enough that nine arrays of doubles stay near the core.
#define CROSSENTROPY_ELEMENTS 1024

// A block of elements, side by side in each array. "Own" is the kernel's own type, f32 or f64.
typedef struct crossentropy_binary {
    const void   *input;         // own: logits, or probabilities
    const void   *target;        // own: y. With has_indices f32: 0, 1, or NaN for an ignored label; room for whole vectors
    int32_t       has_indices;
    const double *sample_weight; // NULL: all 1
    const double *weight;        // of each element's class, likewise
    const double *positive_weight;
    double        keep;          // 1 - label_smoothing
    double        spread;        // label_smoothing / 2
    double       *positive;      // the masses a and b, see BinaryMass.swift; NULL: y and 1 - y
    double       *negative;
    int32_t       is_probs;
    double        focal_gamma;   // logits
    double        clip_low;      // probabilities: the input is clamped to [clip_low, clip_high]
    double        clip_high;
    double        grad_factor;   // multiplies the gradient; NaN: so is that, but for elements without mass
    double        grad_power;    // so does this power of two, nearly always 1
    double       *loss;
    float        *single_loss;   // binaryPlain: the losses, where `loss` has 16 sums of them
    void         *grad;          // own; NULL: no gradient. May be input
} crossentropy_binary;

typedef int32_t (*crossentropy_plain_kernel)(const crossentropy_binary *block, int64_t count);
typedef void (*crossentropy_binary_kernel)(const crossentropy_binary *block, int64_t count);
// `count` numbers from number `start` on, `stride` apart, from and to their place among the caller's.
typedef void (*crossentropy_gather_kernel)(const void *base, int32_t format, int64_t start, int64_t stride, int64_t count,
                                           void *copy);
typedef void (*crossentropy_scatter_kernel)(const void *copy, int64_t count, void *base, int32_t format, int64_t start,
                                            int64_t stride);
// Labels of `size` bytes as 0 and 1, and NaN for those whose bits are `ignored`; how many these are, and -1 if there
// are others.
typedef int64_t (*crossentropy_labels_kernel)(const void *base, int32_t size, int64_t start, int64_t stride, int64_t count,
                                              uint64_t ignored, int32_t has_ignored, float *copy);
// Adds x[first], x[first + 1], ... exactly to CROSSENTROPY_SUMS vectors of 16 lanes, see ExactLanes.swift. Returns the
// first of 16 numbers that do not fit there, and `count` if all do.
typedef int64_t (*crossentropy_sum_kernel)(const double *x, int64_t first, int64_t count, double *sums);
#define CROSSENTROPY_SUMS 4

// One of these for f32 and one for f64.
typedef struct crossentropy_binary_kernels {
    crossentropy_gather_kernel  gather;
    crossentropy_scatter_kernel scatter;
    crossentropy_plain_kernel   masses; // 0 if weights are too near an end of the range for them
    crossentropy_plain_kernel   plain; // f32: logits with the masses y and 1 - y; 1 if the sums are exact
    crossentropy_binary_kernel  loss;  // f32: logits without focal weighting
} crossentropy_binary_kernels;

#endif
