/*
 * vectors - runs the shared test cases through libcrossentropy's C interface.
 *
 *     vectors FLAT_FILE [--quick] [--results OUT]
 *
 * FLAT_FILE is what tools/flatten_vectors.py derives from Tests/Vectors/vectors.json; its format is
 * described there. Of every case it checks the status, the message, loss and gradient within the
 * tolerances of the file and nothing more, and that
 *
 *  - the same call for the loss alone, each gradient alone, the gradient in place (of the input, and of the
 *    vector that a Hessian is multiplied with), with one and with three threads, with every tensor
 *    elsewhere in memory (other strides, odd addresses), and with the rows side by side, class after class, gives
 *    the same bits;
 *  - so does the plain call for contiguous rows where it can state the case;
 *  - partial statistics of the classes, in one slice or two, give loss and gradient within the same tolerances;
 *  - no byte outside the outputs' elements changes, none at all if the call fails, and no input.
 *
 * The last line is "N passed, M failed", in cases; the exit status is 0 if M is 0. With --results
 * OUT gets a line for each case: name, status, number of losses, losses, number of gradient elements
 * (those of the file), elements; numbers as %a. Derivatives with respect to the target are not among them. --quick leaves
 * out the cases of large inputs, for emulators.
 */
#include "vectors/case.h"
#include "vectors/case_calls.h"
#include "vectors/checks.h"
#include "vectors/reading.h"
#include "vectors/slices.h"
#include "vectors/statistics.h"
#include "vectors/variants.h"

enum { LARGE = 2048 }; /* bytes of an input that --quick leaves out */

static void write_number(FILE *out, double value) {
    if (isnan(value))
        fprintf(out, " nan");
    else
        fprintf(out, " %a", value);
}

static void write_results(FILE *out, const test_case *test, const outcome *base) {
    int64_t i, losses = base->status == CE_OK ? test->losses : 0;
    int64_t grads = base->status == CE_OK ? test->grads : 0;
    fprintf(out, "%s %d %" PRId64, test->name, (int)base->status, losses);
    for (i = 0; i < losses; i++)
        write_number(out, float_at(&base->loss.view, i));
    fprintf(out, " %" PRId64, grads);
    for (i = 0; i < grads; i++)
        write_number(out, float_at(&base->grad.view, test->grad_at[i]));
    fprintf(out, "\n");
}

static void run_case(const test_case *test, FILE *results) {
    unsigned char *before[INPUTS];
    outcome        base, same;
    int            i, all = asked(test), kept = test->called == KL_DIVERGENCE ? all & TARGET_GRAD : 0;
    for (i = 0; i < INPUTS; i++) {
        before[i] = allocate(test->inputs[i].bytes);
        if (test->inputs[i].bytes > 0)
            memcpy(before[i], test->inputs[i].memory, test->inputs[i].bytes);
    }

    make_outputs(test, &base, ROW_MAJOR);
    call_for(test, test->inputs, test->options.threads, &base, all);
    if (base.status != test->status)
        complain(test, "status %d (%s), not %d (%s): \"%s\"", (int)base.status,
                 ce_status_string(base.status), (int)test->status, ce_status_string(test->status),
                 ce_last_error_message());
    else if (base.status != CE_OK)
        check_message(test);
    else
        check_numbers(test, &base, all);
    same = base;
    compare(test, "all outputs", &same, &base, all);

    if (!is_hessian(test) && !(test->with_target_grad && base.status != CE_OK)) {
        if (grad_fits(test)) /* otherwise leaving the gradient out mends the call */
            run_variant(test, &base, "loss alone", LOSS | kept, test->options.threads);
        if (test->with_grad && is_float(test->loss_dtype)) /* likewise the loss */
            run_variant(test, &base, "gradient alone", GRAD | kept, test->options.threads);
        if (kept)
            run_without_target_grad(test);
    }
    if (test->with_target_grad && base.status == CE_OK)
        run_variant(test, &base, "gradient of the target alone", TARGET_GRAD, test->options.threads);
    if (test->with_grad)
        run_plain(test, &base);
    if (test->with_grad && base.status == CE_OK) {
        run_variant(test, &base, "one thread", all, 1);
        run_variant(test, &base, "three threads", all, 3);
        run_elsewhere(test, &base);
        run_side_by_side(test, &base);
        run_slices(test);
        if (fits_in_place(test, INPUT))
            run_in_place(test, &base, INPUT);
        if (fits_in_place(test, VECTOR))
            run_in_place(test, &base, VECTOR);
    }
    if (base.status == CE_OK)
        run_statistics(test, &base);
    for (i = 0; i < INPUTS; i++) {
        const tensor *input = &test->inputs[i];
        if (input->bytes > 0 && memcmp(before[i], input->memory, input->bytes) != 0)
            complain(test, "%s has changed", input_names[i]);
        free(before[i]);
    }
    if (results != NULL)
        write_results(results, test, &base);
    free_outputs(&base);
}

int main(int argc, char **argv) {
    FILE      *results = NULL;
    int64_t    count, i;
    test_case *test = allocate(sizeof *test);
    int        is_quick = argc > 2 && strcmp(argv[2], "--quick") == 0, options = is_quick ? 3 : 2;
    if (argc != options && !(argc == options + 2 && strcmp(argv[options], "--results") == 0))
        stop("usage: vectors FLAT_FILE [--quick] [--results OUT]");
    file = fopen(argv[1], "r");
    if (file == NULL)
        stop("cannot read the file");
    if (argc > options && (results = fopen(argv[options + 1], "w")) == NULL)
        stop("cannot write the results");
    expect("vectors");
    expect("1");
    count = integer();
    for (i = 0; i < count; i++) {
        expect("case");
        memset(test, 0, sizeof *test);
        read_case(test);
        if (!is_quick || test->inputs[INPUT].bytes <= LARGE) {
            complaints = 0;
            run_case(test, results);
            if (complaints > 8)
                printf("FAIL %s: and %d more\n", test->name, complaints - 8);
            count_check(complaints == 0);
        }
        free_case(test);
    }
    expect("end");
    fclose(file);
    if (results != NULL && fclose(results) != 0)
        stop("cannot write the results");
    free(test);
    return tally();
}
