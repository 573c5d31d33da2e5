// Comparisons and selections of vectors, which the C compiler turns into instructions: in large functions Swift's
// `replacing(with:where:)` may become a loop over lanes.
#ifndef CROSSENTROPY_VECTORS_H
#define CROSSENTROPY_VECTORS_H

#include <stdbool.h>

typedef float  shim_f32x8 __attribute__((ext_vector_type(8)));
typedef int    shim_i32x8 __attribute__((ext_vector_type(8)));
typedef double shim_f64x16 __attribute__((ext_vector_type(16)));

#define SHIM_VECTOR static inline __attribute__((always_inline))

// The larger; a NaN in b is skipped.
SHIM_VECTOR shim_f32x8 shim_max(shim_f32x8 a, shim_f32x8 b) { return b > a ? b : a; }
// The smaller; a NaN in b stays.
SHIM_VECTOR shim_f32x8 shim_min(shim_f32x8 a, shim_f32x8 b) { return a < b ? a : b; }
// a where x is above y, else b.
SHIM_VECTOR shim_f32x8 shim_where_above(shim_f32x8 x, shim_f32x8 y, shim_f32x8 a, shim_f32x8 b) { return x > y ? a : b; }
// a where x equals y, else b.
SHIM_VECTOR shim_f32x8 shim_where_equal(shim_f32x8 x, shim_f32x8 y, shim_f32x8 a, shim_f32x8 b) { return x == y ? a : b; }
// a where the mask is set, else b.
SHIM_VECTOR shim_f32x8 shim_where(shim_i32x8 mask, shim_f32x8 a, shim_f32x8 b) { return mask ? a : b; }
// x, but NaN where y is not below the limit.
SHIM_VECTOR shim_f32x8 shim_nan_unless_below(shim_f32x8 x, shim_f32x8 y, float limit) {
    return y < (shim_f32x8)(limit) ? x : (shim_f32x8)(__builtin_nanf(""));
}
SHIM_VECTOR shim_f64x16 shim_nan_unless_doubles_below(shim_f64x16 x, shim_f64x16 y, double limit) {
    return y < (shim_f64x16)(limit) ? x : (shim_f64x16)(__builtin_nan(""));
}

// The same of sixteen numbers.
typedef float  shim_f32x16 __attribute__((ext_vector_type(16)));
typedef int    shim_i32x16 __attribute__((ext_vector_type(16)));
typedef double shim_f64x8 __attribute__((ext_vector_type(8)));
SHIM_VECTOR shim_f32x16 shim_max_16(shim_f32x16 a, shim_f32x16 b) { return b > a ? b : a; }
SHIM_VECTOR shim_f32x16 shim_min_16(shim_f32x16 a, shim_f32x16 b) { return a < b ? a : b; }
SHIM_VECTOR shim_f32x16 shim_where_above_16(shim_f32x16 x, shim_f32x16 y, shim_f32x16 a, shim_f32x16 b) {
    return x > y ? a : b;
}
SHIM_VECTOR shim_f32x16 shim_where_equal_16(shim_f32x16 x, shim_f32x16 y, shim_f32x16 a, shim_f32x16 b) {
    return x == y ? a : b;
}
SHIM_VECTOR shim_f32x16 shim_nan_unless_below_16(shim_f32x16 x, shim_f32x16 y, float limit) {
    return y < (shim_f32x16)(limit) ? x : (shim_f32x16)(__builtin_nanf(""));
}
SHIM_VECTOR bool shim_is_any_set(shim_i32x16 x) { return __builtin_reduce_or(x) != 0; }

// Of the even and of the odd lanes.
SHIM_VECTOR shim_f64x8 shim_even_doubles(shim_f32x16 x) {
    return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 2, 4, 6, 8, 10, 12, 14), shim_f64x8);
}
SHIM_VECTOR shim_f64x8 shim_odd_doubles(shim_f32x16 x) {
    return __builtin_convertvector(__builtin_shufflevector(x, x, 1, 3, 5, 7, 9, 11, 13, 15), shim_f64x8);
}
SHIM_VECTOR shim_f32x16 shim_narrow(shim_f64x8 even, shim_f64x8 odd) {
    return __builtin_shufflevector(
        __builtin_convertvector(even, shim_f32x8), __builtin_convertvector(odd, shim_f32x8), 0, 8, 1, 9, 2, 10, 3, 11, 4,
        12, 5, 13, 6, 14, 7, 15);
}
SHIM_VECTOR shim_f32x16 shim_lanes_of_rows(shim_f32x16 x) {
    return __builtin_shufflevector(x, x, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}
SHIM_VECTOR shim_f32x16 shim_rows_of_lanes(shim_f32x16 x) {
    return __builtin_shufflevector(x, x, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
}

// x, which the compiler sees as a vector of unknown origin.
SHIM_VECTOR shim_f32x16 shim_computed(shim_f32x16 x) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(x));
#endif
    return x;
}

// The lower and the higher half of each four lanes of a and b, interleaved one by one, or two by two.
SHIM_VECTOR shim_f32x16 shim_low_singles(shim_f32x16 a, shim_f32x16 b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}
SHIM_VECTOR shim_f32x16 shim_high_singles(shim_f32x16 a, shim_f32x16 b) {
    return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
SHIM_VECTOR shim_f32x16 shim_low_pairs(shim_f32x16 a, shim_f32x16 b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
}
SHIM_VECTOR shim_f32x16 shim_high_pairs(shim_f32x16 a, shim_f32x16 b) {
    return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

#endif
