/*
 * rounding - numbers of 16 bits: each is widened exactly, and gradients are rounded to them, ties to even. halves.c has them in
 * all places of all functions.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include <fenv.h>

#include "elements.h"
#include "float_control.h"
#include "small_problem.h"

static const int32_t HALVES[2] = {CE_F16, CE_BF16};

/* Every number of 16 bits gives what the same number gives as f32. */
static void halves_are_widened(void) {
    static uint16_t      input[1 << 16][2];
    static int64_t       labels[1 << 16];
    static float         wide[1 << 16][2], losses[1 << 16], want[1 << 16], gradient[1 << 16][2], want_gradient[1 << 16][2];
    static const int64_t shape[2] = {1 << 16, 2};
    ce_options           options = defaults();
    int                  kind;
    int32_t              i;
    options.reduction = CE_REDUCTION_NONE;
    for (kind = 0; kind < 2; kind++) {
        const ce_tensor x = tensor_of(input, HALVES[kind], 2, shape, NULL), y = tensor_of(labels, CE_I64, 1, shape, NULL);
        const ce_tensor l = tensor_of(losses, CE_F32, 1, shape, NULL), g = tensor_of(gradient, CE_F32, 2, shape, NULL);
        long            wrong = 0;
        for (i = 0; i < 1 << 16; i++) {
            input[i][0] = (uint16_t)i, input[i][1] = 0;
            wide[i][0] = widened(HALVES[kind], (uint16_t)i), wide[i][1] = 0;
        }
        CHECK(ce_cross_entropy_f32(&wide[0][0], labels, 1 << 16, 2, &options, want, &want_gradient[0][0]) == CE_OK);
        CHECK(ce_cross_entropy(&x, -1, &y, &options, OUTPUTS(&l, &g)) == CE_OK);
        for (i = 0; i < 1 << 16; i++)
            wrong += isnan(want[i]) ? !isnan(losses[i]) || !isnan(gradient[i][0]) || !isnan(gradient[i][1])
                                    : memcmp(&losses[i], &want[i], sizeof losses[i]) != 0 ||
                                          memcmp(gradient[i], want_gradient[i], sizeof gradient[i]) != 0;
        CHECK(wrong == 0);
    }
}

/* The gradient of logarithms of probabilities is the weight, negated: what rounding to 16 bits must give. */
static void halves_are_rounded(void) {
    static const struct {
        float    number;
        uint16_t f16, bf16;
    } table[] = {
        {1.0f, 0x3C00, 0x3F80},         {0x1.002p0f, 0x3C00, 0x3F80},     {0x1.002002p0f, 0x3C01, 0x3F80},
        {0x1.006p0f, 0x3C02, 0x3F80},   {0x1.005ffep0f, 0x3C01, 0x3F80},  {0x1.01p0f, 0x3C04, 0x3F80},
        {0x1.010002p0f, 0x3C04, 0x3F81}, {0x1.03p0f, 0x3C0C, 0x3F82},     {0x1.02fffep0f, 0x3C0C, 0x3F81},
        {0x1.fffffep0f, 0x4000, 0x4000}, {0x1.ffdffep15f, 0x7BFF, 0x4780}, {0x1.ffep15f, 0x7C00, 0x4780},
        {0x1p-14f, 0x0400, 0x3880},     {0x1.ffffp-15f, 0x0400, 0x3880},  {0x1p-24f, 0x0001, 0x3380},
        {0x1p-25f, 0x0000, 0x3300},     {0x1.000002p-25f, 0x0001, 0x3300}, {0x1.8p-24f, 0x0002, 0x33C0},
        {0x1.7ffffep-24f, 0x0001, 0x33C0}, {0x1.fffffep-26f, 0x0000, 0x3300}, {0x1p-126f, 0x0000, 0x0080},
        {0x1p-133f, 0x0000, 0x0001},    {0x1p-134f, 0x0000, 0x0000},      {0x1.8p-134f, 0x0000, 0x0001},
        {0x1.8p-133f, 0x0000, 0x0002},  {0x1p-149f, 0x0000, 0x0000},      {0x1.fefffep127f, 0x7C00, 0x7F7F},
        {0x1.ffp127f, 0x7C00, 0x7F80},  {0x1.fffffep127f, 0x7C00, 0x7F80}};
    enum { NUMBERS = LENGTH_OF(table) };
    static const int     modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const int64_t labels[NUMBERS] = {0}, shape[2] = {NUMBERS, 1}, wide[2] = {NUMBERS, NUMBERS};
    uint16_t             x[NUMBERS * NUMBERS], gradient[NUMBERS * NUMBERS];
    float                weight[NUMBERS], losses[NUMBERS];
    int64_t              diagonal[NUMBERS];
    const ce_tensor      y = tensor_of(labels, CE_I64, 1, shape, NULL), y2 = tensor_of(diagonal, CE_I64, 1, shape, NULL);
    const ce_tensor      w = tensor_of(weight, CE_F32, 1, shape, NULL), l = tensor_of(losses, CE_F32, 1, shape, NULL);
    ce_options           rows = defaults(), classes;
    int                  kind, mode, flushes, status[2], i;
    rows.reduction = CE_REDUCTION_NONE;
    rows.input_type = CE_INPUT_LOG_PROBS;
    classes = rows;
    rows.sample_weight = classes.weight = &w;
    memset(x, 0, sizeof x);
    for (i = 0; i < NUMBERS; i++)
        weight[i] = table[i].number, diagonal[i] = i;
    for (kind = 0; kind < 2; kind++)
        for (mode = 0; mode < 4; mode++)
            for (flushes = 0; flushes < 2; flushes++) {
                const ce_tensor few = tensor_of(x, HALVES[kind], 2, shape, NULL);
                const ce_tensor few_gradients = tensor_of(gradient, HALVES[kind], 2, shape, NULL);
                const ce_tensor many = tensor_of(x, HALVES[kind], 2, wide, NULL);
                const ce_tensor many_gradients = tensor_of(gradient, HALVES[kind], 2, wide, NULL);
                int             call;
                for (call = 0; call < 2; call++) {
                    fenv_t usual;
                    int    wrong = 0;
                    fegetenv(&usual);
                    fesetround(modes[mode]);
                    if (flushes) /* to zero, and takes subnormal numbers for zero */
                        set_float(get_float() | FLOAT_BITS[FLUSHING]);
                    status[call] = call ? ce_cross_entropy(&many, -1, &y2, &classes, OUTPUTS(&l, &many_gradients))
                                        : ce_cross_entropy(&few, -1, &y, &rows, OUTPUTS(&l, &few_gradients));
                    fesetenv(&usual);
                    for (i = 0; i < NUMBERS; i++) {
                        const uint16_t got = gradient[call ? i * NUMBERS + i : i];
                        wrong += (got & 0x7FFF) != (kind ? table[i].bf16 : table[i].f16) || (got != 0 && got >> 15 == 0);
                    }
                    CHECK(status[call] == CE_OK && wrong == 0);
                }
            }
}

/* A loss has no 16 bits, nor has a gradient of wider input; and one in f32 does not fit in the place of the input. */
static void halves_in_their_places(void) {
    static const int64_t shape[2] = {ROWS, CLASSES};
    uint16_t             room[3 * COUNT];
    int                  kind, i;
    memset(room, 0, sizeof room);
    for (kind = 0; kind < 2; kind++) {
        const int32_t   half = HALVES[kind];
        small           p = small_problem(), q;
        const ce_tensor input = tensor_of(room, half, 2, shape, NULL);
        q = p, q.one_loss.dtype = half;
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "loss") != NULL);
        q = p, q.grad.dtype = half;
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "grad") != NULL);
        q = p, q.input = input, q.grad.dtype = CE_F64;
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "grad") != NULL);
        q = p, q.input = input, q.grad.dtype = HALVES[1 - kind];
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "grad") != NULL);
        for (i = 0; i < COUNT; i++) {
            q = p, q.input = input, q.grad = tensor_of(room + i, CE_F32, 2, shape, NULL);
            CHECK(mean(&q) == CE_ERROR_OVERLAP);
        }
        CHECK(nothing_written());
        for (i = 0; i < 3 * COUNT; i++)
            CHECK(room[i] == 0);
        q = p, q.input = input;
        CHECK(mean(&q) == CE_OK && fabs(loss[0] - log(3)) < 1e-6 && !is_fill(grad, sizeof grad));
        q = p, q.input = q.grad = input;
        CHECK(mean(&q) == CE_OK && fabs(loss[0] - log(3)) < 1e-6);
        for (i = 0; i < COUNT; i++)
            CHECK(fabs(widened(half, room[i]) - (i == 2 || i == 3 ? -1 / 3.0 : 1 / 6.0)) < 1e-3);
        memset(room, 0, sizeof room);
    }
}

int main(void) {
    halves_are_widened();
    halves_are_rounded();
    halves_in_their_places();
    return tally();
}
