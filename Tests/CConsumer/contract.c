/*
 * contract - checks what include/crossentropy.h promises about pointers, memory, threads and the
 * process: everything that the shared test cases cannot state.
 *
 *     contract
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#define _GNU_SOURCE /* POSIX, and feenableexcept where there is one */

#include <crossentropy.h>

#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static long passed, failed;

#define CHECK(condition) check((condition) != 0, #condition, __func__, __LINE__)

static void check(int good, const char *text, const char *where, int line) {
    if (good) {
        passed++;
    } else {
        failed++;
        printf("FAIL %s, line %d: %s (last message: \"%s\")\n", where, line, text,
               ce_last_error_message());
    }
}

/* A small problem, and outputs that show whether they were written ---------------------------- */

enum { ROWS = 2, CLASSES = 3, COUNT = ROWS * CLASSES, FILL = 0xA5 };

static const float   LOGITS[COUNT] = {0.1f, 0.4f, 0.5f, 0.8f, 0.1f, 0.1f};
static const int64_t LABELS[ROWS] = {2, 0};
static const float   MASS[COUNT] = {0.0f, 0.0f, 1.0f, 1.0f, 0.0f, 0.0f};
static const float   WEIGHT[CLASSES] = {1.0f, 1.0f, 1.0f};
static const float   SAMPLE_WEIGHT[ROWS] = {1.0f, 1.0f};

static float loss[ROWS], grad[COUNT];

static void clear_outputs(void) {
    memset(loss, FILL, sizeof loss);
    memset(grad, FILL, sizeof grad);
}

static int is_fill(const void *memory, size_t bytes) {
    const unsigned char *byte = memory;
    size_t               i;
    for (i = 0; i < bytes; i++)
        if (byte[i] != FILL)
            return 0;
    return 1;
}

static int nothing_written(void) { return is_fill(loss, sizeof loss) && is_fill(grad, sizeof grad); }

static int loss_is_right(void) { return fabs(loss[0] - 0.8178187) < 1e-6; }

static ce_options defaults(void) {
    ce_options options;
    ce_options_init(&options, sizeof options);
    return options;
}

static ce_tensor tensor(const void *data, int32_t dtype, int32_t ndim, const int64_t *shape,
                        const int64_t *strides) {
    ce_tensor view;
    memset(&view, 0, sizeof view);
    memcpy(&view.data, &data, sizeof data); /* inputs are not written through it */
    view.dtype = dtype;
    view.ndim = ndim;
    view.shape = shape;
    view.strides = strides;
    return view;
}

static const int64_t SHAPE[2] = {ROWS, CLASSES};

/* The small problem as tensors, to be changed before the call. */
typedef struct {
    ce_tensor  input, labels, mass, weight, sample_weight, one_loss, losses, grad;
    ce_options options;
} small;

static small small_problem(void) {
    small made;
    made.input = tensor(LOGITS, CE_F32, 2, SHAPE, NULL);
    made.labels = tensor(LABELS, CE_I64, 1, SHAPE, NULL);
    made.mass = tensor(MASS, CE_F32, 2, SHAPE, NULL);
    made.weight = tensor(WEIGHT, CE_F32, 1, SHAPE + 1, NULL);
    made.sample_weight = tensor(SAMPLE_WEIGHT, CE_F32, 1, SHAPE, NULL);
    made.one_loss = tensor(loss, CE_F32, 0, NULL, NULL);
    made.losses = tensor(loss, CE_F32, 1, SHAPE, NULL);
    made.grad = tensor(grad, CE_F32, 2, SHAPE, NULL);
    made.options = defaults();
    clear_outputs();
    return made;
}

static int32_t mean(const small *p) {
    return ce_cross_entropy(&p->input, -1, &p->labels, &p->options, &p->one_loss, &p->grad);
}

/* Version, status, options ------------------------------------------------------------------- */

static void versions(void) {
    char text[64];
    sprintf(text, "%d.%d.%d", CE_VERSION_MAJOR, CE_VERSION_MINOR, CE_VERSION_PATCH);
    CHECK(ce_version() == CE_VERSION_NUMBER);
    CHECK(strcmp(ce_version_string(), text) == 0);
    CHECK(ce_version_string() == ce_version_string());
    CHECK(strlen(ce_build_info()) > 0);
    CHECK(strchr(ce_build_info(), '\n') == NULL);
    CHECK(strcmp(ce_isa(), "avx512") == 0 || strcmp(ce_isa(), "avx2") == 0 ||
          strcmp(ce_isa(), "baseline") == 0 || strcmp(ce_isa(), "neon") == 0);
    CHECK(ce_isa() == ce_isa());
}

static void status_strings(void) {
    static const int32_t unknown[] = {-1, CE_ERROR_CANCELLED + 1, 1000, INT32_MAX, INT32_MIN};
    size_t               i;
    int32_t              a, b;
    for (a = CE_OK; a <= CE_ERROR_CANCELLED; a++) {
        CHECK(ce_status_string(a) != NULL && strlen(ce_status_string(a)) > 0);
        for (b = CE_OK; b < a; b++)
            CHECK(strcmp(ce_status_string(a), ce_status_string(b)) != 0);
    }
    for (i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        CHECK(ce_status_string(unknown[i]) != NULL && strlen(ce_status_string(unknown[i])) > 0);
        for (a = CE_OK; a <= CE_ERROR_CANCELLED; a++)
            CHECK(strcmp(ce_status_string(unknown[i]), ce_status_string(a)) != 0);
    }
}

static void options_init(void) {
    static const size_t too_small[] = {0, 1, 8, sizeof(ce_options) - 1};
    struct {
        ce_options    known;
        unsigned char later[40];
    } room;
    size_t i;
    memset(&room, FILL, sizeof room);
    CHECK(ce_options_init(NULL, sizeof(ce_options)) == CE_ERROR_NULL_POINTER);
    for (i = 0; i < sizeof too_small / sizeof too_small[0]; i++) {
        CHECK(ce_options_init(&room.known, too_small[i]) == CE_ERROR_OPTIONS_SIZE);
        CHECK(is_fill(&room, sizeof room));
    }

    CHECK(ce_options_init(&room.known, sizeof(ce_options)) == CE_OK);
    CHECK(room.known.size == sizeof(ce_options));
    CHECK(room.known.input_type == CE_INPUT_LOGITS);
    CHECK(room.known.reduction == CE_REDUCTION_MEAN);
    CHECK(room.known.mean_over == CE_MEAN_OVER_WEIGHT);
    CHECK(room.known.empty == CE_EMPTY_NAN);
    CHECK(room.known.ignore_index == -100);
    CHECK(room.known.label_smoothing == 0);
    CHECK(room.known.mean_divisor == 0);
    CHECK(room.known.clip == 0);
    CHECK(room.known.grad_loss == 1);
    CHECK(room.known.weight == NULL);
    CHECK(room.known.sample_weight == NULL);
    CHECK(room.known.cancel == NULL);
    CHECK(room.known.threads == 0);
    CHECK(room.known.reserved == 0);
    CHECK(is_fill(room.later, sizeof room.later));

    /* A program built against a later header asks for more: it gets zeros, the old behaviour. */
    memset(&room, FILL, sizeof room);
    CHECK(ce_options_init(&room.known, sizeof(ce_options) + 24) == CE_OK);
    CHECK(room.known.size == sizeof(ce_options) + 24);
    CHECK(room.known.ignore_index == -100);
    for (i = 0; i < 24; i++)
        CHECK(room.later[i] == 0);
    CHECK(is_fill(room.later + 24, sizeof room.later - 24));
}

static void options_sizes(void) {
    static const uint64_t too_small[] = {0, 1, 8, sizeof(ce_options) - 1};
    struct {
        ce_options    known;
        unsigned char later[64];
    } room;
    small  p = small_problem();
    size_t i;
    for (i = 0; i < sizeof too_small / sizeof too_small[0]; i++) {
        p.options.size = too_small[i];
        CHECK(mean(&p) == CE_ERROR_OPTIONS_SIZE);
        CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, &p.options, loss, grad) ==
              CE_ERROR_OPTIONS_SIZE);
        CHECK(nothing_written());
    }
    memset(&room, 0, sizeof room);
    CHECK(ce_options_init(&room.known, sizeof room) == CE_OK);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &room.known, &p.one_loss, &p.grad) == CE_OK);
    CHECK(loss_is_right());
}

/* NULL and sizes ----------------------------------------------------------------------------- */

static void null_in_plain_calls(void) {
    static const double logits[COUNT] = {0.1, 0.4, 0.5, 0.8, 0.1, 0.1};
    double              loss64;
    clear_outputs();
    CHECK(ce_cross_entropy_f32(NULL, LABELS, ROWS, CLASSES, NULL, loss, grad) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f32(LOGITS, NULL, ROWS, CLASSES, NULL, loss, grad) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, NULL, NULL, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(strlen(ce_last_error_message()) > 0);
    CHECK(ce_cross_entropy_f64(NULL, LABELS, ROWS, CLASSES, NULL, &loss64, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f64(logits, NULL, ROWS, CLASSES, NULL, &loss64, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy_f64(logits, LABELS, ROWS, CLASSES, NULL, NULL, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(nothing_written());

    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, NULL, NULL, grad) == CE_OK);
    CHECK(is_fill(loss, sizeof loss) && !is_fill(grad, sizeof grad));
    CHECK(ce_cross_entropy_f64(logits, LABELS, ROWS, CLASSES, NULL, &loss64, NULL) == CE_OK);
    CHECK(fabs(loss64 - 0.8178186621560153) < 1e-13);

    clear_outputs();
    CHECK(ce_cross_entropy_f32(NULL, NULL, 0, CLASSES, NULL, loss, NULL) == CE_OK);
    CHECK(isnan(loss[0]) && is_fill(loss + 1, sizeof loss - sizeof loss[0]));
}

static void sizes_in_plain_calls(void) {
    clear_outputs();
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, -1, CLASSES, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, 0, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, -3, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, 0, 0, NULL, loss, grad) == CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, INT64_MIN, INT64_MIN, NULL, loss, grad) ==
          CE_ERROR_SHAPE);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, INT64_MAX, 2, NULL, loss, grad) ==
          CE_ERROR_OVERFLOW);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, (int64_t)1 << 32, (int64_t)1 << 32, NULL, loss,
                               grad) == CE_ERROR_OVERFLOW);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, 1, INT64_MAX, NULL, loss, grad) ==
          CE_ERROR_OVERFLOW); /* 4 bytes each */
    CHECK(nothing_written());
}

static void null_in_tensors(void) {
    static const int64_t empty[2] = {0, CLASSES};
    small                p = small_problem(), q;
    ce_tensor            mass;
    CHECK(ce_cross_entropy(NULL, -1, &p.labels, NULL, &p.one_loss, &p.grad) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy(&p.input, -1, NULL, NULL, &p.one_loss, &p.grad) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, NULL, NULL) == CE_ERROR_NULL_POINTER);

    /* no data */
    q = p, q.input.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.labels.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    mass = p.mass, mass.data = NULL;
    CHECK(ce_cross_entropy(&p.input, -1, &mass, NULL, &p.one_loss, &p.grad) ==
          CE_ERROR_NULL_POINTER);
    q = p, q.one_loss.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.grad.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.weight.data = NULL, q.options.weight = &q.weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.sample_weight.data = NULL, q.options.sample_weight = &q.sample_weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);

    /* no shape */
    q = p, q.input.shape = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.labels.shape = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.one_loss.ndim = 1;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.grad.shape = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.weight.shape = NULL, q.options.weight = &q.weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.sample_weight.shape = NULL, q.options.sample_weight = &q.sample_weight;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    CHECK(nothing_written());

    /* NULL is fine where nothing is needed */
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, &p.one_loss, NULL) == CE_OK);
    CHECK(loss_is_right());
    clear_outputs();
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, NULL, &p.grad) == CE_OK);
    CHECK(is_fill(loss, sizeof loss));
    clear_outputs();
    q = p, q.input.data = q.labels.data = q.grad.data = NULL;
    q.input.shape = q.labels.shape = q.grad.shape = empty;
    CHECK(mean(&q) == CE_OK);
    CHECK(isnan(loss[0]));
    q.losses.data = NULL, q.losses.shape = empty, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, &q.losses, &q.grad) == CE_OK);
}

static void shapes_of_outputs(void) {
    static const int64_t ones[3] = {1, 1, 1}, wrong[2] = {CLASSES, ROWS}, negative[2] = {-1, 3};
    static const int64_t longer[1] = {ROWS + 1};
    small                p = small_problem(), q;
    int32_t              ndim;
    for (ndim = 0; ndim <= 3; ndim++) {
        q = p, q.one_loss.ndim = ndim, q.one_loss.shape = ones;
        CHECK(mean(&q) == CE_OK);
        CHECK(loss_is_right());
    }
    clear_outputs();
    q = p, q.one_loss = p.losses;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.one_loss.ndim = -1;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.one_loss.ndim = CE_MAX_NDIM + 1, q.one_loss.shape = ones;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.shape = wrong;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.shape = negative;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.ndim = 1;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.ndim = -2;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.grad.dtype = CE_F64;
    CHECK(mean(&q) == CE_ERROR_DTYPE);
    q = p, q.grad.dtype = CE_I32;
    CHECK(mean(&q) == CE_ERROR_DTYPE);
    q = p, q.input.ndim = -2;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.labels.shape = negative;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q = p, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    q.one_loss = p.losses, q.one_loss.shape = longer;
    CHECK(mean(&q) == CE_ERROR_SHAPE);
    CHECK(nothing_written());
    q.one_loss = p.losses;
    CHECK(mean(&q) == CE_OK);
}

/* Overlaps ----------------------------------------------------------------------------------- */

enum { INPUT, TARGET, CLASS_WEIGHT, ROW_WEIGHT, LOSS, GRAD, TENSORS, STEP = 256 };

static const int OVERLAP_BYTES[TENSORS] = {24, 24, 12, 8, 8, 24}; /* TARGET as distributions */

/* A call with reduction none whose tensors lie in one block at these offsets. On an error checks
 * that the block is unchanged. */
static int32_t call_at(const int *at, int distributions) {
    unsigned char block[TENSORS * STEP + STEP], before[sizeof block];
    small         p = small_problem();
    int32_t       status;
    memset(block, 0, sizeof block);
    memcpy(block + at[LOSS], loss, sizeof loss);
    memcpy(block + at[GRAD], grad, sizeof grad);
    memcpy(block + at[CLASS_WEIGHT], WEIGHT, sizeof WEIGHT);
    memcpy(block + at[ROW_WEIGHT], SAMPLE_WEIGHT, sizeof SAMPLE_WEIGHT);
    memcpy(block + at[INPUT], LOGITS, sizeof LOGITS);
    if (distributions)
        memcpy(block + at[TARGET], MASS, sizeof MASS);
    else
        memcpy(block + at[TARGET], LABELS, sizeof LABELS);
    memcpy(before, block, sizeof block);
    p.input.data = block + at[INPUT];
    p.labels.data = p.mass.data = block + at[TARGET];
    p.weight.data = block + at[CLASS_WEIGHT];
    p.sample_weight.data = block + at[ROW_WEIGHT];
    p.losses.data = block + at[LOSS];
    p.grad.data = block + at[GRAD];
    p.options.weight = &p.weight;
    p.options.sample_weight = &p.sample_weight;
    p.options.reduction = CE_REDUCTION_NONE;
    status = ce_cross_entropy(&p.input, -1, distributions ? &p.mass : &p.labels, &p.options,
                              &p.losses, &p.grad);
    if (status != CE_OK)
        CHECK(memcmp(block, before, sizeof block) == 0);
    return status;
}

/* Slides one output over each other tensor, a byte at a time, from touching to touching. */
static void slide(int output, int other, int distributions) {
    int at[TENSORS], bytes = OVERLAP_BYTES[other], shift, i;
    if (other == TARGET && !distributions)
        bytes = (int)sizeof LABELS;
    for (i = 0; i < TENSORS; i++)
        at[i] = i * STEP + 64;
    for (shift = -OVERLAP_BYTES[output]; shift <= bytes; shift++) {
        int touching = shift == -OVERLAP_BYTES[output] || shift == bytes;
        int in_place = output == GRAD && other == INPUT && shift == 0;
        at[output] = at[other] + shift;
        CHECK(call_at(at, distributions) == (touching || in_place ? CE_OK : CE_ERROR_OVERLAP));
    }
}

static void overlaps(void) {
    int other, distributions;
    for (distributions = 0; distributions < 2; distributions++)
        for (other = INPUT; other < TENSORS; other++) {
            if (other != LOSS)
                slide(LOSS, other, distributions);
            if (other != GRAD)
                slide(GRAD, other, distributions);
        }
}

static void overlaps_in_plain_calls(void) {
    float     room[2 * COUNT], before[2 * COUNT];
    double    room64[2 * COUNT], loss64;
    int       i;
    int64_t   labels[ROWS + 2] = {2, 0, 0, 0};
    ptrdiff_t shift;
    for (i = 0; i < 2 * COUNT; i++)
        room[i] = before[i] = 0.25f * (float)i, room64[i] = i;
    for (shift = 1; shift < COUNT; shift++) {
        CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, loss, room + shift) ==
              CE_ERROR_OVERLAP);
        CHECK(ce_cross_entropy_f32(room + shift, LABELS, ROWS, CLASSES, NULL, loss, room) ==
              CE_ERROR_OVERLAP);
    }
    CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, room, NULL) == CE_ERROR_OVERLAP);
    CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, room + COUNT, room + COUNT) ==
          CE_ERROR_OVERLAP);
    CHECK(memcmp(room, before, sizeof room) == 0);
    CHECK(ce_cross_entropy_f32(LOGITS, labels, ROWS, CLASSES, NULL, (float *)(void *)(labels + 1),
                               NULL) == CE_ERROR_OVERLAP);
    CHECK(labels[0] == 2 && labels[1] == 0 && labels[2] == 0);
    CHECK(ce_cross_entropy_f64(room64, LABELS, ROWS, CLASSES, NULL, &loss64, room64 + 1) ==
          CE_ERROR_OVERLAP);
    CHECK(ce_cross_entropy_f64(room64, LABELS, ROWS, CLASSES, NULL, room64 + 5, NULL) ==
          CE_ERROR_OVERLAP);
    CHECK(room64[1] == 1 && room64[5] == 5);
    CHECK(ce_cross_entropy_f32(room, LABELS, ROWS, CLASSES, NULL, loss, room) == CE_OK);
    CHECK(memcmp(room + COUNT, before + COUNT, sizeof room / 2) == 0);
}

static void outputs_on_themselves(void) {
    static const int64_t zero[2] = {0, 0}, row[2] = {0, 1}, class_[2] = {CLASSES, 0};
    static const int64_t close[2] = {1, 1}, shared[2] = {2, 1}, back[2] = {-2, -1};
    static const int64_t column[2] = {1, ROWS}, other[2] = {CLASSES, 1}, one[2] = {1, CLASSES};
    const int64_t       *bad[6];
    small                p = small_problem(), q;
    float                copy[COUNT];
    int                  i;
    bad[0] = zero, bad[1] = row, bad[2] = class_, bad[3] = close, bad[4] = shared, bad[5] = back;
    for (i = 0; i < 6; i++) {
        q = p, q.grad.strides = bad[i];
        if (bad[i] == back)
            q.grad.data = grad + 4;
        CHECK(mean(&q) == CE_ERROR_OVERLAP);
    }
    q = p, q.losses.strides = zero, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, &q.losses, &q.grad) ==
          CE_ERROR_OVERLAP);
    CHECK(nothing_written());

    /* the input's memory with other strides is not the input itself */
    memcpy(copy, LOGITS, sizeof copy);
    q = p, q.input.data = q.grad.data = copy, q.grad.strides = column;
    CHECK(mean(&q) == CE_ERROR_OVERLAP);
    CHECK(memcmp(copy, LOGITS, sizeof copy) == 0);
    q.grad.strides = other; /* the same strides, written out */
    CHECK(mean(&q) == CE_OK);

    /* a stride of a length of 1 is never used */
    q = p, q.input.shape = q.grad.shape = one, q.labels.shape = one, q.grad.strides = row;
    CHECK(mean(&q) == CE_OK);
}

/* Addresses and strides ---------------------------------------------------------------------- */

/* Every tensor at every distance from an aligned address, same bits as aligned. */
static void misaligned(void) {
    unsigned char room[8][96];
    float         want[ROWS], want_grad[COUNT];
    int           shift;
    small         p = small_problem();
    p.options.weight = &p.weight;
    p.options.sample_weight = &p.sample_weight;
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, &p.losses, &p.grad) == CE_OK);
    memcpy(want, loss, sizeof loss);
    memcpy(want_grad, grad, sizeof grad);
    for (shift = 1; shift < 16; shift++) {
        memset(room, FILL, sizeof room);
        p.input.data = memcpy(room[0] + shift, LOGITS, sizeof LOGITS);
        p.labels.data = memcpy(room[1] + shift, LABELS, sizeof LABELS);
        p.weight.data = memcpy(room[2] + shift, WEIGHT, sizeof WEIGHT);
        p.sample_weight.data = memcpy(room[3] + shift, SAMPLE_WEIGHT, sizeof SAMPLE_WEIGHT);
        p.losses.data = room[4] + shift;
        p.grad.data = room[5] + shift;
        CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, &p.losses, &p.grad) == CE_OK);
        CHECK(memcmp(room[4] + shift, want, sizeof want) == 0);
        CHECK(memcmp(room[5] + shift, want_grad, sizeof want_grad) == 0);
        CHECK(is_fill(room[4], (size_t)shift));
        CHECK(is_fill(room[4] + shift + sizeof want, sizeof room[4] - (size_t)shift - sizeof want));
        CHECK(is_fill(room[5], (size_t)shift));
        CHECK(is_fill(room[5] + shift + sizeof want_grad,
                      sizeof room[5] - (size_t)shift - sizeof want_grad));
    }
    p.input.data = room[0] + 3;
    memcpy(room[0] + 3, LOGITS, sizeof LOGITS);
    memcpy(room[1] + 5, LABELS, sizeof LABELS);
    CHECK(ce_cross_entropy_f32((float *)(void *)(room[0] + 3), (int64_t *)(void *)(room[1] + 5),
                               ROWS, CLASSES, &p.options, (float *)(void *)(room[4] + 1),
                               (float *)(void *)(room[0] + 3)) == CE_OK);
    CHECK(memcmp(room[4] + 1, want, sizeof want) == 0);
    CHECK(memcmp(room[0] + 3, want_grad, sizeof want_grad) == 0);
}

static void negative_strides(void) {
    static const int64_t back[2] = {-CLASSES, -1}, last[1] = {-1}, far[2] = {-8, 2};
    float                want[ROWS], want_grad[COUNT], wide[16];
    small                p = small_problem();
    int                  r, c;
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, &p.losses, &p.grad) == CE_OK);
    memcpy(want, loss, sizeof loss);
    memcpy(want_grad, grad, sizeof grad);
    clear_outputs();
    p.losses.data = loss + ROWS - 1, p.losses.strides = last;
    p.grad.data = grad + COUNT - 1, p.grad.strides = back;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, &p.losses, &p.grad) == CE_OK);
    CHECK(loss[0] == want[1] && loss[1] == want[0]);
    for (c = 0; c < COUNT; c++)
        CHECK(grad[COUNT - 1 - c] == want_grad[c]);
    memset(wide, FILL, sizeof wide);
    p.grad.data = wide + 8, p.grad.strides = far;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, &p.losses, &p.grad) == CE_OK);
    for (r = 0; r < ROWS; r++)
        for (c = 0; c < CLASSES; c++) {
            CHECK(wide[8 - 8 * r + 2 * c] == want_grad[r * CLASSES + c]);
            CHECK(is_fill(wide + 8 - 8 * r + 2 * c + 1, sizeof(float)));
        }
}

/* Threads ------------------------------------------------------------------------------------ */

enum { BIG_ROWS = 512, BIG_CLASSES = 4096 };

static float   *big_logits;
static int64_t *big_labels;

static void *room_for(size_t bytes) {
    void *memory = malloc(bytes);
    if (memory == NULL) {
        fprintf(stderr, "contract: out of memory\n");
        exit(2);
    }
    return memory;
}

/* Results of the large problem: a loss for each row, and the gradient. */
typedef struct {
    float *loss, *grad;
} results;

#define BIG_LOSS_BYTES (BIG_ROWS * sizeof(float))
#define BIG_GRAD_BYTES ((size_t)BIG_ROWS * BIG_CLASSES * sizeof(float))

static results make_results(void) {
    results made;
    made.loss = room_for(BIG_LOSS_BYTES);
    made.grad = room_for(BIG_GRAD_BYTES);
    memset(made.loss, FILL, BIG_LOSS_BYTES);
    memset(made.grad, FILL, BIG_GRAD_BYTES);
    return made;
}

static void free_results(results made) {
    free(made.loss);
    free(made.grad);
}

static int32_t big_call(results into, int32_t threads, const volatile int32_t *cancel) {
    ce_options options = defaults();
    options.reduction = CE_REDUCTION_NONE;
    options.threads = threads;
    options.cancel = cancel;
    return ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, into.loss,
                                into.grad);
}

static int same(results a, results b) {
    return memcmp(a.loss, b.loss, BIG_LOSS_BYTES) == 0 &&
           memcmp(a.grad, b.grad, BIG_GRAD_BYTES) == 0;
}

static results reference; /* with one thread */

static void make_big_problem(void) {
    uint64_t state = 2026;
    size_t   i;
    big_logits = room_for(BIG_GRAD_BYTES);
    big_labels = room_for(BIG_ROWS * sizeof *big_labels);
    for (i = 0; i < (size_t)BIG_ROWS * BIG_CLASSES; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        big_logits[i] = (float)((int32_t)(state >> 40) - (1 << 23)) * 0x1p-20f;
    }
    for (i = 0; i < BIG_ROWS; i++)
        big_labels[i] = (int64_t)(i * 37 % BIG_CLASSES);
    reference = make_results();
    CHECK(big_call(reference, 1, NULL) == CE_OK);
}

static void any_number_of_threads(void) {
    static const int32_t counts[] = {0, 2, 3, 7, 64, CE_MAX_THREADS, INT32_MAX};
    results              got = make_results();
    float                sum1, sum3;
    ce_options           options = defaults();
    size_t               i;
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        CHECK(big_call(got, counts[i], NULL) == CE_OK);
        CHECK(same(got, reference));
    }
    options.threads = 1;
    CHECK(ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &sum1,
                               NULL) == CE_OK);
    options.threads = 3;
    CHECK(ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &sum3,
                               NULL) == CE_OK);
    CHECK(memcmp(&sum1, &sum3, sizeof sum1) == 0);
    options.threads = -1;
    memset(&sum1, FILL, sizeof sum1);
    CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, &options, &sum1, NULL) ==
          CE_ERROR_OPTION);
    CHECK(is_fill(&sum1, sizeof sum1));
    free_results(got);
}

static void any_split_of_the_batch(void) {
    static const int64_t sizes[] = {1, 5, 100, 511};
    results              got = make_results();
    ce_options           options = defaults();
    size_t               i;
    int64_t              row, rows;
    options.reduction = CE_REDUCTION_NONE;
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(got.grad, FILL, BIG_GRAD_BYTES);
        for (row = 0; row < BIG_ROWS; row += rows) {
            rows = BIG_ROWS - row < sizes[i] ? BIG_ROWS - row : sizes[i];
            if (ce_cross_entropy_f32(big_logits + row * BIG_CLASSES, big_labels + row, rows,
                                     BIG_CLASSES, &options, got.loss + row,
                                     got.grad + row * BIG_CLASSES) != CE_OK)
                break;
        }
        CHECK(row == BIG_ROWS && same(got, reference));
    }
    free_results(got);
}

static void number_of_threads(void) {
    int32_t usual = ce_get_num_threads();
    CHECK(usual >= 1 && usual <= CE_MAX_THREADS);
    CHECK(ce_set_num_threads(3) == CE_OK && ce_get_num_threads() == 3);
    CHECK(ce_set_num_threads(-1) == CE_ERROR_OPTION && ce_get_num_threads() == 3);
    CHECK(ce_set_num_threads(INT32_MIN) == CE_ERROR_OPTION && ce_get_num_threads() == 3);
    CHECK(strlen(ce_last_error_message()) > 0);
    CHECK(ce_set_num_threads(CE_MAX_THREADS + 1) == CE_OK);
    CHECK(ce_get_num_threads() == CE_MAX_THREADS);
    CHECK(ce_set_num_threads(1) == CE_OK && ce_get_num_threads() == 1);
    CHECK(ce_set_num_threads(0) == CE_OK && ce_get_num_threads() == usual);
}

static void cancelling(void) {
    volatile int32_t cancel = 0;
    results          got = make_results();
    int32_t          threads;
    for (threads = 1; threads <= 3; threads += 2) {
        cancel = 0;
        CHECK(big_call(got, threads, &cancel) == CE_OK);
        CHECK(same(got, reference));
        cancel = 1;
        CHECK(big_call(got, threads, &cancel) == CE_ERROR_CANCELLED);
        cancel = -1;
        CHECK(big_call(got, threads, &cancel) == CE_ERROR_CANCELLED);
        CHECK(big_call(got, threads, NULL) == CE_OK);
        CHECK(same(got, reference));
    }
    free_results(got);
}

static int thread_failures; /* counted under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void note(int good) {
    pthread_mutex_lock(&lock);
    thread_failures += !good;
    pthread_mutex_unlock(&lock);
}

static pthread_barrier_t both;

/* Fails with a label of its own, waits until the other thread has failed, then reads the message. */
static void *fail_with_label(void *argument) {
    int64_t labels[ROWS] = {0, 0};
    float   out = 1;
    char    want[32];
    labels[1] = *(int64_t *)argument;
    sprintf(want, "label %d in row 1", (int)labels[1]);
    note(strcmp(ce_last_error_message(), "") == 0);
    note(ce_cross_entropy_f32(LOGITS, labels, ROWS, CLASSES, NULL, &out, NULL) == CE_ERROR_LABEL);
    pthread_barrier_wait(&both);
    note(strstr(ce_last_error_message(), want) != NULL);
    note(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, NULL, &out, NULL) == CE_OK);
    note(strstr(ce_last_error_message(), want) != NULL);
    return NULL;
}

static void messages(void) {
    int64_t   labels[2] = {777, 999};
    pthread_t threads[2];
    char      before[256];
    int       i;
    CHECK(ce_cross_entropy_f32(NULL, LABELS, ROWS, CLASSES, NULL, loss, NULL) ==
          CE_ERROR_NULL_POINTER);
    strncpy(before, ce_last_error_message(), sizeof before - 1);
    before[sizeof before - 1] = '\0';
    thread_failures = 0;
    pthread_barrier_init(&both, NULL, 2);
    for (i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, fail_with_label, &labels[i]) == 0);
    for (i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&both);
    CHECK(thread_failures == 0);
    CHECK(strcmp(ce_last_error_message(), before) == 0);
}

static void *call_often(void *argument) {
    results got = make_results();
    int     i;
    for (i = 0; i < 4; i++) {
        note(big_call(got, *(int *)argument, NULL) == CE_OK);
        note(same(got, reference));
    }
    free_results(got);
    return NULL;
}

static void calls_at_the_same_time(void) {
    int       counts[4] = {1, 2, 3, 3}, i;
    pthread_t threads[4];
    thread_failures = 0;
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, call_often, &counts[i]) == 0);
    for (i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(thread_failures == 0);
}

/* Rounding mode, flush-to-zero ------------------------------------------------------------------ */

static void floating_point_environment(void) {
    static const float faint[2] = {80.3f, 0.7f}; /* exp(-79.6) / 2^20 is subnormal */
    static const int   modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const int64_t label[1] = {0};
    ce_options         options = defaults();
    results            got = make_results();
    float              want[2], have[2];
    size_t             i;
    int32_t            threads;
    options.grad_loss = 0x1p-20;
    CHECK(ce_cross_entropy_f32(faint, label, 1, 2, &options, NULL, want) == CE_OK);
    CHECK(want[1] > 0 && want[1] < 0x1p-126f);
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++)
        for (threads = 1; threads <= 3; threads += 2) {
            int32_t status;
            int     after;
            memset(got.grad, FILL, BIG_GRAD_BYTES);
            fesetround(modes[i]);
            status = big_call(got, threads, NULL);
            after = fegetround();
            fesetround(FE_TONEAREST);
            CHECK(status == CE_OK && after == modes[i]);
            CHECK(same(got, reference));
        }
#if defined(__SSE2__)
    {
        unsigned before = _mm_getcsr(), after;
        int32_t  status;
        _mm_setcsr(before | 0x8040); /* flush to zero, denormals are zero */
        status = ce_cross_entropy_f32(faint, label, 1, 2, &options, NULL, have);
        after = _mm_getcsr();
        _mm_setcsr(before);
        CHECK(status == CE_OK && (after & 0xFFC0) == ((before | 0x8040) & 0xFFC0));
        CHECK(memcmp(want, have, sizeof want) == 0);
    }
#else
    (void)have;
#endif
    free_results(got);
}

/* fork --------------------------------------------------------------------------------------- */

/* Forks; the child makes calls and compares. Returns whether all went well there. */
static int child_agrees(void) {
    int   status;
    pid_t child = fork();
    if (child == 0) {
        results got = make_results();
        int     good;
        alarm(60);
        good = big_call(got, 3, NULL) == CE_OK && same(got, reference);
        good = good && big_call(got, 1, NULL) == CE_OK && same(got, reference);
        good = good && big_call(got, 3, NULL) == CE_OK && same(got, reference);
        _exit(good ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void forking(void) {
    results got = make_results();
    int     i;
    fflush(stdout);
    for (i = 0; i < 3; i++) {
        CHECK(big_call(got, 3, NULL) == CE_OK && same(got, reference));
        CHECK(child_agrees());
    }
    CHECK(big_call(got, 3, NULL) == CE_OK && same(got, reference));
    free_results(got);
}

static volatile sig_atomic_t enough;

static void *call_until_enough(void *argument) {
    results got = make_results();
    (void)argument;
    while (!enough) {
        note(big_call(got, 3, NULL) == CE_OK);
        note(same(got, reference));
    }
    free_results(got);
    return NULL;
}

/* The child starts in the middle of another thread's call. */
static void forking_during_a_call(void) {
    pthread_t       thread;
    struct timespec pause;
    int             i;
    fflush(stdout);
    enough = 0;
    thread_failures = 0;
    CHECK(pthread_create(&thread, NULL, call_until_enough, NULL) == 0);
    for (i = 0; i < 10; i++) {
        pause.tv_sec = 0;
        pause.tv_nsec = 700000 * (i + 1);
        nanosleep(&pause, NULL);
        CHECK(child_agrees());
    }
    enough = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(thread_failures == 0);
}

int main(void) {
    CHECK(strcmp(ce_last_error_message(), "") == 0);
    versions();
    status_strings();
    options_init();
    options_sizes();
    null_in_plain_calls();
    sizes_in_plain_calls();
    null_in_tensors();
    shapes_of_outputs();
    overlaps();
    overlaps_in_plain_calls();
    outputs_on_themselves();
    misaligned();
    negative_strides();
    make_big_problem();
    any_number_of_threads();
    any_split_of_the_batch();
    number_of_threads();
    cancelling();
    messages();
    calls_at_the_same_time();
    floating_point_environment();
    forking();
    forking_during_a_call();
    free(big_logits);
    free(big_labels);
    free_results(reference);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
