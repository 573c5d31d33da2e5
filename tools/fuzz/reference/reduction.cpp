#include "reduction.h"

void reduce(Call &call, Expected &expected, const std::vector<RowResult> &made, const std::vector<Real> &scales,
            Divisor divisor, const Rows &rows, bool is_finer) {
    const ce_options &o = call.options;
    Real divide = 1;
    bool nothing = false;
    if (o.reduction == CE_REDUCTION_MEAN) {
        divide = o.mean_over == CE_MEAN_OVER_DIVISOR ? static_cast<Real>(o.mean_divisor) : divisor.sum.value();
        if (o.mean_over != CE_MEAN_OVER_DIVISOR && divisor.is_vague()) {
            expected.is_known = false;
            return;
        }
        nothing = divide == 0;
    }
    if (nothing && o.empty == CE_EMPTY_ERROR) {
        call.expect(CE_ERROR_EMPTY);
        return;
    }
    expected.divisor = divide;
    // Products of two weights are rounded, here too.
    const bool has_products = call[WEIGHT].present && call[SAMPLE_WEIGHT].present;
    expected.divisor_error = (has_products ? 0x1p-53L : 0x1p-63L) * divisor.sum.size();
    const bool zero = nothing && o.empty == CE_EMPTY_ZERO;
    const int32_t dtype = call[INPUT].dtype;

    if (call[LOSS].present) {
        std::vector<Pair> losses(made.size());
        for (size_t i = 0; i < made.size(); i++) {
            if (!made[i].counts) continue;
            const Real loss = scales[i] * made[i].loss;
            losses[i] = {loss, std::isfinite(loss) ? made[i].loss_bound(std::fabs(scales[i])) : 0};
            if (made[i].overflows() || (std::isfinite(loss) && std::fabs(loss) > largest_of(CE_F64)))
                losses[i] = anything();
        }
        const int32_t loss_dtype = call[LOSS].dtype;
        if (o.reduction == CE_REDUCTION_NONE) {
            if (loss_dtype == CE_F32 && (is_finer || dtype == CE_F64)) {
                for (Pair &loss : losses) {
                    if (std::isfinite(loss.value) && loss.value != 0) loss.tolerance += ulp(loss.value, CE_F32) / 2;
                }
            }
            expected.results[LOSS] = losses;
        } else if (nothing) {
            expected.results[LOSS] = {{zero ? 0 : not_a_number, 0}};
        } else {
            Pair total;
            for (const Pair &loss : losses) {
                total.value += loss.value;
                total.tolerance += loss.tolerance;
            }
            total.value /= divide;
            total.tolerance /= std::fabs(divide);
            if (std::isfinite(total.value) && total.value != 0) total.tolerance += ulp(total.value, loss_dtype) / 2;
            expected.results[LOSS] = {total};
        }
    }

    const Real upstream = o.grad_loss;
    for (Role role : {GRAD, GRAD_TARGET}) {
        if (!call[role].present) continue;
        expected.is_finer[role] = role == GRAD_TARGET && !is_finer ? dtype == CE_F64 : is_finer;
        std::vector<Pair> grads(call[role].count());
        for (int64_t row = 0; row < rows.count(); row++) {
            const size_t i = static_cast<size_t>(row);
            const Real own = call[GRAD_LOSSES].present ? call[GRAD_LOSSES].get(i) : 1;
            const Real factor = scales.empty() ? 0 : scales[i] * upstream * own / divide;
            const std::vector<Pair> &slopes = role == GRAD ? made[i].slopes : made[i].target_slopes;
            for (int64_t c = 0; c < rows.classes; c++) {
                Pair &grad = grads[rows.place(row, c)];
                if (!made[i].counts || zero) continue;
                if (nothing) {
                    grad = {not_a_number, 0};
                    continue;
                }
                const Pair &slope = slopes[static_cast<size_t>(c)];
                const bool is_beyond = std::isfinite(slope.value) && std::fabs(slope.value) > largest_of(CE_F64);
                // An upstream gradient of 0 times an infinite slope; a loss that may be NaN; probabilities of 0 times what is
                // beyond all numbers.
                if (is_beyond || made[i].steepest * std::fabs(factor) > largest_of(CE_F64) || std::isinf(slope.tolerance) || made[i].may_be_undefined() ||
                    (factor == 0 && !std::isfinite(slope.value))) {
                    grad = anything();
                    continue;
                }
                grad = {factor * slope.value, std::fabs(factor) * slope.tolerance};
            }
        }
        expected.results[role] = grads;
    }
}
