// One call of the library: which function, with which tensors and options.
#pragma once

#include <string>
#include <vector>

#include "crossentropy.h"
#include "tensor.h"

enum Function {
    CROSS_ENTROPY,
    CROSS_ENTROPY_F32,
    CROSS_ENTROPY_F64,
    KL_DIVERGENCE,
    HESSIAN_VECTOR,
    HESSIAN_DIAGONAL,
    SOFTMAX,
    LOG_SOFTMAX,
    LOGSUMEXP,
    ROW_STATS,
    BINARY,
    FUNCTIONS
};

/// What a tensor is to the call. Outputs stand last; GRAD is the output of the softmax and of second derivatives too, LOSS
/// that of ce_logsumexp; behind GRAD_TARGET come the fields of ce_row_stats.
enum Role {
    INPUT,
    TARGET,
    WEIGHT,
    PRIOR,
    SAMPLE_WEIGHT,
    MASK,
    IGNORE_INDICES,
    GRAD_LOSSES,
    POS_WEIGHT,
    TARGET_PROBS,
    TARGET_OFFSETS,
    VECTOR,
    LOSS,
    GRAD,
    GRAD_TARGET,
    LSE,
    MAX,
    ARGMAX,
    ENTROPY,
    TARGET_PROB,
    TARGET_RANK,
    ROLES
};

extern const char *const function_names[FUNCTIONS];
extern const char *const role_names[ROLES];

/// The size of the options of the first release, the least that is accepted.
const size_t first_options_size = 224;

/// What ce_options_init makes of them.
ce_options plain_options();

struct Call {
    Function function = CROSS_ENTROPY;
    int axis = 0;            // from 0 on
    int32_t class_axis = 0;  // as it is passed
    Tensor tensors[ROLES];
    ce_options options = plain_options();  // the values; pointers are filled in
    bool has_options = false;
    bool sets_later_field = false;  // the last byte of options that are larger than ours is not 0
    bool has_row_stats = false;
    int32_t cancel = 0;
    bool is_cancellable = false;
    bool is_corrupt = false;  // a tensor says what is not so
    bool is_invalid = false;  // an option has a value that is always refused
    unsigned errors = 0;      // statuses, as bits, of which one is due; 0: CE_OK

    int32_t status = CE_OK;

    Tensor &operator[](Role role) { return tensors[role]; }
    const Tensor &operator[](Role role) const { return tensors[role]; }

    void expect(int32_t error) { errors |= 1u << error; }
    bool is_simple() const { return function == CROSS_ENTROPY_F32 || function == CROSS_ENTROPY_F64; }
    bool is_softmax() const { return function >= SOFTMAX && function <= ROW_STATS; }
    /// Whether it takes a struct of outputs.
    bool has_outputs() const { return function == CROSS_ENTROPY || function == KL_DIVERGENCE || function == BINARY; }
    bool is_hessian() const { return function == HESSIAN_VECTOR || function == HESSIAN_DIAGONAL; }
    bool has_sparse_target() const { return tensors[TARGET_PROBS].present; }
    bool has_labels() const {
        return tensors[TARGET].present && !is_float(tensors[TARGET].dtype) && !has_sparse_target();
    }
    /// Whether a class index, or an entry of a sparse target, says that it does not count.
    bool ignores(Real label) const;
    double scale() const { return options.logit_scale; }
    double temperature() const { return options.temperature; }

    /// Remembers all memory, computes, and sets `status`. Guarded; the options lie in guarded memory too.
    void run();
    /// Fails unless nothing has been written that may not be.
    void check_memory() const;
};

/// The call as it could stand in a C program.
std::string text_of(const Call &call);
std::string text_of(const Tensor &tensor, const char *name);
std::string text_of(Real value, int32_t dtype);
