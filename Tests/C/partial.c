/*
 * partial - holds partial statistics to the bits that Tests/Hashes/partial.txt records.
 *
 *     partial LIST        checks
 *     partial --write     prints the list
 *
 * Statistics, loss and gradient of generated logits from 1, 2, 4 and 8 slices, merged in several orders, on any number of
 * threads, must have the hashes of the list, on every instruction set and processor. Prints the checks that fail, then
 * "N passed, M failed"; the exit status is 0 if M is 0. partial_arguments.c has pointers, memory and errors.
 */
#include "calls.h"
#include "hash.h"

enum { ROWS = 6, BLOCKS = 8, CLASSES = BLOCKS * CE_BLOCK - 1000, MOST = 8 };

static uint64_t state;

static double uniform(void) { return next_uniform(&state); }

typedef struct {
    const char *name;
    int32_t     dtype;
    double      spread, step; /* logits from -spread to spread, and block b has b mod 3 steps more */
    double      softcap;
    double      logit_scale;
    int         is_weighted; /* a mean, with weights and more terms */
} problem;

/* Ordinary logits; beyond where exponents are counted from 0; blocks that leave the others' window; options. */
static const problem PROBLEMS[] = {
    {"plain f32", CE_F32, 10, 0, 0, 0, 0},
    {"plain f64", CE_F64, 10, 0, 0, 0, 0},
    {"far f32", CE_F32, 300, 0x1p19, 0, 0, 0},
    {"far f64", CE_F64, 300, 0x1p41, 0, 0, 0},
    {"apart f64", CE_F64, 400, 700, 0, 0, 0},
    {"capped f32", CE_F32, 100, 0, 30, 0, 0},
    {"plain f16", CE_F16, 10, 0, 0, 0, 0},
    {"plain bf16", CE_BF16, 10, 0, 0, 0, 0},
    {"scaled f64", CE_F64, 10, 0, 0, -0.7, 0},
    {"weighted_mean f32", CE_F32, 10, 0, 0, 0, 1},
    {"weighted_mean_scaled bf16", CE_BF16, 10, 5, 20, 1.5, 1},
    {"weighted_mean f64", CE_F64, 10, 0, 0, 0, 1},
};

static unsigned char logits[ROWS * CLASSES * 8], grad[ROWS * CLASSES * 8];
static int64_t       labels[ROWS];
static double        weights[CLASSES];
static float         sample_weights[ROWS];
static ce_partial    statistics[MOST][ROWS];

enum { OUTPUTS = 3 };
static const char *const OUTPUT_NAMES[OUTPUTS] = {"statistics", "loss", "gradient"};

/* From this many slices, merged from the `first` on. */
static void run(const problem *p, int slices, int first, int threads, uint64_t *hashes) {
    const int64_t rows    = ROWS;
    const int64_t strides[2] = {CLASSES, 1};
    const size_t  size    = size_of(p->dtype);
    ce_tensor     target  = tensor_of(labels, CE_I64, 1, &rows, NULL);
    double        loss[ROWS];
    ce_tensor     losses  = tensor_of(loss, CE_F64, p->is_weighted ? 0 : 1, &rows, NULL);
    const int64_t classes = CLASSES;
    ce_tensor     weight  = tensor_of(weights, CE_F64, 1, &classes, NULL);
    ce_tensor     sample_weight = tensor_of(sample_weights, CE_F32, 1, &rows, NULL);
    int64_t       shape[MOST][2];
    ce_options    options;
    int           i;

    ce_options_init(&options, sizeof options);
    options.reduction = CE_REDUCTION_NONE;
    options.softcap   = p->softcap;
    options.threads   = threads;
    if (p->logit_scale != 0) options.logit_scale = p->logit_scale;
    if (p->is_weighted) {
        options.reduction     = CE_REDUCTION_MEAN;
        options.weight        = &weight;
        options.sample_weight = &sample_weight;
        options.z_loss        = 0x1p-6;
        options.focal_gamma   = 2;
        options.poly_epsilon  = 0.5;
    }
    for (i = 0; i < slices; i++) {
        const int64_t start = (int64_t)BLOCKS * i / slices * CE_BLOCK, end = (int64_t)BLOCKS * (i + 1) / slices * CE_BLOCK;
        ce_tensor     input;
        shape[i][0] = ROWS;
        shape[i][1] = (end < CLASSES ? end : CLASSES) - start;
        input       = tensor_of(logits + (size_t)start * size, p->dtype, 2, shape[i], strides);
        CHECK(ce_partial_compute(&input, 1, start, &target, &options, statistics[i]) == CE_OK);
    }
    for (i = 1; i < slices; i++) /* first + 1, first + 2 ..., around */
        CHECK(ce_partial_merge(statistics[first], statistics[(first + i) % slices], ROWS) == CE_OK);
    CHECK(ce_partial_loss(statistics[first], ROWS, CLASSES, &options, &losses) == CE_OK);
    for (i = 0; i < slices; i++) {
        const int64_t start = (int64_t)BLOCKS * i / slices * CE_BLOCK;
        ce_tensor     input = tensor_of(logits + (size_t)start * size, p->dtype, 2, shape[i], strides);
        ce_tensor     output = tensor_of(grad + (size_t)start * size, p->dtype, 2, shape[i], strides);
        CHECK(ce_partial_grad(&input, -1, start, statistics[first], CLASSES, &options, &output) == CE_OK);
    }
    hashes[0] = hash_bytes(HASH_OF_NOTHING, statistics[first], sizeof statistics[first]);
    hashes[1] = hash_bytes(HASH_OF_NOTHING, loss, p->is_weighted ? sizeof loss[0] : sizeof loss);
    hashes[2] = hash_bytes(HASH_OF_NOTHING, grad, ROWS * CLASSES * size);
}

static void check_bits(void) {
    static const int SLICES[] = {1, 2, 4, 8};
    size_t           n;
    int              c;
    for (c = 0; c < CLASSES; c++) weights[c] = 0.5 + c % 5 / 4.0;
    for (c = 0; c < ROWS; c++) sample_weights[c] = (float)(c % 3);
    for (n = 0; n < LENGTH_OF(PROBLEMS); n++) {
        const problem *p = &PROBLEMS[n];
        uint64_t       want[OUTPUTS], got[OUTPUTS];
        char           line[LINE], name[LINE];
        int            i, s, first;
        sprintf(line, "%s %dx[%d]", p->name, ROWS, CLASSES);
        state = 17 + n;
        for (i = 0; i < ROWS * CLASSES; i++) {
            const double x = p->spread * uniform() + p->step * (i % CLASSES / CE_BLOCK % 3);
            put(logits + (size_t)i * size_of(p->dtype), p->dtype, x);
        }
        for (i = 0; i < ROWS; i++) labels[i] = (int64_t)((uniform() + 1) / 2 * CLASSES);
        labels[ROWS - 1] = -100;
        if (list == NULL) {
            run(p, 1, 0, 1, got);
            write_hashes(line, got, OUTPUTS);
            continue;
        }
        read_hashes(line, want, OUTPUTS);
        for (s = 0; s < 4; s++)
            for (first = 0; first < SLICES[s]; first += 3) {
                sprintf(name, "%d slices, merged from number %d on", SLICES[s], first);
                run(p, SLICES[s], first, first + 1, got);
                compare(line, name, OUTPUT_NAMES, got, want, OUTPUTS);
            }
    }
    if (list != NULL)
        end_list();
}

int main(int argc, char **argv) {
    begin("operation, type, shape with its [class axis], hashes of the statistics, loss and gradient", argc, argv);
    check_bits();
    return list == NULL ? 0 : tally();
}
