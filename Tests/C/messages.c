/*
 * messages - checks that the message of every error of every function names that function, and the
 * argument or option that is at fault as the caller knows it. numbers.c has the numbers in it.
 *
 *     messages
 *
 * Each function is called with each of its arguments spoilt in each way that there is. A message must
 * begin with the function's name, hold the argument's, and hold none that belongs to other functions
 * alone. Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include <ctype.h>

#include "every_call.h"

/* What a message may and must hold -------------------------------------------------------------------------------- */

static int is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Whether the text holds the word, apart from where the words before it make it prose: "the target". */
static int holds(const char *text, const char *word, int but_prose) {
    static const char *const prose[] = {"the ", "an ", "no ", "for ", "of ", "says ", "that "};
    const size_t length = strlen(word);
    const char  *at = text;
    size_t       i;
    for (; (at = strstr(at, word)) != NULL; at += length) {
        int is_prose = 0;
        if ((at > text && is_word(at[-1])) || is_word(at[length]))
            continue;
        for (i = 0; but_prose && i < LENGTH_OF(prose); i++) {
            const size_t before = strlen(prose[i]);
            is_prose = is_prose || ((size_t)(at - text) >= before && memcmp(at - before, prose[i], before) == 0);
        }
        if (!is_prose)
            return 1;
    }
    return 0;
}

static int statuses_seen[LENGTH_OF(FUNCTIONS)][CE_ERROR_PARTIAL + 1];

/* Makes the call; `wanted` is a status, or -1 for any error, or -2 for any error or none. */
static void expect(const function *f, arguments *a, int32_t wanted, const char *word, const char *defect) {
    /* Arguments that some functions have and others have not. */
    static const char *const names[] = {"input", "target", "logits", "vector", "loss", "grad", "output", "stats", "outputs",
                                        "partials", "into", "accumulator", "correct", "class_axis", "first_class"};
    const int32_t status = f->run(a);
    const char   *text = ce_last_error_message();
    const char   *problem = NULL;
    const size_t  length = strlen(f->name);
    size_t        i;
    if (status == CE_OK && wanted == -2)
        return;
    if (status == CE_OK || (wanted >= 0 && status != wanted)) {
        count_check(0);
        printf("FAIL %s, %s of %s: status %d instead of %d (last message: \"%s\")\n", f->name, defect, word, (int)status,
               (int)wanted, text);
        return;
    }
    statuses_seen[f - FUNCTIONS][status] = 1;
    if (strncmp(text, f->name, length) != 0 || strncmp(text + length, ": ", 2) != 0) {
        problem = "does not begin with the function";
    } else {
        text += length + 2;
        if (!holds(text, word, 0))
            problem = "does not name the argument";
        for (i = 0; i < LENGTH_OF(names); i++) {
            unsigned own = f->required | f->optional;
            int      tensor, is_own = 0;
            char     spaced[32];
            sprintf(spaced, " %s ", names[i]);
            for (tensor = 0; tensor < TENSORS; tensor++)
                is_own = is_own || ((own & BIT(tensor)) && strcmp(TENSOR_NAMES[tensor], names[i]) == 0);
            is_own = is_own || strstr(f->words, spaced) != NULL || ((f->others & HAS_AXIS) && strcmp(names[i], "class_axis") == 0);
            /* Only "the size of" has an argument behind "of". */
            if (!is_own && (holds(text, names[i], 1) || (strstr(text, "size of") != NULL && holds(text, names[i], 0))))
                problem = "names an argument that the function has not";
        }
        if (strstr(text, "ce_") != NULL && strstr(text, "ce_options_init") == NULL && strstr(text, "ce_accumulator_init") == NULL)
            problem = "names another function";
    }
    if (!count_check(problem == NULL))
        printf("FAIL %s, %s of %s: the message %s: \"%s\"\n", f->name, defect, word, problem, ce_last_error_message());
}

/* Each tensor in turn --------------------------------------------------------------------------------------------- */

/* A dtype that a tensor may not have: losses are written as f32 or f64, and what is no label may be any float. */
static int32_t other_dtype(const function *f, int tensor) {
    switch (tensor) {
    case TARGET: case LABELS: case MASK: case IGNORE_INDICES: case TARGET_OFFSETS: case CORRECT: return CE_F16;
    case LOSS: return f->run == accumulator_add ? CE_I32 : CE_BF16;
    case OUTPUT: return f->run == logsumexp ? CE_F16 : CE_I32;
    default: return CE_I32;
    }
}

static void spoil_tensors(const function *f) {
    static const int64_t odd[2] = {5, 7}, huge[2] = {INT64_MAX, 2}, negative[2] = {2, -3};
    arguments            a;
    int                  i, j;
    for (i = 0; i < TENSORS; i++) {
        const char *name = TENSOR_NAMES[i];
        if (((f->required | f->optional) & BIT(i)) == 0)
            continue;
        if (f->required & BIT(i)) {
            make(&a, f), a.given[i] = NULL;
            expect(f, &a, CE_ERROR_NULL_POINTER, name, "absence");
        }
        make(&a, f), a.tensor[i].data = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, name, "no data");
        make(&a, f), a.tensor[i].shape = NULL, a.tensor[i].ndim = 1;
        expect(f, &a, CE_ERROR_NULL_POINTER, name, "no shape");
        make(&a, f), a.tensor[i].dtype = 99;
        expect(f, &a, CE_ERROR_DTYPE, name, "unknown dtype");
        make(&a, f), a.tensor[i].dtype = other_dtype(f, i);
        if (i != TARGET || f->run == partial_compute) /* which is alone in that a target may not be of any dtype */
            expect(f, &a, CE_ERROR_DTYPE, name, "dtype");
        make(&a, f), a.tensor[i].ndim = -1;
        expect(f, &a, CE_ERROR_SHAPE, name, "-1 dimensions");
        make(&a, f), a.tensor[i].ndim = CE_MAX_NDIM + 1;
        expect(f, &a, CE_ERROR_SHAPE, name, "65 dimensions");
        make(&a, f), a.tensor[i].ndim = 2, a.tensor[i].shape = negative;
        expect(f, &a, CE_ERROR_SHAPE, name, "negative length");
        make(&a, f), a.tensor[i].ndim = 2, a.tensor[i].shape = huge;
        expect(f, &a, CE_ERROR_OVERFLOW, name, "overflow");
        make(&a, f), a.tensor[i].ndim = 2, a.tensor[i].shape = odd;
        if (i != INPUT || f->run != partial_grad) /* which must have as many rows as there are statistics */
            expect(f, &a, CE_ERROR_SHAPE, name, "shape");
        if ((f->outputs & BIT(i)) == 0)
            continue;
        for (j = 0; j < TENSORS; j++) {
            if (((f->required | f->optional) & BIT(j)) == 0 || i == j)
                continue;
            make(&a, f), a.tensor[i].data = (char *)a.tensor[j].data + 1;
            expect(f, &a, CE_ERROR_OVERLAP, name, "overlap");
            make(&a, f), a.tensor[i].data = (char *)a.tensor[j].data + 1;
            expect(f, &a, CE_ERROR_OVERLAP, TENSOR_NAMES[j], "overlap");
        }
        if (a.tensor[i].ndim == 2) {
            static const int64_t zero[2] = {0, 0};
            make(&a, f), a.tensor[i].strides = zero;
            expect(f, &a, CE_ERROR_OVERLAP, name, "overlap with itself");
        }
    }
}

/* Each option in turn --------------------------------------------------------------------------------------------- */

static void spoil_options(const function *f) {
    arguments a;
    int       i;
    if ((f->others & HAS_OPTIONS) == 0)
        return;
    for (i = 0; i < FIRST_TENSOR + TENSORS - MASK; i++) {
        const char *name;
        make(&a, f);
        name = set_option(&a.options, i, &a);
        expect(f, &a, i < 4 ? CE_ERROR_OPTIONS_SIZE : i < FOR_SOME ? CE_ERROR_OPTION : -2, name,
               i < FOR_SOME ? "wrong value" : "a value not for everybody");
    }
}

/* What is no tensor and no option --------------------------------------------------------------------------------- */

static const volatile int32_t CANCEL = 1;

/* The class axis, and numbers of rows and classes. */
static void spoil_sizes(const function *f) {
    static const int64_t empty[2] = {2, 0};
    arguments            a;
    if (f->others & HAS_AXIS) {
        make(&a, f), a.class_axis = 2;
        expect(f, &a, CE_ERROR_SHAPE, "class_axis", "wrong value");
        make(&a, f), a.class_axis = INT32_MIN;
        expect(f, &a, CE_ERROR_SHAPE, "class_axis", "wrong value");
        if (f->target != ELEMENTS) {
            make(&a, f), a.tensor[INPUT].shape = empty;
            expect(f, &a, CE_ERROR_SHAPE, "class_axis", "no class");
        }
    }
    if (f->others & HAS_ROWS) {
        make(&a, f), a.rows = -1;
        expect(f, &a, CE_ERROR_SHAPE, "rows", "negative value");
        make(&a, f), a.rows = INT64_MAX;
        expect(f, &a, CE_ERROR_OVERFLOW, f->others & IS_PLAIN ? "logits" : f->others & IS_MERGE ? "into" : "partials", "overflow");
    }
    if (f->others & HAS_CLASSES) {
        make(&a, f), a.classes = -1;
        expect(f, &a, CE_ERROR_SHAPE, "classes", "negative value");
    }
    if (f->others & HAS_SLICE) {
        make(&a, f), a.first_class = 100;
        expect(f, &a, CE_ERROR_SHAPE, "first_class", "wrong value");
        make(&a, f), a.first_class = (int64_t)1 << 62;
        expect(f, &a, CE_ERROR_OVERFLOW, "first_class", "huge value");
        if (f->others & HAS_CLASSES) {
            make(&a, f), a.first_class = CE_BLOCK;
            expect(f, &a, CE_ERROR_SHAPE, "first_class", "value beyond all classes");
        }
    }
}

/* Pointers to rows; and no output at all. */
static void spoil_pointers(const function *f) {
    arguments a;
    if (f->others & IS_PLAIN) {
        make(&a, f), a.classes = 0;
        expect(f, &a, CE_ERROR_SHAPE, "classes", "no class");
        make(&a, f), a.logits = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "logits", "absence");
        make(&a, f), a.labels = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "labels", "absence");
        make(&a, f), a.grad = (char *)room[INPUT] + 1;
        expect(f, &a, CE_ERROR_OVERLAP, "logits", "overlap");
        make(&a, f), a.grad = (char *)room[LABELS] + 1;
        expect(f, &a, CE_ERROR_OVERLAP, "labels", "overlap");
        make(&a, f), a.loss = a.grad;
        expect(f, &a, CE_ERROR_OVERLAP, "loss", "overlap");
        make(&a, f), a.loss = a.grad = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "loss", "absence");
        make(&a, f), a.options.target_probs = &a.tensor[TARGET_PROBS];
        expect(f, &a, CE_ERROR_SHAPE, "target_probs", "other shape");
        make(&a, f), a.options.sample_weight = &a.tensor[PRIOR];
        expect(f, &a, CE_ERROR_SHAPE, "logits", "other shape of sample_weight");
    } else if ((f->optional & (BIT(LOSS) | BIT(GRAD))) == (BIT(LOSS) | BIT(GRAD))) {
        make(&a, f), a.given[LOSS] = a.given[GRAD] = a.given[GRAD_TARGET] = NULL, a.outputs.row_stats = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "outputs", "absence of all");
    }
}

static void spoil_outputs(const function *f) {
    arguments a;
    if (f->others & HAS_OUTPUTS) {
        make(&a, f), a.outputs_pointer = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "outputs", "absence");
        make(&a, f), a.outputs.size = 32;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, "outputs", "size");
        make(&a, f), a.outputs.size = sizeof a.outputs + 4;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, "outputs", "size");
        if ((f->others & HAS_STATS_OUTPUT) == 0) {
            make(&a, f), a.outputs.row_stats = &a.stats;
            expect(f, &a, CE_ERROR_OPTION, "row_stats", "an output not for everybody");
        }
        if ((f->outputs & BIT(GRAD_TARGET)) == 0) {
            make(&a, f), a.given[GRAD_TARGET] = &a.tensor[GRAD_TARGET];
            expect(f, &a, CE_ERROR_OPTION, "grad_target", "an output not for everybody");
        }
    }
}

static void spoil_partials(const function *f) {
    arguments a;
    if (f->others & HAS_PARTIALS) {
        make(&a, f), a.partials = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "partials", "absence");
        make(&a, f);
        if (f->run == partial_compute) {
            a.partials = (ce_partial *)(void *)room[INPUT];
            expect(f, &a, CE_ERROR_OVERLAP, "partials", "overlap");
            make(&a, f), a.partials = (ce_partial *)(void *)room[TARGET];
            expect(f, &a, CE_ERROR_OVERLAP, "target", "overlap");
        } else {
            a.partials[1].version = 99;
            expect(f, &a, CE_ERROR_PARTIAL, "partials", "other version");
            make(&a, f), a.classes = 4;
            expect(f, &a, CE_ERROR_PARTIAL, "partials", "missing class");
            make(&a, f);
            a.tensor[f->run == partial_loss ? LOSS : GRAD].data = (char *)a.partials + 8;
            expect(f, &a, CE_ERROR_OVERLAP, "partials", "overlap");
        }
        if (f->run == partial_grad) {
            make(&a, f), a.tensor[INPUT].dtype = a.tensor[GRAD].dtype = CE_F64;
            expect(f, &a, CE_ERROR_PARTIAL, "partials", "other dtype");
            make(&a, f), a.partials[1].softcap = 2;
            expect(f, &a, CE_ERROR_PARTIAL, "partials", "other softcap");
        }
    }
    if (f->others & IS_MERGE) {
        make(&a, f), a.partials = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "into", "absence");
        make(&a, f), a.from = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "from", "absence");
        make(&a, f), a.from = a.partials;
        expect(f, &a, CE_ERROR_OVERLAP, "from", "overlap");
        make(&a, f), a.partials[1].version = 0;
        expect(f, &a, CE_ERROR_PARTIAL, "into", "other version");
        make(&a, f), a.from[1].version = 0;
        expect(f, &a, CE_ERROR_PARTIAL, "from", "other version");
        make(&a, f), a.from[1].label = 1;
        expect(f, &a, CE_ERROR_PARTIAL, "from", "other label");
        make(&a, f), a.from[1].softcap = 1;
        expect(f, &a, CE_ERROR_PARTIAL, "from", "other softcap");
        make(&a, f), a.from[1].dtype = CE_F64;
        expect(f, &a, CE_ERROR_PARTIAL, "from", "other dtype");
        make(&a, f), a.from[1] = a.partials[1];
        expect(f, &a, CE_ERROR_PARTIAL, "into", "the same classes");
    }
}

static void spoil_statistics(const function *f) {
    arguments a;
    if (f->others & (HAS_STATS | HAS_STATS_OUTPUT)) {
        const char *name = f->others & HAS_STATS ? "stats" : "row_stats";
        make(&a, f), a.stats.size = 55;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, name, "size");
        make(&a, f), a.stats.size = 60;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, name, "size");
        make(&a, f), a.stats.max = a.stats.lse + 1;
        expect(f, &a, CE_ERROR_OVERLAP, name, "overlap");
        make(&a, f), a.stats.lse = room[f->others & HAS_STATS ? LABELS : WEIGHT];
        expect(f, &a, CE_ERROR_OVERLAP, f->others & HAS_STATS ? "labels" : "weight", "overlap");
    }
    if (f->others & HAS_STATS) {
        make(&a, f), a.stats_pointer = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "stats", "absence");
    }
}

/* The values of labels, of the cancel flag and of weights. */
static void spoil_values(const function *f) {
    int64_t  *labels = (int64_t *)room[f->others & (IS_PLAIN | HAS_STATS) ? LABELS : TARGET];
    arguments a;
    if ((f->required & BIT(TARGET) && f->target != DISTRIBUTION) || f->others & (IS_PLAIN | HAS_STATS)) {
        make(&a, f), labels[1] = -3;
        expect(f, &a, CE_ERROR_LABEL, "label", "value");
    }
    if (f->target == SPARSE || f->target == LIST) {
        make(&a, f), labels[1] = labels[0];
        expect(f, &a, CE_ERROR_LABEL, "class", "a class twice");
    }
    if (f->target == LIST) {
        make(&a, f), ((int64_t *)room[TARGET_OFFSETS])[1] = 9;
        expect(f, &a, CE_ERROR_SHAPE, "target_offsets", "value");
    }
    if (f->run == partial_loss) {
        make(&a, f), a.partials[1].label = 7, a.partials[1].has_target = 0;
        expect(f, &a, CE_ERROR_LABEL, "label", "value");
    }
    if (f->others & HAS_OPTIONS) {
        make(&a, f), a.options.cancel = &CANCEL;
        expect(f, &a, f->run == partial_loss ? -2 : CE_ERROR_CANCELLED, "cancelled", "cancel flag");
    }
    if ((f->optional | f->required) & BIT(SAMPLE_WEIGHT)) {
        make(&a, f), memset(room[SAMPLE_WEIGHT], 0, sizeof room[SAMPLE_WEIGHT]), a.options.empty = CE_EMPTY_ERROR;
        expect(f, &a, CE_ERROR_EMPTY, "counts", "all weights of 0");
    }
}

static void spoil_accumulators(const function *f) {
    arguments a;
    if (f->others & HAS_ACCUMULATOR) {
        const char *name = f->run == accumulator_merge ? "into" : "accumulator";
        make(&a, f), a.accumulator = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, name, "absence");
        if (f->run != accumulator_init) {
            make(&a, f), a.accumulator->version = 99;
            expect(f, &a, CE_ERROR_PARTIAL, name, "other version");
        }
        if (f->run == accumulator_merge) {
            make(&a, f), a.other = NULL;
            expect(f, &a, CE_ERROR_NULL_POINTER, "from", "absence");
            make(&a, f), a.other->version = 99;
            expect(f, &a, CE_ERROR_PARTIAL, "from", "other version");
        }
        if (f->run == accumulator_add) {
            make(&a, f), a.tensor[LOSS].data = a.accumulator;
            expect(f, &a, CE_ERROR_OVERLAP, "accumulator", "overlap");
        }
    }
}

/* Functions that compute nothing. */
static void spoil_settings(const function *f) {
    arguments a;
    if (f->run == options_init) {
        make(&a, f), a.options_pointer = NULL;
        expect(f, &a, CE_ERROR_NULL_POINTER, "options", "absence");
        make(&a, f), a.size = sizeof(ce_options) - 8;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, "size", "small value");
        make(&a, f), a.size = (size_t)1 << 40;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, "size", "huge value");
        make(&a, f), a.size = sizeof(ce_options) + 4;
        expect(f, &a, CE_ERROR_OPTIONS_SIZE, "size", "a value that ends inside a field");
    }
    if (f->run == set_num_threads) {
        make(&a, f), a.count = -1;
        expect(f, &a, CE_ERROR_OPTION, "count", "negative value");
    }
}

/* What else is said ------------------------------------------------------------------------------------------------ */

static void later_field_is_named(void) {
    static const float   logits[2] = {0, 0};
    static const int64_t label[1] = {0};
    struct {
        ce_options known;
        uint64_t   later[2];
    } options;
    float loss;
    char  want[128];
    memset(&options, 0, sizeof options);
    ce_options_init(&options.known, sizeof options);
    options.later[1] = 1;
    sprintf(want, "ce_cross_entropy_f32: options sets a field that release %s does not have: there the struct ends at byte %d",
            ce_version_string(), (int)sizeof(ce_options));
    CHECK(ce_cross_entropy_f32(logits, label, 1, 2, &options.known, &loss, NULL) == CE_ERROR_OPTIONS_SIZE &&
          strcmp(ce_last_error_message(), want) == 0);
}

static void success_leaves_the_message(void) {
    char before[600];
    ce_set_num_threads(-1);
    strcpy(before, ce_last_error_message());
    CHECK(ce_set_num_threads(0) == CE_OK && strcmp(ce_last_error_message(), before) == 0);
}

int main(void) {
    size_t i;
    int    status;
    for (i = 0; i < LENGTH_OF(FUNCTIONS); i++) {
        arguments a;
        int32_t   good;
        make(&a, &FUNCTIONS[i]);
        good = FUNCTIONS[i].run(&a);
        if (good != CE_OK) /* otherwise the defects would prove nothing */
            failed++, printf("FAIL %s with good arguments: %s\n", FUNCTIONS[i].name, ce_last_error_message());
        spoil_tensors(&FUNCTIONS[i]);
        spoil_options(&FUNCTIONS[i]);
        spoil_sizes(&FUNCTIONS[i]);
        spoil_pointers(&FUNCTIONS[i]);
        spoil_outputs(&FUNCTIONS[i]);
        spoil_partials(&FUNCTIONS[i]);
        spoil_statistics(&FUNCTIONS[i]);
        spoil_values(&FUNCTIONS[i]);
        spoil_accumulators(&FUNCTIONS[i]);
        spoil_settings(&FUNCTIONS[i]);
    }
    for (status = CE_ERROR_NULL_POINTER; status <= CE_ERROR_PARTIAL; status++) {
        int seen = 0;
        for (i = 0; i < LENGTH_OF(FUNCTIONS); i++)
            seen += statuses_seen[i][status];
        if (seen == 0 && status != CE_ERROR_OUT_OF_MEMORY)
            failed++, printf("FAIL: no call ended with status %d\n", status);
    }
    later_field_is_named();
    success_leaves_the_message();
    return tally();
}
