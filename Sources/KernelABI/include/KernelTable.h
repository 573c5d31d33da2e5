// The table of the kernels of an instruction set.
#ifndef CROSSENTROPY_KERNEL_TABLE_H
#define CROSSENTROPY_KERNEL_TABLE_H

#include "BinaryKernels.h"
#include "GroupKernels.h"
#include "LabelKernels.h"
#include "ShortRowKernels.h"
#include "PairKernels.h"
#include "RowKernels.h"

// For the test of all inputs: computes exp(x) 2^(64 - n), n = round(m log2(e)), for `count` numbers x <= m; `count` is
// a multiple of 16.
typedef void (*crossentropy_exp_kernel)(const float *x, float *exponentials, int64_t count, float m);

// Indexed by input_type (logits, probs, log_probs) and dtype (0: f32, 1: f64).
typedef struct crossentropy_kernels {
    crossentropy_row_kernel  index[3][2];       // not for logits, which `group` computes
    crossentropy_row_kernel  mass[3][2];
    crossentropy_group_kernel group[2];         // logits
    int32_t                  has_columns;       // whether `group` takes groups by columns
    crossentropy_short_kernel short_rows;       // f32 logits
    crossentropy_long_row_kernels long_row[2];  // logits
    crossentropy_fill_kernel fill[2];
    crossentropy_mass_kernel total_mass;
    crossentropy_slice_kernels slice[2];        // logits
    crossentropy_rest_kernel  slice_rest;
    crossentropy_group_kernel slice_finish;     // losses of rows whose max, rest and target are set
    crossentropy_exp_kernel  exponentials;
    crossentropy_binary_kernels binary[2];      // f32, f64
    crossentropy_labels_kernel binary_labels;
    crossentropy_label_kernels label;
    crossentropy_sum_kernel  sum_exactly;
    crossentropy_pair_kernels pair;
} crossentropy_kernels;

void crossentropy_kernels_baseline(crossentropy_kernels *table);
void crossentropy_kernels_avx2(crossentropy_kernels *table);
void crossentropy_kernels_avx512(crossentropy_kernels *table);

static inline crossentropy_row_kernel crossentropy_get_index_kernel(const crossentropy_kernels *table, int32_t input, int32_t type) {
    return table->index[input][type];
}
static inline crossentropy_row_kernel crossentropy_get_mass_kernel(const crossentropy_kernels *table, int32_t input, int32_t type) {
    return table->mass[input][type];
}
static inline void crossentropy_set_row_kernels(crossentropy_kernels *table, int32_t input, int32_t type,
                                        crossentropy_row_kernel index, crossentropy_row_kernel mass) {
    table->index[input][type] = index;
    table->mass[input][type]  = mass;
}
static inline crossentropy_group_kernel crossentropy_get_group_kernel(const crossentropy_kernels *table, int32_t type) {
    return table->group[type];
}
static inline const crossentropy_long_row_kernels *crossentropy_get_long_row_kernels(const crossentropy_kernels *table, int32_t type) {
    return &table->long_row[type];
}
static inline void crossentropy_set_long_row_kernels(crossentropy_kernels *table, int32_t type, crossentropy_group_kernel begin,
                                             crossentropy_block_kernel sum, crossentropy_group_kernel finish,
                                             crossentropy_block_kernel grad) {
    table->long_row[type].begin  = begin;
    table->long_row[type].sum    = sum;
    table->long_row[type].finish = finish;
    table->long_row[type].grad   = grad;
}
static inline crossentropy_binary_kernels *crossentropy_get_binary_kernels(crossentropy_kernels *table, int32_t type) {
    return &table->binary[type];
}
static inline const crossentropy_slice_kernels *crossentropy_get_slice_kernels(const crossentropy_kernels *table, int32_t type) {
    return &table->slice[type];
}
static inline void crossentropy_set_slice_kernels(crossentropy_kernels *table, int32_t type, crossentropy_block_sum_kernel sum,
                                          crossentropy_group_kernel grad) {
    table->slice[type].sum  = sum;
    table->slice[type].grad = grad;
}
static inline void crossentropy_set_slice_read_kernels(crossentropy_kernels *table, crossentropy_group_kernel f32,
                                               crossentropy_group_kernel f64) {
    table->slice[0].read = f32;
    table->slice[1].read = f64;
}
static inline void crossentropy_set_group_kernel(crossentropy_kernels *table, int32_t type, crossentropy_group_kernel group) {
    table->group[type] = group;
}
static inline crossentropy_fill_kernel crossentropy_get_fill_kernel(const crossentropy_kernels *table, int32_t type) {
    return table->fill[type];
}
static inline void crossentropy_set_fill_kernel(crossentropy_kernels *table, int32_t type, crossentropy_fill_kernel fill) {
    table->fill[type] = fill;
}

#endif
