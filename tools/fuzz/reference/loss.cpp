// Calls that compare rows with a target: what is counted and weighed, whatever the loss is.
#include "loss.h"

#include "reduction.h"
#include "statistics.h"

Real Masses::cancellation() const {
    Real sum = 0, size = 0;
    for (Real mass : a) {
        sum += mass;
        size += std::fabs(mass);
    }
    return size > std::fabs(sum) ? 0x1p-45L * size : 0;  // 256 additions to a lane, each of 2^-53
}

std::vector<Pair> chained(const Call &call, const Target &target, const std::vector<Pair> &units) {
    const size_t classes = units.size();
    const int32_t kind = call.options.target_type;
    // A difference of logits that is no number, or is within a rounding of being none, may make the row undefined.
    for (const Pair &unit : units) {
        if (std::isfinite(unit.value) && std::fabs(unit.value) * (1 + 0x1p-50L) > largest_of(CE_F64))
            return std::vector<Pair>(classes, anything());
    }
    if (kind == CE_TARGET_PROBS) return units;
    const Real temperature = kind == CE_TARGET_LOGITS ? call.temperature() : 1;
    Real mean = 0, size = 0, error = 0;
    if (kind == CE_TARGET_LOGITS) {
        for (size_t c = 0; c < classes; c++) {
            if (target.q[c] == 0) continue;
            // What may become 0 meets what is infinite.
            if (target.off[c] >= target.q[c] && !std::isfinite(units[c].value))
                return std::vector<Pair>(classes, anything());
            mean += target.q[c] * units[c].value;
            size += target.q[c] * std::fabs(units[c].value);
            error += target.q[c] * units[c].tolerance + target.off[c] * std::fabs(units[c].value);
        }
        if (!std::isfinite(mean)) return std::vector<Pair>(classes, {not_a_number, 0});
    }
    std::vector<Pair> made(classes);
    for (size_t c = 0; c < classes; c++) {
        const Real q = target.q[c], u = units[c].value;
        if (q == 0) continue;
        Real tolerance = q * (units[c].tolerance + error) + 2 * target.inaccuracy * q * (std::fabs(u) + size);
        tolerance += target.off[c] * (std::fabs(u) + size);
        made[c] = {q * (u - mean) / temperature, tolerance / temperature};
    }
    return made;
}

namespace {

bool is_finite(const Tensor &tensor) {
    for (size_t i = 0; tensor.present && i < tensor.count(); i++) {
        if (!std::isfinite(tensor.get(i))) return false;
    }
    return true;
}

}  // namespace

Expected expected_loss_call(Call &call) {
    const ce_options &o = call.options;
    const Tensor &input = call[INPUT];
    const Rows rows(input.shape, call.axis);
    const bool is_divergence = call.function == KL_DIVERGENCE;
    Expected expected;
    if (is_divergence && call.has_labels()) call.expect(CE_ERROR_DTYPE);
    if (call.errors) return expected;
    std::vector<Target> targets = targets_of(call, rows, is_divergence);
    if (call.errors) return expected;
    for (Role role : {WEIGHT, SAMPLE_WEIGHT, GRAD_LOSSES, PRIOR}) {
        if (!is_finite(call[role])) expected.is_known = false;
    }
    const size_t count = targets.size(), classes = static_cast<size_t>(rows.classes);
    std::vector<Real> weights(classes, 1), priors(classes, 1 / static_cast<Real>(classes));
    if (call[WEIGHT].present && !is_divergence) weights = call[WEIGHT].values();
    if (call[PRIOR].present) priors = call[PRIOR].values();
    const Real smoothing = o.label_smoothing;
    Real largest_weight = 1;
    for (Real w : weights) largest_weight = std::max(largest_weight, std::fabs(w));
    const Real squared = o.temperature_squared ? static_cast<Real>(call.temperature()) * call.temperature() : 1;
    std::vector<RowResult> made(count);
    std::vector<Real> scales(count);
    Divisor divisor;
    for (size_t i = 0; i < count; i++) {
        const Target &target = targets[i];
        const Real weight = call[SAMPLE_WEIGHT].present ? call[SAMPLE_WEIGHT].get(i) : 1;
        scales[i] = weight * squared;
        if (!target.counts) continue;
        if (target.is_vague) expected.is_known = false;
        Real mass = 0;
        if (target.label >= 0) {
            mass = weights[static_cast<size_t>(target.label)];
        } else {
            for (size_t c = 0; c < classes; c++)
                mass += weights[c] == 0 || target.q[c] == 0 ? 0 : weights[c] * target.q[c];
        }
        switch (is_divergence && o.mean_over != CE_MEAN_OVER_COUNT ? CE_MEAN_OVER_WEIGHT : o.mean_over) {
            case CE_MEAN_OVER_WEIGHT: divisor.add(weight * (target.label >= 0 ? mass : 1)); break;
            case CE_MEAN_OVER_MASS:
                divisor.add(weight == 0 ? 0 : weight * mass);
                // Its own inaccuracy is not followed up.
                if (target.label < 0 && o.reduction == CE_REDUCTION_MEAN) expected.is_known = false;
                break;
            case CE_MEAN_OVER_COUNT: divisor.add(1); break;
            default: break;
        }
        if (weight == 0) continue;
        const bool is_weightless = target.label >= 0 && weights[static_cast<size_t>(target.label)] == 0;
        if (is_weightless && smoothing == 0 && o.z_loss == 0) continue;
        const std::vector<Real> x = row_of(input, rows, static_cast<int64_t>(i));
        if (is_divergence) {
            made[i] = divergence_row(call, x, target);
            if (made[i].is_vague) expected.is_known = false;
            continue;
        }
        Masses masses;
        masses.a.resize(classes);
        masses.off.assign(classes, 0);
        masses.is_one_hot = smoothing == 0 && target.is_one_hot();
        for (size_t c = 0; c < classes; c++) {
            const Real q = smoothing == 0 ? target.q[c] : (1 - smoothing) * target.q[c] + smoothing * priors[c];
            masses.a[c] = weights[c] * q;
            // Shares below the normal numbers lose digits, also in units of the largest class weight.
            if (std::fabs(masses.a[c]) / largest_weight < 0x1p-1022L) masses.off[c] = std::fabs(masses.a[c]);
            if (smoothing != 0 && std::fabs(smoothing * priors[c]) < 0x1p-1022L) masses.off[c] += 0x1p-1072L * weights[c];
            if (target.label >= 0) continue;
            masses.off[c] += std::fabs(weights[c] * (1 - smoothing)) * target.error(c);
            masses.total_off += masses.off[c];
        }
        std::vector<Pair> costs;
        if (call.is_hessian()) {
            std::vector<Real> vector;
            if (call[VECTOR].present) vector = row_of(call[VECTOR], rows, static_cast<int64_t>(i));
            for (Real number : vector) {
                if (!std::isfinite(number)) expected.is_known = false;
            }
            made[i] = hessian_row(call, x, vector.empty() ? nullptr : &vector, masses);
        } else if (o.input_type == CE_INPUT_LOGITS) {
            made[i] = logits_row(call, x, masses, costs);
        } else {
            made[i] = probabilities_row(call, x, masses, costs);
        }
        if (made[i].is_vague) expected.is_known = false;
        if (call[GRAD_TARGET].present) {
            std::vector<Pair> units(classes);
            for (size_t c = 0; c < classes; c++) {
                const Real factor = weights[c] * (1 - smoothing);
                if (factor != 0) units[c] = {factor * costs[c].value, std::fabs(factor) * costs[c].tolerance};
            }
            if (!std::isnan(made[i].loss)) made[i].target_slopes = chained(call, target, units);
        }
    }
    reduce(call, expected, made, scales, divisor, rows, is_divergence);
    if (call.has_row_stats && !call.errors) {
        // No label is told where a weight is 0 and leaves nothing.
        std::vector<int64_t> labels(count);
        for (size_t i = 0; i < count; i++) {
            const int64_t label = made[i].counts ? targets[i].label : -1;
            labels[i] = label >= 0 && (weights[static_cast<size_t>(label)] != 0 || o.z_loss != 0) ? label : -1;
        }
        expect_statistics(call, expected, labels);
    }
    return expected;
}
