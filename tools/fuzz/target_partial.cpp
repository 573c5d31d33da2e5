// Partial statistics: rows whose classes lie in several slices.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "checks.h"
#include "palette.h"
#include "reference/loss.h"
#include "reference/reduction.h"
#include "report.h"
#include "rows.h"

namespace {

/// A row of the whole is a call of its own, of which the loss and the gradient are known.
struct Whole {
    Call call;  // input, target, options with what partial functions take
    int64_t rows = 0, classes = 0;
    std::vector<int64_t> cuts;  // where slices begin, and the end
};

void decode(Whole &whole, Bytes &bytes) {
    Call &call = whole.call;
    static const int64_t class_counts[] = {3, 1, 17, 4096, 4097, 8192, 8193, 5000, 12289, 16384, 100, 4095};
    static const int64_t row_counts[] = {1, 2, 3, 5, 16, 17, 0, 1};
    static const int32_t types[] = {CE_F32, CE_F64, CE_BF16, CE_F16};
    whole.classes = bytes.pick(class_counts);
    whole.rows = bytes.pick(row_counts);
    if (whole.classes > 200) whole.rows %= 4;
    call.axis = bytes.one_in(3) ? 0 : 1;
    call.class_axis = call.axis;
    const Lengths shape = call.axis ? Lengths{whole.rows, whole.classes} : Lengths{whole.classes, whole.rows};
    const int32_t dtype = bytes.pick(types);
    call[INPUT].make(dtype, shape, Arrangement::decode(bytes, shape, size_of(dtype), false));
    fill_logits(call[INPUT], call.axis, bytes);
    const Lengths rows = {whole.rows};
    static const int32_t labels[] = {CE_I64, CE_I32, CE_U16, CE_I16, CE_U64};
    const int32_t label_type = bytes.pick(labels);
    call[TARGET].make(label_type, rows, Arrangement::decode(bytes, rows, size_of(label_type), false));
    fill_labels(call[TARGET], whole.classes, -100, false, bytes);
    whole.cuts = {0};
    for (int64_t first = CE_BLOCK; first < whole.classes; first += CE_BLOCK) {
        if (!bytes.one_in(3)) whole.cuts.push_back(first);
    }
    whole.cuts.push_back(whole.classes);

    ce_options &o = call.options;
    ce_options_init(&o, sizeof o);
    call.has_options = true;
    static const double scales[] = {1, 1, 1, 0.5, -1, 3, 1e-3, 10}, caps[] = {0, 0, 0, 30, 1, 1e4};
    o.logit_scale = bytes.pick(scales);
    o.softcap = bytes.pick(caps);
    static const double losses[] = {0, 0, 1e-4, 1}, gammas[] = {0, 0, 2, 0.5}, epsilons[] = {0, 0, 1, -0.5};
    o.z_loss = bytes.pick(losses);
    o.focal_gamma = bytes.pick(gammas);
    o.poly_epsilon = bytes.pick(epsilons);
    o.reduction = static_cast<int32_t>(bytes.below(3));
    o.mean_over = static_cast<int32_t>(bytes.below(4));
    o.mean_divisor = 3;
    o.empty = static_cast<int32_t>(bytes.below(2));
    static const double upstream[] = {1, -2, 1e-3, 0};
    o.grad_loss = bytes.pick(upstream);
    o.threads = static_cast<int32_t>(bytes.below(4));
    if (bytes.one_in(3)) {
        const Lengths classes = {whole.classes};
        const int32_t type = bytes.pick(types);
        call[WEIGHT].make(type, classes, Arrangement::decode(bytes, classes, size_of(type), false));
        fill_weights(call[WEIGHT], bytes, false);
    }
    if (bytes.one_in(3)) {
        const int32_t type = bytes.pick(types);
        call[SAMPLE_WEIGHT].make(type, rows, Arrangement::decode(bytes, rows, size_of(type), false));
        fill_weights(call[SAMPLE_WEIGHT], bytes, false);
    }
    const Lengths loss_shape = o.reduction == CE_REDUCTION_NONE ? rows : Lengths{};
    static const int32_t singles[] = {CE_F32, CE_F64};
    const int32_t loss_type = bytes.pick(singles);
    call[LOSS].make(loss_type, loss_shape, Arrangement::decode(bytes, loss_shape, size_of(loss_type), true));
    call[LOSS].output = true;
    const int32_t type_of_grad = grad_type(bytes, dtype);
    call[GRAD].make(type_of_grad, shape, Arrangement::decode(bytes, shape, size_of(type_of_grad), true));
    call[GRAD].output = true;
}

/// Some classes of a tensor.
ce_tensor slice_of(const Tensor &tensor, int axis, int64_t first, int64_t end, Lengths &shape) {
    shape = tensor.shape;
    shape[static_cast<size_t>(axis)] = end - first;
    ce_tensor slice = {};
    slice.data =
        tensor.data + first * tensor.strides[static_cast<size_t>(axis)] * static_cast<int64_t>(size_of(tensor.dtype));
    slice.dtype = tensor.dtype;
    slice.ndim = static_cast<int32_t>(shape.size());
    slice.shape = shape.data();
    slice.strides = tensor.strides.data();
    return slice;
}

[[noreturn]] void fail_in(const Whole &whole, const char *function, int32_t status) {
    std::string text = text_of(whole.call) + "    slices begin at";
    for (int64_t cut : whole.cuts) text += " " + std::to_string(cut);
    fail(text, "%s: status %d (%s)", function, status, status == CE_OK ? "ok" : ce_last_error_message());
}

/// Statistics of all classes, from slices that are merged in an order that the bytes tell.
ce_partial *statistics(Whole &whole, Bytes &bytes, const std::vector<int64_t> &cuts) {
    Call &call = whole.call;
    ce_options o;
    ce_options_init(&o, sizeof o);
    o.logit_scale = call.options.logit_scale;
    o.softcap = call.options.softcap;
    o.threads = call.options.threads;
    std::vector<ce_partial *> parts;
    const size_t size = sizeof(ce_partial) * static_cast<size_t>(whole.rows);
    for (size_t i = 0; i + 1 < cuts.size(); i++) {
        Lengths shape;
        const ce_tensor slice = slice_of(call[INPUT], call.axis, cuts[i], cuts[i + 1], shape);
        parts.push_back(reinterpret_cast<ce_partial *>(memory::take(size, true, 0).base));
        memory::guard();
        const int32_t status =
            ce_partial_compute(&slice, call.class_axis, cuts[i], call[TARGET].argument(), &o, parts.back());
        memory::unguard();
        if (status != CE_OK) fail_in(whole, "ce_partial_compute", status);
    }
    while (parts.size() > 1) {
        const size_t from = bytes.below(static_cast<unsigned>(parts.size()));
        ce_partial *const moved = parts[from];
        parts.erase(parts.begin() + static_cast<long>(from));
        const size_t into = bytes.below(static_cast<unsigned>(parts.size()));
        const std::vector<ce_partial> was(moved, moved + whole.rows);
        memory::guard();
        const int32_t status = ce_partial_merge(parts[into], moved, whole.rows);
        memory::unguard();
        if (status != CE_OK) fail_in(whole, "ce_partial_merge", status);
        if (size > 0 && memcmp(was.data(), moved, size) != 0) fail(whole.call, "ce_partial_merge has written `from`");
    }
    return parts[0];
}

/// Statistics that hold anything must be refused or used, but never lead astray.
void with_corrupt_statistics(Whole &whole, Bytes &bytes, ce_partial *partials) {
    Call &call = whole.call;
    if (whole.rows == 0) return;
    unsigned char *const place = reinterpret_cast<unsigned char *>(partials + bytes.word() % whole.rows);
    for (unsigned n = 1 + bytes.below(4); n > 0; n--) {
        // Mostly a whole field before the sum.
        const size_t offset =
            bytes.one_in(4) ? bytes.word() % sizeof(ce_partial) : bytes.byte() % offsetof(ce_partial, sum);
        const uint64_t number = bytes.number();
        const size_t length = std::min<size_t>(1 + bytes.below(8), sizeof(ce_partial) - offset);
        memcpy(place + offset, &number, length);
    }
    const Block other = memory::take(sizeof(ce_partial) * static_cast<size_t>(whole.rows), true, 0);
    memcpy(other.base, partials, other.size);
    Lengths shape;
    const ce_tensor input = slice_of(call[INPUT], call.axis, 0, whole.classes, shape);
    ce_options o = call.options;
    o.weight = call[WEIGHT].argument();
    o.sample_weight = call[SAMPLE_WEIGHT].argument();
    const int64_t classes = bytes.one_in(2) && !call[WEIGHT].present ? 0 : whole.classes;
    for (int role = 0; role < ROLES; role++) {
        if (call.tensors[role].present) call.tensors[role].snapshot();
    }
    memory::guard();
    const int32_t loss = ce_partial_loss(partials, whole.rows, classes, &o, call[LOSS].argument());
    const int32_t grad = ce_partial_grad(&input, call.class_axis, 0, partials, classes, &o, call[GRAD].argument());
    const int32_t merge = ce_partial_merge(partials, reinterpret_cast<ce_partial *>(other.base), whole.rows);
    memory::unguard();
    if (loss != CE_OK && !call[LOSS].is_untouched()) fail_in(whole, "ce_partial_loss has written", loss);
    if (grad != CE_OK && !call[GRAD].is_untouched()) fail_in(whole, "ce_partial_grad has written", grad);
    if (!call[LOSS].gaps_are_untouched() || !call[GRAD].gaps_are_untouched())
        fail_in(whole, "gaps of outputs were written", 0);
    if (merge != CE_OK && memcmp(partials, other.base, other.size) != 0)
        fail_in(whole, "ce_partial_merge has written", merge);
}

/// Arguments that no function of the family takes.
void with_wrong_arguments(Whole &whole, Bytes &bytes, ce_partial *partials) {
    Call &call = whole.call;
    Lengths shape;
    ce_tensor input = slice_of(call[INPUT], call.axis, 0, whole.classes, shape);
    int32_t status = CE_OK, due = CE_OK;
    const unsigned which = bytes.below(12);
    const ce_tensor *target = call[TARGET].argument(), *loss = call[LOSS].argument(), *grad = call[GRAD].argument();
    ce_options o = call.options;
    switch (which) {
        case 0:
            status = ce_partial_compute(&input, call.class_axis, 17, target, &o, partials);
            due = CE_ERROR_SHAPE;
            break;
        case 1:
            status = ce_partial_compute(&input, call.class_axis, -CE_BLOCK, target, &o, partials);
            due = CE_ERROR_SHAPE;
            break;
        case 2:
            if (whole.rows == 0) return;
            status = ce_partial_compute(&input, call.class_axis, 0, target, &o, nullptr);
            due = CE_ERROR_NULL_POINTER;
            break;
        case 3:
            status = ce_partial_merge(partials, partials, -1);
            due = CE_ERROR_SHAPE;
            break;
        case 4:
            if (whole.rows == 0) return;
            status = ce_partial_merge(partials, partials, whole.rows);
            due = CE_ERROR_OVERLAP;
            break;
        case 5:
            if (whole.rows == 0) return;
            status = ce_partial_loss(partials, whole.rows, whole.classes + 1, nullptr, loss);
            due = CE_ERROR_PARTIAL;
            break;
        case 6:
            o.label_smoothing = 0.1;
            status = ce_partial_loss(partials, whole.rows, whole.classes, &o, loss);
            due = CE_ERROR_OPTION;
            break;
        case 7:
            o.input_type = CE_INPUT_PROBS;
            o.z_loss = o.focal_gamma = o.poly_epsilon = o.softcap = 0;
            o.logit_scale = 1;
            status = ce_partial_grad(&input, call.class_axis, 0, partials, whole.classes, &o, grad);
            due = CE_ERROR_OPTION;
            break;
        case 8:
            if (whole.rows == 0) return;
            status = ce_partial_grad(&input, call.class_axis, CE_BLOCK, partials, whole.classes, nullptr, grad);
            due = CE_ERROR_SHAPE;
            break;
        case 9:
            status = ce_partial_loss(partials, whole.rows, whole.classes, nullptr, nullptr);
            due = CE_ERROR_NULL_POINTER;
            break;
        case 10:  // no class
            shape[static_cast<size_t>(call.axis)] = 0;
            status = ce_partial_compute(&input, call.class_axis, 0, target, nullptr, partials);
            due = CE_ERROR_SHAPE;
            break;
        case 11:
            if (whole.rows == 0) return;
            status =
                ce_partial_compute(&input, call.class_axis, INT64_MAX / CE_BLOCK * CE_BLOCK, target, nullptr, partials);
            due = CE_ERROR_OVERFLOW;
            break;
    }
    if (status != due) fail_in(whole, ("wrong argument " + std::to_string(which)).c_str(), status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memory::begin();
    Bytes bytes(data, size);
    const unsigned then = bytes.byte() % 8;
    Whole whole;
    decode(whole, bytes);
    Call &call = whole.call;
    ce_options &o = call.options;
    for (int role = 0; role < ROLES; role++) {
        if (call.tensors[role].present) call.tensors[role].snapshot();
    }
    if (is_verbose) fprintf(stderr, "%s", text_of(call).c_str());
    const Expected expected = expected_loss_call(call);
    ce_partial *const partials = statistics(whole, bytes, whole.cuts);

    // The same statistics whatever the slices and their order are.
    std::vector<int64_t> others = {0};
    for (int64_t first = CE_BLOCK; first < whole.classes; first += CE_BLOCK) {
        if (bytes.one_in(2)) others.push_back(first);
    }
    others.push_back(whole.classes);
    ce_partial *const again = statistics(whole, bytes, others);
    const size_t bytes_of_all = sizeof(ce_partial) * static_cast<size_t>(whole.rows);
    if (bytes_of_all > 0 && memcmp(partials, again, bytes_of_all) != 0)
        fail_in(whole, "other slices, other statistics", 0);
    if (then == 6) {
        with_corrupt_statistics(whole, bytes, partials);
        return 0;
    }
    if (then == 7) {
        with_wrong_arguments(whole, bytes, partials);
        return 0;
    }

    // What was decided when the statistics were computed may be left out here.
    if (bytes.one_in(2)) o.logit_scale = 1, o.softcap = 0;
    o.weight = call[WEIGHT].argument();
    o.sample_weight = call[SAMPLE_WEIGHT].argument();
    memory::guard();
    const int32_t status = ce_partial_loss(partials, whole.rows, whole.classes, &o, call[LOSS].argument());
    memory::unguard();
    if (status != CE_OK) fail_in(whole, "ce_partial_loss", status);
    for (size_t i = 0; i + 1 < whole.cuts.size(); i++) {
        Lengths shape, grad_shape;
        const ce_tensor slice = slice_of(call[INPUT], call.axis, whole.cuts[i], whole.cuts[i + 1], shape);
        const ce_tensor grad = slice_of(call[GRAD], call.axis, whole.cuts[i], whole.cuts[i + 1], grad_shape);
        memory::guard();
        const int32_t result =
            ce_partial_grad(&slice, call.class_axis, whole.cuts[i], partials, whole.classes, &o, &grad);
        memory::unguard();
        if (result != CE_OK) fail_in(whole, "ce_partial_grad", result);
    }
    call.check_memory();
    if (bytes_of_all > 0 && memcmp(partials, again, bytes_of_all) != 0) fail_in(whole, "statistics were written", 0);
    check_results(call, expected);
    check_invariants(call);
    return 0;
}
