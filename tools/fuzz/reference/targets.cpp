#include "targets.h"

#include <algorithm>
#include <set>

bool Target::is_one_hot() const {
    if (label >= 0) return true;
    if (inaccuracy != 0) return false;
    size_t ones = 0, zeros = 0;
    for (size_t c = 0; c < q.size(); c++) {
        if (off[c] != 0) return false;
        ones += q[c] == 1;
        zeros += q[c] == 0;
    }
    return ones == 1 && zeros == q.size() - 1;
}

Real farthest_of(const std::vector<Real> &numbers) {
    Real most = 0;
    for (Real number : numbers) {
        if (std::isfinite(number)) most = std::max(most, std::fabs(number));
    }
    return most;
}

std::vector<Real> log_softmax(const std::vector<Real> &z) {
    const Softmax softmax(z);
    std::vector<Real> made(z.size(), not_a_number);
    if (z.empty() || softmax.is_undefined) return made;
    for (size_t c = 0; c < z.size(); c++) made[c] = (z[c] - softmax.largest) - softmax.log_total;
    return made;
}

namespace {

Real logarithm(Real q) { return q < 0 || std::isnan(q) ? not_a_number : std::log(q); }

/// The target that these numbers are, for as many classes.
Target distribution(std::vector<Real> values, const Call &call, bool logarithms) {
    Target made;
    made.counts = true;
    made.off.assign(values.size(), 0);
    const int32_t kind = call.options.target_type;
    if (kind == CE_TARGET_PROBS) {
        if (logarithms) {
            for (Real value : values) made.log_q.push_back(logarithm(value));
        }
        for (Real value : values) made.is_vague = made.is_vague || std::isinf(value);
        made.q = std::move(values);
        return made;
    }
    if (kind == CE_TARGET_LOGITS) {
        for (Real &value : values) {
            value /= call.temperature();
            if (std::fabs(value) > largest_of(CE_F64)) value = std::copysign(infinity, value);
        }
        made.log_q = log_softmax(values);
    } else {
        made.log_q = values;
    }
    Real largest = 0;
    for (Real log_q : made.log_q) {
        made.q.push_back(std::exp(log_q));
        largest = std::max(largest, made.q.back());
    }
    made.is_vague = largest > largest_of(CE_F64);
    made.inaccuracy = 1e-14L;
    // What a double has no room for may become 0.
    Real lowest = 0x1p-1022L;
    if (kind == CE_TARGET_LOGITS) {
        made.farthest = farthest_of(values);
        made.inaccuracy *= std::max<Real>(1, made.farthest / 100);
        lowest *= largest;
    }
    for (size_t c = 0; c < made.q.size(); c++) made.off[c] = made.q[c] < lowest ? made.q[c] : 0;
    return made;
}

/// The target of a row that names these classes.
Target sparse(const std::vector<int64_t> &labels, const std::vector<Real> &values, size_t classes, const Call &call) {
    const Target named = distribution(values, call, true);
    Target made;
    made.counts = true;
    made.inaccuracy = named.inaccuracy;
    made.farthest = named.farthest;
    made.is_vague = named.is_vague;
    made.q.assign(classes, 0);
    made.log_q.assign(classes, -infinity);
    made.off.assign(classes, 0);
    Real total = 0, size = 0;
    for (Real q : named.q) {
        total += q;
        size += std::fabs(q);
    }
    const Real others = static_cast<Real>(classes - labels.size());
    if (call.options.target_rest == CE_REST_SPREAD && others > 0) {
        // 0 where it may be the probabilities' own rounding.
        const Real count = static_cast<Real>(labels.size()), left = 1 - total;
        const bool is_double = call[TARGET_PROBS].dtype == CE_F64;
        const Real noise = std::min(count * (is_double ? 0x1p-52L : 0x1p-23L), 0x1p-16L);
        const Real share = left > -0x1p-16L && left < noise ? 0 : left / others;
        // What is named may be off, and this sum.
        const Real sum_error = (named.inaccuracy + 0x1p-64L * count) * size;
        if (std::fabs(left - noise) <= sum_error || std::fabs(left + 0x1p-16L) <= sum_error) made.is_vague = true;
        const Real error = share == 0 ? 0 : sum_error / others + 0x1p-51L * std::fabs(share);
        std::fill(made.q.begin(), made.q.end(), share);
        std::fill(made.log_q.begin(), made.log_q.end(), logarithm(share));
        std::fill(made.off.begin(), made.off.end(), error);
    }
    for (size_t i = 0; i < labels.size(); i++) {
        const size_t c = static_cast<size_t>(labels[i]);
        made.q[c] = named.q[i];
        made.log_q[c] = named.log_q[i];
        made.off[c] = named.off[i];
        if (call.options.target_rest == CE_REST_RENORMALIZE) {
            made.q[c] = total != 0 ? made.q[c] / total : not_a_number;
            if (total != 0) made.off[c] /= std::fabs(total);
            // Negative probabilities may have a negative sum.
            made.log_q[c] = total == 0                                ? not_a_number
                            : call.options.target_type == CE_TARGET_PROBS ? logarithm(made.q[c])
                                                                      : made.log_q[c] - std::log(total);
        }
    }
    if (call.options.target_rest == CE_REST_RENORMALIZE && total != 0)
        made.inaccuracy += 1e-14L * size / std::fabs(total);
    return made;
}

}  // namespace

std::vector<size_t> entries_of(const Call &call, int64_t row) {
    std::vector<size_t> entries;
    if (call[TARGET_OFFSETS].present) {
        const int64_t first = static_cast<int64_t>(call[TARGET_OFFSETS].get(static_cast<size_t>(row)));
        const int64_t end = static_cast<int64_t>(call[TARGET_OFFSETS].get(static_cast<size_t>(row) + 1));
        for (int64_t i = first; i < end; i++) entries.push_back(static_cast<size_t>(i));
    } else {
        const Rows rows(call[TARGET].shape, call.axis);
        for (int64_t i = 0; i < rows.classes; i++) entries.push_back(rows.place(row, i));
    }
    return entries;
}

std::vector<Target> targets_of(Call &call, const Rows &rows, bool logarithms) {
    std::vector<Target> made(static_cast<size_t>(rows.count()));
    const Tensor &target = call[TARGET];
    const size_t classes = static_cast<size_t>(rows.classes);
    for (int64_t row = 0; row < rows.count(); row++) {
        const size_t i = static_cast<size_t>(row);
        if (call[MASK].present && call[MASK].get(i) == 0) continue;
        if (call.has_sparse_target()) {
            std::vector<int64_t> labels;
            std::vector<Real> values;
            std::set<int64_t> seen;
            for (size_t place : entries_of(call, row)) {
                const Real label = target.get(place);
                if (call.ignores(label)) continue;
                if (label < 0 || label >= static_cast<Real>(classes) ||
                    !seen.insert(static_cast<int64_t>(label)).second) {
                    call.expect(CE_ERROR_LABEL);
                    continue;
                }
                labels.push_back(static_cast<int64_t>(label));
                values.push_back(call[TARGET_PROBS].get(place));
            }
            if (!labels.empty()) made[i] = sparse(labels, values, classes, call);
        } else if (is_float(target.dtype)) {
            made[i] = distribution(row_of(target, rows, row), call, logarithms);
        } else {
            const Real label = target.get(i);
            if (call.ignores(label)) continue;
            if (label < 0 || label >= static_cast<Real>(classes)) {
                call.expect(CE_ERROR_LABEL);
                continue;
            }
            made[i].counts = true;
            made[i].label = static_cast<int64_t>(label);
            made[i].q.assign(classes, 0);
            made[i].q[static_cast<size_t>(label)] = 1;
            made[i].off.assign(classes, 0);
        }
    }
    return made;
}
