/*
 * float_environment - the host's rounding mode, flushing to zero, traps and exception flags change no bit of the results, and
 * are found as they were.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#define _GNU_SOURCE /* feenableexcept, where there is one */

#include <fenv.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "large_problem.h"

enum { FEW_ROWS = 3, FEW_CLASSES = 4, FEW = FEW_ROWS * FEW_CLASSES, KINDS = 5 };

/* What calls of several kinds give, with the reductions mean and sum. */
typedef struct {
    int32_t status[2][KINDS][2];
    float   loss32[2][KINDS], grad32[2][KINDS][FEW], loss_of_many[2];
    double  loss64[2][KINDS], grad64[2][KINDS][FEW];
} environment_results;

/* Calls only, no arithmetic: some hosts let it trap. */
static void call_in_environment(environment_results *got, int32_t threads) {
    static const float   x32[FEW] = {0.1f, 0.2f, 0.3f, 0.4f, 0.97f, 0.02f, 1e-40f, 0.7f, 0.6f, 0.3f, 0.05f, 0.9f};
    static const double  x64[FEW] = {0.1, 0.2, 0.3, 0.4, 0.97, 0.02, 1e-310, 0.7, 0.6, 0.3, 0.05, 0.9};
    static const float   weight[FEW_CLASSES] = {1e-40f, 2e-40f, 3e-40f, 0.1f}, sample_weight[FEW_ROWS] = {0.3f, 1.7f, 0.9f};
    static const int64_t labels[FEW_ROWS] = {0, 1, 2}, rows[1] = {FEW_ROWS}, classes[1] = {FEW_CLASSES};
    const ce_tensor      weights = tensor_of(weight, CE_F32, 1, classes, NULL);
    const ce_tensor      sample_weights = tensor_of(sample_weight, CE_F32, 1, rows, NULL);
    int                  kind, reduction;
    memset(got, 0, sizeof *got);
    for (reduction = CE_REDUCTION_MEAN; reduction <= CE_REDUCTION_SUM; reduction++) {
        ce_options options = defaults();
        options.reduction = reduction;
        options.threads = threads;
        for (kind = 0; kind < KINDS; kind++) {
            if (kind == 1) /* subnormal, and so is their sum */
                options.weight = &weights;
            if (kind == 2)
                options.sample_weight = &sample_weights;
            if (kind == 3)
                options.label_smoothing = 0.1;
            if (kind == 4)
                options.input_type = CE_INPUT_PROBS, options.clip = 1e-9;
            got->status[reduction][kind][0] =
                ce_cross_entropy_f32(x32, labels, FEW_ROWS, FEW_CLASSES, &options, &got->loss32[reduction][kind],
                                     got->grad32[reduction][kind]);
            got->status[reduction][kind][1] =
                ce_cross_entropy_f64(x64, labels, FEW_ROWS, FEW_CLASSES, &options, &got->loss64[reduction][kind],
                                     got->grad64[reduction][kind]);
        }
        options = defaults();
        options.reduction = reduction;
        options.threads = threads;
        ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &got->loss_of_many[reduction],
                             NULL);
    }
}

static unsigned control_and_flags(void) {
#if defined(__SSE2__)
    return _mm_getcsr();
#else
    return 0;
#endif
}

typedef struct {
    int rounding, flushes, traps, raised;
} environment;

/* The same bits as in the usual environment, which is left as it was found, flags included. */
static void calls_in(environment host, int32_t threads, const environment_results *want) {
    environment_results got;
    fenv_t              usual;
    unsigned            before, after;
    int                 rounding, flags, traps = 0, traps_before = 0;
    fegetenv(&usual);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(host.raised);
    fesetround(host.rounding);
#if defined(__SSE2__)
    if (host.flushes) /* to zero, and takes subnormal numbers for zero */
        _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
#if defined(__GLIBC__)
    if (host.traps)
        feenableexcept(FE_ALL_EXCEPT);
    traps_before = fegetexcept();
#endif
#if defined(__SSE2__)
    if (host.traps) /* on subnormal numbers too */
        _mm_setcsr(_mm_getcsr() & ~0x1F80u);
#endif
    before = control_and_flags();
    call_in_environment(&got, threads);
    after = control_and_flags();
#if defined(__GLIBC__)
    traps = fegetexcept();
#endif
    rounding = fegetround();
    flags = fetestexcept(FE_ALL_EXCEPT);
    fesetenv(&usual);
    CHECK(memcmp(&got, want, sizeof got) == 0);
    CHECK(before == after && traps == traps_before);
    CHECK(rounding == host.rounding && flags == host.raised);
}

static void floating_point_environment(void) {
    static const float   faint[2] = {80.3f, 0.7f}; /* exp(-79.6) / 2^20 is subnormal */
    static const int     modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const int64_t label[1] = {0};
    ce_options           options = defaults();
    results              got = make_results();
    environment_results  want;
    environment          host;
    float                tiny[2];
    int                  i, kind, reduction;
    int32_t              threads;
    options.grad_loss = 0x1p-20;
    CHECK(ce_cross_entropy_f32(faint, label, 1, 2, &options, NULL, tiny) == CE_OK);
    CHECK(tiny[1] > 0 && tiny[1] < 0x1p-126f);

    call_in_environment(&want, 1);
    for (reduction = 0; reduction < 2; reduction++)
        for (kind = 0; kind < KINDS; kind++) {
            CHECK(want.status[reduction][kind][0] == CE_OK && want.status[reduction][kind][1] == CE_OK);
            CHECK(want.loss32[reduction][kind] > 0 && want.loss64[reduction][kind] > 0);
        }
    for (i = 0; i < 4; i++)
        for (threads = 1; threads <= 3; threads += 2) {
            memset(&host, 0, sizeof host);
            host.rounding = modes[i];
            calls_in(host, threads, &want);
            host.raised = FE_INEXACT | FE_OVERFLOW;
            calls_in(host, threads, &want);
            host.raised = 0, host.flushes = 1;
            calls_in(host, threads, &want);
            host.traps = 1;
            calls_in(host, threads, &want);
            host.flushes = 0;
            calls_in(host, threads, &want);
        }

    for (i = 1; i < 4; i++) {
        int32_t status;
        memset(got.grad, FILL, BIG_GRAD_BYTES);
        fesetround(modes[i]);
        status = big_call(got, 3, NULL);
        fesetround(FE_TONEAREST);
        CHECK(status == CE_OK && same(got, reference));
    }
    free_results(got);
}

int main(void) {
    make_big_problem();
    floating_point_environment();
    free_big_problem();
    return tally();
}
