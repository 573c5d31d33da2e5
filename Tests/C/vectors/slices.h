/*
 * slices.h - loss and gradient of a case from partial statistics of its classes.
 */
#ifndef VECTORS_SLICES_H
#define VECTORS_SLICES_H

#include "case_calls.h"
#include "checks.h"

/* Classes from `first` on of a view, of which `axis` is the class axis. */
static ce_tensor slice_of(const ce_tensor *view, int32_t axis, int64_t first, int64_t count, int64_t *shape,
                          int64_t *strides) {
    ce_tensor made = *view;
    int64_t   contiguous = 1;
    int32_t   i;
    for (i = view->ndim - 1; i >= 0; i--) {
        shape[i] = view->shape[i];
        strides[i] = view->strides != NULL ? view->strides[i] : contiguous;
        contiguous *= view->shape[i];
    }
    made.data = (unsigned char *)view->data + first * strides[axis] * (int64_t)size_of(view->dtype);
    shape[axis] = count;
    made.shape = shape;
    made.strides = strides;
    return made;
}

/* Loss and gradient from partial statistics, where these can state the case: of all classes at once or, of more than a
 * block, the first block and the others. */
static void run_slices(const test_case *test) {
    const ce_tensor *input = &test->inputs[INPUT].view, *target = &test->inputs[TARGET].view;
    int32_t          axis = test->axis < 0 ? test->axis + input->ndim : test->axis, i;
    int64_t          classes = input->shape[axis], rows = 1, row, part, parts = classes > CE_BLOCK ? 2 : 1;
    int64_t          shape[MAX_NDIM], strides[MAX_NDIM];
    ce_options       options = with_tensors(test, test->inputs);
    tensor           weights;
    outcome          got;
    ce_partial      *partials[2];
    int              is_none = options.reduction == CE_REDUCTION_NONE;
    if (test->called != CROSS_ENTROPY || options.input_type != CE_INPUT_LOGITS || target->dtype < CE_I8 ||
        test->has[TARGET_PROBS] || test->has[PRIOR] || test->has[MASK] || test->has[IGNORE_INDICES] ||
        test->has[GRAD_LOSSES] || options.label_smoothing != 0 || options.temperature != 1 ||
        options.temperature_squared != 0 || !is_float(test->loss_dtype))
        return;
    for (i = 0; i < input->ndim; i++)
        rows *= i == axis ? 1 : input->shape[i];
    for (part = 0; part < parts; part++) {
        int64_t   first = part * CE_BLOCK, count = parts == 1 ? classes : part == 0 ? CE_BLOCK : classes - CE_BLOCK;
        ce_tensor slice = slice_of(input, axis, first, count, shape, strides);
        partials[part] = allocate((size_t)rows * sizeof(ce_partial));
        if (ce_partial_compute(&slice, test->axis, first, target, &options, partials[part]) != CE_OK)
            complain(test, "partial statistics: %s", ce_last_error_message());
    }
    if (parts == 2 && ce_partial_merge(partials[0], partials[1], rows) != CE_OK)
        complain(test, "partial statistics: %s", ce_last_error_message());

    make_outputs(test, &got, ROW_MAJOR);
    memset(&weights, 0, sizeof weights);
    if (test->has[SAMPLE_WEIGHT]) { /* in the loss a list */
        const ce_tensor *given = &test->inputs[SAMPLE_WEIGHT].view;
        make_tensor(&weights, given->dtype, 1, &rows, ROW_MAJOR);
        for (row = 0; row < rows; row++)
            memcpy(element(&weights.view, row), element(given, row), size_of(given->dtype));
        options.sample_weight = &weights.view;
    }
    {
        ce_tensor loss = got.loss.view;
        loss.ndim = is_none ? 1 : 0;
        loss.shape = &rows;
        loss.strides = NULL;
        if (ce_partial_loss(partials[0], rows, classes, &options, &loss) != CE_OK)
            complain(test, "loss of partial statistics: %s", ce_last_error_message());
    }
    options = with_tensors(test, test->inputs);
    for (part = 0; part < parts; part++) {
        int64_t   first = part * CE_BLOCK, count = parts == 1 ? classes : part == 0 ? CE_BLOCK : classes - CE_BLOCK;
        int64_t   grad_shape[MAX_NDIM], grad_strides[MAX_NDIM];
        ce_tensor slice = slice_of(input, axis, first, count, shape, strides);
        ce_tensor grad = slice_of(&got.grad.view, axis, first, count, grad_shape, grad_strides);
        if (ce_partial_grad(&slice, test->axis, first, partials[0], classes, &options, &grad) != CE_OK)
            complain(test, "gradient of partial statistics: %s", ce_last_error_message());
        free(partials[part] == partials[0] ? NULL : partials[part]);
    }
    if (complaints == 0) {
        check_numbers(test, &got, LOSS | GRAD);
        if (complaints > 0)
            complain(test, "... by partial statistics");
    }
    free(partials[0]);
    free(weights.memory);
    free_outputs(&got);
}

#endif
