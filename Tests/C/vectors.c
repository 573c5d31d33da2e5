/*
 * vectors - runs the shared test cases through libcrossentropy's C interface.
 *
 *     vectors FLAT_FILE [--quick] [--results OUT]
 *
 * FLAT_FILE is what tools/flatten_vectors.py derives from Tests/Vectors/vectors.json; its format is
 * described there. Of every case it checks the status, the message, loss and gradient within the
 * tolerances of the file and nothing more, and that
 *
 *  - the same call for the loss alone, each gradient alone, the gradient in place (of the input, and of the
 *    vector that a Hessian is multiplied with), with one and with three threads, with every tensor
 *    elsewhere in memory (other strides, odd addresses), and with the rows side by side, class after class, gives
 *    the same bits;
 *  - so does the plain call for contiguous rows where it can state the case;
 *  - partial statistics of the classes, in one slice or two, give loss and gradient within the same tolerances;
 *  - no byte outside the outputs' elements changes, none at all if the call fails, and no input.
 *
 * The last line is "N passed, M failed", in cases; the exit status is 0 if M is 0. With --results
 * OUT gets a line for each case: name, status, number of losses, losses, number of gradient elements
 * (those of the file), elements; numbers as %a. Derivatives with respect to the target are not among them. --quick leaves
 * out the cases of large inputs, for emulators.
 */
#include "outputs.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NDIM = 80, WORD = 128, LINE = 512, MAX_MESSAGES = 8, GUARD = 64, FILL = 0xA5 };
enum { LARGE = 2048 }; /* bytes of an input that --quick leaves out */

/* A tensor with memory of its own. In outputs `memory` starts and ends with guard bytes. */
typedef struct {
    unsigned char *memory;
    size_t         bytes;
    int64_t        shape[MAX_NDIM];
    int64_t        strides[MAX_NDIM];
    ce_tensor      view;
} tensor;

/* What a case calls, in the order of tools/flatten_vectors.py. */
typedef enum {
    CROSS_ENTROPY, BINARY_CROSS_ENTROPY, KL_DIVERGENCE, HESSIAN_VECTOR_PRODUCT, HESSIAN_DIAGONAL
} function;

/* Tensors that a case may have, and that are only read; in the order of the file. */
enum {
    INPUT, TARGET, WEIGHT, POS_WEIGHT, SAMPLE_WEIGHT, PRIOR, MASK, IGNORE_INDICES, GRAD_LOSSES, TARGET_PROBS,
    TARGET_OFFSETS, VECTOR, INPUTS
};
static const char *const input_names[INPUTS] = {
    "input", "target", "weight", "pos_weight", "sample_weight", "prior", "mask", "ignore_indices", "grad_losses",
    "target_probs", "target_offsets", "vector"};

typedef struct {
    char       name[WORD];
    function   called;
    int32_t    axis;
    ce_options options; /* but for what is a tensor */
    tensor     inputs[INPUTS];
    int        has[INPUTS];
    int32_t    loss_dtype, grad_dtype;
    int        with_grad, with_target_grad;
    int32_t    status;
    int        messages;
    char       message[MAX_MESSAGES][LINE];
    int64_t    losses, grads, target_grads;
    double    *loss, *loss_tol, *grad, *grad_tol, *target_grad, *target_grad_tol;
    int64_t   *grad_at;
    int64_t    rows;       /* with statistics; -1: the case has none */
    double    *statistics; /* ROW_NUMBERS for each */
    int64_t    softmaxes;
    double    *softmax;    /* for each: index, probability, tolerance, logarithm, tolerance */
} test_case;

enum { ROW_NUMBERS = 10, CLASS_NUMBERS = 5 };

/* The outputs of one call. */
typedef struct {
    int32_t status;
    tensor  loss, grad, target_grad;
} outcome;

/* Which of them a call is asked for. */
enum { LOSS = 1, GRAD = 2, TARGET_GRAD = 4 };

static int complaints; /* of the current case */

static void complain(const test_case *test, const char *format, ...) {
    va_list arguments;
    if (++complaints > 8)
        return;
    printf("FAIL %s: ", test->name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

static void stop(const char *what) {
    fprintf(stderr, "vectors: %s\n", what);
    exit(2);
}

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL)
        stop("out of memory");
    return memory;
}

/* Elements --------------------------------------------------------------------------------- */

static size_t size_of(int32_t dtype) {
    switch (dtype) {
    case CE_I8: case CE_U8: return 1;
    case CE_I16: case CE_U16: case CE_F16: case CE_BF16: return 2;
    case CE_I32: case CE_U32: case CE_F32: return 4;
    default: return 8;
    }
}

static int is_float(int32_t dtype) { return dtype == CE_F32 || dtype == CE_F64; }

static int is_half(int32_t dtype) { return dtype == CE_F16 || dtype == CE_BF16; }

/* The number of elements; -1 for shapes of error cases that have none. */
static int64_t count_of(const ce_tensor *view) {
    int64_t count = 1;
    int32_t axis;
    for (axis = 0; axis < view->ndim; axis++) {
        if (view->shape[axis] < 0 || (view->shape[axis] > 0 && count > 100000000 / view->shape[axis]))
            return -1;
        count *= view->shape[axis];
    }
    return count;
}

/* The address of an element, given its index in row-major order. */
static unsigned char *element(const ce_tensor *view, int64_t index) {
    int64_t distance = 0, contiguous = 1, position;
    int32_t axis;
    for (axis = view->ndim - 1; axis >= 0; axis--) {
        position = index % view->shape[axis];
        index /= view->shape[axis];
        distance += position * (view->strides != NULL ? view->strides[axis] : contiguous);
        contiguous *= view->shape[axis];
    }
    return (unsigned char *)view->data + distance * (int64_t)size_of(view->dtype);
}

/* The number that 16 bits are. */
static double widened(uint16_t bits, int32_t dtype) {
    uint32_t word = (uint32_t)bits << 16;
    int      exponent = bits >> 10 & 31, fraction = bits & 1023;
    float    single;
    double   size;
    if (dtype == CE_BF16) {
        memcpy(&single, &word, sizeof single);
        return single;
    }
    if (exponent == 31)
        size = fraction == 0 ? (double)INFINITY : (double)NAN;
    else
        size = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
    return bits >> 15 ? -size : size;
}

static double float_at(const ce_tensor *view, int64_t index) {
    uint16_t half;
    float    single;
    double   number;
    if (is_half(view->dtype)) {
        memcpy(&half, element(view, index), sizeof half);
        return widened(half, view->dtype);
    }
    if (view->dtype == CE_F32) {
        memcpy(&single, element(view, index), sizeof single);
        return single;
    }
    memcpy(&number, element(view, index), sizeof number);
    return number;
}

/* A label as int64; 0 if it does not fit. */
static int label_at(const ce_tensor *view, int64_t index, int64_t *label) {
    union {
        int8_t i8; int16_t i16; int32_t i32; int64_t i64;
        uint8_t u8; uint16_t u16; uint32_t u32; uint64_t u64;
    } any;
    memcpy(&any, element(view, index), size_of(view->dtype));
    switch (view->dtype) {
    case CE_I8: *label = any.i8; return 1;
    case CE_I16: *label = any.i16; return 1;
    case CE_I32: *label = any.i32; return 1;
    case CE_I64: *label = any.i64; return 1;
    case CE_U8: *label = any.u8; return 1;
    case CE_U16: *label = any.u16; return 1;
    case CE_U32: *label = any.u32; return 1;
    default: *label = (int64_t)(any.u64 & INT64_MAX); return any.u64 <= INT64_MAX;
    }
}

/* Reading the file ------------------------------------------------------------------------- */

static FILE *file;

static const char *word(void) {
    static char text[WORD];
    if (fscanf(file, "%127s", text) != 1)
        stop("the file ends too early");
    return text;
}

static void expect(const char *text) {
    if (strcmp(word(), text) != 0)
        stop("the file is not in the expected format");
}

static int64_t integer(void) { return (int64_t)strtoll(word(), NULL, 10); }

static double number(void) { return strtod(word(), NULL); }

static void read_element(unsigned char *place, int32_t dtype) {
    const char *text = word();
    uint64_t    bits;
    float       single;
    double      real;
    if (dtype == CE_F64) {
        real = strtod(text, NULL);
        memcpy(place, &real, sizeof real);
    } else if ((dtype >= CE_I8 && dtype <= CE_U64) || is_half(dtype)) {
        uint8_t  b1;
        uint16_t b2;
        uint32_t b4;
        bits = text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
        b1 = (uint8_t)bits, b2 = (uint16_t)bits, b4 = (uint32_t)bits;
        switch (size_of(dtype)) {
        case 1: memcpy(place, &b1, 1); break;
        case 2: memcpy(place, &b2, 2); break;
        case 4: memcpy(place, &b4, 4); break;
        default: memcpy(place, &bits, 8); break;
        }
    } else {
        single = (float)strtod(text, NULL);
        memcpy(place, &single, sizeof single);
    }
}

static int read_tensor(tensor *made) {
    const char *text = word();
    int64_t     offset = 0, count, i;
    size_t      size;
    int         axis;
    memset(made, 0, sizeof *made);
    if (strcmp(text, "-") == 0)
        return 0;
    made->view.dtype = (int32_t)strtol(text, NULL, 10);
    made->view.ndim = (int32_t)integer();
    if (made->view.ndim > MAX_NDIM)
        stop("too many dimensions");
    for (axis = 0; axis < made->view.ndim; axis++)
        made->shape[axis] = integer();
    made->view.shape = made->shape;
    if (integer() == 1) {
        for (axis = 0; axis < made->view.ndim; axis++)
            made->strides[axis] = integer();
        made->view.strides = made->strides;
        offset = integer();
    }
    count = integer();
    size = size_of(made->view.dtype);
    made->bytes = (size_t)count * size;
    made->memory = allocate(made->bytes);
    for (i = 0; i < count; i++)
        read_element(made->memory + (size_t)i * size, made->view.dtype);
    made->view.data = made->memory + offset * (int64_t)size;
    return 1;
}

static void read_case(test_case *test) {
    char    rest[LINE];
    int     i;
    int64_t k;
    strcpy(test->name, word());
    expect("function");
    test->called = (function)integer();
    expect("options");
    ce_options_init(&test->options, sizeof test->options);
    test->options.input_type = (int32_t)integer();
    test->options.reduction = (int32_t)integer();
    test->options.mean_over = (int32_t)integer();
    test->options.empty = (int32_t)integer();
    test->options.ignore_index = integer();
    test->options.label_smoothing = number();
    test->options.mean_divisor = number();
    test->options.clip = number();
    test->options.grad_loss = number();
    test->options.threads = (int32_t)integer();
    test->options.z_loss = number();
    test->options.focal_gamma = number();
    test->options.poly_epsilon = number();
    test->options.softcap = number();
    test->options.logit_scale = number();
    test->options.target_type = (int32_t)integer();
    test->options.target_rest = (int32_t)integer();
    test->options.temperature = number();
    test->options.temperature_squared = (int32_t)integer();
    test->options.kl_form = (int32_t)integer();
    expect("axis");
    test->axis = (int32_t)integer();
    for (i = 0; i < INPUTS; i++) {
        expect(input_names[i]);
        test->has[i] = read_tensor(&test->inputs[i]);
    }
    expect("outputs");
    test->loss_dtype = (int32_t)integer();
    test->grad_dtype = (int32_t)integer();
    test->with_grad = integer() == 1;
    expect("status");
    test->status = (int32_t)integer();
    test->messages = (int)integer();
    if (test->messages > MAX_MESSAGES || fgets(rest, sizeof rest, file) == NULL)
        stop("the file is not in the expected format");
    for (i = 0; i < test->messages; i++) {
        if (fgets(test->message[i], LINE, file) == NULL)
            stop("the file ends too early");
        test->message[i][strcspn(test->message[i], "\n")] = '\0';
    }
    expect("loss");
    test->losses = integer();
    test->loss = allocate((size_t)test->losses * sizeof(double));
    test->loss_tol = allocate((size_t)test->losses * sizeof(double));
    for (k = 0; k < test->losses; k++) {
        test->loss[k] = number();
        test->loss_tol[k] = number();
    }
    expect("grad");
    test->grads = integer();
    test->grad_at = allocate((size_t)test->grads * sizeof(int64_t));
    test->grad = allocate((size_t)test->grads * sizeof(double));
    test->grad_tol = allocate((size_t)test->grads * sizeof(double));
    for (k = 0; k < test->grads; k++) {
        test->grad_at[k] = integer();
        test->grad[k] = number();
        test->grad_tol[k] = number();
    }
    expect("grad_target");
    test->target_grads = integer();
    test->with_target_grad = test->target_grads >= 0;
    test->target_grad = allocate((size_t)(test->with_target_grad ? test->target_grads : 0) * sizeof(double));
    test->target_grad_tol = allocate((size_t)(test->with_target_grad ? test->target_grads : 0) * sizeof(double));
    for (k = 0; k < test->target_grads; k++) {
        test->target_grad[k] = number();
        test->target_grad_tol[k] = number();
    }
    expect("statistics");
    test->rows = integer();
    test->statistics = allocate((size_t)(test->rows < 0 ? 0 : test->rows) * ROW_NUMBERS * sizeof(double));
    for (k = 0; k < test->rows * ROW_NUMBERS; k++)
        test->statistics[k] = number();
    expect("softmax");
    test->softmaxes = integer();
    test->softmax = allocate((size_t)test->softmaxes * CLASS_NUMBERS * sizeof(double));
    for (k = 0; k < test->softmaxes * CLASS_NUMBERS; k++)
        test->softmax[k] = number();
}

static void free_case(test_case *test) {
    int i;
    for (i = 0; i < INPUTS; i++)
        free(test->inputs[i].memory);
    free(test->loss);
    free(test->loss_tol);
    free(test->grad_at);
    free(test->grad);
    free(test->grad_tol);
    free(test->target_grad);
    free(test->target_grad_tol);
    free(test->statistics);
    free(test->softmax);
}

/* Tensors of this program's own ------------------------------------------------------------ */

/* Where a new tensor lies: row-major at an aligned address; or, to be as different as it can,
 * with the first axis fastest, a gap after each element, the last axis backwards, at an odd address. */
typedef enum { ROW_MAJOR, ELSEWHERE } layout;

static void make_tensor(tensor *made, int32_t dtype, int32_t ndim, const int64_t *shape, layout where) {
    int64_t count, span = 1;
    size_t  size = size_of(dtype);
    int32_t axis;
    memset(made, 0, sizeof *made);
    memcpy(made->shape, shape, (size_t)ndim * sizeof *shape);
    made->view.dtype = dtype;
    made->view.ndim = ndim;
    made->view.shape = made->shape;
    count = count_of(&made->view);
    if (count < 0)
        count = 8; /* an error case: nothing may be written anyway */
    else if (where == ELSEWHERE) {
        span = 2;
        for (axis = 0; axis < ndim; axis++) {
            made->strides[axis] = span;
            span *= shape[axis];
        }
        made->view.strides = made->strides;
        count *= 2;
    }
    made->bytes = (size_t)count * size + 2 * GUARD + 1;
    made->memory = allocate(made->bytes);
    memset(made->memory, FILL, made->bytes);
    made->view.data = made->memory + GUARD + (where == ELSEWHERE ? 1 : 0);
    if (where == ELSEWHERE && ndim > 0 && shape[ndim - 1] > 0 && count > 0) {
        made->view.data = (unsigned char *)made->view.data +
                          made->strides[ndim - 1] * (shape[ndim - 1] - 1) * (int64_t)size;
        made->strides[ndim - 1] *= -1;
    }
}

/* Lays a row-major tensor that has no elements yet out anew: one axis, that of the classes, slowest. */
static void make_slowest(tensor *made, int32_t class_axis) {
    int64_t span = 1;
    int32_t axis, last = made->view.ndim - 1;
    if (count_of(&made->view) <= 0 || last < 0)
        return;
    if (class_axis < 0)
        class_axis = last;
    for (axis = last; axis >= 0; axis--)
        if (axis != class_axis) {
            made->strides[axis] = span;
            span *= made->shape[axis];
        }
    made->strides[class_axis] = span;
    made->view.strides = made->strides;
}

static void copy_elements(const ce_tensor *from, const ce_tensor *to) {
    int64_t i, count = count_of(from);
    for (i = 0; i < count; i++)
        memcpy(element(to, i), element(from, i), size_of(from->dtype));
}

static int untouched(const tensor *output) {
    size_t i;
    for (i = 0; i < output->bytes; i++)
        if (output->memory[i] != FILL)
            return 0;
    return 1;
}

/* Whether all bytes between and around the elements are as they were in `before`. */
static int untouched_between(const tensor *output, const unsigned char *before) {
    unsigned char *copy = allocate(output->bytes);
    int64_t        i, count = count_of(&output->view);
    int            same;
    memcpy(copy, output->memory, output->bytes);
    for (i = 0; i < count; i++) {
        ptrdiff_t at = element(&output->view, i) - output->memory;
        memcpy(copy + at, before + at, size_of(output->view.dtype));
    }
    same = memcmp(copy, before, output->bytes) == 0;
    free(copy);
    return same;
}

static int same_bits(const ce_tensor *a, const ce_tensor *b) {
    int64_t i, count = count_of(a);
    for (i = 0; i < count; i++)
        if (memcmp(element(a, i), element(b, i), size_of(a->dtype)) != 0)
            return 0;
    return 1;
}

/* Whether distinct elements of the input lie at distinct addresses; true for what the cases have
 * unless a stride is 0. */
static int distinct(const ce_tensor *view) {
    int32_t axis;
    for (axis = 0; view->strides != NULL && axis < view->ndim; axis++)
        if (view->strides[axis] == 0 && view->shape[axis] > 1)
            return 0;
    return 1;
}

/* Calls ------------------------------------------------------------------------------------ */

/* The case's options with these tensors, which have to outlive them. */
static ce_options with_tensors(const test_case *test, const tensor *inputs) {
    ce_options options = test->options;
    options.weight = test->has[WEIGHT] ? &inputs[WEIGHT].view : NULL;
    options.pos_weight = test->has[POS_WEIGHT] ? &inputs[POS_WEIGHT].view : NULL;
    options.sample_weight = test->has[SAMPLE_WEIGHT] ? &inputs[SAMPLE_WEIGHT].view : NULL;
    options.prior = test->has[PRIOR] ? &inputs[PRIOR].view : NULL;
    options.mask = test->has[MASK] ? &inputs[MASK].view : NULL;
    options.ignore_indices = test->has[IGNORE_INDICES] ? &inputs[IGNORE_INDICES].view : NULL;
    options.grad_losses = test->has[GRAD_LOSSES] ? &inputs[GRAD_LOSSES].view : NULL;
    options.target_probs = test->has[TARGET_PROBS] ? &inputs[TARGET_PROBS].view : NULL;
    options.target_offsets = test->has[TARGET_OFFSETS] ? &inputs[TARGET_OFFSETS].view : NULL;
    return options;
}

static int is_hessian(const test_case *test) {
    return test->called == HESSIAN_VECTOR_PRODUCT || test->called == HESSIAN_DIAGONAL;
}

/* The case's call with these tensors; each output may be NULL. Second derivatives have no loss. */
static int32_t call(const test_case *test, const tensor *inputs, int32_t threads, const ce_tensor *loss,
                    const ce_tensor *grad, const ce_tensor *target_grad) {
    const ce_tensor *input = &inputs[INPUT].view, *target = &inputs[TARGET].view;
    ce_options       options = with_tensors(test, inputs);
    const ce_outputs outputs = {sizeof outputs, loss, grad, target_grad, NULL};
    options.threads = threads;
    switch (test->called) {
    case CROSS_ENTROPY: return ce_cross_entropy(input, test->axis, target, &options, &outputs);
    case BINARY_CROSS_ENTROPY: return ce_binary_cross_entropy(input, test->axis, target, &options, &outputs);
    case KL_DIVERGENCE: return ce_kl_divergence(input, test->axis, target, &options, &outputs);
    case HESSIAN_VECTOR_PRODUCT:
        return ce_hessian_vector_product(input, test->axis, target, &options, &inputs[VECTOR].view, grad);
    default: return ce_hessian_diagonal(input, test->axis, target, &options, grad);
    }
}

/* All that the case asks for. */
static int asked(const test_case *test) {
    return (is_hessian(test) ? 0 : LOSS) | (test->with_grad ? GRAD : 0) | (test->with_target_grad ? TARGET_GRAD : 0);
}

/* The same for some of the outputs of `made`. */
static void call_for(const test_case *test, const tensor *inputs, int32_t threads, outcome *made, int outputs) {
    made->status = call(test, inputs, threads, outputs & LOSS ? &made->loss.view : NULL,
                        outputs & GRAD ? &made->grad.view : NULL,
                        outputs & TARGET_GRAD ? &made->target_grad.view : NULL);
}

/* The loss's dimensions: none, the input's without the class axis, or all of the input's. */
static int32_t loss_shape(const test_case *test, int64_t *shape) {
    const ce_tensor *input = &test->inputs[INPUT].view;
    int32_t          axis = test->axis < 0 ? test->axis + input->ndim : test->axis, i, ndim = 0;
    if (test->called == BINARY_CROSS_ENTROPY && test->options.reduction == CE_REDUCTION_NONE) {
        memcpy(shape, input->shape, (size_t)input->ndim * sizeof *shape);
        return input->ndim;
    }
    if (test->options.reduction != CE_REDUCTION_NONE || axis < 0 || axis >= input->ndim)
        return 0;
    for (i = 0; i < input->ndim; i++)
        if (i != axis)
            shape[ndim++] = input->shape[i];
    return ndim;
}

static void make_outputs(const test_case *test, outcome *made, layout where) {
    const tensor *target = &test->inputs[TARGET];
    int64_t       shape[MAX_NDIM];
    int32_t       ndim = loss_shape(test, shape);
    make_tensor(&made->loss, test->loss_dtype, ndim, shape, where);
    make_tensor(&made->grad, test->grad_dtype, test->inputs[INPUT].view.ndim, test->inputs[INPUT].shape, where);
    /* Integers have no derivative, and are to be refused for that, not for its dtype. */
    make_tensor(&made->target_grad, target->view.dtype < CE_I8 ? target->view.dtype : CE_F32, target->view.ndim, target->shape,
                where);
}

static int grad_fits(const test_case *test) {
    int32_t dtype = test->inputs[INPUT].view.dtype;
    return test->grad_dtype == dtype || (is_half(dtype) && test->grad_dtype == CE_F32);
}

static void free_outputs(outcome *made) {
    free(made->loss.memory);
    free(made->grad.memory);
    free(made->target_grad.memory);
}

static void compare_output(const test_case *test, const char *variant, const char *name, const tensor *got,
                           const tensor *base, int is_wanted) {
    unsigned char *fill = allocate(got->bytes);
    memset(fill, FILL, got->bytes);
    if (is_wanted ? !untouched_between(got, fill) : !untouched(got))
        complain(test, "%s: memory beside the %s changed", variant, name);
    if (is_wanted && !same_bits(&got->view, &base->view))
        complain(test, "%s: the %s has other bits", variant, name);
    free(fill);
}

/* Compares what a variant of the call, for some of the outputs, gave with what the first call gave. */
static void compare(const test_case *test, const char *variant, const outcome *got, const outcome *base, int outputs) {
    if (got->status != base->status)
        complain(test, "%s: status %d, not %d: %s", variant, (int)got->status, (int)base->status,
                 ce_last_error_message());
    if (got->status != CE_OK || base->status != CE_OK) {
        if (!untouched(&got->loss) || !untouched(&got->grad) || !untouched(&got->target_grad))
            complain(test, "%s: outputs changed though the call failed", variant);
        return;
    }
    compare_output(test, variant, "loss", &got->loss, &base->loss, outputs & LOSS);
    compare_output(test, variant, "gradient", &got->grad, &base->grad, outputs & GRAD);
    compare_output(test, variant, "gradient of the target", &got->target_grad, &base->target_grad,
                   outputs & TARGET_GRAD);
}

/* The call with some of its outputs left out, or with another number of threads. */
static void run_variant(const test_case *test, const outcome *base, const char *name, int outputs, int32_t threads) {
    outcome got;
    make_outputs(test, &got, ROW_MAJOR);
    call_for(test, test->inputs, threads, &got, outputs);
    compare(test, name, &got, base, outputs);
    free_outputs(&got);
}

/* The call with every tensor elsewhere in memory, but for those that have to be contiguous. */
static void run_elsewhere(const test_case *test, const outcome *base) {
    tensor  moved[INPUTS];
    outcome got;
    int     i;
    for (i = 0; i < INPUTS; i++) {
        const tensor *original = &test->inputs[i];
        layout        where = i == IGNORE_INDICES || i == TARGET_OFFSETS ? ROW_MAJOR : ELSEWHERE;
        memset(&moved[i], 0, sizeof moved[i]);
        if (!test->has[i])
            continue;
        make_tensor(&moved[i], original->view.dtype, original->view.ndim, original->shape, where);
        copy_elements(&original->view, &moved[i].view);
    }
    make_outputs(test, &got, ELSEWHERE);
    call_for(test, moved, test->options.threads, &got, asked(test));
    compare(test, "elsewhere in memory", &got, base, asked(test));
    free_outputs(&got);
    for (i = 0; i < INPUTS; i++)
        free(moved[i].memory);
}

/* The call with rows that are neighbours in memory while their classes are not: tiles, or class by class. */
static void run_side_by_side(const test_case *test, const outcome *base) {
    const tensor *original = &test->inputs[INPUT];
    tensor        inputs[INPUTS];
    outcome       got;
    memcpy(inputs, test->inputs, sizeof inputs);
    make_tensor(&inputs[INPUT], original->view.dtype, original->view.ndim, original->shape, ROW_MAJOR);
    make_slowest(&inputs[INPUT], test->axis);
    copy_elements(&original->view, &inputs[INPUT].view);
    make_outputs(test, &got, ROW_MAJOR);
    make_slowest(&got.grad, test->axis);
    call_for(test, inputs, test->options.threads, &got, asked(test));
    compare(test, "rows side by side", &got, base, asked(test));
    free_outputs(&got);
    free(inputs[INPUT].memory);
}

/* The call with the gradient written over one of its inputs, a copy of which lies between guard bytes. */
static void run_in_place(const test_case *test, const outcome *base, int replaced) {
    const tensor  *original = &test->inputs[replaced];
    ptrdiff_t      offset = (unsigned char *)original->view.data - original->memory;
    tensor         inputs[INPUTS], *place = &inputs[replaced];
    unsigned char *before;
    outcome        got;
    const char    *name = input_names[replaced];
    memcpy(inputs, test->inputs, sizeof inputs);
    place->bytes += 2 * GUARD;
    before = allocate(place->bytes);
    memset(before, FILL, place->bytes);
    memcpy(before + GUARD, original->memory, original->bytes);
    place->memory = allocate(place->bytes);
    memcpy(place->memory, before, place->bytes);
    place->view.data = place->memory + GUARD + offset;
    make_outputs(test, &got, ROW_MAJOR);
    got.status = call(test, inputs, test->options.threads, &got.loss.view, &place->view,
                      test->with_target_grad ? &got.target_grad.view : NULL);
    if (got.status != CE_OK)
        complain(test, "in place of the %s: status %d: %s", name, (int)got.status, ce_last_error_message());
    else {
        if (!is_hessian(test) && !same_bits(&got.loss.view, &base->loss.view))
            complain(test, "in place of the %s: the loss has other bits", name);
        if (!same_bits(&place->view, &base->grad.view))
            complain(test, "in place of the %s: the gradient has other bits", name);
        if (test->with_target_grad && !same_bits(&got.target_grad.view, &base->target_grad.view))
            complain(test, "in place of the %s: the gradient of the target has other bits", name);
    }
    if (!untouched_between(place, before))
        complain(test, "in place: memory between or beside the %s's elements changed", name);
    free_outputs(&got);
    free(before);
    free(place->memory);
}

/* The plain call for contiguous rows, separate and in place, where it can state the case. */
static void run_plain(const test_case *test, const outcome *base) {
    const ce_tensor *input = &test->inputs[INPUT].view, *target = &test->inputs[TARGET].view;
    ce_options       options = with_tensors(test, test->inputs);
    int64_t          rows = 1, classes, i, *labels;
    int              fits = 1, in_place;
    if (test->called != CROSS_ENTROPY || test->with_target_grad || input->ndim < 1 || input->ndim > CE_MAX_NDIM || !is_float(input->dtype) || test->loss_dtype != input->dtype ||
        test->grad_dtype != input->dtype || (test->axis != -1 && test->axis != input->ndim - 1) || count_of(input) < 0 ||
        target->dtype < CE_I8 || target->dtype > CE_U64 || target->ndim != input->ndim - 1 ||
        test->has[TARGET_PROBS] ||
        ((test->has[SAMPLE_WEIGHT] || test->has[MASK] || test->has[GRAD_LOSSES]) && input->ndim != 2))
        return;
    for (i = 0; i < target->ndim; i++) {
        fits = fits && target->shape[i] == input->shape[i];
        rows *= input->shape[i];
    }
    classes = input->shape[input->ndim - 1];
    labels = allocate((size_t)(rows > 0 ? rows : 1) * sizeof *labels);
    for (i = 0; i < rows && fits; i++)
        fits = label_at(target, i, &labels[i]);
    for (in_place = 0; fits && in_place < 2; in_place++) {
        tensor         logits;
        unsigned char *before;
        outcome        got;
        void          *grad;
        make_tensor(&logits, input->dtype, input->ndim, test->inputs[INPUT].shape, ROW_MAJOR);
        copy_elements(input, &logits.view);
        before = allocate(logits.bytes);
        memcpy(before, logits.memory, logits.bytes);
        make_outputs(test, &got, ROW_MAJOR);
        grad = in_place ? logits.view.data : got.grad.view.data;
        got.status = input->dtype == CE_F32
                         ? ce_cross_entropy_f32(logits.view.data, labels, rows, classes,
                                                &options, got.loss.view.data, grad)
                         : ce_cross_entropy_f64(logits.view.data, labels, rows, classes,
                                                &options, got.loss.view.data, grad);
        compare(test, in_place ? "plain call in place" : "plain call", &got, base, in_place ? LOSS : LOSS | GRAD);
        if (in_place && base->status == CE_OK && !same_bits(&logits.view, &base->grad.view))
            complain(test, "plain call in place: the gradient has other bits");
        if (in_place && base->status == CE_OK ? !untouched_between(&logits, before)
                                              : memcmp(logits.memory, before, logits.bytes) != 0)
            complain(test, "plain call: the logits or memory beside them changed");
        free(before);
        free_outputs(&got);
        free(logits.memory);
    }
    free(labels);
}

/* Checks ----------------------------------------------------------------------------------- */

static void check_number(const test_case *test, const char *what, int64_t index, double got,
                         double want, double tolerance) {
    int good;
    if (isnan(want))
        good = isnan(got);
    else if (isinf(want))
        good = got == want;
    else
        good = fabs(got - want) <= tolerance;
    if (!good)
        complain(test, "%s[%" PRId64 "]: got %.17g (%a), want %.17g within %.6g, off by %.6g", what,
                 index, got, got, want, tolerance, fabs(got - want));
}

/* The outputs that a call was asked for. */
static void check_numbers(const test_case *test, const outcome *base, int outputs) {
    int64_t i;
    if ((outputs & LOSS) && test->losses != count_of(&base->loss.view))
        complain(test, "the file has %" PRId64 " losses", test->losses);
    for (i = 0; i < test->losses; i++)
        check_number(test, "loss", i, float_at(&base->loss.view, i), test->loss[i],
                     test->loss_tol[i]);
    for (i = 0; i < test->grads; i++)
        check_number(test, "grad", test->grad_at[i], float_at(&base->grad.view, test->grad_at[i]),
                     test->grad[i], test->grad_tol[i]);
    if (!(outputs & TARGET_GRAD))
        return;
    if (test->target_grads != count_of(&base->target_grad.view))
        complain(test, "the file has %" PRId64 " derivatives of the target", test->target_grads);
    for (i = 0; i < test->target_grads; i++)
        check_number(test, "grad_target", i, float_at(&base->target_grad.view, i), test->target_grad[i],
                     test->target_grad_tol[i]);
}

/* Classes from `first` on of a view, of which `axis` is the class axis. */
static ce_tensor slice_of(const ce_tensor *view, int32_t axis, int64_t first, int64_t count, int64_t *shape,
                          int64_t *strides) {
    ce_tensor made = *view;
    int64_t   contiguous = 1;
    int32_t   i;
    for (i = view->ndim - 1; i >= 0; i--) {
        shape[i] = view->shape[i];
        strides[i] = view->strides != NULL ? view->strides[i] : contiguous;
        contiguous *= view->shape[i];
    }
    made.data = (unsigned char *)view->data + first * strides[axis] * (int64_t)size_of(view->dtype);
    shape[axis] = count;
    made.shape = shape;
    made.strides = strides;
    return made;
}

/* Loss and gradient from partial statistics, where these can state the case: of all classes at once or, of more than a
 * block, the first block and the others. */
static void run_slices(const test_case *test) {
    const ce_tensor *input = &test->inputs[INPUT].view, *target = &test->inputs[TARGET].view;
    int32_t          axis = test->axis < 0 ? test->axis + input->ndim : test->axis, i;
    int64_t          classes = input->shape[axis], rows = 1, row, part, parts = classes > CE_BLOCK ? 2 : 1;
    int64_t          shape[MAX_NDIM], strides[MAX_NDIM];
    ce_options       options = with_tensors(test, test->inputs);
    tensor           weights;
    outcome          got;
    ce_partial      *partials[2];
    int              is_none = options.reduction == CE_REDUCTION_NONE;
    if (test->called != CROSS_ENTROPY || options.input_type != CE_INPUT_LOGITS || target->dtype < CE_I8 ||
        test->has[TARGET_PROBS] || test->has[PRIOR] || test->has[MASK] || test->has[IGNORE_INDICES] ||
        test->has[GRAD_LOSSES] || options.label_smoothing != 0 || options.temperature != 1 ||
        options.temperature_squared != 0 || !is_float(test->loss_dtype))
        return;
    for (i = 0; i < input->ndim; i++)
        rows *= i == axis ? 1 : input->shape[i];
    for (part = 0; part < parts; part++) {
        int64_t   first = part * CE_BLOCK, count = parts == 1 ? classes : part == 0 ? CE_BLOCK : classes - CE_BLOCK;
        ce_tensor slice = slice_of(input, axis, first, count, shape, strides);
        partials[part] = allocate((size_t)rows * sizeof(ce_partial));
        if (ce_partial_compute(&slice, test->axis, first, target, &options, partials[part]) != CE_OK)
            complain(test, "partial statistics: %s", ce_last_error_message());
    }
    if (parts == 2 && ce_partial_merge(partials[0], partials[1], rows) != CE_OK)
        complain(test, "partial statistics: %s", ce_last_error_message());

    make_outputs(test, &got, ROW_MAJOR);
    memset(&weights, 0, sizeof weights);
    if (test->has[SAMPLE_WEIGHT]) { /* in the loss a list */
        const ce_tensor *given = &test->inputs[SAMPLE_WEIGHT].view;
        make_tensor(&weights, given->dtype, 1, &rows, ROW_MAJOR);
        for (row = 0; row < rows; row++)
            memcpy(element(&weights.view, row), element(given, row), size_of(given->dtype));
        options.sample_weight = &weights.view;
    }
    {
        ce_tensor loss = got.loss.view;
        loss.ndim = is_none ? 1 : 0;
        loss.shape = &rows;
        loss.strides = NULL;
        if (ce_partial_loss(partials[0], rows, classes, &options, &loss) != CE_OK)
            complain(test, "loss of partial statistics: %s", ce_last_error_message());
    }
    options = with_tensors(test, test->inputs);
    for (part = 0; part < parts; part++) {
        int64_t   first = part * CE_BLOCK, count = parts == 1 ? classes : part == 0 ? CE_BLOCK : classes - CE_BLOCK;
        int64_t   grad_shape[MAX_NDIM], grad_strides[MAX_NDIM];
        ce_tensor slice = slice_of(input, axis, first, count, shape, strides);
        ce_tensor grad = slice_of(&got.grad.view, axis, first, count, grad_shape, grad_strides);
        if (ce_partial_grad(&slice, test->axis, first, partials[0], classes, &options, &grad) != CE_OK)
            complain(test, "gradient of partial statistics: %s", ce_last_error_message());
        free(partials[part] == partials[0] ? NULL : partials[part]);
    }
    if (complaints == 0) {
        check_numbers(test, &got, LOSS | GRAD);
        if (complaints > 0)
            complain(test, "... by partial statistics");
    }
    free(partials[0]);
    free(weights.memory);
    free_outputs(&got);
}

/* Without a loss ---------------------------------------------------------------------------- */

/* Room for the statistics of `rows` rows, at an odd address. */
typedef struct {
    unsigned char *memory;
    ce_row_stats   places;
} statistics;

static statistics make_statistics(int64_t rows) {
    statistics made;
    size_t     column = (size_t)rows * 8;
    made.memory = allocate(1 + 6 * column);
    memset(made.memory, FILL, 1 + 6 * column);
    made.places.size = sizeof(ce_row_stats);
    made.places.lse = (void *)(made.memory + 1);
    made.places.max = (void *)(made.memory + 1 + column);
    made.places.argmax = (void *)(made.memory + 1 + 2 * column);
    made.places.entropy = (void *)(made.memory + 1 + 3 * column);
    made.places.target_prob = (void *)(made.memory + 1 + 4 * column);
    made.places.target_rank = (void *)(made.memory + 1 + 5 * column);
    return made;
}

static double double_at(const double *place, int64_t i) {
    double number;
    memcpy(&number, (const unsigned char *)place + 8 * i, sizeof number);
    return number;
}

static double integer_at(const int64_t *place, int64_t i) {
    int64_t number;
    memcpy(&number, (const unsigned char *)place + 8 * i, sizeof number);
    return (double)number;
}

static int32_t is_index(const test_case *test) { return test->inputs[TARGET].view.dtype >= CE_I8; }

/* Of the options those that logits have without a loss. */
static ce_options of_logits(const ce_options *options) {
    ce_options made;
    ce_options_init(&made, sizeof made);
    made.softcap = options->softcap;
    made.logit_scale = options->logit_scale;
    made.temperature = options->temperature;
    made.threads = options->threads;
    return made;
}

/* Statistics alone, those from the pass of the loss, lse, softmax and its logarithm, in place too, with one thread and with
 * three, from elsewhere in memory. */
static void run_statistics(const test_case *test, const outcome *base) {
    static const char *const names[] = {"one thread", "three threads", "elsewhere"};
    const ce_tensor *input = &test->inputs[INPUT].view, *labels = is_index(test) ? &test->inputs[TARGET].view : NULL;
    int64_t          shape[MAX_NDIM], i;
    int32_t          ndim, variant;
    ce_options       options = with_tensors(test, test->inputs), plain = of_logits(&options), with_labels = plain;
    statistics       first = make_statistics(test->rows < 0 ? 0 : test->rows);
    tensor           lse, prob, logs, moved;
    test_case        rows = *test;
    if (test->rows < 0) {
        free(first.memory);
        return;
    }
    with_labels.ignore_index = options.ignore_index;
    rows.options.reduction = CE_REDUCTION_NONE;
    ndim = loss_shape(&rows, shape);
    make_tensor(&lse, CE_F64, ndim, shape, ELSEWHERE);
    make_tensor(&prob, input->dtype, input->ndim, test->inputs[INPUT].shape, ROW_MAJOR);
    make_tensor(&logs, input->dtype, input->ndim, test->inputs[INPUT].shape, ELSEWHERE);
    make_tensor(&moved, input->dtype, input->ndim, test->inputs[INPUT].shape, ELSEWHERE);
    copy_elements(input, &moved.view);
    if (ce_compute_row_stats(input, test->axis, labels, &with_labels, &first.places) ||
        ce_logsumexp(input, test->axis, &plain, &lse.view) ||
        ce_softmax(input, test->axis, &plain, &prob.view) ||
        ce_log_softmax(input, test->axis, &plain, &logs.view))
        complain(test, "statistics: %s", ce_last_error_message());
    for (i = 0; i < test->rows; i++) {
        const double *want = test->statistics + i * ROW_NUMBERS;
        check_number(test, "lse", i, double_at(first.places.lse, i), want[0], want[1]);
        check_number(test, "logsumexp", i, float_at(&lse.view, i), want[0], want[1]);
        check_number(test, "max", i, double_at(first.places.max, i), want[2], want[3]);
        check_number(test, "entropy", i, double_at(first.places.entropy, i), want[4], want[5]);
        check_number(test, "target_prob", i, double_at(first.places.target_prob, i), want[6], want[7]);
        check_number(test, "argmax", i, integer_at(first.places.argmax, i), want[8], 0);
        check_number(test, "target_rank", i, integer_at(first.places.target_rank, i), want[9], 0);
    }
    for (i = 0; i < test->softmaxes; i++) {
        const double *want = test->softmax + i * CLASS_NUMBERS;
        int64_t       at = (int64_t)want[0];
        check_number(test, "softmax", at, float_at(&prob.view, at), want[1], want[2]);
        check_number(test, "log_softmax", at, float_at(&logs.view, at), want[3], want[4]);
    }
    for (variant = 0; variant < 3; variant++) {
        const ce_tensor *from = variant == 2 ? &moved.view : input;
        statistics       other = make_statistics(test->rows), in_pass = make_statistics(test->rows);
        tensor           again;
        options.threads = variant == 0 ? 1 : variant == 1 ? 3 : 0;
        plain.threads = with_labels.threads = options.threads;
        make_tensor(&again, input->dtype, input->ndim, test->inputs[INPUT].shape, ROW_MAJOR);
        if (ce_compute_row_stats(from, test->axis, labels, &with_labels, &other.places) ||
            ce_softmax(from, test->axis, &plain, &again.view))
            complain(test, "statistics, %s: %s", names[variant], ce_last_error_message());
        if (memcmp(other.memory, first.memory, 1 + 6 * (size_t)test->rows * 8) != 0)
            complain(test, "statistics, %s: other bits", names[variant]);
        if (!same_bits(&again.view, &prob.view))
            complain(test, "softmax, %s: other bits", names[variant]);
        copy_elements(input, &again.view);
        if (ce_log_softmax(&again.view, test->axis, &plain, &again.view) || !same_bits(&again.view, &logs.view))
            complain(test, "log_softmax in place, %s: other bits", names[variant]);
        /* Rows of weight 0 have no target there, so not where there are weights. */
        if (!test->has[WEIGHT] && !test->has[SAMPLE_WEIGHT] && test->with_grad && distinct(from) &&
            test->grad_dtype == input->dtype) {
            outcome got;
            copy_elements(input, &again.view);
            make_outputs(test, &got, ROW_MAJOR);
            if (ce_cross_entropy(&again.view, test->axis, &test->inputs[TARGET].view, &options,
                                 ALL_OUTPUTS(&got.loss.view, &again.view, NULL, &in_pass.places)))
                complain(test, "statistics of a loss: %s", ce_last_error_message());
            if (memcmp(in_pass.memory, first.memory, 1 + 6 * (size_t)test->rows * 8) != 0)
                complain(test, "statistics of a loss, %s: other bits", names[variant]);
            if (!same_bits(&got.loss.view, &base->loss.view) || !same_bits(&again.view, &base->grad.view))
                complain(test, "statistics of a loss, %s: loss or gradient have other bits", names[variant]);
            free_outputs(&got);
        }
        free(again.memory);
        free(other.memory);
        free(in_pass.memory);
    }
    free(first.memory);
    free(lse.memory);
    free(prob.memory);
    free(logs.memory);
    free(moved.memory);
}

static void check_message(const test_case *test) {
    const char *message = ce_last_error_message();
    int         i;
    if (message[0] == '\0')
        complain(test, "there is no message");
    for (i = 0; i < test->messages; i++)
        if (strstr(message, test->message[i]) == NULL)
            complain(test, "the message \"%s\" does not contain \"%s\"", message, test->message[i]);
}

static void write_number(FILE *out, double value) {
    if (isnan(value))
        fprintf(out, " nan");
    else
        fprintf(out, " %a", value);
}

static void write_results(FILE *out, const test_case *test, const outcome *base) {
    int64_t i, losses = base->status == CE_OK ? test->losses : 0;
    int64_t grads = base->status == CE_OK ? test->grads : 0;
    fprintf(out, "%s %d %" PRId64, test->name, (int)base->status, losses);
    for (i = 0; i < losses; i++)
        write_number(out, float_at(&base->loss.view, i));
    fprintf(out, " %" PRId64, grads);
    for (i = 0; i < grads; i++)
        write_number(out, float_at(&base->grad.view, test->grad_at[i]));
    fprintf(out, "\n");
}

/* The call of a divergence without the target's gradient, which has to be as exact, but is not of the same bits: f32 logits
 * are computed in f64 where that gradient is wanted. */
static void run_without_target_grad(const test_case *test) {
    outcome got;
    make_outputs(test, &got, ROW_MAJOR);
    call_for(test, test->inputs, test->options.threads, &got, LOSS | GRAD);
    if (got.status != CE_OK)
        complain(test, "without the gradient of the target: status %d: %s", (int)got.status, ce_last_error_message());
    else
        check_numbers(test, &got, LOSS | GRAD);
    if (!untouched(&got.target_grad))
        complain(test, "without the gradient of the target: it changed");
    free_outputs(&got);
}

/* Whether the gradient may take the place of a tensor. */
static int fits_in_place(const test_case *test, int replaced) {
    const tensor *place = &test->inputs[replaced];
    return test->has[replaced] && distinct(&place->view) && test->grad_dtype == place->view.dtype;
}

static void run_case(const test_case *test, FILE *results) {
    unsigned char *before[INPUTS];
    outcome        base, same;
    int            i, all = asked(test), kept = test->called == KL_DIVERGENCE ? all & TARGET_GRAD : 0;
    for (i = 0; i < INPUTS; i++) {
        before[i] = allocate(test->inputs[i].bytes);
        if (test->inputs[i].bytes > 0)
            memcpy(before[i], test->inputs[i].memory, test->inputs[i].bytes);
    }

    make_outputs(test, &base, ROW_MAJOR);
    call_for(test, test->inputs, test->options.threads, &base, all);
    if (base.status != test->status)
        complain(test, "status %d (%s), not %d (%s): \"%s\"", (int)base.status,
                 ce_status_string(base.status), (int)test->status, ce_status_string(test->status),
                 ce_last_error_message());
    else if (base.status != CE_OK)
        check_message(test);
    else
        check_numbers(test, &base, all);
    same = base;
    compare(test, "all outputs", &same, &base, all);

    if (!is_hessian(test) && !(test->with_target_grad && base.status != CE_OK)) {
        if (grad_fits(test)) /* otherwise leaving the gradient out mends the call */
            run_variant(test, &base, "loss alone", LOSS | kept, test->options.threads);
        if (test->with_grad && is_float(test->loss_dtype)) /* likewise the loss */
            run_variant(test, &base, "gradient alone", GRAD | kept, test->options.threads);
        if (kept)
            run_without_target_grad(test);
    }
    if (test->with_target_grad && base.status == CE_OK)
        run_variant(test, &base, "gradient of the target alone", TARGET_GRAD, test->options.threads);
    if (test->with_grad)
        run_plain(test, &base);
    if (test->with_grad && base.status == CE_OK) {
        run_variant(test, &base, "one thread", all, 1);
        run_variant(test, &base, "three threads", all, 3);
        run_elsewhere(test, &base);
        run_side_by_side(test, &base);
        run_slices(test);
        if (fits_in_place(test, INPUT))
            run_in_place(test, &base, INPUT);
        if (fits_in_place(test, VECTOR))
            run_in_place(test, &base, VECTOR);
    }
    if (base.status == CE_OK)
        run_statistics(test, &base);
    for (i = 0; i < INPUTS; i++) {
        const tensor *input = &test->inputs[i];
        if (input->bytes > 0 && memcmp(before[i], input->memory, input->bytes) != 0)
            complain(test, "%s has changed", input_names[i]);
        free(before[i]);
    }
    if (results != NULL)
        write_results(results, test, &base);
    free_outputs(&base);
}

int main(int argc, char **argv) {
    FILE      *results = NULL;
    int64_t    count, i;
    long       passed = 0, failed = 0;
    test_case *test = allocate(sizeof *test);
    int        is_quick = argc > 2 && strcmp(argv[2], "--quick") == 0, options = is_quick ? 3 : 2;
    if (argc != options && !(argc == options + 2 && strcmp(argv[options], "--results") == 0))
        stop("usage: vectors FLAT_FILE [--quick] [--results OUT]");
    file = fopen(argv[1], "r");
    if (file == NULL)
        stop("cannot read the file");
    if (argc > options && (results = fopen(argv[options + 1], "w")) == NULL)
        stop("cannot write the results");
    expect("vectors");
    expect("1");
    count = integer();
    for (i = 0; i < count; i++) {
        expect("case");
        memset(test, 0, sizeof *test);
        read_case(test);
        if (!is_quick || test->inputs[INPUT].bytes <= LARGE) {
            complaints = 0;
            run_case(test, results);
            if (complaints > 8)
                printf("FAIL %s: and %d more\n", test->name, complaints - 8);
            complaints > 0 ? failed++ : passed++;
        }
        free_case(test);
    }
    expect("end");
    fclose(file);
    if (results != NULL && fclose(results) != 0)
        stop("cannot write the results");
    free(test);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
