/*
 * binary - holds ce_binary_cross_entropy to the bits that Tests/Hashes/binary.txt records.
 *
 *     binary LIST [--quick]     checks
 *     binary --write            prints the list
 *
 * A line of the list is an operation on generated numbers, with the hashes of its losses, of their mean and of the
 * mean's gradient; Tests/Hashes/README.md says how numbers and hashes are made. Each is computed contiguously, and then
 * with other numbers of threads, in other memory layouts, with the dimensions in another order, in place, in pieces and
 * under other settings of the floating-point unit. Each must give the same bits, of every element. --quick leaves large
 * shapes out, for emulators.
 *
 * The last line is "N passed, M failed", in pairs of line and configuration; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "hash.h"
#include "matrix.h"

/* What is computed --------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    int         is_soft;     /* real targets, rather than labels of which some are ignored */
    int         is_weighted; /* class, positive and sample weights */
    int         is_special;  /* infinities, NaN and logits up to 512 among the input */
    int32_t     input_type;
    double      label_smoothing, focal_gamma, clip;
} operation;

static const operation OPERATIONS[] = {
    {"labels", 0, 0, 0, CE_INPUT_LOGITS, 0, 0, 0},
    {"labels_weighted", 0, 1, 0, CE_INPUT_LOGITS, 0.125, 0, 0},
    {"soft", 1, 0, 0, CE_INPUT_LOGITS, 0, 0, 0},
    {"soft_weighted", 1, 1, 0, CE_INPUT_LOGITS, 0, 0, 0},
    {"special", 0, 0, 1, CE_INPUT_LOGITS, 0, 0, 0},
    {"special_soft", 1, 1, 1, CE_INPUT_LOGITS, 0, 0, 0},
    {"focal", 0, 1, 0, CE_INPUT_LOGITS, 0, 1.5, 0},
    {"probs", 1, 1, 0, CE_INPUT_PROBS, 0, 0, 0x1p-6},
};

static const struct { const char *name; int32_t dtype, loss, label; int bits; } TYPES[] = {
    {"f32", CE_F32, CE_F32, CE_I64, 24},
    {"f64", CE_F64, CE_F64, CE_I8, 53},
    {"f16", CE_F16, CE_F32, CE_I32, 11},
    {"bf16", CE_BF16, CE_F32, CE_I16, 8},
};

/* Less than a vector, around a block of 1024 elements, and work for several threads. */
static const int64_t SHAPES[][2] = {{1, 1}, {5, 3}, {3, 17}, {1, 1023}, {2, 1025}, {19, 129}, {301, 1000}, {70001, 5}};

typedef struct {
    char             name[64];
    const operation *op;
    int              type;
    int64_t          rows, classes, count;
    double          *x, *y, *weight, *pos_weight, *sample_weight;
} problem;

/* Its numbers -------------------------------------------------------------------------------- */

static void make_problem(problem *p) {
    int     bits = TYPES[p->type].bits;
    int64_t i;
    p->x = p->op->input_type == CE_INPUT_PROBS ? lcg(p->name, "x", p->count, bits, (int64_t)1 << (bits - 1), -bits)
                                               : lcg(p->name, "x", p->count, bits, 0, (p->op->is_special ? 10 : 5) - bits);
    for (i = 0; p->op->is_special && i < p->count; i += 5)
        p->x[i] = i % 3 == 0 ? -INFINITY : i % 3 == 1 ? INFINITY : NAN;
    p->y = lcg(p->name, "y", p->count, 6, 32, -6);
    for (i = 0; !p->op->is_soft && i < p->count; i++)
        p->y[i] = p->y[i] > 0.9 ? -100 : p->y[i] < 0.4;
    p->weight = lcg(p->name, "weight", p->classes, 10, 513, -8);
    p->pos_weight = lcg(p->name, "pos_weight", p->classes, 10, 513, -8);
    p->sample_weight = lcg(p->name, "sample_weight", p->count, 10, 512, -8);
}

static void free_problem(problem *p) {
    free(p->x);
    free(p->y);
    free(p->weight);
    free(p->pos_weight);
    free(p->sample_weight);
}

/* Calls ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    layout      where;
    int         is_turned, in_place, in_pieces;
    int32_t     threads;
    int         is_disturbed; /* the floating-point unit rounds up and flushes to zero */
} configuration;

static const configuration CONFIGURATIONS[] = {
    {"contiguous", CONTIGUOUS, 0, 0, 0, 1, 0},
    {"2 threads", CONTIGUOUS, 0, 0, 0, 2, 0},
    {"64 threads", CONTIGUOUS, 0, 0, 0, 64, 0},
    {"padded", PADDED, 0, 0, 0, 3, 0},
    {"columns", COLUMNS, 0, 0, 0, 2, 0},
    {"backwards", BACKWARDS, 0, 0, 0, 1, 0},
    {"odd address", ODD_ADDRESS, 0, 0, 0, 2, 0},
    {"dimensions turned", CONTIGUOUS, 1, 0, 0, 2, 0},
    {"dimensions turned, columns", COLUMNS, 1, 0, 0, 1, 0},
    {"in place", CONTIGUOUS, 0, 1, 0, 2, 0},
    {"padded, in place", PADDED, 0, 1, 0, 1, 0},
    {"in pieces", CONTIGUOUS, 0, 0, 1, 1, 0},
    {"rounding up, flushing to zero", CONTIGUOUS, 0, 0, 0, 2, 1},
};

enum { OUTPUTS = 3 };
static const char *const OUTPUT_NAMES[OUTPUTS] = {"losses", "mean", "gradient"};

/* The hashes of the outputs. */
static void compute(const problem *p, const configuration *how, uint64_t *hashes) {
    int32_t    dtype = TYPES[p->type].dtype, loss = TYPES[p->type].loss;
    int32_t    target = p->op->is_soft ? loss : TYPES[p->type].label, status = CE_OK;
    int        turned = how->is_turned, class_axis = !turned;
    matrix     x = make_matrix(dtype, p->rows, p->classes, how->where, turned);
    matrix     y = make_matrix(target, p->rows, p->classes, how->where, turned);
    matrix     sample_weight = make_matrix(CE_F32, p->rows, p->classes, how->where, turned);
    matrix     losses = make_matrix(loss, p->rows, p->classes, how->where, turned);
    matrix     other = make_matrix(dtype, p->rows, p->classes, how->where, turned), *grad = how->in_place ? &x : &other;
    matrix     weight = make_vector(CE_F64, p->classes, how->where == PADDED ? PADDED : CONTIGUOUS);
    matrix     pos_weight = make_vector(CE_F32, p->classes, how->where == BACKWARDS ? BACKWARDS : CONTIGUOUS);
    matrix     mean = make_vector(loss, 1, CONTIGUOUS);
    ce_options options;
    uint64_t   host = get_float(), before = host | (how->is_disturbed ? FLOAT_BITS[FLUSHING] | FLOAT_BITS[UPWARD] : 0);
    fill(&x, p->x);
    fill(&y, p->y);
    fill(&sample_weight, p->sample_weight);
    fill(&weight, p->weight);
    fill(&pos_weight, p->pos_weight);
    mean.ndim = 0;

    ce_options_init(&options, sizeof options);
    options.input_type = p->op->input_type;
    options.label_smoothing = p->op->label_smoothing;
    options.focal_gamma = p->op->focal_gamma;
    options.clip = p->op->clip;
    options.threads = how->threads;
    if (p->op->is_weighted) {
        options.weight = view_of(&weight);
        options.pos_weight = view_of(&pos_weight);
        options.sample_weight = view_of(&sample_weight);
    }
    set_float(before);
    options.reduction = CE_REDUCTION_NONE;
    if (how->in_pieces) {
        ce_options of_part = options;
        int64_t    first, size = 1;
        for (first = 0; first < p->rows && status == CE_OK; first += size++) {
            matrix parts[4];
            if (size > p->rows - first)
                size = p->rows - first;
            parts[0] = rows_of(&x, first, size);
            parts[1] = rows_of(&y, first, size);
            parts[2] = rows_of(&losses, first, size);
            parts[3] = rows_of(&sample_weight, first, size);
            if (p->op->is_weighted)
                of_part.sample_weight = view_of(&parts[3]);
            status = ce_binary_cross_entropy(view_of(&parts[0]), class_axis, view_of(&parts[1]), &of_part,
                                             OUTPUTS(view_of(&parts[2]), NULL));
        }
    } else {
        status = ce_binary_cross_entropy(view_of(&x), class_axis, view_of(&y), &options, OUTPUTS(view_of(&losses), NULL));
    }
    options.reduction = CE_REDUCTION_MEAN;
    if (status == CE_OK)
        status = ce_binary_cross_entropy(view_of(&x), class_axis, view_of(&y), &options,
                                         OUTPUTS(view_of(&mean), view_of(grad)));
    if (get_float() != before)
        stop("the setting of the floating-point unit has changed");
    set_float(host);
    if (status != CE_OK)
        stop(ce_last_error_message());
    hashes[0] = hash_of(&losses);
    hashes[1] = hash_of(&mean);
    hashes[2] = hash_of(grad);
    free(x.memory);
    free(y.memory);
    free(sample_weight.memory);
    free(losses.memory);
    free(other.memory);
    free(weight.memory);
    free(pos_weight.memory);
    free(mean.memory);
}

static void do_line(problem *p) {
    uint64_t want[OUTPUTS], got[OUTPUTS];
    size_t   i;
    if (list != NULL)
        read_hashes(p->name, want, OUTPUTS);
    if (is_small && p->count > 10000)
        return;
    make_problem(p);
    for (i = 0; i < LENGTH_OF(CONFIGURATIONS); i++) {
        compute(p, &CONFIGURATIONS[i], got);
        if (list == NULL) {
            write_hashes(p->name, got, OUTPUTS);
            break;
        }
        compare(p->name, CONFIGURATIONS[i].name, OUTPUT_NAMES, got, want, OUTPUTS);
    }
    free_problem(p);
}

int main(int argc, char **argv) {
    size_t op, s;
    begin("operation, type, shape, hashes of the losses, of their mean and of the mean's gradient", argc, argv);
    for (op = 0; op < LENGTH_OF(OPERATIONS); op++)
        for (s = 0; s < LENGTH_OF(SHAPES); s++) {
            problem p;
            for (p.type = 0; p.type < 4; p.type++) {
                p.op = &OPERATIONS[op];
                p.rows = SHAPES[s][0], p.classes = SHAPES[s][1];
                p.count = p.rows * p.classes;
                if (p.count > 10000 && (p.type == 3 || (op > 2 && p.type > 0)))
                    continue; /* large ones for some */
                sprintf(p.name, "%s %s %" PRId64 "x%" PRId64, p.op->name, TYPES[p.type].name, p.rows, p.classes);
                do_line(&p);
            }
        }
    if (list == NULL)
        return 0;
    end_list();
    return tally();
}
