/*
 * closed_pages - counts how far a call has come, without a clock: a page in every 16 kB of every array, the library's
 * own scratch memory included, is closed. A thread that touches one is interrupted (SIGSEGV), opens it, and closes the one
 * that was opened a few touches before, so loops that come again are counted again.
 *
 * At touch number `flag_at` the flag `*flag` is set. On x86-64 it is set for a single look at it.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* Distance of closed pages; how many may be open, as one instruction may touch several; places for regions. */
enum { STEP = 1 << 14, OPEN = 4, MOST = 64 };

typedef struct {
    char  *start; /* NULL: this place is free */
    size_t bytes;
    char  *open[OPEN];
    int    next;
} region;

static region                regions[MOST];
static size_t                page;
static volatile int32_t     *flag; /* on a page of its own */
static volatile int          is_flag_closed;
static int                   is_busy; /* a thread in the handler */
static volatile long         touches, flag_at; /* 0: never */
static long                  waiting;          /* flag_at, once the call begins */

static region *region_of(const char *address) {
    int i;
    for (i = 0; i < MOST; i++)
        if (regions[i].start && address >= regions[i].start && address < regions[i].start + regions[i].bytes)
            return &regions[i];
    return NULL;
}

static void close_all(void) {
    size_t at;
    int    i;
    for (i = 0; i < MOST; i++) {
        if (!regions[i].start) continue;
        for (at = 0; at < regions[i].bytes; at += STEP) mprotect(regions[i].start + at, page, PROT_NONE);
        memset(regions[i].open, 0, sizeof regions[i].open);
    }
}

static void *map(size_t bytes) {
    int i;
    for (i = 0; i < MOST; i++) {
        region *r = &regions[i];
        size_t  at;
        if (r->start) continue;
        memset(r, 0, sizeof *r);
        r->bytes = (bytes + page - 1) / page * page;
        r->start = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (r->start == MAP_FAILED) abort();
        for (at = 0; at < r->bytes; at += STEP) mprotect(r->start + at, page, PROT_NONE);
        return r->start;
    }
    abort();
}

/* The library's allocations: large ones lie in regions. */
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_memalign(size_t, size_t);
void  __libc_free(void *);
static int is_large(size_t bytes) { return page != 0 && bytes >= (size_t)1 << 18; }
void *malloc(size_t bytes) { return is_large(bytes) ? map(bytes) : __libc_malloc(bytes); }
void *calloc(size_t n, size_t size) {
    return size != 0 && n <= SIZE_MAX / size && is_large(n * size) ? map(n * size) : __libc_calloc(n, size);
}
void *aligned_alloc(size_t align, size_t bytes) { return is_large(bytes) ? map(bytes) : __libc_memalign(align, bytes); }
void  free(void *memory) {
    region *r = page != 0 && memory ? region_of(memory) : NULL;
    if (!r) {
        __libc_free(memory);
        return;
    }
    munmap(r->start, r->bytes);
    r->start = NULL;
}

static void open_page(char *at, region *r) {
    mprotect(at, page, PROT_READ | PROT_WRITE);
    if (r->open[r->next]) mprotect(r->open[r->next], page, PROT_NONE);
    r->open[r->next] = at;
    r->next          = (r->next + 1) % OPEN;
    if (++touches == flag_at) {
        *flag          = 1;
        is_flag_closed = 1;
        mprotect((void *)(uintptr_t)flag, page, PROT_NONE);
    }
}

static void touched(int number, siginfo_t *info, void *context) {
    char   *at = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(page - 1));
    region *r;
    (void)context;
    if (at == (const volatile char *)flag && is_flag_closed) {
        mprotect(at, page, PROT_READ | PROT_WRITE);
#if defined(__x86_64__)
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x100; /* a trap after the next instruction, the look */
#endif
        return;
    }
    r = region_of(at);
    if (!r) { /* not ours */
        signal(number, SIG_DFL);
        return;
    }
    while (__atomic_exchange_n(&is_busy, 1, __ATOMIC_ACQUIRE)) {}
    open_page(at, r);
    __atomic_store_n(&is_busy, 0, __ATOMIC_RELEASE);
}

#if defined(__x86_64__)
static void looked(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    *flag = 0;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x100;
}
#endif

/* 0 if pages are too large for that. */
static int install_closed_pages(void) {
    struct sigaction action;
    page = (size_t)sysconf(_SC_PAGESIZE);
    memset(&action, 0, sizeof action);
    action.sa_flags     = SA_SIGINFO;
    action.sa_sigaction = touched;
    sigaction(SIGSEGV, &action, NULL);
#if defined(__x86_64__)
    action.sa_sigaction = looked;
    sigaction(SIGTRAP, &action, NULL);
#endif
    flag = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page <= STEP / 2;
}

/* What comes before is not counted. */
static void start_counting(void) {
    close_all();
    touches = 0;
    flag_at = waiting;
}

/* How many touches there were. */
static long stop_counting(void) {
    const long count = touches;
    flag_at = 0;
    mprotect((void *)(uintptr_t)flag, page, PROT_READ | PROT_WRITE);
    is_flag_closed = 0;
    *flag          = 0;
    return count;
}
