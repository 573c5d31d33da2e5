/*
 * memory.h - tensors of up to four dimensions in many memory layouts.
 */
#ifndef HASHES_MEMORY_H
#define HASHES_MEMORY_H

#include "problems.h"

/* Where the elements of a tensor lie. Dimensions 0, 1 and 2 are those of the rows, c is the class
 * axis; tensors without one leave it out. */
typedef struct {
    const char *order;    /* from the slowest in memory to the fastest */
    const char *reversed; /* dimensions that run backwards */
    int         gap;      /* step of the fastest dimension */
    int         padding;  /* elements added to the step of each other dimension */
} layout;

static const layout CONTIGUOUS = {"012c", "", 1, 0};
static const layout PADDED = {"012c", "", 1, 3};
static const layout CLASSES_SLOWEST = {"c012", "", 1, 0};
static const layout CLASSES_SLOWEST_PADDED = {"c012", "", 1, 5};
static const layout CLASSES_SECOND = {"0c12", "", 1, 0};
static const layout CLASSES_THIRD = {"01c2", "", 1, 1};
static const layout TRANSPOSED = {"c210", "", 1, 0};
static const layout EVERY_SECOND_CLASS = {"012c", "", 2, 0};
static const layout EVERY_SECOND_ROW = {"c012", "", 2, 0};
static const layout CLASSES_BACKWARDS = {"012c", "c", 1, 0};
static const layout ROWS_BACKWARDS = {"c012", "012", 1, 0};
static const layout ALL_BACKWARDS = {"0c12", "012c", 1, 2};

/* The place of the class axis in the view. If it is not the list's, rows that are one dimension there
 * are folded into three. */
typedef enum { AS_LISTED, FIRST, SECOND, THIRD, LAST } class_place;

typedef struct {
    unsigned char *memory;
    int64_t        length[DIMS], step[DIMS]; /* the rows' dimensions, then the classes */
    int64_t        view_length[DIMS], view_step[DIMS];
    ce_tensor      view;
} tensor;

static int axis_of(const problem *p, class_place place) {
    return place == AS_LISTED ? p->shape->axis : (int)place - FIRST;
}

static void fold(int64_t *length) {
    int64_t rows = length[0], inner, middle;
    if (length[1] * length[2] != 1)
        return;
    for (inner = 32; rows % inner != 0; inner--) {}
    for (middle = 8; rows / inner % middle != 0; middle--) {}
    length[0] = rows / inner / middle;
    length[1] = middle;
    length[2] = inner;
}

/* Memory of `span` elements, of which the view begins with number `first`. */
static void allot(tensor *made, int32_t dtype, int64_t span, int64_t first, int misalignment) {
    made->memory = allocate((size_t)span * size_of(dtype) + 128);
    made->view.data = made->memory + (64 - (uintptr_t)made->memory % 64) + misalignment + first * (int64_t)size_of(dtype);
    made->view.dtype = dtype;
    made->view.shape = made->view_length;
    made->view.strides = made->view_step;
}

/* A tensor with an element for each row, and for each class of it if `has_classes`. */
static void make_tensor(tensor *made, const problem *p, int32_t dtype, int has_classes, class_place place,
                        const layout *where, int misalignment) {
    int64_t     step = where->gap, first = 0;
    int         axis = axis_of(p, place), i;
    const char *d;
    memcpy(made->length, p->shape->length, sizeof made->length);
    if (place != AS_LISTED)
        fold(made->length);
    made->step[CLASS_DIM] = 0;
    if (!has_classes)
        made->length[CLASS_DIM] = 1;
    for (d = where->order + strlen(where->order); d-- > where->order;) {
        i = *d == 'c' ? CLASS_DIM : *d - '0';
        if (i == CLASS_DIM && !has_classes)
            continue;
        made->step[i] = step;
        step = step * made->length[i] + where->padding;
        if (strchr(where->reversed, *d) != NULL) {
            first += made->step[i] * (made->length[i] - 1);
            made->step[i] *= -1;
        }
    }
    for (i = 0; i < DIMS; i++) {
        if (i == axis && has_classes) {
            made->view_length[made->view.ndim] = made->length[CLASS_DIM];
            made->view_step[made->view.ndim++] = made->step[CLASS_DIM];
        }
        if (i < CLASS_DIM) {
            made->view_length[made->view.ndim] = made->length[i];
            made->view_step[made->view.ndim++] = made->step[i];
        }
    }
    allot(made, dtype, step, first, misalignment);
}

/* A tensor of one dimension: class weights, or the loss as one number. */
static void make_vector(tensor *made, int32_t dtype, int64_t count) {
    int i;
    for (i = 0; i < DIMS; i++)
        made->length[i] = 1;
    made->length[CLASS_DIM] = made->view_length[0] = count;
    made->step[CLASS_DIM] = made->view_step[0] = 1;
    made->view.ndim = 1;
    allot(made, dtype, count, 0, 0);
}

static unsigned char *address(const tensor *t, int64_t element) {
    return (unsigned char *)t->view.data + element * (int64_t)size_of(t->view.dtype);
}

/* The bits of a floating-point element. */
static uint64_t get(const tensor *from, int64_t element) {
    const unsigned char *at = address(from, element);
    uint16_t             bits16;
    uint32_t             bits32;
    uint64_t             bits64;
    switch (size_of(from->view.dtype)) {
    case 2: memcpy(&bits16, at, sizeof bits16); return bits16;
    case 4: memcpy(&bits32, at, sizeof bits32); return bits32;
    default: memcpy(&bits64, at, sizeof bits64); return bits64;
    }
}

/* For each element, by rows and by classes within them: writes the next of `values`, or hashes it. The
 * hash. */
static uint64_t for_each(const tensor *t, const double *values) {
    uint64_t hash = HASH_OF_NOTHING;
    int64_t  i, j, k, c;
    for (i = 0; i < t->length[0]; i++)
        for (j = 0; j < t->length[1]; j++)
            for (k = 0; k < t->length[2]; k++)
                for (c = 0; c < t->length[CLASS_DIM]; c++) {
                    int64_t element = i * t->step[0] + j * t->step[1] + k * t->step[2] + c * t->step[CLASS_DIM];
                    if (values != NULL)
                        put(address(t, element), t->view.dtype, *values++);
                    else
                        hash = hash_bytes(hash, address(t, element), size_of(t->view.dtype));
                }
    return hash;
}

#endif
