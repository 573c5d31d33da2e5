/*
 * elements.h - elements of a tensor of any dtype, the 16-bit ones among them, which C does not have.
 */
#ifndef ELEMENTS_H
#define ELEMENTS_H

#include <crossentropy.h>

#include <math.h>
#include <string.h>

static inline size_t size_of(int32_t dtype) {
    switch (dtype) {
    case CE_I8: case CE_U8: return 1;
    case CE_I16: case CE_U16: case CE_F16: case CE_BF16: return 2;
    case CE_I32: case CE_U32: case CE_F32: return 4;
    default: return 8;
    }
}

static inline int is_half(int32_t dtype) { return dtype == CE_F16 || dtype == CE_BF16; }
static inline int is_integer(int32_t dtype) { return dtype >= CE_I8; }

/* The number that 16 bits are. */
static inline float widened(int32_t dtype, uint16_t bits) {
    const uint32_t word = (uint32_t)bits << 16;
    const int      exponent = bits >> 10 & 31, fraction = bits & 1023;
    float          number;
    if (dtype == CE_BF16) {
        memcpy(&number, &word, sizeof number);
        return number;
    }
    if (exponent == 31)
        number = fraction == 0 ? INFINITY : NAN;
    else
        number = (float)(exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25));
    return bits >> 15 ? -number : number;
}

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The bits of the nearest number of a 16-bit type, the even one of two; `bits` are those of an f32. */
static inline uint16_t narrow(int32_t dtype, uint32_t bits) {
    /* f16 keeps 13 bits less of the significand, bf16 16; and below 2^-14, f16 has the same steps everywhere. */
    uint32_t magnitude = bits & 0x7FFFFFFF, sign = bits >> 16 & 0x8000, dropped = dtype == CE_F16 ? 13 : 16, kept;
    int      exponent = (int)(magnitude >> 23) - 127;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | (dtype == CE_F16 ? 0x7E00 : 0x7FC0));
    if (dtype == CE_F16 && exponent < -26)
        return (uint16_t)sign;
    if (dtype == CE_F16 && exponent < -14) {
        dropped += (uint32_t)(-14 - exponent);
        magnitude = (magnitude & 0x7FFFFF) | 0x800000;
    } else if (dtype == CE_F16) {
        magnitude -= (uint32_t)(127 - 15) << 23;
    }
    kept = magnitude >> dropped;
    magnitude &= (1u << dropped) - 1;
    if (magnitude > 1u << (dropped - 1) || (magnitude == 1u << (dropped - 1) && kept % 2 == 1))
        kept++;
    if (dtype == CE_F16 && kept > 0x7C00)
        kept = 0x7C00;
    return (uint16_t)(sign | kept);
}

static inline void put(unsigned char *at, int32_t dtype, double value) {
    float    single = (float)value;
    int64_t  label;
    uint16_t half;
    switch (dtype) {
    case CE_F32: memcpy(at, &single, sizeof single); return;
    case CE_F64: memcpy(at, &value, sizeof value); return;
    case CE_F16: case CE_BF16: half = narrow(dtype, bits_of(single)), memcpy(at, &half, sizeof half); return;
    default: /* the low bytes come first on every machine that this runs on */
        label = (int64_t)value, memcpy(at, &label, size_of(dtype));
    }
}

#endif
