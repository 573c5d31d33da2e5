// Kernels for rows of few f32 or 16-bit logits with labels, up to a thousand rows at a time.
#ifndef CROSSENTROPY_SHORT_ROW_KERNELS_H
#define CROSSENTROPY_SHORT_ROW_KERNELS_H

#include "Numbers.h"

// The most classes of a short row.
#define CROSSENTROPY_SHORT_CLASSES 128
// The most rows that a kernel gets; and how many of them are computed side by side.
#define CROSSENTROPY_SHORT_ROWS 1024
#define CROSSENTROPY_SHORT_GROUP 16

// Strides are in elements. Arrays with a number for each row are padded to a multiple of CROSSENTROPY_SHORT_GROUP.
typedef struct crossentropy_short_rows {
    const void    *input;             // the first row's first class
    int64_t        classes;           // 1 to CROSSENTROPY_SHORT_CLASSES
    int64_t        rows;              // 1 to CROSSENTROPY_SHORT_ROWS
    int64_t        input_stride;      // from class to class
    int64_t        input_row_stride;  // from row to row
    void          *grad;              // NULL: no gradient. May be input, with the same strides
    int64_t        grad_stride;
    int64_t        grad_row_stride;
    int32_t        input_format;      // CROSSENTROPY_NATIVE ...
    int32_t        grad_format;
    const int64_t *label;             // a label that is not a class makes its row NaN
    int64_t        ignored;           // rows with this label have loss and gradient 0, whatever they hold
    double         scale;             // multiplies all gradients, if grad_scale is NULL
    const double  *loss_scale;        // multiplies the loss; NULL: 1
    const double  *grad_scale;        // multiplies the gradient; NULL: `scale`
    const double  *sample_weight;     // multiplies the z-loss; part of loss_scale
    const double  *grad_weight;       // multiplies the gradient of the z-loss; part of grad_scale
    crossentropy_exponent_scale exponent_scale;
    crossentropy_terms terms;
    double         smoothing;         // label smoothing, evenly; only for 4 classes and more, and without terms
    double        *loss;              // the result: a loss for each row
    void          *scratch;           // crossentropy_short_bytes() of this thread's own, 128-byte aligned
} crossentropy_short_rows;

// Rows that are copied together before they are computed, if their classes lie apart: a multiple of
// CROSSENTROPY_SHORT_GROUP whose copy stays in the core's caches.
static inline int64_t crossentropy_short_strip(int64_t classes) {
    const int64_t rows = 32768 / classes;
    return (rows < CROSSENTROPY_SHORT_ROWS ? rows : CROSSENTROPY_SHORT_ROWS) & -CROSSENTROPY_SHORT_GROUP;
}
// Rows whose exponentials are kept at a time, if their classes are neighbours: as many as stay in the nearest cache.
static inline int64_t crossentropy_short_tile(int64_t classes) {
    return classes <= 16 ? 128 : classes <= 48 ? 64 : 16;
}
// The bytes of scratch space for at most `rows` rows at a time.
static inline size_t crossentropy_short_bytes(int64_t classes, int64_t rows, bool are_apart) {
    const int64_t whole  = (rows + CROSSENTROPY_SHORT_GROUP - 1) & -CROSSENTROPY_SHORT_GROUP;
    const int64_t padded = classes < 4 ? 4 : classes;
    const int64_t tile   = whole < 128 ? whole : 128;
    const int64_t strip  = crossentropy_short_strip(classes);
    const int64_t copied = whole < strip ? whole : strip;
    // The numbers of a tile's rows; exponentials, and copies of rows that cannot be computed in place, with their
    // labels; a strip, with its rows' largest logits.
    const int64_t tiled = tile * 100 + 2 * tile * padded * 4 + tile * 8;
    return (size_t)(tiled + (are_apart ? (copied + 16) * (classes + 1) * 4 : 0));
}

typedef void (*crossentropy_short_kernel)(const crossentropy_short_rows *rows);

#endif
