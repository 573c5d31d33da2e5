/*
 * stack - the header promises that 64 kB of stack suffice: calls of every function in a thread that has no more.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include <pthread.h>

#include "calls.h"
#include "common.h"

static void *on_a_small_stack(void *argument) {
    enum { SMALL_ROWS = 20, SMALL_CLASSES = 5000 };
    static double     x[SMALL_ROWS * SMALL_CLASSES], q[SMALL_ROWS * SMALL_CLASSES], g[SMALL_ROWS * SMALL_CLASSES];
    static double     t[SMALL_ROWS * SMALL_CLASSES], loss[1], stats[4][SMALL_ROWS];
    static float      single[SMALL_ROWS * SMALL_CLASSES];
    static int64_t    labels[SMALL_ROWS], ranks[2][SMALL_ROWS], named[SMALL_ROWS * 4];
    static ce_partial partials[SMALL_ROWS];
    const int64_t     shape[2] = {SMALL_ROWS, SMALL_CLASSES}, few[2] = {SMALL_ROWS, 4}, rows = SMALL_ROWS;
    const int64_t     columns[2] = {1, SMALL_ROWS};
    ce_tensor         input = tensor_of(x, CE_F64, 2, shape, NULL), turned = tensor_of(x, CE_F64, 2, shape, columns);
    ce_tensor         turned_single = tensor_of(single, CE_F32, 2, shape, columns);
    ce_tensor         dense = tensor_of(q, CE_F64, 2, shape, NULL), label = tensor_of(labels, CE_I64, 1, &rows, NULL);
    ce_tensor         sparse = tensor_of(named, CE_I64, 2, few, NULL), probs = tensor_of(q, CE_F64, 2, few, NULL);
    ce_tensor         grad = tensor_of(g, CE_F64, 2, shape, NULL), target_grad = tensor_of(t, CE_F64, 2, shape, NULL);
    ce_tensor         l = tensor_of(loss, CE_F64, 0, NULL, NULL);
    ce_row_stats      statistics;
    ce_outputs        all = {sizeof all, &l, &grad, NULL, &statistics};
    ce_options        options;
    int               i;
    (void)argument;
    memset(&statistics, 0, sizeof statistics);
    statistics.size        = sizeof statistics;
    statistics.lse         = stats[0];
    statistics.max         = stats[1];
    statistics.entropy     = stats[2];
    statistics.target_prob = stats[3];
    statistics.argmax      = ranks[0];
    statistics.target_rank = ranks[1];
    for (i = 0; i < SMALL_ROWS * SMALL_CLASSES; i++) x[i] = single[i] = (float)(i % 7), q[i] = 1.0 / SMALL_CLASSES;
    for (i = 0; i < SMALL_ROWS * 4; i++) named[i] = i % 4;

#define OPTIONS(settings) options = defaults(); options.threads = 1; settings
    OPTIONS(options.softcap = 5; options.focal_gamma = 2; options.z_loss = 1);
    CHECK(ce_cross_entropy(&input, 1, &label, &options, &all) == CE_OK);
    options.label_smoothing = 0.1;
    CHECK(ce_cross_entropy(&input, 1, &label, &options, &all) == CE_OK);
    options.softcap = 0;
    options.label_smoothing = 0;
    CHECK(ce_cross_entropy(&turned, 1, &label, &options, &all) == CE_OK);
    CHECK(ce_cross_entropy(&turned_single, 1, &label, &options, ALL_OUTPUTS(&l, NULL, NULL, &statistics)) == CE_OK);
    OPTIONS(options.target_type = CE_TARGET_LOGITS; options.softcap = 5);
    all.grad_target = &target_grad;
    CHECK(ce_cross_entropy(&input, 1, &dense, &options, &all) == CE_OK);
    CHECK(ce_kl_divergence(&input, 1, &dense, &options, ALL_OUTPUTS(&l, &grad, &target_grad, NULL)) == CE_OK);
    OPTIONS(options.target_probs = &probs; options.target_rest = CE_REST_SPREAD);
    options.mean_over   = CE_MEAN_OVER_MASS;
    options.focal_gamma = 2;
    all.grad_target     = NULL;
    CHECK(ce_cross_entropy(&input, 1, &sparse, &options, &all) == CE_OK);
    OPTIONS(options.z_loss = 1);
    CHECK(ce_hessian_vector_product(&input, 1, &dense, &options, &dense, &grad) == CE_OK);
    CHECK(ce_softmax(&input, 1, NULL, &grad) == CE_OK);
    CHECK(ce_compute_row_stats(&input, 1, &label, NULL, &statistics) == CE_OK);
    CHECK(ce_partial_compute(&input, 1, 0, &label, &options, partials) == CE_OK);
    CHECK(ce_partial_loss(partials, SMALL_ROWS, SMALL_CLASSES, &options, &l) == CE_OK);
    CHECK(ce_partial_grad(&input, 1, 0, partials, SMALL_CLASSES, &options, &grad) == CE_OK);
    OPTIONS(options.focal_gamma = 2);
    CHECK(ce_binary_cross_entropy(&input, 1, &dense, &options, OUTPUTS(&l, &grad)) == CE_OK);
    return NULL;
}

static void small_stack(void) {
    pthread_t      thread;
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    /* Where threads must have more (128 kB with glibc on AArch64), the least that they may have. */
    if (pthread_attr_setstacksize(&attributes, 64 * 1024) != 0)
        CHECK(pthread_attr_setstacksize(&attributes, 128 * 1024) == 0);
    CHECK(pthread_create(&thread, &attributes, on_a_small_stack, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
}

int main(void) {
    small_stack();
    return tally();
}
