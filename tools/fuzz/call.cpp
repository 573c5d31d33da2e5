#include "call.h"

#include <algorithm>
#include <cstring>

#include "report.h"

const char *const function_names[FUNCTIONS] = {"ce_cross_entropy",
                                               "ce_cross_entropy_f32",
                                               "ce_cross_entropy_f64",
                                               "ce_kl_divergence",
                                               "ce_hessian_vector_product",
                                               "ce_hessian_diagonal",
                                               "ce_softmax",
                                               "ce_log_softmax",
                                               "ce_logsumexp",
                                               "ce_compute_row_stats",
                                               "ce_binary_cross_entropy"};

const char *const role_names[ROLES] = {
    "input",       "target",     "weight",       "prior",          "sample_weight", "mask",        "ignore_indices",
    "grad_losses", "pos_weight", "target_probs", "target_offsets", "vector",        "loss",        "grad",
    "grad_target", "lse",        "max",          "argmax",         "entropy",       "target_prob", "target_rank"};

ce_options plain_options() {
    ce_options options;
    ce_options_init(&options, sizeof options);
    return options;
}

bool Call::ignores(Real label) const {
    if (options.ignore_index != CE_IGNORE_NONE && label == static_cast<Real>(options.ignore_index)) return true;
    const Tensor &list = tensors[IGNORE_INDICES];
    for (size_t i = 0; list.present && i < list.count(); i++) {
        if (list.get(i) == label) return true;
    }
    return false;
}

void Call::run() {
    Tensor *t = tensors;
    ce_row_stats stats = {};
    stats.size = sizeof stats;
    void **fields[] = {reinterpret_cast<void **>(&stats.lse),         reinterpret_cast<void **>(&stats.max),
                       reinterpret_cast<void **>(&stats.argmax),      reinterpret_cast<void **>(&stats.entropy),
                       reinterpret_cast<void **>(&stats.target_prob), reinterpret_cast<void **>(&stats.target_rank)};
    for (int i = 0; i < 6; i++) *fields[i] = t[LSE + i].present ? t[LSE + i].data : nullptr;

    options.weight = t[WEIGHT].argument();
    options.prior = t[PRIOR].argument();
    options.sample_weight = t[SAMPLE_WEIGHT].argument();
    options.mask = t[MASK].argument();
    options.ignore_indices = t[IGNORE_INDICES].argument();
    options.grad_losses = t[GRAD_LOSSES].argument();
    options.pos_weight = t[POS_WEIGHT].argument();
    options.target_probs = t[TARGET_PROBS].argument();
    options.target_offsets = t[TARGET_OFFSETS].argument();
    options.cancel = is_cancellable ? &cancel : nullptr;
    // The outputs lie in guarded memory too, so that a look behind them is found.
    const Block outputs_block = memory::take(sizeof(ce_outputs), true, 0);
    ce_outputs *outputs = reinterpret_cast<ce_outputs *>(outputs_block.base);
    outputs->size = sizeof(ce_outputs);
    outputs->loss = t[LOSS].argument();
    outputs->grad = t[GRAD].argument();
    outputs->grad_target = t[GRAD_TARGET].argument();
    outputs->row_stats = has_row_stats && function != ROW_STATS ? &stats : nullptr;
    const ce_options *o = nullptr;
    if (has_options) {
        // As many bytes as the size says, so that a look behind them is found.
        const size_t size = options.size < first_options_size ? sizeof(uint64_t) : static_cast<size_t>(options.size);
        const Block block = memory::take(size, true, 0);
        memset(block.base, 0, size);
        memcpy(block.base, &options, std::min(size, sizeof options));
        if (sets_later_field) block.base[size - 1] = 1;
        o = reinterpret_cast<const ce_options *>(block.base);
    }
    for (Tensor &tensor : tensors) {
        if (tensor.present) tensor.snapshot();
    }

    const ce_tensor *input = t[INPUT].argument(), *target = t[TARGET].argument();
    const ce_tensor *loss = t[LOSS].argument(), *grad = t[GRAD].argument();
    const bool has_shape = t[INPUT].shape.size() == 2;
    const int64_t rows = has_shape ? t[INPUT].shape[0] : 0, classes = has_shape ? t[INPUT].shape[1] : 0;
    auto data = [](const Tensor &tensor) -> void * { return tensor.present ? tensor.data : nullptr; };
    memory::guard();
    switch (function) {
        case CROSS_ENTROPY: status = ce_cross_entropy(input, class_axis, target, o, outputs); break;
        case CROSS_ENTROPY_F32:
            status = ce_cross_entropy_f32(static_cast<float *>(data(t[INPUT])), static_cast<int64_t *>(data(t[TARGET])),
                                          rows, classes, o, static_cast<float *>(data(t[LOSS])),
                                          static_cast<float *>(data(t[GRAD])));
            break;
        case CROSS_ENTROPY_F64:
            status = ce_cross_entropy_f64(static_cast<double *>(data(t[INPUT])),
                                          static_cast<int64_t *>(data(t[TARGET])), rows, classes, o,
                                          static_cast<double *>(data(t[LOSS])), static_cast<double *>(data(t[GRAD])));
            break;
        case KL_DIVERGENCE: status = ce_kl_divergence(input, class_axis, target, o, outputs); break;
        case HESSIAN_VECTOR:
            status = ce_hessian_vector_product(input, class_axis, target, o, t[VECTOR].argument(), grad);
            break;
        case HESSIAN_DIAGONAL: status = ce_hessian_diagonal(input, class_axis, target, o, grad); break;
        case SOFTMAX: status = ce_softmax(input, class_axis, o, grad); break;
        case LOG_SOFTMAX: status = ce_log_softmax(input, class_axis, o, grad); break;
        case LOGSUMEXP: status = ce_logsumexp(input, class_axis, o, loss); break;
        case ROW_STATS: status = ce_compute_row_stats(input, class_axis, target, o, &stats); break;
        case BINARY: status = ce_binary_cross_entropy(input, class_axis, target, o, outputs); break;
        case FUNCTIONS: break;
    }
    memory::unguard();
}

void Call::check_memory() const {
    for (int role = 0; role < ROLES; role++) {
        const Tensor &tensor = tensors[role];
        if (!tensor.present || tensor.replaced) continue;
        if (!tensor.output) {
            if (!tensor.is_untouched()) fail(*this, "an input has been written: %s", role_names[role]);
        } else if (status == CE_OK || status == CE_ERROR_CANCELLED) {
            if (!tensor.gaps_are_untouched()) {
                fail(*this, "memory between or around the elements of %s has been written", role_names[role]);
            }
        } else if (!tensor.is_untouched()) {
            fail(*this, "status %d, and yet %s has been written", status, role_names[role]);
        }
    }
}
