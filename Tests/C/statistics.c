/*
 * statistics - holds the statistics of rows to the bits that Tests/Hashes/statistics.txt records.
 *
 *     statistics LIST [--quick | --small]     checks
 *     statistics --write                      prints the list
 *
 * A line of the list is an operation on generated logits, with a hash for each member of ce_row_stats;
 * Tests/Hashes/README.md says how numbers and hashes are made. Each is computed by ce_compute_row_stats on contiguous
 * rows, and then with other numbers of threads, in other memory layouts, one member at a time, in pieces, under other
 * settings of the floating-point unit, and beside losses and gradients of several kinds. Each must give the same bits.
 * --small takes small shapes; --quick also fewer configurations, for emulators.
 *
 * The last line is "N passed, M failed", in pairs of line and configuration; the exit status is 0 if M is 0. To check
 * another instruction set, set CROSSENTROPY_ISA; another way through the rows, CROSSENTROPY_ROUTE.
 */
#include "calls.h"
#include "hash.h"
#include "matrix.h"

/* What is computed --------------------------------------------------------------------------- */

typedef enum {
    PLAIN,
    TIES,
    ZEROS,     /* the largest are 0 and -0 */
    SPECIAL,   /* infinities and NaN */
    CONFIDENT, /* one class far above the others, in every second row the label's */
    FAR        /* all logits far from 0 */
} content;

typedef struct {
    const char *name;
    content     input;
    enum { ALL_LABELS, SOME_IGNORED, NO_LABELS } labels;
    double softcap, logit_scale, temperature;
    int    on_large; /* on large shapes too */
} operation;

static const operation OPERATIONS[] = {
    {"unlabelled", PLAIN, NO_LABELS, 0, 0, 0, 0},
    {"plain", PLAIN, SOME_IGNORED, 0, 0, 0, 1},
    {"ties", TIES, ALL_LABELS, 0, 0, 0, 1},
    {"zeros", ZEROS, ALL_LABELS, 0, 0, 0, 0},
    {"special", SPECIAL, ALL_LABELS, 0, 0, 0, 1},
    {"special_unlabelled", SPECIAL, NO_LABELS, 0, 0, 0, 0},
    {"confident", CONFIDENT, ALL_LABELS, 0, 0, 0, 1},
    {"far", FAR, ALL_LABELS, 0, 0, 0, 0},
    {"capped_special", SPECIAL, SOME_IGNORED, 30, 0, 0, 0},
    {"scaled", PLAIN, ALL_LABELS, 0, -0.7, 0, 0},
    {"warm_capped_ties", TIES, ALL_LABELS, 2, 1.5, 3, 0},
};

static const struct { const char *name; int32_t dtype; int bits; } TYPES[] = {
    {"f32", CE_F32, 24},
    {"f64", CE_F64, 53},
    {"f16", CE_F16, 11},
    {"bf16", CE_BF16, 8},
};

/* Shorter than a vector, around one, around where rows change kernels; several blocks of 4096 classes. The large ones: work for
 * 3 threads, of many rows and of long ones; a long row; and rows that threads share. */
static const struct { int64_t rows, classes; int is_large; } SHAPES[] = {
    {19, 1, 0},   {19, 2, 0},    {19, 3, 0},    {19, 16, 0},  {19, 17, 0},    {19, 100, 0},  {19, 128, 0},
    {19, 129, 0}, {17, 1000, 0}, {17, 2049, 0}, {5, 4097, 0}, {3, 9000, 0},   {22, 9000, 1}, {19669, 10, 1},
    {1, 100003, 1}, {2, 131076, 1},
};

typedef struct {
    char             name[64];
    const operation *op;
    int              type;
    int64_t          rows, classes;
    double          *input, *labels, *distribution, *sample_weight; /* labels and distribution: NULL if the other is there */
} problem;

static double *confident(const problem *p) {
    static const double GAP[] = {24, 96, 600, 704};
    int                 bits = TYPES[p->type].bits;
    double             *x = lcg(p->name, "input", p->rows * p->classes, bits, 0, 4 - bits);
    int64_t             row;
    for (row = 0; row < p->rows; row++) {
        int64_t sure = (3 * row + p->classes / 2) % p->classes;
        x[row * p->classes + sure] = GAP[row % 4];
        if (row % 2 == 1)
            p->labels[row] = (double)sure;
    }
    return x;
}

static double *zeros(const problem *p) {
    double *x = lcg(p->name, "input", p->rows * p->classes, 2, -1, 0);
    int64_t i;
    for (i = 0; i < p->rows * p->classes; i++)
        if (x[i] == 0 && (i / p->classes + i) % 3 != 0)
            x[i] = -0.0;
    return x;
}

static double *make_input(const problem *p) {
    int64_t count = p->rows * p->classes;
    int     bits = TYPES[p->type].bits, few = bits < 13 ? bits - 5 : 8;
    switch (p->op->input) {
    case PLAIN: return lcg(p->name, "input", count, bits, 0, 4 - bits);
    case TIES: return lcg(p->name, "input", count, 3, 0, 0);
    case ZEROS: return zeros(p);
    case SPECIAL: return special(p->name, p->rows, p->classes, bits);
    case CONFIDENT: return confident(p);
    default: return lcg(p->name, "input", count, few, (int64_t)1 << (bits - 1), 4 - few);
    }
}

static void make_problem(problem *p) {
    int64_t i;
    p->labels = p->distribution = NULL;
    if (p->op->labels != NO_LABELS) {
        p->labels = labels_for(p->name, p->rows, p->classes, p->op->labels == SOME_IGNORED);
    } else {
        p->distribution = allocate((size_t)(p->rows * p->classes) * sizeof *p->distribution);
        for (i = 0; i < p->rows * p->classes; i++)
            p->distribution[i] = 1.0 / (double)p->classes;
    }
    p->input = make_input(p);
    p->sample_weight = allocate((size_t)p->rows * sizeof *p->sample_weight);
    for (i = 0; i < p->rows; i++)
        p->sample_weight[i] = (double)(1 + i % 3);
}

static void free_problem(problem *p) {
    free(p->input);
    free(p->labels);
    free(p->distribution);
    free(p->sample_weight);
}

/* Configurations ------------------------------------------------------------------------------- */

/* What is not said is 0: contiguous, class axis last, ce_compute_row_stats. */
typedef struct {
    const char *name;
    layout      where;
    int         is_turned; /* the class axis is the view's first */
    int32_t     threads;   /* 0: 1 */
    enum {
        ALONE,
        ONE_BY_ONE, /* a call for each member */
        PIECES,     /* a call for the first row, one for the next two, one for the next three ... */
        OTHER_LABELS,
        WIDENED, /* 16-bit input as f32 */
        LOSS,
        GRADIENT,
        IN_PLACE,
        SMOOTHED,
        TERMS, /* z_loss, focal_gamma and poly_epsilon */
        WEIGHTED,
        NOTHING_ELSE /* neither loss nor gradient */
    } call;
    float_setting setting;
    int           is_quick; /* also with --quick */
} configuration;

static const configuration CONFIGURATIONS[] = {
    {"contiguous", .is_quick = 1},
    {"2 threads", .threads = 2},
    {"3 threads", .threads = 3, .is_quick = 1},
    {"padded", .where = PADDED, .threads = 2, .is_quick = 1},
    {"columns", .where = COLUMNS, .is_quick = 1},
    {"backwards", .where = BACKWARDS, .threads = 3},
    {"odd address", .where = ODD_ADDRESS},
    {"class axis first", .is_turned = 1},
    {"class axis first, columns, 3 threads", .is_turned = 1, .where = COLUMNS, .threads = 3},
    {"class axis first, backwards", .is_turned = 1, .where = BACKWARDS},
    {"one by one", .call = ONE_BY_ONE, .is_quick = 1},
    {"one by one, columns", .call = ONE_BY_ONE, .where = COLUMNS},
    {"in pieces", .call = PIECES, .is_quick = 1},
    {"in pieces, columns", .call = PIECES, .where = COLUMNS},
    {"other labels", .call = OTHER_LABELS, .is_quick = 1},
    {"widened", .call = WIDENED, .is_quick = 1},
    {"flushing to zero", .setting = FLUSHING, .threads = 2, .is_quick = 1},
    {"rounding upward", .setting = UPWARD, .is_quick = 1},
    {"rounding upward, columns", .setting = UPWARD, .where = COLUMNS},

    {"beside a loss", .call = LOSS, .is_quick = 1},
    {"beside a loss, 3 threads", .call = LOSS, .threads = 3},
    {"beside a loss, columns", .call = LOSS, .where = COLUMNS},
    {"beside a gradient", .call = GRADIENT},
    {"beside a gradient, class axis first, 2 threads", .call = GRADIENT, .is_turned = 1, .threads = 2},
    {"beside a gradient, padded", .call = GRADIENT, .where = PADDED},
    {"beside a gradient, columns, 3 threads", .call = GRADIENT, .where = COLUMNS, .threads = 3, .is_quick = 1},
    {"beside a gradient, rounding upward", .call = GRADIENT, .setting = UPWARD},
    {"beside a gradient in place", .call = IN_PLACE, .threads = 3, .is_quick = 1},
    {"beside a gradient in place, columns", .call = IN_PLACE, .where = COLUMNS},
    {"beside a smoothed loss", .call = SMOOTHED, .threads = 2, .is_quick = 1},
    {"beside a smoothed loss, columns", .call = SMOOTHED, .where = COLUMNS},
    {"beside more terms", .call = TERMS, .is_quick = 1},
    {"beside more terms, columns, 2 threads", .call = TERMS, .where = COLUMNS, .threads = 2},
    {"beside weights", .call = WEIGHTED, .threads = 3},
    {"of a loss that is not written", .call = NOTHING_ELSE, .is_quick = 1},
    {"of a loss that is not written, columns, 2 threads", .call = NOTHING_ELSE, .where = COLUMNS, .threads = 2},
};

static int is_meant(const problem *p, const configuration *how) {
    if (is_quick && !how->is_quick)
        return 0;
    switch (how->call) {
    case OTHER_LABELS: return p->labels != NULL;
    case WIDENED: return TYPES[p->type].bits < 24;
    default: return 1;
    }
}

/* Calls ---------------------------------------------------------------------------------------- */

enum { MEMBERS = 6 };
static const char *const MEMBER_NAMES[MEMBERS] = {"lse", "max", "argmax", "entropy", "target_prob", "target_rank"};

/* Room for the statistics of all rows: every member has 8 bytes a row. */
typedef struct {
    unsigned char *memory;
    int64_t        rows;
} room;

/* Where those from row `first` on go: all members, or the one of this number. */
static ce_row_stats places(const room *to, int64_t first, int member) {
    unsigned char *place[MEMBERS];
    ce_row_stats   stats;
    int            i;
    for (i = 0; i < MEMBERS; i++)
        place[i] = member < 0 || member == i ? to->memory + (i * to->rows + first) * 8 : NULL;
    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    stats.lse = (void *)place[0];
    stats.max = (void *)place[1];
    stats.argmax = (void *)place[2];
    stats.entropy = (void *)place[3];
    stats.target_prob = (void *)place[4];
    stats.target_rank = (void *)place[5];
    return stats;
}

/* The tensors of a call; the target holds labels, or distributions where the statistics have no target. */
typedef struct {
    matrix     input, target, grad, loss, sample_weight;
    ce_options options;
    int        class_axis;
} call;

static int32_t beside(call *made, const configuration *how, const room *to) {
    ce_row_stats stats = places(to, 0, -1);
    matrix      *grad = how->call == IN_PLACE ? &made->input : &made->grad;
    ce_options   options = made->options;
    options.reduction = CE_REDUCTION_NONE;
    if (how->call == SMOOTHED)
        options.label_smoothing = 0.1;
    if (how->call == TERMS)
        options.z_loss = 0x1p-6, options.focal_gamma = 2, options.poly_epsilon = 0.5;
    if (how->call == WEIGHTED)
        options.sample_weight = view_of(&made->sample_weight);
    if (how->call == NOTHING_ELSE)
        return ce_cross_entropy(view_of(&made->input), made->class_axis, view_of(&made->target), &options,
                                ALL_OUTPUTS(NULL, NULL, NULL, &stats));
    return ce_cross_entropy(view_of(&made->input), made->class_axis, view_of(&made->target), &options,
                            ALL_OUTPUTS(view_of(&made->loss), how->call == LOSS ? NULL : view_of(grad), NULL, &stats));
}

static int32_t alone(call *made, const problem *p, const configuration *how, const room *to) {
    ce_tensor   *labels = p->labels != NULL ? view_of(&made->target) : NULL;
    ce_row_stats stats = places(to, 0, -1);
    int32_t      status = CE_OK;
    int64_t      first, count = 1;
    int          i;
    if (how->call == ONE_BY_ONE) {
        for (i = 0; i < MEMBERS && status == CE_OK; i++) {
            stats = places(to, 0, i);
            status = ce_compute_row_stats(view_of(&made->input), made->class_axis, labels, &made->options, &stats);
        }
        return status;
    }
    if (how->call != PIECES)
        return ce_compute_row_stats(view_of(&made->input), made->class_axis, labels, &made->options, &stats);
    for (first = 0; first < p->rows && status == CE_OK; first += count++) {
        matrix input, target;
        if (count > p->rows - first)
            count = p->rows - first;
        input = rows_of(&made->input, first, count);
        target = rows_of(&made->target, first, count);
        stats = places(to, first, -1);
        status = ce_compute_row_stats(view_of(&input), made->class_axis, labels != NULL ? view_of(&target) : NULL, &made->options,
                                      &stats);
    }
    return status;
}

/* The hashes of the members. */
static void compute(const problem *p, const configuration *how, uint64_t *hashes) {
    int32_t  dtype = how->call == WIDENED ? CE_F32 : TYPES[p->type].dtype, loss = dtype == CE_F64 ? CE_F64 : CE_F32, status;
    int32_t  label = how->call == OTHER_LABELS ? smallest_label(p->classes) : CE_I64;
    uint64_t host = get_float(), before = host | FLOAT_BITS[how->setting];
    size_t   bytes = (size_t)p->rows * 8;
    room     to;
    call     made;
    int      i;
    to.rows = p->rows;
    to.memory = allocate(MEMBERS * bytes);
    memset(to.memory, 0xA5, MEMBERS * bytes);
    made.class_axis = !how->is_turned;
    made.input = make_matrix(dtype, p->rows, p->classes, how->where, how->is_turned);
    made.grad = make_matrix(dtype, p->rows, p->classes, how->where, how->is_turned);
    made.target = p->labels != NULL ? make_vector(label, p->rows, how->where)
                                    : make_matrix(CE_F32, p->rows, p->classes, how->where, how->is_turned);
    made.loss = make_vector(loss, p->rows, how->where);
    made.sample_weight = make_vector(CE_F32, p->rows, how->where);
    fill(&made.input, p->input);
    fill(&made.target, p->labels != NULL ? p->labels : p->distribution);
    fill(&made.sample_weight, p->sample_weight);
    ce_options_init(&made.options, sizeof made.options);
    made.options.threads = how->threads > 0 ? how->threads : 1;
    made.options.softcap = p->op->softcap;
    if (p->op->logit_scale != 0) made.options.logit_scale = p->op->logit_scale;
    if (p->op->temperature != 0) made.options.temperature = p->op->temperature;
    set_float(before);
    status = how->call < LOSS ? alone(&made, p, how, &to) : beside(&made, how, &to);
    if (get_float() != before)
        stop("the setting of the floating-point unit has changed");
    set_float(host);
    if (status != CE_OK)
        stop(ce_last_error_message());
    for (i = 0; i < MEMBERS; i++)
        hashes[i] = hash_bytes(HASH_OF_NOTHING, to.memory + (size_t)i * bytes, bytes);
    free(to.memory);
    free(made.input.memory);
    free(made.grad.memory);
    free(made.target.memory);
    free(made.loss.memory);
    free(made.sample_weight.memory);
}

static void do_line(problem *p, int is_large) {
    uint64_t want[MEMBERS], got[MEMBERS];
    size_t   i;
    if (list != NULL)
        read_hashes(p->name, want, MEMBERS);
    if (is_small && is_large)
        return;
    make_problem(p);
    for (i = 0; i < LENGTH_OF(CONFIGURATIONS); i++) {
        if (!is_meant(p, &CONFIGURATIONS[i]))
            continue;
        compute(p, &CONFIGURATIONS[i], got);
        if (list == NULL) {
            write_hashes(p->name, got, MEMBERS);
            break;
        }
        compare(p->name, CONFIGURATIONS[i].name, MEMBER_NAMES, got, want, MEMBERS);
    }
    free_problem(p);
}

int main(int argc, char **argv) {
    size_t op, s;
    begin("operation, type, shape with its [class axis], hashes of lse, max, argmax, entropy, target_prob and target_rank", argc, argv);
    for (op = 0; op < LENGTH_OF(OPERATIONS); op++)
        for (s = 0; s < LENGTH_OF(SHAPES); s++) {
            problem p;
            for (p.type = 0; p.type < 4; p.type++) {
                p.op = &OPERATIONS[op];
                p.rows = SHAPES[s].rows, p.classes = SHAPES[s].classes;
                if (SHAPES[s].is_large && !p.op->on_large)
                    continue;
                sprintf(p.name, "%s %s %" PRId64 "x[%" PRId64 "]", p.op->name, TYPES[p.type].name, p.rows, p.classes);
                do_line(&p, SHAPES[s].is_large);
            }
        }
    if (list == NULL)
        return 0;
    end_list();
    return tally();
}
