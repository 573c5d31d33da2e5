/*
 * hashes - holds libcrossentropy to the bits that Tests/Hashes/hashes.txt records.
 *
 *     hashes LIST [--quick]     checks
 *     hashes --write            prints the list
 *
 * A line of the list is an operation on generated numbers, and the hashes of its losses and of its
 * gradient; Tests/Hashes/README.md says how numbers and hashes are made. Every line is computed in
 * every configuration that can state it: numbers of threads, memory layouts, alignments, in place or
 * not, pieces of the batch, settings of the floating-point unit. Each must give the bits of the list.
 * --quick takes fewer configurations, for emulators.
 *
 * The last line is "N passed, M failed", in pairs of line and configuration; the exit status is 0 if
 * M is 0. To check another instruction set, set CROSSENTROPY_ISA.
 */
#include "calls.h"
#include "hash.h"
#include "hashes/configurations.h"
#include "hashes/memory.h"
#include "hashes/problems.h"

/* Calls ------------------------------------------------------------------------------------------ */

typedef struct {
    tensor     input, target, weight, sample_weight, loss, grad;
    ce_options options;
    int        axis, in_place, with_loss, with_grad;
} call;

static const tensor *grad_of(const call *made) { return made->in_place ? &made->input : &made->grad; }

static ce_options options_for(const problem *p, const configuration *how) {
    ce_options options = defaults();
    options.input_type = p->op->input == PROBS       ? CE_INPUT_PROBS
                         : p->op->input == LOG_PROBS ? CE_INPUT_LOG_PROBS
                                                     : CE_INPUT_LOGITS;
    if (p->op->function == LOSS)
        options.reduction = p->op->reduction;
    options.mean_over = p->op->mean_over;
    options.label_smoothing = p->op->label_smoothing;
    options.z_loss = p->op->z_loss;
    options.focal_gamma = p->op->focal_gamma;
    options.poly_epsilon = p->op->poly_epsilon;
    options.softcap = p->op->softcap;
    if (p->op->logit_scale != 0) options.logit_scale = p->op->logit_scale;
    options.clip = p->op->clip;
    options.threads = how->threads > 0 ? how->threads : 1;
    if (p->op->is_faint)
        options.grad_loss = ldexp(1, p->type->faint);
    if (how->call == INFINITE_GRAD_LOSS)
        options.grad_loss = INFINITY;
    if (how->call == PIECES && p->op->reduction == MEAN) {
        options.mean_over = CE_MEAN_OVER_DIVISOR;
        options.mean_divisor = p->divisor;
    }
    return options;
}

static void make_call(call *made, const problem *p, const configuration *how) {
    const layout *input = how->input != NULL ? how->input : &CONTIGUOUS;
    const layout *grad = how->grad != NULL ? how->grad : input;
    int           other = how->call == OTHER_TYPES, far_off = (5 * how->misalignment + 3) % 64;
    int32_t       dtype = how->call == WIDENED ? CE_F32 : p->type->dtype, loss = p->type->loss_dtype;
    int32_t       second = other == (loss == CE_F32) ? CE_F64 : CE_F32;
    int32_t       target = p->op->is_distribution ? second : other ? smallest_label(p->classes) : CE_I64;
    memset(made, 0, sizeof *made);
    if (how->misalignment == 0)
        far_off = 0;
    made->axis = axis_of(p, how->place);
    made->options = options_for(p, how);
    made->in_place = how->in_place;
    made->with_loss = how->outputs != GRAD_ALONE;
    made->with_grad = how->outputs != LOSS_ALONE;
    make_tensor(&made->input, p, dtype, 1, how->place, input, how->misalignment);
    for_each(&made->input, p->input);
    make_tensor(&made->target, p, target, p->op->is_distribution, how->place, input, far_off);
    for_each(&made->target, p->target);
    if (p->weight != NULL) {
        make_vector(&made->weight, second, p->classes);
        for_each(&made->weight, p->weight);
        make_tensor(&made->sample_weight, p, second, 0, how->place, input, far_off);
        for_each(&made->sample_weight, p->sample_weight);
    }
    if (p->op->reduction == NONE)
        make_tensor(&made->loss, p, loss, 0, how->place, input, far_off);
    else
        make_vector(&made->loss, loss, 1);
    if (!made->in_place)
        make_tensor(&made->grad, p, how->call == WIDE_GRADIENT ? CE_F32 : dtype, 1, how->place, grad, far_off);
}

static void free_call(call *made) {
    free(made->input.memory);
    free(made->target.memory);
    free(made->weight.memory);
    free(made->sample_weight.memory);
    free(made->loss.memory);
    free(made->grad.memory);
}

static int32_t call_whole(call *made, const problem *p) {
    ce_tensor grad = grad_of(made)->view;
    if (p->weight != NULL) {
        made->options.weight = &made->weight.view;
        made->options.sample_weight = &made->sample_weight.view;
    }
    if (p->op->function != LOSS) {
        int32_t status = CE_OK;
        if (made->with_loss)
            status = ce_logsumexp(&made->input.view, made->axis, &made->options, &made->loss.view);
        if (made->with_grad && status == CE_OK)
            status = (p->op->function == SOFTMAX ? ce_softmax : ce_log_softmax)(&made->input.view, made->axis,
                                                                                &made->options, &grad);
        return status;
    }
    return ce_cross_entropy(&made->input.view, made->axis, &made->target.view, &made->options,
                            OUTPUTS(made->with_loss ? &made->loss.view : NULL, made->with_grad ? &grad : NULL));
}

static int32_t call_plain(call *made, const problem *p) {
    void *x = made->input.view.data, *labels = made->target.view.data, *loss = made->loss.view.data;
    void *grad = grad_of(made)->view.data;
    if (p->weight != NULL) {
        made->sample_weight.view.ndim = 1;
        made->options.weight = &made->weight.view;
        made->options.sample_weight = &made->sample_weight.view;
    }
    return p->type->dtype == CE_F32 ? ce_cross_entropy_f32(x, labels, p->rows, p->classes, &made->options, loss, grad)
                              : ce_cross_entropy_f64(x, labels, p->rows, p->classes, &made->options, loss, grad);
}

/* `count` rows of a tensor, from row `first` on. */
static void take_rows(tensor *part, const tensor *whole, int64_t first, int64_t count) {
    *part = *whole;
    part->view_length[0] = count;
    part->view.shape = part->view_length;
    part->view.data = address(whole, first * whole->step[0]);
}

static int32_t call_in_pieces(call *made, const problem *p) {
    call    part = *made;
    int64_t first, count = 1;
    int32_t status = CE_OK;
    for (first = 0; first < p->rows && status == CE_OK; first += count++) {
        if (count > p->rows - first)
            count = p->rows - first;
        take_rows(&part.input, &made->input, first, count);
        take_rows(&part.target, &made->target, first, count);
        take_rows(&part.sample_weight, &made->sample_weight, first, count);
        take_rows(&part.grad, &made->grad, first, count);
        if (p->op->reduction == NONE)
            take_rows(&part.loss, &made->loss, first, count);
        status = call_whole(&part, p);
    }
    made->with_loss = p->op->reduction == NONE; /* otherwise the losses of the pieces are other numbers */
    return status;
}

static int32_t do_call(call *made, const problem *p, const configuration *how) {
    switch (how->call) {
    case PLAIN_CALL: return call_plain(made, p);
    case PIECES: return call_in_pieces(made, p);
    default: return call_whole(made, p);
    }
}

/* Checks ----------------------------------------------------------------------------------------- */

/* The row after (i, j, k). */
static void step_on(const tensor *t, int64_t *i, int64_t *j, int64_t *k) {
    if (++*k == t->length[2])
        *k = 0, ++*j;
    if (*j == t->length[1])
        *j = 0, ++*i;
}

/* Whether two tensors that may lie differently hold the same bits; f32 is rounded if the other type has 16 bits. */
static int agree(const problem *p, const configuration *how, const char *what, const tensor *got, const tensor *want) {
    int64_t row, c, rows = want->length[0] * want->length[1] * want->length[2];
    int64_t i = 0, j = 0, k = 0, l = 0, m = 0, n = 0;
    int32_t dtype = want->view.dtype;
    int     is_rounded = dtype != got->view.dtype;
    for (row = 0; row < rows; row++, step_on(got, &i, &j, &k), step_on(want, &l, &m, &n)) {
        int64_t got_row = i * got->step[0] + j * got->step[1] + k * got->step[2];
        int64_t want_row = l * want->step[0] + m * want->step[1] + n * want->step[2];
        for (c = 0; c < want->length[CLASS_DIM]; c++) {
            uint64_t a = get(got, got_row + c * got->step[CLASS_DIM]);
            uint64_t b = get(want, want_row + c * want->step[CLASS_DIM]);
            if ((is_rounded ? narrow(dtype, (uint32_t)a) : a) != b) {
                char text[4 * WORD];
                sprintf(text, "the %s of row %" PRId64 ", class %" PRId64 " has bits %" PRIx64 ", not %" PRIx64, what,
                        row, c, a, b);
                return report(p->name, how->name, text);
            }
        }
    }
    return 1;
}

/* Computes a line; whether status and settings are as they should be. */
static int compute(const problem *p, const configuration *how, call *made) {
    uint64_t host = get_float(), before = host | FLOAT_BITS[how->setting], after;
    int32_t  status;
    make_call(made, p, how);
    set_float(before);
    status = do_call(made, p, how);
    after = get_float();
    set_float(host);
    if (status != CE_OK)
        return report(p->name, how->name, ce_last_error_message());
    return after == before || report(p->name, how->name, "the setting of the floating-point unit has changed");
}

/* Lines ------------------------------------------------------------------------------------------ */

static long lines, ran[CONFIGURATION_COUNT];

static void write_line(problem *p) {
    call made;
    if (!compute(p, &CONFIGURATIONS[0], &made))
        stop("a call has failed");
    p->hashes[0] = for_each(&made.loss, NULL);
    p->hashes[1] = for_each(grad_of(&made), NULL);
    write_hashes(p->name, p->hashes, 2);
    free_call(&made);
}

/* The contiguous call must give the hashes of the list, and the others the bits of the contiguous one. */
static void check_line(problem *p) {
    const configuration *contiguous = &CONFIGURATIONS[0];
    call                 base, got;
    int                  index, base_is_good;
    read_hashes(p->name, p->hashes, 2);
    base_is_good = compute(p, contiguous, &base);
    if (base_is_good && for_each(&base.loss, NULL) != p->hashes[0])
        base_is_good = report(p->name, contiguous->name, "the losses have another hash");
    if (base_is_good && for_each(grad_of(&base), NULL) != p->hashes[1])
        base_is_good = report(p->name, contiguous->name, "the gradient has another hash");
    count_check(base_is_good);
    ran[0] = 1;
    for (index = 1; index < CONFIGURATION_COUNT; index++) {
        configuration how = configuration_at(index);
        int           is_good;
        if (!is_meant(p, &how) || !can_state(p, &how))
            continue;
        is_good = compute(p, &how, &got);
        is_good = is_good && (!got.with_loss || agree(p, &how, "loss", &got.loss, &base.loss));
        is_good = is_good && (!got.with_grad || agree(p, &how, "gradient", grad_of(&got), grad_of(&base)));
        count_check(is_good && base_is_good);
        ran[index] = 1;
        free_call(&got);
    }
    free_call(&base);
}

static void do_line(const operation *op, const type *type_of_it, const shape *shape_of_it) {
    problem p;
    int     largest = op->largest - (is_half(type_of_it->dtype) && op->largest > 0);
    if (shape_of_it->size > largest || (is_half(type_of_it->dtype) && !op->on_16bit))
        return;
    p.op = op;
    p.type = type_of_it;
    p.shape = shape_of_it;
    sprintf(p.name, "%s %s %s", op->name, type_of_it->name, shape_of_it->name);
    make_problem(&p);
    if (list == NULL)
        write_line(&p);
    else
        check_line(&p);
    free_problem(&p);
    lines++;
}

int main(int argc, char **argv) {
    size_t op, t, shape_of_it;
    int    i, count = 0;
    begin("operation, type, shape with its [class axis], hash of the losses, hash of the gradient", argc, argv);
    for (op = 0; op < LENGTH_OF(OPERATIONS); op++)
        for (t = 0; t < LENGTH_OF(TYPES); t++)
            for (shape_of_it = 0; shape_of_it < LENGTH_OF(SHAPES); shape_of_it++)
                do_line(&OPERATIONS[op], &TYPES[t], &SHAPES[shape_of_it]);
    if (list == NULL)
        return 0;
    end_list();
    for (i = 0; i < CONFIGURATION_COUNT; i++)
        count += ran[i] != 0;
    printf("%s: %ld lines in %d configurations\n", ce_isa(), lines, count);
    return tally();
}
