/*
 * structs - versions and status strings, and structs of callers older and newer than this library: their sizes, and fields of
 * later releases.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include "small_problem.h"

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
    for (i = 0; i < LENGTH_OF(unknown); i++) {
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
    for (i = 0; i < LENGTH_OF(too_small); i++) {
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
    for (i = 0; i < LENGTH_OF(too_small); i++) {
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
    for (i = 0; i < LENGTH_OF(huge); i++) {
        p.options.size = huge[i];
        CHECK(mean(&p) == CE_ERROR_OPTIONS_SIZE && nothing_written());
        CHECK(strstr(ce_last_error_message(), "the largest is 4096") != NULL);
        CHECK(ce_options_init(&p.options, (size_t)huge[i]) == CE_ERROR_OPTIONS_SIZE && p.options.size == huge[i]);
    }
}

int main(void) {
    CHECK(strcmp(ce_last_error_message(), "") == 0);
    versions();
    status_strings();
    options_init();
    options_sizes();
    cleared_options();
    outputs_sizes();
    later_fields();
    huge_sizes();
    return tally();
}
