// KL divergence of rows.
#include "loss.h"

#include <algorithm>

namespace {

/// exp(u) - 1 - u, whose first digits cancel where u is small.
Real excess(Real u) {
    if (std::fabs(u) > 0.25L) return std::expm1(u) - u;
    Real term = u * u / 2, sum = 0;
    for (int n = 3; n < 40 && term != 0; n++) {
        sum += term;
        term *= u / n;
    }
    return sum;
}

Real logarithm(Real p) { return p < 0 || std::isnan(p) ? not_a_number : std::log(p); }

Real largest_in(const std::vector<Real> &numbers) {
    Real largest = 0;
    for (Real number : numbers) largest = std::max(largest, number);
    return largest;
}

}  // namespace

RowResult divergence_row(const Call &call, const std::vector<Real> &x, const Target &target) {
    const ce_options &o = call.options;
    const size_t classes = x.size();
    const bool is_double = call[INPUT].dtype == CE_F64 || call[TARGET].dtype == CE_F64 ||
                           (call[TARGET_PROBS].present && call[TARGET_PROBS].dtype == CE_F64);
    const bool is_plain = o.kl_form == CE_KL_PLAIN;
    const std::vector<Real> &q = target.q, &log_q = target.log_q;
    std::vector<Real> p(classes), log_p(classes), chain(classes, 1), unsure(classes, 0), chain_bound(classes, 0);
    Real bound = accuracy(is_double ? CE_F64 : CE_F32), farther = target.farthest, most_unsure = 0;
    if (o.input_type == CE_INPUT_LOGITS) {
        const Logits logits(x, call);
        log_p = log_softmax(logits.z);
        for (size_t c = 0; c < classes; c++) p[c] = std::exp(log_p[c]);
        chain = logits.chain;
        unsure = logits.unsure;
        most_unsure = logits.most_unsure;
        chain_bound = logits.chain_bound;
        farther = std::max(farther, farthest_of(logits.z));
    } else {
        for (size_t c = 0; c < classes; c++) {
            const bool is_log = o.input_type == CE_INPUT_LOG_PROBS;
            p[c] = is_log ? std::exp(x[c]) : x[c];
            if (is_log && p[c] > largest_of(CE_F64)) p[c] = infinity;
            log_p[c] = is_log ? x[c] : logarithm(x[c]);
        }
    }
    if (is_double) bound *= std::min(std::max<Real>(1, farther / 100), 1e13L);
    RowResult made;
    made.counts = true;
    for (size_t c = 0; c < classes; c++) {
        if (std::isnan(p[c]) || std::isnan(log_p[c]) || std::isnan(q[c]) || std::isnan(log_q[c])) {
            made.make_undefined(classes);
            return made;
        }
    }
    Real total = 0;
    for (Real q_c : q) total += q_c;
    std::vector<Real> d(classes, 0), off = target.off, lost(classes, 0);
    for (size_t c = 0; c < classes; c++) {
        if (q[c] != 0 || p[c] != 0) d[c] = log_q[c] - log_p[c];
        // Of probabilities themselves the quotient says more than two logarithms.
        if (o.input_type == CE_INPUT_PROBS && o.target_type == CE_TARGET_PROBS && q[c] > 0 && p[c] > 0 &&
            q[c] < 2 * p[c] && p[c] < 2 * q[c]) {
            d[c] = std::log1p((q[c] - p[c]) / p[c]);
        }
    }
    const Real smallest = is_double ? 0x1p-1022L : 0x1p-126L;
    if (o.input_type != CE_INPUT_PROBS) {
        const Real lowest = o.input_type == CE_INPUT_LOGITS ? largest_in(p) * smallest : 0x1p-1022L;
        for (size_t c = 0; c < classes; c++) lost[c] = p[c] < lowest ? p[c] : 0;
    }
    if (o.target_type == CE_TARGET_LOGITS) {
        const Real lowest = largest_in(q) * smallest;
        for (size_t c = 0; c < classes; c++) off[c] = q[c] >= lowest ? off[c] : q[c];
    }
    for (size_t c = 0; c < classes; c++) {
        if (q[c] != 0 && off[c] >= q[c] && std::isinf(log_p[c])) made.is_vague = true;
    }
    // The loss, and what the rounding of logarithms costs: theirs, and those of this computation.
    Real size = 0, cost = 0, own = 0;
    for (size_t c = 0; c < classes; c++) {
        Real term = q[c] == 0               ? (is_plain ? 0 : p[c])
                    : is_plain              ? q[c] * d[c]
                    : std::fabs(d[c]) < 100 ? q[c] * excess(-d[c])
                                            : q[c] * d[c] - q[c] + p[c];
        made.loss += term;
        size += std::fabs(term);
        if (std::isfinite(log_p[c]) && std::isfinite(log_q[c])) {
            const Real logs = 1 + std::fabs(log_p[c]) + std::fabs(log_q[c]), error = 0x1p-61L * logs;
            const Real rounding = 1e-15L * (1 + std::max(std::fabs(log_p[c]), std::fabs(log_q[c])));
            cost += is_plain ? 1e-15L * q[c] * logs
                             : (std::min(q[c], std::fabs(q[c] - p[c])) + std::min(q[c], p[c]) * rounding) * rounding;
            own += std::max(p[c], q[c]) * error * ((is_plain ? 1 + std::fabs(d[c]) : std::fabs(d[c])) + error);
        }
    }
    if (std::isnan(made.loss)) {
        made.make_undefined(classes);
        return made;
    }
    if (std::isfinite(made.loss)) {
        made.apart = accuracy(is_double ? CE_F64 : CE_F32) * size + cost + own;
        if (most_unsure > 0.01L) made.apart = infinity;
        for (size_t c = 0; c < classes; c++) {
            made.apart += std::fabs(total * p[c] - q[c]) * unsure[c] + lost[c];
            if (off[c] != 0) made.apart += off[c] * (1 + std::fabs(d[c]));
        }
        if (o.target_type == CE_TARGET_LOGITS && call.temperature() != 1) {
            Real mean = 0;
            for (size_t c = 0; c < classes; c++) mean += q[c] != 0 ? q[c] * d[c] : 0;
            for (size_t c = 0; c < classes; c++) {
                if (q[c] != 0) made.apart += std::fabs(q[c] * (d[c] - mean)) * 0x1p-50L * target.farthest;
            }
        }
    }
    Real total_off = 0;
    for (Real off_c : off) total_off += off_c;
    made.slopes.resize(classes);
    for (size_t c = 0; c < classes; c++) {
        Real slope, slope_size;
        if (o.input_type == CE_INPUT_LOGITS) {
            slope = total * p[c] - q[c];
            slope_size = std::max(total * p[c], q[c]);
        } else if (o.input_type == CE_INPUT_LOG_PROBS) {
            slope = is_plain ? -q[c] : p[c] - q[c];
            slope_size = is_plain ? q[c] : std::max(p[c], q[c]);
        } else {
            const Real ratio = q[c] == 0 ? 0 : p[c] != 0 ? q[c] / p[c] : infinity;
            slope = is_plain ? -ratio : 1 - ratio;
            slope_size = is_plain ? ratio : std::max<Real>(1, ratio);
        }
        Real tolerance = (bound + 2 * most_unsure) * slope_size;
        if (most_unsure > 0.01L) tolerance += 1 + total;
        tolerance += chain_bound[c] * std::fabs(slope);
        if (o.input_type == CE_INPUT_LOGITS) {
            tolerance += p[c] * total_off + off[c] + total * lost[c];
        } else if (off[c] + lost[c] != 0) {
            tolerance += (off[c] + lost[c]) / (o.input_type == CE_INPUT_PROBS ? p[c] : 1);
        }
        made.slopes[c] = {slope * chain[c], tolerance * std::fabs(chain[c])};
    }
    if (call[GRAD_TARGET].present) {
        std::vector<Pair> units(classes);
        for (size_t c = 0; c < classes; c++) {
            Real sizes = 1;
            for (Real log : {log_p[c], log_q[c]}) sizes += std::isfinite(log) ? std::fabs(log) : 0;
            Real tolerance = bound * sizes + 2 * most_unsure;
            if (off[c] != 0) tolerance += off[c] / q[c];
            units[c] = {d[c] + (is_plain ? 1 : 0), tolerance};
            // With p 0 as well there is no distance, and it may be 0 there and not here.
            if (q[c] == 0 && p[c] < smallest && std::isfinite(log_p[c])) units[c] = anything();
        }
        made.target_slopes = chained(call, target, units);
    }
    return made;
}
