/*
 * fork - a child has threads of its own, also if it is born in the middle of another thread's call.
 *
 * Prints the checks that fail, then "N passed, M failed"; the exit status is 0 if M is 0.
 * User-mode emulation does not survive a fork in a process with threads.
 */
#define _GNU_SOURCE /* POSIX */

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "large_problem.h"
#include "thread_checks.h"

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
    make_big_problem();
    forking();
    forking_during_a_call();
    free_big_problem();
    return tally();
}
