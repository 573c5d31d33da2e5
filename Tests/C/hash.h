/*
 * hash.h - what the programs share that hold results to the bits of the lists in Tests/Hashes: numbers from the generator
 * that the README there describes, hashes, the lists themselves, and the count of checks.
 */
#include <crossentropy.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static const char *program;
static FILE       *list; /* NULL: it is being written */
static int         is_quick;
static long        passed, failed;

static inline void stop(const char *what) {
    fprintf(stderr, "%s: %s\n", program, what);
    exit(2);
}

static inline void *allocate(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL)
        stop("out of memory");
    return memory;
}

/* Numbers and hashes --------------------------------------------------------------------------- */

static const uint64_t HASH_OF_NOTHING = 14695981039346656037u;

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *at = bytes;
    while (count-- > 0)
        hash = (hash ^ *at++) * 1099511628211u;
    return hash;
}

/* Of the text "line what". */
static inline uint64_t seed_for(const char *line, const char *what) {
    uint64_t hash = hash_bytes(HASH_OF_NOTHING, line, strlen(line));
    return hash_bytes(hash_bytes(hash, " ", 1), what, strlen(what));
}

/* The `bits` leading bits of the next state. */
static inline uint64_t next(uint64_t *state, int bits) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> (64 - bits);
}

static inline double next_number(uint64_t *state, int bits, int64_t shift, int exponent) {
    return ldexp((double)((int64_t)next(state, bits) - ((int64_t)1 << (bits - 1)) + shift), exponent);
}

static inline double *lcg(const char *line, const char *what, int64_t count, int bits, int64_t shift, int exponent) {
    uint64_t state = seed_for(line, what);
    double  *made = allocate((size_t)count * sizeof *made);
    int64_t  i;
    for (i = 0; i < count; i++)
        made[i] = next_number(&state, bits, shift, exponent);
    return made;
}

/* The input of `special` operations, B bits to a number: up to 512, infinities and NaN. */
static inline double *special(const char *line, int64_t rows, int64_t classes, int bits) {
    double *x = lcg(line, "input", rows * classes, bits, 0, 10 - bits);
    int64_t row, c;
    for (row = 0; row < rows; row++) {
        double *at = x + row * classes;
        int64_t kind = (row + classes) % 16;
        if (kind % 8 == 4)
            at[(row + classes / 2) % classes] = NAN;
        if (kind % 8 == 6)
            at[(row + classes / 3) % classes] = INFINITY;
        for (c = row % 3; c < classes && kind % 2 == 1; c += 3)
            at[c] = -INFINITY;
        for (c = 0; c < classes && kind == 8; c++)
            at[c] = -INFINITY;
    }
    return x;
}

/* A label for each row; `some_ignored`: -100 for every eighth or so. */
static inline double *labels_for(const char *line, int64_t rows, int64_t classes, int some_ignored) {
    uint64_t state = seed_for(line, "target");
    double  *made = allocate((size_t)rows * sizeof *made);
    int64_t  i;
    for (i = 0; i < rows; i++) {
        uint64_t u = next(&state, 32);
        made[i] = some_ignored && u % 8 == 0 ? -100 : (double)((u * (uint64_t)classes) >> 32);
    }
    return made;
}

/* Elements ------------------------------------------------------------------------------------- */

static inline size_t size_of(int32_t dtype) {
    switch (dtype) {
    case CE_I8: return 1;
    case CE_I16: case CE_F16: case CE_BF16: return 2;
    case CE_I32: case CE_F32: return 4;
    default: return 8;
    }
}

/* The smallest integers that hold the labels of so many classes. */
static inline int32_t smallest_label(int64_t classes) {
    return classes <= 128 ? CE_I8 : classes <= 32768 ? CE_I16 : CE_I32;
}

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The bits of the nearest number of a 16-bit type, the even one of two; `bits` are those of an f32. */
static inline uint16_t narrow(int32_t dtype, uint32_t bits) {
    /* f16 keeps 13 bits less of the significand, bf16 16; and below 2^-14, f16 has the same steps everywhere. */
    uint32_t magnitude = bits & 0x7FFFFFFF, sign = bits >> 16 & 0x8000, dropped = dtype == CE_F16 ? 13 : 16, kept;
    int      exponent = (int)(magnitude >> 23) - 127;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | (dtype == CE_F16 ? 0x7E00 : 0x7FC0));
    if (dtype == CE_F16 && exponent < -26)
        return (uint16_t)sign;
    if (dtype == CE_F16 && exponent < -14) {
        dropped += (uint32_t)(-14 - exponent);
        magnitude = (magnitude & 0x7FFFFF) | 0x800000;
    } else if (dtype == CE_F16) {
        magnitude -= (uint32_t)(127 - 15) << 23;
    }
    kept = magnitude >> dropped;
    magnitude &= (1u << dropped) - 1;
    if (magnitude > 1u << (dropped - 1) || (magnitude == 1u << (dropped - 1) && kept % 2 == 1))
        kept++;
    if (dtype == CE_F16 && kept > 0x7C00)
        kept = 0x7C00;
    return (uint16_t)(sign | kept);
}

static inline void put(unsigned char *at, int32_t dtype, double value) {
    float    single = (float)value;
    int64_t  label;
    uint16_t half;
    switch (dtype) {
    case CE_F32: memcpy(at, &single, sizeof single); return;
    case CE_F64: memcpy(at, &value, sizeof value); return;
    case CE_F16: case CE_BF16: half = narrow(dtype, bits_of(single)), memcpy(at, &half, sizeof half); return;
    default: /* the low bytes come first on every machine that this runs on */
        label = (int64_t)value, memcpy(at, &label, size_of(dtype));
    }
}

/* The floating-point unit ------------------------------------------------------------------------ */

typedef enum { AS_IT_IS, FLUSHING, UPWARD } float_setting;

#if defined(__SSE2__)
static const uint64_t  FLOAT_BITS[] = {0, 0x8040, 0x4000};
static inline uint64_t get_float(void) { return _mm_getcsr() & 0xFFC0; /* not the flags of what happened */ }
static inline void     set_float(uint64_t control) { _mm_setcsr((unsigned)control); }
#elif defined(__aarch64__)
static const uint64_t  FLOAT_BITS[] = {0, 1u << 24, 1u << 22};
static inline uint64_t get_float(void) {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
static inline void set_float(uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control)); }
#else
#error "how is the floating-point unit of this processor set?"
#endif

/* Lists ------------------------------------------------------------------------------------------ */

enum { LINE = 512 };

/* Takes the arguments, LIST [--quick] or --write. A written list begins with `title`. */
static inline void begin(const char *name, const char *title, int argc, char **argv) {
    program = name;
    is_quick = argc == 3 && strcmp(argv[2], "--quick") == 0;
    if (argc < 2 || argc > 3 || (argc == 3 && !is_quick))
        stop("the arguments are LIST [--quick], or --write");
    if (strcmp(argv[1], "--write") == 0)
        printf("# %s: README.md\n", title);
    else if ((list = fopen(argv[1], "r")) == NULL)
        stop("cannot read the list");
}

/* The next line that is no comment, without its end; 0 after the last one. */
static inline int next_line(char text[LINE]) {
    do
        if (fgets(text, LINE, list) == NULL)
            return 0;
    while (text[0] == '#');
    text[strcspn(text, "\n")] = '\0';
    return 1;
}

/* Its hashes, if it is the line of this name with so many of them. */
static inline void read_hashes(const char *name, uint64_t *hashes, int count) {
    char   text[LINE], message[3 * LINE];
    size_t length = strlen(name);
    int    is_there = next_line(text), is_good = is_there && strncmp(text, name, length) == 0, i, used;
    char  *at = text + length;
    for (i = 0; i < count && is_good; i++, at += used)
        is_good = sscanf(at, " %16" SCNx64 "%n", &hashes[i], &used) == 1 && used == 17;
    if (is_good && *at == '\0')
        return;
    if (is_there)
        snprintf(message, sizeof message, "the list has \"%s\" where \"%s\" and %d hashes should be", text, name, count);
    else
        snprintf(message, sizeof message, "the list ends where \"%s\" and %d hashes should be", name, count);
    stop(message);
}

static inline void write_hashes(const char *name, const uint64_t *hashes, int count) {
    int i;
    printf("%s", name);
    for (i = 0; i < count; i++)
        printf(" %016" PRIx64, hashes[i]);
    printf("\n");
}

/* Checks ----------------------------------------------------------------------------------------- */

static inline int report(const char *line, const char *configuration, const char *what) {
    enum { MOST_REPORTS = 20 };
    static int reports;
    if (reports++ < MOST_REPORTS)
        printf("FAIL %s, %s: %s\n", line, configuration, what);
    return 0;
}

/* Counts one check: whether the hashes are those of the list. */
static inline void compare(const char *line, const char *configuration, const char *const *outputs, const uint64_t *got,
                           const uint64_t *want, int count) {
    int is_good = 1, i;
    for (i = 0; i < count; i++)
        if (got[i] != want[i]) {
            char what[LINE];
            snprintf(what, sizeof what, "%s: hash %016" PRIx64 ", not %016" PRIx64, outputs[i], got[i], want[i]);
            is_good = report(line, configuration, what);
        }
    is_good ? passed++ : failed++;
}

#define CHECK(condition) check((condition) != 0, #condition, __func__, __LINE__)
#define FAILS(status, call) CHECK((call) == (status))

static inline void check(int is_good, const char *text, const char *where, int line) {
    is_good ? passed++ : failed++;
    if (!is_good)
        printf("FAIL %s, line %d: %s (last message: \"%s\")\n", where, line, text, ce_last_error_message());
}

/* After the last line of the list. */
static inline void end_list(void) {
    char text[LINE], message[2 * LINE];
    if (next_line(text)) {
        snprintf(message, sizeof message, "the list goes on with \"%s\"", text);
        stop(message);
    }
    fclose(list);
}

/* The exit status. */
static inline int tally(void) {
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
