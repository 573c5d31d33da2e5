/*
 * matrix.h - tensors of two dimensions in several memory layouts, or of one, for the programs that hash.h serves.
 */
#ifndef MATRIX_H
#define MATRIX_H

#include "elements.h"
#include "hash.h"

typedef enum { CONTIGUOUS, PADDED, COLUMNS, BACKWARDS, ODD_ADDRESS, LAYOUTS } layout;

/* Elements are counted row by row, also where `is_turned` has a view with the dimensions in the other order. */
typedef struct {
    unsigned char *memory, *start; /* of the allocation; the first element */
    int32_t        dtype, ndim;
    int            is_turned;
    int64_t        rows, columns, shape[2], strides[2];
    ce_tensor      view;
} matrix;

static inline matrix make_matrix(int32_t dtype, int64_t rows, int64_t columns, layout where, int is_turned) {
    matrix  made;
    int64_t row_step = columns, step = 1, first = 0;
    size_t  size = size_of(dtype);
    if (where == PADDED)
        row_step = columns * 2 + 3, step = 2;
    if (where == COLUMNS)
        row_step = 1, step = rows;
    if (where == BACKWARDS)
        row_step = -columns, step = -1, first = rows * columns - 1;
    memset(&made, 0, sizeof made);
    made.memory = allocate((size_t)(2 * rows * columns + 3 * rows + 16) * size);
    made.start = made.memory + (where == ODD_ADDRESS) + (size_t)first * size;
    made.dtype = dtype;
    made.ndim = 2;
    made.is_turned = is_turned;
    made.rows = rows, made.columns = columns;
    made.shape[is_turned] = rows, made.shape[!is_turned] = columns;
    made.strides[is_turned] = row_step, made.strides[!is_turned] = step;
    return made;
}

/* One dimension: a number for each row. */
static inline matrix make_vector(int32_t dtype, int64_t rows, layout where) {
    matrix made = make_matrix(dtype, rows, 1, where, 0);
    made.ndim = 1;
    return made;
}

/* For a call; good until the matrix is moved. */
static inline ce_tensor *view_of(matrix *m) {
    m->view.data = m->start;
    m->view.dtype = m->dtype;
    m->view.ndim = m->ndim;
    m->view.shape = m->shape;
    m->view.strides = m->strides;
    return &m->view;
}

static inline unsigned char *at(const matrix *m, int64_t i) {
    int64_t offset = i / m->columns * m->strides[m->is_turned] + i % m->columns * m->strides[!m->is_turned];
    return m->start + offset * (int64_t)size_of(m->dtype);
}

static inline void fill(matrix *m, const double *values) {
    int64_t i;
    for (i = 0; i < m->rows * m->columns; i++)
        put(at(m, i), m->dtype, values[i]);
}

static inline uint64_t hash_of(const matrix *m) {
    uint64_t hash = HASH_OF_NOTHING;
    int64_t  i;
    for (i = 0; i < m->rows * m->columns; i++)
        hash = hash_bytes(hash, at(m, i), size_of(m->dtype));
    return hash;
}

/* `count` rows of it, from row `first` on, in the same memory. */
static inline matrix rows_of(const matrix *m, int64_t first, int64_t count) {
    matrix part = *m;
    part.start = at(m, first * m->columns);
    part.rows = part.shape[m->is_turned] = count;
    return part;
}

#endif
