/* example - the programs of crossentropy.h: the five lines of its introduction, and the general call.
 * Both print 0.8178187; the exit status is 0 if both find the same. */
#include <crossentropy.h>

#include <stdio.h>

static double simple_call(void) {
    double  logits[2][3] = {{0.1, 0.4, 0.5}, {0.8, 0.1, 0.1}}, loss = 0;
    int64_t labels[2]    = {2, 0};
    if (ce_cross_entropy_f64(&logits[0][0], labels, 2, 3, NULL, &loss, NULL) != CE_OK)
        fprintf(stderr, "%s\n", ce_last_error_message());
    printf("%.7f\n", loss);
    return loss;
}

static double general_call(void) {
    const int64_t rows = 2, classes = 3;
    float         logits[2][3] = {{0.1f, 0.4f, 0.5f}, {0.8f, 0.1f, 0.1f}};
    int32_t       labels[2]    = {2, 0}, status;
    double        mean         = 0;

    int64_t    shape[2] = {rows, classes};
    ce_tensor  input    = {logits, CE_F32, 2, shape, NULL};
    ce_tensor  target   = {labels, CE_I32, 1, shape, NULL};
    ce_tensor  loss     = {&mean, CE_F64, 0, NULL, NULL};
    ce_outputs outputs  = {.size = sizeof outputs, .loss = &loss};
    status              = ce_cross_entropy(&input, -1, &target, NULL, &outputs);
    if (status != CE_OK) fprintf(stderr, "%s\n", ce_last_error_message());
    printf("%.7f\n", mean);
    return mean;
}

int main(void) {
    const double difference = simple_call() - general_call();
    return !(difference > -1e-7 && difference < 1e-7);
}
