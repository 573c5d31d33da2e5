#include "row.h"

#include <algorithm>

Real RowResult::loss_bound(Real scale) const {
    const Real size = scale * magnitude;
    const Real bound = is_rounded_to_f32 && size >= 0x1p-4L ? 2 * ulp(size, CE_F32) : accuracy * size;
    return wide * bound + scale * apart;
}

void RowResult::make_undefined(size_t classes) {
    loss = not_a_number;
    slopes.assign(classes, {not_a_number, 0});
    target_slopes.assign(classes, {not_a_number, 0});
}

std::vector<Real> row_of(const Tensor &tensor, const Rows &rows, int64_t row) {
    std::vector<Real> numbers(static_cast<size_t>(rows.classes));
    for (int64_t c = 0; c < rows.classes; c++) numbers[static_cast<size_t>(c)] = tensor.get(rows.place(row, c));
    return numbers;
}

Logits::Logits(const std::vector<Real> &x, const Call &call) {
    const Real scale = call.scale(), temperature = call.temperature(), cap = call.options.softcap;
    const bool applies = scale != 1 || temperature != 1 || cap != 0;
    const size_t classes = x.size();
    z = x;
    chain.assign(classes, 1);
    unsure.assign(classes, 0);
    chain_bound.assign(classes, 0);
    if (!applies) return;
    for (size_t c = 0; c < classes; c++) {
        const Real y = scale * x[c];
        Real slope = scale;
        z[c] = y / temperature;
        if (cap != 0) {
            slope = 0;
            if (std::isfinite(y)) {
                const Real u = y / cap, wide = std::cosh(u);
                z[c] = cap * std::tanh(u) / temperature;
                slope = std::fabs(u) > 11000 ? 0 : scale / wide / wide;
                // A rounding of the argument, of which sech^2 takes twice as much.
                chain_bound[c] = 4 * std::fabs(u) * 0x1p-52L;
                if (1 / wide / wide < 0x1p-1020L) chain_bound[c] = 1;  // 4 exp(-2 |u|), where that is no normal number
            }
        }
        // z is a double.
        if (std::fabs(z[c]) > largest_of(CE_F64)) z[c] = std::copysign(infinity, z[c]);
        chain[c] = slope / temperature;
        unsure[c] = std::isfinite(z[c]) ? 0x6p-52L * std::fabs(z[c]) : 0;
        most_unsure = std::max(most_unsure, unsure[c]);
    }
}

Softmax::Softmax(const std::vector<Real> &z) {
    largest = -infinity;
    for (size_t c = 0; c < z.size(); c++) {
        if (std::isnan(z[c])) is_undefined = true;
        if (z[c] > largest) {
            largest = z[c];
            at = c;
        }
    }
    is_undefined = is_undefined || !std::isfinite(largest);
    if (is_undefined) return;
    p.resize(z.size());
    one_minus_p.resize(z.size());
    for (size_t c = 0; c < z.size(); c++) {
        p[c] = std::exp(z[c] - largest);
        if (c != at) rest += p[c];
    }
    log_total = std::log1p(rest);
    for (size_t c = 0; c < z.size(); c++) {
        p[c] /= 1 + rest;
        one_minus_p[c] = c == at ? rest / (1 + rest) : 1 - p[c];
    }
}
