/*
 * threads - results do not depend on the number of threads nor on a split of the batch; calls at the same time, each with a
 * message of its own; a thread that is cancelled, and calls that are; where workers may run.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#define _GNU_SOURCE /* POSIX */

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "large_problem.h"
#include "small_problem.h"
#include "thread_checks.h"

/* Any number of threads ----------------------------------------------------------------------- */

static void any_number_of_threads(void) {
    static const int32_t counts[] = {0, 2, 3, 7, 64, CE_MAX_THREADS, INT32_MAX};
    results              got = make_results();
    float                sum1, sum3;
    ce_options           options = defaults();
    size_t               i;
    for (i = 0; i < LENGTH_OF(counts); i++) {
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
    for (i = 0; i < LENGTH_OF(sizes); i++) {
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

/* Calls that are cancelled -------------------------------------------------------------------- */

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

/* Several callers ----------------------------------------------------------------------------- */

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

static void each_thread_has_its_message(void) {
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

/* A caller that is cancelled ------------------------------------------------------------------ */

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

/* Whether other threads may run on all processors of this one but one: the one on which this one was at its last call. An
 * emulator has threads of its own, which may run everywhere. */
static int others_may_run_elsewhere(void) {
    DIR           *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    cpu_set_t      own, other;
    int            count = 0;
    if (tasks == NULL || sched_getaffinity(0, sizeof own, &own) != 0)
        return 0;
    while ((entry = readdir(tasks)) != NULL) {
        const int task = atoi(entry->d_name);
        if (task != 0 && task != getpid() && sched_getaffinity(task, sizeof other, &other) == 0 &&
            CPU_COUNT(&other) == CPU_COUNT(&own) - 1)
            count++;
    }
    closedir(tasks);
    return count > 0;
}

/* Workers leave the caller's processor to it, where there are others; and are not left without one. */
static void workers_run_elsewhere(void) {
    cpu_set_t  all, one;
    ce_options options = defaults();
    float      mean_loss;
    int        i, are_elsewhere = 0;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    if (CPU_COUNT(&all) < 2 || sched_getcpu() < 0)
        return;
    options.threads = 2;
    for (i = 0; i < 1000 && !are_elsewhere; i++) {
        CHECK(ce_cross_entropy_f32(big_logits, big_labels, BIG_ROWS, BIG_CLASSES, &options, &mean_loss, NULL) == CE_OK);
        are_elsewhere = others_may_run_elsewhere();
    }
    CHECK(are_elsewhere);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(others_help());
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
}

int main(void) {
    make_big_problem();
    any_number_of_threads();
    any_split_of_the_batch();
    number_of_threads();
    cancelling();
    cancelling_binary();
    each_thread_has_its_message();
    calls_at_the_same_time();
    cancelled_threads();
    workers_run_elsewhere();
    free_big_problem();
    return tally();
}
