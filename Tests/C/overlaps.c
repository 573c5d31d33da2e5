/*
 * overlaps - outputs that share memory with inputs, with each other or with themselves are refused, and views that lie between
 * each other's elements are not.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "small_problem.h"

enum { INPUT, TARGET, CLASS_WEIGHT, ROW_WEIGHT, LOSS, GRAD, TENSORS, STEP = 256 };

static const int OVERLAP_BYTES[TENSORS] = {24, 24, 12, 8, 8, 24}; /* TARGET as distributions */

/* A call with reduction none whose tensors lie in one block at these offsets. On an error checks
 * that the block is unchanged. */
static int32_t call_at(const int *at, int distributions) {
    unsigned char block[TENSORS * STEP + STEP], before[sizeof block];
    small         p = small_problem();
    int32_t       status;
    memset(block, 0, sizeof block);
    memcpy(block + at[LOSS], loss, sizeof loss);
    memcpy(block + at[GRAD], grad, sizeof grad);
    memcpy(block + at[CLASS_WEIGHT], WEIGHT, sizeof WEIGHT);
    memcpy(block + at[ROW_WEIGHT], SAMPLE_WEIGHT, sizeof SAMPLE_WEIGHT);
    memcpy(block + at[INPUT], LOGITS, sizeof LOGITS);
    if (distributions)
        memcpy(block + at[TARGET], MASS, sizeof MASS);
    else
        memcpy(block + at[TARGET], LABELS, sizeof LABELS);
    memcpy(before, block, sizeof block);
    p.input.data = block + at[INPUT];
    p.labels.data = p.mass.data = block + at[TARGET];
    p.weight.data = block + at[CLASS_WEIGHT];
    p.sample_weight.data = block + at[ROW_WEIGHT];
    p.losses.data = block + at[LOSS];
    p.grad.data = block + at[GRAD];
    p.options.weight = &p.weight;
    p.options.sample_weight = &p.sample_weight;
    p.options.reduction = CE_REDUCTION_NONE;
    status = ce_cross_entropy(&p.input, -1, distributions ? &p.mass : &p.labels, &p.options,
                              OUTPUTS(&p.losses, &p.grad));
    if (status != CE_OK)
        CHECK(memcmp(block, before, sizeof block) == 0);
    return status;
}

/* Slides one output over each other tensor, a byte at a time, from touching to touching. */
static void slide(int output, int other, int distributions) {
    int at[TENSORS], bytes = OVERLAP_BYTES[other], shift, i;
    if (other == TARGET && !distributions)
        bytes = (int)sizeof LABELS;
    for (i = 0; i < TENSORS; i++)
        at[i] = i * STEP + 64;
    for (shift = -OVERLAP_BYTES[output]; shift <= bytes; shift++) {
        int touching = shift == -OVERLAP_BYTES[output] || shift == bytes;
        int in_place = output == GRAD && other == INPUT && shift == 0;
        at[output] = at[other] + shift;
        CHECK(call_at(at, distributions) == (touching || in_place ? CE_OK : CE_ERROR_OVERLAP));
    }
}

static void overlaps(void) {
    int other, distributions;
    for (distributions = 0; distributions < 2; distributions++)
        for (other = INPUT; other < TENSORS; other++) {
            if (other != LOSS)
                slide(LOSS, other, distributions);
            if (other != GRAD)
                slide(GRAD, other, distributions);
        }
}

static void overlaps_in_plain_calls(void) {
    float     room[2 * COUNT], before[2 * COUNT];
    double    room64[2 * COUNT], loss64;
    int       i;
    int64_t   labels[ROWS + 2] = {2, 0, 0, 0};
    ptrdiff_t shift;
    for (i = 0; i < 2 * COUNT; i++)
        room[i] = before[i] = 0.25f * (float)i, room64[i] = i;
    for (shift = 1; shift < COUNT; shift++) {
        CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, loss, room + shift) ==
              CE_ERROR_OVERLAP);
        CHECK(ce_cross_entropy_f32(room + shift, LABELS, ROWS, CLASSES, NULL, loss, room) ==
              CE_ERROR_OVERLAP);
    }
    CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, room, NULL) == CE_ERROR_OVERLAP);
    CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, room + COUNT, room + COUNT) ==
          CE_ERROR_OVERLAP);
    CHECK(memcmp(room, before, sizeof room) == 0);
    CHECK(ce_cross_entropy_f32(LOGITS, labels, ROWS, CLASSES, NULL, (float *)(void *)(labels + 1),
                               NULL) == CE_ERROR_OVERLAP);
    CHECK(labels[0] == 2 && labels[1] == 0 && labels[2] == 0);
    CHECK(ce_cross_entropy_f64(room64, LABELS, ROWS, CLASSES, NULL, &loss64, room64 + 1) ==
          CE_ERROR_OVERLAP);
    CHECK(ce_cross_entropy_f64(room64, LABELS, ROWS, CLASSES, NULL, room64 + 5, NULL) ==
          CE_ERROR_OVERLAP);
    CHECK(room64[1] == 1 && room64[5] == 5);
    CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, loss, room) == CE_OK);
    CHECK(memcmp(room + COUNT, before + COUNT, sizeof room / 2) == 0);
}

static void outputs_on_themselves(void) {
    static const int64_t zero[2] = {0, 0}, row[2] = {0, 1}, class_[2] = {CLASSES, 0};
    static const int64_t close[2] = {1, 1}, shared[2] = {2, 1}, back[2] = {-2, -1};
    static const int64_t column[2] = {1, ROWS}, other[2] = {CLASSES, 1}, one[2] = {1, CLASSES};
    const int64_t       *bad[6];
    small                p = small_problem(), q;
    float                copy[COUNT];
    int                  i;
    bad[0] = zero, bad[1] = row, bad[2] = class_, bad[3] = close, bad[4] = shared, bad[5] = back;
    for (i = 0; i < 6; i++) {
        q = p, q.grad.strides = bad[i];
        if (bad[i] == back)
            q.grad.data = grad + 4;
        CHECK(mean(&q) == CE_ERROR_OVERLAP);
    }
    q = p, q.losses.strides = zero, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, OUTPUTS(&q.losses, &q.grad)) ==
          CE_ERROR_OVERLAP);
    CHECK(nothing_written());

    /* the input's memory with other strides is not the input itself */
    memcpy(copy, LOGITS, sizeof copy);
    q = p, q.input.data = q.grad.data = copy, q.grad.strides = column;
    CHECK(mean(&q) == CE_ERROR_OVERLAP);
    CHECK(memcmp(copy, LOGITS, sizeof copy) == 0);
    q.grad.strides = other; /* the same strides, written out */
    CHECK(mean(&q) == CE_OK);

    /* a stride of a length of 1 is never used */
    q = p, q.input.shape = q.grad.shape = one, q.labels.shape = one, q.grad.strides = row;
    CHECK(mean(&q) == CE_OK);
}

/* Views that lie between each other's elements share no memory. */
static void interleaved(void) {
    static const int64_t half[2] = {4, 100}, step[2] = {200, 1}, padded[2] = {101, 1}, labels[4] = {0, 50, 99, 7};
    static const int64_t once[1] = {0};
    static const int64_t record_step[2] = {4, 1}, field_step[1] = {8}, few[2] = {4, 3};
    static const struct { /* as an array of records keeps them: fields of several dtypes, one after the other */
        double x[3];
        float  weight, loss;
    } record = {{0.3, -1.2, 2.1}, 0.75f, 0.0f};
    static float   both[4 * 200], want[4 * 100], want_loss[4], plain[4 * 100];
    unsigned char  records[4 * sizeof record + 8], changed[sizeof records];
    double         logits[4][3], loss64[4];
    float          sample_weight[4];
    ce_tensor      input, target = tensor_of(labels, CE_I64, 1, half, NULL), output, weights;
    ce_options     options = defaults();
    int            r, c, shift;
    options.reduction = CE_REDUCTION_NONE;
    for (r = 0; r < 4; r++)
        for (c = 0; c < 200; c++)
            both[r * 200 + c] = (float)((r * 37 + c * 11) % 64) * 0.125f;
    for (r = 0; r < 4; r++)
        memcpy(plain + r * 100, both + r * 200, 100 * sizeof(float));
    CHECK(ce_cross_entropy_f32(plain, labels, 4, 100, &options, want_loss, want) == CE_OK);

    /* the left and the right half of an array, and the same one element closer */
    input = tensor_of(both, CE_F32, 2, half, step), output = tensor_of(both + 100, CE_F32, 2, half, step);
    CHECK(ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(NULL, &output)) == CE_OK);
    output.data = both + 99;
    CHECK(ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(NULL, &output)) == CE_ERROR_OVERLAP);
    output.data = both + 101; /* its row 0 ends in row 1 of the input */
    CHECK(ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(NULL, &output)) == CE_ERROR_OVERLAP);
    output.data = both + 100;
    CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(NULL, &output)) == CE_OK);
    for (r = 0; r < 4; r++) {
        CHECK(memcmp(both + r * 200, plain + r * 100, 100 * sizeof(float)) == 0);
        CHECK(memcmp(both + r * 200 + 100, want + r * 100, 100 * sizeof(float)) == 0);
    }

    /* losses in the last column of a padded array, and a byte off it */
    for (r = 0; r < 4; r++)
        memcpy(both + r * 101, plain + r * 100, 100 * sizeof(float));
    input = tensor_of(both, CE_F32, 2, half, padded), output = tensor_of(both + 100, CE_F32, 1, half, padded);
    for (shift = -4; shift <= 4; shift++) {
        output.data = (unsigned char *)(both + 100) + shift;
        CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&output, NULL)) == (shift ? CE_ERROR_OVERLAP : CE_OK));
    }
    for (r = 0; r < 4; r++)
        CHECK(memcmp(both + r * 101 + 100, want_loss + r, sizeof(float)) == 0);

    /* fields of records */
    memset(records, 0, sizeof records);
    for (r = 0; r < 4; r++) {
        memcpy(records + (size_t)r * sizeof record, &record, sizeof record);
        memcpy(logits[r], record.x, sizeof record.x);
        sample_weight[r] = record.weight;
    }
    target = tensor_of(LABELS, CE_U8, 1, few, once);
    weights = tensor_of(sample_weight, CE_F32, 1, few, NULL);
    options.sample_weight = &weights;
    input = tensor_of(logits, CE_F64, 2, few, NULL), output = tensor_of(loss64, CE_F64, 1, few, NULL);
    CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&output, NULL)) == CE_OK);
    input = tensor_of(records, CE_F64, 2, few, record_step);
    weights = tensor_of(records + 24, CE_F32, 1, few, field_step);
    output = tensor_of(records + 28, CE_F32, 1, few, field_step);
    memcpy(changed, records, sizeof records);
    for (shift = -4; shift <= 4; shift++) {
        output.data = records + 28 + shift;
        CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&output, NULL)) == (shift ? CE_ERROR_OVERLAP : CE_OK));
    }
    for (r = 0; r < 4; r++) {
        const float rounded = (float)loss64[r];
        memcpy(changed + (size_t)r * sizeof record + 28, &rounded, sizeof rounded);
    }
    CHECK(memcmp(records, changed, sizeof records) == 0);
}

int main(void) {
    overlaps();
    overlaps_in_plain_calls();
    outputs_on_themselves();
    interleaved();
    return tally();
}
