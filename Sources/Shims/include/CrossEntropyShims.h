// What Swift cannot say: thread-local storage, CPUID, the floating-point control register, variadic
// or macro-heavy parts of POSIX. Thin wrappers, no logic; what the library decides is decided in
// Swift. Everything here is internal: nothing is exported from libcrossentropy.so.
//
// Left out on purpose: anything that allocates behind the caller's back, signals (but for blocking them in
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

#include "BinaryKernels.h"

// ---------------------------------------------------------------------------------------------
// The wall between Core and the kernel modules. Each kernel module is the same Swift source built for
// another instruction set. Core reaches it through this table alone and never imports it, so that no
// compiled code can wander from one instruction set into another.

// How numbers lie in memory: as the kernel's own type (f32 or f64), as 16 bits, or, for f64 kernels, as f32.
#define CROSSENTROPY_NATIVE 0
#define CROSSENTROPY_BF16   1
#define CROSSENTROPY_F16    2
#define CROSSENTROPY_F32    3

// What is done to logits before anything else, see Transform.swift; f64 kernels only.
typedef struct crossentropy_transform {
    double  logit_scale;
    double  softcap;  // 0: none
    double  slope;    // logit_scale as it multiplies gradients: without its power of two, which is part of their scale
    int64_t applies;  // 0: logits are taken as they are
} crossentropy_transform;

// What a loss of logits has beside -log p, see Terms.swift; all 0: nothing.
typedef struct crossentropy_terms {
    double z_loss;
    double focal_gamma;
    double poly_epsilon;
} crossentropy_terms;

// How a call ends early. What may take long asks `shim_is_cancelled` once per block of work and stops where it is; what comes after
// it does the same, so that nothing has to be handed on but this. Core asks once more before a result counts.
typedef struct crossentropy_cancel {
    const volatile int32_t *flag;     // the caller's, who may reset it at any time
    int32_t                 is_seen;  // atomic: whether it was ever found set; remains
} crossentropy_cancel;

static inline bool shim_was_cancelled(const crossentropy_cancel *cancel) {
    return cancel != NULL && __atomic_load_n(&cancel->is_seen, __ATOMIC_RELAXED) != 0;
}
// NULL: the call has no flag. Always inlined, as a function of its own would bring tables for unwinding to all of its file.
__attribute__((always_inline)) static inline bool shim_is_cancelled(crossentropy_cancel *cancel) {
    if (cancel == NULL) return false;
    if (__atomic_load_n(&cancel->is_seen, __ATOMIC_RELAXED) != 0) return true;
    if (__atomic_load_n(cancel->flag, __ATOMIC_RELAXED) == 0) return false;
    __atomic_store_n(&cancel->is_seen, 1, __ATOMIC_RELAXED);
    return true;
}

#include "PairKernels.h"

// One row of the input, what it is compared with (logits with a class index excepted: see crossentropy_group), and where the
// results go. Strides are in elements.
typedef struct crossentropy_row {
    const void   *input;         // the row's first class
    int64_t       classes;       // >= 1
    int64_t       input_stride;  // from class to class
    int32_t       input_format;  // CROSSENTROPY_NATIVE ...
    int64_t       label;         // index kernels: the target class, in [0, classes)
    const void   *target;        // mass kernels: the distribution q, or NULL for a class index
    int64_t       target_stride;
    int32_t       target_is_f64; // type of q
    const double *weight;        // mass kernels: class weights, contiguous, or NULL
    double        keep;          // 1 - label_smoothing
    double        spread;        // label_smoothing / classes, or 0 where there is a prior
    const double *prior;         // label_smoothing times the prior of each class, contiguous, or NULL
    double        label_mass;    // index kernels: 1, as w_y is part of the row's weight. Mass kernels with a label: keep * w_y
    crossentropy_terms terms;          // logits
    crossentropy_transform transform;  // logits
    double        clip_low;      // probs: the input is clamped to [clip_low, clip_high]
    double        clip_high;
    double        row_weight;    // multiplies the loss
    double        grad_scale;    // multiplies the gradient
    double        grad_power;    // so does this power of two, nearly always 1
    void         *grad;          // NULL: no gradient. May be input, with the same stride
    int64_t       grad_stride;
    int32_t       grad_format;
    void         *scratch;       // shim_scratch_bytes() of this thread's own, 128-byte aligned
    void         *blocks;        // shim_blocks_bytes(), likewise
    crossentropy_cancel *cancel; // NULL: never
} crossentropy_row;

// What a group is for: losses and gradients; or the probabilities of all classes, or their logarithms, in place of gradients.
#define CROSSENTROPY_LOSS        0
#define CROSSENTROPY_SOFTMAX     1
#define CROSSENTROPY_LOG_SOFTMAX 2

// Which statistics of rows are wanted: lse, largest and target_prob, which are there anyway; and those that take a look more.
#define CROSSENTROPY_STATISTICS 1
#define CROSSENTROPY_ARGMAX     2
#define CROSSENTROPY_ENTROPY    4
#define CROSSENTROPY_RANK       8

// Up to CROSSENTROPY_GROUP rows of logits with class indices; where statistics stand side by side, a row in each lane.
#define CROSSENTROPY_GROUP 16
typedef struct crossentropy_group {
    const void *input;             // the first row's first class
    int64_t     classes;           // >= 1
    int64_t     input_stride;      // from class to class
    int64_t     input_row_stride;  // from row to row
    int64_t     rows;              // 1 to CROSSENTROPY_GROUP; 1 if there are more than CROSSENTROPY_BLOCK classes one by one
    int32_t     mode;              // CROSSENTROPY_LOSS ...
    int32_t     wants_statistics;  // 0, or a sum of CROSSENTROPY_STATISTICS and what follows it
    int32_t     by_columns;        // class by class across the rows, rather than row by row
    int32_t     input_format;      // CROSSENTROPY_NATIVE ...
    int32_t     grad_format;
    void       *grad;              // NULL: no gradient. May be input, with the same strides
    int64_t     grad_stride;
    int64_t     grad_row_stride;
    crossentropy_terms terms;
    crossentropy_transform transform;
    int64_t     has_powers;        // 0: loss_power and grad_power are not set, and are all 1
    int64_t     label[CROSSENTROPY_GROUP];       // 0 in lanes without a row
    double      is_counted[CROSSENTROPY_GROUP];  // 0: the row's loss and gradient are 0, whatever it holds
    double      loss_scale[CROSSENTROPY_GROUP];  // multiplies the loss
    double      grad_scale[CROSSENTROPY_GROUP];  // multiplies the gradient; NaN: so is that
    double      sample_weight[CROSSENTROPY_GROUP];  // multiplies the z-loss; part of loss_scale
    double      grad_weight[CROSSENTROPY_GROUP];    // multiplies the gradient of the z-loss; part of grad_scale
    double      loss_power[CROSSENTROPY_GROUP];     // powers of two: the loss is to be multiplied by it, by the caller
    double      grad_power[CROSSENTROPY_GROUP];     // and the gradient
    const void *upcoming;          // columns: what will be read next: a line per class, so many bytes apart
    int64_t     upcoming_stride;
    void       *scratch;           // shim_scratch_bytes() of this thread's own, 128-byte aligned
    void       *blocks;            // shim_blocks_bytes(), likewise: statistics of the blocks
    void       *kept;              // room for the exponentials of all the rows, or NULL
    crossentropy_cancel *cancel;   // NULL: never
    // Results; the statistics, where they are wanted, as crossentropy.h describes them.
    double      loss[CROSSENTROPY_GROUP];  // lse, if the mode is not CROSSENTROPY_LOSS
    double      lse[CROSSENTROPY_GROUP];
    double      largest[CROSSENTROPY_GROUP];
    double      argmax[CROSSENTROPY_GROUP];
    double      entropy[CROSSENTROPY_GROUP];
    double      target_prob[CROSSENTROPY_GROUP];
    double      target_rank[CROSSENTROPY_GROUP];
    // In between.
    double      target[CROSSENTROPY_GROUP];       // the logit of the label
    double      target_slope[CROSSENTROPY_GROUP]; // its derivative, if there is a transform
    double      max[CROSSENTROPY_GROUP];          // see LogSumExp.swift
    double      rest[CROSSENTROPY_GROUP];
    double      prob_scale[CROSSENTROPY_GROUP];   // what multiplies the probabilities in the gradient; for their logarithms
                                                  // instead: log1p(rest)
    double      target_grad[CROSSENTROPY_GROUP];  // the gradient of the label's class
    double      is_filled[CROSSENTROPY_GROUP];    // not 0: the gradient is target_grad throughout
} crossentropy_group;

// Classes of rows that are not neighbours in memory, up to which they are taken column by column.
#define CROSSENTROPY_COLUMN_CLASSES 128

// Classes per block: small enough that a block of f64 and its target mass stay near the core while it is
// looked at twice, large enough that the work per block does not count.
#define CROSSENTROPY_BLOCK 4096
// Room for four blocks of doubles (the gathered input, the target mass, the gradient before it is scattered, the input before
// a transform); for columns, for a block of each row.
static inline size_t shim_scratch_bytes(int64_t classes, int by_columns, int transforms) {
    const int64_t block  = classes < CROSSENTROPY_BLOCK ? classes : CROSSENTROPY_BLOCK;
    const size_t  column = ((size_t)block + 3 * CROSSENTROPY_GROUP) * CROSSENTROPY_GROUP * 8;
    const size_t  row    = (transforms ? 4 : 3) * CROSSENTROPY_BLOCK * 8;
    return by_columns ? column : row;
}
// Seven doubles (see BlockTable) for each of 16 blocks of one row, or for one block of each of 16 rows.
static inline size_t shim_blocks_bytes(int64_t classes, int by_columns) {
    const size_t blocks = (size_t)(classes / CROSSENTROPY_BLOCK) + 1;
    return (by_columns ? blocks : blocks / CROSSENTROPY_GROUP + 1) * CROSSENTROPY_GROUP * 7 * 8;
}

// The row's loss, weighted; its gradient is written to row->grad.
typedef double (*crossentropy_row_kernel)(const crossentropy_row *row);
// Sets the losses of a group's rows; their gradients are written to group->grad.
typedef void (*crossentropy_group_kernel)(crossentropy_group *group);
// The same for a group of a single long row, in parts that different threads may take: first `begin`, then `sum` for all of
// its blocks, then `finish`, then `grad` for all of its blocks.
typedef void (*crossentropy_block_kernel)(crossentropy_group *group, int64_t first, int64_t count);
typedef struct crossentropy_long_row_kernels {
    crossentropy_group_kernel begin;
    crossentropy_block_kernel sum;
    crossentropy_group_kernel finish;
    crossentropy_block_kernel grad;
} crossentropy_long_row_kernels;
// Writes `value` to every class of a row.
typedef void (*crossentropy_fill_kernel)(void *row, int64_t classes, int64_t stride, int32_t format, double value);
// Sum of w_c q_c over a row's classes, times row_weight, for mean_over = mass.
typedef double (*crossentropy_mass_kernel)(const crossentropy_row *row);

// For the test of all inputs: exp(x) 2^(64 - n), n = round(m log2(e)), of `count` numbers x <= m, a multiple of 16.
typedef void (*crossentropy_exp_kernel)(const float *x, float *exponentials, int64_t count, float m);

// What a block of a row comes to, in units of 2^exponent; see Slice.swift.
typedef struct crossentropy_block_sum {
    double  max;
    int64_t argmax;    // counted from the slice's first class; if it was not to be looked for, -1
    double  sum;       // of the exponentials, but for one of the largest
    double  top;       // the exponential of the largest
    int64_t exponent;
} crossentropy_block_sum;
// The largest logit and the sums of one block of one row of a group; argmax, if max is above what it was before.
typedef void (*crossentropy_block_sum_kernel)(crossentropy_group *group, int64_t row, int64_t block,
                                              crossentropy_block_sum *result);
// Rows of which a group holds a slice of the classes.
typedef struct crossentropy_slice_kernels {
    crossentropy_group_kernel     read;  // sets `target`, and `target_slope`, of the labels in the slice
    crossentropy_block_sum_kernel sum;
    crossentropy_group_kernel     grad;
} crossentropy_slice_kernels;
// sum 2^exponent / exp(max)
typedef double (*crossentropy_rest_kernel)(double max, double sum, int64_t exponent);

// Indexed by input_type (logits, probs, log_probs) and dtype (0: f32, 1: f64).
typedef struct crossentropy_kernels {
    crossentropy_row_kernel  index[3][2];       // but for logits: group
    crossentropy_row_kernel  mass[3][2];
    crossentropy_group_kernel group[2];         // logits
    crossentropy_long_row_kernels long_row[2];  // logits
    crossentropy_fill_kernel fill[2];
    crossentropy_mass_kernel total_mass;
    crossentropy_slice_kernels slice[2];        // logits
    crossentropy_rest_kernel  slice_rest;
    crossentropy_group_kernel slice_finish;     // losses of rows whose max, rest and target are set
    crossentropy_exp_kernel  exponentials;
    crossentropy_binary_kernels binary[2];      // f32, f64
    crossentropy_labels_kernel binary_labels;
    crossentropy_sum_kernel  sum_exactly;
    crossentropy_pair_kernels pair;
} crossentropy_kernels;

void crossentropy_kernels_baseline(crossentropy_kernels *table);
void crossentropy_kernels_avx2(crossentropy_kernels *table);
void crossentropy_kernels_avx512(crossentropy_kernels *table);

static inline crossentropy_row_kernel shim_index_kernel(const crossentropy_kernels *table, int32_t input, int32_t type) {
    return table->index[input][type];
}
static inline crossentropy_row_kernel shim_mass_kernel(const crossentropy_kernels *table, int32_t input, int32_t type) {
    return table->mass[input][type];
}
static inline void shim_set_row_kernels(crossentropy_kernels *table, int32_t input, int32_t type,
                                        crossentropy_row_kernel index, crossentropy_row_kernel mass) {
    table->index[input][type] = index;
    table->mass[input][type]  = mass;
}
static inline crossentropy_group_kernel shim_group_kernel(const crossentropy_kernels *table, int32_t type) {
    return table->group[type];
}
static inline const crossentropy_long_row_kernels *shim_long_row_kernels(const crossentropy_kernels *table, int32_t type) {
    return &table->long_row[type];
}
static inline void shim_set_long_row_kernels(crossentropy_kernels *table, int32_t type, crossentropy_group_kernel begin,
                                             crossentropy_block_kernel sum, crossentropy_group_kernel finish,
                                             crossentropy_block_kernel grad) {
    table->long_row[type].begin  = begin;
    table->long_row[type].sum    = sum;
    table->long_row[type].finish = finish;
    table->long_row[type].grad   = grad;
}
static inline crossentropy_binary_kernels *shim_binary_kernels(crossentropy_kernels *table, int32_t type) {
    return &table->binary[type];
}
static inline const crossentropy_slice_kernels *shim_slice_kernels(const crossentropy_kernels *table, int32_t type) {
    return &table->slice[type];
}
static inline void shim_set_slice_kernels(crossentropy_kernels *table, int32_t type, crossentropy_block_sum_kernel sum,
                                          crossentropy_group_kernel grad) {
    table->slice[type].sum  = sum;
    table->slice[type].grad = grad;
}
static inline void shim_set_slice_read_kernels(crossentropy_kernels *table, crossentropy_group_kernel f32,
                                               crossentropy_group_kernel f64) {
    table->slice[0].read = f32;
    table->slice[1].read = f64;
}
static inline double *shim_group_target(crossentropy_group *group) { return group->target; }
static inline double *shim_group_max(crossentropy_group *group) { return group->max; }
static inline double *shim_group_rest(crossentropy_group *group) { return group->rest; }
static inline int64_t *shim_group_labels(crossentropy_group *group) { return group->label; }
static inline double  *shim_group_is_counted(crossentropy_group *group) { return group->is_counted; }
static inline double  *shim_group_loss_scale(crossentropy_group *group) { return group->loss_scale; }
static inline double  *shim_group_grad_scale(crossentropy_group *group) { return group->grad_scale; }
static inline double  *shim_group_sample_weight(crossentropy_group *group) { return group->sample_weight; }
static inline double  *shim_group_lse(crossentropy_group *group) { return group->lse; }
static inline double  *shim_group_largest(crossentropy_group *group) { return group->largest; }
static inline double  *shim_group_argmax(crossentropy_group *group) { return group->argmax; }
static inline double  *shim_group_entropy(crossentropy_group *group) { return group->entropy; }
static inline double  *shim_group_target_prob(crossentropy_group *group) { return group->target_prob; }
static inline double  *shim_group_target_rank(crossentropy_group *group) { return group->target_rank; }
static inline double  *shim_group_grad_weight(crossentropy_group *group) { return group->grad_weight; }
static inline double  *shim_group_loss_power(crossentropy_group *group) { return group->loss_power; }
static inline double  *shim_group_grad_power(crossentropy_group *group) { return group->grad_power; }
static inline double  *shim_group_loss(crossentropy_group *group) { return group->loss; }
static inline void shim_set_group_kernel(crossentropy_kernels *table, int32_t type, crossentropy_group_kernel group) {
    table->group[type] = group;
}
static inline crossentropy_fill_kernel shim_fill_kernel(const crossentropy_kernels *table, int32_t type) {
    return table->fill[type];
}
static inline void shim_set_fill_kernel(crossentropy_kernels *table, int32_t type, crossentropy_fill_kernel fill) {
    table->fill[type] = fill;
}

// ---------------------------------------------------------------------------------------------
// Partial statistics of a row: ce_partial of crossentropy.h, which says what the fields are.

#define CROSSENTROPY_PARTIAL_LIMBS 36
typedef struct crossentropy_partial {
    uint32_t version;
    int32_t  dtype;
    int32_t  has_target;
    int32_t  is_undefined;
    int64_t  label;
    int64_t  first_class;
    int64_t  end_class;
    int64_t  classes;
    uint64_t cover;
    double   logit_scale;
    double   softcap;
    double   max;
    int64_t  argmax;
    double   target;
    double   top;
    int64_t  top_exponent;
    int64_t  sum_exponent;
    uint64_t sum[CROSSENTROPY_PARTIAL_LIMBS];
} crossentropy_partial;
_Static_assert(sizeof(crossentropy_partial) == 408, "ce_partial has no padding");

static inline void *shim_partial_label(crossentropy_partial *partial) { return &partial->label; }
static inline uint64_t *shim_partial_limbs(crossentropy_partial *partial) { return partial->sum; }

// ---------------------------------------------------------------------------------------------
// Processor

#if defined(__x86_64__)
#include <cpuid.h>

static inline bool shim_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx) {
    return __get_cpuid_count(leaf, subleaf, eax, ebx, ecx, edx) != 0;
}

// XCR0: which register states the operating system saves. Only valid if CPUID.1:ECX.OSXSAVE is set.
static inline uint64_t shim_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

// Rounding to nearest, no flush-to-zero, no denormals-are-zero, all exceptions masked.
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
// The flags of what has happened are in a register of their own here, FPSR; it is kept in the upper half.
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

// Asks for a line to come nearer. Never faults, wherever it points.
static inline void shim_prefetch(const void *address) { __builtin_prefetch(address, 0, 2); }
// To the level next to the core, for what will be looked at in passing before it is computed with.
static inline void shim_prefetch_near(const void *address) { __builtin_prefetch(address, 0, 3); }

// Lets the system use pages of 2 MB for allocated memory of that size and more. Small ones take it 30 ms for each gigabyte when
// the memory is freed, which the caller of a cancelled call would wait for.
static inline void shim_use_large_pages(void *memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
    const uintptr_t large = (uintptr_t)1 << 21;
    const uintptr_t first = ((uintptr_t)memory + large - 1) & ~(large - 1);
    const uintptr_t end   = ((uintptr_t)memory + bytes) & ~(large - 1);
    if (memory != NULL && bytes >= 32 * large) madvise((void *)first, end - first, MADV_HUGEPAGE);
#endif
}

// ---------------------------------------------------------------------------------------------
// Memory on the stack that is not cleared, which Swift has no name for: of a call's tensors and rows, where these have no more
// than 16 dimensions, and of the list of tensors.

typedef struct crossentropy_call_memory {
    int64_t words[960];
} crossentropy_call_memory;

static inline crossentropy_call_memory shim_call_memory(void) {
    crossentropy_call_memory memory;
    return memory;
}

// For the workspace of a small call.
typedef struct crossentropy_stack_memory {
    int64_t words[2048];
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
    pthread_mutex_t lock;     // guards what follows
    pthread_cond_t  wake;     // a new job, for the workers
    pthread_cond_t  done;     // the last worker has left it, for the owner
    int32_t         workers;  // threads made so far
    int32_t         wanted;   // workers that may still join the job
    int32_t         active;   // workers that may still join or are at it
    void          (*body)(void *context);
    void           *context;
} crossentropy_pool;

// The process's pool, or NULL while another thread of a forked child is just renewing it. The locks are made
// anew in each process, since those that a fork copied may be held by threads that the child does not have.
crossentropy_pool *crossentropy_shared_pool(void);

// Makes a detached thread with a small stack and signals blocked, so that the host's handlers never run on it; but for
// those that report a fault of the thread itself, such as reading a file's pages that are gone.
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

// Keeps a thread from being cancelled at a wait while it holds locks and others work for it; the former state.
static inline int shim_disable_cancellation(void) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}
static inline void shim_restore_cancellation(int state) { pthread_setcancelstate(state, &state); }

// How many processors this process may run on; 0 if the system does not say.
static inline int32_t shim_affinity_count(void) {
    // The system call itself, with room for more processors than a cpu_set_t has.
    unsigned long mask[128];
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int32_t count = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
    return count;
}

// ---------------------------------------------------------------------------------------------
// Process-wide state, set once or atomically. Defined in Shims.c.

typedef struct crossentropy_process {
    crossentropy_kernels kernels;
    const char          *isa;
    int32_t              environment_threads;  // CROSSENTROPY_NUM_THREADS, or 0
    int32_t              forced_route;         // CROSSENTROPY_ROUTE, see Route.swift; or 0
    int32_t              chosen_threads;       // ce_set_num_threads, or 0; atomic
} crossentropy_process;

// The state, after `fill` was called on it once in this process (or its parent).
crossentropy_process *crossentropy_process_state(void (*fill)(crossentropy_process *state));

// ---------------------------------------------------------------------------------------------
// Errors

#define CROSSENTROPY_MESSAGE_BYTES 512

// This thread's error text. Not inline, see Shims.c.
char *crossentropy_message(void);

// A number in decimal: its digits, and the power of ten that these, read as an integer, are multiplied by.
typedef struct crossentropy_decimal {
    char    digits[24];
    int32_t count;
    int32_t exponent;
    double  value;  // what they read back as
} crossentropy_decimal;

// A finite positive number rounded to `count` digits, 1 to 17. The locale's decimal point, whatever it is, is neither taken
// from what printf writes nor given to strtod.
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
