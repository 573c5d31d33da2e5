/*
 * tensors.h - tensors of the program's own, in several memory layouts, with guard bytes around them.
 */
#ifndef VECTORS_TENSORS_H
#define VECTORS_TENSORS_H

#include "case.h"

enum { GUARD = 64 };

/* Where a new tensor lies: row-major at an aligned address; or, to be as different as it can,
 * with the first axis fastest, a gap after each element, the last axis backwards, at an odd address. */
typedef enum { ROW_MAJOR, ELSEWHERE } layout;

static void make_tensor(tensor *made, int32_t dtype, int32_t ndim, const int64_t *shape, layout where) {
    int64_t count, span = 1;
    size_t  size = size_of(dtype);
    int32_t axis;
    memset(made, 0, sizeof *made);
    memcpy(made->shape, shape, (size_t)ndim * sizeof *shape);
    made->view.dtype = dtype;
    made->view.ndim = ndim;
    made->view.shape = made->shape;
    count = count_of(&made->view);
    if (count < 0)
        count = 8; /* an error case: nothing may be written anyway */
    else if (where == ELSEWHERE) {
        span = 2;
        for (axis = 0; axis < ndim; axis++) {
            made->strides[axis] = span;
            span *= shape[axis];
        }
        made->view.strides = made->strides;
        count *= 2;
    }
    made->bytes = (size_t)count * size + 2 * GUARD + 1;
    made->memory = allocate(made->bytes);
    memset(made->memory, FILL, made->bytes);
    made->view.data = made->memory + GUARD + (where == ELSEWHERE ? 1 : 0);
    if (where == ELSEWHERE && ndim > 0 && shape[ndim - 1] > 0 && count > 0) {
        made->view.data = (unsigned char *)made->view.data +
                          made->strides[ndim - 1] * (shape[ndim - 1] - 1) * (int64_t)size;
        made->strides[ndim - 1] *= -1;
    }
}

/* Lays a row-major tensor that has no elements yet out anew: one axis, that of the classes, slowest. */
static void make_slowest(tensor *made, int32_t class_axis) {
    int64_t span = 1;
    int32_t axis, last = made->view.ndim - 1;
    if (count_of(&made->view) <= 0 || last < 0)
        return;
    if (class_axis < 0)
        class_axis = last;
    for (axis = last; axis >= 0; axis--)
        if (axis != class_axis) {
            made->strides[axis] = span;
            span *= made->shape[axis];
        }
    made->strides[class_axis] = span;
    made->view.strides = made->strides;
}

static void copy_elements(const ce_tensor *from, const ce_tensor *to) {
    int64_t i, count = count_of(from);
    for (i = 0; i < count; i++)
        memcpy(element(to, i), element(from, i), size_of(from->dtype));
}

static int untouched(const tensor *output) { return is_fill(output->memory, output->bytes); }

/* Whether all bytes between and around the elements are as they were in `before`. */
static int untouched_between(const tensor *output, const unsigned char *before) {
    unsigned char *copy = allocate(output->bytes);
    int64_t        i, count = count_of(&output->view);
    int            same;
    memcpy(copy, output->memory, output->bytes);
    for (i = 0; i < count; i++) {
        ptrdiff_t at = element(&output->view, i) - output->memory;
        memcpy(copy + at, before + at, size_of(output->view.dtype));
    }
    same = memcmp(copy, before, output->bytes) == 0;
    free(copy);
    return same;
}

static int same_bits(const ce_tensor *a, const ce_tensor *b) {
    int64_t i, count = count_of(a);
    for (i = 0; i < count; i++)
        if (memcmp(element(a, i), element(b, i), size_of(a->dtype)) != 0)
            return 0;
    return 1;
}

/* Whether distinct elements of the input lie at distinct addresses; true for what the cases have
 * unless a stride is 0. */
static int distinct(const ce_tensor *view) {
    int32_t axis;
    for (axis = 0; view->strides != NULL && axis < view->ndim; axis++)
        if (view->strides[axis] == 0 && view->shape[axis] > 1)
            return 0;
    return 1;
}

#endif
