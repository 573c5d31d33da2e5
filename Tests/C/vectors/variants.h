/*
 * variants.h - the same call in other ways, which have to give the same bits: fewer outputs, more threads, other memory
 * layouts, in place, the plain call.
 */
#ifndef VECTORS_VARIANTS_H
#define VECTORS_VARIANTS_H

#include "../calls.h"
#include "case_calls.h"
#include "checks.h"

static void compare_output(const test_case *test, const char *variant, const char *name, const tensor *got,
                           const tensor *base, int is_wanted) {
    unsigned char *fill = allocate(got->bytes);
    memset(fill, FILL, got->bytes);
    if (is_wanted ? !untouched_between(got, fill) : !untouched(got))
        complain(test, "%s: memory beside the %s changed", variant, name);
    if (is_wanted && !same_bits(&got->view, &base->view))
        complain(test, "%s: the %s has other bits", variant, name);
    free(fill);
}

/* Compares what a variant of the call, for some of the outputs, gave with what the first call gave. */
static void compare(const test_case *test, const char *variant, const outcome *got, const outcome *base, int outputs) {
    if (got->status != base->status)
        complain(test, "%s: status %d, not %d: %s", variant, (int)got->status, (int)base->status,
                 ce_last_error_message());
    if (got->status != CE_OK || base->status != CE_OK) {
        if (!untouched(&got->loss) || !untouched(&got->grad) || !untouched(&got->target_grad))
            complain(test, "%s: outputs changed though the call failed", variant);
        return;
    }
    compare_output(test, variant, "loss", &got->loss, &base->loss, outputs & LOSS);
    compare_output(test, variant, "gradient", &got->grad, &base->grad, outputs & GRAD);
    compare_output(test, variant, "gradient of the target", &got->target_grad, &base->target_grad,
                   outputs & TARGET_GRAD);
}

/* The call with some of its outputs left out, or with another number of threads. */
static void run_variant(const test_case *test, const outcome *base, const char *name, int outputs, int32_t threads) {
    outcome got;
    make_outputs(test, &got, ROW_MAJOR);
    call_for(test, test->inputs, threads, &got, outputs);
    compare(test, name, &got, base, outputs);
    free_outputs(&got);
}

/* The call with every tensor elsewhere in memory, but for those that have to be contiguous. */
static void run_elsewhere(const test_case *test, const outcome *base) {
    tensor  moved[INPUTS];
    outcome got;
    int     i;
    for (i = 0; i < INPUTS; i++) {
        const tensor *original = &test->inputs[i];
        layout        where = i == IGNORE_INDICES || i == TARGET_OFFSETS ? ROW_MAJOR : ELSEWHERE;
        memset(&moved[i], 0, sizeof moved[i]);
        if (!test->has[i])
            continue;
        make_tensor(&moved[i], original->view.dtype, original->view.ndim, original->shape, where);
        copy_elements(&original->view, &moved[i].view);
    }
    make_outputs(test, &got, ELSEWHERE);
    call_for(test, moved, test->options.threads, &got, asked(test));
    compare(test, "elsewhere in memory", &got, base, asked(test));
    free_outputs(&got);
    for (i = 0; i < INPUTS; i++)
        free(moved[i].memory);
}

/* The call with rows that are neighbours in memory while their classes are not: tiles, or class by class. */
static void run_side_by_side(const test_case *test, const outcome *base) {
    const tensor *original = &test->inputs[INPUT];
    tensor        inputs[INPUTS];
    outcome       got;
    memcpy(inputs, test->inputs, sizeof inputs);
    make_tensor(&inputs[INPUT], original->view.dtype, original->view.ndim, original->shape, ROW_MAJOR);
    make_slowest(&inputs[INPUT], test->axis);
    copy_elements(&original->view, &inputs[INPUT].view);
    make_outputs(test, &got, ROW_MAJOR);
    make_slowest(&got.grad, test->axis);
    call_for(test, inputs, test->options.threads, &got, asked(test));
    compare(test, "rows side by side", &got, base, asked(test));
    free_outputs(&got);
    free(inputs[INPUT].memory);
}

/* The call with the gradient written over one of its inputs, a copy of which lies between guard bytes. */
static void run_in_place(const test_case *test, const outcome *base, int replaced) {
    const tensor  *original = &test->inputs[replaced];
    ptrdiff_t      offset = (unsigned char *)original->view.data - original->memory;
    tensor         inputs[INPUTS], *place = &inputs[replaced];
    unsigned char *before;
    outcome        got;
    const char    *name = input_names[replaced];
    memcpy(inputs, test->inputs, sizeof inputs);
    place->bytes += 2 * GUARD;
    before = allocate(place->bytes);
    memset(before, FILL, place->bytes);
    memcpy(before + GUARD, original->memory, original->bytes);
    place->memory = allocate(place->bytes);
    memcpy(place->memory, before, place->bytes);
    place->view.data = place->memory + GUARD + offset;
    make_outputs(test, &got, ROW_MAJOR);
    got.status = call(test, inputs, test->options.threads, &got.loss.view, &place->view,
                      test->with_target_grad ? &got.target_grad.view : NULL);
    if (got.status != CE_OK)
        complain(test, "in place of the %s: status %d: %s", name, (int)got.status, ce_last_error_message());
    else {
        if (!is_hessian(test) && !same_bits(&got.loss.view, &base->loss.view))
            complain(test, "in place of the %s: the loss has other bits", name);
        if (!same_bits(&place->view, &base->grad.view))
            complain(test, "in place of the %s: the gradient has other bits", name);
        if (test->with_target_grad && !same_bits(&got.target_grad.view, &base->target_grad.view))
            complain(test, "in place of the %s: the gradient of the target has other bits", name);
    }
    if (!untouched_between(place, before))
        complain(test, "in place: memory between or beside the %s's elements changed", name);
    free_outputs(&got);
    free(before);
    free(place->memory);
}

/* The plain call for contiguous rows, separate and in place, where it can state the case. */
static void run_plain(const test_case *test, const outcome *base) {
    const ce_tensor *input = &test->inputs[INPUT].view, *target = &test->inputs[TARGET].view;
    ce_options       options = with_tensors(test, test->inputs);
    int64_t          rows = 1, classes, i, *labels;
    int              fits = 1, in_place;
    if (test->called != CROSS_ENTROPY || test->with_target_grad || input->ndim < 1 || input->ndim > CE_MAX_NDIM ||
        !is_float(input->dtype) || test->loss_dtype != input->dtype || test->grad_dtype != input->dtype ||
        (test->axis != -1 && test->axis != input->ndim - 1) || count_of(input) < 0 || target->dtype < CE_I8 ||
        target->dtype > CE_U64 || target->ndim != input->ndim - 1 || test->has[TARGET_PROBS] ||
        ((test->has[SAMPLE_WEIGHT] || test->has[MASK] || test->has[GRAD_LOSSES]) && input->ndim != 2))
        return;
    for (i = 0; i < target->ndim; i++) {
        fits = fits && target->shape[i] == input->shape[i];
        rows *= input->shape[i];
    }
    classes = input->shape[input->ndim - 1];
    labels = allocate((size_t)(rows > 0 ? rows : 1) * sizeof *labels);
    for (i = 0; i < rows && fits; i++)
        fits = label_at(target, i, &labels[i]);
    for (in_place = 0; fits && in_place < 2; in_place++) {
        tensor         logits;
        unsigned char *before;
        outcome        got;
        void          *grad;
        make_tensor(&logits, input->dtype, input->ndim, test->inputs[INPUT].shape, ROW_MAJOR);
        copy_elements(input, &logits.view);
        before = allocate(logits.bytes);
        memcpy(before, logits.memory, logits.bytes);
        make_outputs(test, &got, ROW_MAJOR);
        grad = in_place ? logits.view.data : got.grad.view.data;
        got.status = input->dtype == CE_F32
                         ? ce_cross_entropy_f32(logits.view.data, labels, rows, classes,
                                                &options, got.loss.view.data, grad)
                         : ce_cross_entropy_f64(logits.view.data, labels, rows, classes,
                                                &options, got.loss.view.data, grad);
        compare(test, in_place ? "plain call in place" : "plain call", &got, base, in_place ? LOSS : LOSS | GRAD);
        if (in_place && base->status == CE_OK && !same_bits(&logits.view, &base->grad.view))
            complain(test, "plain call in place: the gradient has other bits");
        if (in_place && base->status == CE_OK ? !untouched_between(&logits, before)
                                              : memcmp(logits.memory, before, logits.bytes) != 0)
            complain(test, "plain call: the logits or memory beside them changed");
        free(before);
        free_outputs(&got);
        free(logits.memory);
    }
    free(labels);
}

/* The call of a divergence without the target's gradient, which has to be as exact, but is not of the same bits: f32 logits
 * are computed in f64 where that gradient is wanted. */
static void run_without_target_grad(const test_case *test) {
    outcome got;
    make_outputs(test, &got, ROW_MAJOR);
    call_for(test, test->inputs, test->options.threads, &got, LOSS | GRAD);
    if (got.status != CE_OK)
        complain(test, "without the gradient of the target: status %d: %s", (int)got.status, ce_last_error_message());
    else
        check_numbers(test, &got, LOSS | GRAD);
    if (!untouched(&got.target_grad))
        complain(test, "without the gradient of the target: it changed");
    free_outputs(&got);
}

/* Whether the gradient may take the place of a tensor. */
static int fits_in_place(const test_case *test, int replaced) {
    const tensor *place = &test->inputs[replaced];
    return test->has[replaced] && distinct(&place->view) && test->grad_dtype == place->view.dtype;
}

#endif
