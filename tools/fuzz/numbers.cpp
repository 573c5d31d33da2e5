#include "numbers.h"

#include <cstdlib>
#include <cstring>
#include <limits>

namespace {

/// Bits of the significand, the exponent of the smallest subnormal number, and that of the largest binade.
struct Format {
    int digits, lowest, highest;
};

Format format_of(int32_t dtype) {
    switch (dtype) {
        case CE_F16: return {11, -24, 15};
        case CE_BF16: return {8, -133, 127};
        case CE_F32: return {24, -149, 127};
        default: return {53, -1074, 1023};
    }
}

template <typename T>
Real load_as(const void *place) {
    T value;
    memcpy(&value, place, sizeof value);
    return static_cast<Real>(value);
}

template <typename T>
void store_as(void *place, Real value) {
    T typed;
    if (std::numeric_limits<T>::is_integer) {
        const Real low = static_cast<Real>(std::numeric_limits<T>::min());
        const Real high = static_cast<Real>(std::numeric_limits<T>::max());
        value = std::isnan(value) ? 0 : value < low ? low : value > high ? high : std::nearbyint(value);
    }
    typed = static_cast<T>(value);
    memcpy(place, &typed, sizeof typed);
}

/// A number of 16 bits with so many bits of exponent.
Real load_half(const void *place, int32_t dtype) {
    uint16_t bits;
    memcpy(&bits, place, sizeof bits);
    const Format format = format_of(dtype);
    const int fraction_bits = format.digits - 1;
    const int exponent = (bits & 0x7fff) >> fraction_bits;
    const int fraction = bits & ((1 << fraction_bits) - 1);
    const Real sign = bits & 0x8000 ? -1 : 1;
    if (exponent == (0x7fff >> fraction_bits)) {
        return fraction ? std::numeric_limits<Real>::quiet_NaN() : sign * std::numeric_limits<Real>::infinity();
    }
    const int scale = format.lowest + (exponent > 0 ? exponent - 1 : 0);
    return sign * std::ldexp(static_cast<Real>(fraction + (exponent > 0 ? 1 << fraction_bits : 0)), scale);
}

void store_half(void *place, int32_t dtype, Real value) {
    const Format format = format_of(dtype);
    const int fraction_bits = format.digits - 1;
    const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    const uint16_t infinity = static_cast<uint16_t>((0x7fff >> fraction_bits) << fraction_bits);
    uint16_t bits;
    if (std::isnan(value)) {
        bits = static_cast<uint16_t>(infinity | 1 << (fraction_bits - 1));
    } else if (std::isinf(value)) {
        bits = infinity;
    } else {
        const Real unit = ulp(value, dtype);
        const Real units = std::nearbyint(std::fabs(value) / unit);
        // Subnormal numbers are multiples of the smallest; each binade above begins where the former ends.
        const int binade = std::ilogb(unit) - format.lowest;
        const Real number = units + static_cast<Real>(binade) * (1 << fraction_bits);
        bits = number >= infinity ? infinity : static_cast<uint16_t>(number);
    }
    bits = static_cast<uint16_t>(bits | sign);
    memcpy(place, &bits, sizeof bits);
}

}  // namespace

size_t size_of(int32_t dtype) {
    switch (dtype) {
        case CE_F64:
        case CE_I64:
        case CE_U64: return 8;
        case CE_F32:
        case CE_I32:
        case CE_U32: return 4;
        case CE_I8:
        case CE_U8: return 1;
        default: return 2;
    }
}

bool is_float(int32_t dtype) { return dtype < CE_I8; }

const char *name_of(int32_t dtype) {
    switch (dtype) {
        case CE_F32: return "CE_F32";
        case CE_F64: return "CE_F64";
        case CE_F16: return "CE_F16";
        case CE_BF16: return "CE_BF16";
        case CE_I8: return "CE_I8";
        case CE_I16: return "CE_I16";
        case CE_I32: return "CE_I32";
        case CE_I64: return "CE_I64";
        case CE_U8: return "CE_U8";
        case CE_U16: return "CE_U16";
        case CE_U32: return "CE_U32";
        case CE_U64: return "CE_U64";
        default: return "no dtype";
    }
}

Real load(const void *place, int32_t dtype) {
    switch (dtype) {
        case CE_F32: return load_as<float>(place);
        case CE_F64: return load_as<double>(place);
        case CE_I8: return load_as<int8_t>(place);
        case CE_I16: return load_as<int16_t>(place);
        case CE_I32: return load_as<int32_t>(place);
        case CE_I64: return load_as<int64_t>(place);
        case CE_U8: return load_as<uint8_t>(place);
        case CE_U16: return load_as<uint16_t>(place);
        case CE_U32: return load_as<uint32_t>(place);
        case CE_U64: return load_as<uint64_t>(place);
        default: return load_half(place, dtype);
    }
}

void store(void *place, int32_t dtype, Real value) {
    switch (dtype) {
        case CE_F32: return store_as<float>(place, value);
        case CE_F64: return store_as<double>(place, value);
        case CE_I8: return store_as<int8_t>(place, value);
        case CE_I16: return store_as<int16_t>(place, value);
        case CE_I32: return store_as<int32_t>(place, value);
        case CE_I64: return store_as<int64_t>(place, value);
        case CE_U8: return store_as<uint8_t>(place, value);
        case CE_U16: return store_as<uint16_t>(place, value);
        case CE_U32: return store_as<uint32_t>(place, value);
        case CE_U64: return store_as<uint64_t>(place, value);
        default: return store_half(place, dtype, value);
    }
}

Real largest_of(int32_t dtype) {
    const Format format = format_of(dtype);
    return std::ldexp(2 - std::ldexp(static_cast<Real>(1), 1 - format.digits), format.highest);
}

Real smallest_normal_of(int32_t dtype) { return std::ldexp(smallest_of(dtype), format_of(dtype).digits - 1); }

Real smallest_of(int32_t dtype) { return std::ldexp(static_cast<Real>(1), format_of(dtype).lowest); }

Real ulp(Real value, int32_t dtype) {
    const Format format = format_of(dtype);
    if (value == 0 || !std::isfinite(value)) return smallest_of(dtype);
    const int exponent = std::ilogb(value) + 1 - format.digits;
    return std::ldexp(static_cast<Real>(1), exponent < format.lowest ? format.lowest : exponent);
}
