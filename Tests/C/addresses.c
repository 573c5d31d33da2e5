/*
 * addresses - any alignment, strides of any sign, and lengths and addresses that do not fit into memory.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "small_problem.h"

/* Alignment and strides ---------------------------------------------------------------------- */

/* Every tensor at every distance from an aligned address, same bits as aligned. */
static void misaligned(void) {
    unsigned char room[8][96];
    float         want[ROWS], want_grad[COUNT];
    double        want_lse[ROWS];
    int64_t       want_rank[ROWS];
    ce_row_stats  stats = {sizeof(ce_row_stats), want_lse, NULL, NULL, NULL, NULL, want_rank};
    int           shift;
    small         p = small_problem();
    p.options.weight = &p.weight;
    p.options.sample_weight = &p.sample_weight;
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, ALL_OUTPUTS(&p.losses, &p.grad, NULL, &stats)) == CE_OK);
    memcpy(want, loss, sizeof loss);
    memcpy(want_grad, grad, sizeof grad);
    for (shift = 1; shift < 16; shift++) {
        memset(room, FILL, sizeof room);
        p.input.data = memcpy(room[0] + shift, LOGITS, sizeof LOGITS);
        p.labels.data = memcpy(room[1] + shift, LABELS, sizeof LABELS);
        p.weight.data = memcpy(room[2] + shift, WEIGHT, sizeof WEIGHT);
        p.sample_weight.data = memcpy(room[3] + shift, SAMPLE_WEIGHT, sizeof SAMPLE_WEIGHT);
        p.losses.data = room[4] + shift;
        p.grad.data = room[5] + shift;
        stats.lse = (double *)(void *)(room[6] + shift);
        stats.target_rank = (int64_t *)(void *)(room[7] + shift);
        CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, ALL_OUTPUTS(&p.losses, &p.grad, NULL, &stats)) == CE_OK);
        CHECK(memcmp(room[4] + shift, want, sizeof want) == 0);
        CHECK(memcmp(room[5] + shift, want_grad, sizeof want_grad) == 0);
        CHECK(memcmp(room[6] + shift, want_lse, sizeof want_lse) == 0);
        CHECK(memcmp(room[7] + shift, want_rank, sizeof want_rank) == 0);
        CHECK(is_fill(room[4], (size_t)shift));
        CHECK(is_fill(room[4] + shift + sizeof want, sizeof room[4] - (size_t)shift - sizeof want));
        CHECK(is_fill(room[5], (size_t)shift));
        CHECK(is_fill(room[5] + shift + sizeof want_grad,
                      sizeof room[5] - (size_t)shift - sizeof want_grad));
    }
    p.input.data = room[0] + 3;
    memcpy(room[0] + 3, LOGITS, sizeof LOGITS);
    memcpy(room[1] + 5, LABELS, sizeof LABELS);
    CHECK(ce_cross_entropy_f32((float *)(void *)(room[0] + 3), (int64_t *)(void *)(room[1] + 5),
                               ROWS, CLASSES, &p.options, (float *)(void *)(room[4] + 1),
                               (float *)(void *)(room[0] + 3)) == CE_OK);
    CHECK(memcmp(room[4] + 1, want, sizeof want) == 0);
    CHECK(memcmp(room[0] + 3, want_grad, sizeof want_grad) == 0);
}

static void negative_strides(void) {
    static const int64_t back[2] = {-CLASSES, -1}, last[1] = {-1}, far[2] = {-8, 2};
    float                want[ROWS], want_grad[COUNT], wide[16];
    small                p = small_problem();
    int                  r, c;
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);
    memcpy(want, loss, sizeof loss);
    memcpy(want_grad, grad, sizeof grad);
    clear_outputs();
    p.losses.data = loss + ROWS - 1, p.losses.strides = last;
    p.grad.data = grad + COUNT - 1, p.grad.strides = back;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);
    CHECK(loss[0] == want[1] && loss[1] == want[0]);
    for (c = 0; c < COUNT; c++)
        CHECK(grad[COUNT - 1 - c] == want_grad[c]);
    memset(wide, FILL, sizeof wide);
    p.grad.data = wide + 8, p.grad.strides = far;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);
    for (r = 0; r < ROWS; r++)
        for (c = 0; c < CLASSES; c++) {
            CHECK(wide[8 - 8 * r + 2 * c] == want_grad[r * CLASSES + c]);
            CHECK(is_fill(wide + 8 - 8 * r + 2 * c + 1, sizeof(float)));
        }
}

/* More than there is ------------------------------------------------------------------------- */

static const int64_t HUGE_LENGTH = (int64_t)1 << 62;

/* Tensors without elements may have any other lengths. */
static void huge_lengths_of_empty_tensors(void) {
    const int64_t shape[4] = {HUGE_LENGTH, HUGE_LENGTH, 0, 5}, strides[4] = {INT64_MIN, -1, 7, INT64_MAX};
    small         p = small_problem();
    p.input.data = p.labels.data = p.losses.data = p.grad.data = p.sample_weight.data = NULL;
    p.input.shape = p.labels.shape = p.losses.shape = p.grad.shape = p.sample_weight.shape = shape;
    p.input.ndim = p.grad.ndim = 4;
    p.labels.ndim = p.losses.ndim = p.sample_weight.ndim = 3;
    CHECK(mean(&p) == CE_OK && isnan(loss[0]));
    p.options.sample_weight = &p.sample_weight;
    p.options.empty = CE_EMPTY_ERROR;
    CHECK(mean(&p) == CE_ERROR_EMPTY);
    p.options.reduction = CE_REDUCTION_NONE;
    p.input.strides = p.labels.strides = p.losses.strides = p.grad.strides = strides;
    CHECK(ce_cross_entropy(&p.input, 3, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);

    p = small_problem();
    p.one_loss.ndim = 3, p.one_loss.shape = shape;
    CHECK(mean(&p) == CE_ERROR_SHAPE); /* no element, but a mean is one */
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(mean(&p) == CE_ERROR_SHAPE);
    CHECK(nothing_written());
}

static void addresses_that_do_not_fit(void) {
    static const double  logits[COUNT];
    static const int64_t ignored[ROWS] = {-100, -100}, one[2] = {1, CLASSES}, any[2] = {INT64_MIN, 1};
    const int64_t        steps[] = {((int64_t)1 << 60) - 4, ((int64_t)1 << 60) + 1, INT64_MAX, INT64_MIN,
                                    -((int64_t)1 << 60) - 1, HUGE_LENGTH};
    const int64_t        long_shape[2] = {(int64_t)1 << 59, 1}, up[2] = {3, 1}, down[1] = {-2};
    small                p = small_problem(), q;
    int64_t              far[2] = {0, 1};
    size_t               i;
    p.labels.data = tensor_of(ignored, CE_I64, 1, SHAPE, NULL).data; /* no row is looked at */
    for (i = 0; i < LENGTH_OF(steps); i++) {
        far[0] = steps[i];
        q = p, q.input = tensor_of(logits, CE_F64, 2, SHAPE, far);
        CHECK(ce_cross_entropy(&q.input, -1, &q.labels, NULL, OUTPUTS(&q.one_loss, NULL)) == CE_ERROR_OVERFLOW);
        q = p, q.sample_weight = tensor_of(logits, CE_F64, 1, SHAPE, far);
        q.options.sample_weight = &q.sample_weight;
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
        q = p, q.labels.strides = far;
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
    }
    for (i = 0; i < COUNT * sizeof(float); i++) {
        const uintptr_t end = (uintptr_t)INT64_MAX - i;
        q = p, memcpy(&q.input.data, &end, sizeof end);
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
        q = p, memcpy(&q.grad.data, &end, sizeof end);
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
    }
    CHECK(nothing_written());

    /* from the same place up and down: each reach fits, their sum does not */
    q = p, q.options.reduction = CE_REDUCTION_NONE;
    q.input = tensor_of(LOGITS, CE_F32, 2, long_shape, NULL);
    q.mass = tensor_of(MASS, CE_F32, 2, long_shape, up);
    q.losses = tensor_of(MASS, CE_F32, 1, long_shape, down);
    CHECK(ce_cross_entropy(&q.input, -1, &q.mass, &q.options, OUTPUTS(&q.losses, NULL)) == CE_ERROR_OVERLAP);

    /* a stride that is never stepped along, anywhere */
    q = small_problem();
    q.input.shape = q.labels.shape = q.grad.shape = one;
    q.input.strides = q.labels.strides = q.grad.strides = any;
    CHECK(mean(&q) == CE_OK && fabs(loss[0] - 0.9459107) < 1e-6);
    q.losses.shape = one, q.losses.strides = any, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, OUTPUTS(&q.losses, &q.grad)) == CE_OK);
}

/* Strides of 0 make room for more classes than there is memory. */
static void more_classes_than_memory(void) {
    const int64_t        shape[2] = {0, (int64_t)1 << 60};
    static const int64_t zero[2] = {0, 0};
    small                p = small_problem();
    int32_t              status, distributions;
    p.input = tensor_of(NULL, CE_F32, 2, shape, zero);
    p.labels = tensor_of(NULL, CE_I64, 1, shape, NULL);
    p.mass = tensor_of(NULL, CE_F32, 2, shape, zero);
    p.weight = tensor_of(WEIGHT, CE_F32, 1, shape + 1, zero);
    p.options.weight = &p.weight;
    p.options.label_smoothing = 0.1;
    for (distributions = 0; distributions < 2; distributions++) {
        clear_outputs();
        status = ce_cross_entropy(&p.input, -1, distributions ? &p.mass : &p.labels, &p.options,
                                  OUTPUTS(&p.one_loss, NULL));
        CHECK(status == CE_OK || (status == CE_ERROR_OUT_OF_MEMORY && nothing_written()));
    }
}

int main(void) {
    misaligned();
    negative_strides();
    huge_lengths_of_empty_tensors();
    addresses_that_do_not_fit();
    more_classes_than_memory();
    return tally();
}
