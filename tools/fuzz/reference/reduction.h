// What becomes of rows: weights, the mean's divisor, upstream gradients.
#pragma once

#include "row.h"

/// The mean's divisor while it is added up.
struct Divisor {
    Sum sum;

    void add(Real weight) { sum.add(weight); }
    /// Whether so much of it has cancelled that it says nothing; or it was not finite.
    bool is_vague() const {
        return !std::isfinite(sum.size()) || (sum.size() > 0 && std::fabs(sum.value()) < 1e-6L * sum.size());
    }
};

/// Fills in loss, gradient and the target's gradient. `places` says where the slopes of a row go.
///   scales: what each row is multiplied by
void reduce(Call &call, Expected &expected, const std::vector<RowResult> &made, const std::vector<Real> &scales,
            Divisor divisor, const Rows &rows, bool is_finer);
