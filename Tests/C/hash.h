/*
 * hash.h - what the programs share that hold results to the bits of the lists in Tests/Hashes: numbers as the README there
 * describes them, hashes, and the lists themselves.
 */
#ifndef HASH_H
#define HASH_H

#include "common.h"
#include "elements.h"
#include "float_control.h"

static FILE *list; /* NULL: it is being written */
static int   is_quick, is_small;

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

/* The smallest integers that hold the labels of so many classes. */
static inline int32_t smallest_label(int64_t classes) {
    return classes <= 128 ? CE_I8 : classes <= 32768 ? CE_I16 : CE_I32;
}

/* Lists ------------------------------------------------------------------------------------------ */

enum { LINE = 512 };

/* Takes the arguments, LIST [--quick | --small] or --write. A written list begins with `title`. */
static inline void begin(const char *title, int argc, char **argv) {
    is_quick = argc == 3 && strcmp(argv[2], "--quick") == 0;
    is_small = is_quick || (argc == 3 && strcmp(argv[2], "--small") == 0);
    if (argc < 2 || argc > 3 || (argc == 3 && !is_small))
        stop("the arguments are LIST [--quick | --small], or --write");
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
    count_check(is_good);
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

#endif
