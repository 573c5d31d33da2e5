// The accumulator, and what stands around the computing functions: versions, texts, defaults, threads.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "palette.h"
#include "report.h"

namespace {

struct Sums {
    Sum loss, weight;
    int64_t rows = 0, judged = 0, correct = 0;
};

ce_accumulator *guarded(Bytes &bytes) {
    return reinterpret_cast<ce_accumulator *>(memory::take(sizeof(ce_accumulator), true, bytes.below(8)).base);
}

/// Whether it is the nearest number, but for what this computation may be off.
bool is_nearest(double result, Real exact, Real error) {
    if (std::isnan(exact)) return std::isnan(result);
    if (std::isinf(exact)) return static_cast<Real>(result) == exact;
    if (std::fabs(exact) > largest_of(CE_F64)) return std::isinf(result) || std::fabs(result) >= 0x1.fffffffffffffp1023;
    return std::fabs(result - exact) <= ulp(exact, CE_F64) / 2 + error;
}

void check_statuses(Bytes &bytes) {
    const std::string text = "    functions around the computing ones\n";
    if (ce_version() != CE_VERSION_NUMBER) fail(text, "ce_version is %d", ce_version());
    for (const char *name : {ce_version_string(), ce_build_info(), ce_isa(), ce_last_error_message()}) {
        if (name == nullptr) fail(text, "a text is NULL");
    }
    const int32_t status = static_cast<int32_t>(bytes.number());
    for (int32_t value : {status, static_cast<int32_t>(bytes.below(14))}) {
        if (ce_status_string(value) == nullptr) fail(text, "the text of status %d is NULL", value);
    }
    // Options of any size, in as much memory.
    const size_t size = bytes.word() % 400;
    const Block block = memory::take(size, true, 0);
    memset(block.base, 0xff, size);
    memory::guard();
    const int32_t result = ce_options_init(reinterpret_cast<ce_options *>(block.base), size);
    memory::unguard();
    if (result != (size < first_options_size || size % 8 != 0 ? CE_ERROR_OPTIONS_SIZE : CE_OK))
        fail(text, "ce_options_init(%zu): status %d", size, result);
    if (!memory::surroundings_intact(block)) fail(text, "ce_options_init(%zu) has written beyond it", size);
    if (result == CE_OK && load(block.base, CE_U64) != static_cast<Real>(size))
        fail(text, "options.size is not %zu", size);
    if (ce_options_init(nullptr, size) != CE_ERROR_NULL_POINTER) fail(text, "ce_options_init(NULL) passes");
    const int32_t counts[] = {0, 1, 2, 3, 256, 257, 100000, -1, INT32_MIN, INT32_MAX};
    const int32_t count = bytes.pick(counts);
    if (ce_set_num_threads(count) != (count < 0 ? CE_ERROR_OPTION : CE_OK)) fail(text, "ce_set_num_threads(%d)", count);
    const int32_t threads = ce_get_num_threads();
    if (threads < 1 || threads > CE_MAX_THREADS) fail(text, "ce_get_num_threads is %d", threads);
    if (count > 0 && threads != (count > CE_MAX_THREADS ? CE_MAX_THREADS : count))
        fail(text, "%d threads of %d", threads, count);
    ce_set_num_threads(0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memory::begin();
    Bytes bytes(data, size);
    if (bytes.one_in(8)) {
        check_statuses(bytes);
        return 0;
    }
    std::string text;
    ce_accumulator *const sums[] = {guarded(bytes), guarded(bytes), guarded(bytes)};
    Sums exact[2];
    // The third gets all rows that one of the others gets: the bytes must agree with those of a merger.
    for (ce_accumulator *accumulator : sums) {
        if (ce_accumulator_init(accumulator) != CE_OK) fail(text, "ce_accumulator_init");
    }
    bool is_exact = true;
    for (unsigned n = 1 + bytes.below(4); n > 0; n--) {
        static const int32_t floats[] = {CE_F32, CE_F64, CE_BF16, CE_F16};
        static const int32_t integers[] = {CE_I64, CE_I8, CE_U8, CE_I32};
        static const int64_t lengths[] = {1, 2, 3, 17, 0, 100, 1000};
        Lengths shape;
        for (unsigned d = bytes.below(3); d > 0; d--)
            shape.push_back(bytes.pick(lengths) % (shape.empty() ? 10000 : 8));
        Tensor loss, weight, correct;
        const int32_t loss_type = bytes.pick(floats), weight_type = bytes.pick(floats),
                      correct_type = bytes.pick(integers);
        loss.make(loss_type, shape, Arrangement::decode(bytes, shape, size_of(loss_type), false));
        fill_numbers(loss, bytes);
        if (bytes.one_in(2)) {
            weight.make(weight_type, shape, Arrangement::decode(bytes, shape, size_of(weight_type), false));
            fill_weights(weight, bytes, bytes.one_in(8));
        }
        if (bytes.one_in(2)) {
            correct.make(correct_type, shape, Arrangement::decode(bytes, shape, size_of(correct_type), false));
            fill_mask(correct, bytes);
        }
        for (Tensor *tensor : {&loss, &weight, &correct}) {
            if (tensor->present) tensor->snapshot();
        }
        const unsigned which = bytes.below(2);
        text += text_of(loss, "loss");
        if (weight.present) text += text_of(weight, "weight");
        if (correct.present) text += text_of(correct, "correct");
        text += "    ce_accumulator_add(sums[" + std::to_string(which) + "], &loss, " +
                (weight.present ? "&weight, " : "NULL, ") + (correct.present ? "&correct);\n" : "NULL);\n");
        if (is_verbose) fprintf(stderr, "%s", text.c_str());
        const unsigned wrong = bytes.byte();
        if (wrong == 255) {  // it says of itself what is not so
            loss.argument();
            const ce_accumulator was = *sums[which];
            ce_tensor overlapping = *loss.argument();
            overlapping.data = sums[which];
            const int32_t status = ce_accumulator_add(sums[which], &overlapping, nullptr, nullptr);
            if (status != CE_ERROR_OVERLAP && loss.count() > 0) fail(text, "an overlap: status %d", status);
            if (memcmp(&was, sums[which], sizeof was) != 0) fail(text, "written after an error");
        }
        for (ce_accumulator *accumulator : {sums[which], sums[2]}) {
            memory::guard();
            const int32_t status =
                ce_accumulator_add(accumulator, loss.argument(), weight.argument(), correct.argument());
            memory::unguard();
            if (status != CE_OK) fail(text, "status %d", status);
            if (!memory::surroundings_intact({reinterpret_cast<unsigned char *>(accumulator), sizeof *accumulator})) {
                fail(text, "memory around the accumulator has been written");
            }
        }
        for (Tensor *tensor : {&loss, &weight, &correct}) {
            if (tensor->present && !tensor->is_untouched()) fail(text, "an input has been written");
        }
        Sums &own = exact[which];
        for (size_t i = 0; i < loss.count(); i++) {
            const Real w = weight.present ? weight.get(i) : 1;
            if (w == 0) continue;
            own.loss.add(loss.get(i));
            own.weight.add(w);
            own.rows++;
            own.judged += correct.present;
            own.correct += correct.present && correct.get(i) != 0;
        }
    }
    for (Sums &own : exact) is_exact = is_exact && !std::isnan(own.loss.size()) && !std::isnan(own.weight.size());
    if (bytes.one_in(2)) std::swap(*sums[0], *sums[1]);
    if (ce_accumulator_merge(sums[0], sums[1]) != CE_OK) fail(text, "ce_accumulator_merge");
    if (memcmp(sums[0], sums[2], sizeof *sums[0]) != 0) fail(text, "merged sums differ from those of all rows at once");
    double mean = 0, sum = 0, weight = 0;
    if (ce_accumulator_result(sums[0], &mean, &sum, &weight) != CE_OK) fail(text, "ce_accumulator_result");
    exact[0].loss.add(exact[1].loss);
    exact[0].weight.add(exact[1].weight);
    const Real loss_exact = exact[0].loss.value(), weight_exact = exact[0].weight.value();
    const Real loss_size = exact[0].loss.size(), weight_size = exact[0].weight.size();
    if (sums[0]->rows != exact[0].rows + exact[1].rows) fail(text, "%lld rows", static_cast<long long>(sums[0]->rows));
    if (sums[0]->judged != exact[0].judged + exact[1].judged ||
        sums[0]->correct != exact[0].correct + exact[1].correct) {
        fail(text, "%lld of %lld correct", static_cast<long long>(sums[0]->correct),
             static_cast<long long>(sums[0]->judged));
    }
    if (is_exact) {
        const Real loss_error = 0x1p-63L * std::fabs(loss_exact) + 0x1p-110L * loss_size;
        const Real weight_error = 0x1p-63L * std::fabs(weight_exact) + 0x1p-110L * weight_size;
        if (!is_nearest(sum, loss_exact, loss_error)) fail(text, "the sum is %a, not %La", sum, loss_exact);
        if (!is_nearest(weight, weight_exact, weight_error))
            fail(text, "the weight is %a, not %La", weight, weight_exact);
        const Real exactly = loss_exact / weight_exact, size = std::fabs(exactly);
        const Real error = (loss_error + size * weight_error) / std::fabs(weight_exact) + 0x1p-63L * size;
        if (std::isfinite(loss_size) && std::isfinite(weight_size) && std::fabs(weight_exact) > 2 * weight_error &&
            !is_nearest(mean, exactly, error)) {
            fail(text, "the mean is %a, not %La", mean, exactly);
        }
    }
    // Any bytes: refused, or added to.
    if (bytes.one_in(4)) {
        unsigned char *const place = reinterpret_cast<unsigned char *>(sums[1]);
        for (unsigned n = 1 + bytes.below(6); n > 0; n--) place[bytes.word() % sizeof(ce_accumulator)] = bytes.byte();
        ce_accumulator_merge(sums[0], sums[1]);
        ce_accumulator_merge(sums[1], sums[1]);
        ce_accumulator_result(sums[1], nullptr, &sum, nullptr);
        ce_accumulator_result(sums[0], &mean, nullptr, &weight);
    }
    if (ce_accumulator_init(nullptr) != CE_ERROR_NULL_POINTER ||
        ce_accumulator_merge(nullptr, sums[0]) != CE_ERROR_NULL_POINTER ||
        ce_accumulator_result(nullptr, &mean, &sum, &weight) != CE_ERROR_NULL_POINTER ||
        ce_accumulator_add(sums[0], nullptr, nullptr, nullptr) == CE_OK) {
        fail(text, "NULL is taken");
    }
    return 0;
}
