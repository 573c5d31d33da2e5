// What a call must give by the header's formulas, in long double, and how far from it the header lets a result be.
//
// Nothing here is shared with the library: rows are written out as they are, and sums are plain sums over all classes. The
// bounds are those of tools/vectors/, which checks the same promises with 400 digits on chosen cases.

#pragma once

#include <limits>
#include <vector>

#include "../call.h"

/// A number, and how far from it a result may be before it is rounded to its dtype; infinitely far: nothing is said.
struct Pair {
    Real value = 0, tolerance = 0;
};

const Real infinity = std::numeric_limits<Real>::infinity();
const Real not_a_number = std::numeric_limits<Real>::quiet_NaN();

inline Pair anything() { return {0, infinity}; }

struct Expected {
    /// False where the header says too little: not finite weights, divisors that cancel.
    bool is_known = true;
    /// What the sum of the losses is divided by: 1 for a sum, 0 if nothing counts.
    Real divisor = 0, divisor_error = 0;
    /// By tensor of the call, in its order; empty: not compared.
    std::vector<Pair> results[ROLES];
    /// Whether the bounds are those of f64 whatever the dtype, so that one more rounding comes on top.
    bool is_finer[ROLES] = {};
};

/// Works out what the call must give, before it is made; statuses that are due go to `call.errors`.
Expected expected_loss_call(Call &call);
Expected expected_softmax_call(Call &call);
Expected expected_binary_call(Call &call);

/// The relative bound of most things for input of this dtype.
inline Real accuracy(int32_t dtype) { return dtype == CE_F64 ? 1e-13L : 1e-6L; }

/// The smallest share of the largest probability that may not become 0.
inline Real smallest_share(int32_t dtype) { return dtype == CE_F64 ? 0x1p-1022L : 0x1p-126L; }
