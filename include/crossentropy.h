/*
 * crossentropy - the cross-entropy loss and its gradient: exact, reproducible, fast.
 *
 * Copyright (c) 2026 the crossentropy authors. Licensed under the MIT licence, see LICENSE.
 *
 * This header is the contract of libcrossentropy.so, and it is written to be read from top to
 * bottom: introduction, version, status, the simple calls; then tensors, options, outputs, and the
 * general call; then KL divergence, second derivatives, softmax and statistics, binary
 * cross-entropy, partial statistics, accumulator, threads. Everything that is exported stands here,
 * and nothing else is exported.
 */
#ifndef CROSSENTROPY_H
#define CROSSENTROPY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------
 * Introduction
 *
 * For each row of logits z with a target distribution q over C classes the library computes
 *
 *     loss = sum over c of  w_c q_c (lse - z_c),        lse = log(sum over c of exp(z_c))
 *
 * which is -sum(q log p) with p = softmax(z) and class weights w, and for a label, a class index y,
 * simply w_y (lse - z_y). The rows' losses are then weighted by sample weights s, and kept (none),
 * added (sum) or averaged (mean). The gradient with respect to the logits comes from the same call,
 * if asked for.
 *
 * The five lines of a C program:
 *
 *     double  logits[2][3] = {{0.1, 0.4, 0.5}, {0.8, 0.1, 0.1}}, loss;
 *     int64_t labels[2]    = {2, 0};
 *     if (ce_cross_entropy_f64(&logits[0][0], labels, 2, 3, NULL, &loss, NULL) != CE_OK)
 *         fprintf(stderr, "%s\n", ce_last_error_message());
 *     else printf("%.7f\n", loss);                                              // 0.8178187
 *
 * Promises
 *
 *  - Exact. The largest logit stays out of the sum, so that a confident row's loss keeps its
 *    relative accuracy down to the smallest normal number: logits {80, 0} with label 0 give
 *    1.8049e-35, not 0. All bounds are relative to the exact real result for the given inputs, and
 *    go by the dtype of the input (f16 and bf16 as f32); an output of a narrower dtype is rounded
 *    to it besides. A row's loss: f32 within 2 units in the last place of f32 where it is >= 2^-4,
 *    and within 1e-6 wherever it is a normal number, also where it is a sum of terms that are not;
 *    f64 within 1e-13, plus 2^-1075 for each 4096 classes. Gradient elements for labels: f32 within
 *    1e-6 at the label and wherever the probability is >= 1e-6, within 5e-6 elsewhere; f64 within
 *    1e-13. Where a gradient is a difference p - q of a probability and a target probability
 *    (distributions, label smoothing), the same bounds hold relative to the larger of the two. A
 *    probability below 2^-126 (f32) or 2^-1022 (f64) of the largest may become 0 in a gradient; in
 *    the loss it counts.
 *  - Reproducible. The same bits for any number of threads, split of the batch, memory layout,
 *    alignment and instruction set. Rounding mode and flush-to-zero settings of the calling thread
 *    change nothing, and are found as they were when the call returns.
 *  - All or nothing. Every argument is checked before the first output is written. After any
 *    status but CE_OK nothing was written, except after CE_ERROR_CANCELLED.
 *  - At home in any process. No signal handlers, no exit hooks, no output, no changes of the
 *    environment; no abort, except where a check (see Hardened) finds the library itself at fault.
 *    The library starts no thread before a call is large enough to use one, and none for calls with
 *    threads = 1. Safe after fork(), in the child too. Calls from several threads may run at the
 *    same time, as long as none writes what another one reads or writes. 64 kB of stack suffice.
 *    All memory is the caller's: after a call has returned none of its pointers is used, or freed.
 *  - Hardened. Symbols are bound when the library is loaded, and its tables of addresses are
 *    read-only from then on (full RELRO); stack and data are not executable; there is no search
 *    path for other libraries. The code that checks and plans a call is compiled with stack
 *    protectors and with checks of overflow and bounds, which stop the process where the library
 *    itself is at fault. The arithmetic on rows has neither, since they would cost short rows more
 *    than the work. In their place: all lengths, strides and addresses, labels, and classes and
 *    offsets of sparse targets are checked before it is given them; its scratch memory is allocated
 *    from the sizes that bound its loops; and on the stack it has no arrays: parts of vectors of 16
 *    numbers are copied there, at most 15 numbers whatever the length. Memory that a tensor says is
 *    there, and is not, no library can check.
 *
 * Odd cases, the same in every language
 *
 *  - The mean's divisor is 0 (empty batch, every row ignored, or with mean_over WEIGHT or MASS
 *    weights that add up to 0): option `empty` decides between NaN (default), 0 and CE_ERROR_EMPTY.
 *    The sum of no rows is 0.
 *  - An ignored row, or one whose sample weight is 0, has loss 0 and gradient 0, whatever it holds,
 *    NaN included. So has a row whose label has class weight 0, unless z_loss or label_smoothing is
 *    set.
 *  - A label outside [0, C) that is not ignored: CE_ERROR_LABEL; the message names row and label.
 *  - A logit of -infinity is an impossible class: its probability is 0. If it has target mass the
 *    loss is +infinity, and the gradient stays finite: probability minus target mass, as always.
 *  - w_c q_c = 0 makes the term 0, also where z_c is -infinity. The z-loss is a row's and not a
 *    class's: it stays where the class weight of the label is 0, however the target is given.
 *  - NaN or +infinity among the logits of a row, or nothing but -infinity: loss and gradient of
 *    that row are NaN, and of no other row. Whatever the input holds: a row whose loss is NaN has a
 *    gradient of NaN in every class.
 *  - Distributions that do not add up to 1, or are negative, are computed as written.
 *  - A value of a row beyond the largest f64 (-log p, the loss before or after weighting, a
 *    derivative before weighting) may become infinite, and NaN if it is then multiplied by 0. A
 *    mean of such losses may be infinite or NaN, too.
 * ------------------------------------------------------------------------------------------- */

#if defined(_WIN32)
#define CE_API
#else
#define CE_API __attribute__((visibility("default")))
#endif

/* ---------------------------------------------------------------------------------------------
 * Version
 *
 * Releases of one major version are compatible: symbols and status codes are never removed or
 * reused; structs with a `size` only grow at their end; ce_tensor never changes; the layout of
 * ce_partial and ce_accumulator changes only with their version. The number in the library's name
 * (.so.0) is the major version.
 * ------------------------------------------------------------------------------------------- */

#define CE_VERSION_MAJOR 0
#define CE_VERSION_MINOR 1
#define CE_VERSION_PATCH 0
#define CE_VERSION_NUMBER (CE_VERSION_MAJOR * 10000 + CE_VERSION_MINOR * 100 + CE_VERSION_PATCH)

/* ce_version: the version of the library at run time, as CE_VERSION_NUMBER spells it
 * (major * 10000 + minor * 100 + patch). Compare its major part with CE_VERSION_MAJOR. */
CE_API int32_t ce_version(void);

/* ce_version_string: the same as text, "0.1.0". Never NULL; static. */
CE_API const char *ce_version_string(void);

/* ce_build_info: one line of text about how the library was built, for bug reports.
 * Never NULL; static. */
CE_API const char *ce_build_info(void);

/* ce_isa: the instruction set that the kernels run on: "avx512", "avx2", "baseline" or "neon".
 * It is chosen once per process, at the first call that needs it, as the best that the processor
 * and the operating system support, capped by the environment variable CROSSENTROPY_ISA, which
 * takes the same names (other values are taken as no cap). Results do not depend on it.
 * Never NULL; static. */
CE_API const char *ce_isa(void);

/* ---------------------------------------------------------------------------------------------
 * Status
 *
 * Functions that can fail return a status: CE_OK or one of the others. (The int32_t of ce_version
 * and ce_get_num_threads is none.) Lists of what a function returns leave out the prefix CE_ERROR_.
 * ------------------------------------------------------------------------------------------- */

enum {
    CE_OK                  = 0,
    CE_ERROR_NULL_POINTER  = 1,  /* a required pointer is NULL (data may be NULL if it is empty) */
    CE_ERROR_OPTIONS_SIZE  = 2,  /* a struct's size is below the first release's or no multiple of
                                    8, or it sets a field that this release does not have */
    CE_ERROR_DTYPE         = 3,  /* an unknown dtype, or one not accepted in this place */
    CE_ERROR_SHAPE         = 4,  /* dimensions, axis or lengths that do not fit together, or 0
                                    classes */
    CE_ERROR_OVERFLOW      = 5,  /* sizes or strides whose product does not fit into 63 bits */
    CE_ERROR_OVERLAP       = 6,  /* an output overlaps an input, another output, or itself */
    CE_ERROR_LABEL         = 7,  /* a label outside [0, C) that is not ignored, or a class named
                                    twice in a row of a sparse target */
    CE_ERROR_OPTION        = 8,  /* an option that is not taken, or whose value is out of range */
    CE_ERROR_EMPTY         = 9,  /* the divisor of the mean is 0, and empty = CE_EMPTY_ERROR */
    CE_ERROR_OUT_OF_MEMORY = 10, /* scratch memory of O(rows + classes) could not be had */
    CE_ERROR_CANCELLED     = 11, /* the cancel flag was set; outputs hold unspecified values */
    CE_ERROR_PARTIAL       = 12  /* statistics that do not fit together, or are not statistics */
};

/* ce_status_string: what a status means in general, "label out of range" for instance.
 * Never NULL, also for unknown values; static. */
CE_API const char *ce_status_string(int32_t status);

/* ce_last_error_message: what went wrong in this thread's last failed call: the name of the
 * function, and what was given and is accepted, in the names of its arguments and of the members of
 * its structs: "ce_softmax: class_axis is 2, but input has 2 dimensions". Numbers are written alike
 * in every locale.
 *
 * It is for the caller who has just got a status other than CE_OK in this thread, and for nobody
 * else. A call that succeeds does not clear it, so it does not tell whether a call failed; other
 * threads have their own. The text stays valid until this thread's next failing call writes over
 * it. Never NULL; "" if no call of this thread has failed. */
CE_API const char *ce_last_error_message(void);

/* ---------------------------------------------------------------------------------------------
 * Simple calls
 *
 * ce_cross_entropy_f32, ce_cross_entropy_f64: the loss of `rows` rows of `classes` logits each, one
 * row after the other without gaps, against labels; and the gradient, in the same pass.
 *
 *   logits   rows x classes numbers: logits, unless options.input_type says otherwise
 *   labels   rows class indices, each in [0, classes) or equal to ignore_index (-100)
 *   options  NULL for the defaults: the mean of the rows' losses. See Options, below
 *   loss     1 number, or `rows` numbers with CE_REDUCTION_NONE; or NULL
 *   grad     rows x classes numbers, or NULL: the derivative of the loss (NONE: of each row's loss)
 *            with respect to the logits, times grad_loss and, with NONE, grad_losses. It may be the
 *            same pointer as logits, which are then replaced
 *
 * logits and labels may be NULL if rows is 0. At least one of loss and grad is not NULL, also then.
 * None of these four needs any alignment.
 * Returns CE_OK or: NULL_POINTER, OPTIONS_SIZE, DTYPE, SHAPE (rows < 0, classes < 1, length of a
 * weight), OVERFLOW, OVERLAP, LABEL, OPTION, EMPTY, OUT_OF_MEMORY, CANCELLED.
 * ------------------------------------------------------------------------------------------- */

typedef struct ce_options ce_options; /* see Options */

CE_API int32_t ce_cross_entropy_f32(const float *logits, const int64_t *labels, int64_t rows,
                                    int64_t classes, const ce_options *options, float *loss,
                                    float *grad);
CE_API int32_t ce_cross_entropy_f64(const double *logits, const int64_t *labels, int64_t rows,
                                    int64_t classes, const ce_options *options, double *loss,
                                    double *grad);

/* ---------------------------------------------------------------------------------------------
 * Tensors
 *
 * A tensor is a view of the caller's memory: nothing is copied. Any strides, negative ones too, and
 * any alignment. A stride of 0 is for inputs, where it repeats an element; what is asked of the
 * strides of an output stands under Outputs. Structs, shape, strides and cancel are aligned as C
 * has it.
 *
 * "Floats" are f32, f64, f16 or bf16, each tensor as it likes. f16 and bf16 are widened exactly:
 * results are, bit for bit, those of the same numbers given as f32, and so are the bounds. All that
 * is read or written may have 16 bits, but losses and lse that are written: they are f32 or f64.
 * ------------------------------------------------------------------------------------------- */

enum {
    CE_F32 = 1, /* IEEE binary32 */
    CE_F64 = 2, /* IEEE binary64 */
    CE_F16 = 3, /* IEEE binary16 */
    CE_BF16 = 4, /* the upper half of a binary32 */
    CE_I8  = 16, /* integers, signed */
    CE_I16 = 17,
    CE_I32 = 18,
    CE_I64 = 19,
    CE_U8  = 20, /* and unsigned */
    CE_U16 = 21,
    CE_U32 = 22,
    CE_U64 = 23
};

/* The most dimensions that a tensor may have. */
#define CE_MAX_NDIM 64

typedef struct ce_tensor {
    void          *data;    /* first element; inputs are not written through it; NULL if empty */
    int32_t        dtype;   /* CE_F32 ... */
    int32_t        ndim;    /* 0 to CE_MAX_NDIM; 0 is a single number */
    const int64_t *shape;   /* ndim lengths, each >= 0; may be NULL if ndim is 0 */
    const int64_t *strides; /* ndim distances, in elements; NULL: contiguous, last axis fastest */
} ce_tensor;

/* ---------------------------------------------------------------------------------------------
 * Options
 *
 * What a call is told beside its input and target. NULL means the defaults. Otherwise let
 * ce_options_init fill the struct with them, and change what should differ:
 *
 *     ce_options options;
 *     ce_options_init(&options, sizeof options);
 *     options.label_smoothing = 0.1;
 *
 * A struct of zeros will not do: a logit_scale or temperature of 0 is refused.
 *
 * Below: the values that fields can have, the struct, which field goes with which function, and
 * what is too long for a comment beside a field.
 * ------------------------------------------------------------------------------------------- */

/* input_type: what the input holds. */
enum {
    CE_INPUT_LOGITS    = 0, /* any real numbers; the loss applies the softmax */
    CE_INPUT_PROBS     = 1, /* probabilities: loss = -sum(w q log x), the textbook's formula */
    CE_INPUT_LOG_PROBS = 2  /* logarithms of probabilities: loss = -sum(w q x), "nll_loss" */
};

/* target_type: what a target of floats holds, or target_probs of a sparse one. */
enum {
    CE_TARGET_PROBS     = 0, /* probabilities q, as they are */
    CE_TARGET_LOGITS    = 1, /* a teacher's logits t: q = softmax(t) */
    CE_TARGET_LOG_PROBS = 2  /* logarithms t: q = exp(t), as they are */
};

/* target_rest: what becomes of the probability that a row of a sparse target does not name, 1 - sum
 * of those that it names. */
enum {
    CE_REST_DROP        = 0, /* nothing: the other classes have no mass */
    CE_REST_SPREAD      = 1, /* it is spread evenly over the other classes */
    CE_REST_RENORMALIZE = 2  /* the named probabilities are divided by their sum */
};

/* ignore_index: this value ignores no label. */
#define CE_IGNORE_NONE INT64_MIN

/* kl_form: the form of ce_kl_divergence. */
enum {
    CE_KL_GENERALIZED = 0, /* sum(q log(q / p) - q + p): never below 0, and 0 where q = p */
    CE_KL_PLAIN       = 1  /* sum(q log(q / p)): the same for distributions that add up to 1, and
                              else as written */
};

/* reduction: what becomes of the rows' losses. */
enum {
    CE_REDUCTION_MEAN = 0, /* their sum, divided by what mean_over says */
    CE_REDUCTION_SUM  = 1,
    CE_REDUCTION_NONE = 2  /* each row's loss is kept; grad holds each row's own gradient */
};

/* mean_over: what the mean divides by. s_i is row i's sample weight (1 if not given); ignored rows
 * do not count. */
enum {
    CE_MEAN_OVER_WEIGHT  = 0, /* labels: sum of s_i w_{y_i}; distributions, sparse: sum of s_i */
    CE_MEAN_OVER_MASS    = 1, /* sum of s_i w_c q_ic over rows and classes, q after target_rest and
                                 before smoothing; so labels and the same labels as one-hot
                                 distributions agree */
    CE_MEAN_OVER_COUNT   = 2, /* number of rows not ignored, those of weight 0 included */
    CE_MEAN_OVER_DIVISOR = 3  /* the number in mean_divisor: gradient accumulation, several
                                 machines */
};

/* empty: the mean where its divisor is 0 (that of CE_MEAN_OVER_DIVISOR never is). */
enum {
    CE_EMPTY_NAN   = 0, /* loss NaN; the gradient of ignored and weightless rows is still 0 */
    CE_EMPTY_ZERO  = 1, /* loss 0, gradient 0 */
    CE_EMPTY_ERROR = 2  /* CE_ERROR_EMPTY, nothing is written */
};

/* ce_options: append-only. With `size` the caller states how much of the struct the caller knows:
 * fields behind that have their defaults, and nothing behind it is read. In fields that come later
 * 0 will mean what was done before the field existed: a struct larger than the library's own is
 * accepted if every byte behind the library's last field is 0. CE_ERROR_OPTIONS_SIZE: a byte there
 * is not 0; or the size is below the first release's, above 4096, or no multiple of 8, where in
 * every release a field ends. The same holds for the other structs with a size, ce_outputs and
 * ce_row_stats.
 *
 * Pointers are NULL by default: not given. "One for each row" is the shape of the input without its
 * class axis. */
struct ce_options {
    uint64_t size;                   /* sizeof(ce_options) of the caller; set by ce_options_init */

    /* Input: what its numbers are, and what is done to them first */
    int32_t          input_type;     /* CE_INPUT_*; default LOGITS */
    int32_t          reserved_input; /* 0 */
    double           clip;           /* eps in [0, 0.5): probabilities are clamped to [eps, 1 - eps]
                                        in f64; default 0: they are not */
    double           logit_scale;    /* k, finite, not 0: logits x become k x; default 1 */
    double           softcap;        /* c, finite, >= 0: k x becomes c tanh(k x / c); default 0: no
                                        cap */
    double           temperature;    /* T, finite, > 0: divides the result, and a teacher's logits;
                                        default 1 */

    /* Target: what it holds, which rows are ignored, how it is smoothed */
    int32_t          target_type;    /* CE_TARGET_*; default PROBS */
    int32_t          target_rest;    /* CE_REST_*, of a sparse target; default DROP */
    const ce_tensor *target_probs;   /* makes the target sparse: the probability of each class that
                                        it names. Floats, the target's shape */
    const ce_tensor *target_offsets; /* where each row of a sparse target begins, counted in
                                        entries of target, if rows name different numbers of
                                        classes. i64, contiguous, [rows + 1] */
    int64_t          ignore_index;   /* rows with this label, and entries of sparse targets with
                                        this class, are ignored; default -100; CE_IGNORE_NONE: none.
                                        Unsigned labels never equal a negative value */
    const ce_tensor *ignore_indices; /* more such labels. i64, contiguous, one dimension */
    double           label_smoothing; /* e in [0, 1]: q becomes (1 - e) q + e / C; default 0 */
    const ce_tensor *prior;          /* what is mixed in instead of 1 / C. Floats, [C] */

    /* Weights */
    const ce_tensor *weight;         /* w of the classes. Floats, [C] */
    const ce_tensor *sample_weight;  /* s of the rows. Floats, one for each row */
    const ce_tensor *mask;           /* rows where it is 0 are ignored, whatever their target. Any
                                        integers, one for each row */
    const ce_tensor *pos_weight;     /* v of the positive class. Floats, [C], or one number */

    /* Terms: what the loss of a row is made of */
    double           z_loss;         /* finite, >= 0: s_i z_loss lse^2 is added; default 0 */
    double           focal_gamma;    /* gamma, finite, >= 0: each class's term is multiplied by
                                        (1 - p_c)^gamma; default 0 */
    double           poly_epsilon;   /* finite: poly_epsilon (1 - p_c) is added to each lse - z_c;
                                        default 0 */
    int32_t          temperature_squared; /* not 0: loss and gradients are multiplied by T^2;
                                             default 0 */
    int32_t          kl_form;        /* CE_KL_*; default GENERALIZED */

    /* Reduction: from the rows' losses to the result, and the gradients from above */
    int32_t          reduction;      /* CE_REDUCTION_*; default MEAN */
    int32_t          mean_over;      /* CE_MEAN_OVER_*; default WEIGHT */
    double           mean_divisor;   /* finite, > 0, where mean_over is DIVISOR; otherwise it is not
                                        read; default 0 */
    int32_t          empty;          /* CE_EMPTY_*; default NAN */
    int32_t          reserved_reduction; /* 0 */
    double           grad_loss;      /* upstream gradient: gradients are multiplied by it, the loss
                                        is not. Any number; default 1 */
    const ce_tensor *grad_losses;    /* upstream gradient of each row's loss, with reduction NONE.
                                        Floats, one for each row */

    /* Execution */
    int32_t          threads;        /* the most to use, the calling one included, >= 0; more than
                                        CE_MAX_THREADS counts as that; default 0: as
                                        ce_get_num_threads says */
    int32_t          reserved_execution; /* 0 */
    const volatile int32_t *cancel;  /* the call ends with CE_ERROR_CANCELLED soon after this is not
                                        0, at once if it is so already. Any thread may set it */
};

/* Which option goes with which function (x), and with which input: P, PROBS alone; L, LOGITS alone.
 * Any other that is not at its default is refused with CE_ERROR_OPTION. (An ignore_index of
 * CE_IGNORE_NONE is taken everywhere; mean_divisor is a part of mean_over.) Taken without effect:
 * mean_over and empty where reduction is not MEAN; prior where label_smoothing is 0; ignore_index
 * where the target is not of integers; grad_loss and grad_losses where there is no gradient; in a
 * partial function those that only another one uses.
 *
 * The functions: `loss`, ce_cross_entropy, ce_cross_entropy_f32 and _f64; `kl`, ce_kl_divergence;
 * `second`, ce_hessian_vector_product and ce_hessian_diagonal; `binary`, ce_binary_cross_entropy;
 * `softmax`, ce_softmax, ce_log_softmax and ce_logsumexp; `stats`, ce_compute_row_stats; `partial`,
 * ce_partial_compute, _loss and _grad.
 *
 *                        input  loss  kl  second  binary  softmax  stats  partial
 *   Input
 *     input_type                 x    x     -       x        -       -       -
 *     clip                 P     x    -     -       x        -       -       -
 *     logit_scale          L     x    x     x       -        x       x       x
 *     softcap              L     x    x     -       -        x       x       x
 *     temperature                x    x     x       -        x       x       -
 *   Target
 *     target_type                x    x     x       -        -       -       -
 *     target_rest                x    x     x       -        -       -       -
 *     target_probs               x    x     x       -        -       -       -
 *     target_offsets             x    x     x       -        -       -       -
 *     ignore_index               x    x     x       x        -       x       x
 *     ignore_indices             x    x     x       -        -       -       -
 *     label_smoothing            x    -     x       x        -       -       -
 *     prior                      x    -     x       -        -       -       -
 *   Weights
 *     weight                     x    -     x       x        -       -       x
 *     sample_weight              x    x     x       x        -       -       x
 *     mask                       x    x     x       -        -       -       -
 *     pos_weight                 -    -     -       x        -       -       -
 *   Terms
 *     z_loss               L     x    -     x       -        -       -       x
 *     focal_gamma          L     x    -     -       x        -       -       x
 *     poly_epsilon         L     x    -     -       -        -       -       x
 *     temperature_squared        x    x     x       -        -       -       -
 *     kl_form                    -    x     -       -        -       -       -
 *   Reduction
 *     reduction                  x    x     x       x        -       -       x
 *     mean_over                  x    x     x       x        -       -       x
 *     empty                      x    x     x       x        -       -       x
 *     grad_loss                  x    x     x       x        -       -       x
 *     grad_losses                x    x     x       -        -       -       -
 *   Execution
 *     threads                    x    x     x       x        x       x       x
 *     cancel                     x    x     x       x        x       x       x
 *
 * Input. For PROBS and LOG_PROBS only classes with target mass (w_c q_c != 0) are looked at. The
 * gradient is with respect to the input as given: -s_i w_c q_c / x_c for PROBS, and 0 where clip
 * changes x_c; -s_i w_c q_c for LOG_PROBS. A probability of 0 with target mass gives a loss of
 * +infinity and a gradient of -infinity; a negative one gives NaN.
 *
 * logit_scale, softcap and temperature come first, in this order: z is what they make of the input
 * x, computed in f64 for every dtype and within 6 units in its last place, 1.4e-15; the promised
 * bounds hold for those z. Losses of labels may do without a z in f64, with bounds that then hold
 * for the exact z. softcap leaves infinite logits infinite. The gradient is with respect to
 * x. temperature needs logits on at least one side, in the input or the target. Logits, a teacher's
 * too, that are scaled or divided beyond the largest f64 count as infinite. A derivative of softcap
 * below 2^-249 may become 0; of f64 logits, below 2^-1020.
 *
 * Target. What target, target_probs and target_type can be:
 *
 *   labels          target of integers. The input's shape without the class axis
 *   distributions   target of floats: probabilities, a teacher's logits or log-probabilities. The
 *                   input's shape
 *   sparse          target of integers, and target_probs of the same shape: the K classes that a
 *                   row names, and their probabilities (or their logarithms; or a teacher's logits,
 *                   of which RENORMALIZE makes probabilities). The input's shape, but for the class
 *                   axis, whose length K >= 0 is the target's own; or with target_offsets one
 *                   dimension each: row i, rows counted with the last dimension fastest, names
 *                   target[target_offsets[i]] to target[target_offsets[i + 1] - 1]. Offsets do not
 *                   decrease and lie in [0, length of target]; entries that no row names are not
 *                   looked at. An entry whose class is ignored is left out; a row without entries
 *                   is ignored. A class twice in a row is CE_ERROR_LABEL
 *
 * ignore_index and ignore_indices are for labels and for sparse targets; label_smoothing is for
 * labels and for distributions. A prior need not add up to 1.
 *
 * SPREAD: probabilities that were rounded seldom add up to 1 exactly. What is left is 0 where their
 * sum is above 1 by less than 2^-16, or below 1 by less than K 2^-23 for target_probs of f32, K
 * 2^-52 for f64, and 2^-16 for many of f32: a unit in the last place of 1 for each of the K classes
 * that the row names. (f16 and bf16 count as f32: sums of theirs are further from 1, and what they
 * leave is spread.) Every other sum is computed as written, without a rounding of its own.
 *
 * A sum that RENORMALIZE divides by and that is 0 makes the row NaN. A row of teacher logits with
 * NaN or +infinity, or nothing but -infinity, is NaN. Of teacher logits that are not f64, a class
 * whose probability is below 2^-187 of the largest may have probability 0.
 *
 * Terms. With z_loss, focal_gamma and poly_epsilon the loss of a row is
 *
 *     s_i (sum over c of  w_c q_c (1 - p_c)^gamma ((lse - z_c) + poly_epsilon (1 - p_c))
 *          +  z_loss lse^2)
 *
 * where p is the softmax of z, q is smoothed, and a class index is a q of one 1. The sum is focal
 * loss (Lin et al., 2017) with class weights as its alpha, and with poly_epsilon the poly-1 loss
 * (Leng et al., 2022). Class weights do not touch the z-loss. What the mean divides by does not
 * depend on these three options. The bounds of the promises hold times 1 + gamma, relative to the
 * sum of the terms' magnitudes, where that of lse^2 counts as (|m| + log(sum exp(z_c - m)))^2 for
 * the largest logit m.
 *
 * Execution. cancel is looked at every few milliseconds at least, also inside a long row and while
 * labels are checked; once it has been seen, it may be set back. After CE_ERROR_CANCELLED outputs,
 * and an input that is replaced in place, hold unspecified values. */

/* ce_options_init: writes the defaults into the first `size` bytes of *options, 0 into fields that
 * the library does not have; pass sizeof(ce_options).
 * Returns CE_OK or: NULL_POINTER, OPTIONS_SIZE; then nothing was written. */
CE_API int32_t ce_options_init(ce_options *options, size_t size);

/* ---------------------------------------------------------------------------------------------
 * Outputs
 *
 * What ce_cross_entropy, ce_kl_divergence and ce_binary_cross_entropy write, all of it in one call:
 *
 *     ce_outputs outputs = {.size = sizeof outputs, .loss = &loss, .grad = &grad};
 *
 * A member that is NULL is not wanted, so none may be left without a value: begin with such a line,
 * or in C++ before C++20 with `ce_outputs outputs = {}`. If all of them are NULL, or the pointer to
 * the outputs is, then there is nothing to compute: CE_ERROR_NULL_POINTER.
 *
 * Outputs may not overlap inputs nor each other, except that grad may be the input itself (same
 * data, same strides), which is then replaced. Distinct elements of an output lie at distinct
 * addresses, and in nested order: a step along one dimension leads beyond all that smaller strides
 * reach, as in every slice, transpose or padded part of an array.
 * ------------------------------------------------------------------------------------------- */

typedef struct ce_row_stats ce_row_stats; /* see ce_compute_row_stats */

/* ce_outputs: append-only, with a size as ce_options has. */
typedef struct ce_outputs {
    uint64_t            size;        /* sizeof(ce_outputs) of the caller */
    const ce_tensor    *loss;        /* one number (ndim 0, or one element); with reduction NONE one
                                        for each row. f32 or f64, whatever the input is */
    const ce_tensor    *grad;        /* the derivative of the loss with respect to the input, times
                                        grad_loss and grad_losses. The input's shape, and its dtype
                                        (for f16 and bf16 also f32) */
    const ce_tensor    *grad_target; /* likewise with respect to a target of distributions, as they
                                        were given. The target's shape, and its dtype (for f16 and
                                        bf16 also f32) */
    const ce_row_stats *row_stats;   /* statistics of each row; with distributions, label smoothing,
                                        or of other than f64 with a scale, softcap or up to 128
                                        classes, one more pass */
} ce_outputs;

/* Which output goes with which function (x), and with which input: L, LOGITS alone. Any other is
 * refused, with CE_ERROR_OPTION.
 *
 *                        input  loss  kl  binary
 *     loss                       x    x     x
 *     grad                       x    x     x
 *     grad_target                x    x     -
 *     row_stats            L     x    -     -
 *
 * grad and grad_target in f16 and bf16 are the gradients in f32, rounded to nearest, ties to even.
 *
 * grad_target of ce_cross_entropy: for probabilities u_c = w_c (1 - e) f_c, where f_c is lse - z_c
 * (for PROBS and LOG_PROBS -log x_c and -x_c) and e is label_smoothing; for log-probabilities
 * q_c u_c; for teacher logits (q_c / T) (u_c - sum(q u)). All of it times s_i, grad_loss and
 * grad_losses (and temperature_squared's T^2), and divided as the mean is. A row that is ignored,
 * or whose sample weight is 0, has 0; one whose loss is NaN, or with teacher logits +infinity, has
 * NaN, and so may a row in which an f_c is beyond the largest f64. Where q_c = 0, f_c may be
 * +infinity. The loss of f32 logits may differ in its last bit from that of a call without
 * grad_target. Refused with focal_gamma, poly_epsilon, mean_over MASS (whose divisor depends on the
 * target), labels and sparse targets. */

/* ---------------------------------------------------------------------------------------------
 * The general call
 *
 * ce_cross_entropy: the loss of tensors, its gradients, and statistics of the rows.
 *
 *   input       floats, at least one dimension
 *   class_axis  which dimension of the input holds the classes; -1 is the last, -2 the one before.
 *               The others, in their order, are the rows
 *   target      labels (integers, the input's shape without the class axis), distributions (floats,
 *               the input's shape), or sparse: see Options
 *   options     NULL for the defaults
 *   outputs     the loss, gradients and statistics that are wanted: see Outputs
 *
 * float logits[rows][classes], their labels, int32_t labels[rows], and double mean for the loss:
 *
 *     int64_t    shape[2] = {rows, classes};
 *     ce_tensor  input    = {logits, CE_F32, 2, shape, NULL};
 *     ce_tensor  target   = {labels, CE_I32, 1, shape, NULL};
 *     ce_tensor  loss     = {&mean, CE_F64, 0, NULL, NULL};
 *     ce_outputs outputs  = {.size = sizeof outputs, .loss = &loss};
 *     int32_t    status   = ce_cross_entropy(&input, -1, &target, NULL, &outputs);
 *
 * Returns what ce_cross_entropy_f32 returns.
 * ------------------------------------------------------------------------------------------- */

CE_API int32_t ce_cross_entropy(const ce_tensor *input, int32_t class_axis, const ce_tensor *target,
                                const ce_options *options, const ce_outputs *outputs);

/* ---------------------------------------------------------------------------------------------
 * KL divergence
 *
 * ce_kl_divergence: for each row the Kullback-Leibler divergence of a prediction p from a target
 * distribution q,
 *
 *     loss = s_i sum over c of (q_c d_c - q_c + p_c),        d_c = log q_c - log p_c
 *
 * which for distributions that add up to 1 is sum(q log(q / p)), the form that kl_form =
 * CE_KL_PLAIN asks for. No term is below 0, so nothing cancels, and where q_c = p_c the term is
 * exactly 0: so is the loss of equal logits, also of such as differ by a constant, where that
 * difference is exact. p is the softmax of the input, or for PROBS and LOG_PROBS what it holds; q
 * is what the target holds, by target_type.
 *
 *   input, class_axis, outputs   as in ce_cross_entropy
 *   target   distributions or sparse; labels are refused
 *   options  NULL for the defaults. mean_over is WEIGHT, COUNT or DIVISOR; MASS is refused.
 *            temperature with temperature_squared: distillation (Hinton et al., 2015)
 *
 * Gradient, all of it times s_i, with Q = sum(q): for logits (Q p_c - q_c) / T, for
 * log-probabilities p_c - q_c, for probabilities 1 - q_c / p_c; PLAIN has the same for logits, but
 * -q_c and -q_c / p_c. With respect to the target: for logits (q_c / T) (d_c - sum(q d)), for
 * log-probabilities q_c d_c, for probabilities d_c; PLAIN has the same for logits, but
 * q_c (d_c + 1) and d_c + 1.
 *
 * Exact: a row is within 1e-13 of its value with f64 on either side, else within 1e-6 of it; and
 * beside that it is off by no more than if each d_c was off by a rounding of the logarithms, r_c =
 * 1e-15 (1 + the larger of |log q_c| and |log p_c|): by the sum of min(q_c, |q_c - p_c|) r_c +
 * min(q_c, p_c) r_c^2. For distributions that add up to 1 that is below r sqrt(2 value) + r^2 with
 * the largest r_c as r.
 * PLAIN, of other than logits from logits: 1e-13 or 1e-6 of sum |q_c d_c|, and 1e-15 sum of
 * q_c (1 + |log q_c| + |log p_c|). Then it is rounded to the dtype of the loss. Gradients within
 * 1e-13, or 1e-6, of the larger of p_c and q_c (f64 logits of magnitude 100 and more: as many times
 * more as they are larger than 100); with respect to the target likewise, of the sum of their
 * parts. No probability that logits come to is above 1. One below 2^-126 (f32) or 2^-1022 (f64) of
 * the largest may become 0, as may one below 2^-1022 that log-probabilities come to; what those
 * come to beyond the largest f64 is +infinity.
 *
 * Odd cases: q_c = 0 makes the term p_c, and 0 with PLAIN. p_c = 0 < q_c makes the loss +infinity;
 * the gradient stays finite for logits and log-probabilities, and is -infinity for probabilities.
 * NaN, a negative probability (of the target or the input), and for logits +infinity or nothing but
 * -infinity, make loss and gradients of the row NaN.
 *
 * Returns what ce_cross_entropy returns.
 * ------------------------------------------------------------------------------------------- */

CE_API int32_t ce_kl_divergence(const ce_tensor *input, int32_t class_axis, const ce_tensor *target,
                                const ce_options *options, const ce_outputs *outputs);

/* ---------------------------------------------------------------------------------------------
 * Second derivatives
 *
 * ce_hessian_vector_product: H v for the Hessian H of ce_cross_entropy's loss with respect to the
 * logits, without H. ce_hessian_diagonal: the diagonal of H. With target mass a_c = w_c q_c, A =
 * sum(a), and b = sum(p v), for each row
 *
 *     (H v)_c = s_i (A p_c (v_c - b) + 2 z_loss p_c (b + lse (v_c - b)))
 *     H_cc    = s_i (A p_c (1 - p_c) + 2 z_loss p_c (p_c + lse (1 - p_c)))
 *
 * as the loss is reduced, times grad_loss and grad_losses. With logit_scale k and temperature T,
 * all of it times (k / T)^2 (and temperature_squared's T^2). H is block-diagonal: rows do not meet.
 * Without z_loss it is positive semi-definite, and its diagonal at least 0.
 *
 *   input, class_axis, target, options   as in ce_cross_entropy, of logits alone
 *   vector   floats, the shape of input
 *   output   the input's shape, and its dtype (for f16 and bf16 input also f32); may be the input
 *            or the vector itself
 *
 * Exact: computed in f64; within 1e-6 (f32, f16 and bf16 input) or 1e-13 (f64; logits of magnitude
 * 100 and more as in ce_kl_divergence) of |A| p_c (|v_c - v_j| + sum(p |v - v_j|)) for the class j
 * of the largest logit, and likewise for z_loss; p below 2^-1022 of the largest may count as 0. NaN
 * or infinite where that, but for p_c, v_c - v_j or 2 z_loss lse is beyond the largest f64. Ignored
 * rows and rows of sample weight 0 have 0; rows with NaN or +infinity among their logits, or
 * nothing but -infinity, and such whose target mass adds up to NaN, have NaN.
 *
 * Return what ce_cross_entropy returns.
 * ------------------------------------------------------------------------------------------- */

CE_API int32_t ce_hessian_vector_product(const ce_tensor *input, int32_t class_axis,
                                         const ce_tensor *target, const ce_options *options,
                                         const ce_tensor *vector, const ce_tensor *output);
CE_API int32_t ce_hessian_diagonal(const ce_tensor *input, int32_t class_axis,
                                   const ce_tensor *target, const ce_options *options,
                                   const ce_tensor *output);

/* ---------------------------------------------------------------------------------------------
 * Softmax, log-sum-exp, and what a row tells beside its loss
 *
 * All of them take logits of the dtypes, shapes and strides of ce_cross_entropy's input. z is these
 * after logit_scale, softcap and temperature; p is its softmax, m its largest. Accuracy,
 * reproducibility and errors are those of the loss: probabilities within a
 * relative 1e-6 (f32, f16, bf16 input; 5e-6 below 1e-6) or 1e-13 (f64), their logarithms, lse and
 * entropy within 1e-6 and 1e-13 relative to the larger of their parts (m - z_c and log(sum exp(z -
 * m)); m and the latter).
 * ------------------------------------------------------------------------------------------- */

/* ce_softmax: probabilities p_c = exp(z_c - lse) along the class axis; ce_log_softmax: z_c - lse.
 *
 *   output   the input's shape, and its dtype (for f16 and bf16 input also f32); it may be the
 *            input itself, any other overlap is an error
 *
 * A logit of -infinity has probability 0, and its logarithm is -infinity. Rows with NaN or
 * +infinity, or nothing but -infinity, become NaN throughout. */
CE_API int32_t ce_softmax(const ce_tensor *input, int32_t class_axis, const ce_options *options,
                          const ce_tensor *output);
CE_API int32_t ce_log_softmax(const ce_tensor *input, int32_t class_axis, const ce_options *options,
                              const ce_tensor *output);

/* ce_logsumexp: lse = log(sum of exp(z_c)) of each row.
 *
 *   output   f32 or f64, the shape of the input without the class axis
 *
 * +infinity if the row holds +infinity, -infinity if it holds nothing but -infinity, else NaN if it
 * holds NaN. */
CE_API int32_t ce_logsumexp(const ce_tensor *input, int32_t class_axis, const ce_options *options,
                            const ce_tensor *output);

/* ce_row_stats: each pointer is NULL or has room for one number per row, of any alignment, in
 * row-major order of the input's shape without the class axis. If all are NULL, nothing is
 * computed, also where they are the only output: CE_OK. Rows with +infinity, or with nothing but
 * -infinity, have lse, max and argmax, and NaN and -1 for the rest; other rows with NaN have NaN
 * and -1 throughout. */
struct ce_row_stats {
    uint64_t size;        /* sizeof(ce_row_stats) of the caller */
    double  *lse;         /* log(sum of exp(z_c)) */
    double  *max;         /* the largest z_c; a zero is +0 */
    int64_t *argmax;      /* its class, the first of several; 0 in a row of nothing but -infinity
                             (where ce_partial has -1) */
    double  *entropy;     /* -sum(p log p), in nats, from 0 to log(classes) */
    double  *target_prob; /* p of the label; NaN where there is no label, in rows that are ignored,
                             and in a call for a loss where s_i is 0, or w_y and z_loss are 0 */
    int64_t *target_rank; /* how many classes are ahead of the label's: those of larger logits, and
                             of equal ones those of lower index. 0: the prediction is right; below
                             n: among the n best. -1 where target_prob is NaN */
};

/* ce_compute_row_stats: these alone, in one pass. For those of the rows of a loss, see
 * ce_outputs.row_stats.
 *
 *   labels   class indices, as for ce_cross_entropy; NULL: there is no target
 *   stats    not NULL
 *
 * Returns what ce_cross_entropy returns. */
CE_API int32_t ce_compute_row_stats(const ce_tensor *input, int32_t class_axis,
                                    const ce_tensor *labels, const ce_options *options,
                                    const ce_row_stats *stats);

/* ---------------------------------------------------------------------------------------------
 * Binary cross-entropy
 *
 * ce_binary_cross_entropy: loss and gradient of tensors whose every element is a yes-or-no question
 * of its own, of which p = 1 / (1 + exp(-z)) is the probability of yes for a logit z. For labels
 * that do not exclude each other, and for two classes told by one number. With the target y of an
 * element
 *
 *     loss = s w (v y (-log p) + (1 - y) (-log(1 - p)))
 *
 * and its gradient with respect to the logit is s w ((1 - y) p - v y (1 - p)). Sample weight s,
 * class weight w and positive weight v are 1 unless given. With label_smoothing e, y becomes (1 -
 * e) y + e / 2; with focal_gamma the first term is multiplied by (1 - p)^gamma, the second one by
 * p^gamma.
 *
 *   input       floats, any number of dimensions; logits or, with input_type PROBS, probabilities p
 *               (`clip` is accepted; the gradient is then s w ((1 - y) / (1 - p) - v y / p)).
 *               LOG_PROBS are refused
 *   class_axis  which dimension of the input the class and positive weights belong to; -1 is the
 *               last. Without these, it is only checked. Its length may be 0; a single number, an
 *               input without dimensions, is of one class, and its axis is -1 or 0
 *   target      the input's shape. An integer dtype: labels, 0 or 1, or ignore_index, each at its
 *               element. Floats: any real y, computed as written
 *   options     NULL for the defaults. weight and pos_weight: one number for each class; or one for
 *               all of them, of no dimension or one. sample_weight: the input's shape (a stride of
 *               0 repeats one along a dimension). mean_over WEIGHT: sum of s w over elements that
 *               are not ignored, without v; COUNT: their number; MASS is refused
 *   outputs     loss and grad as in ce_cross_entropy, but with NONE the loss has the input's shape
 *
 * Exact: loss and gradient of each element are within a relative 1e-6 (f32, f16 and bf16 input) or
 * 1e-13 (f64) of the real result, times 1 + focal_gamma, wherever that is a normal number; a loss
 * or gradient of two terms relative to the sum of their magnitudes. exp(-|z|) below 2^-126 (f32) or
 * 2^-1022 (f64) may become 0. Sums and means add the elements exactly and round once. With
 * focal_gamma, PROBS or an f64 target, f32 input is computed in f64; else a loss that is beyond the
 * largest f32 before it is weighted may be infinite.
 *
 * Odd cases, beside those of the introduction, where an element is what a row is there:
 *
 *  - A logit of +infinity or -infinity is certain: where the target agrees, loss and gradient are
 *    0; where not, the loss is +infinity and the gradient s w or -s w v. NaN: loss and gradient of
 *    that element are NaN.
 *  - A probability of 0 or 1 that the target contradicts has a loss of +infinity and an infinite
 *    gradient; one below 0 or above 1, unless clipped, a loss and gradient of NaN.
 *  - A term whose factor (s w v y or s w (1 - y)) is 0 is 0, whatever the input.
 *  - An element that is ignored, or whose s w is 0, has a loss and gradient of 0, NaN or not.
 *
 * Returns CE_OK or: NULL_POINTER, OPTIONS_SIZE, DTYPE, SHAPE, OVERFLOW, OVERLAP, LABEL (neither 0
 * nor 1; the message names the element, counted with the last dimension fastest), OPTION, EMPTY,
 * OUT_OF_MEMORY, CANCELLED.
 * ------------------------------------------------------------------------------------------- */

CE_API int32_t ce_binary_cross_entropy(const ce_tensor *input, int32_t class_axis,
                                       const ce_tensor *target, const ce_options *options,
                                       const ce_outputs *outputs);

/* ---------------------------------------------------------------------------------------------
 * Partial statistics: classes that are not all in one place
 *
 * A row whose classes are split over files, processes or machines: each part of the classes, a
 * slice, becomes statistics of 408 bytes a row (ce_partial_compute). Those of different slices are
 * merged (ce_partial_merge). Statistics of all classes give the loss (ce_partial_loss) and each
 * slice's gradient (ce_partial_grad). Rows of 131072 logits, in two tensors, with their labels:
 *
 *     ce_partial *low = malloc(rows * sizeof *low), *high = malloc(rows * sizeof *high);
 *     ce_partial_compute(&logits_low,  -1, 0,     &labels, NULL, low);       // classes 0 to 65535
 *     ce_partial_compute(&logits_high, -1, 65536, &labels, NULL, high);      // and the others
 *     ce_partial_merge(low, high, rows);
 *     ce_partial_loss(low, rows, 131072, NULL, &loss);
 *     ce_partial_grad(&logits_low,  -1, 0,     low, 131072, NULL, &grad_low);
 *     ce_partial_grad(&logits_high, -1, 65536, low, 131072, NULL, &grad_high);
 *
 * Slices begin at multiples of CE_BLOCK. Merging is associative and commutative to the bit:
 * statistics depend on the set of merged blocks of classes, and loss and gradient are the same bits
 * for any slices, order and grouping. (They are not the bits of ce_cross_entropy, which adds up
 * blocks in another way; both keep the bounds of the promises.)
 *
 * How. The exponentials of a block are a double times a power of two, so the sum over blocks is an
 * integer: exact, but for what is below 2^-1088 of the largest exponential. The largest one stays
 * out.
 *
 * Each function takes the same ce_options. Used by ce_partial_compute alone: ignore_index,
 * logit_scale, softcap. The statistics keep the last two, and ce_partial_loss and ce_partial_grad
 * use those, not the ones in their options. Used by these two: weight, sample_weight, reduction,
 * mean_over, mean_divisor, empty, grad_loss, z_loss, focal_gamma, poly_epsilon. By all three:
 * threads, cancel. The others, such as temperature, label_smoothing and mask, are refused.
 * ------------------------------------------------------------------------------------------- */

/* Classes per block. Slices begin at multiples of it; the length of every slice but the last is a
   multiple of it too. */
#define CE_BLOCK 4096

#define CE_PARTIAL_VERSION 1
#define CE_PARTIAL_LIMBS 36

/* ce_partial: one row's statistics. 408 bytes without padding or pointers, to be copied, stored and
 * sent as they are between machines of little-endian byte order; fields are for reading. Statistics
 * of the same classes of the same row are the same bytes. */
typedef struct ce_partial {
    uint32_t version;      /* CE_PARTIAL_VERSION */
    int32_t  dtype;        /* CE_F64 for f64 logits, else CE_F32 */
    int32_t  has_target;   /* 1: the label's class is among those seen */
    int32_t  is_undefined; /* 1: NaN or +infinity has been seen; then there is no sum, and max is
                              NaN */
    int64_t  label;        /* the target class, counted from class 0; -1: the row is ignored */
    int64_t  first_class;  /* the first class seen */
    int64_t  end_class;    /* behind the last class seen */
    int64_t  classes;      /* how many have been seen, in between */
    uint64_t cover;        /* tells sets of blocks apart */
    double   logit_scale;  /* as in the options; 1: none */
    double   softcap;      /* 0: none */
    double   max;          /* the largest z_c, as in ce_row_stats; a zero is +0 */
    int64_t  argmax;       /* its class, the first of equal ones; -1: there is nothing but
                              -infinity */
    double   target;       /* the label's logit; 0 if it has not been seen */
    double   top;          /* exp(max) is top 2^top_exponent */
    int64_t  top_exponent;
    int64_t  sum_exponent; /* exp(z_c) of all the others add up to the sum of sum[i] 2^(32 i +
                              sum_exponent) */
    uint64_t sum[CE_PARTIAL_LIMBS];
} ce_partial;

/* ce_partial_compute: the statistics of a slice of the classes.
 *
 *   input        as in ce_cross_entropy, but with classes first_class, first_class + 1, ... on its
 *                class axis; at least one class
 *   class_axis   as there
 *   first_class  a multiple of CE_BLOCK, at least 0
 *   target       class indices (an integer dtype), counted from class 0, of all rows in every
 *                slice: the input's shape without the class axis. At least 0, or equal to
 *                ignore_index
 *   options      NULL for the defaults
 *   partials     one for each row, in the order of the rows, last dimension fastest; may be NULL
 *                if there are none
 *
 * Returns CE_OK or: NULL_POINTER, OPTIONS_SIZE, DTYPE, SHAPE (first_class too), OVERFLOW, OVERLAP,
 * LABEL (a negative one; too large ones are found when the number of classes is known), OPTION,
 * OUT_OF_MEMORY, CANCELLED. */
CE_API int32_t ce_partial_compute(const ce_tensor *input, int32_t class_axis, int64_t first_class,
                                  const ce_tensor *target, const ce_options *options,
                                  ce_partial *partials);

/* ce_partial_merge: into[i] becomes the statistics of its classes and from[i]'s, for each of `rows`
 * rows. Both may be NULL if rows is 0.
 *
 * Returns CE_OK or: NULL_POINTER, SHAPE (rows < 0), OVERFLOW, OVERLAP (`into` and `from` share
 * memory), PARTIAL: not statistics; different labels, dtypes, softcap or logit_scale; or classes in
 * common, as far as counts and the label show it (ce_partial_loss finds every case). Nothing has
 * been merged then. */
CE_API int32_t ce_partial_merge(ce_partial *into, const ce_partial *from, int64_t rows);

/* ce_partial_loss: the loss from statistics of all classes.
 *
 *   partials  `rows` of them; may be NULL if rows is 0
 *   classes   C, the number of classes, or 0: those that the first row's statistics have seen, from
 *             class 0 on. It is safer to give it, as a missing last slice goes unnoticed otherwise
 *   options   NULL for the defaults; weight has shape [C], sample_weight has shape [rows]
 *   loss      f32 or f64: one number, or with CE_REDUCTION_NONE shape [rows]
 *
 * Returns CE_OK or: NULL_POINTER, OPTIONS_SIZE, DTYPE, SHAPE, OVERFLOW, OVERLAP, LABEL (not below
 * C), OPTION, EMPTY, OUT_OF_MEMORY, CANCELLED, PARTIAL (not each of the C classes exactly once; the
 * message names the row). */
CE_API int32_t ce_partial_loss(const ce_partial *partials, int64_t rows, int64_t classes,
                               const ce_options *options, const ce_tensor *loss);

/* ce_partial_grad: the gradient of the loss with respect to the logits of a slice.
 *
 *   input, class_axis, first_class  as they were given to ce_partial_compute
 *   partials  statistics of all classes, one for each row
 *   classes   as in ce_partial_loss; first_class and the slice's length lie within
 *   options   NULL for the defaults; weight has shape [C], sample_weight the input's shape without
 *             the class axis
 *   grad      as in ce_cross_entropy: the input's shape and dtype (for f16 and bf16 also f32); may
 *             be the input
 *
 * Returns what ce_partial_loss returns. */
CE_API int32_t ce_partial_grad(const ce_tensor *input, int32_t class_axis, int64_t first_class,
                               const ce_partial *partials, int64_t classes,
                               const ce_options *options, const ce_tensor *grad);

/* ---------------------------------------------------------------------------------------------
 * Accumulator: losses over many batches, processes or machines
 *
 * Sums of losses and of weights that are exact, and rounded once when they are asked for: the same
 * bits for any order of rows and any split of them over accumulators. An accumulator is memory
 * without a lock: calls on the same one must not overlap, calls on different ones may. Threads that
 * have one each merge them at the end.
 * ------------------------------------------------------------------------------------------- */

#define CE_ACCUMULATOR_VERSION 1
#define CE_ACCUMULATOR_WORDS 70

/* ce_accumulator: 600 bytes without padding or pointers, to be copied, stored and sent as they are
 * between machines of little-endian byte order. Equal contents are equal bytes. */
typedef struct ce_accumulator {
    uint32_t version;        /* CE_ACCUMULATOR_VERSION */
    uint32_t reserved;       /* 0 */
    int64_t  rows;           /* rows added, but for those of weight 0 */
    int64_t  judged;         /* those of them that were said to be correct or not */
    int64_t  correct;        /* those of them that were correct */
    uint32_t loss_special;   /* sum of the losses. 0: finite; 1: +infinity, 2: -infinity, 3: NaN */
    uint32_t weight_special; /* likewise of the sum of the weights */
    uint32_t loss[CE_ACCUMULATOR_WORDS];   /* sum of the losses in units of 2^-1074: two's
                                              complement, low words first */
    uint32_t weight[CE_ACCUMULATOR_WORDS]; /* sum of the weights */
} ce_accumulator;

/* ce_accumulator_init: no rows yet. Returns CE_OK or CE_ERROR_NULL_POINTER. */
CE_API int32_t ce_accumulator_init(ce_accumulator *accumulator);

/* ce_accumulator_add: adds rows.
 *
 *   loss     floats, any shape: each row's loss, weighted, as CE_REDUCTION_NONE gives it
 *   weight   floats, the same shape: what each row's loss was weighted with (s_i w_{y_i}), 0
 *            for ignored rows; a row of weight 0 does not count, whatever its loss is. With
 *            distributions and sparse targets s_i. NULL: all 1, which counts ignored rows too
 *   correct  an integer dtype, the same shape: not 0 for a row that was predicted correctly; NULL:
 *            not known
 *
 * Returns CE_OK or: NULL_POINTER, DTYPE, SHAPE, OVERFLOW, OVERLAP (the accumulator is part of an
 * array), PARTIAL (it is none). Nothing has been added then. */
CE_API int32_t ce_accumulator_add(ce_accumulator *accumulator, const ce_tensor *loss,
                                  const ce_tensor *weight, const ce_tensor *correct);

/* ce_accumulator_merge: adds the rows of `from`, which may be `into`.
 * Returns CE_OK or: NULL_POINTER, PARTIAL. */
CE_API int32_t ce_accumulator_merge(ce_accumulator *into, const ce_accumulator *from);

/* ce_accumulator_result: what has come together; each pointer may be NULL.
 *
 *   mean    the sum of the losses divided by the sum of the weights; NaN if both are 0, infinite if
 *           only that of the weights is
 *   sum     the sum of the losses
 *   weight  the sum of the weights; without weights the number of rows
 *
 * Returns CE_OK or: NULL_POINTER (accumulator), PARTIAL. */
CE_API int32_t ce_accumulator_result(const ce_accumulator *accumulator, double *mean, double *sum,
                                     double *weight);

/* ---------------------------------------------------------------------------------------------
 * Threads
 * ------------------------------------------------------------------------------------------- */

/* ce_set_num_threads: the most threads that a call of this process uses, unless its options say
 * otherwise. 0 restores the default: the environment variable CROSSENTROPY_NUM_THREADS if it holds
 * a positive number; else OMP_NUM_THREADS, or the first number of a list there; else as many as the
 * processors this process may run on (its affinity mask), and no more than the CPU quota of its
 * control group (a container's limit) pays for, rounded up. More than CE_MAX_THREADS are taken as
 * CE_MAX_THREADS. Small calls use fewer, down to the calling one. The other threads run where the
 * caller may run, except on the processor where it is; they keep theirs for 50 microseconds after a
 * call, and then sleep. Returns CE_OK, or CE_ERROR_OPTION if count is negative. */
#define CE_MAX_THREADS 256
CE_API int32_t ce_set_num_threads(int32_t count);

/* ce_get_num_threads: the most threads that a call uses now, at least 1. */
CE_API int32_t ce_get_num_threads(void);

#if defined(__cplusplus)
}
#endif

#endif /* CROSSENTROPY_H */
