// Numbers of every dtype as long double, which holds all of them exactly.
#pragma once

#include <cmath>
#include <cstdint>

#include "crossentropy.h"

typedef long double Real;  // 64 bits of significand, exponents up to 16383
static_assert(sizeof(Real) > 8, "the reference needs a type wider than f64");

size_t size_of(int32_t dtype);
bool is_float(int32_t dtype);
const char *name_of(int32_t dtype);

Real load(const void *place, int32_t dtype);

/// Rounds to nearest, or takes the nearest integer in range.
void store(void *place, int32_t dtype, Real value);

/// The largest finite number of a dtype, and its smallest ones above 0.
Real largest_of(int32_t dtype);
Real smallest_normal_of(int32_t dtype);
Real smallest_of(int32_t dtype);

/// The unit in the last place of `dtype` at the magnitude of `value`, beyond its range too.
Real ulp(Real value, int32_t dtype);
