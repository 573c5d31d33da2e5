/*
 * accepts - holds every function to the tables of options and outputs in include/crossentropy.h.
 *
 *     accepts HEADER
 *
 * Each option of the table, set to something other than its default, must be taken by the functions that have an x, and be
 * refused by the others, with a message that names it. So must each output of the table of outputs. The last line is
 * "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "common.h"

enum { ROWS = 2, CLASSES = 3, COLUMNS = 7, OUTPUT_COLUMNS = 3, OPTION_ROWS = 29, OUTPUT_ROWS = 4, MOST = 40 };

static void check(int good, const char *option, const char *function, const char *what) {
    if (!count_check(good)) printf("FAIL %s with %s: %s (last message: \"%s\")\n", option, function, what, ce_last_error_message());
}

/* Tensors that every call can be made of ------------------------------------------------------ */

/* Good as logits and as probabilities. */
static double        numbers[ROWS * CLASSES] = {0.2, 0.3, 0.5, 0.6, 0.3, 0.1}, others[ROWS * CLASSES] = {0.5, 0.25, 0.25, 0.1, 0.7, 0.2};
static float         singles[ROWS * CLASSES] = {0.2f, 0.3f, 0.5f, 0.6f, 0.3f, 0.1f};
static int64_t       labels[ROWS] = {2, 0}, named[ROWS * CLASSES] = {0, 1, 2, 2, 1, 0}, offsets[ROWS + 1] = {0, 2, 3}, bits[ROWS * CLASSES] = {1, 0, 1, 0, 0, 1};
static double        loss_place[ROWS * CLASSES], grad_place[ROWS * CLASSES], target_grad_place[ROWS * CLASSES], lse_place[ROWS];
static ce_row_stats  stats = {sizeof(ce_row_stats), NULL, NULL, NULL, NULL, NULL, NULL};
static ce_partial    partials[ROWS];
static const int64_t WHOLE[2] = {ROWS, CLASSES}, PER_ROW[1] = {ROWS}, PER_CLASS[1] = {CLASSES}, ENDS[1] = {ROWS + 1}, LIST[1] = {3};

static ce_tensor input, label, dense, list, sparse, element, loss, none_loss, grad, target_grad, per_row, per_class, weights, mask, ignored, ends, list_probs;

static void make_tensors(void) {
    input       = tensor_of(numbers, CE_F64, 2, WHOLE, NULL);
    dense       = tensor_of(others, CE_F64, 2, WHOLE, NULL);
    label       = tensor_of(labels, CE_I64, 1, PER_ROW, NULL);
    sparse      = tensor_of(named, CE_I64, 2, WHOLE, NULL);
    list        = tensor_of(named, CE_I64, 1, LIST, NULL);
    list_probs  = tensor_of(others, CE_F64, 1, LIST, NULL);
    element     = tensor_of(bits, CE_I64, 2, WHOLE, NULL);
    loss        = tensor_of(loss_place, CE_F64, 0, NULL, NULL);
    none_loss   = tensor_of(loss_place, CE_F64, 1, PER_ROW, NULL);
    grad        = tensor_of(grad_place, CE_F64, 2, WHOLE, NULL);
    target_grad = tensor_of(target_grad_place, CE_F64, 2, WHOLE, NULL);
    per_row     = tensor_of(others, CE_F64, 1, PER_ROW, NULL);
    per_class   = tensor_of(others, CE_F64, 1, PER_CLASS, NULL);
    weights     = tensor_of(others, CE_F64, 2, WHOLE, NULL);
    mask        = tensor_of(labels, CE_I64, 1, PER_ROW, NULL);
    ignored     = tensor_of(labels, CE_I64, 1, PER_ROW, NULL);
    ends        = tensor_of(offsets, CE_I64, 1, ENDS, NULL);
    stats.lse   = lse_place;
}

/* Functions ----------------------------------------------------------------------------------- */

/* What is called: options, and the target that goes with them. */
typedef struct {
    ce_options options;
    ce_tensor *target; /* NULL: the function's usual one */
    ce_outputs outputs;
} call;

static int32_t general(call *c) {
    return ce_cross_entropy(&input, -1, c->target ? c->target : &label, &c->options, &c->outputs);
}
static int32_t of_f32(call *c) {
    static float place[ROWS * CLASSES], losses[ROWS];
    return ce_cross_entropy_f32(singles, labels, ROWS, CLASSES, &c->options, losses, place);
}
static int32_t of_f64(call *c) {
    return ce_cross_entropy_f64(numbers, labels, ROWS, CLASSES, &c->options, loss_place, grad_place);
}
static int32_t divergence(call *c) {
    return ce_kl_divergence(&input, -1, c->target ? c->target : &dense, &c->options, &c->outputs);
}
static int32_t product(call *c) {
    return ce_hessian_vector_product(&input, -1, c->target ? c->target : &label, &c->options, &dense, &grad);
}
static int32_t diagonal(call *c) {
    return ce_hessian_diagonal(&input, -1, c->target ? c->target : &label, &c->options, &grad);
}
static int32_t binary(call *c) { return ce_binary_cross_entropy(&input, -1, &element, &c->options, &c->outputs); }
static int32_t softmax(call *c) { return ce_softmax(&input, -1, &c->options, &grad); }
static int32_t log_softmax(call *c) { return ce_log_softmax(&input, -1, &c->options, &grad); }
static int32_t logsumexp(call *c) { return ce_logsumexp(&input, -1, &c->options, &none_loss); }
static int32_t row_stats(call *c) { return ce_compute_row_stats(&input, -1, &label, &c->options, &stats); }
static int32_t partial_compute(call *c) {
    static ce_partial made[ROWS];
    return ce_partial_compute(&input, -1, 0, &label, &c->options, made);
}
static int32_t partial_loss(call *c) { return ce_partial_loss(partials, ROWS, CLASSES, &c->options, &loss); }
static int32_t partial_grad(call *c) { return ce_partial_grad(&input, -1, 0, partials, CLASSES, &c->options, &grad); }

typedef struct {
    const char *name;
    int         column;
    int         is_of_labels; /* has no other targets */
    int32_t (*run)(call *);
} function;

static const function FUNCTIONS[] = {
    {"ce_cross_entropy", 0, 0, general},
    {"ce_cross_entropy_f32", 0, 1, of_f32},
    {"ce_cross_entropy_f64", 0, 1, of_f64},
    {"ce_kl_divergence", 1, 0, divergence},
    {"ce_hessian_vector_product", 2, 0, product},
    {"ce_hessian_diagonal", 2, 0, diagonal},
    {"ce_binary_cross_entropy", 3, 0, binary},
    {"ce_softmax", 4, 0, softmax},
    {"ce_log_softmax", 4, 0, log_softmax},
    {"ce_logsumexp", 4, 0, logsumexp},
    {"ce_compute_row_stats", 5, 0, row_stats},
    {"ce_partial_compute", 6, 0, partial_compute},
    {"ce_partial_loss", 6, 0, partial_loss},
    {"ce_partial_grad", 6, 0, partial_grad},
};

/* Options ------------------------------------------------------------------------------------- */

static const volatile int32_t not_cancelled;

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

/* Sets the option; false if there is none of that name. */
static int set(ce_options *o, const char *name, int is_binary) {
    if (is(name, "input_type")) return o->input_type = CE_INPUT_PROBS, 1;
    if (is(name, "clip")) return o->clip = 0.1, 1;
    if (is(name, "logit_scale")) return o->logit_scale = 2, 1;
    if (is(name, "softcap")) return o->softcap = 5, 1;
    if (is(name, "temperature")) return o->temperature = 2, 1;
    if (is(name, "target_type")) return o->target_type = CE_TARGET_LOGITS, 1;
    if (is(name, "target_rest")) return o->target_rest = CE_REST_SPREAD, 1;
    if (is(name, "target_probs")) return o->target_probs = &dense, 1;
    if (is(name, "target_offsets")) return o->target_offsets = &ends, 1;
    if (is(name, "ignore_index")) return o->ignore_index = 1, 1;
    if (is(name, "ignore_indices")) return o->ignore_indices = &ignored, 1;
    if (is(name, "label_smoothing")) return o->label_smoothing = 0.1, 1;
    if (is(name, "prior")) return o->prior = &per_class, 1;
    if (is(name, "weight")) return o->weight = &per_class, 1;
    if (is(name, "sample_weight")) return o->sample_weight = is_binary ? &weights : &per_row, 1;
    if (is(name, "mask")) return o->mask = &mask, 1;
    if (is(name, "pos_weight")) return o->pos_weight = &per_class, 1;
    if (is(name, "z_loss")) return o->z_loss = 1, 1;
    if (is(name, "focal_gamma")) return o->focal_gamma = 2, 1;
    if (is(name, "poly_epsilon")) return o->poly_epsilon = 1, 1;
    if (is(name, "temperature_squared")) return o->temperature_squared = 1, 1;
    if (is(name, "kl_form")) return o->kl_form = CE_KL_PLAIN, 1;
    if (is(name, "reduction")) return o->reduction = CE_REDUCTION_SUM, 1;
    if (is(name, "mean_over")) return o->mean_over = CE_MEAN_OVER_COUNT, 1;
    if (is(name, "empty")) return o->empty = CE_EMPTY_ZERO, 1;
    if (is(name, "grad_loss")) return o->grad_loss = 2, 1;
    if (is(name, "grad_losses")) return o->grad_losses = &per_row, 1;
    if (is(name, "threads")) return o->threads = 2, 1;
    if (is(name, "cancel")) return o->cancel = &not_cancelled, 1;
    return 0;
}

/* What an option needs beside itself, where it is taken. False if the function has no such target. */
static int complete(call *c, const function *f, const char *name) {
    if (is(name, "grad_losses")) {
        c->options.reduction = CE_REDUCTION_NONE;
        c->outputs.loss      = &none_loss;
    }
    if (is(name, "target_probs") || is(name, "target_rest") || (is(name, "ignore_indices") && f->run == divergence)) {
        c->options.target_probs = &dense;
        c->target               = &sparse;
    }
    if (is(name, "target_offsets")) {
        c->options.target_probs = &list_probs;
        c->target               = &list;
    }
    if (is(name, "target_type")) c->target = &dense;
    return c->target == NULL || !f->is_of_labels;
}

static call plain(void) {
    call made;
    made.options = defaults();
    made.target  = NULL;
    made.outputs = *OUTPUTS(&loss, &grad);
    return made;
}

/* The table ----------------------------------------------------------------------------------- */

typedef struct {
    char name[MOST], marks[COLUMNS];
    char input; /* 'P', 'L', or 0 */
} row;

/* A row of the header's table of so many columns; false if the line is none. */
static int read_row(const char *line, int columns, row *made) {
    char        words[2 + COLUMNS][MOST];
    const char *format = " * %39s %39s %39s %39s %39s %39s %39s %39s %39s";
    int         i, first, count = sscanf(line, format, words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8]);
    if (count != 1 + columns && count != 2 + columns) return 0;
    first = count - columns;
    strcpy(made->name, words[0]);
    made->input = first == 2 ? words[1][0] : 0;
    for (i = 0; i < columns; i++) {
        made->marks[i] = words[first + i][0];
        if (words[first + i][1] != 0 || (made->marks[i] != 'x' && made->marks[i] != '-')) return 0;
    }
    return 1;
}

static int takes(const row *rows, int count, const char *name, int column) {
    int i;
    for (i = 0; i < count; i++)
        if (is(rows[i].name, name)) return rows[i].marks[column] == 'x';
    return 0;
}

static void check_option(const row *rows, int count, const row *option, const function *f) {
    call    c = plain();
    int32_t status;
    if (!set(&c.options, option->name, f->run == binary)) {
        check(0, option->name, f->name, "the program knows no such option");
        return;
    }
    if (option->marks[f->column] == '-') {
        status = f->run(&c);
        check(status == CE_ERROR_OPTION && strstr(ce_last_error_message(), option->name) != NULL, option->name, f->name, "is not refused by name");
        return;
    }
    if (!complete(&c, f, option->name)) return;
    if (option->input == 'P') c.options.input_type = CE_INPUT_PROBS;
    check(f->run(&c) == CE_OK, option->name, f->name, "is refused");
    if (option->input == 0 || !takes(rows, count, "input_type", f->column)) return;
    /* The other input. */
    c.options.input_type = option->input == 'P' ? CE_INPUT_LOGITS : CE_INPUT_PROBS;
    status               = f->run(&c);
    check(status == CE_ERROR_OPTION && strstr(ce_last_error_message(), option->name) != NULL, option->name, f->name, "goes with another input");
}

/* Functions of the table of outputs. */
static const struct {
    const char *name;
    int32_t (*run)(call *);
} WITH_OUTPUTS[OUTPUT_COLUMNS] = {{"ce_cross_entropy", general}, {"ce_kl_divergence", divergence}, {"ce_binary_cross_entropy", binary}};

static int set_output(ce_outputs *o, const char *name) {
    if (is(name, "loss")) return o->loss = &loss, 1;
    if (is(name, "grad")) return o->grad = &grad, 1;
    if (is(name, "grad_target")) return o->grad_target = &target_grad, 1;
    if (is(name, "row_stats")) return o->row_stats = &stats, 1;
    return 0;
}

/* Alone, and beside a loss. */
static void check_output(const row *output, int column) {
    const char *function = WITH_OUTPUTS[column].name;
    int         is_alone;
    for (is_alone = 0; is_alone < 2; is_alone++) {
        call    c = plain();
        int32_t status;
        c.outputs = *OUTPUTS(is_alone ? NULL : &loss, NULL);
        if (column < 2) c.target = &dense; /* for grad_target */
        if (!set_output(&c.outputs, output->name)) {
            check(0, output->name, function, "the program knows no such output");
            return;
        }
        status = WITH_OUTPUTS[column].run(&c);
        if (output->marks[column] == '-') {
            check(status == CE_ERROR_OPTION && strstr(ce_last_error_message(), output->name) != NULL, output->name, function, "is not refused by name");
            continue;
        }
        check(status == CE_OK, output->name, function, "is refused");
        c.options.input_type = CE_INPUT_PROBS;
        status               = WITH_OUTPUTS[column].run(&c);
        if (output->input == 'L')
            check(status == CE_ERROR_OPTION && strstr(ce_last_error_message(), output->name) != NULL, output->name, function, "goes with another input");
        else
            check(status == CE_OK, output->name, function, "is refused with probabilities");
    }
}

int main(int argc, char **argv) {
    static row  rows[OPTION_ROWS + 1], outputs[OUTPUT_ROWS + 1];
    FILE       *header = argc == 2 ? fopen(argv[1], "r") : NULL;
    char        line[256];
    int         count = 0, output_count = 0, i, column;
    size_t      f;
    call        first = plain();
    if (header == NULL) stop("usage: accepts HEADER");
    while (fgets(line, sizeof line, header) != NULL && count <= OPTION_ROWS && output_count <= OUTPUT_ROWS) {
        count += read_row(line, COLUMNS, &rows[count]);
        output_count += read_row(line, OUTPUT_COLUMNS, &outputs[output_count]);
    }
    fclose(header);
    make_tensors();
    check(ce_partial_compute(&input, -1, 0, &label, &first.options, partials) == CE_OK, "nothing", "ce_partial_compute", "fails");
    check(count == OPTION_ROWS, "the table", "the header", "has another number of options");
    check(output_count == OUTPUT_ROWS, "the table", "the header", "has another number of outputs");
    for (i = 0; i < count; i++)
        for (f = 0; f < LENGTH_OF(FUNCTIONS); f++) check_option(rows, count, &rows[i], &FUNCTIONS[f]);
    for (i = 0; i < output_count; i++)
        for (column = 0; column < OUTPUT_COLUMNS; column++) check_output(&outputs[i], column);
    return tally();
}
