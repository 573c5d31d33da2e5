/*
 * checks.h - compares what a call gave with the numbers and the message of the file.
 */
#ifndef VECTORS_CHECKS_H
#define VECTORS_CHECKS_H

#include "case.h"

static void check_number(const test_case *test, const char *what, int64_t index, double got,
                         double want, double tolerance) {
    int good;
    if (isnan(want))
        good = isnan(got);
    else if (isinf(want))
        good = got == want;
    else
        good = fabs(got - want) <= tolerance;
    if (!good)
        complain(test, "%s[%" PRId64 "]: got %.17g (%a), want %.17g within %.6g, off by %.6g", what,
                 index, got, got, want, tolerance, fabs(got - want));
}

/* The outputs that a call was asked for. */
static void check_numbers(const test_case *test, const outcome *base, int outputs) {
    int64_t i;
    if ((outputs & LOSS) && test->losses != count_of(&base->loss.view))
        complain(test, "the file has %" PRId64 " losses", test->losses);
    for (i = 0; i < test->losses; i++)
        check_number(test, "loss", i, float_at(&base->loss.view, i), test->loss[i],
                     test->loss_tol[i]);
    for (i = 0; i < test->grads; i++)
        check_number(test, "grad", test->grad_at[i], float_at(&base->grad.view, test->grad_at[i]),
                     test->grad[i], test->grad_tol[i]);
    if (!(outputs & TARGET_GRAD))
        return;
    if (test->target_grads != count_of(&base->target_grad.view))
        complain(test, "the file has %" PRId64 " derivatives of the target", test->target_grads);
    for (i = 0; i < test->target_grads; i++)
        check_number(test, "grad_target", i, float_at(&base->target_grad.view, i), test->target_grad[i],
                     test->target_grad_tol[i]);
}

static void check_message(const test_case *test) {
    const char *message = ce_last_error_message();
    int         i;
    if (message[0] == '\0')
        complain(test, "there is no message");
    for (i = 0; i < test->messages; i++)
        if (strstr(message, test->message[i]) == NULL)
            complain(test, "the message \"%s\" does not contain \"%s\"", message, test->message[i]);
}

#endif
