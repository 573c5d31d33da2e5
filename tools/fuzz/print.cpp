// Calls in readable form.
#include <cstdio>
#include <cstdlib>

#include "call.h"

namespace {

const size_t most_numbers = 3000;

std::string formatted(const char *format, double value) {
    char text[64];
    snprintf(text, sizeof text, format, value);
    return text;
}

std::string list_of(const Lengths &numbers) {
    std::string text = "{";
    for (size_t i = 0; i < numbers.size(); i++) text += (i ? ", " : "") + std::to_string(numbers[i]);
    return text + "}";
}

/// Those that a field of the options has, if they are not the defaults.
void add(std::string &text, const char *name, double value, double plain) {
    if (value == plain) return;
    text += "    options." + std::string(name) + " = " + formatted("%.17g", value) + ";\n";
}

}  // namespace

std::string text_of(Real value, int32_t dtype) {
    if (!is_float(dtype)) return std::to_string(static_cast<long long>(value));
    if (std::isnan(value)) return "NAN";
    if (std::isinf(value)) return value > 0 ? "INFINITY" : "-INFINITY";
    const double number = static_cast<double>(value);
    const std::string brief = formatted("%.6g", number);
    return std::strtod(brief.c_str(), nullptr) == number ? brief : formatted("%a", number);
}

std::string text_of(const Tensor &tensor, const char *name) {
    std::string text = "    ce_tensor " + std::string(name) + " = {data, " + name_of(tensor.dtype) + ", " +
                       std::to_string(tensor.shape.size()) + ", (int64_t[])" + list_of(tensor.shape) + ", ";
    text += tensor.spelled ? "(int64_t[])" + list_of(tensor.strides) : "NULL";
    text += "};";
    if (tensor.replaced) text += " // replaced by an output";
    if (tensor.output) return text + " // an output\n";
    // Equal neighbours are counted.
    text += "\n        // " + std::to_string(tensor.count()) + " elements, last dimension fastest: ";
    Tensor was = tensor;  // as it was before the call
    if (!was.before.empty()) was.data = was.before.data() + (tensor.data - tensor.block.base);
    size_t written = 0;
    for (size_t i = 0; i < was.count();) {
        size_t equal = 1;
        const std::string number = text_of(was.get(i), was.dtype);
        while (i + equal < was.count() && text_of(was.get(i + equal), was.dtype) == number) equal++;
        if (++written > most_numbers) {
            text += ", ...";
            break;
        }
        if (i > 0) text += ", ";
        text += equal > 1 ? std::to_string(equal) + " x " + number : number;
        i += equal;
    }
    return text + "\n";
}

std::string text_of(const Call &call) {
    std::string text;
    for (int role = 0; role < ROLES; role++) {
        if (call.tensors[role].present) text += text_of(call.tensors[role], role_names[role]);
    }
    const ce_options &o = call.options;
    if (call.has_options) {
        text += "    ce_options_init(&options, " + std::to_string(o.size) + ");\n";
        add(text, "input_type", o.input_type, 0);
        add(text, "reduction", o.reduction, 0);
        add(text, "mean_over", o.mean_over, 0);
        add(text, "empty", o.empty, 0);
        if (o.ignore_index != -100) text += "    options.ignore_index = " + std::to_string(o.ignore_index) + ";\n";
        add(text, "label_smoothing", o.label_smoothing, 0);
        add(text, "mean_divisor", o.mean_divisor, 0);
        add(text, "clip", o.clip, 0);
        add(text, "grad_loss", o.grad_loss, 1);
        add(text, "threads", o.threads, 0);
        add(text, "reserved_input", o.reserved_input, 0);
        add(text, "reserved_reduction", o.reserved_reduction, 0);
        add(text, "reserved_execution", o.reserved_execution, 0);
        add(text, "z_loss", o.z_loss, 0);
        add(text, "focal_gamma", o.focal_gamma, 0);
        add(text, "poly_epsilon", o.poly_epsilon, 0);
        add(text, "softcap", o.softcap, 0);
        add(text, "logit_scale", o.logit_scale, 1);
        add(text, "target_type", o.target_type, 0);
        add(text, "target_rest", o.target_rest, 0);
        add(text, "temperature", o.temperature, 1);
        add(text, "temperature_squared", o.temperature_squared, 0);
        add(text, "kl_form", o.kl_form, 0);
        if (call.is_cancellable) text += "    options.cancel = &(int32_t){" + std::to_string(call.cancel) + "};\n";
        for (int role = WEIGHT; role <= TARGET_OFFSETS; role++) {
            if (call.tensors[role].present) {
                text += "    options." + std::string(role_names[role]) + " = &" + role_names[role] + ";\n";
            }
        }
    }
    if (call.has_outputs()) {
        text += "    ce_outputs outputs = {.size = sizeof outputs";
        for (Role role : {LOSS, GRAD, GRAD_TARGET}) {
            if (call[role].present) text += ", ." + std::string(role_names[role]) + " = &" + role_names[role];
        }
        if (call.has_row_stats) text += ", .row_stats = &stats";
        text += "};\n";
    }
    return text + "    " + function_names[call.function] + "(class_axis = " + std::to_string(call.class_axis) +
           (call.has_options ? ", &options" : ", no options") +
           "), expected statuses (bits): " + std::to_string(call.errors) + "\n";
}
