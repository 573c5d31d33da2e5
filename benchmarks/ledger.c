/*
 * ledger - calls of many kinds, each counted by callgrind: see ledger.py.
 *
 * Every call is made once before, so that what is done once per process is not counted. The numbers are the same in every run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "../Tests/C/calls.h"

enum { MOST = 1 << 19 };
static float    input[MOST], grad[MOST], target[MOST];
static uint16_t halves[MOST], half_grad[MOST];
static double   doubles[MOST], double_grad[MOST];
static int64_t  labels[1 << 14], answers[MOST];
static float    losses[1 << 14], weights[1 << 14];
static double   numbers[4][1 << 10];
static int64_t  places[2][1 << 10];

static ce_options options;

/* Views of the arrays above. */
typedef struct {
    ce_tensor x, grad, labels, answers, distribution, loss, per_row, per_class;
    int64_t   shape[2], strides[2], rows[1], classes[1];
} call;

static void make(call *c, int32_t dtype, int64_t rows, int64_t classes, int is_class_major) {
    int64_t i;
    memset(c, 0, sizeof *c);
    c->shape[0] = c->rows[0] = rows;
    c->shape[1] = c->classes[0] = classes;
    c->strides[0] = is_class_major ? 1 : classes;
    c->strides[1] = is_class_major ? rows : 1;
    c->x = tensor_of(dtype == CE_F64 ? (void *)doubles : dtype == CE_F32 ? (void *)input : (void *)halves, dtype, 2, c->shape,
                     c->strides);
    c->grad = tensor_of(dtype == CE_F64 ? (void *)double_grad : dtype == CE_F32 ? (void *)grad : (void *)half_grad, dtype, 2,
                        c->shape, c->strides);
    c->labels       = tensor_of(labels, CE_I64, 1, c->rows, NULL);
    c->answers      = tensor_of(answers, CE_I64, 2, c->shape, NULL);
    c->distribution = tensor_of(target, CE_F32, 2, c->shape, NULL);
    c->loss         = tensor_of(losses, dtype == CE_F64 ? CE_F64 : CE_F32, 0, NULL, NULL);
    c->per_row      = tensor_of(losses, CE_F32, 1, c->rows, NULL);
    c->per_class    = tensor_of(weights, CE_F32, 1, c->classes, NULL);
    for (i = 0; i < rows * classes; i++) {
        const float x = (float)((i * 7919 + i / 13) % 1000) * 0.01f - 5;
        uint32_t    bits;
        memcpy(&bits, &x, 4);
        input[i] = x, doubles[i] = x, target[i] = 1.0f / (float)classes;
        halves[i] = (uint16_t)(bits >> 16), answers[i] = i % 5 == 0;
    }
    for (i = 0; i < rows; i++) labels[i] = i * 31 % classes;
    for (i = 0; i < 1 << 14; i++) weights[i] = 1 + (float)(i % 7) * 0.25f;
    ce_options_init(&options, sizeof options);
    options.threads = 1;
}

static int status;
static void ok(int32_t got) {
    if (got != CE_OK) status = 1, fprintf(stderr, "%s: %s\n", ce_status_string(got), ce_last_error_message());
}

/* COUNT(a name, what is set, the call) */
#define COUNT(name, dtype, rows, classes, is_class_major, setting, expression)      \
    do {                                                                            \
        call c;                                                                     \
        make(&c, dtype, rows, classes, is_class_major);                             \
        setting;                                                                    \
        ok(expression);                                                             \
        CALLGRIND_ZERO_STATS;                                                       \
        ok(expression);                                                             \
        CALLGRIND_DUMP_STATS_AT(name);                                              \
    } while (0)

#define LOSS      ce_cross_entropy(&c.x, 1, &c.labels, &options, OUTPUTS(&c.loss, NULL))
#define GRAD      ce_cross_entropy(&c.x, 1, &c.labels, &options, OUTPUTS(&c.loss, &c.grad))
/* The loss with all statistics of its rows. */
#define STATISTICS                                                                                                   \
    ce_cross_entropy(&c.x, 1, &c.labels, &options,                                                                   \
                     ALL_OUTPUTS(&c.loss, NULL, NULL,                                                                \
                                 (&(const ce_row_stats){sizeof(ce_row_stats), numbers[0], numbers[1], places[0],     \
                                                        numbers[2], numbers[3], places[1]})))
#define SOFT_GRAD ce_cross_entropy(&c.x, 1, &c.distribution, &options, OUTPUTS(&c.loss, &c.grad))
#define KL(loss)  ce_kl_divergence(&c.x, 1, &c.distribution, &options, OUTPUTS(&c.loss, &c.grad))
#define BINARY(y) ce_binary_cross_entropy(&c.x, 1, &c.y, &options, OUTPUTS(&c.loss, &c.grad))
#define NOTHING   (void)0

static void shapes(void) {
    COUNT("loss [1, 2]", CE_F32, 1, 2, 0, NOTHING, LOSS);
    COUNT("grad [1, 2]", CE_F32, 1, 2, 0, NOTHING, GRAD);
    COUNT("loss [64, 10]", CE_F32, 64, 10, 0, NOTHING, LOSS);
    COUNT("grad [64, 10]", CE_F32, 64, 10, 0, NOTHING, GRAD);
    COUNT("loss [4096, 2]", CE_F32, 4096, 2, 0, NOTHING, LOSS);
    COUNT("grad [4096, 2]", CE_F32, 4096, 2, 0, NOTHING, GRAD);
    COUNT("grad [4096, 3]", CE_F32, 4096, 3, 0, NOTHING, GRAD);
    COUNT("loss [4096, 10]", CE_F32, 4096, 10, 0, NOTHING, LOSS);
    COUNT("grad [4096, 10]", CE_F32, 4096, 10, 0, NOTHING, GRAD);
    COUNT("loss [1024, 100]", CE_F32, 1024, 100, 0, NOTHING, LOSS);
    COUNT("grad [1024, 100]", CE_F32, 1024, 100, 0, NOTHING, GRAD);
    COUNT("loss [256, 1000]", CE_F32, 256, 1000, 0, NOTHING, LOSS);
    COUNT("grad [256, 1000]", CE_F32, 256, 1000, 0, NOTHING, GRAD);
    COUNT("loss [8, 32768]", CE_F32, 8, 32768, 0, NOTHING, LOSS);
    COUNT("grad [8, 32768]", CE_F32, 8, 32768, 0, NOTHING, GRAD);
    COUNT("loss [4096, 21], class axis first", CE_F32, 4096, 21, 1, NOTHING, LOSS);
    COUNT("grad [4096, 21], class axis first", CE_F32, 4096, 21, 1, NOTHING, GRAD);
    COUNT("grad bf16 [4096, 10]", CE_BF16, 4096, 10, 0, NOTHING, GRAD);
    COUNT("loss bf16 [8, 32768]", CE_BF16, 8, 32768, 0, NOTHING, LOSS);
    COUNT("grad bf16 [8, 32768]", CE_BF16, 8, 32768, 0, NOTHING, GRAD);
    COUNT("grad f16 [8, 32768]", CE_F16, 8, 32768, 0, NOTHING, GRAD);
    COUNT("grad f64 [4096, 10]", CE_F64, 4096, 10, 0, NOTHING, GRAD);
    COUNT("grad f64 [8, 32768]", CE_F64, 8, 32768, 0, NOTHING, GRAD);
}

static void terms(int64_t rows, int64_t classes, const char *names[]) {
    COUNT(names[0], CE_F32, rows, classes, 0, options.weight = &c.per_class, GRAD);
    COUNT(names[1], CE_F32, rows, classes, 0, options.label_smoothing = 0.1, GRAD);
    COUNT(names[2], CE_F32, rows, classes, 0, options.logit_scale = 0.7, GRAD);
    COUNT(names[3], CE_F32, rows, classes, 0, options.softcap = 30, GRAD);
    COUNT(names[4], CE_F32, rows, classes, 0, options.z_loss = 1e-4, GRAD);
    COUNT(names[5], CE_F32, rows, classes, 0, options.focal_gamma = 2, GRAD);
    COUNT(names[6], CE_F32, rows, classes, 0, NOTHING, SOFT_GRAD);
    COUNT(names[7], CE_F32, rows, classes, 0, options.reduction = CE_REDUCTION_NONE,
          ce_cross_entropy(&c.x, 1, &c.labels, &options, OUTPUTS(&c.per_row, &c.grad)));
}

static void functions(void) {
    COUNT("softmax [256, 1000]", CE_F32, 256, 1000, 0, NOTHING, ce_softmax(&c.x, 1, &options, &c.grad));
    COUNT("row_stats [1024, 100]", CE_F32, 1024, 100, 0, NOTHING, STATISTICS);
    COUNT("row_stats [256, 1000]", CE_F32, 256, 1000, 0, NOTHING, STATISTICS);
    COUNT("row_stats [8, 32768]", CE_F32, 8, 32768, 0, NOTHING, STATISTICS);
    COUNT("teacher [256, 1000]", CE_F32, 256, 1000, 0, options.target_type = CE_TARGET_LOGITS, SOFT_GRAD);
    COUNT("kl [256, 1000]", CE_F32, 256, 1000, 0, options.target_type = CE_TARGET_LOGITS, KL(loss));
    COUNT("kl temperature 3 [256, 1000]", CE_F32, 256, 1000, 0, (options.target_type = CE_TARGET_LOGITS, options.temperature = 3),
          KL(loss));
    COUNT("kl none [16384, 1]", CE_F32, 16384, 1, 0, (options.input_type = CE_INPUT_LOG_PROBS, options.kl_form = CE_KL_PLAIN,
          options.reduction = CE_REDUCTION_NONE), KL(per_row));
    COUNT("binary [4096, 100]", CE_F32, 4096, 100, 0, NOTHING, BINARY(distribution));
    COUNT("binary labels [4096, 100]", CE_F32, 4096, 100, 0, NOTHING, BINARY(answers));
    COUNT("binary pos_weight [4096, 100]", CE_F32, 4096, 100, 0, options.pos_weight = &c.per_class, BINARY(distribution));
    COUNT("binary weight [4096, 100]", CE_F32, 4096, 100, 0, options.weight = &c.per_class, BINARY(distribution));
}

int main(void) {
    static const char *few[]  = {"weight [4096, 10]",  "smoothing [4096, 10]", "logit_scale [4096, 10]",  "softcap [4096, 10]",
                                 "z_loss [4096, 10]",  "focal [4096, 10]",     "distribution [4096, 10]", "none [4096, 10]"};
    static const char *many[] = {"weight [64, 4000]", "smoothing [64, 4000]", "logit_scale [64, 4000]",  "softcap [64, 4000]",
                                 "z_loss [64, 4000]", "focal [64, 4000]",     "distribution [64, 4000]", "none [64, 4000]"};
    shapes();
    terms(4096, 10, few);
    terms(64, 4000, many);
    functions();
    return status;
}
