#include "checks.h"

#include <algorithm>
#include <cstring>

#include "report.h"

namespace {

/// How far an output's last rounding may lead, beyond its relative bound.
Real last_rounding(Real value, int32_t dtype, bool is_finer) {
    Real once = smallest_of(dtype == CE_F64 ? CE_F64 : CE_F32) / 2;
    if (is_finer && dtype != CE_F64) once += ulp(value, CE_F32) / 2;
    // Bounds hold for normal numbers; of others it is promised only that they are small.
    const Real normal = smallest_normal_of(dtype == CE_F64 ? CE_F64 : CE_F32);
    if (std::fabs(value) < normal) once += normal;
    return dtype == CE_F32 || dtype == CE_F64 ? once : once + ulp(value, dtype) / 2;
}

}  // namespace

bool is_within(Real result, const Pair &expected, int32_t dtype, bool is_finer) {
    const Real value = expected.value;
    if (std::isinf(expected.tolerance)) return true;
    if (std::isnan(value)) return std::isnan(result);
    if (std::isinf(value)) return result == value;
    if (value == 0 && expected.tolerance == 0) return result == 0;
    // This computation's own rounding, far below all bounds.
    // What is rounded last is not the exact value, but one within the tolerance of it.
    const Real rounded = std::max(std::fabs(value), std::min(std::fabs(result), std::fabs(value) + expected.tolerance));
    const Real last = std::max(last_rounding(value, dtype, is_finer), last_rounding(rounded, dtype, is_finer));
    const Real tolerance = expected.tolerance + last + 0x1p-60L * std::fabs(value);
    if (!std::isfinite(result)) {
        const Real limit = largest_of(dtype) + ulp(largest_of(dtype), dtype) / 2;
        // Terms that overflow either way may leave NaN of a sum that overflows too.
        return (std::isnan(result) ? std::fabs(value) : result > 0 ? value : -value) + tolerance >= limit;
    }
    return std::fabs(result - value) <= tolerance;
}

void check_results(const Call &call, const Expected &expected) {
    if (!expected.is_known) return;
    for (int role = LOSS; role < ROLES; role++) {
        const Tensor &tensor = call.tensors[role];
        const std::vector<Pair> &results = expected.results[role];
        if (!tensor.present || results.empty()) continue;
        for (size_t i = 0; i < tensor.count(); i++) {
            const Real result = tensor.get(i);
            if (is_within(result, results[i], tensor.dtype, expected.is_finer[role])) continue;
            fail(call, "%s[%zu] is %.17Lg (%La), exactly %.20Lg, tolerance %.3Lg, off by %.3Lg (relative %.3Lg)",
                 role_names[role], i, result, result, results[i].value, results[i].tolerance, result - results[i].value,
                 (result - results[i].value) / results[i].value);
        }
    }
}

void check_invariants(const Call &call) {
    const Tensor &loss = call[LOSS], &grad = call[GRAD];
    const Real classes = static_cast<Real>(length_of(call[INPUT].shape, call.axis));
    if (call.function == SOFTMAX) {
        for (size_t i = 0; i < grad.count(); i++) {
            const Real p = grad.get(i);
            if (p > 1 || p < 0) fail(call, "probability %zu is %.17Lg", i, p);
            if (classes == 1 && p != 1 && !std::isnan(p)) fail(call, "the probability of a single class is %.17Lg", p);
        }
    }
    if (call.function == LOG_SOFTMAX) {
        for (size_t i = 0; i < grad.count(); i++) {
            if (grad.get(i) > 0) fail(call, "log-probability %zu is %.17Lg", i, grad.get(i));
        }
    }
    const Tensor &probs = call[TARGET_PROB], &entropy = call[ENTROPY];
    for (size_t i = 0; probs.present && i < probs.count(); i++) {
        if (probs.get(i) > 1 || probs.get(i) < 0) fail(call, "target_prob[%zu] is %.17Lg", i, probs.get(i));
    }
    const Real most = static_cast<double>(std::log(classes));
    for (size_t i = 0; entropy.present && i < entropy.count(); i++) {
        if (entropy.get(i) < 0 || entropy.get(i) > most) {
            fail(call, "entropy[%zu] is %.17Lg, beyond 0 to log(classes) = %.17Lg", i, entropy.get(i), most);
        }
    }
    bool is_positive = (call.function <= CROSS_ENTROPY_F64 && call.has_labels() &&
                        call.options.input_type == CE_INPUT_LOGITS && call.options.poly_epsilon >= 0) ||
                       (call.function == KL_DIVERGENCE && call.options.kl_form == CE_KL_GENERALIZED);
    for (Role role : {WEIGHT, SAMPLE_WEIGHT, PRIOR}) {
        for (size_t i = 0; call[role].present && i < call[role].count(); i++) {
            if (!(call[role].get(i) >= 0)) is_positive = false;
        }
    }
    for (size_t i = 0; is_positive && loss.present && i < loss.count(); i++) {
        if (loss.get(i) < 0) fail(call, "loss[%zu] is negative: %.17Lg", i, loss.get(i));
    }
}

namespace {

/// Which tensors have a class axis, those of the rows alone, and others.
enum Form { PER_CLASS_OF_ROW, PER_ROW, OTHER };

Form form_of(const Call &call, int role) {
    const bool is_list = call[TARGET_OFFSETS].present;
    switch (role) {
        case INPUT:
        case GRAD:
        case VECTOR: return PER_CLASS_OF_ROW;
        case GRAD_TARGET: return PER_CLASS_OF_ROW;
        case TARGET:
            if (call.function == BINARY) return PER_CLASS_OF_ROW;
            return call.has_labels() ? PER_ROW : is_list ? OTHER : PER_CLASS_OF_ROW;
        case TARGET_PROBS: return is_list ? OTHER : PER_CLASS_OF_ROW;
        case SAMPLE_WEIGHT: return call.function == BINARY ? PER_CLASS_OF_ROW : PER_ROW;
        case LOSS:
            return call.function == BINARY && call.options.reduction == CE_REDUCTION_NONE ? PER_CLASS_OF_ROW : PER_ROW;
        default: return PER_ROW;
    }
}

/// Where element i of a tensor is when its class axis has become the last.
size_t moved(const Tensor &tensor, int axis, size_t i) {
    const Rows rows(tensor.shape, axis);
    const int64_t place = static_cast<int64_t>(i), inner = place % rows.step, c = place / rows.step % rows.classes;
    const int64_t outer = place / rows.step / rows.classes;
    return static_cast<size_t>((outer * rows.step + inner) * rows.classes + c);
}

Lengths class_last(const Lengths &shape, int axis) {
    Lengths result = without(shape, axis);
    if (!shape.empty()) result.push_back(shape[static_cast<size_t>(axis)]);
    return result;
}

/// The same call with contiguous tensors and the class axis last.
Call plain_form_of(const Call &call) {
    Call again;
    again.function = call.function;
    again.options = call.options;
    again.has_options = true;
    if (!call.has_options) ce_options_init(&again.options, sizeof again.options);
    again.has_row_stats = call.has_row_stats;
    again.axis = static_cast<int>(call[INPUT].shape.size()) - 1;
    again.class_axis = -1;
    for (int role = 0; role < ROLES; role++) {
        const Tensor &from = call.tensors[role];
        if (!from.present) continue;
        Tensor &to = again.tensors[role];
        const bool moves = form_of(call, role) == PER_CLASS_OF_ROW;
        const Lengths shape = moves ? class_last(from.shape, call.axis) : from.shape;
        to.make(from.dtype, shape, Arrangement::contiguous(shape));
        to.output = from.output;
        if (from.output) continue;
        const size_t element = size_of(from.dtype);
        const unsigned char *data = from.before.data() + (from.data - from.block.base);
        for (size_t i = 0; i < from.count(); i++) {
            memcpy(to.place(moves ? moved(from, call.axis, i) : i), data + from.places[i], element);
        }
    }
    return again;
}

/// Whether the rows' losses may be computed otherwise than those that a reduced loss adds up: divergences and binary losses of
/// f32 take f64 where a gradient's factor is near an end of the range, or where one of the target is wanted.
bool may_round_rows_differently(const Call &call) {
    if (call[INPUT].dtype == CE_F64 || (call.function != KL_DIVERGENCE && call.function != BINARY)) return false;
    const auto is_extreme = [](Real factor) { return factor != 0 && std::fabs(std::log2(std::fabs(factor))) > 100; };
    return call[GRAD_TARGET].present || is_extreme(call.options.grad_loss) || is_extreme(call.options.mean_divisor);
}

}  // namespace

void check_reproducible(const Call &call) {
    Call again = plain_form_of(call);
    again.options.threads = call.options.threads == 1 ? 2 : 1;
    again.run();
    if (again.status != CE_OK)
        fail(again, "status %d with contiguous tensors and %d threads", again.status, again.options.threads);
    again.check_memory();
    for (int role = LOSS; role < ROLES; role++) {
        const Tensor &one = call.tensors[role], &other = again.tensors[role];
        if (!one.present) continue;
        const bool moves = form_of(call, role) == PER_CLASS_OF_ROW;
        for (size_t i = 0; i < one.count(); i++) {
            const size_t k = moves ? moved(one, call.axis, i) : i;
            if (memcmp(one.place(i), other.place(k), size_of(one.dtype)) == 0) continue;
            fail(call, "%s[%zu] is %La, but %La with contiguous tensors, the class axis last and %d threads",
                 role_names[role], i, one.get(i), other.get(k), again.options.threads);
        }
    }
}

void check_sum(const Call &call, const Expected &expected) {
    const int32_t reduction = call.options.reduction;
    const Tensor &loss = call[LOSS];
    if (call.function == LOGSUMEXP || !loss.present || loss.dtype != CE_F64 || reduction == CE_REDUCTION_NONE) return;
    if (!expected.is_known || expected.divisor == 0 || call.function == CROSS_ENTROPY_F32) return;
    Call rows = plain_form_of(call);
    rows.options.reduction = CE_REDUCTION_NONE;
    rows[GRAD] = Tensor();
    rows[GRAD_TARGET] = Tensor();
    const Lengths &shape = rows[INPUT].shape;
    const Lengths kept = call.function == BINARY ? shape : without(shape, static_cast<int>(shape.size()) - 1);
    rows[LOSS].make(CE_F64, kept, Arrangement::contiguous(kept));
    rows.run();
    if (rows.status != CE_OK) fail(rows, "status %d with reduction none", rows.status);
    Sum sum;
    Real lost = 0;  // of losses below the normal numbers, of which the sum knows more
    for (size_t i = 0; i < rows[LOSS].count(); i++) {
        const Real row = rows[LOSS].get(i);
        sum.add(row);
        if (std::fabs(row) < smallest_normal_of(CE_F64)) lost += smallest_of(CE_F64);
    }
    if (!std::isfinite(sum.size())) return;
    const Real exact = sum.value() / expected.divisor, result = loss.get(0);
    // Half a unit, the roundings of the weights' products, and what this computation may be off.
    const Real tolerance =
        ulp(exact, CE_F64) / 2 + 0x1p-62L * std::fabs(exact) +
        (may_round_rows_differently(call) ? accuracy(CE_F32) * sum.size() / std::fabs(expected.divisor) : 0) +
        (lost + 0x1p-110L * sum.size() + expected.divisor_error * std::fabs(exact)) / std::fabs(expected.divisor);
    if (std::fabs(exact) > largest_of(CE_F64) / 2 || std::fabs(result - exact) <= tolerance) return;
    fail(call, "the reduced loss is %La, but the %zu losses give %La", result, rows[LOSS].count(), exact);
}
