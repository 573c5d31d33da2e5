/* example - the examples of crossentropy.h, line by line (python/tests/test_claims.py compares them): the five lines of its
 * introduction, options, outputs, the general call, and slices of the classes. The exit status is 0 if what should be the same
 * is the same. */
#include <crossentropy.h>

#include <stdio.h>
#include <stdlib.h>

static int failures;

static void check_near(const char *what, double value, double wanted, double tolerance) {
    if (!(value - wanted <= tolerance && wanted - value <= tolerance)) {
        printf("FAIL %s: %.17g instead of %.17g\n", what, value, wanted);
        failures++;
    }
}

static void check_status(const char *what, int32_t status) {
    if (status != CE_OK) {
        printf("FAIL %s: status %d (last message: \"%s\")\n", what, (int)status, ce_last_error_message());
        failures++;
    }
}

static double simple_call(void) {
    double  logits[2][3] = {{0.1, 0.4, 0.5}, {0.8, 0.1, 0.1}}, loss;
    int64_t labels[2]    = {2, 0};
    if (ce_cross_entropy_f64(&logits[0][0], labels, 2, 3, NULL, &loss, NULL) != CE_OK)
        fprintf(stderr, "%s\n", ce_last_error_message());
    else printf("%.7f\n", loss);
    check_near("five lines", loss, 0.8178186621560158, 1e-13);
    return loss;
}

static void general_call(double wanted) {
    enum { rows = 2, classes = 3 };
    float   logits[rows][classes] = {{0.1f, 0.4f, 0.5f}, {0.8f, 0.1f, 0.1f}};
    int32_t labels[rows]          = {2, 0};
    double  mean                  = 0;

    int64_t    shape[2] = {rows, classes};
    ce_tensor  input    = {logits, CE_F32, 2, shape, NULL};
    ce_tensor  target   = {labels, CE_I32, 1, shape, NULL};
    ce_tensor  loss     = {&mean, CE_F64, 0, NULL, NULL};
    ce_outputs outputs  = {.size = sizeof outputs, .loss = &loss};
    int32_t    status   = ce_cross_entropy(&input, -1, &target, NULL, &outputs);

    check_status("general call", status);
    printf("%.7f\n", mean);
    check_near("general call", mean, wanted, 1e-7);
}

/* Of two classes, z = (0, 0), label 0: the loss is log 2 for any smoothing, the gradient of the label e / 2 - 1 / 2. */
static void options_and_outputs(void) {
    double        logits[2] = {0, 0}, loss_place, grad_place[2];
    int64_t       labels[1] = {0};
    const int64_t shape[2]  = {1, 2};
    ce_tensor     input     = {logits, CE_F64, 2, shape, NULL};
    ce_tensor     target    = {labels, CE_I64, 1, shape, NULL};
    ce_tensor     loss      = {&loss_place, CE_F64, 0, NULL, NULL};
    ce_tensor     grad      = {grad_place, CE_F64, 2, shape, NULL};

    ce_options options;
    ce_options_init(&options, sizeof options);
    options.label_smoothing = 0.1;
    ce_outputs outputs = {.size = sizeof outputs, .loss = &loss, .grad = &grad};

    check_status("options", ce_cross_entropy(&input, -1, &target, &options, &outputs));
    check_near("options, loss", loss_place, 0.6931471805599453, 1e-13);
    check_near("options, gradient", grad_place[0], -0.45, 1e-13);
}

/* The slices lie side by side in the rows of one matrix, so that ce_cross_entropy can be asked as well. */
static void slices(void) {
    enum { rows = 2, half = 65536, classes = 2 * half };
    double       *numbers = malloc(sizeof(double) * rows * classes), *slopes = malloc(sizeof(double) * rows * classes);
    double       *wanted  = malloc(sizeof(double) * rows * classes), mean = 0, whole = 0;
    int64_t       names[rows] = {3, 100000}, c;
    const int64_t shape[2] = {rows, half}, strides[2] = {classes, 1};
    for (c = 0; c < rows * classes; c++)
        numbers[c] = (double)(c * 7919 % 1000) / 100;
    ce_tensor logits_low  = {numbers, CE_F64, 2, shape, strides};
    ce_tensor logits_high = {numbers + half, CE_F64, 2, shape, strides};
    ce_tensor grad_low    = {slopes, CE_F64, 2, shape, strides};
    ce_tensor grad_high   = {slopes + half, CE_F64, 2, shape, strides};
    ce_tensor labels      = {names, CE_I64, 1, shape, NULL};
    ce_tensor loss        = {&mean, CE_F64, 0, NULL, NULL};

    ce_partial *low = malloc(rows * sizeof *low), *high = malloc(rows * sizeof *high);
    ce_partial_compute(&logits_low, -1, 0, &labels, NULL, low);
    ce_partial_compute(&logits_high, -1, 65536, &labels, NULL, high);
    ce_partial_merge(low, high, rows);
    ce_partial_loss(low, rows, 131072, NULL, &loss);
    ce_partial_grad(&logits_low, -1, 0, low, 131072, NULL, &grad_low);
    ce_partial_grad(&logits_high, -1, 65536, low, 131072, NULL, &grad_high);

    check_status("slices", ce_cross_entropy_f64(numbers, names, rows, classes, NULL, &whole, wanted));
    check_near("slices", mean, whole, 1e-12 * whole);
    for (c = 0; c < rows * classes && failures == 0; c++)
        check_near("gradient of slices", slopes[c], wanted[c], 1e-12);
    free(low), free(high), free(numbers), free(slopes), free(wanted);
}

int main(void) {
    general_call(simple_call());
    options_and_outputs();
    slices();
    return failures > 0;
}
