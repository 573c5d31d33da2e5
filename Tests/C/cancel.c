/*
 * cancel - holds every route through the library to what include/crossentropy.h says of the flag `cancel`.
 *
 *     cancel [--list]
 *
 * No clock is read: closed_pages.h counts how far a call has come. At one of the counts the flag is set; then the call
 * must end within a few more, with CE_ERROR_CANCELLED, or with CE_OK and the same results as without a flag. A call that
 * does not remember what it saw goes on, since the flag is reset at once, and is found out.
 *
 * Each route is tried with the flag set early, late and in between. Prints the checks that fail, then
 * "N passed, M failed"; the exit status is 0 if M is 0. --list prints each route's touches, and the most after the flag.
 */
#define _GNU_SOURCE
#include "calls.h"
#include "closed_pages.h"
#include "common.h"

/* Calls ----------------------------------------------------------------------------------------- */

/* Numbers of an array; rows of statistics; tries of each route. */
enum { N = 1 << 17, PARTIALS = 1 << 15, BYTES = N * 8, POSITIONS = 12 };

/* Room for N numbers of any type. */
static char      *input, *target, *probs, *weight, *grad, *grad_target;
static double     losses[N], numbers[N];
static ce_partial *partials;
static ce_options options;
static int64_t    label[16];

static int64_t shapes[16][2], strides[16][2];
static int     tensors;

static ce_tensor view(void *data, int32_t dtype, int64_t n, int64_t m, int64_t step, int64_t class_step) {
    ce_tensor t;
    shapes[tensors][0]  = n;
    shapes[tensors][1]  = m;
    strides[tensors][0] = step;
    strides[tensors][1] = class_step;
    t.data    = data;
    t.dtype   = dtype;
    t.ndim    = m == 0 ? 1 : 2;
    t.shape   = shapes[tensors];
    t.strides = strides[tensors++];
    return t;
}
static ce_tensor rows(void *data, int32_t dtype, int64_t n) { return view(data, dtype, n, N / n, N / n, 1); }
static ce_tensor columns(void *data, int32_t dtype, int64_t n) { return view(data, dtype, n, N / n, 1, n); }
static ce_tensor list(void *data, int32_t dtype, int64_t n) { return view(data, dtype, n, 0, 1, 0); }

/* Numbers from `low` to `high` that look random. */
static void fill(void *data, int32_t dtype, double low, double high) {
    uint64_t state = 1;
    int64_t  i;
    for (i = 0; i < N; i++) {
        double x;
        x = low + (high - low) * (double)next(&state, 53) * 0x1p-53;
        switch (dtype) {
        case CE_F64: ((double *)data)[i] = x; break;
        case CE_F32: ((float *)data)[i] = (float)x; break;
        case CE_BF16: ((uint16_t *)data)[i] = x < 0 ? 0xBF80 : 0x3F80; break;
        default: ((int64_t *)data)[i] = (int64_t)x;
        }
    }
}
/* All classes, each once. */
static void fill_classes(void) {
    int64_t i;
    for (i = 0; i < N; i++) ((int64_t *)target)[i] = i;
}

/* A loss of labels, with its gradient; `wants`: statistics as well. */
static int32_t loss(ce_tensor in, ce_tensor out, int64_t n, int wants) {
    ce_tensor    y = list(label, CE_I64, n), mean = list(losses, in.dtype == CE_F64 ? CE_F64 : CE_F32, 1);
    ce_row_stats stats;
    memset(&stats, 0, sizeof stats);
    stats.size        = sizeof stats;
    stats.lse         = numbers;
    stats.max         = numbers + N / 4;
    stats.argmax      = (int64_t *)numbers + N / 2;
    stats.entropy     = numbers + N / 8;
    stats.target_rank = (int64_t *)numbers + N / 16;
    mean.ndim = 0;
    fill(input, in.dtype, -4, 4);
    start_counting();
    return ce_cross_entropy(&in, 1, &y, &options, ALL_OUTPUTS(&mean, &out, NULL, wants ? &stats : NULL));
}
static int32_t loss_f32(void) { return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0); }
static int32_t loss_f64(void) { return loss(rows(input, CE_F64, 1), rows(grad, CE_F64, 1), 1, 0); }
static int32_t loss_bf16(void) { return loss(rows(input, CE_BF16, 1), rows(grad, CE_BF16, 1), 1, 0); }
static int32_t loss_statistics(void) { return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 1); }
static int32_t loss_strided(void) {
    return loss(view(input, CE_F32, 1, N / 2, N, 2), view(grad, CE_F32, 1, N / 2, N, 2), 1, 0);
}
static int32_t loss_columns(void) { return loss(columns(input, CE_F32, 2), columns(grad, CE_F32, 2), 2, 0); }
static int32_t columns_statistics(void) { return loss(columns(input, CE_F64, 2), columns(grad, CE_F64, 2), 2, 1); }
static int32_t loss_shared(void) {
    options.threads = 2;
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 1);
}
static int32_t loss_capped(void) {
    options.softcap = 30;
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0);
}
static int32_t loss_ignored(void) {
    options.ignore_index = label[0];
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0);
}
static int32_t loss_undefined(void) {
    options.grad_loss = INFINITY;
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0);
}
static int32_t loss_empty(void) {
    options.ignore_index = label[0];
    options.empty        = CE_EMPTY_ZERO;
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0);
}
static int32_t smoothed(void) {
    ce_tensor w = list(weight, CE_F32, N), prior = list(probs, CE_F32, N);
    fill(weight, CE_F32, 0.5, 1);
    fill(probs, CE_F32, 0, 2.0 / N);
    options.weight          = &w;
    options.prior           = &prior;
    options.label_smoothing = 0.1;
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0);
}
static int32_t label_of_probs(void) {
    options.input_type = CE_INPUT_PROBS;
    return loss(rows(input, CE_F32, 1), rows(grad, CE_F32, 1), 1, 0);
}
static int32_t many_ignored(void) { /* a long list of ignored labels */
    ce_tensor ignored = list(target, CE_I64, N);
    fill(target, CE_I64, -1000, -1);
    options.ignore_indices = &ignored;
    return loss(rows(input, CE_F32, 8), rows(grad, CE_F32, 8), 8, 0);
}

enum { LOSS, DIVERGENCE, VECTOR, DIAGONAL };

/* A row and a distribution; with the derivative with respect to it if its dtype is that of `grads`. */
static int32_t compare(int what, int32_t dtype, int32_t target_dtype, int wants_target) {
    ce_tensor in = rows(input, dtype, 1), out = rows(grad, dtype, 1), q = rows(target, target_dtype, 1);
    ce_tensor mean = list(losses, CE_F64, 1), q_out = rows(grad_target, target_dtype, 1), v = rows(probs, dtype, 1);
    ce_outputs outputs;
    int        is_positive = options.input_type == CE_INPUT_PROBS;
    mean.ndim = 0;
    fill(input, dtype, options.input_type == CE_INPUT_LOGITS ? -4 : is_positive ? 0 : -20, is_positive ? 4.0 / N : 4);
    fill(target, target_dtype, options.target_type == CE_TARGET_PROBS ? 0 : -20, options.target_type ? 2 : 2.0 / N);
    fill(probs, dtype, -1, 1);
    outputs = (ce_outputs){sizeof outputs, &mean, &out, wants_target ? &q_out : NULL, NULL};
    start_counting();
    if (what == VECTOR) return ce_hessian_vector_product(&in, 1, &q, &options, &v, &out);
    if (what == DIAGONAL) return ce_hessian_diagonal(&in, 1, &q, &options, &out);
    if (what == DIVERGENCE) return ce_kl_divergence(&in, 1, &q, &options, &outputs);
    return ce_cross_entropy(&in, 1, &q, &options, &outputs);
}
static int32_t mass_f32(void) {
    options.mean_over = CE_MEAN_OVER_MASS;
    return compare(LOSS, CE_F32, CE_F32, 0);
}
static int32_t mass_f64(void) { return compare(LOSS, CE_F64, CE_F64, 0); }
static int32_t mass_focal(void) {
    options.focal_gamma = 2;
    return compare(LOSS, CE_F32, CE_F32, 0);
}
static int32_t mass_targets(void) {
    options.target_type = CE_TARGET_LOGITS;
    return compare(LOSS, CE_F32, CE_F32, 1);
}
static int32_t mass_probs(void) {
    options.input_type = CE_INPUT_PROBS;
    return compare(LOSS, CE_F32, CE_F64, 0);
}
static int32_t mass_log_probs(void) {
    options.input_type = CE_INPUT_LOG_PROBS;
    return compare(LOSS, CE_F64, CE_F32, 0);
}
static int32_t divergence(void) { return compare(DIVERGENCE, CE_F64, CE_F64, 1); }
static int32_t divergence_capped(void) {
    options.softcap = 30;
    return compare(DIVERGENCE, CE_F32, CE_F32, 0);
}
static int32_t divergence_probs(void) {
    options.input_type  = CE_INPUT_PROBS;
    options.target_type = CE_TARGET_LOG_PROBS;
    return compare(DIVERGENCE, CE_F64, CE_F64, 1);
}
static int32_t divergence_singles(void) {
    options.target_type = CE_TARGET_LOGITS;
    return compare(DIVERGENCE, CE_F32, CE_F32, 0);
}
static int32_t divergence_scaled(void) {
    options.target_type = CE_TARGET_LOGITS;
    options.temperature = 2;
    return compare(DIVERGENCE, CE_BF16, CE_F32, 0);
}
static int32_t hessian_vector(void) { return compare(VECTOR, CE_F32, CE_F32, 0); }
static int32_t hessian_diagonal(void) { return compare(DIAGONAL, CE_F64, CE_F32, 0); }

/* A row that names all its classes, or the same one again and again, which is ignored. */
static int32_t sparse(int is_ignored, int64_t classes) {
    ce_tensor in = view(input, CE_F32, 1, classes, classes, 1), out = view(grad, CE_F32, 1, classes, classes, 1);
    ce_tensor y = rows(target, CE_I64, 1), p = rows(probs, CE_F32, 1), mean = list(losses, CE_F32, 1);
    mean.ndim = 0;
    fill(input, CE_F32, -4, 4);
    fill(probs, CE_F32, 0, 2.0 / N);
    if (is_ignored) {
        fill(target, CE_I64, -100, -100);
    } else {
        fill_classes();
    }
    options.target_probs = &p;
    start_counting();
    return ce_cross_entropy(&in, 1, &y, &options, OUTPUTS(&mean, &out));
}
static int32_t sparse_all(void) {
    options.target_rest = CE_REST_SPREAD;
    return sparse(0, N);
}
static int32_t sparse_logits(void) {
    options.target_rest = CE_REST_RENORMALIZE;
    options.target_type = CE_TARGET_LOGITS;
    return sparse(0, N);
}
static int32_t sparse_ignored(void) { return sparse(1, 2); }

/* Without a target. */
static int32_t softmax_of(int32_t function(const ce_tensor *, int32_t, const ce_options *, const ce_tensor *)) {
    ce_tensor in = rows(input, CE_F32, 1), out = rows(grad, CE_F32, 1);
    fill(input, CE_F32, -4, 4);
    start_counting();
    return function(&in, 1, &options, &out);
}
static int32_t softmax(void) { return softmax_of(ce_softmax); }
static int32_t log_softmax(void) { return softmax_of(ce_log_softmax); }
static int32_t logsumexp(void) {
    ce_tensor in = rows(input, CE_F32, 1), out = list(losses, CE_F32, 1);
    fill(input, CE_F32, -4, 4);
    start_counting();
    return ce_logsumexp(&in, 1, &options, &out);
}

/* Slices: statistics of one long row, the loss of many rows, and the gradient of a long one. */
enum { COMPUTE, PARTIAL_LOSS, PARTIAL_GRAD };
static int32_t slice(int what, int64_t n) {
    ce_tensor in = rows(input, CE_F32, n), out = rows(grad, CE_F32, n), y = view(label, CE_I64, n, 0, 0, 0);
    ce_tensor mean = list(losses, CE_F32, 1);
    mean.ndim = 0;
    fill(input, CE_F32, -4, 4);
    if (what != COMPUTE && ce_partial_compute(&in, 1, 0, &y, NULL, partials) != CE_OK) return -1;
    start_counting();
    if (what == PARTIAL_LOSS) return ce_partial_loss(partials, n, 0, &options, &mean);
    if (what == PARTIAL_GRAD) return ce_partial_grad(&in, 1, 0, partials, N / n, &options, &out);
    return ce_partial_compute(&in, 1, 0, &y, &options, partials);
}
static int32_t partial_compute(void) { return slice(COMPUTE, 1); }
static int32_t partial_loss(void) { return slice(PARTIAL_LOSS, PARTIALS); }
static int32_t partial_grad(void) { return slice(PARTIAL_GRAD, 1); }

/* Many short rows. */
static int32_t short_rows(ce_tensor in, ce_tensor out, int64_t n, int32_t dtype, int64_t last) {
    ce_tensor y = list(target, CE_I64, n), mean = list(losses, dtype, 1);
    mean.ndim = 0;
    fill(input, dtype, -4, 4);
    fill(target, CE_I64, 0, 2);
    ((int64_t *)target)[n - 1] = last;
    start_counting();
    return ce_cross_entropy(&in, 1, &y, &options, OUTPUTS(&mean, &out));
}
static int32_t pairs(int64_t last) {
    return short_rows(view(input, CE_F32, N, 2, 2, 1), view(grad, CE_F32, N, 2, 2, 1), N, CE_F32, last);
}
static int32_t labels(void) { return pairs(0); }
static int32_t labels_bad(void) { return pairs(2); }
static int32_t labels_weighted(void) {
    ce_tensor s = list(weight, CE_F64, N);
    fill(weight, CE_F64, 0.5, 1);
    options.sample_weight = &s;
    return pairs(1);
}
static int32_t tiles(void) {
    const int64_t n = N / 64;
    return short_rows(view(input, CE_F64, n, 64, 1, n), view(grad, CE_F64, n, 64, 1, n), n, CE_F64, 1);
}
static int32_t strips(void) {
    const int64_t n = 2 * N / 128;
    return short_rows(view(input, CE_F32, n, 128, 1, n), view(grad, CE_F32, n, 128, 1, n), n, CE_F32, 1);
}

static int32_t binary(int is_label, int64_t last) {
    ce_tensor in = rows(input, CE_F32, 64), out = rows(grad, CE_F32, 64), mean = list(losses, CE_F32, 1);
    ce_tensor y = rows(target, is_label ? CE_I64 : CE_F32, 64);
    mean.ndim = 0;
    fill(input, CE_F32, -4, 4);
    fill(target, y.dtype, 0, is_label ? 2 : 1);
    if (is_label) ((int64_t *)target)[N - 1] = last;
    start_counting();
    return ce_binary_cross_entropy(&in, 1, &y, &options, OUTPUTS(&mean, &out));
}
static int32_t binary_labels(void) { return binary(1, 1); }
static int32_t binary_bad_label(void) { return binary(1, 2); }
static int32_t binary_targets(void) { return binary(0, 0); }

/* ----------------------------------------------------------------------------------------------- */

/* How many touches may follow: those of a block of classes in all the arrays of a kernel; of a part of a loop, or a piece
 * of many rows; where classes lie apart in memory, so that each block goes through many pages again and again, of these;
 * and of the most rows that are copied at a time, 32768 numbers. */
enum { BLOCK = 8, PAIRS = 24, PART = 30, STATISTICS = 450, COLUMNS = 1500, TILE = 1700, STRIP = 1500 };

#define ROUTE(call, after) {#call, call, after}
static const struct {
    const char *name;
    int32_t (*call)(void);
    long after;
} ROUTES[] = {
    ROUTE(loss_f32, BLOCK), ROUTE(loss_f64, BLOCK), ROUTE(loss_bf16, BLOCK), ROUTE(loss_statistics, BLOCK),
    ROUTE(loss_strided, BLOCK), ROUTE(loss_shared, BLOCK), ROUTE(loss_ignored, BLOCK), ROUTE(loss_undefined, BLOCK),
    ROUTE(loss_empty, BLOCK), ROUTE(label_of_probs, BLOCK), ROUTE(mass_f32, BLOCK), ROUTE(mass_f64, BLOCK),
    ROUTE(mass_focal, BLOCK), ROUTE(mass_targets, BLOCK), ROUTE(mass_probs, BLOCK), ROUTE(mass_log_probs, BLOCK),
    ROUTE(softmax, BLOCK), ROUTE(log_softmax, BLOCK), ROUTE(logsumexp, BLOCK), ROUTE(partial_compute, BLOCK),
    ROUTE(partial_grad, BLOCK),
    ROUTE(loss_capped, PAIRS), ROUTE(smoothed, PAIRS), ROUTE(divergence, PAIRS), ROUTE(divergence_capped, PAIRS),
    ROUTE(divergence_probs, PAIRS), ROUTE(divergence_singles, PAIRS), ROUTE(divergence_scaled, PAIRS),
    ROUTE(hessian_vector, PAIRS), ROUTE(hessian_diagonal, PAIRS), ROUTE(sparse_all, PAIRS),
    ROUTE(sparse_logits, PAIRS), ROUTE(sparse_ignored, PAIRS), ROUTE(many_ignored, PAIRS),
    ROUTE(labels, PART), ROUTE(labels_bad, PART), ROUTE(labels_weighted, PART), ROUTE(binary_labels, PART),
    ROUTE(binary_bad_label, PART), ROUTE(binary_targets, PART),
    ROUTE(partial_loss, STATISTICS),
    ROUTE(loss_columns, COLUMNS), ROUTE(columns_statistics, COLUMNS),
    ROUTE(tiles, TILE), ROUTE(strips, STRIP),
};

static uint64_t hash(uint64_t hash, const void *memory, size_t bytes) {
    const uint64_t *word = memory;
    size_t          i;
    for (i = 0; i < bytes / 8; i++) hash = (hash ^ word[i]) * 1099511628211u;
    return hash;
}

typedef struct {
    int32_t  status;
    long     touches;
    uint64_t results;
} outcome;

/* A route with the flag set at a touch; 0: never. */
static outcome try(int32_t (*call)(void), long at) {
    outcome result;
    options = defaults();
    options.threads = 1;
    options.cancel  = flag;
    tensors = 0;
    memset(losses, 1, sizeof losses);
    memset(numbers, 1, sizeof numbers);
    memset(grad, 1, BYTES);
    memset(grad_target, 1, BYTES);
    memset(partials, 1, sizeof *partials);
    waiting        = at;
    result.status  = call();
    result.touches = stop_counting();
    result.results = hash(14695981039346656037u, grad, BYTES);
    result.results = hash(result.results, grad_target, BYTES);
    result.results = hash(result.results, losses, sizeof losses);
    result.results = hash(result.results, numbers, sizeof numbers);
    result.results = hash(result.results, partials, sizeof *partials);
    return result;
}

static void check(int good, const char *name, long at, outcome got, const char *what) {
    if (!count_check(good))
        printf("FAIL %s, flag at %ld: %s (status %d, %ld touches)\n", name, at, what, (int)got.status, got.touches);
}

int main(int argc, char **argv) {
    const int        lists = argc > 1 && strcmp(argv[1], "--list") == 0;
    size_t           i;
    if (!install_closed_pages()) {
        printf("pages are too large to tell anything: 0 passed, 0 failed\n");
        return 0;
    }
    input       = map(BYTES);
    target      = map(BYTES);
    probs       = map(BYTES);
    weight      = map(BYTES);
    grad        = map(BYTES);
    grad_target = map(BYTES);
    partials    = map(PARTIALS * sizeof *partials);
    for (i = 0; i < LENGTH_OF(ROUTES); i++) {
        const char   *name = ROUTES[i].name;
        const outcome whole = try(ROUTES[i].call, 0);
        /* The baseline's kernels compute such rows one after the other: a block of one row, or a touch for each number
         * of a tile, whose classes lie on pages of their own. */
        const int     is_by_rows = strcmp(ce_isa(), "baseline") == 0;
        const long    after      = is_by_rows && strstr(name, "columns")         ? PAIRS
                                   : is_by_rows && strcmp(name, "tiles") == 0 ? 32768 + TILE
                                                                              : ROUTES[i].after;
        long          most = 0, k;
        check(whole.touches >= 3 * after, name, 0, whole, "too few touches to tell anything");
        check(whole.status == (strstr(name, "bad") ? CE_ERROR_LABEL : CE_OK), name, 0, whole, "status");
        for (k = 0; k < POSITIONS; k++) {
            const long    at = 1 + (whole.touches - 1) * k / (POSITIONS - 1);
            const outcome got = try(ROUTES[i].call, at);
            if (got.touches - at > most) most = got.touches - at;
            check(got.touches - at <= after, name, at, got, "goes on");
            check(got.status == CE_ERROR_CANCELLED ||
                      (got.status == whole.status && got.results == whole.results),
                  name, at, got, "neither cancelled nor complete");
        }
        if (lists) printf("%-20s %6ld touches, at most %3ld after the flag\n", name, whole.touches, most);
    }
    return tally();
}
