// Binary cross-entropy: every element of the input is a problem of its own.
#include "reduction.h"

#include <algorithm>

namespace {

/// Masses a and b of the positive and of the negative term.
RowResult element(const Call &call, Real x, Real a, Real b) {
    const ce_options &o = call.options;
    const Real gamma = o.focal_gamma, low = o.clip, high = static_cast<double>(1 - o.clip);
    const int32_t dtype = call[INPUT].dtype;
    RowResult made;
    made.counts = true;
    made.accuracy = accuracy(dtype);
    made.wide = 1 + gamma;
    if (dtype != CE_F64) made.most = largest_of(CE_F32);
    const bool is_probs = o.input_type == CE_INPUT_PROBS;
    const Real used = low == 0 || std::isnan(x) ? x : std::min(std::max(x, low), high);
    Real p, other, lost = 0, minus_log_p, minus_log_other;
    if (is_probs) {
        p = used;
        other = 1 - used;
        minus_log_p = used == 0 ? infinity : -std::log(used);
        minus_log_other = used == 1 ? infinity : -std::log1p(-used);
    } else {
        const Real e = std::exp(-std::fabs(x)), near = 1 / (1 + e), far = e / (1 + e);
        p = x >= 0 ? near : far;
        other = x >= 0 ? far : near;
        if (std::isnan(x)) p = other = x;
        minus_log_p = std::log1p(e) + (x < 0 ? -x : 0);
        minus_log_other = std::log1p(e) + (x > 0 ? x : 0);
        lost = e < smallest_share(dtype) ? e : 0;
    }
    Real slope = 0, size = 0;
    for (int i = 0; i < 2; i++) {
        const Real mass = i == 0 ? a : b, q = i == 0 ? p : other, v = i == 0 ? other : p;
        const Real minus_log = i == 0 ? minus_log_p : minus_log_other;
        if (mass == 0) continue;
        if (std::isnan(mass) || std::isnan(q) || q < 0 || q > 1) {
            made.loss = slope = not_a_number;
            break;
        }
        const Real power = gamma != 0 ? std::pow(v, gamma) : 1;
        const Real term = power != 0 ? std::fabs(mass) * power * minus_log : 0;
        made.loss += mass > 0 ? term : -term;
        made.magnitude += term;
        const Real bend = power + (gamma != 0 && q != 0 && v != 0 ? gamma * q * power / v * minus_log : 0);
        const Real step = is_probs ? (q != 0 ? 1 / q : infinity) : v;
        const Real part = bend != 0 ? std::fabs(mass) * bend * step : 0;
        slope += (i == 0 ? -1 : 1) * (mass > 0 ? part : -part);
        size += part;
    }
    // Whatever the slope is: a loss of NaN has a gradient of NaN.
    if (std::isnan(made.loss)) slope = not_a_number;
    if (is_probs && used != x && !std::isnan(x)) slope = size = 0;
    made.apart = (std::fabs(a) + std::fabs(b)) * lost;
    made.slopes = {{slope, made.wide * made.accuracy * size + made.apart}};
    return made;
}

/// A class's weight, which may be that of all.
Real of_class(const Tensor &weight, size_t c) { return weight.present ? weight.get(weight.count() == 1 ? 0 : c) : 1; }

}  // namespace

Expected expected_binary_call(Call &call) {
    const ce_options &o = call.options;
    const Tensor &input = call[INPUT], &target = call[TARGET];
    const Rows rows(input.shape, call.axis);
    Expected expected;
    if (call.errors) return expected;
    for (Role role : {WEIGHT, SAMPLE_WEIGHT, POS_WEIGHT}) {
        for (size_t i = 0; call[role].present && i < call[role].count(); i++) {
            if (!std::isfinite(call[role].get(i))) expected.is_known = false;
        }
    }
    const size_t count = input.count();
    std::vector<RowResult> made(count);
    std::vector<Real> scales(count);
    Divisor divisor;
    const bool is_labels = !is_float(target.dtype);
    const Real smoothing = o.label_smoothing;
    for (size_t i = 0; i < count; i++) {
        const size_t c = static_cast<size_t>(static_cast<int64_t>(i) / rows.step % rows.classes);
        const Real y = target.get(i);
        const bool is_ignored = is_labels && call.ignores(y);
        if (is_labels && !is_ignored && y != 0 && y != 1) call.expect(CE_ERROR_LABEL);
        const Real weight = (call[SAMPLE_WEIGHT].present ? call[SAMPLE_WEIGHT].get(i) : 1) *
                            of_class(call[WEIGHT], c);
        const Real positive = of_class(call[POS_WEIGHT], c);
        scales[i] = weight;
        if (!is_ignored && o.mean_over == CE_MEAN_OVER_WEIGHT) divisor.add(weight);
        if (!is_ignored && o.mean_over == CE_MEAN_OVER_COUNT) divisor.add(1);
        if (is_ignored || weight == 0) continue;
        if (!std::isfinite(y)) expected.is_known = false;
        // 1 - y by itself: the difference would cancel.
        const Real smoothed = (1 - smoothing) * y + smoothing / 2, other = (1 - smoothing) * (1 - y) + smoothing / 2;
        // A product beyond all numbers, of which a logarithm of 0 would make something.
        if (std::fabs(positive * smoothed) > largest_of(CE_F64)) expected.is_known = false;
        made[i] = element(call, input.get(i), positive * smoothed, other);
    }
    if (call.errors) return expected;
    const Rows single(Lengths{static_cast<int64_t>(count), 1}, 1);
    reduce(call, expected, made, scales, divisor, single, false);
    return expected;
}
