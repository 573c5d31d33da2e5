/*
 * partial_arguments - pointers, memory and errors of partial statistics, and what the accumulator adds up; partial.c has the
 * bits of the former.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "common.h"

static void check_arguments(void) {
    const int64_t  shape[2] = {2, 3}, rows = 2, three = 3, no_class[2] = {2, 0};
    const float    x[6] = {0, 1, 2, 3, 4, 5};
    const int64_t  y[2] = {2, 0};
    const float    mass[6] = {0};
    ce_tensor      input = tensor_of(x, CE_F32, 2, shape, NULL), target = tensor_of(y, CE_I64, 1, &rows, NULL), other;
    float          loss = 7, g[6], before[6];
    ce_tensor      output = tensor_of(&loss, CE_F32, 0, NULL, NULL), gradient = tensor_of(g, CE_F32, 2, shape, NULL);
    ce_partial     p[2], q[2];
    ce_options     options;

    CHECK(sizeof(ce_partial) == 408);
    memset(p, 0xA5, sizeof p);
    memcpy(q, p, sizeof p);
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_compute(NULL, 1, 0, &target, NULL, p));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_compute(&input, 1, 0, NULL, NULL, p));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_compute(&input, 1, 0, &target, NULL, NULL));
    other = tensor_of(x, CE_F32, 2, no_class, NULL);
    FAILS(CE_ERROR_SHAPE, ce_partial_compute(&other, 1, 0, &target, NULL, p));
    FAILS(CE_ERROR_SHAPE, ce_partial_compute(&input, 2, 0, &target, NULL, p));
    FAILS(CE_ERROR_SHAPE, ce_partial_compute(&input, 0, 0, &target, NULL, p));
    FAILS(CE_ERROR_SHAPE, ce_partial_compute(&input, 1, 1, &target, NULL, p));
    FAILS(CE_ERROR_SHAPE, ce_partial_compute(&input, 1, -CE_BLOCK, &target, NULL, p));
    FAILS(CE_ERROR_SHAPE, ce_partial_compute(&input, 1, INT64_MIN, &target, NULL, p));
    FAILS(CE_ERROR_OVERFLOW, ce_partial_compute(&input, 1, INT64_MAX / CE_BLOCK * CE_BLOCK, &target, NULL, p));
    other = tensor_of(mass, CE_F32, 2, shape, NULL);
    FAILS(CE_ERROR_DTYPE, ce_partial_compute(&input, 1, 0, &other, NULL, p));
    other = tensor_of(p, CE_I64, 1, &rows, NULL);
    FAILS(CE_ERROR_OVERLAP, ce_partial_compute(&input, 1, 0, &other, NULL, p));
    other = tensor_of((char *)p + 400, CE_F32, 2, shape, NULL);
    FAILS(CE_ERROR_OVERLAP, ce_partial_compute(&other, 1, 0, &target, NULL, p));
    ce_options_init(&options, sizeof options);
    options.input_type = CE_INPUT_PROBS;
    FAILS(CE_ERROR_OPTION, ce_partial_compute(&input, 1, 0, &target, &options, p));
    options.input_type      = CE_INPUT_LOGITS;
    options.label_smoothing = 0.1;
    FAILS(CE_ERROR_OPTION, ce_partial_compute(&input, 1, 0, &target, &options, p));
    CHECK(strstr(ce_last_error_message(), "label_smoothing") != NULL);
    options.label_smoothing = 0;
    /* What only calls on whole rows know; the pointers lead to views that they would accept. */
    options.mask = &target;
    FAILS(CE_ERROR_OPTION, ce_partial_compute(&input, 1, 0, &target, &options, p));
    CHECK(strstr(ce_last_error_message(), "mask") != NULL);
    options.mask           = NULL;
    options.ignore_indices = &target;
    FAILS(CE_ERROR_OPTION, ce_partial_compute(&input, 1, 0, &target, &options, p));
    options.ignore_indices = NULL;
    options.grad_losses    = &input;
    FAILS(CE_ERROR_OPTION, ce_partial_compute(&input, 1, 0, &target, &options, p));
    options.grad_losses = NULL;
    options.pos_weight  = &input;
    FAILS(CE_ERROR_OPTION, ce_partial_compute(&input, 1, 0, &target, &options, p));
    options.pos_weight = NULL;
    options.size            = 8;
    FAILS(CE_ERROR_OPTIONS_SIZE, ce_partial_compute(&input, 1, 0, &target, &options, p));
    CHECK(memcmp(p, q, sizeof p) == 0); /* nothing was written */
    {
        const volatile int32_t stop = 1;
        ce_options_init(&options, sizeof options);
        options.cancel = &stop;
        FAILS(CE_ERROR_CANCELLED, ce_partial_compute(&input, 1, 0, &target, &options, p));
        ce_options_init(&options, sizeof options);
    }

    FAILS(CE_ERROR_PARTIAL, ce_partial_loss(p, 2, 3, NULL, &output));
    FAILS(CE_ERROR_PARTIAL, ce_partial_merge(p, q, 2));
    FAILS(CE_OK, ce_partial_compute(&input, 1, 0, &target, NULL, p));
    FAILS(CE_OK, ce_partial_compute(&input, 1, CE_BLOCK, &target, NULL, q));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_merge(NULL, q, 2));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_merge(p, NULL, 2));
    FAILS(CE_ERROR_SHAPE, ce_partial_merge(p, q, -1));
    FAILS(CE_ERROR_OVERFLOW, ce_partial_merge(p, q, INT64_MAX));
    FAILS(CE_ERROR_OVERLAP, ce_partial_merge(p, p, 2));
    FAILS(CE_ERROR_OVERLAP, ce_partial_merge(p, p + 1, 1 + 1));
    FAILS(CE_OK, ce_partial_merge(NULL, NULL, 0));
    {
        /* The first rows would merge, the second do not: nothing is. */
        ce_partial before_merge[2];
        memcpy(before_merge, p, sizeof p);
        q[1].label = 1;
        FAILS(CE_ERROR_PARTIAL, ce_partial_merge(p, q, 2));
        CHECK(memcmp(before_merge, p, sizeof p) == 0);
        q[1].label = y[1];
    }

    FAILS(CE_ERROR_NULL_POINTER, ce_partial_loss(NULL, 2, 3, NULL, &output));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_loss(p, 2, 3, NULL, NULL));
    FAILS(CE_ERROR_SHAPE, ce_partial_loss(p, 2, -1, NULL, &output));
    FAILS(CE_ERROR_PARTIAL, ce_partial_loss(p, 2, 4, NULL, &output));
    FAILS(CE_ERROR_PARTIAL, ce_partial_loss(p, 2, INT64_C(1) << 62, NULL, &output));
    FAILS(CE_ERROR_PARTIAL, ce_partial_loss(q, 2, 0, NULL, &output));
    other = tensor_of(x, CE_F32, 1, &rows, NULL);
    options.weight = &other;
    FAILS(CE_ERROR_SHAPE, ce_partial_loss(p, 2, 3, &options, &output));
    options.weight        = NULL;
    options.sample_weight = &input;
    FAILS(CE_ERROR_SHAPE, ce_partial_loss(p, 2, 3, &options, &output));
    options.sample_weight = NULL;
    options.reduction     = CE_REDUCTION_NONE;
    FAILS(CE_ERROR_SHAPE, ce_partial_loss(p, 2, 3, &options, &output));
    other = tensor_of(g, CE_F32, 1, &three, NULL);
    FAILS(CE_ERROR_SHAPE, ce_partial_loss(p, 2, 3, &options, &other));
    other = tensor_of(p, CE_F64, 1, &rows, NULL);
    FAILS(CE_ERROR_OVERLAP, ce_partial_loss(p, 2, 3, &options, &other));
    CHECK(loss == 7);
    FAILS(CE_OK, ce_partial_loss(p, 2, 3, NULL, &output));
    CHECK(fabs(loss - 1.4076059f) < 1e-6f);
    FAILS(CE_OK, ce_partial_loss(NULL, 0, 0, NULL, &output));
    CHECK(isnan(loss));

    memset(g, 0xA5, sizeof g);
    memcpy(before, g, sizeof g);
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_grad(NULL, 1, 0, p, 3, NULL, &gradient));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_grad(&input, 1, 0, NULL, 3, NULL, &gradient));
    FAILS(CE_ERROR_NULL_POINTER, ce_partial_grad(&input, 1, 0, p, 3, NULL, NULL));
    FAILS(CE_ERROR_SHAPE, ce_partial_grad(&input, 1, CE_BLOCK, p, 3, NULL, &gradient));
    other = tensor_of(g, CE_F64, 2, shape, NULL);
    FAILS(CE_ERROR_DTYPE, ce_partial_grad(&input, 1, 0, p, 3, NULL, &other));
    other = tensor_of(x + 1, CE_F32, 2, shape, NULL);
    FAILS(CE_ERROR_OVERLAP, ce_partial_grad(&input, 1, 0, p, 3, NULL, &other));
    p[1].dtype = CE_F64;
    FAILS(CE_ERROR_PARTIAL, ce_partial_grad(&input, 1, 0, p, 3, NULL, &gradient));
    p[1].dtype   = CE_F32;
    p[1].softcap = 3;
    FAILS(CE_ERROR_PARTIAL, ce_partial_grad(&input, 1, 0, p, 3, NULL, &gradient));
    p[1].softcap = 0;
    CHECK(memcmp(before, g, sizeof g) == 0);
    FAILS(CE_OK, ce_partial_grad(&input, 1, 0, p, 3, NULL, &gradient));
    CHECK(fabs(g[2] + 0.16737951f) < 1e-6f && fabs(g[3] + 0.45498466f) < 1e-6f);
}

static void check_accumulator(void) {
    const int64_t  rows = 4, three = 3;
    const double   loss[4] = {1e300, 0.5, -1e300, NAN};
    const float    weight[4] = {1, 2, 1, 0};
    const uint8_t  correct[4] = {1, 0, 3, 1};
    ce_tensor      losses = tensor_of(loss, CE_F64, 1, &rows, NULL), weights = tensor_of(weight, CE_F32, 1, &rows, NULL);
    ce_tensor      flags = tensor_of(correct, CE_U8, 1, &rows, NULL), other;
    ce_accumulator a, b, before;
    double         mean, sum, total;

    CHECK(sizeof(ce_accumulator) == 600);
    FAILS(CE_ERROR_NULL_POINTER, ce_accumulator_init(NULL));
    memset(&a, 0xA5, sizeof a);
    FAILS(CE_ERROR_PARTIAL, ce_accumulator_add(&a, &losses, NULL, NULL));
    FAILS(CE_ERROR_PARTIAL, ce_accumulator_result(&a, &mean, &sum, &total));
    FAILS(CE_OK, ce_accumulator_init(&a));
    FAILS(CE_OK, ce_accumulator_init(&b));
    FAILS(CE_OK, ce_accumulator_add(&a, &losses, &weights, &flags));
    FAILS(CE_OK, ce_accumulator_result(&a, &mean, &sum, &total));
    CHECK(sum == 0.5 && total == 4 && mean == 0.125);
    CHECK(a.rows == 3 && a.judged == 3 && a.correct == 2);
    FAILS(CE_OK, ce_accumulator_result(&a, NULL, NULL, NULL));
    FAILS(CE_OK, ce_accumulator_merge(&b, &a));
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    FAILS(CE_OK, ce_accumulator_merge(&b, &b));
    FAILS(CE_OK, ce_accumulator_result(&b, &mean, &sum, &total));
    CHECK(sum == 1 && total == 8 && b.correct == 4);
    memcpy(&before, &a, sizeof a);
    FAILS(CE_ERROR_NULL_POINTER, ce_accumulator_add(NULL, &losses, NULL, NULL));
    FAILS(CE_ERROR_NULL_POINTER, ce_accumulator_add(&a, NULL, NULL, NULL));
    FAILS(CE_ERROR_NULL_POINTER, ce_accumulator_merge(&a, NULL));
    FAILS(CE_ERROR_NULL_POINTER, ce_accumulator_merge(NULL, &a));
    FAILS(CE_ERROR_NULL_POINTER, ce_accumulator_result(NULL, &mean, NULL, NULL));
    FAILS(CE_ERROR_DTYPE, ce_accumulator_add(&a, &flags, NULL, NULL));
    FAILS(CE_ERROR_DTYPE, ce_accumulator_add(&a, &losses, &flags, NULL));
    FAILS(CE_ERROR_DTYPE, ce_accumulator_add(&a, &losses, NULL, &losses));
    other = tensor_of(weight, CE_F32, 1, &three, NULL);
    FAILS(CE_ERROR_SHAPE, ce_accumulator_add(&a, &losses, &other, NULL));
    other = tensor_of((char *)&a + 592, CE_F64, 0, NULL, NULL);
    FAILS(CE_ERROR_OVERLAP, ce_accumulator_add(&a, &other, NULL, NULL));
    CHECK(memcmp(&a, &before, sizeof a) == 0);
}

int main(void) {
    check_arguments();
    check_accumulator();
    return tally();
}
