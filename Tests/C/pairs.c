/*
 * pairs - holds divergences, sparse and soft targets and second derivatives to what include/crossentropy.h promises.
 *
 *     pairs LIST        checks
 *     pairs --write     prints the list
 *
 * First the bits: the outputs for generated rows must have the hashes of Tests/Hashes/pairs.txt, on every instruction set
 * and processor, for any number of threads, strides and alignment, and in place. Then pointers, memory and errors. Prints
 * the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "hash.h"
#include "matrix.h"

#include <pthread.h>

/* Bits ---------------------------------------------------------------------------------------- */

enum { ROWS = 7, NAMED = 4 };

typedef enum { KL, LOSS, VECTOR, DIAGONAL } function;

typedef struct {
    const char *name;
    function    function;
    int32_t     dtype, target_dtype; /* of the input and of the target; an integer dtype makes it sparse, or labels */
    int32_t     input_type, target_type, rest;
    double      temperature, smoothing;
    int64_t     classes;
    /* What few have. */
    int         is_special;  /* infinities and NaN among the logits */
    int         is_weighted; /* a mean, with sample weights; in cross-entropy and second derivatives class weights too */
    int         has_prior;
    int32_t     kl_form;
    double      z_loss, softcap;
} problem;

static const problem PROBLEMS[] = {
    {"kl f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 1000},
    {"kl f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 9000},
    {"kl f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 1},
    {"kl_temperature_4 f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 4, 0, .classes = 1001},
    {"kl_temperature_3 f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 3, 0, .classes = 1001},
    {"kl bf16", KL, CE_BF16, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 1000},
    {"kl_of_probs f16", KL, CE_F16, CE_F32, CE_INPUT_LOGITS, CE_TARGET_PROBS, 0, 0, 0, .classes = 333},
    {"kl f64", KL, CE_F64, CE_F64, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 9000},
    {"kl_log_probs f64", KL, CE_F64, CE_F64, CE_INPUT_LOG_PROBS, CE_TARGET_LOG_PROBS, 0, 0, 0, .classes = 31},
    {"kl_probs f64", KL, CE_F64, CE_F32, CE_INPUT_PROBS, CE_TARGET_PROBS, 0, 0, 0, .classes = 4097},
    {"kl_sparse f32", KL, CE_F32, CE_I32, CE_INPUT_LOGITS, CE_TARGET_PROBS, CE_REST_SPREAD, 0, 0, .classes = 1000},
    {"teacher f32", LOSS, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0.1, .classes = 5000},
    {"teacher_temperature_3 f64", LOSS, CE_F64, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 3, 0, .classes = 100},
    {"sparse f32", LOSS, CE_F32, CE_I64, CE_INPUT_LOGITS, CE_TARGET_PROBS, CE_REST_RENORMALIZE, 0, 0, .classes = 5000},
    {"sparse_log_probs f64", LOSS, CE_F64, CE_I32, CE_INPUT_LOGITS, CE_TARGET_LOG_PROBS, CE_REST_SPREAD, 0, 0, .classes = 50},
    {"vector_temperature_2 f32", VECTOR, CE_F32, CE_I64, CE_INPUT_LOGITS, 0, 0, 2, 0, .classes = 5000},
    {"vector_distributions f64", VECTOR, CE_F64, CE_F64, CE_INPUT_LOGITS, 0, 0, 0, 0.1, .classes = 100},
    {"diagonal f32", DIAGONAL, CE_F32, CE_I64, CE_INPUT_LOGITS, 0, 0, 0, 0.1, .classes = 1000},
    {"kl_special f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 4097, .is_special = 1},
    {"kl_special f64", KL, CE_F64, CE_F64, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 129, .is_special = 1},
    {"kl_plain_log_probs f32", KL, CE_F32, CE_F32, CE_INPUT_LOG_PROBS, CE_TARGET_LOG_PROBS, 0, 0, 0, .classes = 1000,
     .kl_form = CE_KL_PLAIN},
    {"kl_plain_probs f64", KL, CE_F64, CE_F64, CE_INPUT_PROBS, CE_TARGET_PROBS, 0, 0, 0, .classes = 100, .kl_form = CE_KL_PLAIN},
    {"kl_capped bf16", KL, CE_BF16, CE_F64, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 9000, .softcap = 10},
    {"kl_weighted_mean f32", KL, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 129, .is_weighted = 1},
    {"teacher_weighted_mean f16", LOSS, CE_F16, CE_F32, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0.1, .classes = 9000,
     .is_weighted = 1},
    {"teacher_special f64", LOSS, CE_F64, CE_F64, CE_INPUT_LOGITS, CE_TARGET_LOGITS, 0, 0, 0, .classes = 1000, .is_special = 1},
    {"prior f32", LOSS, CE_F32, CE_F32, CE_INPUT_LOGITS, CE_TARGET_PROBS, 0, 0, 0.1, .classes = 5000, .has_prior = 1},
    {"prior_weighted_mean f64", LOSS, CE_F64, CE_F64, CE_INPUT_LOGITS, CE_TARGET_PROBS, 0, 0, 0.1, .classes = 17, .has_prior = 1,
     .is_weighted = 1},
    {"sparse_weighted_mean bf16", LOSS, CE_BF16, CE_I32, CE_INPUT_LOGITS, CE_TARGET_PROBS, CE_REST_DROP, 0, 0, .classes = 1000,
     .is_weighted = 1, .z_loss = 0x1p-6},
    {"vector_weighted_mean f16", VECTOR, CE_F16, CE_F32, CE_INPUT_LOGITS, 0, 0, 0, 0, .classes = 1000, .is_weighted = 1,
     .z_loss = 0x1p-6},
    {"vector_special f64", VECTOR, CE_F64, CE_I64, CE_INPUT_LOGITS, 0, 0, 0, 0, .classes = 4097, .is_special = 1,
     .z_loss = 0x1p-6},
    {"diagonal_weighted_mean f64", DIAGONAL, CE_F64, CE_I64, CE_INPUT_LOGITS, 0, 0, 0, 0, .classes = 5000, .is_weighted = 1,
     .z_loss = 0x1p-6},
    {"diagonal_special bf16", DIAGONAL, CE_BF16, CE_F32, CE_INPUT_LOGITS, 0, 0, 0, 0, .classes = 100, .is_special = 1},
};

static uint64_t state;

static double uniform(void) { return next_uniform(&state); }

/* The number with as many bits as an f16 or bf16 has, cut, not rounded; nothing of those below f16's normal ones. */
static double cut(int32_t dtype, double value) {
    float    single = (float)value;
    uint32_t bits = bits_of(single);
    if (!is_half(dtype)) return value;
    bits &= dtype == CE_F16 ? 0xFFFFE000 : 0xFFFF0000;
    if (dtype == CE_F16 && fabs(value) < 0x1p-14) bits &= 0x80000000;
    memcpy(&single, &bits, sizeof bits);
    return single;
}

/* Numbers of what `type` says, with the codes of input types; the rows more and more confident. */
static void generate(matrix *m, int32_t type) {
    int64_t i;
    for (i = 0; i < m->rows * m->columns; i++) {
        double x = uniform() * 4 * (double)(1 + i / m->columns);
        if (type == CE_INPUT_PROBS) x = ldexp(1, (int)x) * (1.5 + uniform() / 2) * 0x1p-30;
        if (type == CE_INPUT_LOG_PROBS) x = -fabs(x);
        put(at(m, i), m->dtype, cut(m->dtype, x));
    }
}

/* Row 1 without every third class, row 2 with NaN, row 4 with infinity, row 5 without any class. */
static void make_special(matrix *m) {
    int64_t c, C = m->columns;
    for (c = 0; c < C; c++) {
        if (c % 3 == 0) put(at(m, C + c), m->dtype, -INFINITY);
        put(at(m, 5 * C + c), m->dtype, -INFINITY);
    }
    put(at(m, 2 * C + C / 2), m->dtype, NAN);
    put(at(m, 4 * C + C / 2), m->dtype, INFINITY);
}

enum { OUTPUTS = 3 };
static const char *const OUTPUT_NAMES[OUTPUTS] = {"loss", "gradient", "gradient of the target"};

static void run(const problem *p, layout where, int32_t threads, int in_place, uint64_t *hashes) {
    const int64_t C         = p->classes, named = C < NAMED ? C : NAMED;
    const int     is_dense  = !is_integer(p->target_dtype), is_sparse = !is_dense && p->function < VECTOR;
    const int64_t columns   = is_dense ? C : is_sparse ? named : 1;
    ce_options    options   = defaults();
    matrix        input     = make_matrix(p->dtype, ROWS, C, where, 0);
    matrix        vector    = make_matrix(p->dtype, ROWS, C, where, 0);
    matrix        target    = make_matrix(p->target_dtype, ROWS, columns, where, 0);
    matrix        probs     = make_matrix(CE_F32, ROWS, named, where, 0);
    matrix        loss      = make_vector(CE_F64, p->is_weighted ? 1 : ROWS, where);
    matrix        other     = make_matrix(p->dtype, ROWS, C, where, 0), *grad = in_place ? &input : &other;
    matrix        sample_weight = make_vector(CE_F32, ROWS, where), weight = make_vector(CE_F64, C, where);
    matrix        prior     = make_vector(CE_F64, C, where);
    matrix        target_grad = make_matrix(p->target_dtype, ROWS, columns, where, 0);
    ce_tensor    *x = view_of(&input), *y = view_of(&target), *l = view_of(&loss), *g = view_of(grad);
    int64_t       i;
    int32_t       status;

    state = 12345;
    generate(&input, p->input_type);
    generate(&vector, CE_INPUT_LOGITS);
    if (p->is_special) make_special(&input);
    for (i = 0; i < ROWS; i++) put(at(&sample_weight, i), CE_F32, (double)(i % 3));
    for (i = 0; i < C; i++) put(at(&weight, i), CE_F64, 0.5 + (double)(i % 5) / 4);
    for (i = 0; i < C; i++) put(at(&prior, i), CE_F64, (double)(1 + i % 3) / (double)(2 * C));
    if (is_dense) {
        generate(&target, p->target_type == CE_TARGET_LOGITS ? CE_INPUT_LOGITS
                          : p->target_type == CE_TARGET_PROBS ? CE_INPUT_PROBS : CE_INPUT_LOG_PROBS);
    } else {
        for (i = 0; i < ROWS * columns; i++) {
            const double place = (double)(i % columns + 1);
            put(at(&target, i), p->target_dtype, (double)((i / columns * 37 + i % columns * 11) % C));
            if (is_sparse)
                put(at(&probs, i), CE_F32, p->target_type == CE_TARGET_LOG_PROBS ? -1.5 * place : 0.25 / place);
        }
        if (!is_sparse) y->ndim = 1; /* labels */
    }
    if (p->is_weighted) l->ndim = 0;

    options.reduction       = p->is_weighted ? CE_REDUCTION_MEAN : CE_REDUCTION_NONE;
    options.threads         = threads;
    options.input_type      = p->input_type;
    options.target_type     = p->target_type;
    if (p->temperature != 0) options.temperature = p->temperature;
    options.label_smoothing = p->smoothing;
    options.temperature_squared = 1;
    options.kl_form         = p->kl_form;
    options.z_loss          = p->z_loss;
    options.softcap         = p->softcap;
    if (p->is_weighted) options.sample_weight = view_of(&sample_weight);
    if (p->is_weighted && p->function != KL) options.weight = view_of(&weight);
    if (p->has_prior) options.prior = view_of(&prior);
    if (is_sparse) {
        options.target_probs = view_of(&probs);
        options.target_rest  = p->rest;
    }
    if (p->function == KL) status = ce_kl_divergence(x, -1, y, &options, OUTPUTS(l, g));
    else if (p->function == LOSS) status = ce_cross_entropy(x, -1, y, &options, OUTPUTS(l, g));
    else if (p->function == VECTOR) status = ce_hessian_vector_product(x, -1, y, &options, view_of(&vector), g);
    else status = ce_hessian_diagonal(x, -1, y, &options, g);
    CHECK(status == CE_OK);
    hashes[0] = p->function < VECTOR ? hash_of(&loss) : HASH_OF_NOTHING;
    hashes[1] = hash_of(grad);
    if (!in_place) hashes[2] = HASH_OF_NOTHING; /* otherwise as it is: the input is gone */
    if (is_dense && p->function < VECTOR && !in_place) {
        const ce_outputs outputs = {sizeof outputs, NULL, NULL, view_of(&target_grad), NULL};
        status = p->function == KL ? ce_kl_divergence(x, -1, y, &options, &outputs) : ce_cross_entropy(x, -1, y, &options, &outputs);
        CHECK(status == CE_OK);
        hashes[2] = hash_of(&target_grad);
    }
    free(input.memory);
    free(vector.memory);
    free(target.memory);
    free(probs.memory);
    free(loss.memory);
    free(other.memory);
    free(target_grad.memory);
    free(sample_weight.memory);
    free(weight.memory);
    free(prior.memory);
}

static void bits(void) {
    static const char *const LAYOUT_NAMES[LAYOUTS] = {"contiguous", "padded", "columns", "backwards", "odd address"};
    size_t i;
    for (i = 0; i < LENGTH_OF(PROBLEMS); i++) {
        const problem *p = &PROBLEMS[i];
        uint64_t       want[OUTPUTS], got[OUTPUTS];
        char           line[LINE], name[LINE];
        int            where, threads, in_place;
        sprintf(line, "%s %dx[%" PRId64 "]", p->name, ROWS, p->classes);
        if (list == NULL) {
            run(p, CONTIGUOUS, 1, 0, got);
            write_hashes(line, got, OUTPUTS);
            continue;
        }
        read_hashes(line, want, OUTPUTS);
        for (where = CONTIGUOUS; where < LAYOUTS; where++)
            for (threads = 1; threads <= 3; threads++)
                for (in_place = 0; in_place < 2; in_place++) {
                    sprintf(name, "%s, threads: %d%s", LAYOUT_NAMES[where], threads, in_place ? ", in place" : "");
                    memcpy(got, want, sizeof got);
                    run(p, (layout)where, threads, in_place, got);
                    compare(line, name, OUTPUT_NAMES, got, want, OUTPUTS);
                }
    }
    if (list != NULL) end_list();
}

/* Memory -------------------------------------------------------------------------------------- */

/* Tensors of three dimensions, each of which lies in a buffer with other gaps: what a padded one gives must be what a
 * contiguous one gives, and the gaps must stay as they are. */
static void gaps(void) {
    enum { A = 2, B = 3, C = 4, WIDE = 7 };
    const int64_t shape[3] = {A, B, C}, rows[2] = {A, B}, dense[3] = {B * C, C, 1}, padded[3] = {WIDE * C, C, 1};
    double        x[A * WIDE * C], q[A * WIDE * C], v[A * WIDE * C], out[2][A * WIDE * C], grad[A * B * C], loss[2][A * B];
    int64_t       named[A * B * C];
    int           which, target_is_wide, i, j, k;

    state = 99;
    for (i = 0; i < A * WIDE * C; i++) x[i] = uniform(), q[i] = fabs(uniform()), v[i] = uniform();
    for (i = 0; i < A * B * C; i++) named[i] = i % C;
    for (which = 0; which < 3; which++) {
        for (target_is_wide = 0; target_is_wide < 2; target_is_wide++) {
            double     copy[A * B * C];
            ce_tensor  input = tensor_of(x, CE_F64, 3, shape, dense), output = tensor_of(grad, CE_F64, 3, shape, dense);
            ce_tensor  target, probs, extra, l;
            ce_options options = defaults();
            for (i = 0; i < A * WIDE * C; i++) out[0][i] = out[1][i] = 7;
            for (j = 0; j < 2; j++) { /* the tensor in question, with gaps and without */
                const double *from = which == 1 ? v : q;
                for (i = 0; i < A; i++)
                    for (k = 0; k < B * C; k++) copy[i * B * C + k] = from[i * WIDE * C + k];
                l                 = tensor_of(loss[j], CE_F64, 2, rows, NULL);
                options.reduction = CE_REDUCTION_NONE;
                target            = tensor_of(copy, CE_F64, 3, shape, dense);
                extra             = tensor_of(out[j], CE_F64, 3, shape, j == 0 ? padded : dense);
                if (which == 0) { /* grad_target */
                    const ce_outputs outputs = {sizeof outputs, &l, &output, &extra, NULL};
                    CHECK(ce_cross_entropy(&input, -1, &target, &options, &outputs) == CE_OK);
                } else if (which == 1) { /* the vector */
                    ce_tensor vector = tensor_of(j == 0 ? v : copy, CE_F64, 3, shape, j == 0 ? padded : dense);
                    extra            = tensor_of(out[j], CE_F64, 3, shape, dense);
                    target           = tensor_of(q, CE_F64, 3, shape, target_is_wide ? padded : dense);
                    CHECK(ce_hessian_vector_product(&input, -1, &target, &options, &vector, &extra) == CE_OK);
                } else { /* the probabilities of named classes */
                    probs                = tensor_of(j == 0 ? q : copy, CE_F64, 3, shape, j == 0 ? padded : dense);
                    target               = tensor_of(named, CE_I64, 3, shape, NULL);
                    options.target_probs = &probs;
                    CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&l, NULL)) == CE_OK);
                }
            }
            if (which == 0) {
                for (i = 0; i < A; i++) {
                    CHECK(memcmp(&out[0][i * WIDE * C], &out[1][i * B * C], B * C * sizeof(double)) == 0);
                    for (k = B * C; k < WIDE * C; k++) CHECK(out[0][i * WIDE * C + k] == 7);
                }
            } else if (which == 1) {
                CHECK(memcmp(out[0], out[1], A * B * C * sizeof(double)) == 0);
            } else {
                CHECK(memcmp(loss[0], loss[1], sizeof loss[0]) == 0);
            }
        }
    }
}

/* The header promises that 64 kB of stack suffice. */
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

/* What nobody can have, and what few have. */
static void extremes(void) {
    static uint8_t half[2];
    int64_t        huge[2] = {1, INT64_MAX / 2}, still[2] = {0, 0}, many[40], one = 1, label = 0;
    double         x[3] = {1, 2, 3}, loss = 0, grad[3], q[3] = {0.6f, 0.3f, 0.1f}, few[4], p[4], expected[4];
    float          named[3] = {0.6f, 0.3f, 0.1f}, large[2] = {1e36f, 0};
    int64_t        shape[2] = {1, 3}, ten[2] = {1, 10}, two[2] = {1, 2}, classes[3] = {0, 1, 2};
    double         wide[10] = {0};
    ce_tensor      input = tensor_of(half, CE_F16, 2, huge, still), y = tensor_of(&label, CE_I64, 1, &one, NULL);
    ce_tensor      l = tensor_of(&loss, CE_F64, 0, NULL, NULL), z, t, g, probs;
    ce_options     options = defaults();
    int            i;
    options.threads = 256;
    CHECK(ce_cross_entropy(&input, 1, &y, &options, OUTPUTS(&l, NULL)) != CE_OK);

    /* More dimensions than most tensors have. */
    for (i = 0; i < 40; i++) many[i] = i == 39 ? 3 : 1;
    z = tensor_of(x, CE_F64, 40, many, NULL);
    t = tensor_of(q, CE_F64, 40, many, NULL);
    g = tensor_of(grad, CE_F64, 40, many, NULL);
    CHECK(ce_kl_divergence(&z, -1, &t, NULL, OUTPUTS(&l, &g)) == CE_OK);
    p[0] = loss;
    z = tensor_of(x, CE_F64, 2, shape, NULL);
    t = tensor_of(q, CE_F64, 2, shape, NULL);
    CHECK(ce_kl_divergence(&z, -1, &t, NULL, OUTPUTS(&l, NULL)) == CE_OK && loss == p[0] && loss > 0);

    /* Probabilities that add up to a little more than 1 leave nothing to be spread. */
    options              = defaults();
    z                    = tensor_of(wide, CE_F64, 2, ten, NULL);
    t                    = tensor_of(classes, CE_I64, 2, shape, NULL);
    probs                = tensor_of(named, CE_F32, 2, shape, NULL);
    options.target_probs = &probs;
    options.target_rest  = CE_REST_SPREAD;
    CHECK((double)named[0] + named[1] + named[2] > 1);
    CHECK(ce_kl_divergence(&z, -1, &t, &options, OUTPUTS(&l, NULL)) == CE_OK);
    CHECK(fabs(loss - (log(10) + 0.6 * log(0.6) + 0.3 * log(0.3) + 0.1 * log(0.1))) < 1e-6);

    /* Logits that a temperature makes too large for f32. */
    options             = defaults();
    options.temperature = 1.0 / 512;
    options.target_type = CE_TARGET_LOGITS;
    z                   = tensor_of(large, CE_F32, 2, two, NULL);
    CHECK(ce_kl_divergence(&z, -1, &z, &options, OUTPUTS(&l, NULL)) == CE_OK && loss == 0);

    /* A temperature is 1 / logit_scale to the functions of logits, too. */
    options             = defaults();
    options.temperature = 2;
    z                   = tensor_of(x, CE_F64, 2, shape, NULL);
    g                   = tensor_of(few, CE_F64, 2, shape, NULL);
    CHECK(ce_softmax(&z, -1, &options, &g) == CE_OK);
    options             = defaults();
    options.logit_scale = 0.5;
    g                   = tensor_of(expected, CE_F64, 2, shape, NULL);
    CHECK(ce_softmax(&z, -1, &options, &g) == CE_OK && memcmp(few, expected, 3 * sizeof *few) == 0);

    /* One kind of NaN, on every instruction set. */
    x[0] = x[1] = x[2] = -INFINITY;
    CHECK(ce_hessian_diagonal(&z, -1, &y, NULL, &g) == CE_OK);
    p[0] = NAN;
    for (i = 0; i < 3; i++) CHECK(memcmp(&expected[i], &p[0], sizeof *p) == 0);
}

/* Errors -------------------------------------------------------------------------------------- */

static int says(const char *a, const char *b) {
    return strstr(ce_last_error_message(), a) != NULL && strstr(ce_last_error_message(), b) != NULL;
}

static double lse3(const double *x) { return x[2] + log1p(exp(x[0] - x[2]) + exp(x[1] - x[2])); }

static void errors(void) {
    const double  x[2][3] = {{1, 2, 3}, {4, 5, 6}}, q[2][3] = {{1, 0, 0}, {0, 0.5, 0.5}}, other[3] = {1, 1, 1};
    double        grad[2][3] = {{7, 7, 7}, {7, 7, 7}}, target_grad[2][3], loss = 7;
    const int64_t labels[2] = {0, 2}, named[2][2] = {{0, 1}, {2, 1}}, twice[2][2] = {{0, 1}, {2, 2}};
    const int64_t offsets[3] = {0, 3, 4}, backwards[3] = {0, 3, 2};
    const int64_t shape[2] = {2, 3}, few[2] = {2, 2}, four = 4, three = 3, two = 2;
    ce_tensor     input = tensor_of(x, CE_F64, 2, shape, NULL), dense = tensor_of(q, CE_F64, 2, shape, NULL);
    ce_tensor     label = tensor_of(labels, CE_I64, 1, &two, NULL), sparse = tensor_of(named, CE_I64, 2, few, NULL);
    ce_tensor     repeated = tensor_of(twice, CE_I64, 2, few, NULL), probs = tensor_of(q, CE_F64, 2, few, NULL);
    ce_tensor     list = tensor_of(named, CE_I64, 1, &four, NULL), list_probs = tensor_of(q, CE_F64, 1, &four, NULL);
    ce_tensor     where = tensor_of(offsets, CE_I64, 1, &three, NULL), wrong = tensor_of(backwards, CE_I64, 1, &three, NULL);
    ce_tensor     classes = tensor_of(other, CE_F64, 1, &three, NULL), l = tensor_of(&loss, CE_F64, 0, NULL, NULL);
    ce_tensor     g = tensor_of(grad, CE_F64, 2, shape, NULL), t = tensor_of(target_grad, CE_F64, 2, shape, NULL);
    ce_options    options;

#define REFUSED(call, setting, a, b) \
    do { \
        options = defaults(); \
        setting; \
        FAILS(CE_ERROR_OPTION, call); \
        CHECK(says(a, b)); \
    } while (0)
#define LOSS_OF(target) ce_cross_entropy(&input, -1, &(target), &options, OUTPUTS(&l, &g))
#define LOSS_AND_GRADS_OF(target) ce_cross_entropy(&input, -1, &(target), &options, ALL_OUTPUTS(&l, &g, &t, NULL))
#define BINARY_OF(target, grad, target_grad) \
    ce_binary_cross_entropy(&input, -1, &(target), &options, ALL_OUTPUTS(&l, grad, target_grad, NULL))
#define KL_OF(target) ce_kl_divergence(&input, -1, &(target), &options, OUTPUTS(&l, &g))
    REFUSED(LOSS_OF(label), options.target_type = CE_TARGET_LOGITS, "target_type", "labels");
    REFUSED(LOSS_OF(label), options.target_rest = CE_REST_SPREAD, "target_rest", "target_probs");
    REFUSED(LOSS_OF(label), options.target_offsets = &where, "target_offsets", "target_probs");
    REFUSED(LOSS_OF(dense), options.target_probs = &dense, "target_probs", "distributions");
    REFUSED(LOSS_AND_GRADS_OF(label), (void)0, "grad_target", "labels");
    REFUSED(LOSS_OF(sparse), options.target_probs = &probs; options.label_smoothing = 0.1, "label_smoothing", "target_probs");
    REFUSED(LOSS_OF(sparse), options.target_probs = &probs; options.target_type = CE_TARGET_LOGITS, "target_type", "target_rest");
    REFUSED(LOSS_AND_GRADS_OF(dense), options.focal_gamma = 1, "grad_target", "focal_gamma");
    REFUSED(LOSS_AND_GRADS_OF(dense), options.mean_over = CE_MEAN_OVER_MASS, "grad_target", "mean_over");
    REFUSED(LOSS_OF(dense), options.temperature = 2; options.input_type = CE_INPUT_PROBS, "temperature", "input_type");
    REFUSED(LOSS_OF(dense), options.kl_form = CE_KL_PLAIN, "kl_form", "KL divergence");
    REFUSED(LOSS_OF(dense), options.temperature = -1, "temperature", "-1");
    REFUSED(LOSS_OF(dense), options.target_type = 3, "target_type", "3");
    REFUSED(LOSS_OF(dense), options.target_rest = 3, "target_rest", "target_probs");
    REFUSED(LOSS_OF(sparse), options.target_probs = &probs; options.target_rest = 3, "target_rest", "3");
    REFUSED(LOSS_OF(dense), options.kl_form = 2, "kl_form", "2");
    REFUSED(KL_OF(dense), options.weight = &classes, "weight", "KL");
    REFUSED(KL_OF(dense), options.label_smoothing = 0.1, "label_smoothing", "KL");
    REFUSED(KL_OF(dense), options.prior = &classes, "prior", "KL");
    REFUSED(KL_OF(dense), options.z_loss = 0.1, "z_loss", "KL");
    REFUSED(KL_OF(dense), options.focal_gamma = 1, "focal_gamma", "KL");
    REFUSED(KL_OF(dense), options.poly_epsilon = 1, "poly_epsilon", "KL");
    REFUSED(KL_OF(dense), options.clip = 0.1; options.input_type = CE_INPUT_PROBS, "clip", "KL");
    REFUSED(KL_OF(dense), options.mean_over = CE_MEAN_OVER_MASS, "mean_over", "KL");
    REFUSED(ce_hessian_diagonal(&input, -1, &label, &options, &g), options.softcap = 1, "softcap", "second derivatives");
    REFUSED(ce_hessian_diagonal(&input, -1, &label, &options, &g), options.focal_gamma = 1, "focal_gamma", "second derivatives");
    REFUSED(ce_hessian_diagonal(&input, -1, &label, &options, &g), options.input_type = CE_INPUT_PROBS, "input_type", "LOGITS");
    REFUSED(BINARY_OF(dense, &g, NULL), options.temperature = 2, "temperature", "binary");
    REFUSED(BINARY_OF(dense, &g, NULL), options.prior = &classes, "prior", "binary");
    REFUSED(BINARY_OF(dense, NULL, &t), (void)0, "grad_target", "binary");

    options = defaults();
    FAILS(CE_ERROR_DTYPE, KL_OF(label));
    CHECK(says("labels", "cross-entropy"));
    options.target_probs = &probs;
    FAILS(CE_ERROR_LABEL, LOSS_OF(repeated));
    CHECK(says("class 2", "row 1"));
    options.target_probs = &list_probs;
    FAILS(CE_ERROR_SHAPE, LOSS_OF(sparse));
    options.target_offsets = &wrong;
    FAILS(CE_ERROR_SHAPE, LOSS_OF(list));
    CHECK(says("row 1", "target_offsets"));
    options.target_offsets = &label;
    FAILS(CE_ERROR_SHAPE, LOSS_OF(list));
    CHECK(says("3 numbers", "[2]"));
    where.dtype            = CE_I32;
    options.target_offsets = &where;
    FAILS(CE_ERROR_DTYPE, LOSS_OF(list));
    CHECK(says("target_offsets", "i64"));
    where.dtype = CE_I64;
    FAILS(CE_ERROR_NULL_POINTER, ce_hessian_vector_product(&input, -1, &label, NULL, NULL, &g));
    FAILS(CE_ERROR_NULL_POINTER, ce_hessian_diagonal(&input, -1, &label, NULL, NULL));
    CHECK(loss == 7 && grad[0][0] == 7 && grad[1][2] == 7);
    options.target_offsets = &where;
    FAILS(CE_OK, ce_cross_entropy(&input, -1, &list, &options, OUTPUTS(&l, NULL)));
    CHECK(fabs(loss - (lse3(x[0]) - x[0][0]) / 2) < 1e-15); /* the mean of the rows {1, 0, 0} and {., 0, .} */
    loss = 7;

    /* An output may replace what it is made of, and nothing else. */
    options = defaults();
    FAILS(CE_ERROR_OVERLAP, ce_cross_entropy(&input, -1, &dense, &options, ALL_OUTPUTS(&l, &g, &dense, NULL)));
    CHECK(says("grad_target", "target"));
    FAILS(CE_ERROR_OVERLAP, ce_cross_entropy(&input, -1, &dense, &options, ALL_OUTPUTS(&l, &g, &g, NULL)));
    FAILS(CE_ERROR_OVERLAP, ce_hessian_vector_product(&input, -1, &dense, NULL, &g, &dense));
    FAILS(CE_OK, ce_hessian_vector_product(&input, -1, &dense, NULL, &g, &g));
    CHECK(loss == 7);
}

int main(int count, char **arguments) {
    begin("operation, type, shape with its [class axis], hashes of the loss, gradient and gradient of the target", count,
          arguments);
    bits();
    if (list == NULL) return 0;
    gaps();
    small_stack();
    extremes();
    errors();
    return tally();
}
