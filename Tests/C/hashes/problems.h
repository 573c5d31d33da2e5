/*
 * problems.h - what the lines of hashes.txt compute: operations, types and shapes, and their numbers.
 */
#ifndef HASHES_PROBLEMS_H
#define HASHES_PROBLEMS_H

#include "../hash.h"

enum { DIMS = 4, CLASS_DIM = 3, WORD = 64 };

/* What the input holds. */
typedef enum {
    PLAIN,   /* logits between -8 and 8 */
    TIES,    /* logits of few values, so that the largest is there many times */
    SPECIAL, /* logits between -512 and 512, infinities and NaN */
    PROBS,
    LOG_PROBS
} content;

/* What is called: the loss and its gradient; or log-sum-exp in the place of the loss, and the softmax or its logarithm in that
 * of the gradient. */
typedef enum { LOSS, SOFTMAX, LOG_SOFTMAX } function;

typedef struct {
    const char *name;
    function    function;
    content     input;
    int         is_distribution;
    int         is_weighted; /* class and sample weights; index targets: some labels are ignored, too */
    double      label_smoothing;
    int32_t     reduction, mean_over;
    double      clip;
    double      z_loss, focal_gamma, poly_epsilon, softcap, logit_scale;
    int         is_faint; /* grad_loss is so small that gradients are subnormal */
    int         largest;  /* on shapes up to this size */
    int         on_16bit; /* for f16 and bf16, too, up to one size less */
} operation;

enum { MEAN = CE_REDUCTION_MEAN, SUM = CE_REDUCTION_SUM, NONE = CE_REDUCTION_NONE, MASS = CE_MEAN_OVER_MASS };

/* The types of the input, which are those of the gradient. */
typedef struct {
    const char *name;
    int32_t     dtype;
    int32_t     loss_dtype;
    int         precision; /* bits of the significand */
    int         faint;     /* 2^faint makes gradients subnormal */
} type;

static const type TYPES[] = {
    {"f32", CE_F32, CE_F32, 24, -130},
    {"f64", CE_F64, CE_F64, 53, -1030},
    {"f16", CE_F16, CE_F32, 11, -16},
    {"bf16", CE_BF16, CE_F32, 8, -130},
};

/* What is not said is 0: a loss, logits, class indices, the mean. */
static const operation OPERATIONS[] = {
    {"index_none", .reduction = NONE, .largest = 3, .on_16bit = 1},
    {"index_mean", .reduction = MEAN},
    {"index_faint_sum", .reduction = SUM, .is_faint = 1, .on_16bit = 1},
    {"index_ties_none", .input = TIES, .reduction = NONE},
    {"index_special_none", .input = SPECIAL, .reduction = NONE, .largest = 2, .on_16bit = 1},
    {"index_weighted_none", .is_weighted = 1, .reduction = NONE},
    {"index_weighted_mean", .is_weighted = 1, .largest = 1, .on_16bit = 1},
    {"smoothed_none", .label_smoothing = 0.1, .reduction = NONE},
    {"smoothed_weighted_mean", .is_weighted = 1, .label_smoothing = 0.1},
    {"distribution_none", .is_distribution = 1, .reduction = NONE},
    {"distribution_ties_sum", .input = TIES, .is_distribution = 1, .reduction = SUM},
    {"distribution_special_none", .input = SPECIAL, .is_distribution = 1, .reduction = NONE, .on_16bit = 1},
    {"distribution_weighted_mean", .is_distribution = 1, .is_weighted = 1, .label_smoothing = 0.1, .mean_over = MASS,
     .largest = 1, .on_16bit = 1},
    {"probs_index_none", .input = PROBS, .reduction = NONE},
    {"probs_distribution_weighted_mean", .input = PROBS, .is_distribution = 1, .is_weighted = 1, .clip = 0x1p-6,
     .on_16bit = 1},
    {"log_probs_index_weighted_mean", .input = LOG_PROBS, .is_weighted = 1, .mean_over = MASS},
    {"log_probs_distribution_none", .input = LOG_PROBS, .is_distribution = 1, .label_smoothing = 0.1,
     .reduction = NONE},
    {"terms_index_weighted_none", .is_weighted = 1, .reduction = NONE, .z_loss = 0x1p-6, .focal_gamma = 2,
     .poly_epsilon = 0.5, .on_16bit = 1},
    {"terms_special_distribution_sum", .input = SPECIAL, .is_distribution = 1, .reduction = SUM, .z_loss = 0x1p-6,
     .focal_gamma = 0.5, .poly_epsilon = -0.5},
    {"capped_special_none", .input = SPECIAL, .reduction = NONE, .softcap = 30, .on_16bit = 1},
    {"scaled_special_none", .input = SPECIAL, .reduction = NONE, .logit_scale = 0.7, .on_16bit = 1},
    {"scaled_weighted_mean", .is_weighted = 1, .logit_scale = 3.3, .largest = 1},
    {"softmax", .function = SOFTMAX, .reduction = NONE, .largest = 2, .on_16bit = 1},
    {"softmax_special_capped", .function = SOFTMAX, .input = SPECIAL, .reduction = NONE, .softcap = 30},
    {"log_softmax_special", .function = LOG_SOFTMAX, .input = SPECIAL, .reduction = NONE, .largest = 2, .on_16bit = 1},
    {"scaled_distribution_weighted_mean", .is_distribution = 1, .is_weighted = 1, .logit_scale = -0.7, .on_16bit = 1},
};

/* The lengths of the rows' dimensions, and of the class axis, which stands in place `axis` among them. */
typedef struct {
    const char *name;
    int64_t     length[DIMS];
    int         axis;
    int         size; /* large ones, 1 to 3, are for some operations and configurations only */
} shape;

static const shape SHAPES[] = {
    /* Rows shorter than a vector, as long as one, a bit longer; up to 128 and beyond, where
     * contiguous rows change kernels. 19 rows are a group of 16 and 3 more. */
    {"19x[1]", {19, 1, 1, 1}, 1, 0},
    {"19x[2]", {19, 1, 1, 2}, 1, 0},
    {"19x[3]", {19, 1, 1, 3}, 1, 0},
    {"19x[10]", {19, 1, 1, 10}, 1, 0},
    {"19x[16]", {19, 1, 1, 16}, 1, 0},
    {"19x[17]", {19, 1, 1, 17}, 1, 0},
    {"19x[100]", {19, 1, 1, 100}, 1, 0},
    {"19x[128]", {19, 1, 1, 128}, 1, 0},
    {"19x[129]", {19, 1, 1, 129}, 1, 0},
    {"3x[1000]", {3, 1, 1, 1000}, 1, 0},
    {"3x[1023]", {3, 1, 1, 1023}, 1, 0},
    {"3x[1024]", {3, 1, 1, 1024}, 1, 0},
    {"3x[1025]", {3, 1, 1, 1025}, 1, 0},
    /* A block has 2048 classes. */
    {"2x[2047]", {2, 1, 1, 2047}, 1, 0},
    {"2x[2048]", {2, 1, 1, 2048}, 1, 0},
    {"2x[2049]", {2, 1, 1, 2049}, 1, 0},
    {"1x[4097]", {1, 1, 1, 4097}, 1, 0},
    {"17x[2049]", {17, 1, 1, 2049}, 1, 1},
    /* Segmentation: the class axis in the middle. */
    {"2x[21]x32x32", {2, 32, 32, 21}, 1, 1},
    /* Long rows, and many. */
    {"1x[32768]", {1, 1, 1, 32768}, 1, 1},
    {"1x[100003]", {1, 1, 1, 100003}, 1, 1},
    {"13109x[10]", {13109, 1, 1, 10}, 1, 1},
    {"65537x[2]", {65537, 1, 1, 2}, 1, 1},
    /* Rows that threads share. */
    {"2x[131076]", {2, 1, 1, 131076}, 1, 2},
    {"1x[1048577]", {1, 1, 1, 1048577}, 1, 2},
    /* Work for 64 threads. */
    {"4160x[1024]", {4160, 1, 1, 1024}, 1, 3},
};

/* A line of the list: the call, its numbers with the class axis last, and the results. */
typedef struct {
    char             name[2 * WORD];
    const operation *op;
    const shape     *shape;
    const type      *type;
    int64_t          rows, classes;
    double          *input, *target, *weight, *sample_weight; /* NULL: not given */
    double           divisor;                                 /* of the mean */
    uint64_t         hashes[2]; /* of the loss and of the gradient */
} problem;

/* Its numbers (see the README there) ---------------------------------------------------------- */

static double *make_input(const problem *p) {
    int64_t count = p->rows * p->classes;
    int     bits = p->type->precision;
    switch (p->op->input) {
    case PLAIN: return lcg(p->name, "input", count, bits, 0, 4 - bits);
    case TIES: return lcg(p->name, "input", count, 3, 0, 0);
    case PROBS: return lcg(p->name, "input", count, bits, ((int64_t)1 << (bits - 1)) + 1, -bits);
    case LOG_PROBS: return lcg(p->name, "input", count, bits, -((int64_t)1 << (bits - 1)), 4 - bits);
    default: return special(p->name, p->rows, p->classes, bits);
    }
}

/* The divisor of the mean. All its terms and sums are exact. */
static double make_divisor(const problem *p) {
    double  divisor = 0;
    int64_t row, c;
    for (row = 0; row < p->rows; row++) {
        double s = p->sample_weight != NULL ? p->sample_weight[row] : 1;
        if (p->op->is_distribution && p->op->mean_over == MASS) {
            for (c = 0; c < p->classes; c++)
                divisor += s * (p->weight != NULL ? p->weight[c] : 1) * p->target[row * p->classes + c];
        } else if (p->op->is_distribution) {
            divisor += s;
        } else if (p->target[row] >= 0) {
            divisor += s * (p->weight != NULL ? p->weight[(int64_t)p->target[row]] : 1);
        }
    }
    return divisor;
}

static void make_problem(problem *p) {
    int64_t half = (int64_t)1 << 9;
    p->rows = p->shape->length[0] * p->shape->length[1] * p->shape->length[2];
    p->classes = p->shape->length[CLASS_DIM];
    p->input = make_input(p);
    p->target = p->op->is_distribution ? lcg(p->name, "target", p->rows * p->classes, 6, 32, -6)
                                       : labels_for(p->name, p->rows, p->classes, p->op->is_weighted);
    p->weight = p->op->is_weighted ? lcg(p->name, "weight", p->classes, 10, half, -8) : NULL;
    p->sample_weight = p->op->is_weighted ? lcg(p->name, "sample_weight", p->rows, 10, half, -8) : NULL;
    if (p->sample_weight != NULL && p->rows > 2)
        p->sample_weight[p->rows / 2] = 0;
    p->divisor = make_divisor(p);
}

static void free_problem(problem *p) {
    free(p->input);
    free(p->target);
    free(p->weight);
    free(p->sample_weight);
}

#endif
