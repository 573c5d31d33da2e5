/*
 * binary_arguments - pointers, overlaps and shapes of binary cross-entropy; binary.c has its bits.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "small_problem.h"

/* The small problem with a target for each of its elements. */
typedef struct {
    ce_tensor  input, target, loss, losses, grad;
    ce_options options;
} problem;

static float elements[COUNT]; /* losses one by one */
static float plain;           /* the mean loss of the problem as it is */

static problem make_problem(void) {
    problem made;
    made.input = tensor_of(LOGITS, CE_F32, 2, SHAPE, NULL);
    made.target = tensor_of(MASS, CE_F32, 2, SHAPE, NULL);
    made.loss = tensor_of(loss, CE_F32, 0, NULL, NULL);
    made.losses = tensor_of(elements, CE_F32, 2, SHAPE, NULL);
    made.grad = tensor_of(grad, CE_F32, 2, SHAPE, NULL);
    made.options = defaults();
    return made;
}

static int32_t call(const ce_tensor *input, const ce_tensor *target, const ce_options *options, const ce_tensor *into,
                    const ce_tensor *slope) {
    clear_outputs();
    return ce_binary_cross_entropy(input, -1, target, options, OUTPUTS(into, slope));
}

static void each_output_alone(void) {
    problem p = make_problem();
    CHECK(call(&p.input, &p.target, NULL, &p.loss, &p.grad) == CE_OK);
    plain = loss[0];
    CHECK(fabsf(plain - 0.665230f) < 1e-6f);
    CHECK(call(&p.input, &p.target, NULL, &p.loss, NULL) == CE_OK && loss[0] == plain);
    CHECK(call(&p.input, &p.target, NULL, NULL, &p.grad) == CE_OK && grad[2] < 0 && grad[0] > 0);
}

static void options_of_rows(void) {
    problem p = make_problem();
    p.options.mask = &p.target;
    CHECK(call(&p.input, &p.target, &p.options, &p.loss, &p.grad) == CE_ERROR_OPTION && nothing_written());
    CHECK(strstr(ce_last_error_message(), "mask") != NULL);
    p.options.mask = NULL;
    p.options.ignore_indices = &p.target;
    CHECK(call(&p.input, &p.target, &p.options, &p.loss, &p.grad) == CE_ERROR_OPTION && nothing_written());
    p.options.ignore_indices = NULL;
    p.options.grad_losses = &p.input;
    CHECK(call(&p.input, &p.target, &p.options, &p.loss, &p.grad) == CE_ERROR_OPTION && nothing_written());
}

static void null_pointers(void) {
    static const int64_t one[1] = {1};
    static const float   heavy = 3;
    problem              p = make_problem();
    ce_tensor            broken = p.target, weight = tensor_of(NULL, CE_F32, 1, one, NULL);
    CHECK(call(NULL, &p.target, NULL, &p.loss, &p.grad) == CE_ERROR_NULL_POINTER && nothing_written());
    CHECK(call(&p.input, NULL, NULL, &p.loss, &p.grad) == CE_ERROR_NULL_POINTER && nothing_written());
    CHECK(call(&p.input, &p.target, NULL, NULL, NULL) == CE_ERROR_NULL_POINTER && nothing_written());
    broken.data = NULL;
    CHECK(call(&p.input, &broken, NULL, &p.loss, &p.grad) == CE_ERROR_NULL_POINTER && nothing_written());
    p.options.pos_weight = &weight;
    CHECK(call(&p.input, &p.target, &p.options, &p.loss, &p.grad) == CE_ERROR_NULL_POINTER && nothing_written());
    weight = tensor_of(&heavy, CE_F32, 1, one, NULL);
    CHECK(call(&p.input, &p.target, &p.options, &p.loss, &p.grad) == CE_OK && loss[0] != plain);
}

/* The gradient may replace the input and nothing else. */
static void overlaps(void) {
    static const int64_t one[1] = {1};
    problem              p = make_problem();
    ce_tensor            shifted = p.grad, weight = tensor_of(loss, CE_F32, 1, one, NULL);
    float                memory[2 * COUNT];
    memcpy(memory, LOGITS, sizeof LOGITS);
    p.input.data = memory;
    shifted.data = memory + 1;
    CHECK(ce_binary_cross_entropy(&p.input, -1, &p.target, NULL, OUTPUTS(&p.loss, &shifted)) == CE_ERROR_OVERLAP);
    CHECK(ce_binary_cross_entropy(&p.input, -1, &p.input, NULL, OUTPUTS(&p.loss, &p.input)) == CE_ERROR_OVERLAP);
    CHECK(memcmp(memory, LOGITS, sizeof LOGITS) == 0);
    loss[0] = 1;
    p.options.pos_weight = &weight;
    CHECK(ce_binary_cross_entropy(&p.input, -1, &p.target, &p.options, OUTPUTS(&p.loss, &p.grad)) == CE_ERROR_OVERLAP &&
          loss[0] == 1);
    CHECK(call(&p.input, &p.target, NULL, &p.loss, &p.input) == CE_OK && loss[0] == plain);
}

static void losses_one_by_one(void) {
    problem p = make_problem();
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(call(&p.input, &p.target, &p.options, &p.loss, &p.grad) == CE_ERROR_SHAPE && nothing_written());
    CHECK(call(&p.input, &p.target, &p.options, &p.losses, &p.grad) == CE_OK && fabsf(elements[2] - 0.474077f) < 1e-6f);
}

/* 64 of them; and lengths whose product overflows where one of them is 0. */
static void any_dimensions(void) {
    static const int64_t huge[3] = {INT64_MAX / 2, 0, INT64_MAX};
    problem              p = make_problem();
    int64_t              ones[64];
    int                  i;
    for (i = 0; i < 64; i++)
        ones[i] = i == 40 ? COUNT : 1;
    p.input.ndim = p.target.ndim = p.grad.ndim = 64;
    p.input.shape = p.target.shape = p.grad.shape = ones;
    CHECK(call(&p.input, &p.target, NULL, &p.loss, &p.grad) == CE_OK && loss[0] == plain);
    p.input.ndim = p.target.ndim = p.grad.ndim = 3;
    p.input.shape = p.target.shape = p.grad.shape = huge;
    CHECK(call(&p.input, &p.target, NULL, &p.loss, &p.grad) == CE_OK && isnan(loss[0]));
    CHECK(is_fill(grad, sizeof grad));
}

int main(void) {
    each_output_alone();
    options_of_rows();
    null_pointers();
    overlaps();
    losses_one_by_one();
    any_dimensions();
    return tally();
}
