/*
 * large_problem.h - a problem that is work for several threads, and what one thread makes of it.
 */
#ifndef LARGE_PROBLEM_H
#define LARGE_PROBLEM_H

#include "calls.h"
#include "common.h"

enum { BIG_ROWS = 512, BIG_CLASSES = 4096 };

static float   *big_logits;
static int64_t *big_labels;

/* Results of the large problem: a loss for each row, and the gradient. */
typedef struct {
    float *loss, *grad;
} results;

#define BIG_LOSS_BYTES (BIG_ROWS * sizeof(float))
#define BIG_GRAD_BYTES ((size_t)BIG_ROWS * BIG_CLASSES * sizeof(float))

static inline results make_results(void) {
    results made;
    made.loss = allocate(BIG_LOSS_BYTES);
    made.grad = allocate(BIG_GRAD_BYTES);
    memset(made.loss, FILL, BIG_LOSS_BYTES);
    memset(made.grad, FILL, BIG_GRAD_BYTES);
    return made;
}

static inline void free_results(results made) {
    free(made.loss);
    free(made.grad);
}

/* A loss for each row, and the gradient. */
static inline int32_t big_call(results into, int32_t threads, const volatile int32_t *cancel) {
    ce_options options = defaults();
    options.reduction = CE_REDUCTION_NONE;
    options.threads = threads;
    options.cancel = cancel;
    return ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, into.loss, into.grad);
}

static inline int same(results a, results b) {
    return memcmp(a.loss, b.loss, BIG_LOSS_BYTES) == 0 &&
           memcmp(a.grad, b.grad, BIG_GRAD_BYTES) == 0;
}

static results reference; /* with one thread */

static inline void make_big_problem(void) {
    uint64_t state = 2026;
    size_t   i;
    big_logits = allocate(BIG_GRAD_BYTES);
    big_labels = allocate(BIG_ROWS * sizeof *big_labels);
    for (i = 0; i < (size_t)BIG_ROWS * BIG_CLASSES; i++)
        big_logits[i] = (float)next_number(&state, 24, 0, -20);
    for (i = 0; i < BIG_ROWS; i++)
        big_labels[i] = (int64_t)(i * 37 % BIG_CLASSES);
    reference = make_results();
    CHECK(big_call(reference, 1, NULL) == CE_OK);
}

static inline void free_big_problem(void) {
    free(big_logits);
    free(big_labels);
    free_results(reference);
}

#endif
