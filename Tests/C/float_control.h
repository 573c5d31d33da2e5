/*
 * float_control.h - settings of the floating-point unit that a host may have made, and that the library must neither heed nor
 * change.
 */
#ifndef FLOAT_CONTROL_H
#define FLOAT_CONTROL_H

#include <stdint.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

typedef enum { AS_IT_IS, FLUSHING, UPWARD } float_setting;

#if defined(__SSE2__)
static const uint64_t  FLOAT_BITS[] = {0, 0x8040, 0x4000};
static inline uint64_t get_float(void) { return _mm_getcsr() & 0xFFC0; /* not the flags of what happened */ }
static inline void     set_float(uint64_t control) { _mm_setcsr((unsigned)control); }
#elif defined(__aarch64__)
static const uint64_t  FLOAT_BITS[] = {0, 1u << 24, 1u << 22};
static inline uint64_t get_float(void) {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
static inline void set_float(uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control)); }
#else
#error "how is the floating-point unit of this processor set?"
#endif

#endif
