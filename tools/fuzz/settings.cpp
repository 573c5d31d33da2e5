#include "settings.h"

#include <limits>

#include "palette.h"

namespace {

const double infinity = std::numeric_limits<double>::infinity();

void make_floats(Call &call, Role role, const Lengths &shape, Bytes &bytes) {
    static const int32_t types[] = {CE_F32, CE_F64, CE_F16, CE_BF16};
    const int32_t dtype = bytes.pick(types);
    call[role].make(dtype, shape, Arrangement::decode(bytes, shape, size_of(dtype), false));
}

/// A weight for each class, or in binary cross-entropy one for all.
Lengths class_weights(const Call &call, const Lengths &per_class, Bytes &bytes) {
    if (call.function != BINARY || !bytes.one_in(3)) return per_class;
    return bytes.one_in(2) ? Lengths{} : Lengths{1};
}

/// Draws one option.
void decode_one(Call &call, Bytes &bytes) {
    ce_options &o = call.options;
    const Lengths &shape = call[INPUT].shape;
    const Lengths per_class = {length_of(shape, call.axis)};
    const Lengths per_row = call.function == BINARY ? shape : without(shape, call.axis);
    const int32_t integers[] = {CE_I64, CE_I32, CE_U8, CE_I8, CE_I16, CE_U16, CE_U32, CE_U64};
    switch (bytes.below(27)) {
        case 0:
        case 1: o.reduction = static_cast<int32_t>(1 + bytes.below(2)); break;
        case 2: {
            const double divisors[] = {1, 3, 1e-3, 1000, 1e-100, 1e100, 1e-50, 7};
            o.mean_over = static_cast<int32_t>(1 + bytes.below(3));
            o.mean_divisor = bytes.pick(divisors);
            break;
        }
        case 3: o.empty = static_cast<int32_t>(1 + bytes.below(2)); break;
        case 4: {
            const double amounts[] = {0.1, 1, 0.5, 1e-3, 1e-12, 0.999};
            o.label_smoothing = bytes.pick(amounts);
            break;
        }
        case 5:
            make_floats(call, WEIGHT, class_weights(call, per_class, bytes), bytes);
            fill_weights(call[WEIGHT], bytes, bytes.one_in(16));
            break;
        case 6:
            make_floats(call, SAMPLE_WEIGHT, per_row, bytes);
            fill_weights(call[SAMPLE_WEIGHT], bytes, bytes.one_in(16));
            break;
        case 7: {
            const int64_t indices[] = {0, -1, CE_IGNORE_NONE, 1, 255, 3, INT64_MAX, -128};
            o.ignore_index = bytes.pick(indices);
            break;
        }
        case 8: {
            const double values[] = {1e-4, 1, 1e-10, 100};
            o.z_loss = bytes.pick(values);
            break;
        }
        case 9: {
            const double values[] = {2, 0.5, 1, 5, 1e-3, 30};
            o.focal_gamma = bytes.pick(values);
            break;
        }
        case 10: {
            const double values[] = {1, -1, 0.1, 5};
            o.poly_epsilon = bytes.pick(values);
            break;
        }
        case 11: {
            const double values[] = {30, 50, 1, 7.3, 1e-3, 1e4, 1e30};
            o.softcap = bytes.pick(values);
            break;
        }
        case 12: {
            const double values[] = {0.5, -1, 2, 1, 10, 0.01, -1.7, 1e-10, 1e10};
            o.logit_scale = bytes.pick(values);
            break;
        }
        case 13: {
            const double values[] = {2, 0.5, 1, 3.7, 0.07, 20, 1e-3, 1e3};
            o.temperature = bytes.pick(values);
            break;
        }
        case 14: o.temperature_squared = 1; break;
        case 15: {
            const int32_t dtype = bytes.pick(integers);
            call[MASK].make(dtype, per_row, Arrangement::decode(bytes, per_row, size_of(dtype), false));
            fill_mask(call[MASK], bytes);
            break;
        }
        case 16: {
            const Lengths length = {bytes.below(4)};
            call[IGNORE_INDICES].make(CE_I64, length, Arrangement::contiguous(length));
            for (size_t i = 0; i < call[IGNORE_INDICES].count(); i++) call[IGNORE_INDICES].set(i, bytes.below(20));
            break;
        }
        case 17:
            make_floats(call, GRAD_LOSSES, per_row, bytes);
            fill_weights(call[GRAD_LOSSES], bytes, bytes.one_in(16));
            break;
        case 18:
            make_floats(call, POS_WEIGHT, class_weights(call, per_class, bytes), bytes);
            fill_weights(call[POS_WEIGHT], bytes, false);
            break;
        case 19:
            make_floats(call, PRIOR, per_class, bytes);
            fill_probabilities(call[PRIOR], 0, bytes);
            if (o.label_smoothing == 0 && !bytes.one_in(4)) o.label_smoothing = 0.1;
            break;
        case 20: {
            const double values[] = {0, -2, 0.5, 1e-100, 1e100, 65536, 1e-3, 3};
            o.grad_loss = bytes.pick(values);
            break;
        }
        case 21: {
            const double values[] = {1e-7, 0.01, 0.49, 1e-300};
            o.clip = bytes.pick(values);
            break;
        }
        case 22: {
            const Lengths rows = {product(without(shape, call.axis))};
            const unsigned fields = bytes.byte();
            call.has_row_stats = true;
            for (int i = 0; i < 6; i++) {
                const Role role = static_cast<Role>(LSE + i);
                if (fields & 1u << i) continue;
                call[role].make(role == ARGMAX || role == TARGET_RANK ? CE_I64 : CE_F64, rows,
                                Arrangement::contiguous(rows));
                call[role].output = true;
            }
            break;
        }
        case 23:
            if (call[TARGET].present) {
                const Tensor &target = call[TARGET];
                // Of others it is refused.
                const int32_t dtype = is_float(target.dtype) ? grad_type(bytes, target.dtype) : CE_F64;
                call[GRAD_TARGET].make(dtype, target.shape,
                                       Arrangement::decode(bytes, target.shape, size_of(dtype), true));
                call[GRAD_TARGET].output = true;
            }
            break;
        case 24: o.kl_form = CE_KL_PLAIN; break;
        case 25: call.is_invalid = true; break;
        case 26:
            call.is_cancellable = true;
            call.cancel = bytes.one_in(2);
            break;
    }
}

/// Sets one option to a value that is refused whatever else there is.
void make_invalid(Call &call, Bytes &bytes) {
    ce_options &o = call.options;
    call.expect(CE_ERROR_OPTION);
    switch (bytes.below(14)) {
        case 0: o.input_type = 3; break;
        case 1: o.reduction = -1; break;
        case 2: o.mean_over = 4; break;
        case 3: o.empty = 3; break;
        case 4: o.label_smoothing = bytes.one_in(2) ? 1.5 : NAN; break;
        case 5:
            o.mean_over = CE_MEAN_OVER_DIVISOR;
            o.mean_divisor = bytes.one_in(2) ? 0 : infinity;
            break;
        case 6: o.clip = 0.5; break;
        case 7: o.threads = -1; break;
        case 8: (bytes.one_in(2) ? o.reserved_input : o.reserved_execution) = 1; break;
        case 9: o.z_loss = bytes.one_in(2) ? -1 : NAN; break;
        case 10: o.softcap = bytes.one_in(2) ? -1 : infinity; break;
        case 11: o.temperature = bytes.one_in(2) ? (bytes.one_in(2) ? -1 : 0) : infinity; break;
        case 12:
            if (bytes.one_in(2))
                o.target_type = 3;
            else
                o.logit_scale = 0;
            break;
        case 13: o.focal_gamma = bytes.one_in(2) ? -1 : infinity; break;
    }
}

void drop_row_stats(Call &call) {
    call.has_row_stats = false;
    for (int role = LSE; role <= TARGET_RANK; role++) call[static_cast<Role>(role)] = Tensor();
}

/// Has the caller's options be of so many bytes. Those of a later release are as good as ours while what it added is 0.
void resize(Call &call, unsigned size, Bytes &bytes) {
    call.options.size = size;
    call.sets_later_field = size > sizeof call.options && bytes.one_in(2);
    if (size < first_options_size || size % 8 != 0 || call.sets_later_field) call.expect(CE_ERROR_OPTIONS_SIZE);
}

/// Takes an option back, or says that it will be refused.
class Refusals {
public:
    Refusals(Call &call, bool takes_back) : call_(call), takes_back_(takes_back) {}

    template <typename T>
    void value(T &option, T plain, bool refused = true) {
        if (!refused || option == plain) return;
        if (takes_back_)
            option = plain;
        else
            call_.expect(CE_ERROR_OPTION);
    }

    void tensor(Role role, bool refused = true) {
        if (!refused || !call_[role].present) return;
        if (takes_back_)
            call_[role] = Tensor();
        else
            call_.expect(CE_ERROR_OPTION);
    }

    void row_stats(bool refused = true) {
        if (!refused || !call_.has_row_stats) return;
        if (!takes_back_) {
            call_.expect(CE_ERROR_OPTION);
            return;
        }
        drop_row_stats(call_);
    }

private:
    Call &call_;
    bool takes_back_;
};

/// What the header says of options that do not go together, or not with a function.
void refuse(Call &call, bool takes_back) {
    ce_options &o = call.options;
    Refusals no(call, takes_back);
    const bool mean = o.reduction == CE_REDUCTION_MEAN;
    if (!call.has_outputs()) {  // there is no place to ask for them
        call[GRAD_TARGET] = Tensor();
        if (call.function != ROW_STATS) drop_row_stats(call);
    }
    if (call.is_softmax()) {
        no.value(o.input_type, 0);
        no.value(o.reduction, 0);
        no.value(o.mean_over, 0);
        no.value(o.empty, 0);
        no.value(o.ignore_index, int64_t{-100}, call.function != ROW_STATS);
        no.value(o.grad_loss, 1.0);
        for (double *option : {&o.label_smoothing, &o.clip, &o.z_loss, &o.focal_gamma, &o.poly_epsilon})
            no.value(*option, 0.0);
        for (Role role : {WEIGHT, SAMPLE_WEIGHT, MASK, IGNORE_INDICES, GRAD_LOSSES, POS_WEIGHT, PRIOR})
            no.tensor(role);
        no.value(o.target_type, 0);
        no.value(o.target_rest, 0);
        no.value(o.temperature_squared, 0);
        no.value(o.kl_form, 0);
        return;
    }
    if (call.function == BINARY) {
        no.value(o.z_loss, 0.0);
        no.value(o.poly_epsilon, 0.0);
        no.value(o.softcap, 0.0);
        no.value(o.logit_scale, 1.0);
        no.row_stats();
        for (Role role : {MASK, IGNORE_INDICES, GRAD_LOSSES, PRIOR, TARGET_PROBS, TARGET_OFFSETS, GRAD_TARGET})
            no.tensor(role);
        no.value(o.target_type, 0);
        no.value(o.target_rest, 0);
        no.value(o.temperature, 1.0);
        no.value(o.temperature_squared, 0);
        no.value(o.kl_form, 0);
        no.value(o.mean_over, 0, mean && o.mean_over == CE_MEAN_OVER_MASS);
        no.value(o.input_type, 0, o.input_type == CE_INPUT_LOG_PROBS);
        no.value(o.clip, 0.0, o.input_type != CE_INPUT_PROBS);
        no.value(o.focal_gamma, 0.0, o.input_type != CE_INPUT_LOGITS);
        return;
    }
    const bool is_of_logits = o.input_type == CE_INPUT_LOGITS, is_divergence = call.function == KL_DIVERGENCE;
    no.value(o.clip, 0.0, o.input_type != CE_INPUT_PROBS || is_divergence || call.is_hessian());
    no.value(o.z_loss, 0.0, !is_of_logits || is_divergence);
    no.value(o.focal_gamma, 0.0, !is_of_logits || is_divergence || call.is_hessian());
    no.value(o.poly_epsilon, 0.0, !is_of_logits || is_divergence || call.is_hessian());
    no.value(o.softcap, 0.0, !is_of_logits || call.is_hessian());
    no.value(o.logit_scale, 1.0, !is_of_logits);
    no.row_stats(!is_of_logits || is_divergence);
    no.tensor(POS_WEIGHT);
    no.tensor(GRAD_LOSSES, o.reduction != CE_REDUCTION_NONE);
    const bool has_labels = call.has_labels(), is_sparse = call.has_sparse_target();
    no.tensor(IGNORE_INDICES, !has_labels && !is_sparse);
    no.value(o.temperature, 1.0, !is_of_logits && o.target_type != CE_TARGET_LOGITS);
    no.value(o.label_smoothing, 0.0, is_sparse || is_divergence);
    no.tensor(GRAD_TARGET, has_labels || is_sparse || o.focal_gamma != 0 || o.poly_epsilon != 0 ||
                               (mean && o.mean_over == CE_MEAN_OVER_MASS));
    no.value(o.kl_form, 0, !is_divergence);
    no.tensor(WEIGHT, is_divergence);
    no.tensor(PRIOR, is_divergence);
    no.value(o.mean_over, 0, is_divergence && mean && o.mean_over == CE_MEAN_OVER_MASS);
}

}  // namespace

void decode_options(Call &call, Bytes &bytes) {
    const int32_t input_type = call.options.input_type, target_type = call.options.target_type;
    const int32_t target_rest = call.options.target_rest;
    call.options = plain_options();
    call.options.input_type = input_type;
    call.options.target_type = target_type;
    call.options.target_rest = target_rest;
    static const unsigned counts[] = {0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 8, 12};
    const unsigned count = bytes.pick(counts);
    const bool is_strict = bytes.one_in(16), has_threads = bytes.one_in(2), is_resized = bytes.one_in(16);
    for (unsigned i = 0; i < count; i++) decode_one(call, bytes);
    if (has_threads) call.options.threads = static_cast<int32_t>(bytes.below(4));
    call.has_options =
        has_threads || count > 0 || input_type || target_type || target_rest || call[TARGET_PROBS].present;
    if (is_resized && call.has_options) resize(call, bytes.byte(), bytes);
    refuse(call, !is_strict);
    if (call.is_invalid) make_invalid(call, bytes);
}
