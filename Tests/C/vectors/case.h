/*
 * case.h - a case of the shared vectors, what a call of it gives, and the elements of both.
 */
#ifndef VECTORS_CASE_H
#define VECTORS_CASE_H

#include <stdarg.h>

#include "../common.h"
#include "../elements.h"

enum { MAX_NDIM = 80, WORD = 128, LINE = 512, MAX_MESSAGES = 8 };

/* A tensor with memory of its own. In outputs `memory` starts and ends with guard bytes. */
typedef struct {
    unsigned char *memory;
    size_t         bytes;
    int64_t        shape[MAX_NDIM];
    int64_t        strides[MAX_NDIM];
    ce_tensor      view;
} tensor;

/* What a case calls, in the order of tools/flatten_vectors.py. */
typedef enum {
    CROSS_ENTROPY, BINARY_CROSS_ENTROPY, KL_DIVERGENCE, HESSIAN_VECTOR_PRODUCT, HESSIAN_DIAGONAL
} function;

/* Tensors that a case may have, and that are only read; in the order of the file. */
enum {
    INPUT, TARGET, WEIGHT, POS_WEIGHT, SAMPLE_WEIGHT, PRIOR, MASK, IGNORE_INDICES, GRAD_LOSSES, TARGET_PROBS,
    TARGET_OFFSETS, VECTOR, INPUTS
};
static const char *const input_names[INPUTS] = {
    "input", "target", "weight", "pos_weight", "sample_weight", "prior", "mask", "ignore_indices", "grad_losses",
    "target_probs", "target_offsets", "vector"};

typedef struct {
    char       name[WORD];
    function   called;
    int32_t    axis;
    ce_options options; /* but for what is a tensor */
    tensor     inputs[INPUTS];
    int        has[INPUTS];
    int32_t    loss_dtype, grad_dtype;
    int        with_grad, with_target_grad;
    int32_t    status;
    int        messages;
    char       message[MAX_MESSAGES][LINE];
    int64_t    losses, grads, target_grads;
    double    *loss, *loss_tol, *grad, *grad_tol, *target_grad, *target_grad_tol;
    int64_t   *grad_at;
    int64_t    rows;       /* with statistics; -1: the case has none */
    double    *statistics; /* ROW_NUMBERS for each */
    int64_t    softmaxes;
    double    *softmax;    /* for each: index, probability, tolerance, logarithm, tolerance */
} test_case;

enum { ROW_NUMBERS = 10, CLASS_NUMBERS = 5 };

/* The outputs of one call. */
typedef struct {
    int32_t status;
    tensor  loss, grad, target_grad;
} outcome;

/* Which of them a call is asked for. */
enum { LOSS = 1, GRAD = 2, TARGET_GRAD = 4 };

static int complaints; /* of the current case */

static void complain(const test_case *test, const char *format, ...) {
    va_list arguments;
    if (++complaints > 8)
        return;
    printf("FAIL %s: ", test->name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* Elements --------------------------------------------------------------------------------- */

static int is_float(int32_t dtype) { return dtype == CE_F32 || dtype == CE_F64; }

/* The number of elements; -1 for shapes of error cases that have none. */
static int64_t count_of(const ce_tensor *view) {
    int64_t count = 1;
    int32_t axis;
    for (axis = 0; axis < view->ndim; axis++) {
        if (view->shape[axis] < 0 || (view->shape[axis] > 0 && count > 100000000 / view->shape[axis]))
            return -1;
        count *= view->shape[axis];
    }
    return count;
}

/* The address of an element, given its index in row-major order. */
static unsigned char *element(const ce_tensor *view, int64_t index) {
    int64_t distance = 0, contiguous = 1, position;
    int32_t axis;
    for (axis = view->ndim - 1; axis >= 0; axis--) {
        position = index % view->shape[axis];
        index /= view->shape[axis];
        distance += position * (view->strides != NULL ? view->strides[axis] : contiguous);
        contiguous *= view->shape[axis];
    }
    return (unsigned char *)view->data + distance * (int64_t)size_of(view->dtype);
}

static double float_at(const ce_tensor *view, int64_t index) {
    uint16_t half;
    float    single;
    double   number;
    if (is_half(view->dtype)) {
        memcpy(&half, element(view, index), sizeof half);
        return widened(view->dtype, half);
    }
    if (view->dtype == CE_F32) {
        memcpy(&single, element(view, index), sizeof single);
        return single;
    }
    memcpy(&number, element(view, index), sizeof number);
    return number;
}

/* A label as int64; 0 if it does not fit. */
static int label_at(const ce_tensor *view, int64_t index, int64_t *label) {
    union {
        int8_t i8; int16_t i16; int32_t i32; int64_t i64;
        uint8_t u8; uint16_t u16; uint32_t u32; uint64_t u64;
    } any;
    memcpy(&any, element(view, index), size_of(view->dtype));
    switch (view->dtype) {
    case CE_I8: *label = any.i8; return 1;
    case CE_I16: *label = any.i16; return 1;
    case CE_I32: *label = any.i32; return 1;
    case CE_I64: *label = any.i64; return 1;
    case CE_U8: *label = any.u8; return 1;
    case CE_U16: *label = any.u16; return 1;
    case CE_U32: *label = any.u32; return 1;
    default: *label = (int64_t)(any.u64 & INT64_MAX); return any.u64 <= INT64_MAX;
    }
}

#endif
