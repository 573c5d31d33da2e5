/*
 * pairs - holds divergences, sparse and soft targets and second derivatives to the bits that Tests/Hashes/pairs.txt records.
 *
 *     pairs LIST        checks
 *     pairs --write     prints the list
 *
 * The outputs for generated rows must have the hashes of the list on every instruction set and processor, for any number of
 * threads, strides and alignment, and in place. Prints the checks that fail, then "N passed, M failed"; the exit status is 0
 * if M is 0. pair_arguments.c has pointers, memory and errors.
 */
#include "calls.h"
#include "hash.h"
#include "matrix.h"

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
    {"kl_log_probs f32", KL, CE_F32, CE_F32, CE_INPUT_LOG_PROBS, CE_TARGET_LOG_PROBS, 0, 0, 0, .classes = 1},
    {"kl_plain_probs f64", KL, CE_F64, CE_F64, CE_INPUT_PROBS, CE_TARGET_PROBS, 0, 0, 0, .classes = 1, .kl_form = CE_KL_PLAIN},
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

int main(int count, char **arguments) {
    begin("operation, type, shape with its [class axis], hashes of the loss, gradient and gradient of the target", count,
          arguments);
    bits();
    return list == NULL ? 0 : tally();
}
