/*
 * small_problem.h - a problem of two rows and three classes, to be spoilt before the call, and outputs that show whether they
 * were written.
 */
#ifndef SMALL_PROBLEM_H
#define SMALL_PROBLEM_H

#include "calls.h"
#include "common.h"

enum { ROWS = 2, CLASSES = 3, COUNT = ROWS * CLASSES };

static const float   LOGITS[COUNT] = {0.1f, 0.4f, 0.5f, 0.8f, 0.1f, 0.1f};
static const int64_t LABELS[ROWS] = {2, 0};
static const float   MASS[COUNT] = {0.0f, 0.0f, 1.0f, 1.0f, 0.0f, 0.0f};
static const float   WEIGHT[CLASSES] = {1.0f, 1.0f, 1.0f};
static const float   SAMPLE_WEIGHT[ROWS] = {1.0f, 1.0f};

static float loss[ROWS], grad[COUNT];

static inline void clear_outputs(void) {
    memset(loss, FILL, sizeof loss);
    memset(grad, FILL, sizeof grad);
}

static inline int nothing_written(void) { return is_fill(loss, sizeof loss) && is_fill(grad, sizeof grad); }

static inline int loss_is_right(void) { return fabs(loss[0] - 0.8178187) < 1e-6; }

static const int64_t SHAPE[2] = {ROWS, CLASSES};

/* The small problem as tensors, to be changed before the call. */
typedef struct {
    ce_tensor  input, labels, mass, weight, sample_weight, one_loss, losses, grad;
    ce_options options;
    const ce_row_stats *row_stats;
} small;

static inline small small_problem(void) {
    small made;
    made.input = tensor_of(LOGITS, CE_F32, 2, SHAPE, NULL);
    made.labels = tensor_of(LABELS, CE_I64, 1, SHAPE, NULL);
    made.mass = tensor_of(MASS, CE_F32, 2, SHAPE, NULL);
    made.weight = tensor_of(WEIGHT, CE_F32, 1, SHAPE + 1, NULL);
    made.sample_weight = tensor_of(SAMPLE_WEIGHT, CE_F32, 1, SHAPE, NULL);
    made.one_loss = tensor_of(loss, CE_F32, 0, NULL, NULL);
    made.losses = tensor_of(loss, CE_F32, 1, SHAPE, NULL);
    made.grad = tensor_of(grad, CE_F32, 2, SHAPE, NULL);
    made.options = defaults();
    made.row_stats = NULL;
    clear_outputs();
    return made;
}

/* Mean loss and gradient. */
static inline int32_t mean(const small *p) {
    return ce_cross_entropy(&p->input, -1, &p->labels, &p->options,
                            ALL_OUTPUTS(&p->one_loss, &p->grad, NULL, p->row_stats));
}

#endif
