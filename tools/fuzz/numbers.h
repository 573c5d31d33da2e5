// Numbers of every dtype as long double, which holds all of them exactly.
#pragma once

#include <cmath>
#include <cstdint>

#include "crossentropy.h"

typedef long double Real;  // 64 bits of significand, exponents up to 16383
static_assert(sizeof(Real) > 8, "the reference needs a type wider than f64");

/// A sum and what its additions lost (Knuth's two-sum), as in twice the precision.
class Sum {
public:
    void add(Real x) {
        const Real next = sum_ + x, added = next - sum_;
        lost_ += (sum_ - (next - added)) + (x - added);
        sum_ = next;
        size_ += std::fabs(x);
    }
    void add(const Sum &other) {
        const Real size = size_ + other.size_;
        add(other.sum_);
        lost_ += other.lost_;
        size_ = size;
    }
    Real value() const { return std::isfinite(sum_) ? sum_ + lost_ : sum_; }
    /// The sum of the magnitudes.
    Real size() const { return size_; }

private:
    Real sum_ = 0, lost_ = 0, size_ = 0;
};

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
