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
#include <crossentropy.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static void stop(const char *what) {
    fprintf(stderr, "binary: %s\n", what);
    exit(2);
}

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL)
        stop("out of memory");
    return memory;
}

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

static const struct { const char *name; int32_t dtype, loss, label; int bits; size_t size; } TYPES[] = {
    {"f32", CE_F32, CE_F32, CE_I64, 24, 4},
    {"f64", CE_F64, CE_F64, CE_I8, 53, 8},
    {"f16", CE_F16, CE_F32, CE_I32, 11, 2},
    {"bf16", CE_BF16, CE_F32, CE_I16, 8, 2},
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

/* Numbers and hashes --------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *at = bytes;
    while (count-- > 0)
        hash = (hash ^ *at++) * 1099511628211u;
    return hash;
}

static const uint64_t HASH_OF_NOTHING = 14695981039346656037u;

static double *lcg(const problem *p, const char *what, int64_t count, int bits, int64_t shift, int exponent) {
    uint64_t state = hash_bytes(hash_bytes(HASH_OF_NOTHING, p->name, strlen(p->name)), what, strlen(what));
    double  *made = allocate((size_t)count * sizeof *made);
    int64_t  i;
    for (i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        made[i] = ldexp((double)((int64_t)(state >> (64 - bits)) - ((int64_t)1 << (bits - 1)) + shift), exponent);
    }
    return made;
}

static void make_problem(problem *p) {
    int     bits = TYPES[p->type].bits;
    int64_t i;
    p->x = p->op->input_type == CE_INPUT_PROBS ? lcg(p, " x", p->count, bits, (int64_t)1 << (bits - 1), -bits)
                                               : lcg(p, " x", p->count, bits, 0, (p->op->is_special ? 10 : 5) - bits);
    for (i = 0; p->op->is_special && i < p->count; i += 5)
        p->x[i] = i % 3 == 0 ? -INFINITY : i % 3 == 1 ? INFINITY : NAN;
    p->y = lcg(p, " y", p->count, 6, 32, -6);
    for (i = 0; !p->op->is_soft && i < p->count; i++)
        p->y[i] = p->y[i] > 0.9 ? -100 : p->y[i] < 0.4;
    p->weight = lcg(p, " weight", p->classes, 10, 513, -8);
    p->pos_weight = lcg(p, " pos_weight", p->classes, 10, 513, -8);
    p->sample_weight = lcg(p, " sample_weight", p->count, 10, 512, -8);
}

static void free_problem(problem *p) {
    free(p->x);
    free(p->y);
    free(p->weight);
    free(p->pos_weight);
    free(p->sample_weight);
}

/* Memory --------------------------------------------------------------------------------------- */

typedef enum { CONTIGUOUS, PADDED, COLUMNS, BACKWARDS, ODD_ADDRESS } layout;

/* A tensor of the problem's shape, or of its first dimensions; `is_turned`: with them in the other order. */
typedef struct {
    unsigned char *memory;
    int64_t        shape[2], strides[2];
    ce_tensor      view;
    size_t         size;
} tensor;

static size_t size_of(int32_t dtype) {
    switch (dtype) {
    case CE_I8: return 1;
    case CE_I16: case CE_F16: case CE_BF16: return 2;
    case CE_I32: case CE_F32: return 4;
    default: return 8;
    }
}

static void make_tensor(tensor *made, int32_t dtype, int64_t rows, int64_t columns, layout where, int is_turned) {
    int64_t row_step = columns, step = 1, first = 0;
    if (where == PADDED)
        row_step = columns * 2 + 3, step = 2;
    if (where == COLUMNS)
        row_step = 1, step = rows;
    if (where == BACKWARDS)
        row_step = -columns, step = -1, first = rows * columns - 1;
    made->size = size_of(dtype);
    made->memory = allocate((size_t)(2 * rows * columns + 3 * rows + 16) * made->size);
    made->view.data = made->memory + (where == ODD_ADDRESS) + (size_t)first * made->size;
    made->view.dtype = dtype;
    made->view.ndim = 2;
    made->shape[is_turned] = rows, made->shape[!is_turned] = columns;
    made->strides[is_turned] = row_step, made->strides[!is_turned] = step;
    made->view.shape = made->shape;
    made->view.strides = made->strides;
}

/* Element i in the order of the problem. */
static unsigned char *at(const tensor *t, int is_turned, int64_t i) {
    int64_t columns = t->shape[!is_turned];
    int64_t offset = i / columns * t->strides[is_turned] + i % columns * t->strides[!is_turned];
    return (unsigned char *)t->view.data + offset * (int64_t)t->size;
}

/* The bits of a number that an f16 holds exactly as a normal number or 0, or of an infinity or NaN. */
static uint16_t f16(double value) {
    int      exponent;
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double   fraction = frexp(fabs(value), &exponent);
    if (isnan(value))
        return 0x7E00;
    if (isinf(value))
        return sign | 0x7C00;
    if (value == 0)
        return sign;
    return exponent < -13 ? sign | (uint16_t)ldexp(fabs(value), 24)
                          : (uint16_t)(sign | ((exponent + 14) << 10) | ((int)ldexp(fraction, 11) & 1023));
}

static void put(unsigned char *place, int32_t dtype, double value) {
    float    single = (float)value;
    uint32_t word;
    uint16_t half;
    int64_t  label = isfinite(value) ? (int64_t)value : 0;
    memcpy(&word, &single, sizeof word);
    half = dtype == CE_F16 ? f16(value) : (uint16_t)(word >> 16);
    if (dtype == CE_F64)
        memcpy(place, &value, 8);
    else if (dtype == CE_F32)
        memcpy(place, &single, 4);
    else if (dtype == CE_F16 || dtype == CE_BF16)
        memcpy(place, &half, 2);
    else /* the low bytes come first on every machine that this runs on */
        memcpy(place, &label, size_of(dtype));
}

static void fill(tensor *made, const double *values, int64_t count, int is_turned) {
    int64_t i;
    for (i = 0; i < count; i++)
        put(at(made, is_turned, i), made->view.dtype, values[i]);
}

/* Calls ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    layout      where;
    int         is_turned, in_place, in_pieces;
    int32_t     threads;
    unsigned    float_bits; /* added to the setting of the floating-point unit */
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
    {"rounding up, flushing to zero", CONTIGUOUS, 0, 0, 0, 2, 0xC040},
};

typedef struct {
    tensor x, y, sample_weight, losses, grad;
    double mean; /* f32 for all but f64 */
    int    is_turned;
} outcome;

static void free_outcome(outcome *made) {
    free(made->x.memory);
    free(made->y.memory);
    free(made->sample_weight.memory);
    free(made->losses.memory);
    free(made->grad.memory);
}

#if defined(__SSE2__)
static unsigned get_float(void) { return _mm_getcsr(); }

static void set_float(unsigned bits) { _mm_setcsr(bits); }
#else /* contract.c looks after the others */
static unsigned float_bits;

static unsigned get_float(void) { return float_bits; }

static void set_float(unsigned bits) { float_bits = bits; }
#endif

static void compute(const problem *p, const configuration *how, outcome *made) {
    int32_t    dtype = TYPES[p->type].dtype, target = p->op->is_soft ? TYPES[p->type].loss : TYPES[p->type].label;
    int        turned = how->is_turned;
    tensor     weight, pos_weight;
    ce_tensor  mean = {&made->mean, TYPES[p->type].loss, 0, NULL, NULL};
    ce_options options;
    int32_t    status = CE_OK;
    unsigned   before = get_float();
    memset(made, 0, sizeof *made);
    made->is_turned = turned;
    make_tensor(&made->x, dtype, p->rows, p->classes, how->where, turned);
    make_tensor(&made->y, target, p->rows, p->classes, how->where, turned);
    make_tensor(&made->sample_weight, CE_F32, p->rows, p->classes, how->where, turned);
    make_tensor(&made->losses, TYPES[p->type].loss, p->rows, p->classes, how->where, turned);
    make_tensor(&made->grad, dtype, p->rows, p->classes, how->where, turned);
    make_tensor(&weight, CE_F64, 1, p->classes, how->where == PADDED ? PADDED : CONTIGUOUS, 0);
    make_tensor(&pos_weight, CE_F32, 1, p->classes, how->where == BACKWARDS ? BACKWARDS : CONTIGUOUS, 0);
    fill(&made->x, p->x, p->count, turned);
    fill(&made->y, p->y, p->count, turned);
    fill(&made->sample_weight, p->sample_weight, p->count, turned);
    fill(&weight, p->weight, p->classes, 0);
    fill(&pos_weight, p->pos_weight, p->classes, 0);
    weight.view.ndim = pos_weight.view.ndim = 1; /* their only row */
    weight.view.shape++, weight.view.strides++;
    pos_weight.view.shape++, pos_weight.view.strides++;

    ce_options_init(&options, sizeof options);
    options.input_type = p->op->input_type;
    options.label_smoothing = p->op->label_smoothing;
    options.focal_gamma = p->op->focal_gamma;
    options.clip = p->op->clip;
    options.threads = how->threads;
    if (p->op->is_weighted) {
        options.weight = &weight.view;
        options.pos_weight = &pos_weight.view;
        options.sample_weight = &made->sample_weight.view;
    }
    set_float(before | how->float_bits);
    options.reduction = CE_REDUCTION_NONE;
    if (how->in_pieces) {
        int64_t first, size = 1;
        for (first = 0; first < p->rows && status == CE_OK; first += size++) {
            tensor parts[4] = {made->x, made->y, made->sample_weight, made->losses};
            int    i;
            if (size > p->rows - first)
                size = p->rows - first;
            for (i = 0; i < 4; i++) {
                parts[i].view.shape = parts[i].shape;
                parts[i].view.data = at(&parts[i], 0, first * p->classes);
                parts[i].shape[0] = size;
            }
            options.sample_weight = p->op->is_weighted ? &parts[2].view : NULL;
            status = ce_binary_cross_entropy(&parts[0].view, 1, &parts[1].view, &options, &parts[3].view, NULL);
        }
        options.sample_weight = p->op->is_weighted ? &made->sample_weight.view : NULL;
    } else {
        status = ce_binary_cross_entropy(&made->x.view, !turned, &made->y.view, &options, &made->losses.view, NULL);
    }
    options.reduction = CE_REDUCTION_MEAN;
    if (status == CE_OK)
        status = ce_binary_cross_entropy(&made->x.view, !turned, &made->y.view, &options, &mean,
                                         how->in_place ? &made->x.view : &made->grad.view);
    if (get_float() != (before | how->float_bits))
        stop("the setting of the floating-point unit has changed");
    set_float(before);
    if (status != CE_OK)
        stop(ce_last_error_message());
    if (how->in_place) {
        tensor swapped = made->x;
        made->x = made->grad;
        made->grad = swapped;
    }
    free(weight.memory);
    free(pos_weight.memory);
}

static uint64_t hash_of(const outcome *made, const tensor *t, int64_t count) {
    uint64_t hash = HASH_OF_NOTHING;
    int64_t  i;
    for (i = 0; i < count; i++)
        hash = hash_bytes(hash, at(t, made->is_turned, i), t->size);
    return hash;
}

static FILE *list; /* NULL: it is being written */
static int   is_quick;
static long  passed, failed;

static void do_line(problem *p) {
    uint64_t want[3] = {0, 0, 0};
    size_t   i, k;
    if (list != NULL) {
        char name[3][64];
        if (fscanf(list, "%63s %63s %63s %" SCNx64 " %" SCNx64 " %" SCNx64, name[0], name[1], name[2], &want[0], &want[1],
                   &want[2]) != 6 ||
            strncmp(p->name, name[0], strlen(name[0])) != 0 || strstr(p->name, name[2]) == NULL)
            stop("the list has other lines than this program");
    }
    if (is_quick && p->count > 10000)
        return;
    make_problem(p);
    for (i = 0; i < sizeof CONFIGURATIONS / sizeof CONFIGURATIONS[0]; i++) {
        outcome  made;
        uint64_t got[3];
        int      is_good = 1;
        compute(p, &CONFIGURATIONS[i], &made);
        got[0] = hash_of(&made, &made.losses, p->count);
        got[1] = hash_bytes(HASH_OF_NOTHING, &made.mean, size_of(TYPES[p->type].loss));
        got[2] = hash_of(&made, &made.grad, p->count);
        free_outcome(&made);
        if (list == NULL) {
            printf("%s %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", p->name, got[0], got[1], got[2]);
            break;
        }
        for (k = 0; k < 3; k++)
            if (got[k] != want[k]) {
                static const char *const WHAT[] = {"the losses", "the mean", "the gradient"};
                printf("FAIL %s, %s: %s have another hash\n", p->name, CONFIGURATIONS[i].name, WHAT[k]);
                is_good = 0;
            }
        is_good ? passed++ : failed++;
    }
    free_problem(p);
}

int main(int argc, char **argv) {
    size_t op, s;
    is_quick = argc == 3 && strcmp(argv[2], "--quick") == 0;
    if (argc < 2 || argc > 3 || (argc == 3 && !is_quick))
        stop("usage: binary LIST [--quick], or binary --write");
    if (strcmp(argv[1], "--write") != 0 && (list = fopen(argv[1], "r")) == NULL)
        stop("cannot read the list");
    for (op = 0; op < sizeof OPERATIONS / sizeof OPERATIONS[0]; op++)
        for (s = 0; s < sizeof SHAPES / sizeof SHAPES[0]; s++) {
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
    fclose(list);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
