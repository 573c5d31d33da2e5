/*
 * configurations.h - the ways in which each line of hashes.txt is computed.
 */
#ifndef HASHES_CONFIGURATIONS_H
#define HASHES_CONFIGURATIONS_H

#include "memory.h"

/* How a line is computed; what is not said is 0: contiguous, by one thread, loss and gradient. */
typedef struct {
    const char   *name;
    int32_t       threads; /* 0: 1 */
    class_place   place;
    const layout *input, *grad; /* NULL: CONTIGUOUS; the input's */
    int           in_place;
    int           misalignment; /* of the input, in bytes; the other tensors have others */
    enum { BOTH, LOSS_ALONE, GRAD_ALONE } outputs;
    float_setting setting;
    enum {
        WHOLE,
        PLAIN_CALL,        /* ce_cross_entropy_f32 or _f64 */
        PIECES,            /* a call for the first row, one for the next two, one for the next three ... */
        OTHER_TYPES,       /* labels as small as they can be; weights and distributions of the other precision */
        WIDENED,           /* 16-bit input as f32; its gradient rounded is the 16-bit one */
        WIDE_GRADIENT,     /* 16-bit input, gradient in f32; its rounding is the 16-bit one */
        INFINITE_GRAD_LOSS /* contiguous short rows are taken one by one; the loss is the same */
    } call;
    int is_quick; /* also with --quick */
} configuration;

static const configuration CONFIGURATIONS[] = {
    {"contiguous", .is_quick = 1},
    {"in place", .in_place = 1},
    {"2 threads", .threads = 2},
    {"3 threads, in place", .threads = 3, .in_place = 1, .is_quick = 1},
    {"7 threads", .threads = 7},
    {"64 threads", .threads = 64},
    {"loss alone", .outputs = LOSS_ALONE},
    {"loss alone, 7 threads", .outputs = LOSS_ALONE, .threads = 7},
    {"loss alone, class axis first", .outputs = LOSS_ALONE, .place = FIRST, .input = &CLASSES_SLOWEST},
    {"gradient alone", .outputs = GRAD_ALONE},
    {"infinite grad_loss", .call = INFINITE_GRAD_LOSS, .outputs = LOSS_ALONE, .is_quick = 1},
    {"widened", .call = WIDENED, .is_quick = 1},
    {"gradient in f32", .call = WIDE_GRADIENT, .is_quick = 1},
    {"gradient in f32, class axis first, 3 threads", .call = WIDE_GRADIENT, .place = FIRST, .input = &CLASSES_SLOWEST,
     .threads = 3},
    {"plain call", .call = PLAIN_CALL},
    {"plain call, in place, 3 threads", .call = PLAIN_CALL, .in_place = 1, .threads = 3},
    {"other types", .call = OTHER_TYPES, .is_quick = 1},
    {"other types, class axis second", .call = OTHER_TYPES, .place = SECOND, .input = &CLASSES_SECOND},

    {"padded", .place = LAST, .input = &PADDED},
    {"padded, in place, 7 threads", .place = LAST, .input = &PADDED, .in_place = 1, .threads = 7, .is_quick = 1},
    {"every second class", .place = LAST, .input = &EVERY_SECOND_CLASS},
    {"every second class, in place, 3 threads", .place = LAST, .input = &EVERY_SECOND_CLASS, .in_place = 1,
     .threads = 3},
    {"classes backwards", .place = LAST, .input = &CLASSES_BACKWARDS},
    {"class axis moved in the view", .place = FIRST},
    {"class axis first", .place = FIRST, .input = &CLASSES_SLOWEST, .is_quick = 1},
    {"class axis first, in place, 3 threads", .place = FIRST, .input = &CLASSES_SLOWEST, .in_place = 1, .threads = 3},
    {"class axis first, 64 threads", .place = FIRST, .input = &CLASSES_SLOWEST, .threads = 64},
    {"class axis first, padded, 2 threads", .place = FIRST, .input = &CLASSES_SLOWEST_PADDED, .threads = 2},
    {"class axis first, every second row", .place = FIRST, .input = &EVERY_SECOND_ROW},
    {"class axis first, rows backwards", .place = FIRST, .input = &ROWS_BACKWARDS},
    {"class axis second", .place = SECOND, .input = &CLASSES_SECOND},
    {"class axis second, in place, 2 threads", .place = SECOND, .input = &CLASSES_SECOND, .in_place = 1, .threads = 2,
     .is_quick = 1},
    {"all backwards, in place, 3 threads", .place = SECOND, .input = &ALL_BACKWARDS, .in_place = 1, .threads = 3},
    {"class axis third, 7 threads", .place = THIRD, .input = &CLASSES_THIRD, .threads = 7},
    {"transposed", .place = LAST, .input = &TRANSPOSED},
    {"transposed, in place, 3 threads", .place = LAST, .input = &TRANSPOSED, .in_place = 1, .threads = 3},
    {"contiguous to classes slowest", .place = LAST, .grad = &CLASSES_SLOWEST},
    {"classes slowest to contiguous", .place = LAST, .input = &CLASSES_SLOWEST, .grad = &CONTIGUOUS},
    {"class axis second to padded, 3 threads", .place = SECOND, .input = &CLASSES_SECOND, .grad = &PADDED,
     .threads = 3},
    {"padded to backwards", .place = THIRD, .input = &PADDED, .grad = &ALL_BACKWARDS},

    {"pieces", .call = PIECES, .is_quick = 1},
    {"pieces, in place, 3 threads", .call = PIECES, .in_place = 1, .threads = 3},
    {"pieces, classes slowest", .call = PIECES, .input = &CLASSES_SLOWEST},
    {"pieces, classes slowest, in place", .call = PIECES, .input = &CLASSES_SLOWEST, .in_place = 1},

    {"flush to zero", .setting = FLUSHING, .is_quick = 1},
    {"flush to zero, class axis first, in place, 3 threads", .setting = FLUSHING, .place = FIRST,
     .input = &CLASSES_SLOWEST, .in_place = 1, .threads = 3},
    {"rounding upward", .setting = UPWARD, .is_quick = 1},
    {"rounding upward, class axis first, in place, 3 threads", .setting = UPWARD, .place = FIRST,
     .input = &CLASSES_SLOWEST, .in_place = 1, .threads = 3},
};

enum { NAMED = LENGTH_OF(CONFIGURATIONS), CONFIGURATION_COUNT = NAMED + 63 };

/* Those of the table, then the misalignments by 1 to 63 bytes. */
static configuration configuration_at(int index) {
    static char   name[WORD];
    configuration made;
    int           bytes = index - NAMED + 1;
    if (bytes < 1)
        return CONFIGURATIONS[index];
    memset(&made, 0, sizeof made);
    made.misalignment = bytes;
    made.in_place = bytes % 4 == 3;
    if (bytes % 4 == 2)
        made.input = &CLASSES_SLOWEST;
    made.is_quick = bytes == 13;
    sprintf(name, "%d bytes from alignment", bytes);
    made.name = name;
    return made;
}

/* Whether a line is computed in this configuration. */
static int is_meant(const problem *p, const configuration *how) {
    static const int fewest_threads[] = {0, 2, 7, 64}; /* by the shape's size */
    int              size = p->shape->size;
    if (how->threads < fewest_threads[size] || (is_quick && !how->is_quick) || (is_small && size > 1))
        return 0;
    /* Every alignment where that is cheap, some elsewhere. */
    return how->misalignment == 0 || how->is_quick || p->rows * p->classes <= 2500;
}

/* Whether it can be. */
static int can_state(const problem *p, const configuration *how) {
    int is_flat = p->shape->axis == 1 && p->shape->length[1] == 1;
    switch (how->call) {
    case PLAIN_CALL: return p->op->function == LOSS && !p->op->is_distribution && is_flat && !is_half(p->type->dtype);
    case WIDENED: case WIDE_GRADIENT: return is_half(p->type->dtype);
    case PIECES: return is_flat && (p->op->reduction != MEAN || p->divisor > 0);
    case INFINITE_GRAD_LOSS:
        if (p->op->function != LOSS)
            return 0;
        return p->op->input == PLAIN || p->op->input == TIES || p->op->input == SPECIAL;
    default: return 1;
    }
}

#endif
