/*
 * hashes - holds libcrossentropy to the bits that Tests/Hashes/hashes.txt records.
 *
 *     hashes LIST [--quick]     checks
 *     hashes --write            prints the list
 *
 * A line of the list is an operation on generated numbers, and the hashes of its losses and of its
 * gradient; Tests/Hashes/README.md says how numbers and hashes are made. Every line is computed in
 * every configuration that can state it: numbers of threads, memory layouts, alignments, in place or
 * not, pieces of the batch, settings of the floating-point unit. Each must give the bits of the list.
 * --quick takes fewer configurations, for emulators.
 *
 * The last line is "N passed, M failed", in pairs of line and configuration; the exit status is 0 if
 * M is 0. To check another instruction set, set CROSSENTROPY_ISA.
 */
#include "calls.h"
#include "hash.h"

enum { DIMS = 4, CLASS_DIM = 3, WORD = 64 };

/* What is computed --------------------------------------------------------------------------- */

/* What the input holds. */
typedef enum {
    PLAIN,   /* logits between -8 and 8 */
    TIES,    /* logits of few values, so that the largest is there many times */
    SPECIAL, /* logits between -512 and 512, infinities and NaN */
    PROBS,
    LOG_PROBS
} content;

/* What is called: the loss and its gradient; or log-sum-exp in the place of the loss, and the softmax or its logarithm in that
 * of the gradient. */
typedef enum { LOSS, SOFTMAX, LOG_SOFTMAX } function;

typedef struct {
    const char *name;
    function    function;
    content     input;
    int         is_distribution;
    int         is_weighted; /* class and sample weights; index targets: some labels are ignored, too */
    double      label_smoothing;
    int32_t     reduction, mean_over;
    double      clip;
    double      z_loss, focal_gamma, poly_epsilon, softcap, logit_scale;
    int         is_faint; /* grad_loss is so small that gradients are subnormal */
    int         largest;  /* on shapes up to this size */
    int         on_16bit; /* for f16 and bf16, too, up to one size less */
} operation;

enum { MEAN = CE_REDUCTION_MEAN, SUM = CE_REDUCTION_SUM, NONE = CE_REDUCTION_NONE, MASS = CE_MEAN_OVER_MASS };

/* The types of the input, which are those of the gradient. */
typedef struct {
    const char *name;
    int32_t     dtype;
    int32_t     loss_dtype;
    int         precision; /* bits of the significand */
    int         faint;     /* 2^faint makes gradients subnormal */
} type;

static const type TYPES[] = {
    {"f32", CE_F32, CE_F32, 24, -130},
    {"f64", CE_F64, CE_F64, 53, -1030},
    {"f16", CE_F16, CE_F32, 11, -16},
    {"bf16", CE_BF16, CE_F32, 8, -130},
};

/* What is not said is 0: a loss, logits, class indices, the mean. */
static const operation OPERATIONS[] = {
    {"index_none", .reduction = NONE, .largest = 3, .on_16bit = 1},
    {"index_mean", .reduction = MEAN},
    {"index_faint_sum", .reduction = SUM, .is_faint = 1, .on_16bit = 1},
    {"index_ties_none", .input = TIES, .reduction = NONE},
    {"index_special_none", .input = SPECIAL, .reduction = NONE, .largest = 2, .on_16bit = 1},
    {"index_weighted_none", .is_weighted = 1, .reduction = NONE},
    {"index_weighted_mean", .is_weighted = 1, .largest = 1, .on_16bit = 1},
    {"smoothed_none", .label_smoothing = 0.1, .reduction = NONE},
    {"smoothed_weighted_mean", .is_weighted = 1, .label_smoothing = 0.1},
    {"distribution_none", .is_distribution = 1, .reduction = NONE},
    {"distribution_ties_sum", .input = TIES, .is_distribution = 1, .reduction = SUM},
    {"distribution_special_none", .input = SPECIAL, .is_distribution = 1, .reduction = NONE, .on_16bit = 1},
    {"distribution_weighted_mean", .is_distribution = 1, .is_weighted = 1, .label_smoothing = 0.1, .mean_over = MASS,
     .largest = 1, .on_16bit = 1},
    {"probs_index_none", .input = PROBS, .reduction = NONE},
    {"probs_distribution_weighted_mean", .input = PROBS, .is_distribution = 1, .is_weighted = 1, .clip = 0x1p-6,
     .on_16bit = 1},
    {"log_probs_index_weighted_mean", .input = LOG_PROBS, .is_weighted = 1, .mean_over = MASS},
    {"log_probs_distribution_none", .input = LOG_PROBS, .is_distribution = 1, .label_smoothing = 0.1,
     .reduction = NONE},
    {"terms_index_weighted_none", .is_weighted = 1, .reduction = NONE, .z_loss = 0x1p-6, .focal_gamma = 2,
     .poly_epsilon = 0.5, .on_16bit = 1},
    {"terms_special_distribution_sum", .input = SPECIAL, .is_distribution = 1, .reduction = SUM, .z_loss = 0x1p-6,
     .focal_gamma = 0.5, .poly_epsilon = -0.5},
    {"capped_special_none", .input = SPECIAL, .reduction = NONE, .softcap = 30, .on_16bit = 1},
    {"softmax", .function = SOFTMAX, .reduction = NONE, .largest = 2, .on_16bit = 1},
    {"softmax_special_capped", .function = SOFTMAX, .input = SPECIAL, .reduction = NONE, .softcap = 30},
    {"log_softmax_special", .function = LOG_SOFTMAX, .input = SPECIAL, .reduction = NONE, .largest = 2, .on_16bit = 1},
    {"scaled_distribution_weighted_mean", .is_distribution = 1, .is_weighted = 1, .logit_scale = -0.7, .on_16bit = 1},
};

/* The lengths of the rows' dimensions, and of the class axis, which stands in place `axis` among them. */
typedef struct {
    const char *name;
    int64_t     length[DIMS];
    int         axis;
    int         size; /* large ones, 1 to 3, are for some operations and configurations only */
} shape;

static const shape SHAPES[] = {
    /* Rows shorter than a vector, as long as one, a bit longer; up to 128 and beyond, where
     * contiguous rows change kernels. 19 rows are a group of 16 and 3 more. */
    {"19x[1]", {19, 1, 1, 1}, 1, 0},
    {"19x[2]", {19, 1, 1, 2}, 1, 0},
    {"19x[3]", {19, 1, 1, 3}, 1, 0},
    {"19x[10]", {19, 1, 1, 10}, 1, 0},
    {"19x[16]", {19, 1, 1, 16}, 1, 0},
    {"19x[17]", {19, 1, 1, 17}, 1, 0},
    {"19x[100]", {19, 1, 1, 100}, 1, 0},
    {"19x[128]", {19, 1, 1, 128}, 1, 0},
    {"19x[129]", {19, 1, 1, 129}, 1, 0},
    {"3x[1000]", {3, 1, 1, 1000}, 1, 0},
    {"3x[1023]", {3, 1, 1, 1023}, 1, 0},
    {"3x[1024]", {3, 1, 1, 1024}, 1, 0},
    {"3x[1025]", {3, 1, 1, 1025}, 1, 0},
    /* A block has 2048 classes. */
    {"2x[2047]", {2, 1, 1, 2047}, 1, 0},
    {"2x[2048]", {2, 1, 1, 2048}, 1, 0},
    {"2x[2049]", {2, 1, 1, 2049}, 1, 0},
    {"1x[4097]", {1, 1, 1, 4097}, 1, 0},
    {"17x[2049]", {17, 1, 1, 2049}, 1, 1},
    /* Segmentation: the class axis in the middle. */
    {"2x[21]x32x32", {2, 32, 32, 21}, 1, 1},
    /* Long rows, and many. */
    {"1x[32768]", {1, 1, 1, 32768}, 1, 1},
    {"1x[100003]", {1, 1, 1, 100003}, 1, 1},
    {"13109x[10]", {13109, 1, 1, 10}, 1, 1},
    {"65537x[2]", {65537, 1, 1, 2}, 1, 1},
    /* Rows that threads share. */
    {"2x[131076]", {2, 1, 1, 131076}, 1, 2},
    {"1x[1048577]", {1, 1, 1, 1048577}, 1, 2},
    /* Work for 64 threads. */
    {"4160x[1024]", {4160, 1, 1, 1024}, 1, 3},
};

/* A line of the list: the call, its numbers with the class axis last, and the results. */
typedef struct {
    char             name[2 * WORD];
    const operation *op;
    const shape     *shape;
    const type      *type;
    int64_t          rows, classes;
    double          *input, *target, *weight, *sample_weight; /* NULL: not given */
    double           divisor;                                 /* of the mean */
    uint64_t         hashes[2]; /* of the loss and of the gradient */
} problem;

/* Its numbers (see the README there) ---------------------------------------------------------- */

static double *make_input(const problem *p) {
    int64_t count = p->rows * p->classes;
    int     bits = p->type->precision;
    switch (p->op->input) {
    case PLAIN: return lcg(p->name, "input", count, bits, 0, 4 - bits);
    case TIES: return lcg(p->name, "input", count, 3, 0, 0);
    case PROBS: return lcg(p->name, "input", count, bits, ((int64_t)1 << (bits - 1)) + 1, -bits);
    case LOG_PROBS: return lcg(p->name, "input", count, bits, -((int64_t)1 << (bits - 1)), 4 - bits);
    default: return special(p->name, p->rows, p->classes, bits);
    }
}

/* The divisor of the mean. All its terms and sums are exact. */
static double make_divisor(const problem *p) {
    double  divisor = 0;
    int64_t row, c;
    for (row = 0; row < p->rows; row++) {
        double s = p->sample_weight != NULL ? p->sample_weight[row] : 1;
        if (p->op->is_distribution && p->op->mean_over == MASS) {
            for (c = 0; c < p->classes; c++)
                divisor += s * (p->weight != NULL ? p->weight[c] : 1) * p->target[row * p->classes + c];
        } else if (p->op->is_distribution) {
            divisor += s;
        } else if (p->target[row] >= 0) {
            divisor += s * (p->weight != NULL ? p->weight[(int64_t)p->target[row]] : 1);
        }
    }
    return divisor;
}

static void make_problem(problem *p) {
    int64_t half = (int64_t)1 << 9;
    p->rows = p->shape->length[0] * p->shape->length[1] * p->shape->length[2];
    p->classes = p->shape->length[CLASS_DIM];
    p->input = make_input(p);
    p->target = p->op->is_distribution ? lcg(p->name, "target", p->rows * p->classes, 6, 32, -6)
                                       : labels_for(p->name, p->rows, p->classes, p->op->is_weighted);
    p->weight = p->op->is_weighted ? lcg(p->name, "weight", p->classes, 10, half, -8) : NULL;
    p->sample_weight = p->op->is_weighted ? lcg(p->name, "sample_weight", p->rows, 10, half, -8) : NULL;
    if (p->sample_weight != NULL && p->rows > 2)
        p->sample_weight[p->rows / 2] = 0;
    p->divisor = make_divisor(p);
}

static void free_problem(problem *p) {
    free(p->input);
    free(p->target);
    free(p->weight);
    free(p->sample_weight);
}

/* Memory --------------------------------------------------------------------------------------- */

/* Where the elements of a tensor lie. Dimensions 0, 1 and 2 are those of the rows, c is the class
 * axis; tensors without one leave it out. */
typedef struct {
    const char *order;    /* from the slowest in memory to the fastest */
    const char *reversed; /* dimensions that run backwards */
    int         gap;      /* step of the fastest dimension */
    int         padding;  /* elements added to the step of each other dimension */
} layout;

static const layout CONTIGUOUS = {"012c", "", 1, 0};
static const layout PADDED = {"012c", "", 1, 3};
static const layout CLASSES_SLOWEST = {"c012", "", 1, 0};
static const layout CLASSES_SLOWEST_PADDED = {"c012", "", 1, 5};
static const layout CLASSES_SECOND = {"0c12", "", 1, 0};
static const layout CLASSES_THIRD = {"01c2", "", 1, 1};
static const layout TRANSPOSED = {"c210", "", 1, 0};
static const layout EVERY_SECOND_CLASS = {"012c", "", 2, 0};
static const layout EVERY_SECOND_ROW = {"c012", "", 2, 0};
static const layout CLASSES_BACKWARDS = {"012c", "c", 1, 0};
static const layout ROWS_BACKWARDS = {"c012", "012", 1, 0};
static const layout ALL_BACKWARDS = {"0c12", "012c", 1, 2};

/* The place of the class axis in the view. If it is not the list's, rows that are one dimension there
 * are folded into three. */
typedef enum { AS_LISTED, FIRST, SECOND, THIRD, LAST } class_place;

typedef struct {
    unsigned char *memory;
    int64_t        length[DIMS], step[DIMS]; /* the rows' dimensions, then the classes */
    int64_t        view_length[DIMS], view_step[DIMS];
    ce_tensor      view;
} tensor;

static int axis_of(const problem *p, class_place place) {
    return place == AS_LISTED ? p->shape->axis : (int)place - FIRST;
}

static void fold(int64_t *length) {
    int64_t rows = length[0], inner, middle;
    if (length[1] * length[2] != 1)
        return;
    for (inner = 32; rows % inner != 0; inner--) {}
    for (middle = 8; rows / inner % middle != 0; middle--) {}
    length[0] = rows / inner / middle;
    length[1] = middle;
    length[2] = inner;
}

/* Memory of `span` elements, of which the view begins with number `first`. */
static void allot(tensor *made, int32_t dtype, int64_t span, int64_t first, int misalignment) {
    made->memory = allocate((size_t)span * size_of(dtype) + 128);
    made->view.data = made->memory + (64 - (uintptr_t)made->memory % 64) + misalignment + first * (int64_t)size_of(dtype);
    made->view.dtype = dtype;
    made->view.shape = made->view_length;
    made->view.strides = made->view_step;
}

/* A tensor with an element for each row, and for each class of it if `has_classes`. */
static void make_tensor(tensor *made, const problem *p, int32_t dtype, int has_classes, class_place place,
                        const layout *where, int misalignment) {
    int64_t     step = where->gap, first = 0;
    int         axis = axis_of(p, place), i;
    const char *d;
    memcpy(made->length, p->shape->length, sizeof made->length);
    if (place != AS_LISTED)
        fold(made->length);
    made->step[CLASS_DIM] = 0;
    if (!has_classes)
        made->length[CLASS_DIM] = 1;
    for (d = where->order + strlen(where->order); d-- > where->order;) {
        i = *d == 'c' ? CLASS_DIM : *d - '0';
        if (i == CLASS_DIM && !has_classes)
            continue;
        made->step[i] = step;
        step = step * made->length[i] + where->padding;
        if (strchr(where->reversed, *d) != NULL) {
            first += made->step[i] * (made->length[i] - 1);
            made->step[i] *= -1;
        }
    }
    for (i = 0; i < DIMS; i++) {
        if (i == axis && has_classes) {
            made->view_length[made->view.ndim] = made->length[CLASS_DIM];
            made->view_step[made->view.ndim++] = made->step[CLASS_DIM];
        }
        if (i < CLASS_DIM) {
            made->view_length[made->view.ndim] = made->length[i];
            made->view_step[made->view.ndim++] = made->step[i];
        }
    }
    allot(made, dtype, step, first, misalignment);
}

/* A tensor of one dimension: class weights, or the loss as one number. */
static void make_vector(tensor *made, int32_t dtype, int64_t count) {
    int i;
    for (i = 0; i < DIMS; i++)
        made->length[i] = 1;
    made->length[CLASS_DIM] = made->view_length[0] = count;
    made->step[CLASS_DIM] = made->view_step[0] = 1;
    made->view.ndim = 1;
    allot(made, dtype, count, 0, 0);
}

static unsigned char *address(const tensor *t, int64_t element) {
    return (unsigned char *)t->view.data + element * (int64_t)size_of(t->view.dtype);
}

/* The bits of a floating-point element. */
static uint64_t get(const tensor *from, int64_t element) {
    const unsigned char *at = address(from, element);
    uint16_t             bits16;
    uint32_t             bits32;
    uint64_t             bits64;
    switch (size_of(from->view.dtype)) {
    case 2: memcpy(&bits16, at, sizeof bits16); return bits16;
    case 4: memcpy(&bits32, at, sizeof bits32); return bits32;
    default: memcpy(&bits64, at, sizeof bits64); return bits64;
    }
}

/* For each element, by rows and by classes within them: writes the next of `values`, or hashes it. The
 * hash. */
static uint64_t for_each(const tensor *t, const double *values) {
    uint64_t hash = HASH_OF_NOTHING;
    int64_t  i, j, k, c;
    for (i = 0; i < t->length[0]; i++)
        for (j = 0; j < t->length[1]; j++)
            for (k = 0; k < t->length[2]; k++)
                for (c = 0; c < t->length[CLASS_DIM]; c++) {
                    int64_t element = i * t->step[0] + j * t->step[1] + k * t->step[2] + c * t->step[CLASS_DIM];
                    if (values != NULL)
                        put(address(t, element), t->view.dtype, *values++);
                    else
                        hash = hash_bytes(hash, address(t, element), size_of(t->view.dtype));
                }
    return hash;
}

/* Configurations --------------------------------------------------------------------------------- */

/* How a line is computed; what is not said is 0: contiguous, by one thread, loss and gradient. */
typedef struct {
    const char   *name;
    int32_t       threads; /* 0: 1 */
    class_place   place;
    const layout *input, *grad; /* NULL: CONTIGUOUS; the input's */
    int           in_place;
    int           misalignment; /* of the input, in bytes; the other tensors have others */
    enum { BOTH, LOSS_ALONE, GRAD_ALONE } outputs;
    float_setting setting;
    enum {
        WHOLE,
        PLAIN_CALL,        /* ce_cross_entropy_f32 or _f64 */
        PIECES,            /* a call for the first row, one for the next two, one for the next three ... */
        OTHER_TYPES,       /* labels as small as they can be; weights and distributions of the other precision */
        WIDENED,           /* 16-bit input as f32; its gradient rounded is the 16-bit one */
        WIDE_GRADIENT,     /* 16-bit input, gradient in f32; its rounding is the 16-bit one */
        INFINITE_GRAD_LOSS /* contiguous short rows are taken one by one; the loss is the same */
    } call;
    int is_quick; /* also with --quick */
} configuration;

static const configuration CONFIGURATIONS[] = {
    {"contiguous", .is_quick = 1},
    {"in place", .in_place = 1},
    {"2 threads", .threads = 2},
    {"3 threads, in place", .threads = 3, .in_place = 1, .is_quick = 1},
    {"7 threads", .threads = 7},
    {"64 threads", .threads = 64},
    {"loss alone", .outputs = LOSS_ALONE},
    {"loss alone, 7 threads", .outputs = LOSS_ALONE, .threads = 7},
    {"loss alone, class axis first", .outputs = LOSS_ALONE, .place = FIRST, .input = &CLASSES_SLOWEST},
    {"gradient alone", .outputs = GRAD_ALONE},
    {"infinite grad_loss", .call = INFINITE_GRAD_LOSS, .outputs = LOSS_ALONE, .is_quick = 1},
    {"widened", .call = WIDENED, .is_quick = 1},
    {"gradient in f32", .call = WIDE_GRADIENT, .is_quick = 1},
    {"gradient in f32, class axis first, 3 threads", .call = WIDE_GRADIENT, .place = FIRST, .input = &CLASSES_SLOWEST,
     .threads = 3},
    {"plain call", .call = PLAIN_CALL},
    {"plain call, in place, 3 threads", .call = PLAIN_CALL, .in_place = 1, .threads = 3},
    {"other types", .call = OTHER_TYPES, .is_quick = 1},
    {"other types, class axis second", .call = OTHER_TYPES, .place = SECOND, .input = &CLASSES_SECOND},

    {"padded", .place = LAST, .input = &PADDED},
    {"padded, in place, 7 threads", .place = LAST, .input = &PADDED, .in_place = 1, .threads = 7, .is_quick = 1},
    {"every second class", .place = LAST, .input = &EVERY_SECOND_CLASS},
    {"every second class, in place, 3 threads", .place = LAST, .input = &EVERY_SECOND_CLASS, .in_place = 1,
     .threads = 3},
    {"classes backwards", .place = LAST, .input = &CLASSES_BACKWARDS},
    {"class axis moved in the view", .place = FIRST},
    {"class axis first", .place = FIRST, .input = &CLASSES_SLOWEST, .is_quick = 1},
    {"class axis first, in place, 3 threads", .place = FIRST, .input = &CLASSES_SLOWEST, .in_place = 1, .threads = 3},
    {"class axis first, 64 threads", .place = FIRST, .input = &CLASSES_SLOWEST, .threads = 64},
    {"class axis first, padded, 2 threads", .place = FIRST, .input = &CLASSES_SLOWEST_PADDED, .threads = 2},
    {"class axis first, every second row", .place = FIRST, .input = &EVERY_SECOND_ROW},
    {"class axis first, rows backwards", .place = FIRST, .input = &ROWS_BACKWARDS},
    {"class axis second", .place = SECOND, .input = &CLASSES_SECOND},
    {"class axis second, in place, 2 threads", .place = SECOND, .input = &CLASSES_SECOND, .in_place = 1, .threads = 2,
     .is_quick = 1},
    {"all backwards, in place, 3 threads", .place = SECOND, .input = &ALL_BACKWARDS, .in_place = 1, .threads = 3},
    {"class axis third, 7 threads", .place = THIRD, .input = &CLASSES_THIRD, .threads = 7},
    {"transposed", .place = LAST, .input = &TRANSPOSED},
    {"transposed, in place, 3 threads", .place = LAST, .input = &TRANSPOSED, .in_place = 1, .threads = 3},
    {"contiguous to classes slowest", .place = LAST, .grad = &CLASSES_SLOWEST},
    {"classes slowest to contiguous", .place = LAST, .input = &CLASSES_SLOWEST, .grad = &CONTIGUOUS},
    {"class axis second to padded, 3 threads", .place = SECOND, .input = &CLASSES_SECOND, .grad = &PADDED,
     .threads = 3},
    {"padded to backwards", .place = THIRD, .input = &PADDED, .grad = &ALL_BACKWARDS},

    {"pieces", .call = PIECES, .is_quick = 1},
    {"pieces, in place, 3 threads", .call = PIECES, .in_place = 1, .threads = 3},
    {"pieces, classes slowest", .call = PIECES, .input = &CLASSES_SLOWEST},
    {"pieces, classes slowest, in place", .call = PIECES, .input = &CLASSES_SLOWEST, .in_place = 1},

    {"flush to zero", .setting = FLUSHING, .is_quick = 1},
    {"flush to zero, class axis first, in place, 3 threads", .setting = FLUSHING, .place = FIRST,
     .input = &CLASSES_SLOWEST, .in_place = 1, .threads = 3},
    {"rounding upward", .setting = UPWARD, .is_quick = 1},
    {"rounding upward, class axis first, in place, 3 threads", .setting = UPWARD, .place = FIRST,
     .input = &CLASSES_SLOWEST, .in_place = 1, .threads = 3},
};

enum { NAMED = LENGTH_OF(CONFIGURATIONS), CONFIGURATION_COUNT = NAMED + 63 };

/* Those of the table, then the misalignments by 1 to 63 bytes. */
static configuration configuration_at(int index) {
    static char   name[WORD];
    configuration made;
    int           bytes = index - NAMED + 1;
    if (bytes < 1)
        return CONFIGURATIONS[index];
    memset(&made, 0, sizeof made);
    made.misalignment = bytes;
    made.in_place = bytes % 4 == 3;
    if (bytes % 4 == 2)
        made.input = &CLASSES_SLOWEST;
    made.is_quick = bytes == 13;
    sprintf(name, "%d bytes from alignment", bytes);
    made.name = name;
    return made;
}

/* Whether a line is computed in this configuration. */
static int is_meant(const problem *p, const configuration *how) {
    static const int fewest_threads[] = {0, 2, 7, 64}; /* by the shape's size */
    int              size = p->shape->size;
    if (how->threads < fewest_threads[size] || (is_quick && (!how->is_quick || size > 1)))
        return 0;
    /* Every alignment where that is cheap, some elsewhere. */
    return how->misalignment == 0 || how->is_quick || p->rows * p->classes <= 2500;
}

/* Whether it can be. */
static int can_state(const problem *p, const configuration *how) {
    int is_flat = p->shape->axis == 1 && p->shape->length[1] == 1;
    switch (how->call) {
    case PLAIN_CALL: return p->op->function == LOSS && !p->op->is_distribution && is_flat && !is_half(p->type->dtype);
    case WIDENED: case WIDE_GRADIENT: return is_half(p->type->dtype);
    case PIECES: return is_flat && (p->op->reduction != MEAN || p->divisor > 0);
    case INFINITE_GRAD_LOSS:
        if (p->op->function != LOSS)
            return 0;
        return p->op->input == PLAIN || p->op->input == TIES || p->op->input == SPECIAL;
    default: return 1;
    }
}

/* Calls ------------------------------------------------------------------------------------------ */

typedef struct {
    tensor     input, target, weight, sample_weight, loss, grad;
    ce_options options;
    int        axis, in_place, with_loss, with_grad;
} call;

static const tensor *grad_of(const call *made) { return made->in_place ? &made->input : &made->grad; }

static ce_options options_for(const problem *p, const configuration *how) {
    ce_options options = defaults();
    options.input_type = p->op->input == PROBS       ? CE_INPUT_PROBS
                         : p->op->input == LOG_PROBS ? CE_INPUT_LOG_PROBS
                                                     : CE_INPUT_LOGITS;
    if (p->op->function == LOSS)
        options.reduction = p->op->reduction;
    options.mean_over = p->op->mean_over;
    options.label_smoothing = p->op->label_smoothing;
    options.z_loss = p->op->z_loss;
    options.focal_gamma = p->op->focal_gamma;
    options.poly_epsilon = p->op->poly_epsilon;
    options.softcap = p->op->softcap;
    if (p->op->logit_scale != 0) options.logit_scale = p->op->logit_scale;
    options.clip = p->op->clip;
    options.threads = how->threads > 0 ? how->threads : 1;
    if (p->op->is_faint)
        options.grad_loss = ldexp(1, p->type->faint);
    if (how->call == INFINITE_GRAD_LOSS)
        options.grad_loss = INFINITY;
    if (how->call == PIECES && p->op->reduction == MEAN) {
        options.mean_over = CE_MEAN_OVER_DIVISOR;
        options.mean_divisor = p->divisor;
    }
    return options;
}

static void make_call(call *made, const problem *p, const configuration *how) {
    const layout *input = how->input != NULL ? how->input : &CONTIGUOUS;
    const layout *grad = how->grad != NULL ? how->grad : input;
    int           other = how->call == OTHER_TYPES, far_off = (5 * how->misalignment + 3) % 64;
    int32_t       dtype = how->call == WIDENED ? CE_F32 : p->type->dtype, loss = p->type->loss_dtype;
    int32_t       second = other == (loss == CE_F32) ? CE_F64 : CE_F32;
    int32_t       target = p->op->is_distribution ? second : other ? smallest_label(p->classes) : CE_I64;
    memset(made, 0, sizeof *made);
    if (how->misalignment == 0)
        far_off = 0;
    made->axis = axis_of(p, how->place);
    made->options = options_for(p, how);
    made->in_place = how->in_place;
    made->with_loss = how->outputs != GRAD_ALONE;
    made->with_grad = how->outputs != LOSS_ALONE;
    make_tensor(&made->input, p, dtype, 1, how->place, input, how->misalignment);
    for_each(&made->input, p->input);
    make_tensor(&made->target, p, target, p->op->is_distribution, how->place, input, far_off);
    for_each(&made->target, p->target);
    if (p->weight != NULL) {
        make_vector(&made->weight, second, p->classes);
        for_each(&made->weight, p->weight);
        make_tensor(&made->sample_weight, p, second, 0, how->place, input, far_off);
        for_each(&made->sample_weight, p->sample_weight);
    }
    if (p->op->reduction == NONE)
        make_tensor(&made->loss, p, loss, 0, how->place, input, far_off);
    else
        make_vector(&made->loss, loss, 1);
    if (!made->in_place)
        make_tensor(&made->grad, p, how->call == WIDE_GRADIENT ? CE_F32 : dtype, 1, how->place, grad, far_off);
}

static void free_call(call *made) {
    free(made->input.memory);
    free(made->target.memory);
    free(made->weight.memory);
    free(made->sample_weight.memory);
    free(made->loss.memory);
    free(made->grad.memory);
}

static int32_t call_whole(call *made, const problem *p) {
    ce_tensor grad = grad_of(made)->view;
    if (p->weight != NULL) {
        made->options.weight = &made->weight.view;
        made->options.sample_weight = &made->sample_weight.view;
    }
    if (p->op->function != LOSS) {
        int32_t status = CE_OK;
        if (made->with_loss)
            status = ce_logsumexp(&made->input.view, made->axis, &made->options, &made->loss.view);
        if (made->with_grad && status == CE_OK)
            status = (p->op->function == SOFTMAX ? ce_softmax : ce_log_softmax)(&made->input.view, made->axis,
                                                                                &made->options, &grad);
        return status;
    }
    return ce_cross_entropy(&made->input.view, made->axis, &made->target.view, &made->options,
                            OUTPUTS(made->with_loss ? &made->loss.view : NULL, made->with_grad ? &grad : NULL));
}

static int32_t call_plain(call *made, const problem *p) {
    void *x = made->input.view.data, *labels = made->target.view.data, *loss = made->loss.view.data;
    void *grad = grad_of(made)->view.data;
    if (p->weight != NULL) {
        made->sample_weight.view.ndim = 1;
        made->options.weight = &made->weight.view;
        made->options.sample_weight = &made->sample_weight.view;
    }
    return p->type->dtype == CE_F32 ? ce_cross_entropy_f32(x, labels, p->rows, p->classes, &made->options, loss, grad)
                              : ce_cross_entropy_f64(x, labels, p->rows, p->classes, &made->options, loss, grad);
}

/* `count` rows of a tensor, from row `first` on. */
static void take_rows(tensor *part, const tensor *whole, int64_t first, int64_t count) {
    *part = *whole;
    part->view_length[0] = count;
    part->view.shape = part->view_length;
    part->view.data = address(whole, first * whole->step[0]);
}

static int32_t call_in_pieces(call *made, const problem *p) {
    call    part = *made;
    int64_t first, count = 1;
    int32_t status = CE_OK;
    for (first = 0; first < p->rows && status == CE_OK; first += count++) {
        if (count > p->rows - first)
            count = p->rows - first;
        take_rows(&part.input, &made->input, first, count);
        take_rows(&part.target, &made->target, first, count);
        take_rows(&part.sample_weight, &made->sample_weight, first, count);
        take_rows(&part.grad, &made->grad, first, count);
        if (p->op->reduction == NONE)
            take_rows(&part.loss, &made->loss, first, count);
        status = call_whole(&part, p);
    }
    made->with_loss = p->op->reduction == NONE; /* otherwise the losses of the pieces are other numbers */
    return status;
}

static int32_t do_call(call *made, const problem *p, const configuration *how) {
    switch (how->call) {
    case PLAIN_CALL: return call_plain(made, p);
    case PIECES: return call_in_pieces(made, p);
    default: return call_whole(made, p);
    }
}

/* Checks ----------------------------------------------------------------------------------------- */

/* The row after (i, j, k). */
static void step_on(const tensor *t, int64_t *i, int64_t *j, int64_t *k) {
    if (++*k == t->length[2])
        *k = 0, ++*j;
    if (*j == t->length[1])
        *j = 0, ++*i;
}

/* Whether two tensors that may lie differently hold the same bits; f32 is rounded if the other type has 16 bits. */
static int agree(const problem *p, const configuration *how, const char *what, const tensor *got, const tensor *want) {
    int64_t row, c, rows = want->length[0] * want->length[1] * want->length[2];
    int64_t i = 0, j = 0, k = 0, l = 0, m = 0, n = 0;
    int32_t dtype = want->view.dtype;
    int     is_rounded = dtype != got->view.dtype;
    for (row = 0; row < rows; row++, step_on(got, &i, &j, &k), step_on(want, &l, &m, &n)) {
        int64_t got_row = i * got->step[0] + j * got->step[1] + k * got->step[2];
        int64_t want_row = l * want->step[0] + m * want->step[1] + n * want->step[2];
        for (c = 0; c < want->length[CLASS_DIM]; c++) {
            uint64_t a = get(got, got_row + c * got->step[CLASS_DIM]);
            uint64_t b = get(want, want_row + c * want->step[CLASS_DIM]);
            if ((is_rounded ? narrow(dtype, (uint32_t)a) : a) != b) {
                char text[4 * WORD];
                sprintf(text, "the %s of row %" PRId64 ", class %" PRId64 " has bits %" PRIx64 ", not %" PRIx64, what,
                        row, c, a, b);
                return report(p->name, how->name, text);
            }
        }
    }
    return 1;
}

/* Computes a line; whether status and settings are as they should be. */
static int compute(const problem *p, const configuration *how, call *made) {
    uint64_t host = get_float(), before = host | FLOAT_BITS[how->setting], after;
    int32_t  status;
    make_call(made, p, how);
    set_float(before);
    status = do_call(made, p, how);
    after = get_float();
    set_float(host);
    if (status != CE_OK)
        return report(p->name, how->name, ce_last_error_message());
    return after == before || report(p->name, how->name, "the setting of the floating-point unit has changed");
}

/* Lines ------------------------------------------------------------------------------------------ */

static long lines, ran[CONFIGURATION_COUNT];

static void write_line(problem *p) {
    call made;
    if (!compute(p, &CONFIGURATIONS[0], &made))
        stop("a call has failed");
    p->hashes[0] = for_each(&made.loss, NULL);
    p->hashes[1] = for_each(grad_of(&made), NULL);
    write_hashes(p->name, p->hashes, 2);
    free_call(&made);
}

/* The contiguous call must give the hashes of the list, and the others the bits of the contiguous one. */
static void check_line(problem *p) {
    const configuration *contiguous = &CONFIGURATIONS[0];
    call                 base, got;
    int                  index, base_is_good;
    read_hashes(p->name, p->hashes, 2);
    base_is_good = compute(p, contiguous, &base);
    if (base_is_good && for_each(&base.loss, NULL) != p->hashes[0])
        base_is_good = report(p->name, contiguous->name, "the losses have another hash");
    if (base_is_good && for_each(grad_of(&base), NULL) != p->hashes[1])
        base_is_good = report(p->name, contiguous->name, "the gradient has another hash");
    count_check(base_is_good);
    ran[0] = 1;
    for (index = 1; index < CONFIGURATION_COUNT; index++) {
        configuration how = configuration_at(index);
        int           is_good;
        if (!is_meant(p, &how) || !can_state(p, &how))
            continue;
        is_good = compute(p, &how, &got);
        is_good = is_good && (!got.with_loss || agree(p, &how, "loss", &got.loss, &base.loss));
        is_good = is_good && (!got.with_grad || agree(p, &how, "gradient", grad_of(&got), grad_of(&base)));
        count_check(is_good && base_is_good);
        ran[index] = 1;
        free_call(&got);
    }
    free_call(&base);
}

static void do_line(const operation *op, const type *type_of_it, const shape *shape_of_it) {
    problem p;
    int     largest = op->largest - (is_half(type_of_it->dtype) && op->largest > 0);
    if (shape_of_it->size > largest || (is_half(type_of_it->dtype) && !op->on_16bit))
        return;
    p.op = op;
    p.type = type_of_it;
    p.shape = shape_of_it;
    sprintf(p.name, "%s %s %s", op->name, type_of_it->name, shape_of_it->name);
    make_problem(&p);
    if (list == NULL)
        write_line(&p);
    else
        check_line(&p);
    free_problem(&p);
    lines++;
}

int main(int argc, char **argv) {
    size_t op, t, shape_of_it;
    int    i, count = 0;
    begin("operation, type, shape with its [class axis], hash of the losses, hash of the gradient", argc, argv);
    for (op = 0; op < LENGTH_OF(OPERATIONS); op++)
        for (t = 0; t < LENGTH_OF(TYPES); t++)
            for (shape_of_it = 0; shape_of_it < LENGTH_OF(SHAPES); shape_of_it++)
                do_line(&OPERATIONS[op], &TYPES[t], &SHAPES[shape_of_it]);
    if (list == NULL)
        return 0;
    end_list();
    for (i = 0; i < CONFIGURATION_COUNT; i++)
        count += ran[i] != 0;
    printf("%s: %ld lines in %d configurations\n", ce_isa(), lines, count);
    return tally();
}
