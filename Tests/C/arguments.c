/*
 * arguments - pointers that are NULL, sizes, shapes and dtypes that do not fit, and what then must not be written: of losses of
 * labels and distributions, of softmax and of statistics.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "small_problem.h"

/* Losses -------------------------------------------------------------------------------------- */

static void null_in_plain_calls(void) {
    static const double logits[COUNT] = {0.1, 0.4, 0.5, 0.8, 0.1, 0.1};
    double              loss64;
    clear_outputs();
    CHECK(ce_cross_entropy_f32(NULL, LABELS, ROWS, CLASSES, NULL, loss, grad) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f32(LOGITS, NULL, ROWS, CLASSES, NULL, loss, grad) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, NULL, NULL, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(strlen(ce_last_error_message()) > 0);
    CHECK(ce_cross_entropy_f64(NULL, LABELS, ROWS, CLASSES, NULL, &loss64, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f64(logits, NULL, ROWS, CLASSES, NULL, &loss64, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f64(logits, LABELS, ROWS, CLASSES, NULL, NULL, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(nothing_written());

    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, NULL, NULL, grad) == CE_OK);
    CHECK(is_fill(loss, sizeof loss) && !is_fill(grad, sizeof grad));
    CHECK(ce_cross_entropy_f64(logits, LABELS, ROWS, CLASSES, NULL, &loss64, NULL) == CE_OK);
    CHECK(fabs(loss64 - 0.8178186621560153) < 1e-13);

    clear_outputs();
    CHECK(ce_cross_entropy_f32(NULL, NULL, 0, CLASSES, NULL, loss, NULL) == CE_OK);
    CHECK(isnan(loss[0]) && is_fill(loss + 1, sizeof loss - sizeof loss[0]));
}

static void sizes_in_plain_calls(void) {
    clear_outputs();
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, -1, CLASSES, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, 0, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, -3, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, 0, 0, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, INT64_MIN, INT64_MIN, NULL, loss, grad) ==
          CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, INT64_MAX, 2, NULL, loss, grad) ==
          CE_ERROR_OVERFLOW);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, (int64_t)1 << 32, (int64_t)1 << 32, NULL, loss,
                               grad) == CE_ERROR_OVERFLOW);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, 1, INT64_MAX, NULL, loss, grad) ==
          CE_ERROR_OVERFLOW); /* 4 bytes each */
    CHECK(nothing_written());
}

static void null_in_tensors(void) {
    static const int64_t empty[2] = {0, CLASSES};
    small                p = small_problem(), q;
    ce_tensor            mass;
    CHECK(ce_cross_entropy(NULL, -1, &p.labels, NULL, OUTPUTS(&p.one_loss, &p.grad)) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy(&p.input, -1, NULL, NULL, OUTPUTS(&p.one_loss, &p.grad)) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, OUTPUTS(NULL, NULL)) == CE_ERROR_NULL_POINTER);
    CHECK(strstr(ce_last_error_message(), "nothing to compute") != NULL);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(strstr(ce_last_error_message(), "nothing to compute") != NULL);

    /* no data */
    q = p, q.input.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.labels.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    mass = p.mass, mass.data = NULL;
    CHECK(ce_cross_entropy(&p.input, -1, &mass, NULL, OUTPUTS(&p.one_loss, &p.grad)) ==
          CE_ERROR_NULL_POINTER);
    q = p, q.one_loss.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.grad.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.weight.data = NULL, q.options.weight = &q.weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.sample_weight.data = NULL, q.options.sample_weight = &q.sample_weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);

    /* no shape */
    q = p, q.input.shape = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.labels.shape = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.one_loss.ndim = 1;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.grad.shape = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.weight.shape = NULL, q.options.weight = &q.weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.sample_weight.shape = NULL, q.options.sample_weight = &q.sample_weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    CHECK(nothing_written());

    /* NULL is fine where nothing is needed */
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, OUTPUTS(&p.one_loss, NULL)) == CE_OK);
    CHECK(loss_is_right());
    clear_outputs();
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, OUTPUTS(NULL, &p.grad)) == CE_OK);
    CHECK(is_fill(loss, sizeof loss));
    clear_outputs();
    q = p, q.input.data = q.labels.data = q.grad.data = NULL;
    q.input.shape = q.labels.shape = q.grad.shape = empty;
    CHECK(mean(&q) == CE_OK);
    CHECK(isnan(loss[0]));
    q.losses.data = NULL, q.losses.shape = empty, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, OUTPUTS(&q.losses, &q.grad)) == CE_OK);
}

static void shapes_of_outputs(void) {
    static const int64_t ones[3] = {1, 1, 1}, wrong[2] = {CLASSES, ROWS}, negative[2] = {-1, 3};
    static const int64_t longer[1] = {ROWS + 1};
    small                p = small_problem(), q;
    int32_t              ndim;
    for (ndim = 0; ndim <= 3; ndim++) {
        q = p, q.one_loss.ndim = ndim, q.one_loss.shape = ones;
        CHECK(mean(&q) == CE_OK);
        CHECK(loss_is_right());
    }
    clear_outputs();
    q = p, q.one_loss = p.losses;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.one_loss.ndim = -1;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.one_loss.ndim = CE_MAX_NDIM + 1, q.one_loss.shape = ones;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.shape = wrong;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.shape = negative;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.ndim = 1;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.ndim = -2;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.dtype = CE_F64;
    CHECK(mean(&q) == CE_ERROR_DTYPE);
    q = p, q.grad.dtype = CE_I32;
    CHECK(mean(&q) == CE_ERROR_DTYPE);
    q = p, q.input.ndim = -2;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.labels.shape = negative;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q.one_loss = p.losses, q.one_loss.shape = longer;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    CHECK(nothing_written());
    q.one_loss = p.losses;
    CHECK(mean(&q) == CE_OK);
}

static void row_options(void) {
    small     p = small_problem();
    ce_tensor mask = p.sample_weight, inside = p.labels;
    p.options.mask = &mask;
    CHECK(mean(&p) == CE_ERROR_DTYPE); /* floating point */
    mask = p.labels;
    mask.data = grad;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    p.options.mask = NULL;
    p.options.ignore_indices = &mask;
    mask.data = p.labels.data;
    mask.dtype = CE_I32;
    CHECK(mean(&p) == CE_ERROR_DTYPE);
    p.options.ignore_indices = NULL;
    p.options.grad_losses = &inside;
    CHECK(mean(&p) == CE_ERROR_DTYPE);
    p.options.grad_losses = &p.sample_weight;
    CHECK(mean(&p) == CE_ERROR_OPTION); /* of a mean */
    CHECK(nothing_written());
}

/* Softmax and statistics ---------------------------------------------------------------------- */

static void softmax_arguments(void) {
    const int64_t one[1] = {1};
    small         p = small_problem();
    ce_tensor     wide = p.grad, short_one = p.grad, losses = p.losses, shifted = p.grad, half = p.losses;
    float         both[COUNT + 1];
    wide.dtype = CE_F64;
    short_one.ndim = 1;
    losses.shape = one;
    half.dtype = CE_F16;
    CHECK(ce_softmax(NULL, -1, NULL, &p.grad) == CE_ERROR_NULL_POINTER);
    CHECK(ce_softmax(&p.input, -1, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(strstr(ce_last_error_message(), "output") != NULL);
    CHECK(ce_log_softmax(&p.input, -1, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(ce_logsumexp(&p.input, -1, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(ce_softmax(&p.input, 2, NULL, &p.grad) == CE_ERROR_SHAPE);
    CHECK(ce_softmax(&p.input, -1, NULL, &wide) == CE_ERROR_DTYPE);
    CHECK(ce_softmax(&p.input, -1, NULL, &short_one) == CE_ERROR_SHAPE);
    CHECK(ce_logsumexp(&p.input, -1, NULL, &losses) == CE_ERROR_SHAPE);
    CHECK(ce_logsumexp(&p.input, -1, NULL, &half) == CE_ERROR_DTYPE);
    CHECK(ce_logsumexp(&p.input, -1, NULL, &p.input) == CE_ERROR_SHAPE);
    p.options.softcap = -1;
    CHECK(ce_softmax(&p.input, -1, &p.options, &p.grad) == CE_ERROR_OPTION);
    CHECK(nothing_written());
    memcpy(both, LOGITS, sizeof LOGITS);
    p.input.data = both;
    shifted.data = both + 1;
    CHECK(ce_softmax(&p.input, -1, NULL, &shifted) == CE_ERROR_OVERLAP);
    CHECK(memcmp(both, LOGITS, sizeof LOGITS) == 0);
    CHECK(ce_softmax(&p.input, -1, NULL, &p.grad) == CE_OK);
    CHECK(ce_softmax(&p.input, -1, NULL, &p.input) == CE_OK);
    CHECK(memcmp(both, grad, sizeof LOGITS) == 0);
}

static void statistics_arguments(void) {
    small        p = small_problem();
    double       numbers[2 * ROWS];
    int64_t      ranks[ROWS], bad[ROWS] = {0, CLASSES};
    ce_row_stats stats;
    ce_tensor    labels = p.labels;
    memset(&stats, 0, sizeof stats);
    memset(numbers, FILL, sizeof numbers);
    memset(ranks, FILL, sizeof ranks);
    CHECK(ce_compute_row_stats(&p.input, -1, NULL, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(ce_compute_row_stats(&p.input, -1, NULL, NULL, &stats) == CE_ERROR_OPTIONS_SIZE); /* its size is 0 */
    stats.size = sizeof stats;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_OK);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, ALL_OUTPUTS(NULL, NULL, NULL, &stats)) == CE_OK);
    stats.lse = numbers;
    stats.max = numbers + ROWS / 2;
    stats.target_rank = ranks;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_ERROR_OVERLAP);
    stats.max = NULL;
    stats.entropy = (double *)(void *)p.input.data;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_ERROR_OVERLAP);
    stats.entropy = NULL;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.mass, NULL, &stats) == CE_ERROR_DTYPE);
    labels.data = bad;
    CHECK(ce_compute_row_stats(&p.input, -1, &labels, NULL, &stats) == CE_ERROR_LABEL);
    CHECK(is_fill(numbers, sizeof numbers) && is_fill(ranks, sizeof ranks));
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_OK);
    CHECK(!is_fill(numbers, ROWS * sizeof *numbers) && is_fill(numbers + ROWS, ROWS * sizeof *numbers));
    CHECK(ranks[0] >= 0 && ranks[0] < CLASSES);

    /* From the pass of a loss: only of logits, and nothing is written if the call fails. */
    memset(numbers, FILL, sizeof numbers);
    p.row_stats = &stats;
    p.options.input_type = CE_INPUT_PROBS;
    CHECK(mean(&p) == CE_ERROR_OPTION);
    CHECK(strstr(ce_last_error_message(), "row_stats") != NULL);
    p.options.input_type = CE_INPUT_LOGITS;
    p.options.label_smoothing = 0.1;
    p.labels.data = bad;
    CHECK(mean(&p) == CE_ERROR_LABEL);
    CHECK(is_fill(numbers, sizeof numbers) && nothing_written());
    stats.lse = (double *)(void *)grad;
    p = small_problem();
    p.row_stats = &stats;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    CHECK(nothing_written());

    /* Nor may they lie on what is only read, the options' tensors among it. */
    p = small_problem();
    memcpy(numbers, LABELS, sizeof LABELS);
    labels = p.labels;
    labels.data = numbers;
    stats.lse = numbers;
    p.row_stats = &stats;
    p.options.mask = &labels;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    CHECK(memcmp(numbers, LABELS, sizeof LABELS) == 0);
    p.options.mask = NULL;
    p.options.ignore_indices = &labels;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    CHECK(memcmp(numbers, LABELS, sizeof LABELS) == 0 && nothing_written());
}

int main(void) {
    null_in_plain_calls();
    sizes_in_plain_calls();
    null_in_tensors();
    shapes_of_outputs();
    row_options();
    softmax_arguments();
    statistics_arguments();
    return tally();
}
