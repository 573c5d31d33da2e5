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

// Of the lower and of the higher half.
SHIM_VECTOR shim_f64x8 shim_low_doubles(shim_f32x16 x) {
    return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), shim_f64x8);
}
SHIM_VECTOR shim_f64x8 shim_high_doubles(shim_f32x16 x) {
    return __builtin_convertvector(__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15), shim_f64x8);
}
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

#if defined(__AVX512F__)
// The first n of sixteen numbers; the other lanes hold the filler.
SHIM_VECTOR shim_f32x16 shim_load_first(const void *x, shim_f32x16 filler, int n) {
    return __builtin_ia32_loadups512_mask((const float *)x, filler, (unsigned short)((1u << n) - 1));
}
SHIM_VECTOR void shim_store_first(void *to, shim_f32x16 x, int n) {
    __builtin_ia32_storeups512_mask((float *)to, x, (unsigned short)((1u << n) - 1));
}
SHIM_VECTOR float shim_largest_16(shim_f32x16 x) {
    const shim_f32x8 low = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
    const shim_f32x8 high = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    const shim_f32x8 eight = shim_max(low, high);
    const shim_f32x8 four = shim_max(eight, __builtin_shufflevector(eight, eight, 4, 5, 6, 7, 4, 5, 6, 7));
    const shim_f32x8 two = shim_max(four, __builtin_shufflevector(four, four, 2, 3, 2, 3, 2, 3, 2, 3));
    return two[0] > two[1] ? two[0] : two[1];
}
// x, with 0 in the first lane that holds the value.
SHIM_VECTOR shim_f32x16 shim_zeroing_first_16(shim_f32x16 x, shim_f32x16 value) {
    typedef bool shim_b16 __attribute__((ext_vector_type(16)));
    const unsigned short holders = __builtin_bit_cast(unsigned short, __builtin_convertvector(x == value, shim_b16));
    const unsigned short others = (unsigned short)~(holders & -holders);
    return __builtin_ia32_selectps_512(others, x, (shim_f32x16)0);
}
#endif

// A point that no operation on four vectors of sixteen f32, and on three more vectors, crosses.
SHIM_VECTOR void shim_in_step(void *vectors, void *others) {
#if defined(__AVX512F__)
    shim_f32x16 *v = (shim_f32x16 *)vectors, *w = (shim_f32x16 *)others;
    __asm__("" : "+v"(v[0]), "+v"(v[1]), "+v"(v[2]), "+v"(v[3]), "+v"(w[0]), "+v"(w[1]), "+v"(w[2]));
#endif
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
