/*
 * every_call.h - a call of any function that can fail, with all that it takes: a table of them, and
 * arguments that are good, for tests to spoil one at a time.
 */
#include "calls.h"
#include "common.h"

enum {
    INPUT, TARGET, LABELS, VECTOR, OUTPUT, CORRECT, ACCUMULATED_WEIGHT,             /* arguments */
    LOSS, GRAD, GRAD_TARGET,                                                        /* outputs */
    WEIGHT, SAMPLE_WEIGHT, MASK, IGNORE_INDICES, GRAD_LOSSES, POS_WEIGHT, PRIOR,    /* members of the options */
    TARGET_PROBS, TARGET_OFFSETS, TENSORS
};
static const char *const TENSOR_NAMES[TENSORS] = {
    "input", "target", "labels", "vector", "output", "correct", "weight",
    "loss", "grad", "grad_target",
    "weight", "sample_weight", "mask", "ignore_indices", "grad_losses", "pos_weight", "prior",
    "target_probs", "target_offsets"};
#define BIT(tensor) (1u << (tensor))
#define OPTION_BITS (BIT(TENSORS) - BIT(WEIGHT))

/* What a target is; with two rows of three classes. */
typedef enum { LABEL, DISTRIBUTION, SPARSE, LIST, ELEMENTS } target_kind;

typedef struct {
    ce_tensor        tensor[TENSORS];
    const ce_tensor *given[TENSORS]; /* NULL: not given */
    ce_options       options, *options_pointer;
    ce_outputs       outputs, *outputs_pointer; /* but for the tensors */
    ce_row_stats     stats, *stats_pointer;
    ce_partial      *partials, *from;
    ce_accumulator  *accumulator, *other;
    int64_t          rows, classes, first_class;
    int32_t          class_axis, count;
    size_t           size;
    const void      *logits, *labels; /* of the calls on contiguous rows */
    void            *loss, *grad;
} arguments;

static const ce_outputs *outputs_of(arguments *a) {
    a->outputs.loss = a->given[LOSS], a->outputs.grad = a->given[GRAD], a->outputs.grad_target = a->given[GRAD_TARGET];
    return a->outputs_pointer;
}

static int32_t cross_entropy(arguments *a) {
    return ce_cross_entropy(a->given[INPUT], a->class_axis, a->given[TARGET], a->options_pointer, outputs_of(a));
}
static int32_t kl_divergence(arguments *a) {
    return ce_kl_divergence(a->given[INPUT], a->class_axis, a->given[TARGET], a->options_pointer, outputs_of(a));
}
static int32_t binary_cross_entropy(arguments *a) {
    return ce_binary_cross_entropy(a->given[INPUT], a->class_axis, a->given[TARGET], a->options_pointer, outputs_of(a));
}
static int32_t hessian_vector_product(arguments *a) {
    return ce_hessian_vector_product(a->given[INPUT], a->class_axis, a->given[TARGET], a->options_pointer, a->given[VECTOR],
                                     a->given[OUTPUT]);
}
static int32_t hessian_diagonal(arguments *a) {
    return ce_hessian_diagonal(a->given[INPUT], a->class_axis, a->given[TARGET], a->options_pointer, a->given[OUTPUT]);
}
static int32_t cross_entropy_f32(arguments *a) {
    return ce_cross_entropy_f32(a->logits, a->labels, a->rows, a->classes, a->options_pointer, a->loss, a->grad);
}
static int32_t cross_entropy_f64(arguments *a) {
    return ce_cross_entropy_f64(a->logits, a->labels, a->rows, a->classes, a->options_pointer, a->loss, a->grad);
}
static int32_t softmax(arguments *a) {
    return ce_softmax(a->given[INPUT], a->class_axis, a->options_pointer, a->given[OUTPUT]);
}
static int32_t log_softmax(arguments *a) {
    return ce_log_softmax(a->given[INPUT], a->class_axis, a->options_pointer, a->given[OUTPUT]);
}
static int32_t logsumexp(arguments *a) {
    return ce_logsumexp(a->given[INPUT], a->class_axis, a->options_pointer, a->given[OUTPUT]);
}
static int32_t compute_row_stats(arguments *a) {
    return ce_compute_row_stats(a->given[INPUT], a->class_axis, a->given[LABELS], a->options_pointer, a->stats_pointer);
}
static int32_t partial_compute(arguments *a) {
    return ce_partial_compute(a->given[INPUT], a->class_axis, a->first_class, a->given[TARGET], a->options_pointer, a->partials);
}
static int32_t partial_merge(arguments *a) { return ce_partial_merge(a->partials, a->from, a->rows); }
static int32_t partial_loss(arguments *a) {
    return ce_partial_loss(a->partials, a->rows, a->classes, a->options_pointer, a->given[LOSS]);
}
static int32_t partial_grad(arguments *a) {
    return ce_partial_grad(a->given[INPUT], a->class_axis, a->first_class, a->partials, a->classes, a->options_pointer,
                           a->given[GRAD]);
}
static int32_t accumulator_init(arguments *a) { return ce_accumulator_init(a->accumulator); }
static int32_t accumulator_add(arguments *a) {
    return ce_accumulator_add(a->accumulator, a->given[LOSS], a->given[ACCUMULATED_WEIGHT], a->given[CORRECT]);
}
static int32_t accumulator_merge(arguments *a) { return ce_accumulator_merge(a->accumulator, a->other); }
static int32_t accumulator_result(arguments *a) {
    double mean;
    return ce_accumulator_result(a->accumulator, &mean, NULL, NULL);
}
static int32_t options_init(arguments *a) { return ce_options_init(a->options_pointer, a->size); }
static int32_t set_num_threads(arguments *a) { return ce_set_num_threads(a->count); }

/* Arguments that are no tensors. */
enum {
    HAS_OPTIONS = 1, HAS_AXIS = 2, HAS_ROWS = 4, HAS_CLASSES = 8, HAS_SLICE = 16, HAS_PARTIALS = 32, HAS_STATS = 64,
    IS_PLAIN = 128, HAS_STATS_OUTPUT = 256, IS_MERGE = 512, HAS_ACCUMULATOR = 1024, HAS_OUTPUTS = 2048
};

typedef struct {
    const char *name;
    int32_t (*run)(arguments *);
    target_kind target;
    unsigned    required, optional, outputs; /* tensors */
    unsigned    others;
    const char *words; /* names of arguments, apart from tensors; between spaces */
} function;

#define LOSS_OPTIONS (BIT(WEIGHT) | BIT(SAMPLE_WEIGHT) | BIT(MASK) | BIT(PRIOR))
#define LOSS_OTHERS (HAS_OPTIONS | HAS_AXIS | HAS_OUTPUTS | HAS_STATS_OUTPUT)
static const function FUNCTIONS[] = {
    {"ce_cross_entropy", cross_entropy, LABEL, BIT(INPUT) | BIT(TARGET), LOSS_OPTIONS | BIT(LOSS) | BIT(GRAD) | BIT(IGNORE_INDICES),
     BIT(LOSS) | BIT(GRAD), LOSS_OTHERS, " outputs "},
    {"ce_cross_entropy", cross_entropy, DISTRIBUTION, BIT(INPUT) | BIT(TARGET),
     LOSS_OPTIONS | BIT(LOSS) | BIT(GRAD) | BIT(GRAD_TARGET), BIT(LOSS) | BIT(GRAD) | BIT(GRAD_TARGET), LOSS_OTHERS, " outputs "},
    {"ce_cross_entropy", cross_entropy, SPARSE, BIT(INPUT) | BIT(TARGET),
     LOSS_OPTIONS | BIT(LOSS) | BIT(GRAD) | BIT(TARGET_PROBS) | BIT(IGNORE_INDICES), BIT(LOSS) | BIT(GRAD), LOSS_OTHERS, " outputs "},
    {"ce_cross_entropy", cross_entropy, LIST, BIT(INPUT) | BIT(TARGET),
     LOSS_OPTIONS | BIT(LOSS) | BIT(GRAD) | BIT(TARGET_PROBS) | BIT(TARGET_OFFSETS), BIT(LOSS) | BIT(GRAD), LOSS_OTHERS, " outputs "},
    {"ce_kl_divergence", kl_divergence, DISTRIBUTION, BIT(INPUT) | BIT(TARGET),
     BIT(SAMPLE_WEIGHT) | BIT(MASK) | BIT(LOSS) | BIT(GRAD) | BIT(GRAD_TARGET), BIT(LOSS) | BIT(GRAD) | BIT(GRAD_TARGET),
     HAS_OPTIONS | HAS_AXIS | HAS_OUTPUTS, " outputs "},
    {"ce_kl_divergence", kl_divergence, LIST, BIT(INPUT) | BIT(TARGET),
     BIT(SAMPLE_WEIGHT) | BIT(MASK) | BIT(LOSS) | BIT(GRAD) | BIT(TARGET_PROBS) | BIT(TARGET_OFFSETS) | BIT(IGNORE_INDICES),
     BIT(LOSS) | BIT(GRAD), HAS_OPTIONS | HAS_AXIS | HAS_OUTPUTS, " outputs "},
    {"ce_hessian_vector_product", hessian_vector_product, LABEL, BIT(INPUT) | BIT(TARGET) | BIT(VECTOR) | BIT(OUTPUT), LOSS_OPTIONS,
     BIT(OUTPUT), HAS_OPTIONS | HAS_AXIS, ""},
    {"ce_hessian_diagonal", hessian_diagonal, DISTRIBUTION, BIT(INPUT) | BIT(TARGET) | BIT(OUTPUT), LOSS_OPTIONS, BIT(OUTPUT),
     HAS_OPTIONS | HAS_AXIS, ""},
    {"ce_cross_entropy_f32", cross_entropy_f32, LABEL, 0, LOSS_OPTIONS | BIT(IGNORE_INDICES), 0,
     HAS_OPTIONS | HAS_ROWS | HAS_CLASSES | IS_PLAIN, " logits labels loss grad rows classes "},
    {"ce_cross_entropy_f64", cross_entropy_f64, LABEL, 0, LOSS_OPTIONS | BIT(IGNORE_INDICES), 0,
     HAS_OPTIONS | HAS_ROWS | HAS_CLASSES | IS_PLAIN, " logits labels loss grad rows classes "},
    {"ce_softmax", softmax, LABEL, BIT(INPUT) | BIT(OUTPUT), 0, BIT(OUTPUT), HAS_OPTIONS | HAS_AXIS, ""},
    {"ce_log_softmax", log_softmax, LABEL, BIT(INPUT) | BIT(OUTPUT), 0, BIT(OUTPUT), HAS_OPTIONS | HAS_AXIS, ""},
    {"ce_logsumexp", logsumexp, LABEL, BIT(INPUT) | BIT(OUTPUT), 0, BIT(OUTPUT), HAS_OPTIONS | HAS_AXIS, ""},
    {"ce_compute_row_stats", compute_row_stats, LABEL, BIT(INPUT), BIT(LABELS), 0, HAS_OPTIONS | HAS_AXIS | HAS_STATS, " stats "},
    {"ce_binary_cross_entropy", binary_cross_entropy, ELEMENTS, BIT(INPUT) | BIT(TARGET),
     BIT(LOSS) | BIT(GRAD) | BIT(WEIGHT) | BIT(POS_WEIGHT) | BIT(SAMPLE_WEIGHT), BIT(LOSS) | BIT(GRAD),
     HAS_OPTIONS | HAS_AXIS | HAS_OUTPUTS, " outputs "},
    {"ce_partial_compute", partial_compute, LABEL, BIT(INPUT) | BIT(TARGET), 0, 0,
     HAS_OPTIONS | HAS_AXIS | HAS_SLICE | HAS_PARTIALS, " partials first_class "},
    {"ce_partial_merge", partial_merge, LABEL, 0, 0, 0, HAS_ROWS | IS_MERGE, " into from rows "},
    {"ce_partial_loss", partial_loss, LABEL, BIT(LOSS), BIT(WEIGHT) | BIT(SAMPLE_WEIGHT), BIT(LOSS),
     HAS_OPTIONS | HAS_ROWS | HAS_CLASSES | HAS_PARTIALS, " partials rows classes "},
    {"ce_partial_grad", partial_grad, LABEL, BIT(INPUT) | BIT(GRAD), BIT(WEIGHT) | BIT(SAMPLE_WEIGHT), BIT(GRAD),
     HAS_OPTIONS | HAS_AXIS | HAS_CLASSES | HAS_SLICE | HAS_PARTIALS, " partials first_class classes "},
    {"ce_accumulator_init", accumulator_init, LABEL, 0, 0, 0, HAS_ACCUMULATOR, " accumulator "},
    {"ce_accumulator_add", accumulator_add, LABEL, BIT(LOSS), BIT(ACCUMULATED_WEIGHT) | BIT(CORRECT), 0, HAS_ACCUMULATOR,
     " accumulator "},
    {"ce_accumulator_merge", accumulator_merge, LABEL, 0, 0, 0, HAS_ACCUMULATOR, " into from "},
    {"ce_accumulator_result", accumulator_result, LABEL, 0, 0, 0, HAS_ACCUMULATOR, " accumulator "},
    {"ce_options_init", options_init, LABEL, 0, 0, 0, 0, " size "},
    {"ce_set_num_threads", set_num_threads, LABEL, 0, 0, 0, 0, " count "},
};

/* Room for each tensor's elements, far from the others'. */
static double room[TENSORS + 4][64];
static double stats_room[6][8];

static void set_tensor(arguments *a, int tensor, int32_t dtype, int32_t ndim, const int64_t *shape) {
    memset(room[tensor], 0, sizeof room[tensor]);
    a->tensor[tensor].data = room[tensor];
    a->tensor[tensor].dtype = dtype;
    a->tensor[tensor].ndim = ndim;
    a->tensor[tensor].shape = shape;
    a->tensor[tensor].strides = NULL;
}

static const ce_tensor **option_tensor(ce_options *options, int tensor) {
    switch (tensor) {
    case WEIGHT: return &options->weight;
    case SAMPLE_WEIGHT: return &options->sample_weight;
    case MASK: return &options->mask;
    case IGNORE_INDICES: return &options->ignore_indices;
    case GRAD_LOSSES: return &options->grad_losses;
    case POS_WEIGHT: return &options->pos_weight;
    case PRIOR: return &options->prior;
    case TARGET_PROBS: return &options->target_probs;
    default: return &options->target_offsets;
    }
}

/* Two rows of three classes with everything that the function takes, all of it good. */
static void make(arguments *a, const function *f) {
    static const int64_t  matrix[2] = {2, 3}, two[1] = {2}, three[1] = {3}, pairs[2] = {2, 2}, four[1] = {4};
    static ce_partial     partials[2], from[2];
    static ce_accumulator accumulator, other;
    const int             is_binary = f->target == ELEMENTS, is_list = f->target == LIST;
    int64_t              *offsets;
    int                   i;
    memset(a, 0, sizeof *a);
    set_tensor(a, INPUT, CE_F32, 2, matrix);
    set_tensor(a, LABELS, CE_I64, 1, two);
    set_tensor(a, VECTOR, CE_F32, 2, matrix);
    set_tensor(a, LOSS, CE_F32, f->run == accumulator_add ? 1 : 0, two);
    set_tensor(a, GRAD, CE_F32, 2, matrix);
    set_tensor(a, OUTPUT, CE_F32, f->run == logsumexp ? 1 : 2, matrix);
    set_tensor(a, CORRECT, CE_I32, 1, two);
    set_tensor(a, ACCUMULATED_WEIGHT, CE_F32, 1, two);
    set_tensor(a, WEIGHT, CE_F32, 1, three);
    set_tensor(a, SAMPLE_WEIGHT, CE_F32, is_binary ? 2 : 1, is_binary ? matrix : two);
    set_tensor(a, MASK, CE_I8, 1, two);
    set_tensor(a, IGNORE_INDICES, CE_I64, 1, three);
    set_tensor(a, GRAD_LOSSES, CE_F32, 1, two);
    set_tensor(a, POS_WEIGHT, CE_F32, 1, three);
    set_tensor(a, PRIOR, CE_F32, 1, three);
    set_tensor(a, TARGET, f->target == DISTRIBUTION ? CE_F32 : CE_I64, f->target == LABEL || is_list ? 1 : 2,
               is_list ? four : f->target == SPARSE ? pairs : matrix);
    set_tensor(a, TARGET_PROBS, CE_F32, is_list ? 1 : 2, is_list ? four : pairs);
    set_tensor(a, TARGET_OFFSETS, CE_I64, 1, three);
    set_tensor(a, GRAD_TARGET, CE_F32, 2, matrix);
    for (i = 0; i < 8; i++) {
        ((float *)room[WEIGHT])[i] = ((float *)room[SAMPLE_WEIGHT])[i] = ((float *)room[POS_WEIGHT])[i] = 1;
        ((signed char *)room[MASK])[i] = 1;
        if (f->target == SPARSE || is_list)
            ((int64_t *)room[TARGET])[i] = i % 2;
        ((int64_t *)room[IGNORE_INDICES])[i] = -7 - i;
    }
    offsets = (int64_t *)room[TARGET_OFFSETS];
    offsets[0] = 0, offsets[1] = 2, offsets[2] = 4;

    ce_options_init(&a->options, sizeof a->options);
    a->options_pointer = &a->options;
    for (i = 0; i < TENSORS; i++) {
        if (((f->required | f->optional) & BIT(i)) == 0)
            continue;
        a->given[i] = &a->tensor[i];
        if (BIT(i) & OPTION_BITS)
            *option_tensor(&a->options, i) = &a->tensor[i];
    }
    a->stats.size = sizeof a->stats;
    a->stats.lse = stats_room[0], a->stats.max = stats_room[1], a->stats.entropy = stats_room[2];
    a->stats.argmax = (int64_t *)stats_room[3];
    a->stats_pointer = &a->stats;
    a->outputs.size = sizeof a->outputs;
    a->outputs.row_stats = f->others & HAS_STATS_OUTPUT ? &a->stats : NULL;
    a->outputs_pointer = &a->outputs;
    a->class_axis = -1;
    a->rows = 2, a->classes = 3, a->first_class = 0;
    a->logits = room[INPUT], a->labels = room[LABELS], a->loss = room[LOSS], a->grad = room[GRAD];
    a->size = sizeof(ce_options);

    a->tensor[LABELS].data = room[LABELS];
    ce_partial_compute(&a->tensor[INPUT], -1, 0, &a->tensor[LABELS], NULL, partials);
    memcpy(from, partials, sizeof from);
    for (i = 0; i < 2 && f->run == partial_merge; i++)
        from[i].first_class = 4096, from[i].end_class = 4099, from[i].has_target = 0;
    a->partials = partials, a->from = from;
    ce_accumulator_init(&accumulator);
    ce_accumulator_init(&other);
    a->accumulator = &accumulator, a->other = &other;
}

/* Values that no function takes, then, from FOR_SOME on, values that some take. Returns the option's name. */
enum { FOR_SOME = 40, FIRST_TENSOR = 54 };

static const char *set_option(ce_options *o, int which, arguments *a) {
    switch (which) {
    case 0: return o->size = 0, "size";
    case 1: return o->size = sizeof *o - 8, "size";
    case 2: return o->size = sizeof *o + 4, "size";
    case 3: return o->size = sizeof *o - 4, "size";
    case 4: return o->input_type = 3, "input_type";
    case 5: return o->reduction = -1, "reduction";
    case 6: return o->mean_over = 4, "mean_over";
    case 7: return o->empty = 3, "empty";
    case 8: return o->label_smoothing = 1.5, "label_smoothing";
    case 9: return o->label_smoothing = -0.25, "label_smoothing";
    case 10: return o->label_smoothing = NAN, "label_smoothing";
    case 11: return o->mean_over = CE_MEAN_OVER_DIVISOR, "mean_divisor";
    case 12: return o->mean_over = CE_MEAN_OVER_DIVISOR, o->mean_divisor = INFINITY, "mean_divisor";
    case 13: return o->input_type = CE_INPUT_PROBS, o->clip = 0.5, "clip";
    case 14: return o->clip = -0.1, "clip";
    case 15: return o->threads = -1, "threads";
    case 16: return o->reserved_input = 1, "reserved_input";
    case 17: return o->reserved_reduction = -1, "reserved_reduction";
    case 18: return o->reserved_execution = 1, "reserved_execution";
    case 19: return o->z_loss = -1, "z_loss";
    case 20: return o->z_loss = INFINITY, "z_loss";
    case 21: return o->focal_gamma = -1, "focal_gamma";
    case 22: return o->focal_gamma = NAN, "focal_gamma";
    case 23: return o->poly_epsilon = NAN, "poly_epsilon";
    case 24: return o->softcap = -1, "softcap";
    case 25: return o->softcap = INFINITY, "softcap";
    case 26: return o->logit_scale = INFINITY, "logit_scale";
    case 27: return o->logit_scale = 0, "logit_scale";
    case 28: return o->temperature = 0, "temperature";
    case 29: return o->temperature = -1, "temperature";
    case 30: return o->temperature = INFINITY, "temperature";
    case 31: return o->temperature = 1e-300, o->logit_scale = 1e300, "temperature";
    case 32: return o->target_type = 3, "target_type";
    case 33: return o->target_rest = 3, "target_rest";
    case 34: return o->kl_form = 2, "kl_form";
    case 35: return o->input_type = CE_INPUT_PROBS, o->softcap = 1, "softcap";
    case 36: return o->input_type = CE_INPUT_LOG_PROBS, o->clip = 0.1, "clip";
    case 37: return o->input_type = CE_INPUT_PROBS, o->z_loss = 1, "z_loss";
    case 38: return o->input_type = CE_INPUT_PROBS, o->logit_scale = 2, "logit_scale";
    case 39: return o->clip = 0.1, "clip";
    case 40: return o->mean_over = CE_MEAN_OVER_MASS, "mean_over";
    case 41: return o->input_type = CE_INPUT_PROBS, "input_type";
    case 42: return o->input_type = CE_INPUT_LOG_PROBS, "input_type";
    case 43: return o->label_smoothing = 0.1, "label_smoothing";
    case 44: return o->z_loss = 1, "z_loss";
    case 45: return o->focal_gamma = 1, "focal_gamma";
    case 46: return o->poly_epsilon = 1, "poly_epsilon";
    case 47: return o->softcap = 1, "softcap";
    case 48: return o->logit_scale = 2, "logit_scale";
    case 49: return o->temperature = 2, "temperature";
    case 50: return o->temperature_squared = 1, "temperature_squared";
    case 51: return o->kl_form = CE_KL_PLAIN, "kl_form";
    case 52: return o->target_type = CE_TARGET_LOGITS, "target_type";
    case 53: return o->target_rest = CE_REST_SPREAD, "target_rest";
    default: {
        const int tensor = which - FIRST_TENSOR + MASK;
        *option_tensor(o, tensor) = &a->tensor[tensor];
        return TENSOR_NAMES[tensor];
    }
    }
}
