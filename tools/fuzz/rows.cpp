#include "rows.h"

#include <algorithm>

#include "palette.h"
#include "settings.h"

namespace {

/// Around the sizes at which the library changes its ways; the larger ones are seldom.
const int32_t class_counts[] = {2,  3, 1,  5,  10,  16,  17,  4,   15,  20,  33,  32,
                                31, 8, 18, 64, 100, 127, 128, 129, 130, 144, 150, 255};
const int32_t many_classes[] = {1000, 4095, 4096, 4097, 4112, 8192, 8193, 12000};
const int32_t most_classes[] = {65536, 65535, 65537, 32768, 100003};
const int32_t row_counts[] = {1, 2, 3, 16, 17, 4, 5, 15, 33, 32, 7, 64, 100, 129, 1000, 0, 1, 2};

const int32_t float_types[] = {CE_F32, CE_F64, CE_BF16, CE_F16};
const int32_t single_types[] = {CE_F32, CE_F64};  // of losses
const int32_t label_types[] = {CE_I64, CE_I32, CE_U8, CE_I16, CE_U16, CE_I8, CE_U32, CE_U64};

void make(Tensor &tensor, int32_t dtype, const Lengths &shape, Bytes &bytes, bool output) {
    tensor.make(dtype, shape, Arrangement::decode(bytes, shape, size_of(dtype), output));
    tensor.output = output;
}

void make_grad(Call &call, Bytes &bytes) {
    Tensor &input = call[INPUT];
    const unsigned how = bytes.byte() % 8;
    const int32_t dtype = grad_type(bytes, input.dtype);
    Tensor &vector = call[VECTOR];
    if (how == 7 && dtype == input.dtype && input.is_distinct()) {
        call[GRAD].make_in_place_of(input);
    } else if (how == 5 && vector.present && vector.dtype == input.dtype && vector.is_distinct()) {
        call[GRAD].make_in_place_of(vector);
    } else if (how == 6) {  // like the input, as allocators of gradients do
        Arrangement arrangement;
        arrangement.strides = input.strides;
        arrangement.spelled = input.spelled;
        if (input.is_distinct()) {
            call[GRAD].make(dtype, input.shape, arrangement);
            call[GRAD].output = true;
        } else {
            make(call[GRAD], dtype, input.shape, bytes, true);
        }
    } else {
        make(call[GRAD], dtype, input.shape, bytes, true);
    }
}

/// Which entries of a list are there already does not matter for its numbers; a class is named once.
void fill_sparse(Call &call, Bytes &bytes, int64_t entries) {
    const Tensor &input = call[INPUT];
    const int64_t classes = input.shape[static_cast<size_t>(call.axis)];
    const int32_t dtype = bytes.pick(label_types), probs_dtype = bytes.pick(float_types);
    const bool is_list = bytes.one_in(4), twice = bytes.one_in(32), outside = bytes.one_in(32);
    const int64_t rows = product(without(input.shape, call.axis));
    Lengths shape = input.shape;
    shape[static_cast<size_t>(call.axis)] = entries;
    std::vector<int64_t> ends = {0};
    if (is_list) {
        Random random(bytes.word());
        for (int64_t row = 0; row < rows; row++) {
            ends.push_back(ends.back() + static_cast<int64_t>(random.next() % static_cast<uint64_t>(entries + 1)));
        }
        shape = {ends.back()};
        const Lengths offsets = {rows + 1};
        Tensor &tensor = call[TARGET_OFFSETS];
        tensor.make(CE_I64, offsets, Arrangement::contiguous(offsets));
        for (size_t i = 0; i < ends.size(); i++) tensor.set(i, static_cast<Real>(ends[i]));
    }
    Tensor &target = call[TARGET], &probs = call[TARGET_PROBS];
    // A row's classes are given out one after the other, so broadcasting would name them twice.
    target.make(dtype, shape, Arrangement::decode(bytes, shape, size_of(dtype), true));
    make(probs, probs_dtype, shape, bytes, false);
    const Rows places(shape, is_list ? 0 : call.axis);
    Random random(bytes.word());
    const int64_t highest = dtype == CE_I8    ? 127
                            : dtype == CE_U8  ? 255
                            : dtype == CE_I16 ? 32767
                            : dtype == CE_U16 ? 65535
                                              : classes;
    const int64_t most = std::min(classes, highest);
    const int64_t step = most > 3 && random.below(2) ? 3 : 1;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t count = is_list ? ends[static_cast<size_t>(row) + 1] - ends[static_cast<size_t>(row)] : entries;
        int64_t label = static_cast<int64_t>(random.next() % static_cast<uint64_t>(most));
        for (int64_t i = 0; i < count; i++) {
            const size_t place =
                is_list ? static_cast<size_t>(ends[static_cast<size_t>(row)] + i) : places.place(row, i);
            target.set(place, static_cast<Real>(label));
            label = (label + (step * count < most ? step : 1)) % most;
        }
    }
    if (target.count() > 1 && twice) target.set(0, target.get(1));
    if (target.count() > 0 && outside) target.set(bytes.word() % target.count(), static_cast<Real>(classes));
    if (probs.count() == 0) return;
    const int axis = is_list ? 0 : call.axis;
    if (call.options.target_type == CE_TARGET_LOGITS)
        fill_logits(probs, axis, bytes);
    else if (call.options.target_type == CE_TARGET_LOG_PROBS)
        fill_log_probabilities(probs, axis, bytes);
    else
        fill_probabilities(probs, axis, bytes);
    if (call.options.target_type == CE_TARGET_PROBS && bytes.one_in(2)) {  // a part of the probability is left
        for (size_t i = 0; i < probs.count(); i++) probs.set(i, probs.get(i) * 0.9L);
    }
}

void make_target(Call &call, Bytes &bytes) {
    const Tensor &input = call[INPUT];
    const int64_t classes = input.shape[static_cast<size_t>(call.axis)];
    const unsigned kind = bytes.byte() % 8;
    ce_options &o = call.options;
    if (call.is_simple() || (call.function != KL_DIVERGENCE && kind < 4)) {
        const Lengths shape = without(input.shape, call.axis);
        const int32_t dtype = call.is_simple() ? CE_I64 : bytes.pick(label_types);
        if (call.is_simple())
            call[TARGET].make(dtype, shape, Arrangement::contiguous(shape));
        else
            make(call[TARGET], dtype, shape, bytes, false);
        fill_labels(call[TARGET], classes, -100, bytes.one_in(32), bytes);
        return;
    }
    o.target_type = static_cast<int32_t>(bytes.below(3));
    if (kind >= 6) {
        static const int64_t counts[] = {1, 2, 3, 5, 0, 16, 17, 64};
        o.target_rest = static_cast<int32_t>(bytes.below(3));
        if (o.target_type == CE_TARGET_LOGITS) o.target_rest = CE_REST_RENORMALIZE;
        return fill_sparse(call, bytes, std::min(bytes.pick(counts), std::min<int64_t>(classes, 100)));
    }
    make(call[TARGET], bytes.pick(float_types), input.shape, bytes, false);
    if (o.target_type == CE_TARGET_LOGITS) {
        if (bytes.one_in(4) && call[TARGET].count() > 0) {  // the student's own logits, moved a little
            Random random(bytes.word());
            const Real moves[] = {0, 1e-7L, 1e-3L, 1};
            const Real move = bytes.pick(moves);
            for (size_t i = 0; i < input.count(); i++) call[TARGET].set(i, input.get(i) + move * random.uniform());
        } else {
            fill_logits(call[TARGET], call.axis, bytes);
        }
    } else if (o.target_type == CE_TARGET_LOG_PROBS) {
        fill_log_probabilities(call[TARGET], call.axis, bytes);
    } else {
        fill_probabilities(call[TARGET], call.axis, bytes);
    }
}

void make_row_numbers(Call &call, Bytes &bytes, Role role) {
    const Lengths shape = without(call[INPUT].shape, call.axis);
    make(call[role], bytes.pick(single_types), shape, bytes, true);
}

/// Where a loss that is reduced goes: one number, of no dimension or one or two.
void make_loss(Call &call, Bytes &bytes) {
    const int32_t dtype = call.is_simple() ? call[INPUT].dtype : bytes.pick(single_types);
    Lengths shape;
    if (call.options.reduction == CE_REDUCTION_NONE) {
        shape = call.function == BINARY ? call[INPUT].shape : without(call[INPUT].shape, call.axis);
    } else if (!call.is_simple() && bytes.one_in(4)) {
        shape = {1};
    }
    Tensor &loss = call[LOSS];
    if (call.is_simple()) {
        loss.make(dtype, shape, Arrangement::contiguous(shape));
        loss.output = true;
    } else {
        make(loss, dtype, shape, bytes, true);
    }
}

void fill_input(Call &call, Bytes &bytes) {
    Tensor &input = call[INPUT];
    if (input.count() == 0) return;
    switch (call.options.input_type) {
        case CE_INPUT_PROBS: fill_probabilities(input, call.axis, bytes); break;
        case CE_INPUT_LOG_PROBS: fill_log_probabilities(input, call.axis, bytes); break;
        default: fill_logits(input, call.axis, bytes); break;
    }
}

}  // namespace

void decode_input(Call &call, Bytes &bytes) {
    const bool simple = call.is_simple();
    const int32_t dtype = call.function == CROSS_ENTROPY_F32   ? CE_F32
                          : call.function == CROSS_ENTROPY_F64 ? CE_F64
                                                               : bytes.pick(float_types);
    const int64_t classes = !bytes.one_in(12) ? bytes.pick(class_counts)
                            : bytes.one_in(4) ? bytes.pick(most_classes)
                                              : bytes.pick(many_classes);
    static const unsigned dimension_counts[] = {2, 2, 2, 1, 3, 3, 4, 2, 2, 2, 1, 3, 18, 4, 5, 2};
    const unsigned ndim = simple ? 2 : bytes.pick(dimension_counts);
    Lengths shape;
    // Calls of up to 2^13 numbers, seldom 2^17.
    const int64_t most = bytes.one_in(16) ? 1 << 17 : 1 << 13;
    int64_t total = classes;
    for (unsigned d = 1; d < ndim; d++) {
        int64_t length = d > 3 ? 1 : bytes.pick(row_counts);
        if (d > 1 && length > 5) length = 1 + length % 5;
        while (length > 1 && total * length > most) length = (length + 1) / 2 == length ? 1 : (length + 1) / 2;
        total *= std::max<int64_t>(length, 1);
        shape.push_back(length);
    }
    call.axis = simple ? 1 : static_cast<int>(ndim - 1 - bytes.below(ndim));
    shape.insert(shape.begin() + call.axis, classes);
    call.class_axis = !simple && bytes.one_in(2) ? call.axis - static_cast<int>(ndim) : call.axis;
    Tensor &input = call[INPUT];
    if (simple) {
        const unsigned shift = bytes.byte();
        Arrangement arrangement = Arrangement::contiguous(shape);
        arrangement.at_end = (shift & 16) == 0;
        arrangement.shift = shift % 16;
        input.make(dtype, shape, arrangement);
    } else {
        make(input, dtype, shape, bytes, false);
    }
    fill_input(call, bytes);
}

void decode_loss_call(Call &call, Bytes &bytes) {
    static const Function functions[] = {CROSS_ENTROPY,     CROSS_ENTROPY,     CROSS_ENTROPY,
                                         CROSS_ENTROPY_F32, CROSS_ENTROPY_F64, KL_DIVERGENCE,
                                         KL_DIVERGENCE,     HESSIAN_VECTOR,    HESSIAN_DIAGONAL};
    call.function = bytes.pick(functions);
    static const int32_t input_types[] = {0, 0, 0, 0, 0, 0, CE_INPUT_PROBS, CE_INPUT_LOG_PROBS};
    call.options.input_type = bytes.pick(input_types);
    if (call.is_hessian()) call.options.input_type = CE_INPUT_LOGITS;
    decode_input(call, bytes);
    make_target(call, bytes);
    decode_options(call, bytes);
    if (call.is_hessian()) {
        if (call.function == HESSIAN_VECTOR) {
            make(call[VECTOR], bytes.pick(float_types), call[INPUT].shape, bytes, false);
            fill_numbers(call[VECTOR], bytes);
        }
        make_grad(call, bytes);
        return;
    }
    const unsigned wanted = bytes.below(4);  // loss and gradient, or one of them; or neither beside other outputs
    if (wanted == 3 && (call.has_row_stats || call[GRAD_TARGET].present) && bytes.one_in(2)) return;
    if (wanted != 3) make_loss(call, bytes);
    if (wanted != 1 || !call[LOSS].present) {
        if (call.is_simple()) {
            if (bytes.one_in(4)) {
                call[GRAD].make_in_place_of(call[INPUT]);
            } else {
                call[GRAD].make(call[INPUT].dtype, call[INPUT].shape, Arrangement::contiguous(call[INPUT].shape));
                call[GRAD].output = true;
            }
        } else {
            make_grad(call, bytes);
        }
    }
}

void decode_softmax_call(Call &call, Bytes &bytes) {
    call.function = static_cast<Function>(SOFTMAX + bytes.below(4));
    decode_input(call, bytes);
    if (call.function == ROW_STATS) {
        const Lengths rows = {product(without(call[INPUT].shape, call.axis))};
        const unsigned fields = bytes.byte();
        call.has_row_stats = true;
        for (int i = 0; i < 6; i++) {
            const Role role = static_cast<Role>(LSE + i);
            if (fields & 1u << i) continue;
            call[role].make(role == ARGMAX || role == TARGET_RANK ? CE_I64 : CE_F64, rows,
                            Arrangement::contiguous(rows));
            call[role].output = true;
        }
        if (!bytes.one_in(4)) {
            const Lengths shape = without(call[INPUT].shape, call.axis);
            make(call[TARGET], bytes.pick(label_types), shape, bytes, false);
            fill_labels(call[TARGET], call[INPUT].shape[static_cast<size_t>(call.axis)], -100, bytes.one_in(32), bytes);
        }
    }
    decode_options(call, bytes);
    if (call.function == LOGSUMEXP)
        make_row_numbers(call, bytes, LOSS);
    else if (call.function != ROW_STATS)
        make_grad(call, bytes);
}

void decode_binary_call(Call &call, Bytes &bytes) {
    call.function = BINARY;
    static const int32_t input_types[] = {0, 0, 0, CE_INPUT_PROBS};
    call.options.input_type = bytes.pick(input_types);
    decode_input(call, bytes);
    if (call[INPUT].shape == Lengths{1} && bytes.one_in(2)) {  // a single number is of one class
        call[INPUT].shape.clear();
        call[INPUT].strides.clear();
    }
    Tensor &target = call[TARGET];
    const bool is_labels = bytes.one_in(2);
    make(target, is_labels ? bytes.pick(label_types) : bytes.pick(float_types), call[INPUT].shape, bytes, false);
    if (is_labels)
        fill_labels(target, 2, -100, bytes.one_in(32), bytes);
    else if (bytes.one_in(4))
        fill_numbers(target, bytes);
    else
        fill_probabilities(target, call.axis, bytes);
    decode_options(call, bytes);
    const unsigned wanted = bytes.below(4);
    if (wanted != 3) make_loss(call, bytes);
    if (wanted != 1) make_grad(call, bytes);
}

void corrupt(Call &call, Bytes &bytes) {
    if (call.errors || call.is_simple() || !call[INPUT].present) return;
    // One tensor of those that there are.
    std::vector<Role> there;
    for (int role = 0; role <= GRAD_TARGET; role++) {
        if (call[static_cast<Role>(role)].present) there.push_back(static_cast<Role>(role));
    }
    const Role role = there[bytes.below(static_cast<unsigned>(there.size()))];
    Tensor &tensor = call[role];
    const bool is_empty = tensor.count() == 0;
    // The softmax looks at few of the options.
    const bool is_looked_at = !call.is_softmax() || role == INPUT || role == TARGET || role >= LOSS;
    if (!is_looked_at) return;
    call.is_corrupt = true;
    switch (bytes.below(9)) {
        case 0:  // no data
            if (is_empty) return;
            tensor.data = nullptr;
            tensor.places.clear();
            call.expect(CE_ERROR_NULL_POINTER);
            break;
        case 1:
            tensor.wrong_dtype = bytes.one_in(2) ? 0 : 99;
            call.expect(CE_ERROR_DTYPE);
            break;
        case 2:
            tensor.wrong_ndim = bytes.one_in(2) ? -1 : CE_MAX_NDIM + 1;
            call.expect(CE_ERROR_SHAPE);
            break;
        case 3:                                                               // one dimension more
            if (call.function == ROW_STATS && !call[TARGET].present) return;  // nothing that would not fit to it
            if ((role == WEIGHT || role == POS_WEIGHT) && tensor.shape.empty()) return;  // there may be two classes
            tensor.wrong_ndim = static_cast<int32_t>(tensor.shape.size()) + 1;
            tensor.shape.push_back(2);
            tensor.strides.push_back(1);
            call.expect(CE_ERROR_SHAPE);
            call.expect(CE_ERROR_OVERLAP);
            break;
        case 4:  // a negative length
            if (tensor.shape.empty()) return;
            tensor.shape[0] = -1;
            call.expect(CE_ERROR_SHAPE);
            break;
        case 5: {  // strides whose product overflows
            if (tensor.shape.empty() || is_empty || tensor.shape[0] < 2) return;
            tensor.spelled = true;
            tensor.strides[0] = bytes.one_in(2) ? INT64_MAX : INT64_MIN;
            call.expect(CE_ERROR_OVERFLOW);
            if (role == IGNORE_INDICES || role == TARGET_OFFSETS) call.expect(CE_ERROR_SHAPE);
            break;
        }
        case 6:  // an output that overlaps an input or itself
            if (!tensor.output || tensor.count() < 2 || tensor.shape.empty() || role > GRAD_TARGET) return;
            tensor.spelled = true;
            for (int64_t &stride : tensor.strides) stride = 0;
            call.expect(CE_ERROR_OVERLAP);
            break;
        case 7: {  // an output that begins in another tensor's memory
            const Role other_role = there[bytes.below(static_cast<unsigned>(there.size()))];
            const Tensor &other = call[other_role];
            if (!tensor.output || role > GRAD_TARGET || other_role == role || is_empty || other.count() == 0) return;
            if (tensor.replaced || other.replaced || tensor.data == other.data) return;
            if (call.is_softmax() && !other.output && other_role != INPUT && other_role != TARGET) return;
            tensor.data = other.place(other.count() - 1);
            // The gradient may lie where the input or the vector does, but nowhere between its elements.
            if (role == GRAD && (other_role == INPUT || other_role == VECTOR)) tensor.data++;
            call.expect(CE_ERROR_OVERLAP);
            break;
        }
        case 8: {  // offsets that lead out of the list
            Tensor &offsets = call[TARGET_OFFSETS];
            if (!offsets.present || offsets.count() < 2 || call[MASK].present) return;
            const int64_t length = call[TARGET].shape[0];
            offsets.set(bytes.below(2) ? offsets.count() - 1 : 0, bytes.below(2) ? static_cast<Real>(length + 1) : -1);
            call.expect(CE_ERROR_SHAPE);
            break;
        }
    }
}
