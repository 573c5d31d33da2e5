// What a row of logits tells beside its loss: softmax, lse, entropy, rank.
#include "statistics.h"

namespace {

struct Statistics {
    Pair lse, max, entropy, target_prob;
    Real argmax = -1, target_rank = -1;
    std::vector<Pair> softmax, log_softmax;
};

Statistics statistics_of(const Call &call, const std::vector<Real> &x, int64_t label) {
    const int32_t dtype = call[INPUT].dtype;
    const Real bound = accuracy(dtype);
    const Logits logits(x, call);
    const std::vector<Real> &z = logits.z;
    const Real off = logits.most_unsure;
    const Pair undefined = {not_a_number, 0};
    Statistics made;
    made.entropy = made.target_prob = undefined;
    made.softmax.assign(z.size(), undefined);
    made.log_softmax.assign(z.size(), undefined);
    bool has_nan = false;
    for (Real value : z) has_nan = has_nan || std::isnan(value);
    const Softmax softmax(z);
    if (std::isinf(softmax.largest) && (softmax.largest > 0 || !has_nan)) {
        made.lse = made.max = {softmax.largest, 0};
        made.argmax = static_cast<Real>(softmax.at);
        return made;
    }
    if (has_nan) {
        made.lse = made.max = undefined;
        return made;
    }
    made.max = {softmax.largest, off != 0 ? 2 * off + ulp(softmax.largest, CE_F64) : 0};
    made.argmax = static_cast<Real>(softmax.at);
    const Real lowest = softmax.p[softmax.at] * smallest_share(dtype), log_total = softmax.log_total;
    Real flushed = 0, entropy = 0, entropy_lost = 0, moved = 0;
    for (size_t c = 0; c < z.size(); c++) {
        const Real p = softmax.p[c];
        if (p == 0) continue;
        const Real term = p * softmax.minus_log(z[c]);
        entropy += term;
        moved += term;
        if (p < lowest) {
            flushed += p;
            entropy_lost += term;
        }
    }
    made.lse = {softmax.lse(), bound * std::fmax(std::fabs(softmax.largest), log_total) + flushed + off};
    made.entropy = {entropy, (bound + 2 * off) * entropy + entropy_lost + 2 * flushed + 2 * off * moved};
    const Real vague = logits.are_vague() ? 1 : 0;
    made.entropy.tolerance += vague * std::log(static_cast<Real>(z.size()));
    for (size_t c = 0; c < z.size(); c++) {
        const Real p = softmax.p[c];
        const Real relative = dtype != CE_F64 && p < 1e-6L ? 5e-6L : bound;
        made.softmax[c] = {p, (relative + 2 * off) * p + (p < lowest ? p : 0) + vague};
        const Real gap = softmax.largest - z[c];
        made.log_softmax[c] =
            std::isinf(z[c]) ? Pair{z[c], 0}
                             : Pair{-softmax.minus_log(z[c]), bound * std::fmax(gap, log_total) + flushed + 2 * off};
    }
    if (label >= 0) {
        const size_t y = static_cast<size_t>(label);
        made.target_prob = made.softmax[y];
        made.target_rank = 0;
        for (size_t c = 0; c < z.size(); c++) made.target_rank += z[c] > z[y] || (z[c] == z[y] && c < y);
    }
    return made;
}

}  // namespace

void expect_statistics(Call &call, Expected &expected, const std::vector<int64_t> &labels) {
    const Rows rows(call[INPUT].shape, call.axis);
    // Capped and scaled logits may be equal where they are not in this computation.
    const bool is_transformed = call.scale() != 1 || call.temperature() != 1 || call.options.softcap != 0;
    const Role per_class = GRAD;
    const bool wants_classes = (call.function == SOFTMAX || call.function == LOG_SOFTMAX) && call[per_class].present;
    if (wants_classes) expected.results[per_class].resize(call[per_class].count());
    for (int64_t row = 0; row < rows.count(); row++) {
        const size_t i = static_cast<size_t>(row);
        const Statistics made = statistics_of(call, row_of(call[INPUT], rows, row), labels[i]);
        auto add = [&](Role role, Pair pair) {
            if (call[role].present) expected.results[role].push_back(pair);
        };
        add(LSE, made.lse);
        add(MAX, made.max);
        add(ENTROPY, made.entropy);
        add(TARGET_PROB, made.target_prob);
        add(ARGMAX, is_transformed ? anything() : Pair{made.argmax, 0});
        add(TARGET_RANK, is_transformed ? anything() : Pair{made.target_rank, 0});
        if (call.function == LOGSUMEXP) add(LOSS, made.lse);
        for (int64_t c = 0; wants_classes && c < rows.classes; c++) {
            const size_t k = static_cast<size_t>(c);
            expected.results[per_class][rows.place(row, c)] =
                call.function == SOFTMAX ? made.softmax[k] : made.log_softmax[k];
        }
    }
    expected.is_finer[LOSS] = call[LOSS].present;
}

Expected expected_softmax_call(Call &call) {
    Expected expected;
    if (call.errors) return expected;
    const Rows rows(call[INPUT].shape, call.axis);
    std::vector<int64_t> labels(static_cast<size_t>(rows.count()), -1);
    for (size_t i = 0; call[TARGET].present && i < labels.size(); i++) {
        const Real label = call[TARGET].get(i);
        if (call.options.ignore_index != CE_IGNORE_NONE && label == static_cast<Real>(call.options.ignore_index))
            continue;
        if (label < 0 || label >= static_cast<Real>(rows.classes))
            call.expect(CE_ERROR_LABEL);
        else
            labels[i] = static_cast<int64_t>(label);
    }
    if (!call.errors) expect_statistics(call, expected, labels);
    return expected;
}
