// Cross-entropy of rows, and its second derivatives.
#include "loss.h"

#include <algorithm>

namespace {

/// The term f of the loss that a class with target mass a has, and its slope b; the sizes are made of positive parts.
struct Term {
    Real f = 0, f_size = 0, b = 0, b_size = 0;

    Term() {}
    Term(Real a, Real minus_log_p, Real p, Real v, Real gamma, Real epsilon) {
        const Real power = gamma != 0 ? std::pow(v, gamma) : 1;
        Real bend = 0;
        if (gamma != 0 && p != 0) bend = (v != 0 ? power / v * minus_log_p : power) * gamma * p;
        f = a * (power * minus_log_p + power * epsilon * v);
        f_size = std::fabs(a) * power * (minus_log_p + std::fabs(epsilon) * v);
        b = a * (power * (1 + epsilon * p * (1 + gamma)) + bend);
        b_size = std::fabs(a) * (power * (1 + std::fabs(epsilon) * p * (1 + gamma)) + bend);
    }
};

}  // namespace

RowResult logits_row(const Call &call, const std::vector<Real> &x, const Masses &mass, std::vector<Pair> &costs) {
    const ce_options &o = call.options;
    const int32_t dtype = call[INPUT].dtype;
    const Real gamma = o.focal_gamma, epsilon = o.poly_epsilon, z_loss = o.z_loss;
    const std::vector<Real> &a = mass.a;
    const size_t classes = x.size();
    RowResult made;
    made.counts = true;
    const Logits logits(x, call);
    const std::vector<Real> &z = logits.z;
    const Softmax softmax(z);
    if (softmax.is_undefined) {
        made.make_undefined(classes);
        costs.assign(classes, {not_a_number, 0});
        return made;
    }
    const std::vector<Real> &p = softmax.p;
    const Real lse = softmax.lse(), lse_size = softmax.lse_size();
    std::vector<Term> terms(classes);
    Real total = 0, total_size = 0;
    for (size_t c = 0; c < classes; c++) {
        if (a[c] == 0) continue;  // of classes without target mass there is no term
        if (mass.off[c] >= std::fabs(a[c]) && std::isinf(z[c])) made.is_vague = true;
        terms[c] = Term(a[c], softmax.minus_log(z[c]), p[c], softmax.one_minus_p[c], gamma, epsilon);
        if (std::isfinite(z[c])) made.longest = std::max(made.longest, softmax.minus_log(z[c]));
        made.loss += terms[c].f;
        made.magnitude += terms[c].f_size;
        (terms[c].f < 0 ? made.has_negative : made.has_positive) = true;
        total += terms[c].b;
        total_size += terms[c].b_size;
    }
    if (z_loss != 0) {
        made.loss += z_loss * lse * lse;
        made.magnitude += z_loss * lse_size * lse_size;
    }
    if (std::isnan(made.loss)) {
        made.make_undefined(classes);
        costs.assign(classes, {not_a_number, 0});
        return made;
    }
    made.is_rounded_to_f32 = dtype != CE_F64;
    made.accuracy = accuracy(dtype);
    made.wide = 1 + gamma;

    const Real from_targets = total;
    total += 2 * z_loss * lse;
    if (gamma == 0 && epsilon == 0) {
        total_size = 0;
        for (Real a_c : a) total_size += a_c;
        total_size = std::fabs(total_size);
    }
    total_size += 2 * z_loss * lse_size;
    made.steepest = total_size;
    const Real largest = p[softmax.at];
    Real flushed = 0, flushed_in_loss = 0;
    for (Real p_c : p) {
        if (p_c < largest * smallest_share(dtype)) flushed += p_c;
        // Of f32 the sum keeps more: a loss is within its bound wherever it is a normal number.
        if (p_c < largest * (dtype == CE_F64 ? 0x1p-1022L : 0x1p-157L)) flushed_in_loss += p_c;
    }
    made.apart = total_size * flushed_in_loss;
    // Its bound holds wherever it is a normal number, of f32 for all but f64 input, whatever the loss is written as.
    if (dtype != CE_F64 && made.magnitude < smallest_normal_of(CE_F32)) made.apart += made.magnitude;
    if (logits.most_unsure != 0) {
        for (size_t c = 0; c < classes; c++) {
            made.apart += (total_size * p[c] + terms[c].b_size) * logits.unsure[c];
        }
    }
    // What an error of each mass makes of the loss and of the slopes.
    std::vector<Real> mass_slopes(classes, 0);
    Real mass_error = 0;
    for (size_t c = 0; c < classes; c++) {
        if (mass.off[c] == 0 || a[c] == 0) continue;
        const Term error(mass.off[c], softmax.minus_log(z[c]), p[c], softmax.one_minus_p[c], gamma, epsilon);
        made.apart += error.f_size;
        mass_error += error.b_size;
        mass_slopes[c] = error.b_size;
    }
    const Real cancellation = mass.cancellation();
    made.slopes.resize(classes);
    for (size_t c = 0; c < classes; c++) {
        const bool has_term = a[c] != 0;
        const Real b = terms[c].b, b_size = terms[c].b_size, p_c = p[c];
        Real lost = p_c < largest * smallest_share(dtype) ? p_c : 0;
        const bool is_precise = p_c >= 1e-6L || b_size >= total_size * p_c;
        const Real bound = is_precise || dtype == CE_F64 ? accuracy(dtype) : 5e-6L;
        Real size = std::max(total_size * p_c, b_size);
        if (mass.is_one_hot) {
            size = has_term ? b_size * softmax.one_minus_p[c] : (total_size - 2 * z_loss * lse_size) * p_c;
            size += 2 * z_loss * lse_size * p_c;
            if (has_term) lost = flushed;
        }
        const Real value = -b * softmax.one_minus_p[c] + (from_targets - b) * p_c + 2 * z_loss * lse * p_c;
        Real tolerance =
            made.wide * (bound + 2 * logits.most_unsure) * size + total_size * lost + mass_error * p_c + mass_slopes[c];
        tolerance += cancellation * p_c;
        if (logits.are_vague()) tolerance += total_size + b_size;
        if (z_loss * std::fabs(lse) < 0x1p-960L) tolerance += 2 * z_loss * lse_size * p_c;  // below the normal numbers
        tolerance += logits.chain_bound[c] * std::fabs(value);
        made.slopes[c] = {value * logits.chain[c], tolerance * std::fabs(logits.chain[c])};
    }
    Real moved = 0;
    for (size_t c = 0; c < classes; c++) moved += p[c] * logits.unsure[c];
    costs.resize(classes);
    for (size_t c = 0; c < classes; c++) {
        const Real cost = softmax.minus_log(z[c]);
        costs[c] = {cost, accuracy(dtype) * cost + flushed + moved + logits.unsure[c]};
        if (logits.are_vague()) costs[c].tolerance += logits.most_unsure + std::log(static_cast<Real>(classes));
    }
    return made;
}

RowResult probabilities_row(const Call &call, const std::vector<Real> &x, const Masses &mass,
                            std::vector<Pair> &costs) {
    const ce_options &o = call.options;
    const size_t classes = x.size();
    const Real bound = accuracy(call[INPUT].dtype), low = o.clip, high = static_cast<double>(1 - o.clip);
    RowResult made;
    made.counts = true;
    made.is_rounded_to_f32 = call[INPUT].dtype != CE_F64;
    made.accuracy = bound;
    costs.resize(classes);
    made.slopes.resize(classes);
    for (size_t c = 0; c < classes; c++) {
        const Real used = low > 0 && !std::isnan(x[c]) ? std::min(std::max(x[c], low), high) : x[c];
        Real cost, step;
        if (o.input_type == CE_INPUT_LOG_PROBS) {
            cost = -x[c];
            step = 1;
        } else if (used < 0 || std::isnan(used)) {
            cost = step = not_a_number;
        } else {
            cost = -std::log(used);
            step = used != x[c] ? 0 : 1 / used;
            if (used == 0) step = infinity;
        }
        costs[c] = {cost, bound * std::fabs(cost)};
        const Real a = mass.a[c];
        if (a == 0) continue;
        if (mass.off[c] >= std::fabs(a) && !std::isfinite(cost)) made.is_vague = true;
        made.loss += a * cost;
        made.magnitude += std::fabs(a * cost);
        if (mass.off[c] != 0) made.apart += mass.off[c] * std::fabs(cost);
        const Real slope = step == 0 ? 0 : -a * step;
        made.slopes[c] = {slope, bound * std::fabs(slope) + (mass.off[c] != 0 ? mass.off[c] * step : 0)};
    }
    if (std::isnan(made.loss)) {
        made.make_undefined(classes);
        costs.assign(classes, {not_a_number, 0});
    }
    return made;
}

RowResult hessian_row(const Call &call, const std::vector<Real> &x, const std::vector<Real> *v, const Masses &mass) {
    const ce_options &o = call.options;
    const int32_t dtype = call[INPUT].dtype;
    const size_t classes = x.size();
    const Logits logits(x, call);
    const Softmax softmax(logits.z);
    Real total = 0;
    for (Real a : mass.a) total += a;
    RowResult made;
    made.counts = true;
    if (softmax.is_undefined || std::isnan(total)) {
        made.make_undefined(classes);
        return made;
    }
    const std::vector<Real> &p = softmax.p;
    const Real lse = softmax.lse(), lse_size = softmax.lse_size(), z_loss = 2 * static_cast<Real>(o.z_loss);
    Real stretch = accuracy(dtype);
    if (dtype == CE_F64) stretch *= std::min(std::max<Real>(1, farthest_of(logits.z) / 100), 1e13L);
    stretch += 4 * logits.most_unsure;
    // From the vector's number at the largest logit on, so that nothing cancels.
    const Real base = v != nullptr ? (*v)[softmax.at] : 0;
    Real mean = 0, spread = 0, mean_size = 0, lost = 0;
    for (size_t c = 0; c < classes; c++) {
        if (v == nullptr) {
            if (p[c] < p[softmax.at] * 0x1p-1022L) lost += p[c];
            continue;
        }
        if (p[c] == 0 && !std::isfinite((*v)[c])) continue;
        mean += p[c] * ((*v)[c] - base);
        spread += p[c] * std::fabs((*v)[c] - base);
        mean_size += p[c] * std::fabs((*v)[c]);
        if (p[c] < p[softmax.at] * 0x1p-1022L) lost += p[c] * std::fabs((*v)[c] - base);
    }
    const Real total_off = mass.total_off + mass.cancellation();
    made.slopes.resize(classes);
    for (size_t c = 0; c < classes; c++) {
        Real bent = softmax.one_minus_p[c], bent_size = bent, middle = p[c], middle_size = p[c];
        if (v != nullptr) {
            bent = ((*v)[c] - base) - mean;
            bent_size = std::fabs((*v)[c] - base) + spread;
            middle = mean + base;
            middle_size = mean_size;
        }
        const Real value = p[c] * (total * bent + z_loss * (middle + lse * bent));
        const Real size = p[c] * (std::fabs(total) * bent_size + z_loss * (middle_size + lse_size * bent_size));
        const Real bound =
            stretch * size + p[c] * total_off * bent_size + (p[c] < p[softmax.at] * 0x1p-1022L ? size : 0) +
            p[c] * (std::fabs(total) + z_loss * (1 + lse_size)) * lost;
        const Real chain = logits.chain[0] * logits.chain[0];
        made.slopes[c] = {value * chain, bound * chain};
        // Products beyond all numbers, of which the probability is to make one.
        if (logits.are_vague() || z_loss * lse_size > largest_of(CE_F64) / 2 ||
            std::fabs(total) * bent_size + z_loss * (middle_size + lse_size * bent_size) > largest_of(CE_F64) / 2 ||
            2 * bent_size > largest_of(CE_F64)) {
            made.slopes[c] = anything();
        }
    }
    return made;
}
