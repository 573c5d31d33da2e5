// Rows as they are written out, and what is known of one row's loss.
#pragma once

#include "expected.h"

/// One row's loss and its derivatives, before weights, divisor and upstream gradients.
struct RowResult {
    bool counts = false;    // it is not ignored, and its weight is not 0
    bool is_vague = false;  // a target mass that may become 0 meets an impossible class
    bool has_positive = false, has_negative = false;  // terms of the loss
    Real loss = 0;
    // Of the loss times a scale: `wide` times the dtype's bound of `magnitude`, and `apart` times the scale.
    bool is_rounded_to_f32 = false;  // two units in the last place of f32 where the loss is large
    Real longest = 0;                // the largest -log p of a class with target mass
    Real steepest = 0;               // what multiplies the probabilities in the slopes
    Real magnitude = 0, accuracy = 0, wide = 1, apart = 0;
    std::vector<Pair> slopes, target_slopes;

    Real most = largest_of(CE_F64);  // a loss beyond it may be infinite

    Real loss_bound(Real scale) const;
    /// Whether the loss, or a part of it, is beyond all numbers before it is weighted.
    bool overflows() const {
        if (!std::isfinite(loss)) return std::isinf(loss) && longest > most;
        const Real limit = most * (1 - 1e-12L);  // rounding may lead beyond
        return std::fabs(loss) > limit || magnitude > limit || longest > limit;
    }
    /// Parts that overflow either way.
    bool may_be_undefined() const {
        const bool is_mixed = (has_positive && has_negative) || std::fabs(loss) < magnitude;
        return (overflows() && (std::isinf(loss) || is_mixed)) || steepest > most;
    }
    void make_undefined(size_t classes);
};

/// The numbers of a row.
std::vector<Real> row_of(const Tensor &tensor, const Rows &rows, int64_t row);

/// The logits that are meant by a row of them, and the derivative of each by what was given.
struct Logits {
    std::vector<Real> z, chain, unsure;  // `unsure`: how far rounding may lead, as the header lets it
    std::vector<Real> chain_bound;       // relative
    Real most_unsure = 0;

    /// Where rounding may lead so far that nothing is promised of probabilities.
    bool are_vague() const { return most_unsure > 0.01L; }

    Logits(const std::vector<Real> &x, const Call &call);
};

/// The softmax of a row, the largest logit kept out of the sum.
struct Softmax {
    bool is_undefined = false;                  // NaN or +infinity, or nothing but -infinity
    Real largest = 0, rest = 0, log_total = 0;  // lse = largest + log_total
    size_t at = 0;                              // the class of the largest
    std::vector<Real> p, one_minus_p;

    explicit Softmax(const std::vector<Real> &z);
    Real minus_log(Real z) const { return (largest - z) + log_total; }
    Real lse() const { return largest + log_total; }
    Real lse_size() const { return std::fabs(largest) + log_total; }
};
