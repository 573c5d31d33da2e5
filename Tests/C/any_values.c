/*
 * any_values - calls with extreme values in every place, drawn at random. What they return matters little; that they return,
 * and write nothing if they fail, does.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "common.h"

enum { INPUT, TARGET, CLASS_WEIGHT, ROW_WEIGHT, LOSS, GRAD, TENSORS };

static const int64_t EXTREMES[] = {
    INT64_MIN, INT64_MIN + 1, -((int64_t)1 << 62), -((int64_t)1 << 60) - 1, -((int64_t)1 << 31), -65,
    -2, -1, 0, 1, 2, 3, 63, 64, 65, ((int64_t)1 << 31) - 1, (int64_t)1 << 31, (int64_t)1 << 32,
    (int64_t)1 << 59, ((int64_t)1 << 60) - 4, (int64_t)1 << 60, (int64_t)1 << 61, (int64_t)1 << 62, INT64_MAX - 7, INT64_MAX};

enum { EXTREME_VALUES = LENGTH_OF(EXTREMES), EXTREME_CALLS = 300000 };
enum { PLACE = 512, MOST_DIMENSIONS = 2 * CE_MAX_NDIM };

static unsigned char area[TENSORS][PLACE]; /* a place for each tensor, which starts in its middle */

static uint32_t below(uint32_t limit) {
    static uint64_t state = 2026;
    return (uint32_t)next(&state, 32) % limit;
}

static int64_t extreme(void) { return EXTREMES[below(EXTREME_VALUES)]; }

typedef struct {
    ce_tensor view;
    int64_t   shape[MOST_DIMENSIONS], strides[MOST_DIMENSIONS];
    int       is_small; /* the whole of it lies in its place: a call may go through with it */
} random_tensor;

/* The shape is as given, which must be MOST_DIMENSIONS lengths whatever ndim is, and the view a possible one, each with an
 * exception now and then: all of them together let calls get to every check. */
static void make_random(random_tensor *made, int which, const int64_t *shape, int32_t ndim, int32_t dtype) {
    uintptr_t address = (uintptr_t)area[which] + PLACE / 2 + below(16);
    int32_t   d;
    made->is_small = 1;
    if (below(64) == 0)
        ndim = (int32_t)extreme();
    if (below(64) == 0)
        dtype = (int32_t)(below(2) ? extreme() : below(32));
    if (below(64) == 0)
        address = (uintptr_t)extreme(), made->is_small = 0;
    made->view = tensor_of(NULL, dtype, ndim, made->shape, below(4) ? made->strides : NULL);
    memcpy(&made->view.data, &address, sizeof address);
    made->is_small = made->is_small && ndim >= 0 && ndim <= 3;
    for (d = 0; d < ndim && d < MOST_DIMENSIONS; d++) {
        made->shape[d] = below(64) ? shape[d] : extreme();
        made->strides[d] = below(8) ? (int64_t)below(9) - 4 : extreme();
        if (made->shape[d] < 0 || made->shape[d] > 3 || made->strides[d] < -4 || made->strides[d] > 4)
            made->is_small = 0;
    }
}

static void any_values(void) {
    static random_tensor       made[TENSORS];
    static const unsigned char untouched[sizeof area];
    int64_t                    shape[CE_MAX_NDIM + MOST_DIMENSIONS], rows[MOST_DIMENSIONS]; /* from any axis on */
    long                       seen[CE_ERROR_CANCELLED + 1] = {0}, call, wrong = 0;
    memset(area, 0, sizeof area);
    memset(shape, 0, sizeof shape);
    memset(rows, 0, sizeof rows);
    for (call = 0; call < EXTREME_CALLS; call++) {
        int32_t    ndim = 1 + (int32_t)below(below(64) ? 3 : CE_MAX_NDIM), axis = (int32_t)below((uint32_t)ndim);
        int32_t    d, status, dtype = CE_F32 + (int32_t)below(4), is_refused = 0, is_small = 1;
        ce_options options = defaults();
        for (d = 0; d < ndim; d++)
            shape[d] = below(4) ? (int64_t)below(4) : llabs(extreme() / 2);
        for (d = 0; d + 1 < ndim; d++)
            rows[d] = shape[d < axis ? d : d + 1];
        options.reduction = (int32_t)below(3);
        options.mean_over = (int32_t)below(3);
        options.empty = (int32_t)below(3);
        options.label_smoothing = below(2) ? 0.5 : 0;
        make_random(&made[INPUT], INPUT, shape, ndim, dtype);
        if (below(2))
            make_random(&made[TARGET], TARGET, rows, ndim - 1, CE_I8 + (int32_t)below(8));
        else
            make_random(&made[TARGET], TARGET, shape, ndim, below(2) ? CE_F32 : CE_F64);
        make_random(&made[CLASS_WEIGHT], CLASS_WEIGHT, shape + axis, 1, CE_F32);
        make_random(&made[ROW_WEIGHT], ROW_WEIGHT, rows, ndim - 1, CE_F64);
        make_random(&made[LOSS], LOSS, rows, options.reduction == CE_REDUCTION_NONE ? ndim - 1 : 0, CE_F32);
        make_random(&made[GRAD], GRAD, shape, ndim, dtype);
        options.weight = below(4) ? NULL : &made[CLASS_WEIGHT].view;
        options.sample_weight = below(4) ? NULL : &made[ROW_WEIGHT].view;
        for (d = 0; d < TENSORS; d++)
            is_small = is_small && made[d].is_small;

        /* What does not lie in its place must not be computed: an option that is wrong, or outputs that are also the
         * target, keep the call from it after all other checks. */
        if (!is_small && (options.weight != NULL || below(2))) {
            options.threads = -1;
            is_refused = 1;
        } else if (!is_small) {
            made[TARGET].view.data = made[LOSS].view.data = made[GRAD].view.data = area[TARGET] + PLACE / 2;
        }
        status = ce_cross_entropy(&made[INPUT].view, below(64) ? axis : (int32_t)extreme(), &made[TARGET].view,
                                  &options, OUTPUTS(&made[LOSS].view, &made[GRAD].view));
        if (status < CE_OK || status > CE_ERROR_CANCELLED || (is_refused && status == CE_OK)) {
            wrong++;
            continue;
        }
        seen[status]++;
        if (status != CE_OK)
            wrong += memcmp(area, untouched, sizeof area) != 0;
        memset(area, 0, sizeof area);

        options.threads = -1;
        options.weight = options.sample_weight = NULL;
        wrong += ce_cross_entropy_f64((double *)(void *)area[INPUT], (int64_t *)(void *)area[TARGET], extreme(),
                                      extreme(), &options, (double *)(void *)area[LOSS], NULL) == CE_OK;
    }
    CHECK(wrong == 0);
    CHECK(seen[CE_OK] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_DTYPE] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_SHAPE] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_OVERFLOW] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_OVERLAP] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_OPTION] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_NULL_POINTER] > 0);
}

int main(void) {
    any_values();
    return tally();
}
