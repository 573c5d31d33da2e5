/*
 * loading - checks that loading libcrossentropy and calling it leave the process as it was: signal
 * handlers and masks, environment, and no thread until a call wants one.
 *
 *     loading LIBRARY
 *
 * The library is opened with dlopen, so do not link it. Prints the checks that fail, then
 * "N passed, M failed"; the exit status is 0 if M is 0.
 */
#define _GNU_SOURCE /* sched_getaffinity */

#define LAST_MESSAGE "" /* of the library, which is not linked */
#include "common.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

extern char **environ;

/* What the kernel says about a thread's signals: its lines SigBlk, SigIgn and SigCgt. */
#define BIT(signal) (1ULL << ((signal) - 1))

typedef struct {
    unsigned long long blocked, ignored, caught;
} signals;

static signals signals_in(const char *path) {
    signals found = {0, 0, 0};
    char    line[256];
    int     lines = 0;
    FILE   *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        lines += sscanf(line, "SigBlk: %llx", &found.blocked) == 1;
        lines += sscanf(line, "SigIgn: %llx", &found.ignored) == 1;
        lines += sscanf(line, "SigCgt: %llx", &found.caught) == 1;
    }
    if (file != NULL)
        fclose(file);
    CHECK(lines == 3);
    return found;
}

static int same(signals a, signals b) {
    return a.blocked == b.blocked && a.ignored == b.ignored && a.caught == b.caught;
}

/* The same without the signals that the C library keeps for itself, below SIGRTMIN: when a process
 * gets its second thread, glibc catches one of them, which may have been ignored before. */
static int same_but_internal(signals a, signals b) {
    int signal;
    for (signal = 32; signal < SIGRTMIN; signal++) {
        a.caught &= ~BIT(signal), b.caught &= ~BIT(signal);
        a.ignored &= ~BIT(signal), b.ignored &= ~BIT(signal);
    }
    return same(a, b);
}

/* The number of threads; for those other than the first checks that every signal is blocked. */
static int threads_now(void) {
    DIR           *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int            threads = 0, signal;
    CHECK(tasks != NULL);
    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        char    path[300];
        signals found;
        if (task->d_name[0] == '.')
            continue;
        threads++;
        if (strtol(task->d_name, NULL, 10) == (long)getpid())
            continue;
        sprintf(path, "/proc/self/task/%s/status", task->d_name);
        found = signals_in(path);
        for (signal = 1; signal < SIGRTMAX; signal++) {
            /* two cannot be blocked, those before SIGRTMIN are the C library's own, and a thread's own
             * faults are left to the host's handlers */
            if (signal == SIGKILL || signal == SIGSTOP || (signal >= 32 && signal < SIGRTMIN) ||
                signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
                signal == SIGTRAP || signal == SIGABRT || signal == SIGSYS)
                continue;
            CHECK(found.blocked & BIT(signal));
        }
    }
    if (tasks != NULL)
        closedir(tasks);
    return threads;
}

static int library_is_loaded(void) {
    char  line[4096];
    int   found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        found = found || strstr(line, "libcrossentropy") != NULL;
    if (maps != NULL)
        fclose(maps);
    return found;
}

/* A sum over the variables that changes if one is added, removed or changed. */
static unsigned long environment(void) {
    unsigned long sum = 5381;
    char        **variable;
    const char   *letter;
    for (variable = environ; *variable != NULL; variable++)
        for (letter = *variable; *letter != '\0'; letter++)
            sum = sum * 33 + (unsigned char)*letter;
    return sum;
}

/* The first number of a variable, 0 if it is none above 0; `end` is the character that may follow. */
static int variable_number(const char *name, char end) {
    const char *text = getenv(name);
    char       *rest;
    long        asked = text != NULL ? strtol(text, &rest, 10) : 0;
    if (asked <= 0 || (*rest != '\0' && *rest != end))
        return 0;
    return asked < CE_MAX_THREADS ? (int)asked : CE_MAX_THREADS;
}

/* Whether it is the number of threads that the library ought to use by default. */
static int is_usual(int threads) {
    cpu_set_t set;
    int       asked = variable_number("CROSSENTROPY_NUM_THREADS", '\0');
    if (asked == 0)
        asked = variable_number("OMP_NUM_THREADS", ',');
    if (asked != 0)
        return threads == asked;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    return threads >= 1 && threads <= CPU_COUNT(&set); /* fewer where there is a quota */
}

enum { ROWS = 512, CLASSES = 4096 };

typedef int32_t call_type(const float *, const int64_t *, int64_t, int64_t, const ce_options *,
                          float *, float *);
typedef int32_t init_type(ce_options *, size_t);
typedef int32_t count_type(void);

/* A function of the library; the detour over memory is what ISO C leaves for dlsym. */
#define FIND(pointer, name)                                   \
    do {                                                      \
        void *found_ = dlsym(library, name);                  \
        CHECK(found_ != NULL);                                \
        memcpy(&(pointer), &found_, sizeof found_);           \
    } while (0)

int main(int argc, char **argv) {
    call_type       *cross_entropy = NULL;
    init_type       *options_init = NULL;
    count_type      *num_threads = NULL;
    void            *library;
    signals          before;
    unsigned long    variables;
    struct sigaction broken_pipe;
    ce_options       options;
    float           *logits = calloc((size_t)ROWS * CLASSES, sizeof *logits);
    int64_t         *labels = calloc(ROWS, sizeof *labels);
    float            one = 0, three = 0;
    int              threads;

    if (argc != 2 || logits == NULL || labels == NULL)
        stop("usage: loading LIBRARY");
    if (library_is_loaded())
        stop("link this program without the library");
    memset(&broken_pipe, 0, sizeof broken_pipe);
    broken_pipe.sa_handler = SIG_IGN; /* something to be left alone */
    sigaction(SIGPIPE, &broken_pipe, NULL);
    before = signals_in("/proc/self/status");
    variables = environment();
    CHECK(threads_now() == 1);

    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        stop(dlerror());
    CHECK(library_is_loaded());
    CHECK(same(signals_in("/proc/self/status"), before));
    CHECK(environment() == variables);
    CHECK(threads_now() == 1);

    FIND(cross_entropy, "ce_cross_entropy_f32");
    FIND(options_init, "ce_options_init");
    FIND(num_threads, "ce_get_num_threads");
    if (failed > 0)
        return tally();
    CHECK(is_usual(num_threads()));

    /* a small call of the default number of threads, and a large one of one thread: no thread yet */
    CHECK(cross_entropy(logits, labels, 2, 10, NULL, &one, NULL) == CE_OK);
    CHECK(threads_now() == 1);
    options_init(&options, sizeof options);
    options.threads = 1;
    CHECK(cross_entropy(logits, labels, ROWS, CLASSES, &options, &one, NULL) == CE_OK);
    CHECK(threads_now() == 1);

    options.threads = 3;
    CHECK(cross_entropy(logits, labels, ROWS, CLASSES, &options, &three, NULL) == CE_OK);
    CHECK(memcmp(&one, &three, sizeof one) == 0);
    threads = threads_now();
    CHECK(threads == 2 || threads == 3);
    CHECK(same_but_internal(signals_in("/proc/self/status"), before));
    CHECK(environment() == variables);

    /* a failing call as well */
    CHECK(cross_entropy(NULL, labels, ROWS, CLASSES, &options, &three, NULL) ==
          CE_ERROR_NULL_POINTER);
    CHECK(same_but_internal(signals_in("/proc/self/status"), before));

    free(logits);
    free(labels);
    return tally();
}
