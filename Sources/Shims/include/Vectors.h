// Comparisons and selections of vectors, which the C compiler turns into instructions: in large functions Swift's
// `replacing(with:where:)` may become a loop over lanes.
#ifndef CROSSENTROPY_VECTORS_H
#define CROSSENTROPY_VECTORS_H

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

#endif
