/*
 * halves - holds tensors of f16 and bf16 to what include/crossentropy.h says of them: they are widened exactly, so the results
 * are, bit for bit, those of the same numbers given as f32.
 *
 *     halves [SEED]
 *
 * Calls of each function with options, shapes and layouts drawn from a generator. Each of the floating-point tensors has a
 * dtype of its own; the same call is made with contiguous f32 copies of those of 16 bits, and with the gradients in 16 bits,
 * which must be those of f32, rounded. Prints the calls that differ, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "hash.h"
#include "matrix.h"

enum { CALLS = 12000 };

static uint64_t state;

/* A number below `count`. */
static int64_t draw(int64_t count) { return (int64_t)((next(&state, 32) * (uint64_t)count) >> 32); }
static int     one_in(int64_t count) { return draw(count) == 0; }

/* Tensors ------------------------------------------------------------------------------------ */

/* A tensor, and the same numbers as f32, contiguous, where it has 16 bits. */
typedef struct {
    int    is_given;
    matrix own, wide;
} both;

/* What numbers are like. */
typedef enum { LOGIT, PROB, LOG_PROB, FACTOR } kind;

static double number(kind kind) {
    const double u = next_uniform(&state); /* in [-1, 1) */
    switch (kind) {
    case LOGIT: return one_in(8) ? 20 * u : 4 * u;
    case PROB: return one_in(8) ? 0 : one_in(4) ? fabs(u) * 0x1p-18 : fabs(u);
    case LOG_PROB: return one_in(8) ? -20 * fabs(u) : -2 * fabs(u);
    default: return one_in(8) ? 0 : one_in(4) ? u * 0x1p-18 : one_in(4) ? 1000 * u : fabs(u);
    }
}

static int32_t any_dtype(int32_t other) { return one_in(3) ? other : one_in(2) ? CE_F16 : CE_BF16; }
static layout  any_layout(void) { return (layout)draw(LAYOUTS); }

/* `odd` in a thousand are any 16 bits, NaN and infinities among them. */
static both tensor(int32_t dtype, int64_t rows, int64_t columns, int is_turned, int is_vector, kind kind, int64_t odd) {
    const int32_t wide_dtype = is_half(dtype) ? CE_F32 : dtype;
    both          made;
    int64_t       i;
    made.is_given = 1;
    made.own      = is_vector ? make_vector(dtype, rows, any_layout()) : make_matrix(dtype, rows, columns, any_layout(), is_turned);
    made.wide     = is_vector ? make_vector(wide_dtype, rows, CONTIGUOUS)
                              : make_matrix(wide_dtype, rows, columns, is_turned ? COLUMNS : CONTIGUOUS, is_turned);
    for (i = 0; i < rows * (is_vector ? 1 : columns); i++) {
        const double value = number(kind);
        uint16_t     bits = 0;
        if (!is_half(dtype)) {
            put(at(&made.own, i), dtype, value), put(at(&made.wide, i), dtype, value);
            continue;
        }
        bits = draw(1000) < odd ? (uint16_t)next(&state, 16) : narrow(dtype, bits_of((float)value));
        memcpy(at(&made.own, i), &bits, sizeof bits);
        put(at(&made.wide, i), CE_F32, widened(dtype, bits));
    }
    return made;
}

static both integers(int64_t rows, int64_t columns, int is_turned, int is_vector) {
    both made = {0};
    made.is_given = 1;
    made.own = is_vector ? make_vector(CE_I64, rows, any_layout()) : make_matrix(CE_I64, rows, columns, any_layout(), is_turned);
    return made;
}

static const ce_tensor *view(both *b, int is_wide) {
    if (!b->is_given)
        return NULL;
    return view_of(is_wide && b->wide.memory != NULL ? &b->wide : &b->own);
}

/* Calls -------------------------------------------------------------------------------------- */

typedef enum {
    LABELS, DISTRIBUTIONS, SPARSE, DIVERGENCE, DIVERGENCE_SPARSE, VECTOR, DIAGONAL, BINARY, BINARY_LABELS, PARTIAL, ACCUMULATOR,
    FUNCTIONS
} function;
static const char *const NAMES[FUNCTIONS] = {
    "labels", "distributions", "sparse", "divergence", "divergence, sparse", "vector", "diagonal", "binary", "binary, labels",
    "partial", "accumulator"};

typedef struct {
    function   function;
    int64_t    rows, classes;
    int        is_turned, has_target_grad;
    int32_t    loss_dtype;
    ce_options options;
    both       input, target, probs, weight, pos_weight, prior, sample_weight, grad_losses, vector;
} problem;

static kind kind_of_input(int32_t type) { return type == CE_INPUT_LOGITS ? LOGIT : type == CE_INPUT_PROBS ? PROB : LOG_PROB; }
static kind kind_of_target(int32_t type) { return type == CE_TARGET_LOGITS ? LOGIT : type == CE_TARGET_PROBS ? PROB : LOG_PROB; }

static void draw_options(problem *p) {
    const function f = p->function;
    const int      is_pair = f == DIVERGENCE || f == DIVERGENCE_SPARSE, is_hessian = f == VECTOR || f == DIAGONAL;
    const int      is_binary = f == BINARY || f == BINARY_LABELS, is_loss = f <= SPARSE;
    ce_options    *o = &p->options;
    ce_options_init(o, sizeof *o);
    if (!is_hessian && f != PARTIAL && one_in(3))
        o->input_type = is_binary ? CE_INPUT_PROBS : one_in(2) ? CE_INPUT_PROBS : CE_INPUT_LOG_PROBS;
    if (f == DISTRIBUTIONS || f == SPARSE || is_pair)
        o->target_type = (int32_t)draw(3);
    if (f == SPARSE || f == DIVERGENCE_SPARSE)
        o->target_rest = o->target_type == CE_TARGET_LOGITS ? CE_REST_RENORMALIZE : (int32_t)draw(3);
    if (o->input_type == CE_INPUT_PROBS && !is_pair && one_in(4))
        o->clip = 0x1p-10;
    if (o->input_type == CE_INPUT_LOGITS && !is_binary && one_in(4)) {
        o->logit_scale = one_in(2) ? 0.5 : 1.25;
        if (!is_hessian && one_in(2))
            o->softcap = 3;
    }
    if ((is_loss || is_pair || is_hessian) && (o->input_type == CE_INPUT_LOGITS || o->target_type == CE_TARGET_LOGITS) && one_in(4))
        o->temperature = one_in(2) ? 2 : 3, o->temperature_squared = one_in(2);
    if ((f == LABELS || f == DISTRIBUTIONS || is_hessian || is_binary) && one_in(3))
        o->label_smoothing = 0.1;
    if ((is_loss || is_hessian || f == PARTIAL) && o->input_type == CE_INPUT_LOGITS && one_in(3))
        o->z_loss = 0x1p-6;
    if ((is_loss || is_binary || f == PARTIAL) && o->input_type == CE_INPUT_LOGITS && one_in(4))
        o->focal_gamma = 2;
    if ((is_loss || f == PARTIAL) && o->input_type == CE_INPUT_LOGITS && one_in(4))
        o->poly_epsilon = 0.5;
    o->kl_form = is_pair && one_in(3) ? CE_KL_PLAIN : CE_KL_GENERALIZED;
    o->reduction = (int32_t)draw(3);
    o->mean_over = one_in(2) ? CE_MEAN_OVER_COUNT : (is_loss || is_hessian) && one_in(2) ? CE_MEAN_OVER_MASS : CE_MEAN_OVER_WEIGHT;
    p->has_target_grad = (f == DISTRIBUTIONS || f == DIVERGENCE) && o->focal_gamma == 0 && o->poly_epsilon == 0
                         && (o->reduction != CE_REDUCTION_MEAN || o->mean_over != CE_MEAN_OVER_MASS) && one_in(2);
}

static void draw_tensors(problem *p) {
    static const int64_t CLASSES[] = {1, 2, 3, 16, 17, 33, 130, 4100};
    const function       f = p->function;
    const int            is_pair = f == DIVERGENCE || f == DIVERGENCE_SPARSE, is_hessian = f == VECTOR || f == DIAGONAL;
    const int            is_binary = f == BINARY || f == BINARY_LABELS;
    const int64_t        classes = p->classes = CLASSES[draw(one_in(20) ? 8 : 7)], odd = one_in(3) ? 5 : 0;
    const int64_t        rows = p->rows = classes > 1000 ? 1 + draw(2) : 1 + draw(20);
    const int            turned = p->is_turned = one_in(3);
    const int32_t        other = one_in(3) ? CE_F64 : CE_F32;
    int64_t              i;
    p->input = tensor(any_dtype(other), rows, classes, turned, 0, kind_of_input(p->options.input_type), odd);
    p->loss_dtype = one_in(2) ? CE_F32 : CE_F64;
    if (f == SPARSE || f == DIVERGENCE_SPARSE) {
        const int64_t named = 1 + draw(classes < 5 ? classes : 5);
        p->target = integers(rows, named, turned, 0);
        for (i = 0; i < rows * named; i++)
            put(at(&p->target.own, i), CE_I64, one_in(16) ? -100 : (double)((i % named + i / named) % classes));
        p->probs = tensor(any_dtype(other), rows, named, turned, 0, kind_of_target(p->options.target_type), odd);
    } else if (f == BINARY_LABELS || f == LABELS || f == PARTIAL || (is_hessian && one_in(2))) {
        p->target = integers(rows, classes, turned, !is_binary);
        for (i = 0; i < rows * (is_binary ? classes : 1); i++)
            put(at(&p->target.own, i), CE_I64, one_in(8) ? -100 : (double)draw(is_binary ? 2 : classes));
    } else {
        p->target = tensor(any_dtype(other), rows, classes, turned, 0, kind_of_target(p->options.target_type), odd);
    }
    if (f == VECTOR)
        p->vector = tensor(any_dtype(other), rows, classes, turned, 0, LOGIT, odd);
    if (!is_pair && one_in(2))
        p->weight = tensor(any_dtype(other), classes, 1, 0, 1, FACTOR, odd);
    if (is_binary && one_in(2))
        p->pos_weight = tensor(any_dtype(other), classes, 1, 0, 1, FACTOR, odd);
    if ((f == LABELS || f == DISTRIBUTIONS || is_hessian) && one_in(2))
        p->prior = tensor(any_dtype(other), classes, 1, 0, 1, PROB, odd);
    if (one_in(2))
        p->sample_weight = tensor(any_dtype(other), rows, is_binary ? classes : 1, turned && is_binary, !is_binary, FACTOR, odd);
    if (!is_binary && f != PARTIAL && p->options.reduction == CE_REDUCTION_NONE && one_in(2))
        p->grad_losses = tensor(any_dtype(other), rows, 1, 0, 1, FACTOR, odd);
}

static void free_both(both *b) { free(b->own.memory), free(b->wide.memory); }

static void free_problem(problem *p) {
    free_both(&p->input), free_both(&p->target), free_both(&p->probs), free_both(&p->weight), free_both(&p->pos_weight);
    free_both(&p->prior), free_both(&p->sample_weight), free_both(&p->grad_losses), free_both(&p->vector);
}

typedef struct {
    int32_t        status;
    matrix         loss, grad, target_grad;
    ce_accumulator accumulator;
} outcome;

static int32_t partial(problem *p, const ce_tensor *input, int32_t axis, const ce_options *o, outcome *out) {
    ce_partial *partials = allocate((size_t)p->rows * sizeof *partials);
    ce_options  first;
    int32_t     status;
    ce_options_init(&first, sizeof first);
    first.softcap = o->softcap, first.logit_scale = o->logit_scale;
    status = ce_partial_compute(input, axis, 0, view(&p->target, 0), &first, partials);
    if (status == CE_OK)
        status = ce_partial_loss(partials, p->rows, p->classes, o, view_of(&out->loss));
    if (status == CE_OK)
        status = ce_partial_grad(input, axis, 0, partials, p->classes, o, view_of(&out->grad));
    free(partials);
    return status;
}

/* With the tensors as they are or wide; gradients in 16 bits where their tensors are, or in f32. */
static outcome run(problem *p, int is_wide, int is_narrow) {
    const int        is_binary = p->function == BINARY || p->function == BINARY_LABELS;
    const int32_t    axis = p->is_turned ? 0 : -1, x = p->input.own.dtype, y = p->target.own.dtype;
    const ce_tensor *input = view(&p->input, is_wide), *target = view(&p->target, is_wide), *grad, *target_grad;
    ce_options       o = p->options;
    outcome          out;
    memset(&out, 0, sizeof out);
    o.weight = view(&p->weight, is_wide), o.pos_weight = view(&p->pos_weight, is_wide), o.prior = view(&p->prior, is_wide);
    o.sample_weight = view(&p->sample_weight, is_wide), o.grad_losses = view(&p->grad_losses, is_wide);
    o.target_probs = view(&p->probs, is_wide);
    out.loss = is_binary && o.reduction == CE_REDUCTION_NONE
                   ? make_matrix(p->loss_dtype, p->rows, p->classes, any_layout(), p->is_turned)
                   : make_vector(p->loss_dtype, o.reduction == CE_REDUCTION_NONE ? p->rows : 1, CONTIGUOUS);
    out.grad = make_matrix(is_half(x) && !is_narrow ? CE_F32 : x, p->rows, p->classes, any_layout(), p->is_turned);
    out.target_grad = make_matrix(is_half(y) && !is_narrow ? CE_F32 : y, p->rows, p->classes, any_layout(), p->is_turned);
    grad = view_of(&out.grad), target_grad = p->has_target_grad ? view_of(&out.target_grad) : NULL;
    switch (p->function) {
    case DIVERGENCE: case DIVERGENCE_SPARSE:
        out.status = ce_kl_divergence(input, axis, target, &o, ALL_OUTPUTS(view_of(&out.loss), grad, target_grad, NULL));
        break;
    case VECTOR:
        out.status = ce_hessian_vector_product(input, axis, target, &o, view(&p->vector, is_wide), grad);
        break;
    case DIAGONAL: out.status = ce_hessian_diagonal(input, axis, target, &o, grad); break;
    case BINARY: case BINARY_LABELS:
        out.status = ce_binary_cross_entropy(input, axis, target, &o, OUTPUTS(view_of(&out.loss), grad));
        break;
    case PARTIAL: out.status = partial(p, input, axis, &o, &out); break;
    case ACCUMULATOR:
        ce_accumulator_init(&out.accumulator);
        out.status = ce_accumulator_add(&out.accumulator, input, target, NULL);
        break;
    default:
        out.status = ce_cross_entropy(input, axis, target, &o, ALL_OUTPUTS(view_of(&out.loss), grad, target_grad, NULL));
    }
    return out;
}

static void free_outcome(outcome *out) { free(out->loss.memory), free(out->grad.memory), free(out->target_grad.memory); }

/* Whether two tensors have the same bits, once those of `wide` are rounded to the dtype of the other. */
static int is_same(const matrix *a, const matrix *wide) {
    int64_t i;
    for (i = 0; i < a->rows * a->columns; i++) {
        uint16_t half;
        float    single;
        if (a->dtype == wide->dtype) {
            if (memcmp(at(a, i), at(wide, i), size_of(a->dtype)) != 0)
                return 0;
            continue;
        }
        memcpy(&single, at(wide, i), sizeof single);
        half = narrow(a->dtype, bits_of(single != single ? fabsf(single) : single)); /* of 16 bits there is one NaN */
        if (memcmp(at(a, i), &half, sizeof half) != 0)
            return 0;
    }
    return 1;
}

/* What of two outcomes differs; NULL if nothing does. */
static const char *difference(const problem *p, const outcome *a, const outcome *wide) {
    const function f = p->function;
    if (a->status != wide->status)
        return "status";
    if (f == ACCUMULATOR)
        return memcmp(&a->accumulator, &wide->accumulator, sizeof a->accumulator) != 0 ? "accumulator" : NULL;
    if (f != VECTOR && f != DIAGONAL && !is_same(&a->loss, &wide->loss))
        return "loss";
    if (!is_same(&a->grad, &wide->grad))
        return "grad";
    return p->has_target_grad && !is_same(&a->target_grad, &wide->target_grad) ? "grad_target" : NULL;
}

static const char *dtype_name(const both *b) {
    switch (b->is_given ? b->own.dtype : 0) {
    case 0: return "-";
    case CE_F16: return "f16";
    case CE_BF16: return "bf16";
    case CE_F32: return "f32";
    case CE_F64: return "f64";
    default: return "integers";
    }
}

static void compare_call(int64_t call) {
    problem     p;
    outcome     wide, own, narrowed;
    const char *what;
    memset(&p, 0, sizeof p);
    p.function = (function)draw(FUNCTIONS);
    draw_options(&p);
    draw_tensors(&p);
    wide = run(&p, 1, 0), own = run(&p, 0, 0), narrowed = run(&p, 0, 1);
    what = wide.status != CE_OK ? ce_last_error_message() : difference(&p, &own, &wide);
    if (what == NULL)
        what = difference(&p, &narrowed, &wide);
    if (!count_check(what == NULL) && failed <= 20) {
        printf("FAIL call %" PRId64 ", %s [%" PRId64 ", %" PRId64 "], input %s, target %s, probs %s, weight %s, pos_weight %s, "
               "prior %s, sample_weight %s, grad_losses %s, vector %s: %s (status %d, of f32 %d)\n",
               call, NAMES[p.function], p.rows, p.classes, dtype_name(&p.input), dtype_name(&p.target), dtype_name(&p.probs),
               dtype_name(&p.weight), dtype_name(&p.pos_weight), dtype_name(&p.prior), dtype_name(&p.sample_weight),
               dtype_name(&p.grad_losses), dtype_name(&p.vector), what, (int)own.status, (int)wide.status);
    }
    free_outcome(&wide), free_outcome(&own), free_outcome(&narrowed);
    free_problem(&p);
}

int main(int argc, char **argv) {
    int64_t call;
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    for (call = 0; call < CALLS; call++)
        compare_call(call);
    return tally();
}
