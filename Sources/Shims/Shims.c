#include "Shims.h"

// Objects and functions that exist once, and so cannot be inline.

// Built with TLS descriptors (see Package.swift), so that the library does not need ld-linux for __tls_get_addr. The
// initial-exec model is not used, because it takes static TLS space, of which a program that loads many libraries runs out.
char *crossentropy_message(void) {
    static _Thread_local char text[CROSSENTROPY_MESSAGE_BYTES];
    return text;
}

crossentropy_pool *crossentropy_shared_pool(void) {
    static crossentropy_pool pool;
    static int32_t           maker;  // the process that made the locks; -1 while they are being made
    int32_t                  self = (int32_t)getpid();
    int32_t                  seen = __atomic_load_n(&maker, __ATOMIC_ACQUIRE);
    if (seen == self) return &pool;
    if (seen == -1 || !__atomic_compare_exchange_n(&maker, &seen, -1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return NULL;
    memset(&pool, 0, sizeof pool);
    pthread_mutex_init(&pool.owner, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.done, NULL);
    __atomic_store_n(&maker, self, __ATOMIC_RELEASE);
    return &pool;
}

void crossentropy_leave_processor(crossentropy_pool *pool) {
    unsigned long  mask[128] = {0};
    const unsigned bits = 8 * sizeof mask[0];
    unsigned       own, others = 0;
    const int32_t  known = pool->begun < 256 ? pool->begun : 256;
    if (syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) <= 0 || syscall(SYS_getcpu, &own, NULL, NULL) != 0 ||
        own >= 128 * bits)
        return;
    mask[own / bits] &= ~(1ul << own % bits);
    for (int i = 0; i < 128; i++) others |= mask[i] != 0;
    if (!others || (known == pool->known && memcmp(mask, pool->processors, sizeof mask) == 0)) return;
    for (int32_t i = 0; i < known; i++) syscall(SYS_sched_setaffinity, pool->threads[i], sizeof mask, mask);
    memcpy(pool->processors, mask, sizeof mask);
    pool->known = known;
}

crossentropy_process crossentropy_the_process;
static void (*process_fill)(crossentropy_process *);
static void process_fill_once(void) {
    process_fill(&crossentropy_the_process);
    __atomic_store_n(&crossentropy_the_process.is_filled, 1, __ATOMIC_RELEASE);
}

void crossentropy_fill_process(void (*fill)(crossentropy_process *state)) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    __atomic_store_n(&process_fill, fill, __ATOMIC_RELAXED);  // always the same function
    pthread_once(&once, process_fill_once);
}
