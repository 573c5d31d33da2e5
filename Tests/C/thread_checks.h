/*
 * thread_checks.h - checks made by several threads at once, counted when these have ended.
 */
#ifndef THREAD_CHECKS_H
#define THREAD_CHECKS_H

#include <pthread.h>

static int thread_failures; /* counted under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static inline void note(int good) {
    pthread_mutex_lock(&lock);
    thread_failures += !good;
    pthread_mutex_unlock(&lock);
}

#endif
