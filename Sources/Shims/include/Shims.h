// Functions that Swift cannot express: thread-local storage, CPUID, the floating-point control register, variadic or
// macro-heavy parts of POSIX. Thin wrappers without logic; every decision is made in Swift, but for what files of the
// system say (Quota.c). Everything here is internal: nothing is exported from libcrossentropy.so.
//
// Left out on purpose: anything that allocates without the caller's knowledge, signals (except for blocking them in
// worker threads), stdio.
#ifndef CROSSENTROPY_SHIMS_H
#define CROSSENTROPY_SHIMS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "KernelABI.h"

// ---------------------------------------------------------------------------------------------
// Processor

#if defined(__x86_64__)
#include <cpuid.h>

static inline bool shim_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx) {
    return __get_cpuid_count(leaf, subleaf, eax, ebx, ecx, edx) != 0;
}

// XCR0: the register states that the operating system saves. Only valid if CPUID.1:ECX.OSXSAVE is set.
static inline uint64_t shim_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

// Sets rounding to nearest, no flush-to-zero, no denormals-are-zero, all exceptions masked. Returns the host's register.
static inline uint64_t shim_float_control_enter(void) {
    uint32_t host, ours = 0x1F80;
    __asm__ volatile("stmxcsr %0" : "=m"(host));
    __asm__ volatile("ldmxcsr %0" : : "m"(ours) : "memory");
    return host;
}
static inline void shim_float_control_leave(uint64_t saved) {
    uint32_t host = (uint32_t)saved;
    __asm__ volatile("ldmxcsr %0" : : "m"(host) : "memory");
}
#elif defined(__aarch64__)
// The exception flags are in a register of their own here, FPSR, which is returned in the upper half.
static inline uint64_t shim_float_control_enter(void) {
    uint64_t control, status, ours = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(status));
    __asm__ volatile("msr fpcr, %0" : : "r"(ours) : "memory");
    return status << 32 | (uint32_t)control;
}
static inline void shim_float_control_leave(uint64_t saved) {
    __asm__ volatile("msr fpsr, %0" : : "r"(saved >> 32) : "memory");
    __asm__ volatile("msr fpcr, %0" : : "r"(saved & 0xFFFFFFFF) : "memory");
}
#endif

// ---------------------------------------------------------------------------------------------
// Memory

// Prefetches a cache line. Never faults, whatever the address.
static inline void shim_prefetch(const void *address) { __builtin_prefetch(address, 0, 2); }
// Prefetches to the level next to the core, for data that a short pass reads before it is computed with.
static inline void shim_prefetch_near(const void *address) { __builtin_prefetch(address, 0, 3); }

// Lets the system use pages of 2 MB for large allocations. With small pages, freeing the memory takes 30 ms for each
// gigabyte, for which the caller of a cancelled call would wait.
static inline void shim_use_large_pages(void *memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
    const uintptr_t large = (uintptr_t)1 << 21;
    const uintptr_t first = ((uintptr_t)memory + large - 1) & ~(large - 1);
    const uintptr_t end   = ((uintptr_t)memory + bytes) & ~(large - 1);
    if (memory != NULL && bytes >= 32 * large) madvise((void *)first, end - first, MADV_HUGEPAGE);
#endif
}

// ---------------------------------------------------------------------------------------------
// Stack memory that is not cleared, which Swift cannot express: for the dimensions of a call's tensors and rows, if
// these have at most 16 dimensions, and for the list of tensors.

typedef struct crossentropy_call_memory {
    int64_t words[960];
} crossentropy_call_memory;

static inline crossentropy_call_memory shim_call_memory(void) {
    crossentropy_call_memory memory;
    return memory;
}

// For the workspace of a small call.
typedef struct crossentropy_stack_memory {
    int64_t words[1536];
} crossentropy_stack_memory;

static inline crossentropy_stack_memory shim_stack_memory(void) {
    crossentropy_stack_memory memory;
    return memory;
}

// ---------------------------------------------------------------------------------------------
// Atomics

static inline int32_t shim_load_i32(const volatile int32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void shim_store_i32(volatile int32_t *p, int32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline int64_t shim_fetch_add_i64(int64_t *p, int64_t v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }

// ---------------------------------------------------------------------------------------------
// Threads. The worker pool's state, laid out in C because a mutex must not move; see ThreadPool.swift.

typedef struct crossentropy_pool {
    pthread_mutex_t owner;    // held by the call that uses the pool
    pthread_mutex_t lock;     // guards the fields below
    pthread_cond_t  wake;     // signals a new job to the workers
    pthread_cond_t  done;     // signals to the owner that the last worker has left the job
    int32_t         workers;  // threads made so far
    int32_t         wanted;   // workers that may still join the job
    int32_t         active;   // workers that may still join or have not finished
    void          (*body)(void *context);
    void           *context;
    int32_t         begun;                 // workers that have written their ids
    int32_t         known;                 // how many had when `processors` was set
    int32_t         threads[256];          // the ids
    unsigned long   processors[128];       // where the workers may run: see crossentropy_leave_processor
} crossentropy_pool;

// Leaves the calling thread's processor to it: workers may run on the others that it may run on. On a virtual machine the
// kernel takes a processor that sleeps for one that its host took away, and wakes a worker on the caller's, where
// it waits for milliseconds. Called with the lock held.
void crossentropy_leave_processor(crossentropy_pool *pool);
// A worker's own registration, with the lock held.
static inline void shim_register_worker(crossentropy_pool *pool, int32_t index) {
    if (index < 256) pool->threads[index] = (int32_t)syscall(SYS_gettid);
}

// The process's pool, or NULL while another thread of a forked child is renewing it. The locks are made anew in each
// process, because the locks that a fork copied may be held by threads that the child does not have.
crossentropy_pool *crossentropy_shared_pool(void);

// Waits for a moment until a number is no longer 0, or until it is 0. Returns whether it is so.
static inline bool shim_spin(const volatile int32_t *number, bool until_zero, int64_t nanoseconds) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 32; i++) {
            if ((__atomic_load_n(number, __ATOMIC_RELAXED) == 0) == until_zero) return true;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ volatile("isb");
#endif
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000LL + (now.tv_nsec - start.tv_nsec) < nanoseconds);
    return false;
}

// Starts a detached thread with a small stack. Signals are blocked, so that the host's handlers never run on it, except
// for those that report a fault of the thread itself, such as reading a file's pages that are gone.
static inline bool shim_start_thread(void *(*body)(void *), void *argument) {
    pthread_attr_t attributes;
    pthread_t      thread;
    sigset_t       all, before;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    sigfillset(&all);
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&thread, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return result == 0;
}

// Keeps a thread from being cancelled at a wait while it holds locks and others work for it. Returns the former state.
static inline int shim_disable_cancellation(void) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}
static inline void shim_restore_cancellation(int state) { pthread_setcancelstate(state, &state); }

// The number of processors that this process may run on; 0 if the system does not say.
static inline int32_t shim_affinity_count(void) {
    // The system call itself, with room for more processors than a cpu_set_t has.
    unsigned long mask[128];
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int32_t count = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
    return count;
}

// The number of processors to which the CPU quotas of this process's control group and of its parents amount, rounded
// up; INT32_MAX without a quota. Files are looked for below the directory `root`, which is "" but for tests.
int32_t crossentropy_cpu_quota(const char *root);

// ---------------------------------------------------------------------------------------------
// Process-wide state, set once or atomically. Defined in Shims.c.

typedef struct crossentropy_process {
    crossentropy_kernels kernels;
    const char          *isa;
    int32_t              environment_threads;  // CROSSENTROPY_NUM_THREADS or OMP_NUM_THREADS, or 0
    int32_t              cpu_quota;            // see crossentropy_cpu_quota; 0 until it is asked for; atomic
    int32_t              forced_route;         // CROSSENTROPY_ROUTE, see Route.swift; or 0
    int32_t              chosen_threads;       // ce_set_num_threads, or 0; atomic
    int32_t              is_filled;            // atomic
} crossentropy_process;

__attribute__((visibility("hidden"))) extern crossentropy_process crossentropy_the_process;
void crossentropy_fill_process(void (*fill)(crossentropy_process *state));

// The process-wide state. Calls `fill` on it if that has not happened yet in this process (or its parent).
static inline crossentropy_process *crossentropy_process_state(void (*fill)(crossentropy_process *state)) {
    if (__atomic_load_n(&crossentropy_the_process.is_filled, __ATOMIC_ACQUIRE) == 0) crossentropy_fill_process(fill);
    return &crossentropy_the_process;
}

// ---------------------------------------------------------------------------------------------
// Errors

#define CROSSENTROPY_MESSAGE_BYTES 512

// This thread's error text. Not inline, see Shims.c.
char *crossentropy_message(void);

// A number in decimal: its digits, and the power of ten by which the integer that they form is multiplied.
typedef struct crossentropy_decimal {
    char    digits[24];
    int32_t count;
    int32_t exponent;
    double  value;  // the double that digits and exponent read back as
} crossentropy_decimal;

// Rounds a finite positive number to `count` digits, 1 to 17. The result does not depend on the locale's decimal point,
// which is neither taken from the output of printf nor passed to strtod.
static inline crossentropy_decimal shim_decimal(double value, int32_t count) {
    crossentropy_decimal decimal = {.count = 0};
    char                 text[64], plain[40];
    snprintf(text, sizeof text, "%.*e", (int)count - 1, value);
    const char *c = text;
    for (; *c != 'e' && *c != 0; c++)
        if (*c >= '0' && *c <= '9' && decimal.count < count) decimal.digits[decimal.count++] = *c;
    decimal.exponent = (int32_t)(*c == 'e' ? strtol(c + 1, NULL, 10) : 0) - (count - 1);
    snprintf(plain, sizeof plain, "%se%d", decimal.digits, (int)decimal.exponent);
    decimal.value = strtod(plain, NULL);
    return decimal;
}

#endif
