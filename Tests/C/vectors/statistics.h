/*
 * statistics.h - statistics of the rows of a case, their log-sum-exp and softmax, alone and beside the loss.
 */
#ifndef VECTORS_STATISTICS_H
#define VECTORS_STATISTICS_H

#include "../calls.h"
#include "case_calls.h"
#include "checks.h"

/* Room for the statistics of `rows` rows, at an odd address. */
typedef struct {
    unsigned char *memory;
    ce_row_stats   places;
} statistics;

static statistics make_statistics(int64_t rows) {
    statistics made;
    size_t     column = (size_t)rows * 8;
    made.memory = allocate(1 + 6 * column);
    memset(made.memory, FILL, 1 + 6 * column);
    made.places.size = sizeof(ce_row_stats);
    made.places.lse = (void *)(made.memory + 1);
    made.places.max = (void *)(made.memory + 1 + column);
    made.places.argmax = (void *)(made.memory + 1 + 2 * column);
    made.places.entropy = (void *)(made.memory + 1 + 3 * column);
    made.places.target_prob = (void *)(made.memory + 1 + 4 * column);
    made.places.target_rank = (void *)(made.memory + 1 + 5 * column);
    return made;
}

static double double_at(const double *place, int64_t i) {
    double number;
    memcpy(&number, (const unsigned char *)place + 8 * i, sizeof number);
    return number;
}

static double integer_at(const int64_t *place, int64_t i) {
    int64_t number;
    memcpy(&number, (const unsigned char *)place + 8 * i, sizeof number);
    return (double)number;
}

static int32_t is_index(const test_case *test) { return test->inputs[TARGET].view.dtype >= CE_I8; }

/* Of the options those that logits have without a loss. */
static ce_options of_logits(const ce_options *options) {
    ce_options made;
    ce_options_init(&made, sizeof made);
    made.softcap = options->softcap;
    made.logit_scale = options->logit_scale;
    made.temperature = options->temperature;
    made.threads = options->threads;
    return made;
}

/* Statistics alone, those from the pass of the loss, lse, softmax and its logarithm, in place too, with one thread and with
 * three, from elsewhere in memory. */
static void run_statistics(const test_case *test, const outcome *base) {
    static const char *const names[] = {"one thread", "three threads", "elsewhere"};
    const ce_tensor *input = &test->inputs[INPUT].view, *labels = is_index(test) ? &test->inputs[TARGET].view : NULL;
    int64_t          shape[MAX_NDIM], i;
    int32_t          ndim, variant;
    ce_options       options = with_tensors(test, test->inputs), plain = of_logits(&options), with_labels = plain;
    statistics       first = make_statistics(test->rows < 0 ? 0 : test->rows);
    tensor           lse, prob, logs, moved;
    test_case        rows = *test;
    if (test->rows < 0) {
        free(first.memory);
        return;
    }
    with_labels.ignore_index = options.ignore_index;
    rows.options.reduction = CE_REDUCTION_NONE;
    ndim = loss_shape(&rows, shape);
    make_tensor(&lse, CE_F64, ndim, shape, ELSEWHERE);
    make_tensor(&prob, input->dtype, input->ndim, test->inputs[INPUT].shape, ROW_MAJOR);
    make_tensor(&logs, input->dtype, input->ndim, test->inputs[INPUT].shape, ELSEWHERE);
    make_tensor(&moved, input->dtype, input->ndim, test->inputs[INPUT].shape, ELSEWHERE);
    copy_elements(input, &moved.view);
    if (ce_compute_row_stats(input, test->axis, labels, &with_labels, &first.places) ||
        ce_logsumexp(input, test->axis, &plain, &lse.view) ||
        ce_softmax(input, test->axis, &plain, &prob.view) ||
        ce_log_softmax(input, test->axis, &plain, &logs.view))
        complain(test, "statistics: %s", ce_last_error_message());
    for (i = 0; i < test->rows; i++) {
        const double *want = test->statistics + i * ROW_NUMBERS;
        check_number(test, "lse", i, double_at(first.places.lse, i), want[0], want[1]);
        check_number(test, "logsumexp", i, float_at(&lse.view, i), want[0], want[1]);
        check_number(test, "max", i, double_at(first.places.max, i), want[2], want[3]);
        check_number(test, "entropy", i, double_at(first.places.entropy, i), want[4], want[5]);
        check_number(test, "target_prob", i, double_at(first.places.target_prob, i), want[6], want[7]);
        check_number(test, "argmax", i, integer_at(first.places.argmax, i), want[8], 0);
        check_number(test, "target_rank", i, integer_at(first.places.target_rank, i), want[9], 0);
    }
    for (i = 0; i < test->softmaxes; i++) {
        const double *want = test->softmax + i * CLASS_NUMBERS;
        int64_t       at = (int64_t)want[0];
        check_number(test, "softmax", at, float_at(&prob.view, at), want[1], want[2]);
        check_number(test, "log_softmax", at, float_at(&logs.view, at), want[3], want[4]);
    }
    for (variant = 0; variant < 3; variant++) {
        const ce_tensor *from = variant == 2 ? &moved.view : input;
        statistics       other = make_statistics(test->rows), in_pass = make_statistics(test->rows);
        tensor           again;
        options.threads = variant == 0 ? 1 : variant == 1 ? 3 : 0;
        plain.threads = with_labels.threads = options.threads;
        make_tensor(&again, input->dtype, input->ndim, test->inputs[INPUT].shape, ROW_MAJOR);
        if (ce_compute_row_stats(from, test->axis, labels, &with_labels, &other.places) ||
            ce_softmax(from, test->axis, &plain, &again.view))
            complain(test, "statistics, %s: %s", names[variant], ce_last_error_message());
        if (memcmp(other.memory, first.memory, 1 + 6 * (size_t)test->rows * 8) != 0)
            complain(test, "statistics, %s: other bits", names[variant]);
        if (!same_bits(&again.view, &prob.view))
            complain(test, "softmax, %s: other bits", names[variant]);
        copy_elements(input, &again.view);
        if (ce_log_softmax(&again.view, test->axis, &plain, &again.view) || !same_bits(&again.view, &logs.view))
            complain(test, "log_softmax in place, %s: other bits", names[variant]);
        /* Rows of weight 0 have no target there, so not where there are weights. */
        if (!test->has[WEIGHT] && !test->has[SAMPLE_WEIGHT] && test->with_grad && distinct(from) &&
            test->grad_dtype == input->dtype) {
            outcome got;
            copy_elements(input, &again.view);
            make_outputs(test, &got, ROW_MAJOR);
            if (ce_cross_entropy(&again.view, test->axis, &test->inputs[TARGET].view, &options,
                                 ALL_OUTPUTS(&got.loss.view, &again.view, NULL, &in_pass.places)))
                complain(test, "statistics of a loss: %s", ce_last_error_message());
            if (memcmp(in_pass.memory, first.memory, 1 + 6 * (size_t)test->rows * 8) != 0)
                complain(test, "statistics of a loss, %s: other bits", names[variant]);
            if (!same_bits(&got.loss.view, &base->loss.view) || !same_bits(&again.view, &base->grad.view))
                complain(test, "statistics of a loss, %s: loss or gradient have other bits", names[variant]);
            free_outputs(&got);
        }
        free(again.memory);
        free(other.memory);
        free(in_pass.memory);
    }
    free(first.memory);
    free(lse.memory);
    free(prob.memory);
    free(logs.memory);
    free(moved.memory);
}

#endif
