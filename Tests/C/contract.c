/*
 * contract - checks what include/crossentropy.h promises about pointers, memory, threads and the
 * process: everything that the shared test cases cannot state.
 *
 *     contract [--without-fork]
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 * --without-fork leaves out what forks, for emulators that cannot.
 */
#define _GNU_SOURCE /* POSIX, and feenableexcept where there is one */

#include "outputs.h"

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
    const ce_row_stats *row_stats;
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
    made.row_stats = NULL;
    clear_outputs();
    return made;
}

static int32_t mean(const small *p) {
    return ce_cross_entropy(&p->input, -1, &p->labels, &p->options,
                            ALL_OUTPUTS(&p->one_loss, &p->grad, NULL, p->row_stats));
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
    static const int32_t unknown[] = {-1, CE_ERROR_PARTIAL + 1, 1000, INT32_MAX, INT32_MIN};
    size_t               i;
    int32_t              a, b;
    for (a = CE_OK; a <= CE_ERROR_PARTIAL; a++) {
        CHECK(ce_status_string(a) != NULL && strlen(ce_status_string(a)) > 0);
        for (b = CE_OK; b < a; b++)
            CHECK(strcmp(ce_status_string(a), ce_status_string(b)) != 0);
    }
    for (i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        CHECK(ce_status_string(unknown[i]) != NULL && strlen(ce_status_string(unknown[i])) > 0);
        for (a = CE_OK; a <= CE_ERROR_PARTIAL; a++)
            CHECK(strcmp(ce_status_string(unknown[i]), ce_status_string(a)) != 0);
    }
}

/* The size of ce_options in the first release. */
enum { FIRST_OPTIONS = 224 };

static void options_init(void) {
    static const size_t too_small[] = {0, 1, 8, FIRST_OPTIONS - 1};
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
    CHECK(room.known.reserved_input == 0);
    CHECK(room.known.clip == 0);
    CHECK(room.known.logit_scale == 1);
    CHECK(room.known.softcap == 0);
    CHECK(room.known.temperature == 1);
    CHECK(room.known.target_type == CE_TARGET_PROBS);
    CHECK(room.known.target_rest == CE_REST_DROP);
    CHECK(room.known.target_probs == NULL);
    CHECK(room.known.target_offsets == NULL);
    CHECK(room.known.ignore_index == -100);
    CHECK(room.known.ignore_indices == NULL);
    CHECK(room.known.label_smoothing == 0);
    CHECK(room.known.prior == NULL);
    CHECK(room.known.weight == NULL);
    CHECK(room.known.sample_weight == NULL);
    CHECK(room.known.mask == NULL);
    CHECK(room.known.pos_weight == NULL);
    CHECK(room.known.z_loss == 0);
    CHECK(room.known.focal_gamma == 0);
    CHECK(room.known.poly_epsilon == 0);
    CHECK(room.known.temperature_squared == 0);
    CHECK(room.known.kl_form == CE_KL_GENERALIZED);
    CHECK(room.known.reduction == CE_REDUCTION_MEAN);
    CHECK(room.known.mean_over == CE_MEAN_OVER_WEIGHT);
    CHECK(room.known.mean_divisor == 0);
    CHECK(room.known.empty == CE_EMPTY_NAN);
    CHECK(room.known.reserved_reduction == 0);
    CHECK(room.known.grad_loss == 1);
    CHECK(room.known.grad_losses == NULL);
    CHECK(room.known.threads == 0);
    CHECK(room.known.reserved_execution == 0);
    CHECK(room.known.cancel == NULL);
    CHECK(is_fill(room.later, sizeof room.later));

    /* A program built against a later header asks for more: it gets zeros, the old behaviour. */
    memset(&room, FILL, sizeof room);
    CHECK(ce_options_init(&room.known, sizeof(ce_options) + 24) == CE_OK);
    CHECK(room.known.size == sizeof(ce_options) + 24);
    CHECK(room.known.ignore_index == -100);
    for (i = 0; i < 24; i++)
        CHECK(room.later[i] == 0);
    CHECK(is_fill(room.later + 24, sizeof room.later - 24));

    /* One built against the first release's header. */
    memset(&room, FILL, sizeof room);
    CHECK(offsetof(ce_options, cancel) + sizeof(void *) == FIRST_OPTIONS);
    CHECK(ce_options_init(&room.known, FIRST_OPTIONS) == CE_OK);
    CHECK(room.known.size == FIRST_OPTIONS && room.known.cancel == NULL);
    CHECK(is_fill((unsigned char *)&room + FIRST_OPTIONS, sizeof room - FIRST_OPTIONS));
}

static void options_sizes(void) {
    static const uint64_t too_small[] = {0, 1, 8, FIRST_OPTIONS - 1};
    struct {
        ce_options    known;
        unsigned char later[64];
    } room;
    small  p = small_problem();
    size_t i, size;
    for (i = 0; i < sizeof too_small / sizeof too_small[0]; i++) {
        p.options.size = too_small[i];
        CHECK(mean(&p) == CE_ERROR_OPTIONS_SIZE);
        CHECK(ce_cross_entropy_f32(LOGITS, LABELS, ROWS, CLASSES, &p.options, loss, grad) ==
              CE_ERROR_OPTIONS_SIZE);
        CHECK(nothing_written());
    }
    /* A size that ends inside a field is no version's, of however many fields: neither half a pointer is read nor a
     * number that the caller may have set left out. */
    for (size = FIRST_OPTIONS; size <= sizeof(ce_options) + 16; size++) {
        const int32_t want = size % 8 == 0 ? CE_OK : CE_ERROR_OPTIONS_SIZE;
        memset(&room, FILL, sizeof room);
        CHECK(ce_options_init(&room.known, size) == want);
        CHECK(want == CE_OK || is_fill(&room, sizeof room));
        memset(&room, 0, sizeof room);
        CHECK(ce_options_init(&room.known, sizeof(ce_options)) == CE_OK);
        memset((unsigned char *)&room + (size + 7) / 8 * 8, FILL, sizeof room - (size + 7) / 8 * 8);
        room.known.size = size;
        clear_outputs();
        CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &room.known, OUTPUTS(&p.one_loss, &p.grad)) == want);
        CHECK(want == CE_OK ? loss_is_right() : nothing_written());
    }
    /* What lies behind the options of an older caller is not theirs. */
    memset(&room, FILL, sizeof room);
    CHECK(ce_options_init(&room.known, FIRST_OPTIONS) == CE_OK);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &room.known, OUTPUTS(&p.one_loss, &p.grad)) == CE_OK);
    CHECK(loss_is_right());
    memset(&room, 0, sizeof room);
    CHECK(ce_options_init(&room.known, sizeof room) == CE_OK);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &room.known, OUTPUTS(&p.one_loss, &p.grad)) == CE_OK);
    CHECK(loss_is_right());
}

/* A struct that was cleared, and not filled by ce_options_init: the message says what would help. */
static void cleared_options(void) {
    small p = small_problem();
    memset(&p.options, 0, sizeof p.options);
    p.options.size = sizeof p.options;
    CHECK(mean(&p) == CE_ERROR_OPTION && nothing_written());
    CHECK(strstr(ce_last_error_message(), "logit_scale is 0") != NULL);
    CHECK(strstr(ce_last_error_message(), "ce_options_init") != NULL);
    p.options.logit_scale = 1;
    CHECK(mean(&p) == CE_ERROR_OPTION && nothing_written());
    CHECK(strstr(ce_last_error_message(), "temperature is 0") != NULL);
    CHECK(strstr(ce_last_error_message(), "ce_options_init") != NULL);
    p.options.temperature = 1;
    p.options.ignore_index = CE_IGNORE_NONE;
    CHECK(mean(&p) == CE_OK && loss_is_right());
}

static void outputs_sizes(void) {
    struct {
        ce_outputs    known;
        unsigned char later[64];
    } room;
    small  p = small_problem();
    size_t size;
    /* Of a size that is no version's nothing else is read. */
    for (size = 0; size <= sizeof room; size++) {
        const int is_good = size >= sizeof(ce_outputs) && size % 8 == 0;
        memset(&room, FILL, sizeof room);
        room.known.size = size;
        if (is_good) {
            memset((unsigned char *)&room + sizeof(ce_outputs), 0, size - sizeof(ce_outputs));
            room.known.loss = &p.one_loss;
            room.known.grad = room.known.grad_target = NULL;
            room.known.row_stats = NULL;
        }
        clear_outputs();
        CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, &room.known) == (is_good ? CE_OK : CE_ERROR_OPTIONS_SIZE));
        CHECK(is_good ? loss_is_right() : nothing_written());
        CHECK(is_good || strstr(ce_last_error_message(), "outputs.size") != NULL);
    }
}

/* A call with one of its structs `more` bytes longer than this library's, of which byte `set` is not 0 (-1: none). */
enum { OPTIONS, OUTPUTS_STRUCT, ROW_STATS, ALONE_STATS, STRUCTS, LATER = 64 };

static int32_t with_later_fields(int which, size_t more, int set) {
    struct {
        ce_options    known;
        unsigned char later[LATER];
    } options;
    struct {
        ce_outputs    known;
        unsigned char later[LATER];
    } outputs;
    struct {
        ce_row_stats  known;
        unsigned char later[LATER];
    } stats;
    small          p = small_problem();
    unsigned char *later = which == OPTIONS ? options.later : which == OUTPUTS_STRUCT ? outputs.later : stats.later;
    memset(&options, 0, sizeof options);
    memset(&outputs, 0, sizeof outputs);
    memset(&stats, 0, sizeof stats);
    ce_options_init(&options.known, sizeof(ce_options));
    options.known.size += which == OPTIONS ? more : 0;
    outputs.known.size = sizeof(ce_outputs) + (which == OUTPUTS_STRUCT ? more : 0);
    outputs.known.loss = &p.one_loss;
    outputs.known.grad = &p.grad;
    outputs.known.row_stats = &stats.known;
    stats.known.size = sizeof(ce_row_stats) + (which >= ROW_STATS ? more : 0);
    memset(later + more, FILL, LATER - more); /* which the size leaves out */
    if (set >= 0)
        later[set] = 1;
    return which == ALONE_STATS ? ce_compute_row_stats(&p.input, -1, &p.labels, &options.known, &stats.known)
                                : ce_cross_entropy(&p.input, -1, &p.labels, &options.known, &outputs.known);
}

/* What a later release's caller leaves at 0 is done as before it could be said; what it sets is refused, wherever it lies. */
static void later_fields(void) {
    static const char *const names[STRUCTS] = {"options sets a field", "outputs sets a field", "row_stats sets a field",
                                               "stats sets a field"};
    int    which, set;
    size_t more;
    for (which = 0; which < STRUCTS; which++)
        for (more = 8; more <= LATER; more += 8) {
            CHECK(with_later_fields(which, more, -1) == CE_OK);
            CHECK(which == ALONE_STATS || loss_is_right());
            for (set = 0; set < (int)more; set++) {
                CHECK(with_later_fields(which, more, set) == CE_ERROR_OPTIONS_SIZE && nothing_written());
                CHECK(strstr(ce_last_error_message(), names[which]) != NULL);
            }
        }
}

/* A struct that was never filled may have any size: not so much is read of it, nor written by ce_options_init. */
static void huge_sizes(void) {
    static const uint64_t huge[] = {4104, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX - 7};
    small                 p = small_problem();
    size_t                i;
    for (i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        p.options.size = huge[i];
        CHECK(mean(&p) == CE_ERROR_OPTIONS_SIZE && nothing_written());
        CHECK(strstr(ce_last_error_message(), "the largest is 4096") != NULL);
        CHECK(ce_options_init(&p.options, (size_t)huge[i]) == CE_ERROR_OPTIONS_SIZE && p.options.size == huge[i]);
    }
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
    CHECK(ce_cross_entropy(NULL, -1, &p.labels, NULL, OUTPUTS(&p.one_loss, &p.grad)) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy(&p.input, -1, NULL, NULL, OUTPUTS(&p.one_loss, &p.grad)) ==
          CE_ERROR_NULL_POINTER);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, OUTPUTS(NULL, NULL)) == CE_ERROR_NULL_POINTER);
    CHECK(strstr(ce_last_error_message(), "nothing to compute") != NULL);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(strstr(ce_last_error_message(), "nothing to compute") != NULL);

    /* no data */
    q = p, q.input.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    q = p, q.labels.data = NULL;
    CHECK(mean(&q) == CE_ERROR_NULL_POINTER);
    mass = p.mass, mass.data = NULL;
    CHECK(ce_cross_entropy(&p.input, -1, &mass, NULL, OUTPUTS(&p.one_loss, &p.grad)) ==
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
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, OUTPUTS(&p.one_loss, NULL)) == CE_OK);
    CHECK(loss_is_right());
    clear_outputs();
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, OUTPUTS(NULL, &p.grad)) == CE_OK);
    CHECK(is_fill(loss, sizeof loss));
    clear_outputs();
    q = p, q.input.data = q.labels.data = q.grad.data = NULL;
    q.input.shape = q.labels.shape = q.grad.shape = empty;
    CHECK(mean(&q) == CE_OK);
    CHECK(isnan(loss[0]));
    q.losses.data = NULL, q.losses.shape = empty, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, OUTPUTS(&q.losses, &q.grad)) == CE_OK);
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
                              OUTPUTS(&p.losses, &p.grad));
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
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, OUTPUTS(&q.losses, &q.grad)) ==
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

/* Views that lie between each other's elements share no memory. */
static void interleaved(void) {
    static const int64_t half[2] = {4, 100}, step[2] = {200, 1}, padded[2] = {101, 1}, labels[4] = {0, 50, 99, 7};
    static const int64_t once[1] = {0};
    static const int64_t record_step[2] = {4, 1}, field_step[1] = {8}, few[2] = {4, 3};
    static const struct { /* as an array of records keeps them: fields of several dtypes, one after the other */
        double x[3];
        float  weight, loss;
    } record = {{0.3, -1.2, 2.1}, 0.75f, 0.0f};
    static float   both[4 * 200], want[4 * 100], want_loss[4], plain[4 * 100];
    unsigned char  records[4 * sizeof record + 8], changed[sizeof records];
    double         logits[4][3], loss64[4];
    float          sample_weight[4];
    ce_tensor      input, target = tensor(labels, CE_I64, 1, half, NULL), output, weights;
    ce_options     options = defaults();
    int            r, c, shift;
    options.reduction = CE_REDUCTION_NONE;
    for (r = 0; r < 4; r++)
        for (c = 0; c < 200; c++)
            both[r * 200 + c] = (float)((r * 37 + c * 11) % 64) * 0.125f;
    for (r = 0; r < 4; r++)
        memcpy(plain + r * 100, both + r * 200, 100 * sizeof(float));
    CHECK(ce_cross_entropy_f32(plain, labels, 4, 100, &options, want_loss, want) == CE_OK);

    /* the left and the right half of an array, and the same one element closer */
    input = tensor(both, CE_F32, 2, half, step), output = tensor(both + 100, CE_F32, 2, half, step);
    CHECK(ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(NULL, &output)) == CE_OK);
    output.data = both + 99;
    CHECK(ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(NULL, &output)) == CE_ERROR_OVERLAP);
    output.data = both + 101; /* its row 0 ends in row 1 of the input */
    CHECK(ce_cross_entropy(&input, -1, &target, NULL, OUTPUTS(NULL, &output)) == CE_ERROR_OVERLAP);
    output.data = both + 100;
    CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(NULL, &output)) == CE_OK);
    for (r = 0; r < 4; r++) {
        CHECK(memcmp(both + r * 200, plain + r * 100, 100 * sizeof(float)) == 0);
        CHECK(memcmp(both + r * 200 + 100, want + r * 100, 100 * sizeof(float)) == 0);
    }

    /* losses in the last column of a padded array, and a byte off it */
    for (r = 0; r < 4; r++)
        memcpy(both + r * 101, plain + r * 100, 100 * sizeof(float));
    input = tensor(both, CE_F32, 2, half, padded), output = tensor(both + 100, CE_F32, 1, half, padded);
    for (shift = -4; shift <= 4; shift++) {
        output.data = (unsigned char *)(both + 100) + shift;
        CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&output, NULL)) == (shift ? CE_ERROR_OVERLAP : CE_OK));
    }
    for (r = 0; r < 4; r++)
        CHECK(memcmp(both + r * 101 + 100, want_loss + r, sizeof(float)) == 0);

    /* fields of records */
    memset(records, 0, sizeof records);
    for (r = 0; r < 4; r++) {
        memcpy(records + (size_t)r * sizeof record, &record, sizeof record);
        memcpy(logits[r], record.x, sizeof record.x);
        sample_weight[r] = record.weight;
    }
    target = tensor(LABELS, CE_U8, 1, few, once);
    weights = tensor(sample_weight, CE_F32, 1, few, NULL);
    options.sample_weight = &weights;
    input = tensor(logits, CE_F64, 2, few, NULL), output = tensor(loss64, CE_F64, 1, few, NULL);
    CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&output, NULL)) == CE_OK);
    input = tensor(records, CE_F64, 2, few, record_step);
    weights = tensor(records + 24, CE_F32, 1, few, field_step);
    output = tensor(records + 28, CE_F32, 1, few, field_step);
    memcpy(changed, records, sizeof records);
    for (shift = -4; shift <= 4; shift++) {
        output.data = records + 28 + shift;
        CHECK(ce_cross_entropy(&input, -1, &target, &options, OUTPUTS(&output, NULL)) == (shift ? CE_ERROR_OVERLAP : CE_OK));
    }
    for (r = 0; r < 4; r++) {
        const float rounded = (float)loss64[r];
        memcpy(changed + (size_t)r * sizeof record + 28, &rounded, sizeof rounded);
    }
    CHECK(memcmp(records, changed, sizeof records) == 0);
}

/* Addresses and strides ---------------------------------------------------------------------- */

/* Every tensor at every distance from an aligned address, same bits as aligned. */
static void misaligned(void) {
    unsigned char room[8][96];
    float         want[ROWS], want_grad[COUNT];
    double        want_lse[ROWS];
    int64_t       want_rank[ROWS];
    ce_row_stats  stats = {sizeof(ce_row_stats), want_lse, NULL, NULL, NULL, NULL, want_rank};
    int           shift;
    small         p = small_problem();
    p.options.weight = &p.weight;
    p.options.sample_weight = &p.sample_weight;
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, ALL_OUTPUTS(&p.losses, &p.grad, NULL, &stats)) == CE_OK);
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
        stats.lse = (double *)(void *)(room[6] + shift);
        stats.target_rank = (int64_t *)(void *)(room[7] + shift);
        CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, ALL_OUTPUTS(&p.losses, &p.grad, NULL, &stats)) == CE_OK);
        CHECK(memcmp(room[4] + shift, want, sizeof want) == 0);
        CHECK(memcmp(room[5] + shift, want_grad, sizeof want_grad) == 0);
        CHECK(memcmp(room[6] + shift, want_lse, sizeof want_lse) == 0);
        CHECK(memcmp(room[7] + shift, want_rank, sizeof want_rank) == 0);
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
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);
    memcpy(want, loss, sizeof loss);
    memcpy(want_grad, grad, sizeof grad);
    clear_outputs();
    p.losses.data = loss + ROWS - 1, p.losses.strides = last;
    p.grad.data = grad + COUNT - 1, p.grad.strides = back;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);
    CHECK(loss[0] == want[1] && loss[1] == want[0]);
    for (c = 0; c < COUNT; c++)
        CHECK(grad[COUNT - 1 - c] == want_grad[c]);
    memset(wide, FILL, sizeof wide);
    p.grad.data = wide + 8, p.grad.strides = far;
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);
    for (r = 0; r < ROWS; r++)
        for (c = 0; c < CLASSES; c++) {
            CHECK(wide[8 - 8 * r + 2 * c] == want_grad[r * CLASSES + c]);
            CHECK(is_fill(wide + 8 - 8 * r + 2 * c + 1, sizeof(float)));
        }
}

/* Extreme arguments -------------------------------------------------------------------------- */

static const int64_t HUGE_LENGTH = (int64_t)1 << 62;

/* Tensors without elements may have any other lengths. */
static void huge_lengths_of_empty_tensors(void) {
    const int64_t shape[4] = {HUGE_LENGTH, HUGE_LENGTH, 0, 5}, strides[4] = {INT64_MIN, -1, 7, INT64_MAX};
    small         p = small_problem();
    p.input.data = p.labels.data = p.losses.data = p.grad.data = p.sample_weight.data = NULL;
    p.input.shape = p.labels.shape = p.losses.shape = p.grad.shape = p.sample_weight.shape = shape;
    p.input.ndim = p.grad.ndim = 4;
    p.labels.ndim = p.losses.ndim = p.sample_weight.ndim = 3;
    CHECK(mean(&p) == CE_OK && isnan(loss[0]));
    p.options.sample_weight = &p.sample_weight;
    p.options.empty = CE_EMPTY_ERROR;
    CHECK(mean(&p) == CE_ERROR_EMPTY);
    p.options.reduction = CE_REDUCTION_NONE;
    p.input.strides = p.labels.strides = p.losses.strides = p.grad.strides = strides;
    CHECK(ce_cross_entropy(&p.input, 3, &p.labels, &p.options, OUTPUTS(&p.losses, &p.grad)) == CE_OK);

    p = small_problem();
    p.one_loss.ndim = 3, p.one_loss.shape = shape;
    CHECK(mean(&p) == CE_ERROR_SHAPE); /* no element, but a mean is one */
    p.options.reduction = CE_REDUCTION_NONE;
    CHECK(mean(&p) == CE_ERROR_SHAPE);
    CHECK(nothing_written());
}

static void addresses_that_do_not_fit(void) {
    static const double  logits[COUNT];
    static const int64_t ignored[ROWS] = {-100, -100}, one[2] = {1, CLASSES}, any[2] = {INT64_MIN, 1};
    const int64_t        steps[] = {((int64_t)1 << 60) - 4, ((int64_t)1 << 60) + 1, INT64_MAX, INT64_MIN,
                                    -((int64_t)1 << 60) - 1, HUGE_LENGTH};
    const int64_t        long_shape[2] = {(int64_t)1 << 59, 1}, up[2] = {3, 1}, down[1] = {-2};
    small                p = small_problem(), q;
    int64_t              far[2] = {0, 1};
    size_t               i;
    p.labels.data = tensor(ignored, CE_I64, 1, SHAPE, NULL).data; /* no row is looked at */
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        far[0] = steps[i];
        q = p, q.input = tensor(logits, CE_F64, 2, SHAPE, far);
        CHECK(ce_cross_entropy(&q.input, -1, &q.labels, NULL, OUTPUTS(&q.one_loss, NULL)) == CE_ERROR_OVERFLOW);
        q = p, q.sample_weight = tensor(logits, CE_F64, 1, SHAPE, far);
        q.options.sample_weight = &q.sample_weight;
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
        q = p, q.labels.strides = far;
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
    }
    for (i = 0; i < COUNT * sizeof(float); i++) {
        const uintptr_t end = (uintptr_t)INT64_MAX - i;
        q = p, memcpy(&q.input.data, &end, sizeof end);
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
        q = p, memcpy(&q.grad.data, &end, sizeof end);
        CHECK(mean(&q) == CE_ERROR_OVERFLOW);
    }
    CHECK(nothing_written());

    /* from the same place up and down: each reach fits, their sum does not */
    q = p, q.options.reduction = CE_REDUCTION_NONE;
    q.input = tensor(LOGITS, CE_F32, 2, long_shape, NULL);
    q.mass = tensor(MASS, CE_F32, 2, long_shape, up);
    q.losses = tensor(MASS, CE_F32, 1, long_shape, down);
    CHECK(ce_cross_entropy(&q.input, -1, &q.mass, &q.options, OUTPUTS(&q.losses, NULL)) == CE_ERROR_OVERLAP);

    /* a stride that is never stepped along, anywhere */
    q = small_problem();
    q.input.shape = q.labels.shape = q.grad.shape = one;
    q.input.strides = q.labels.strides = q.grad.strides = any;
    CHECK(mean(&q) == CE_OK && fabs(loss[0] - 0.9459107) < 1e-6);
    q.losses.shape = one, q.losses.strides = any, q.options.reduction = CE_REDUCTION_NONE;
    CHECK(ce_cross_entropy(&q.input, -1, &q.labels, &q.options, OUTPUTS(&q.losses, &q.grad)) == CE_OK);
}

/* Strides of 0 make room for more classes than there is memory. */
static void more_classes_than_memory(void) {
    const int64_t        shape[2] = {0, (int64_t)1 << 60};
    static const int64_t zero[2] = {0, 0};
    small                p = small_problem();
    int32_t              status, distributions;
    p.input = tensor(NULL, CE_F32, 2, shape, zero);
    p.labels = tensor(NULL, CE_I64, 1, shape, NULL);
    p.mass = tensor(NULL, CE_F32, 2, shape, zero);
    p.weight = tensor(WEIGHT, CE_F32, 1, shape + 1, zero);
    p.options.weight = &p.weight;
    p.options.label_smoothing = 0.1;
    for (distributions = 0; distributions < 2; distributions++) {
        clear_outputs();
        status = ce_cross_entropy(&p.input, -1, distributions ? &p.mass : &p.labels, &p.options,
                                  OUTPUTS(&p.one_loss, NULL));
        CHECK(status == CE_OK || (status == CE_ERROR_OUT_OF_MEMORY && nothing_written()));
    }
}

/* Calls with values drawn from these in every place. What they return matters little; that they return does. */
static const int64_t EXTREMES[] = {
    INT64_MIN, INT64_MIN + 1, -((int64_t)1 << 62), -((int64_t)1 << 60) - 1, -((int64_t)1 << 31), -65,
    -2, -1, 0, 1, 2, 3, 63, 64, 65, ((int64_t)1 << 31) - 1, (int64_t)1 << 31, (int64_t)1 << 32,
    (int64_t)1 << 59, ((int64_t)1 << 60) - 4, (int64_t)1 << 60, (int64_t)1 << 61, (int64_t)1 << 62, INT64_MAX - 7, INT64_MAX};

enum { EXTREME_VALUES = sizeof EXTREMES / sizeof EXTREMES[0], EXTREME_CALLS = 300000 };
enum { PLACE = 512, MOST_DIMENSIONS = 2 * CE_MAX_NDIM };

static unsigned char area[TENSORS][PLACE]; /* a place for each tensor, which starts in its middle */

static uint32_t below(uint32_t limit) {
    static uint64_t state = 2026;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 32) % limit;
}

static int64_t extreme(void) { return EXTREMES[below(EXTREME_VALUES)]; }

typedef struct {
    ce_tensor view;
    int64_t   shape[MOST_DIMENSIONS], strides[MOST_DIMENSIONS];
    int       is_small; /* the whole of it lies in its place: a call may go through with it */
} random_tensor;

/* The shape is as given, which must be MOST_DIMENSIONS lengths whatever ndim is, and the view a possible one, each with an
 * exception now and then: all of them together let calls get to every check. */
static void make_random(random_tensor *made, int which, const int64_t *shape, int32_t ndim, int32_t dtype) {
    uintptr_t address = (uintptr_t)area[which] + PLACE / 2 + below(16);
    int32_t   d;
    made->is_small = 1;
    if (below(64) == 0)
        ndim = (int32_t)extreme();
    if (below(64) == 0)
        dtype = (int32_t)(below(2) ? extreme() : below(32));
    if (below(64) == 0)
        address = (uintptr_t)extreme(), made->is_small = 0;
    made->view = tensor(NULL, dtype, ndim, made->shape, below(4) ? made->strides : NULL);
    memcpy(&made->view.data, &address, sizeof address);
    made->is_small = made->is_small && ndim >= 0 && ndim <= 3;
    for (d = 0; d < ndim && d < MOST_DIMENSIONS; d++) {
        made->shape[d] = below(64) ? shape[d] : extreme();
        made->strides[d] = below(8) ? (int64_t)below(9) - 4 : extreme();
        if (made->shape[d] < 0 || made->shape[d] > 3 || made->strides[d] < -4 || made->strides[d] > 4)
            made->is_small = 0;
    }
}

static void any_values(void) {
    static random_tensor       made[TENSORS];
    static const unsigned char untouched[sizeof area];
    int64_t                    shape[CE_MAX_NDIM + MOST_DIMENSIONS], rows[MOST_DIMENSIONS]; /* from any axis on */
    long                       seen[CE_ERROR_CANCELLED + 1] = {0}, call, wrong = 0;
    memset(area, 0, sizeof area);
    memset(shape, 0, sizeof shape);
    memset(rows, 0, sizeof rows);
    for (call = 0; call < EXTREME_CALLS; call++) {
        int32_t    ndim = 1 + (int32_t)below(below(64) ? 3 : CE_MAX_NDIM), axis = (int32_t)below((uint32_t)ndim);
        int32_t    d, status, dtype = CE_F32 + (int32_t)below(4), is_refused = 0, is_small = 1;
        ce_options options = defaults();
        for (d = 0; d < ndim; d++)
            shape[d] = below(4) ? (int64_t)below(4) : llabs(extreme() / 2);
        for (d = 0; d + 1 < ndim; d++)
            rows[d] = shape[d < axis ? d : d + 1];
        options.reduction = (int32_t)below(3);
        options.mean_over = (int32_t)below(3);
        options.empty = (int32_t)below(3);
        options.label_smoothing = below(2) ? 0.5 : 0;
        make_random(&made[INPUT], INPUT, shape, ndim, dtype);
        if (below(2))
            make_random(&made[TARGET], TARGET, rows, ndim - 1, CE_I8 + (int32_t)below(8));
        else
            make_random(&made[TARGET], TARGET, shape, ndim, below(2) ? CE_F32 : CE_F64);
        make_random(&made[CLASS_WEIGHT], CLASS_WEIGHT, shape + axis, 1, CE_F32);
        make_random(&made[ROW_WEIGHT], ROW_WEIGHT, rows, ndim - 1, CE_F64);
        make_random(&made[LOSS], LOSS, rows, options.reduction == CE_REDUCTION_NONE ? ndim - 1 : 0, CE_F32);
        make_random(&made[GRAD], GRAD, shape, ndim, dtype);
        options.weight = below(4) ? NULL : &made[CLASS_WEIGHT].view;
        options.sample_weight = below(4) ? NULL : &made[ROW_WEIGHT].view;
        for (d = 0; d < TENSORS; d++)
            is_small = is_small && made[d].is_small;

        /* What does not lie in its place must not be computed: an option that is wrong, or outputs that are also the
         * target, keep the call from it after all other checks. */
        if (!is_small && (options.weight != NULL || below(2))) {
            options.threads = -1;
            is_refused = 1;
        } else if (!is_small) {
            made[TARGET].view.data = made[LOSS].view.data = made[GRAD].view.data = area[TARGET] + PLACE / 2;
        }
        status = ce_cross_entropy(&made[INPUT].view, below(64) ? axis : (int32_t)extreme(), &made[TARGET].view,
                                  &options, OUTPUTS(&made[LOSS].view, &made[GRAD].view));
        if (status < CE_OK || status > CE_ERROR_CANCELLED || (is_refused && status == CE_OK)) {
            wrong++;
            continue;
        }
        seen[status]++;
        if (status != CE_OK)
            wrong += memcmp(area, untouched, sizeof area) != 0;
        memset(area, 0, sizeof area);

        options.threads = -1;
        options.weight = options.sample_weight = NULL;
        wrong += ce_cross_entropy_f64((double *)(void *)area[INPUT], (int64_t *)(void *)area[TARGET], extreme(),
                                      extreme(), &options, (double *)(void *)area[LOSS], NULL) == CE_OK;
    }
    CHECK(wrong == 0);
    CHECK(seen[CE_OK] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_DTYPE] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_SHAPE] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_OVERFLOW] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_OVERLAP] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_OPTION] > EXTREME_CALLS / 100);
    CHECK(seen[CE_ERROR_NULL_POINTER] > 0);
}

/* 16 bits ------------------------------------------------------------------------------------- */

static const int32_t HALVES[2] = {CE_F16, CE_BF16};

/* The number that 16 bits are. */
static float widened(uint16_t bits, int32_t dtype) {
    const uint32_t word = (uint32_t)bits << 16;
    const int      exponent = bits >> 10 & 31, fraction = bits & 1023;
    float          number;
    if (dtype == CE_BF16) {
        memcpy(&number, &word, sizeof number);
        return number;
    }
    if (exponent == 31)
        number = fraction == 0 ? INFINITY : NAN;
    else
        number = (float)(exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25));
    return bits >> 15 ? -number : number;
}

/* Every number of 16 bits gives what the same number gives as f32. */
static void halves_are_widened(void) {
    static uint16_t      input[1 << 16][2];
    static int64_t       labels[1 << 16];
    static float         wide[1 << 16][2], losses[1 << 16], want[1 << 16], gradient[1 << 16][2], want_gradient[1 << 16][2];
    static const int64_t shape[2] = {1 << 16, 2};
    ce_options           options = defaults();
    int                  kind;
    int32_t              i;
    options.reduction = CE_REDUCTION_NONE;
    for (kind = 0; kind < 2; kind++) {
        const ce_tensor x = tensor(input, HALVES[kind], 2, shape, NULL), y = tensor(labels, CE_I64, 1, shape, NULL);
        const ce_tensor l = tensor(losses, CE_F32, 1, shape, NULL), g = tensor(gradient, CE_F32, 2, shape, NULL);
        long            wrong = 0;
        for (i = 0; i < 1 << 16; i++) {
            input[i][0] = (uint16_t)i, input[i][1] = 0;
            wide[i][0] = widened((uint16_t)i, HALVES[kind]), wide[i][1] = 0;
        }
        CHECK(ce_cross_entropy_f32(&wide[0][0], labels, 1 << 16, 2, &options, want, &want_gradient[0][0]) == CE_OK);
        CHECK(ce_cross_entropy(&x, -1, &y, &options, OUTPUTS(&l, &g)) == CE_OK);
        for (i = 0; i < 1 << 16; i++)
            wrong += isnan(want[i]) ? !isnan(losses[i]) || !isnan(gradient[i][0]) || !isnan(gradient[i][1])
                                    : memcmp(&losses[i], &want[i], sizeof losses[i]) != 0 ||
                                          memcmp(gradient[i], want_gradient[i], sizeof gradient[i]) != 0;
        CHECK(wrong == 0);
    }
}

/* The gradient of logarithms of probabilities is the weight, negated: what rounding to 16 bits must give. */
static void halves_are_rounded(void) {
    static const struct {
        float    number;
        uint16_t f16, bf16;
    } table[] = {
        {1.0f, 0x3C00, 0x3F80},         {0x1.002p0f, 0x3C00, 0x3F80},     {0x1.002002p0f, 0x3C01, 0x3F80},
        {0x1.006p0f, 0x3C02, 0x3F80},   {0x1.005ffep0f, 0x3C01, 0x3F80},  {0x1.01p0f, 0x3C04, 0x3F80},
        {0x1.010002p0f, 0x3C04, 0x3F81}, {0x1.03p0f, 0x3C0C, 0x3F82},     {0x1.02fffep0f, 0x3C0C, 0x3F81},
        {0x1.fffffep0f, 0x4000, 0x4000}, {0x1.ffdffep15f, 0x7BFF, 0x4780}, {0x1.ffep15f, 0x7C00, 0x4780},
        {0x1p-14f, 0x0400, 0x3880},     {0x1.ffffp-15f, 0x0400, 0x3880},  {0x1p-24f, 0x0001, 0x3380},
        {0x1p-25f, 0x0000, 0x3300},     {0x1.000002p-25f, 0x0001, 0x3300}, {0x1.8p-24f, 0x0002, 0x33C0},
        {0x1.7ffffep-24f, 0x0001, 0x33C0}, {0x1.fffffep-26f, 0x0000, 0x3300}, {0x1p-126f, 0x0000, 0x0080},
        {0x1p-133f, 0x0000, 0x0001},    {0x1p-134f, 0x0000, 0x0000},      {0x1.8p-134f, 0x0000, 0x0001},
        {0x1.8p-133f, 0x0000, 0x0002},  {0x1p-149f, 0x0000, 0x0000},      {0x1.fefffep127f, 0x7C00, 0x7F7F},
        {0x1.ffp127f, 0x7C00, 0x7F80},  {0x1.fffffep127f, 0x7C00, 0x7F80}};
    enum { NUMBERS = sizeof table / sizeof table[0] };
    static const int     modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const int64_t labels[NUMBERS] = {0}, shape[2] = {NUMBERS, 1}, wide[2] = {NUMBERS, NUMBERS};
    uint16_t             x[NUMBERS * NUMBERS], gradient[NUMBERS * NUMBERS];
    float                weight[NUMBERS], losses[NUMBERS];
    int64_t              diagonal[NUMBERS];
    const ce_tensor      y = tensor(labels, CE_I64, 1, shape, NULL), y2 = tensor(diagonal, CE_I64, 1, shape, NULL);
    const ce_tensor      w = tensor(weight, CE_F32, 1, shape, NULL), l = tensor(losses, CE_F32, 1, shape, NULL);
    ce_options           rows = defaults(), classes;
    int                  kind, mode, flushes, status[2], i;
    rows.reduction = CE_REDUCTION_NONE;
    rows.input_type = CE_INPUT_LOG_PROBS;
    classes = rows;
    rows.sample_weight = classes.weight = &w;
    memset(x, 0, sizeof x);
    for (i = 0; i < NUMBERS; i++)
        weight[i] = table[i].number, diagonal[i] = i;
    for (kind = 0; kind < 2; kind++)
        for (mode = 0; mode < 4; mode++)
            for (flushes = 0; flushes < 2; flushes++) {
                const ce_tensor few = tensor(x, HALVES[kind], 2, shape, NULL);
                const ce_tensor few_gradients = tensor(gradient, HALVES[kind], 2, shape, NULL);
                const ce_tensor many = tensor(x, HALVES[kind], 2, wide, NULL);
                const ce_tensor many_gradients = tensor(gradient, HALVES[kind], 2, wide, NULL);
                int             call;
                for (call = 0; call < 2; call++) {
                    fenv_t usual;
                    int    wrong = 0;
                    fegetenv(&usual);
                    fesetround(modes[mode]);
#if defined(__SSE2__)
                    if (flushes) /* to zero, and takes subnormal numbers for zero */
                        _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
                    status[call] = call ? ce_cross_entropy(&many, -1, &y2, &classes, OUTPUTS(&l, &many_gradients))
                                        : ce_cross_entropy(&few, -1, &y, &rows, OUTPUTS(&l, &few_gradients));
                    fesetenv(&usual);
                    for (i = 0; i < NUMBERS; i++) {
                        const uint16_t got = gradient[call ? i * NUMBERS + i : i];
                        wrong += (got & 0x7FFF) != (kind ? table[i].bf16 : table[i].f16) || (got != 0 && got >> 15 == 0);
                    }
                    CHECK(status[call] == CE_OK && wrong == 0);
                }
            }
}

/* A loss has no 16 bits, nor has a gradient of wider input; and one in f32 does not fit in the place of the input. */
static void halves_in_their_places(void) {
    static const int64_t shape[2] = {ROWS, CLASSES};
    uint16_t             room[3 * COUNT];
    int                  kind, i;
    memset(room, 0, sizeof room);
    for (kind = 0; kind < 2; kind++) {
        const int32_t   half = HALVES[kind];
        small           p = small_problem(), q;
        const ce_tensor input = tensor(room, half, 2, shape, NULL);
        q = p, q.one_loss.dtype = half;
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "loss") != NULL);
        q = p, q.grad.dtype = half;
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "grad") != NULL);
        q = p, q.input = input, q.grad.dtype = CE_F64;
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "grad") != NULL);
        q = p, q.input = input, q.grad.dtype = HALVES[1 - kind];
        CHECK(mean(&q) == CE_ERROR_DTYPE && strstr(ce_last_error_message(), "grad") != NULL);
        for (i = 0; i < COUNT; i++) {
            q = p, q.input = input, q.grad = tensor(room + i, CE_F32, 2, shape, NULL);
            CHECK(mean(&q) == CE_ERROR_OVERLAP);
        }
        CHECK(nothing_written());
        for (i = 0; i < 3 * COUNT; i++)
            CHECK(room[i] == 0);
        q = p, q.input = input;
        CHECK(mean(&q) == CE_OK && fabs(loss[0] - log(3)) < 1e-6 && !is_fill(grad, sizeof grad));
        q = p, q.input = q.grad = input;
        CHECK(mean(&q) == CE_OK && fabs(loss[0] - log(3)) < 1e-6);
        for (i = 0; i < COUNT; i++)
            CHECK(fabs(widened(room[i], half) - (i == 2 || i == 3 ? -1 / 3.0 : 1 / 6.0)) < 1e-3);
        memset(room, 0, sizeof room);
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

/* Softmax and statistics ---------------------------------------------------------------------- */

static void softmax_arguments(void) {
    const int64_t one[1] = {1};
    small         p = small_problem();
    ce_tensor     wide = p.grad, short_one = p.grad, losses = p.losses, shifted = p.grad, half = p.losses;
    float         both[COUNT + 1];
    wide.dtype = CE_F64;
    short_one.ndim = 1;
    losses.shape = one;
    half.dtype = CE_F16;
    CHECK(ce_softmax(NULL, -1, NULL, &p.grad) == CE_ERROR_NULL_POINTER);
    CHECK(ce_softmax(&p.input, -1, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(strstr(ce_last_error_message(), "output") != NULL);
    CHECK(ce_log_softmax(&p.input, -1, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(ce_logsumexp(&p.input, -1, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(ce_softmax(&p.input, 2, NULL, &p.grad) == CE_ERROR_SHAPE);
    CHECK(ce_softmax(&p.input, -1, NULL, &wide) == CE_ERROR_DTYPE);
    CHECK(ce_softmax(&p.input, -1, NULL, &short_one) == CE_ERROR_SHAPE);
    CHECK(ce_logsumexp(&p.input, -1, NULL, &losses) == CE_ERROR_SHAPE);
    CHECK(ce_logsumexp(&p.input, -1, NULL, &half) == CE_ERROR_DTYPE);
    CHECK(ce_logsumexp(&p.input, -1, NULL, &p.input) == CE_ERROR_SHAPE);
    p.options.softcap = -1;
    CHECK(ce_softmax(&p.input, -1, &p.options, &p.grad) == CE_ERROR_OPTION);
    CHECK(nothing_written());
    memcpy(both, LOGITS, sizeof LOGITS);
    p.input.data = both;
    shifted.data = both + 1;
    CHECK(ce_softmax(&p.input, -1, NULL, &shifted) == CE_ERROR_OVERLAP);
    CHECK(memcmp(both, LOGITS, sizeof LOGITS) == 0);
    CHECK(ce_softmax(&p.input, -1, NULL, &p.grad) == CE_OK);
    CHECK(ce_softmax(&p.input, -1, NULL, &p.input) == CE_OK);
    CHECK(memcmp(both, grad, sizeof LOGITS) == 0);
}

static void statistics_arguments(void) {
    small        p = small_problem();
    double       numbers[2 * ROWS];
    int64_t      ranks[ROWS], bad[ROWS] = {0, CLASSES};
    ce_row_stats stats;
    ce_tensor    labels = p.labels;
    memset(&stats, 0, sizeof stats);
    memset(numbers, FILL, sizeof numbers);
    memset(ranks, FILL, sizeof ranks);
    CHECK(ce_compute_row_stats(&p.input, -1, NULL, NULL, NULL) == CE_ERROR_NULL_POINTER);
    CHECK(ce_compute_row_stats(&p.input, -1, NULL, NULL, &stats) == CE_ERROR_OPTIONS_SIZE); /* its size is 0 */
    stats.size = sizeof stats;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_OK);
    CHECK(ce_cross_entropy(&p.input, -1, &p.labels, NULL, ALL_OUTPUTS(NULL, NULL, NULL, &stats)) == CE_OK);
    stats.lse = numbers;
    stats.max = numbers + ROWS / 2;
    stats.target_rank = ranks;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_ERROR_OVERLAP);
    stats.max = NULL;
    stats.entropy = (double *)(void *)p.input.data;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_ERROR_OVERLAP);
    stats.entropy = NULL;
    CHECK(ce_compute_row_stats(&p.input, -1, &p.mass, NULL, &stats) == CE_ERROR_DTYPE);
    labels.data = bad;
    CHECK(ce_compute_row_stats(&p.input, -1, &labels, NULL, &stats) == CE_ERROR_LABEL);
    CHECK(is_fill(numbers, sizeof numbers) && is_fill(ranks, sizeof ranks));
    CHECK(ce_compute_row_stats(&p.input, -1, &p.labels, NULL, &stats) == CE_OK);
    CHECK(!is_fill(numbers, ROWS * sizeof *numbers) && is_fill(numbers + ROWS, ROWS * sizeof *numbers));
    CHECK(ranks[0] >= 0 && ranks[0] < CLASSES);

    /* From the pass of a loss: only of logits, and nothing is written if the call fails. */
    memset(numbers, FILL, sizeof numbers);
    p.row_stats = &stats;
    p.options.input_type = CE_INPUT_PROBS;
    CHECK(mean(&p) == CE_ERROR_OPTION);
    CHECK(strstr(ce_last_error_message(), "row_stats") != NULL);
    p.options.input_type = CE_INPUT_LOGITS;
    p.options.label_smoothing = 0.1;
    p.labels.data = bad;
    CHECK(mean(&p) == CE_ERROR_LABEL);
    CHECK(is_fill(numbers, sizeof numbers) && nothing_written());
    stats.lse = (double *)(void *)grad;
    p = small_problem();
    p.row_stats = &stats;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    CHECK(nothing_written());

    /* Nor may they lie on what is only read, the options' tensors among it. */
    p = small_problem();
    memcpy(numbers, LABELS, sizeof LABELS);
    labels = p.labels;
    labels.data = numbers;
    stats.lse = numbers;
    p.row_stats = &stats;
    p.options.mask = &labels;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    CHECK(memcmp(numbers, LABELS, sizeof LABELS) == 0);
    p.options.mask = NULL;
    p.options.ignore_indices = &labels;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    CHECK(memcmp(numbers, LABELS, sizeof LABELS) == 0 && nothing_written());
}

static void row_options(void) {
    small     p = small_problem();
    ce_tensor mask = p.sample_weight, inside = p.labels;
    p.options.mask = &mask;
    CHECK(mean(&p) == CE_ERROR_DTYPE); /* floating point */
    mask = p.labels;
    mask.data = grad;
    CHECK(mean(&p) == CE_ERROR_OVERLAP);
    p.options.mask = NULL;
    p.options.ignore_indices = &mask;
    mask.data = p.labels.data;
    mask.dtype = CE_I32;
    CHECK(mean(&p) == CE_ERROR_DTYPE);
    p.options.ignore_indices = NULL;
    p.options.grad_losses = &inside;
    CHECK(mean(&p) == CE_ERROR_DTYPE);
    p.options.grad_losses = &p.sample_weight;
    CHECK(mean(&p) == CE_ERROR_OPTION); /* of a mean */
    CHECK(nothing_written());
}

/* Binary cross-entropy ------------------------------------------------------------------------ */

static int32_t binary_call(const ce_tensor *input, const ce_tensor *target, const ce_options *options,
                           const ce_tensor *into, const ce_tensor *slope) {
    clear_outputs();
    return ce_binary_cross_entropy(input, -1, target, options, OUTPUTS(into, slope));
}

static void binary(void) {
    int64_t    shape[2] = {ROWS, CLASSES}, one[1] = {1}, ones[64], huge[3] = {INT64_MAX / 2, 0, INT64_MAX};
    float      elements[COUNT], memory[2 * COUNT];
    ce_tensor  input = {(void *)LOGITS, CE_F32, 2, shape, NULL}, target = {(void *)MASS, CE_F32, 2, shape, NULL};
    ce_tensor  into = {loss, CE_F32, 0, NULL, NULL}, slope = {grad, CE_F32, 2, shape, NULL};
    ce_tensor  kept = {elements, CE_F32, 2, shape, NULL}, weight = {NULL, CE_F32, 1, one, NULL}, broken;
    ce_options options = defaults();
    float      heavy = 3, plain;
    int        i;

    CHECK(binary_call(&input, &target, NULL, &into, &slope) == CE_OK);
    plain = loss[0];
    CHECK(fabsf(plain - 0.665230f) < 1e-6f);
    CHECK(binary_call(&input, &target, NULL, &into, NULL) == CE_OK && loss[0] == plain);
    CHECK(binary_call(&input, &target, NULL, NULL, &slope) == CE_OK && grad[2] < 0 && grad[0] > 0);

    /* What is NULL. */
    ce_options_init(&options, sizeof options);
    options.mask = &target;
    CHECK(binary_call(&input, &target, &options, &into, &slope) == CE_ERROR_OPTION && nothing_written());
    CHECK(strstr(ce_last_error_message(), "mask") != NULL);
    options.mask           = NULL;
    options.ignore_indices = &target;
    CHECK(binary_call(&input, &target, &options, &into, &slope) == CE_ERROR_OPTION && nothing_written());
    options.ignore_indices = NULL;
    options.grad_losses    = &input;
    CHECK(binary_call(&input, &target, &options, &into, &slope) == CE_ERROR_OPTION && nothing_written());
    options.grad_losses = NULL;
    CHECK(binary_call(NULL, &target, NULL, &into, &slope) == CE_ERROR_NULL_POINTER && nothing_written());
    CHECK(binary_call(&input, NULL, NULL, &into, &slope) == CE_ERROR_NULL_POINTER && nothing_written());
    CHECK(binary_call(&input, &target, NULL, NULL, NULL) == CE_ERROR_NULL_POINTER && nothing_written());
    broken = target;
    broken.data = NULL;
    CHECK(binary_call(&input, &broken, NULL, &into, &slope) == CE_ERROR_NULL_POINTER && nothing_written());
    options.pos_weight = &weight;
    CHECK(binary_call(&input, &target, &options, &into, &slope) == CE_ERROR_NULL_POINTER && nothing_written());
    weight.data = &heavy;
    CHECK(binary_call(&input, &target, &options, &into, &slope) == CE_OK && loss[0] != plain);
    options.pos_weight = NULL;

    /* Overlaps: the gradient may replace the input and nothing else. */
    memcpy(memory, LOGITS, sizeof LOGITS);
    input.data = memory;
    broken = slope;
    broken.data = memory + 1;
    CHECK(ce_binary_cross_entropy(&input, -1, &target, NULL, OUTPUTS(&into, &broken)) == CE_ERROR_OVERLAP);
    CHECK(ce_binary_cross_entropy(&input, -1, &input, NULL, OUTPUTS(&into, &input)) == CE_ERROR_OVERLAP);
    CHECK(memcmp(memory, LOGITS, sizeof LOGITS) == 0);
    broken = weight;
    broken.data = loss;
    loss[0] = 1;
    options.pos_weight = &broken;
    CHECK(ce_binary_cross_entropy(&input, -1, &target, &options, OUTPUTS(&into, &slope)) == CE_ERROR_OVERLAP && loss[0] == 1);
    options.pos_weight = NULL;
    CHECK(binary_call(&input, &target, NULL, &into, &input) == CE_OK && loss[0] == plain);
    input.data = (void *)LOGITS;

    /* Losses one by one. */
    options.reduction = CE_REDUCTION_NONE;
    CHECK(binary_call(&input, &target, &options, &into, &slope) == CE_ERROR_SHAPE && nothing_written());
    CHECK(binary_call(&input, &target, &options, &kept, &slope) == CE_OK && fabsf(elements[2] - 0.474077f) < 1e-6f);

    /* 64 dimensions; and lengths whose product overflows where one of them is 0. */
    for (i = 0; i < 64; i++)
        ones[i] = i == 40 ? COUNT : 1;
    input.ndim = target.ndim = slope.ndim = 64;
    input.shape = target.shape = slope.shape = ones;
    CHECK(binary_call(&input, &target, NULL, &into, &slope) == CE_OK && loss[0] == plain);
    input.ndim = target.ndim = slope.ndim = 3;
    input.shape = target.shape = slope.shape = huge;
    CHECK(binary_call(&input, &target, NULL, &into, &slope) == CE_OK && isnan(loss[0]));
    CHECK(is_fill(grad, sizeof grad));
}

static void cancelling_binary(void) {
    int64_t          shape[2] = {BIG_ROWS, BIG_CLASSES};
    results          got = make_results();
    ce_tensor        input = {big_logits, CE_F32, 2, shape, NULL}, slope = {got.grad, CE_F32, 2, shape, NULL};
    ce_options       options = defaults();
    volatile int32_t cancel = 1;
    int64_t          steps[2] = {0, 0};
    int8_t           label = 1;
    ce_tensor        target = {&label, CE_I8, 2, shape, steps};
    options.cancel = &cancel;
    CHECK(ce_binary_cross_entropy(&input, -1, &target, &options, OUTPUTS(NULL, &slope)) == CE_ERROR_CANCELLED);
    cancel = 0;
    CHECK(ce_binary_cross_entropy(&input, -1, &target, &options, OUTPUTS(NULL, &slope)) == CE_OK);
    label = 2;
    CHECK(ce_binary_cross_entropy(&input, -1, &target, &options, OUTPUTS(NULL, &slope)) == CE_ERROR_LABEL);
    CHECK(strcmp(ce_last_error_message(), "ce_binary_cross_entropy: label 2 in element 0 is neither 0 nor 1") == 0);
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

/* The processor time of all threads but this one, in nanoseconds. */
static int64_t time_of_others(void) {
    struct timespec all, own;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    return (int64_t)(all.tv_sec - own.tv_sec) * 1000000000 + (all.tv_nsec - own.tv_nsec);
}

/* Whether other threads work for this one's calls: at once as a rule, but a busy machine may let them wait. */
static int others_help(void) {
    const int64_t before = time_of_others();
    ce_options    options = defaults();
    float         mean_loss;
    int           i;
    options.threads = 3;
    for (i = 0; i < 1000; i++) {
        if (ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &mean_loss, NULL) != CE_OK)
            return 0;
        if (time_of_others() - before > 2000000)
            return 1;
    }
    return 0;
}

static void *call_until_cancelled(void *argument) {
    ce_options options = defaults();
    float      mean_loss;
    options.threads = 3;
    while (argument == NULL) {
        ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &mean_loss, NULL);
        pthread_testcancel();
    }
    return NULL;
}

/* A thread that is cancelled during a call must not take the other threads with it. */
static void cancelled_threads(void) {
    pthread_t       thread;
    struct timespec pause;
    void           *end;
    int             i;
    CHECK(others_help());
    for (i = 0; i < 20; i++) {
        pause.tv_sec = 0;
        pause.tv_nsec = 300000 * (i + 1);
        CHECK(pthread_create(&thread, NULL, call_until_cancelled, NULL) == 0);
        nanosleep(&pause, NULL);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &end) == 0 && end == PTHREAD_CANCELED);
    }
    CHECK(others_help());
}

/* The host's floating-point environment ------------------------------------------------------ */

enum { FEW_ROWS = 3, FEW_CLASSES = 4, FEW = FEW_ROWS * FEW_CLASSES, KINDS = 5 };

/* What calls of several kinds give, with the reductions mean and sum. */
typedef struct {
    int32_t status[2][KINDS][2];
    float   loss32[2][KINDS], grad32[2][KINDS][FEW], loss_of_many[2];
    double  loss64[2][KINDS], grad64[2][KINDS][FEW];
} environment_results;

/* Calls only, no arithmetic: some hosts let it trap. */
static void call_in_environment(environment_results *got, int32_t threads) {
    static const float   x32[FEW] = {0.1f, 0.2f, 0.3f, 0.4f, 0.97f, 0.02f, 1e-40f, 0.7f, 0.6f, 0.3f, 0.05f, 0.9f};
    static const double  x64[FEW] = {0.1, 0.2, 0.3, 0.4, 0.97, 0.02, 1e-310, 0.7, 0.6, 0.3, 0.05, 0.9};
    static const float   weight[FEW_CLASSES] = {1e-40f, 2e-40f, 3e-40f, 0.1f}, sample_weight[FEW_ROWS] = {0.3f, 1.7f, 0.9f};
    static const int64_t labels[FEW_ROWS] = {0, 1, 2}, rows[1] = {FEW_ROWS}, classes[1] = {FEW_CLASSES};
    const ce_tensor      weights = tensor(weight, CE_F32, 1, classes, NULL);
    const ce_tensor      sample_weights = tensor(sample_weight, CE_F32, 1, rows, NULL);
    int                  kind, reduction;
    memset(got, 0, sizeof *got);
    for (reduction = CE_REDUCTION_MEAN; reduction <= CE_REDUCTION_SUM; reduction++) {
        ce_options options = defaults();
        options.reduction = reduction;
        options.threads = threads;
        for (kind = 0; kind < KINDS; kind++) {
            if (kind == 1) /* subnormal, and so is their sum */
                options.weight = &weights;
            if (kind == 2)
                options.sample_weight = &sample_weights;
            if (kind == 3)
                options.label_smoothing = 0.1;
            if (kind == 4)
                options.input_type = CE_INPUT_PROBS, options.clip = 1e-9;
            got->status[reduction][kind][0] =
                ce_cross_entropy_f32(x32, labels, FEW_ROWS, FEW_CLASSES, &options, &got->loss32[reduction][kind],
                                     got->grad32[reduction][kind]);
            got->status[reduction][kind][1] =
                ce_cross_entropy_f64(x64, labels, FEW_ROWS, FEW_CLASSES, &options, &got->loss64[reduction][kind],
                                     got->grad64[reduction][kind]);
        }
        options = defaults();
        options.reduction = reduction;
        options.threads = threads;
        ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &got->loss_of_many[reduction],
                             NULL);
    }
}

static unsigned control_and_flags(void) {
#if defined(__SSE2__)
    return _mm_getcsr();
#else
    return 0;
#endif
}

typedef struct {
    int rounding, flushes, traps, raised;
} environment;

/* The same bits as in the usual environment, which is left as it was found, flags included. */
static void calls_in(environment host, int32_t threads, const environment_results *want) {
    environment_results got;
    fenv_t              usual;
    unsigned            before, after;
    int                 rounding, flags, traps = 0, traps_before = 0;
    fegetenv(&usual);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(host.raised);
    fesetround(host.rounding);
#if defined(__SSE2__)
    if (host.flushes) /* to zero, and takes subnormal numbers for zero */
        _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
#if defined(__GLIBC__)
    if (host.traps)
        feenableexcept(FE_ALL_EXCEPT);
    traps_before = fegetexcept();
#endif
#if defined(__SSE2__)
    if (host.traps) /* on subnormal numbers too */
        _mm_setcsr(_mm_getcsr() & ~0x1F80u);
#endif
    before = control_and_flags();
    call_in_environment(&got, threads);
    after = control_and_flags();
#if defined(__GLIBC__)
    traps = fegetexcept();
#endif
    rounding = fegetround();
    flags = fetestexcept(FE_ALL_EXCEPT);
    fesetenv(&usual);
    CHECK(memcmp(&got, want, sizeof got) == 0);
    CHECK(before == after && traps == traps_before);
    CHECK(rounding == host.rounding && flags == host.raised);
}

static void floating_point_environment(void) {
    static const float   faint[2] = {80.3f, 0.7f}; /* exp(-79.6) / 2^20 is subnormal */
    static const int     modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const int64_t label[1] = {0};
    ce_options           options = defaults();
    results              got = make_results();
    environment_results  want;
    environment          host;
    float                tiny[2];
    int                  i, kind, reduction;
    int32_t              threads;
    options.grad_loss = 0x1p-20;
    CHECK(ce_cross_entropy_f32(faint, label, 1, 2, &options, NULL, tiny) == CE_OK);
    CHECK(tiny[1] > 0 && tiny[1] < 0x1p-126f);

    call_in_environment(&want, 1);
    for (reduction = 0; reduction < 2; reduction++)
        for (kind = 0; kind < KINDS; kind++) {
            CHECK(want.status[reduction][kind][0] == CE_OK && want.status[reduction][kind][1] == CE_OK);
            CHECK(want.loss32[reduction][kind] > 0 && want.loss64[reduction][kind] > 0);
        }
    for (i = 0; i < 4; i++)
        for (threads = 1; threads <= 3; threads += 2) {
            memset(&host, 0, sizeof host);
            host.rounding = modes[i];
            calls_in(host, threads, &want);
            host.raised = FE_INEXACT | FE_OVERFLOW;
            calls_in(host, threads, &want);
            host.raised = 0, host.flushes = 1;
            calls_in(host, threads, &want);
            host.traps = 1;
            calls_in(host, threads, &want);
            host.flushes = 0;
            calls_in(host, threads, &want);
        }

    for (i = 1; i < 4; i++) {
        int32_t status;
        memset(got.grad, FILL, BIG_GRAD_BYTES);
        fesetround(modes[i]);
        status = big_call(got, 3, NULL);
        fesetround(FE_TONEAREST);
        CHECK(status == CE_OK && same(got, reference));
    }
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

int main(int argc, char **argv) {
    int forks = !(argc == 2 && strcmp(argv[1], "--without-fork") == 0);
    setvbuf(stdout, NULL, _IOLBF, 0); /* whatever ends the process, what failed before it is seen */
    CHECK(strcmp(ce_last_error_message(), "") == 0);
    versions();
    status_strings();
    options_init();
    options_sizes();
    cleared_options();
    outputs_sizes();
    later_fields();
    huge_sizes();
    null_in_plain_calls();
    sizes_in_plain_calls();
    null_in_tensors();
    shapes_of_outputs();
    overlaps();
    overlaps_in_plain_calls();
    outputs_on_themselves();
    interleaved();
    misaligned();
    negative_strides();
    huge_lengths_of_empty_tensors();
    addresses_that_do_not_fit();
    more_classes_than_memory();
    any_values();
    halves_are_widened();
    halves_are_rounded();
    halves_in_their_places();
    softmax_arguments();
    statistics_arguments();
    row_options();
    binary();
    make_big_problem();
    any_number_of_threads();
    any_split_of_the_batch();
    number_of_threads();
    cancelling();
    cancelling_binary();
    messages();
    calls_at_the_same_time();
    cancelled_threads();
    floating_point_environment();
    if (forks) {
        forking();
        forking_during_a_call();
    }
    free(big_logits);
    free(big_labels);
    free_results(reference);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
