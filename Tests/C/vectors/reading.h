/*
 * reading.h - reads the cases from what tools/flatten_vectors.py makes of Tests/Vectors/vectors.json.
 */
#ifndef VECTORS_READING_H
#define VECTORS_READING_H

#include "case.h"

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

#endif
