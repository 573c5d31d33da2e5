/*
 * common.h - what every program has: checks, their count and the last line, memory, and random numbers.
 */
#ifndef COMMON_H
#define COMMON_H

#include <crossentropy.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_OF(array) (sizeof(array) / sizeof(array)[0])

/* Ends the program, as it cannot be carried out: neither a pass nor a failure. */
static inline void stop(const char *what) {
    fprintf(stderr, __BASE_FILE__ ": %s\n", what);
    exit(2);
}

static inline void *allocate(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL)
        stop("out of memory");
    return memory;
}

/* Checks --------------------------------------------------------------------------------------- */

static long passed, failed;

/* What a failed check shows; a program that is not linked with the library defines it otherwise. */
#ifndef LAST_MESSAGE
#define LAST_MESSAGE ce_last_error_message()
#endif

#define CHECK(condition) check_condition((condition) != 0, #condition, __func__, __LINE__)
#define FAILS(status, call) CHECK((call) == (status))

/* Counts one check; the caller prints what failed, if it likes. */
static inline int count_check(int is_good) {
    is_good ? passed++ : failed++;
    return is_good;
}

static inline void check_condition(int is_good, const char *text, const char *where, int line) {
    if (count_check(is_good))
        return;
    printf("FAIL %s, line %d: %s (last message: \"%s\")\n", where, line, text, LAST_MESSAGE);
    fflush(stdout); /* it is seen whatever ends the process */
}

/* Prints the last line of every program, which tools/tally.py adds up. The exit status. */
static inline int tally(void) {
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}

/* What outputs are filled with before a call that is to leave them alone. */
enum { FILL = 0xA5 };

static inline int is_fill(const void *memory, size_t bytes) {
    const unsigned char *byte = memory;
    size_t               i;
    for (i = 0; i < bytes; i++)
        if (byte[i] != FILL)
            return 0;
    return 1;
}

/* Random numbers ------------------------------------------------------------------------------- */

/* The `bits` leading bits of the next state of the generator that Tests/Vectors/vectors.json describes. */
static inline uint64_t next(uint64_t *state, int bits) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> (64 - bits);
}

static inline double next_number(uint64_t *state, int bits, int64_t shift, int exponent) {
    return ldexp((double)((int64_t)next(state, bits) - ((int64_t)1 << (bits - 1)) + shift), exponent);
}

/* In [-1, 1). */
static inline double next_uniform(uint64_t *state) { return next_number(state, 53, 0, -52); }

#endif
