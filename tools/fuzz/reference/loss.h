// The rows of a loss, one family of functions each.
#pragma once

#include "targets.h"

/// a_c = w_c q_c with the smoothed q: the target mass of each class of a row.
struct Masses {
    std::vector<Real> a, off;  // `off`: how far each may be off
    Real total_off = 0;
    bool is_one_hot = false;

    /// What rounding may leave of the sum of masses where they cancel, of which no bound is promised.
    Real cancellation() const;
};

/// `costs`: -log p of each class, of which the derivatives with respect to the target are made.
RowResult logits_row(const Call &call, const std::vector<Real> &x, const Masses &mass, std::vector<Pair> &costs);
RowResult probabilities_row(const Call &call, const std::vector<Real> &x, const Masses &mass, std::vector<Pair> &costs);

/// Slopes are H v, or without v the diagonal of H.
RowResult hessian_row(const Call &call, const std::vector<Real> &x, const std::vector<Real> *v, const Masses &mass);

RowResult divergence_row(const Call &call, const std::vector<Real> &x, const Target &target);

/// The derivatives with respect to what the target holds, from those with respect to probabilities.
std::vector<Pair> chained(const Call &call, const Target &target, const std::vector<Pair> &units);
