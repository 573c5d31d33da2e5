/*
 * case_calls.h - the call that a case states, with its outputs or some of them.
 */
#ifndef VECTORS_CASE_CALLS_H
#define VECTORS_CASE_CALLS_H

#include "case.h"
#include "tensors.h"

/* The case's options with these tensors, which have to outlive them. */
static ce_options with_tensors(const test_case *test, const tensor *inputs) {
    ce_options options = test->options;
    options.weight = test->has[WEIGHT] ? &inputs[WEIGHT].view : NULL;
    options.pos_weight = test->has[POS_WEIGHT] ? &inputs[POS_WEIGHT].view : NULL;
    options.sample_weight = test->has[SAMPLE_WEIGHT] ? &inputs[SAMPLE_WEIGHT].view : NULL;
    options.prior = test->has[PRIOR] ? &inputs[PRIOR].view : NULL;
    options.mask = test->has[MASK] ? &inputs[MASK].view : NULL;
    options.ignore_indices = test->has[IGNORE_INDICES] ? &inputs[IGNORE_INDICES].view : NULL;
    options.grad_losses = test->has[GRAD_LOSSES] ? &inputs[GRAD_LOSSES].view : NULL;
    options.target_probs = test->has[TARGET_PROBS] ? &inputs[TARGET_PROBS].view : NULL;
    options.target_offsets = test->has[TARGET_OFFSETS] ? &inputs[TARGET_OFFSETS].view : NULL;
    return options;
}

static int is_hessian(const test_case *test) {
    return test->called == HESSIAN_VECTOR_PRODUCT || test->called == HESSIAN_DIAGONAL;
}

/* The case's call with these tensors; each output may be NULL. Second derivatives have no loss. */
static int32_t call(const test_case *test, const tensor *inputs, int32_t threads, const ce_tensor *loss,
                    const ce_tensor *grad, const ce_tensor *target_grad) {
    const ce_tensor *input = &inputs[INPUT].view, *target = &inputs[TARGET].view;
    ce_options       options = with_tensors(test, inputs);
    const ce_outputs outputs = {sizeof outputs, loss, grad, target_grad, NULL};
    options.threads = threads;
    switch (test->called) {
    case CROSS_ENTROPY: return ce_cross_entropy(input, test->axis, target, &options, &outputs);
    case BINARY_CROSS_ENTROPY: return ce_binary_cross_entropy(input, test->axis, target, &options, &outputs);
    case KL_DIVERGENCE: return ce_kl_divergence(input, test->axis, target, &options, &outputs);
    case HESSIAN_VECTOR_PRODUCT:
        return ce_hessian_vector_product(input, test->axis, target, &options, &inputs[VECTOR].view, grad);
    default: return ce_hessian_diagonal(input, test->axis, target, &options, grad);
    }
}

/* All that the case asks for. */
static int asked(const test_case *test) {
    return (is_hessian(test) ? 0 : LOSS) | (test->with_grad ? GRAD : 0) | (test->with_target_grad ? TARGET_GRAD : 0);
}

/* The same for some of the outputs of `made`. */
static void call_for(const test_case *test, const tensor *inputs, int32_t threads, outcome *made, int outputs) {
    made->status = call(test, inputs, threads, outputs & LOSS ? &made->loss.view : NULL,
                        outputs & GRAD ? &made->grad.view : NULL,
                        outputs & TARGET_GRAD ? &made->target_grad.view : NULL);
}

/* The loss's dimensions: none, the input's without the class axis, or all of the input's. */
static int32_t loss_shape(const test_case *test, int64_t *shape) {
    const ce_tensor *input = &test->inputs[INPUT].view;
    int32_t          axis = test->axis < 0 ? test->axis + input->ndim : test->axis, i, ndim = 0;
    if (test->called == BINARY_CROSS_ENTROPY && test->options.reduction == CE_REDUCTION_NONE) {
        memcpy(shape, input->shape, (size_t)input->ndim * sizeof *shape);
        return input->ndim;
    }
    if (test->options.reduction != CE_REDUCTION_NONE || axis < 0 || axis >= input->ndim)
        return 0;
    for (i = 0; i < input->ndim; i++)
        if (i != axis)
            shape[ndim++] = input->shape[i];
    return ndim;
}

static void make_outputs(const test_case *test, outcome *made, layout where) {
    const tensor *target = &test->inputs[TARGET];
    int64_t       shape[MAX_NDIM];
    int32_t       ndim = loss_shape(test, shape);
    make_tensor(&made->loss, test->loss_dtype, ndim, shape, where);
    make_tensor(&made->grad, test->grad_dtype, test->inputs[INPUT].view.ndim, test->inputs[INPUT].shape, where);
    /* Integers have no derivative, and are to be refused for that, not for its dtype. */
    make_tensor(&made->target_grad, target->view.dtype < CE_I8 ? target->view.dtype : CE_F32, target->view.ndim, target->shape,
                where);
}

static int grad_fits(const test_case *test) {
    int32_t dtype = test->inputs[INPUT].view.dtype;
    return test->grad_dtype == dtype || (is_half(dtype) && test->grad_dtype == CE_F32);
}

static void free_outputs(outcome *made) {
    free(made->loss.memory);
    free(made->grad.memory);
    free(made->target_grad.memory);
}

#endif
