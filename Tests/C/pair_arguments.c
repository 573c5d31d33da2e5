/*
 * pair_arguments - pointers, memory, odd inputs and errors of divergences, sparse and soft targets and second derivatives;
 * pairs.c has their bits.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "calls.h"
#include "common.h"

/* Memory -------------------------------------------------------------------------------------- */

/* Tensors of three dimensions, each of which lies in a buffer with other gaps: what a padded one gives must be what a
 * contiguous one gives, and the gaps must stay as they are. */
static void gaps(void) {
    enum { A = 2, B = 3, C = 4, WIDE = 7 };
    const int64_t shape[3] = {A, B, C}, rows[2] = {A, B}, dense[3] = {B * C, C, 1}, padded[3] = {WIDE * C, C, 1};
    double        x[A * WIDE * C], q[A * WIDE * C], v[A * WIDE * C], out[2][A * WIDE * C], grad[A * B * C], loss[2][A * B];
    int64_t       named[A * B * C];
    uint64_t      state = 99;
    int           which, target_is_wide, i, j, k;

    for (i = 0; i < A * WIDE * C; i++) x[i] = next_uniform(&state), q[i] = fabs(next_uniform(&state)), v[i] = next_uniform(&state);
    for (i = 0; i < A * B * C; i++) named[i] = i % C;
    for (which = 0; which < 3; which++) {
        for (target_is_wide = 0; target_is_wide < 2; target_is_wide++) {
            double     copy[A * B * C];
            ce_tensor  input = tensor_of(x, CE_F64, 3, shape, dense), output = tensor_of(grad, CE_F64, 3, shape, dense);
            ce_tensor  target, probs, extra, l;
            ce_options options = defaults();
            for (i = 0; i < A * WIDE * C; i++) out[0][i] = out[1][i] = 7;
            for (j = 0; j < 2; j++) { /* the tensor in question, with gaps and without */
                const double *from = which == 1 ? v : q;
                for (i = 0; i < A; i++)
                    for (k = 0; k < B * C; k++) copy[i * B * C + k] = from[i * WIDE * C + k];
                l                 = tensor_of(loss[j], CE_F64, 2, rows, NULL);
                options.reduction = CE_REDUCTION_NONE;
                target            = tensor_of(copy, CE_F64, 3, shape, dense);
                extra             = tensor_of(out[j], CE_F64, 3, shape, j == 0 ? padded : dense);
                if (which == 0) { /* grad_target */
                    const ce_outputs outputs = {sizeof outputs, &l, &output, &extra, NULL};
                    CHECK(ce_cross_entropy(&input, -1, &target, &options, &outputs) == CE_OK);
                } else if (which == 1) { /* the vector */
                    ce_tensor vector = tensor_of(j == 0 ? v : copy, CE_F64, 3, shape, j == 0 ? padded : dense);
                    extra            = tensor_of(out[j], CE_F64, 3, shape, dense);
                    target           = tensor_of(q, CE_F64, 3, shape, target_is_wide ? padded : dense);
                    CHECK(ce_hessian_vector_product(&input, -1, &target, &options, &vector, &extra) == CE_OK);
                } else { /* the probabilities of named classes */
                    probs                = tensor_of(j == 0 ? q : copy, CE_F64, 3, shape, j == 0 ? padded : dense);
                    target               = tensor_of(named, CE_I64, 3, shape, NULL);
                    options.target_probs = &probs;
                    CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&l, NULL)) == CE_OK);
                }
            }
            if (which == 0) {
                for (i = 0; i < A; i++) {
                    CHECK(memcmp(&out[0][i * WIDE * C], &out[1][i * B * C], B * C * sizeof(double)) == 0);
                    for (k = B * C; k < WIDE * C; k++) CHECK(out[0][i * WIDE * C + k] == 7);
                }
            } else if (which == 1) {
                CHECK(memcmp(out[0], out[1], A * B * C * sizeof(double)) == 0);
            } else {
                CHECK(memcmp(loss[0], loss[1], sizeof loss[0]) == 0);
            }
        }
    }
}

/* Odd inputs ---------------------------------------------------------------------------------- */

/* With strides of 0 two elements are more classes than there is memory. */
static void more_classes_than_memory(void) {
    static uint8_t half[2];
    const int64_t  huge[2] = {1, INT64_MAX / 2}, still[2] = {0, 0}, one = 1, label = 0;
    double         loss = 0;
    ce_tensor      input = tensor_of(half, CE_F16, 2, huge, still), y = tensor_of(&label, CE_I64, 1, &one, NULL);
    ce_tensor      l = tensor_of(&loss, CE_F64, 0, NULL, NULL);
    ce_options     options = defaults();
    options.threads = 256;
    CHECK(ce_cross_entropy(&input, 1, &y, &options, OUTPUTS(&l, NULL)) != CE_OK);
}

/* More dimensions than most tensors have. */
static void many_dimensions(void) {
    const double  x[3] = {1, 2, 3}, q[3] = {0.6f, 0.3f, 0.1f};
    const int64_t shape[2] = {1, 3};
    int64_t       many[40];
    double        grad[3], loss = 0, loss_of_many;
    ce_tensor     l = tensor_of(&loss, CE_F64, 0, NULL, NULL), z, t, g;
    int           i;
    for (i = 0; i < 40; i++) many[i] = i == 39 ? 3 : 1;
    z = tensor_of(x, CE_F64, 40, many, NULL);
    t = tensor_of(q, CE_F64, 40, many, NULL);
    g = tensor_of(grad, CE_F64, 40, many, NULL);
    CHECK(ce_kl_divergence(&z, -1, &t, NULL, OUTPUTS(&l, &g)) == CE_OK);
    loss_of_many = loss;
    z = tensor_of(x, CE_F64, 2, shape, NULL);
    t = tensor_of(q, CE_F64, 2, shape, NULL);
    CHECK(ce_kl_divergence(&z, -1, &t, NULL, OUTPUTS(&l, NULL)) == CE_OK && loss == loss_of_many && loss > 0);
}

/* Probabilities that add up to a little more than 1 leave nothing to be spread. */
static void nothing_left_to_spread(void) {
    const int64_t shape[2] = {1, 3}, ten[2] = {1, 10}, classes[3] = {0, 1, 2};
    const float   named[3] = {0.6f, 0.3f, 0.1f};
    const double  wide[10] = {0};
    double        loss = 0;
    ce_tensor     z = tensor_of(wide, CE_F64, 2, ten, NULL), t = tensor_of(classes, CE_I64, 2, shape, NULL);
    ce_tensor     probs = tensor_of(named, CE_F32, 2, shape, NULL), l = tensor_of(&loss, CE_F64, 0, NULL, NULL);
    ce_options    options = defaults();
    options.target_probs = &probs;
    options.target_rest = CE_REST_SPREAD;
    CHECK((double)named[0] + named[1] + named[2] > 1);
    CHECK(ce_kl_divergence(&z, -1, &t, &options, OUTPUTS(&l, NULL)) == CE_OK);
    CHECK(fabs(loss - (log(10) + 0.6 * log(0.6) + 0.3 * log(0.3) + 0.1 * log(0.1))) < 1e-6);
}

/* Logits that a temperature makes too large for f32. */
static void logits_too_large_for_f32(void) {
    const int64_t two[2] = {1, 2};
    const float   large[2] = {1e36f, 0};
    double        loss = 7;
    ce_tensor     z = tensor_of(large, CE_F32, 2, two, NULL), l = tensor_of(&loss, CE_F64, 0, NULL, NULL);
    ce_options    options = defaults();
    options.temperature = 1.0 / 512;
    options.target_type = CE_TARGET_LOGITS;
    CHECK(ce_kl_divergence(&z, -1, &z, &options, OUTPUTS(&l, NULL)) == CE_OK && loss == 0);
}

/* A temperature is 1 / logit_scale to the functions of logits, too. */
static void temperature_of_softmax(void) {
    const int64_t shape[2] = {1, 3};
    const double  x[3] = {1, 2, 3};
    double        got[3], expected[3];
    ce_tensor     z = tensor_of(x, CE_F64, 2, shape, NULL), g = tensor_of(got, CE_F64, 2, shape, NULL);
    ce_options    options = defaults();
    options.temperature = 2;
    CHECK(ce_softmax(&z, -1, &options, &g) == CE_OK);
    options = defaults();
    options.logit_scale = 0.5;
    g = tensor_of(expected, CE_F64, 2, shape, NULL);
    CHECK(ce_softmax(&z, -1, &options, &g) == CE_OK && memcmp(got, expected, sizeof got) == 0);
}

/* On every instruction set. */
static void one_kind_of_nan(void) {
    const int64_t shape[2] = {1, 3}, one = 1, label = 0;
    const double  x[3] = {-INFINITY, -INFINITY, -INFINITY}, nan = NAN;
    double        diagonal[3];
    ce_tensor     z = tensor_of(x, CE_F64, 2, shape, NULL), y = tensor_of(&label, CE_I64, 1, &one, NULL);
    ce_tensor     g = tensor_of(diagonal, CE_F64, 2, shape, NULL);
    int           i;
    CHECK(ce_hessian_diagonal(&z, -1, &y, NULL, &g) == CE_OK);
    for (i = 0; i < 3; i++) CHECK(memcmp(&diagonal[i], &nan, sizeof nan) == 0);
}

/* Errors -------------------------------------------------------------------------------------- */

static int says(const char *a, const char *b) {
    return strstr(ce_last_error_message(), a) != NULL && strstr(ce_last_error_message(), b) != NULL;
}

static double lse3(const double *x) { return x[2] + log1p(exp(x[0] - x[2]) + exp(x[1] - x[2])); }

static void errors(void) {
    const double  x[2][3] = {{1, 2, 3}, {4, 5, 6}}, q[2][3] = {{1, 0, 0}, {0, 0.5, 0.5}}, other[3] = {1, 1, 1};
    double        grad[2][3] = {{7, 7, 7}, {7, 7, 7}}, target_grad[2][3], loss = 7;
    const int64_t labels[2] = {0, 2}, named[2][2] = {{0, 1}, {2, 1}}, twice[2][2] = {{0, 1}, {2, 2}};
    const int64_t offsets[3] = {0, 3, 4}, backwards[3] = {0, 3, 2};
    const int64_t shape[2] = {2, 3}, few[2] = {2, 2}, four = 4, three = 3, two = 2;
    ce_tensor     input = tensor_of(x, CE_F64, 2, shape, NULL), dense = tensor_of(q, CE_F64, 2, shape, NULL);
    ce_tensor     label = tensor_of(labels, CE_I64, 1, &two, NULL), sparse = tensor_of(named, CE_I64, 2, few, NULL);
    ce_tensor     repeated = tensor_of(twice, CE_I64, 2, few, NULL), probs = tensor_of(q, CE_F64, 2, few, NULL);
    ce_tensor     list = tensor_of(named, CE_I64, 1, &four, NULL), list_probs = tensor_of(q, CE_F64, 1, &four, NULL);
    ce_tensor     where = tensor_of(offsets, CE_I64, 1, &three, NULL), wrong = tensor_of(backwards, CE_I64, 1, &three, NULL);
    ce_tensor     classes = tensor_of(other, CE_F64, 1, &three, NULL), l = tensor_of(&loss, CE_F64, 0, NULL, NULL);
    ce_tensor     g = tensor_of(grad, CE_F64, 2, shape, NULL), t = tensor_of(target_grad, CE_F64, 2, shape, NULL);
    ce_options    options;

#define REFUSED(call, setting, a, b) \
    do { \
        options = defaults(); \
        setting; \
        FAILS(CE_ERROR_OPTION, call); \
        CHECK(says(a, b)); \
    } while (0)
#define LOSS_OF(target) ce_cross_entropy(&input, -1, &(target), &options, OUTPUTS(&l, &g))
#define LOSS_AND_GRADS_OF(target) ce_cross_entropy(&input, -1, &(target), &options, ALL_OUTPUTS(&l, &g, &t, NULL))
#define BINARY_OF(target, grad, target_grad) \
    ce_binary_cross_entropy(&input, -1, &(target), &options, ALL_OUTPUTS(&l, grad, target_grad, NULL))
#define KL_OF(target) ce_kl_divergence(&input, -1, &(target), &options, OUTPUTS(&l, &g))
    REFUSED(LOSS_OF(label), options.target_type = CE_TARGET_LOGITS, "target_type", "labels");
    REFUSED(LOSS_OF(label), options.target_rest = CE_REST_SPREAD, "target_rest", "target_probs");
    REFUSED(LOSS_OF(label), options.target_offsets = &where, "target_offsets", "target_probs");
    REFUSED(LOSS_OF(dense), options.target_probs = &dense, "target_probs", "distributions");
    REFUSED(LOSS_AND_GRADS_OF(label), (void)0, "grad_target", "labels");
    REFUSED(LOSS_OF(sparse), options.target_probs = &probs; options.label_smoothing = 0.1, "label_smoothing", "target_probs");
    REFUSED(LOSS_OF(sparse), options.target_probs = &probs; options.target_type = CE_TARGET_LOGITS, "target_type", "target_rest");
    REFUSED(LOSS_AND_GRADS_OF(dense), options.focal_gamma = 1, "grad_target", "focal_gamma");
    REFUSED(LOSS_AND_GRADS_OF(dense), options.mean_over = CE_MEAN_OVER_MASS, "grad_target", "mean_over");
    REFUSED(LOSS_OF(dense), options.temperature = 2; options.input_type = CE_INPUT_PROBS, "temperature", "input_type");
    REFUSED(LOSS_OF(dense), options.kl_form = CE_KL_PLAIN, "kl_form", "KL divergence");
    REFUSED(LOSS_OF(dense), options.temperature = -1, "temperature", "-1");
    REFUSED(LOSS_OF(dense), options.target_type = 3, "target_type", "3");
    REFUSED(LOSS_OF(dense), options.target_rest = 3, "target_rest", "target_probs");
    REFUSED(LOSS_OF(sparse), options.target_probs = &probs; options.target_rest = 3, "target_rest", "3");
    REFUSED(LOSS_OF(dense), options.kl_form = 2, "kl_form", "2");
    REFUSED(KL_OF(dense), options.weight = &classes, "weight", "KL");
    REFUSED(KL_OF(dense), options.label_smoothing = 0.1, "label_smoothing", "KL");
    REFUSED(KL_OF(dense), options.prior = &classes, "prior", "KL");
    REFUSED(KL_OF(dense), options.z_loss = 0.1, "z_loss", "KL");
    REFUSED(KL_OF(dense), options.focal_gamma = 1, "focal_gamma", "KL");
    REFUSED(KL_OF(dense), options.poly_epsilon = 1, "poly_epsilon", "KL");
    REFUSED(KL_OF(dense), options.clip = 0.1; options.input_type = CE_INPUT_PROBS, "clip", "KL");
    REFUSED(KL_OF(dense), options.mean_over = CE_MEAN_OVER_MASS, "mean_over", "KL");
    REFUSED(ce_hessian_diagonal(&input, -1, &label, &options, &g), options.softcap = 1, "softcap", "second derivatives");
    REFUSED(ce_hessian_diagonal(&input, -1, &label, &options, &g), options.focal_gamma = 1, "focal_gamma", "second derivatives");
    REFUSED(ce_hessian_diagonal(&input, -1, &label, &options, &g), options.input_type = CE_INPUT_PROBS, "input_type", "LOGITS");
    REFUSED(BINARY_OF(dense, &g, NULL), options.temperature = 2, "temperature", "binary");
    REFUSED(BINARY_OF(dense, &g, NULL), options.prior = &classes, "prior", "binary");
    REFUSED(BINARY_OF(dense, NULL, &t), (void)0, "grad_target", "binary");

    options = defaults();
    FAILS(CE_ERROR_DTYPE, KL_OF(label));
    CHECK(says("labels", "cross-entropy"));
    options.target_probs = &probs;
    FAILS(CE_ERROR_LABEL, LOSS_OF(repeated));
    CHECK(says("class 2", "row 1"));
    options.target_probs = &list_probs;
    FAILS(CE_ERROR_SHAPE, LOSS_OF(sparse));
    options.target_offsets = &wrong;
    FAILS(CE_ERROR_SHAPE, LOSS_OF(list));
    CHECK(says("row 1", "target_offsets"));
    options.target_offsets = &label;
    FAILS(CE_ERROR_SHAPE, LOSS_OF(list));
    CHECK(says("3 numbers", "[2]"));
    where.dtype            = CE_I32;
    options.target_offsets = &where;
    FAILS(CE_ERROR_DTYPE, LOSS_OF(list));
    CHECK(says("target_offsets", "i64"));
    where.dtype = CE_I64;
    FAILS(CE_ERROR_NULL_POINTER, ce_hessian_vector_product(&input, -1, &label, NULL, NULL, &g));
    FAILS(CE_ERROR_NULL_POINTER, ce_hessian_diagonal(&input, -1, &label, NULL, NULL));
    CHECK(loss == 7 && grad[0][0] == 7 && grad[1][2] == 7);
    options.target_offsets = &where;
    FAILS(CE_OK, ce_cross_entropy(&input, -1, &list, &options, OUTPUTS(&l, NULL)));
    CHECK(fabs(loss - (lse3(x[0]) - x[0][0]) / 2) < 1e-15); /* the mean of the rows {1, 0, 0} and {., 0, .} */
    loss = 7;

    /* An output may replace what it is made of, and nothing else. */
    options = defaults();
    FAILS(CE_ERROR_OVERLAP, ce_cross_entropy(&input, -1, &dense, &options, ALL_OUTPUTS(&l, &g, &dense, NULL)));
    CHECK(says("grad_target", "target"));
    FAILS(CE_ERROR_OVERLAP, ce_cross_entropy(&input, -1, &dense, &options, ALL_OUTPUTS(&l, &g, &g, NULL)));
    FAILS(CE_ERROR_OVERLAP, ce_hessian_vector_product(&input, -1, &dense, NULL, &g, &dense));
    FAILS(CE_OK, ce_hessian_vector_product(&input, -1, &dense, NULL, &g, &g));
    CHECK(loss == 7);
}

int main(void) {
    gaps();
    more_classes_than_memory();
    many_dimensions();
    nothing_left_to_spread();
    logits_too_large_for_f32();
    temperature_of_softmax();
    one_kind_of_nan();
    errors();
    return tally();
}
