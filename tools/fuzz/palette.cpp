#include "palette.h"

#include <algorithm>
#include <limits>

namespace {

const double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::numeric_limits<double>::quiet_NaN();

Real special(unsigned which, int32_t dtype) {
    const Real largest = largest_of(dtype), normal = smallest_normal_of(dtype), smallest = smallest_of(dtype);
    const Real values[] = {0,           -0.0L,   1,        -1,       smallest,  -smallest, normal,       -normal,
                           largest / 2, largest, -largest, infinity, -infinity, nan_value, 88,           -88,
                           709,         -709,    1e-30L,   1e30L,    -1e30L,    0x1p17L,   -0x1p18L,     0x1p40L,
                           0.5L,        -1e-5L,  65504,    -1e8L,    -1e4L,     5,         -largest / 3, 1e5L};
    return values[which % (sizeof values / sizeof values[0])];
}

/// How a row of logits is made; which of them a byte says, and what it needs is drawn from the row's random numbers.
struct LogitRow {
    unsigned kind, detail;
    int32_t dtype;
    int64_t classes;
    // Drawn once for a row.
    Real base = 0, far = 0;
    int64_t cut = 0;
    unsigned side = 0;

    /// A quarter of all rows beside those of the list have masked classes: there most was wrong.
    LogitRow(unsigned byte, unsigned detail, int32_t dtype, int64_t classes, Random &random)
        : kind(byte < 192 ? byte % 12 : 2 + byte % 2), detail(detail), dtype(dtype), classes(classes) {
        static const double masks[] = {-1e4,  -65504, -1e5,  -0x1p17, -0x1p18,  -300000, -1e6, -1e8,
                                       -1e15, -1e30,  -3e38, -1e200,  -1.7e308, -88,     -750, -infinity};
        static const double gaps[] = {5, 17, 40, 80, 86, 87.3, 88, 100, 103, 110, 150, 700, 709, 740, 745, 1e4};
        static const double spreads[] = {0.01, 1, 4, 10, 30, 60, 88, 100, 300, 700, 1e4, 1e6, 1e12, 1e10, 1e8, 1e30};
        static const double offsets[] = {1,   -1,     100,  1e3,   -1e4,   65000, 0x1p17, -0x1p17,
                                         1e6, 0x1p23, 1e10, -1e10, 0x1p40, 1e15,  -1e30,  1e300};
        const int64_t cuts[] = {1, 15, 16, 17, classes / 2, classes - 1, classes - 16, 4096};
        const unsigned low = detail % 16, high = detail / 16;
        switch (kind) {
            case 1: far = spreads[low]; break;
            case 2:
                far = masks[low];
                cut = cuts[high % 8];
                side = high / 8;
                break;
            case 3:
                far = masks[low];
                side = high;
                break;
            case 4:
                far = gaps[low];
                cut = static_cast<int64_t>(random.next() % static_cast<uint64_t>(classes));
                side = high;
                break;
            case 5:
                far = gaps[low];
                cut = static_cast<int64_t>(random.next() % static_cast<uint64_t>(classes));
                side = high;
                break;
            case 8:
                base = offsets[low];
                far = 1 + high;
                break;
            case 9: base = offsets[low]; break;
            case 10: base = special(detail, dtype); break;
            default: break;
        }
    }

    Real operator()(int64_t c, Random &random) const {
        const Real u = 2 * random.uniform() - 1;
        switch (kind) {
            case 1: return far * u;
            // Masked: the first, the last, or any of them.
            case 2: return (side ? c >= classes - cut : c < cut) ? far : 3 * u;
            case 3: return random.below(16) <= side ? 3 * u : far;
            // Confident: one class far above the others; or these within some units of each other.
            case 4: return c == cut ? far + u : u * side;
            case 5: return c == cut ? 0 : -far - random.uniform() * (0.1L + side);
            case 6: return static_cast<int>(random.below(1 + detail % 8)) - 3;
            case 7: return largest_of(dtype) * u * (detail & 1 ? 1 : 0x1p-4L);
            case 8: return base + far * u;
            // Neighbours of one number.
            case 9: return base + ulp(base, dtype) * static_cast<int>(random.below(2 + detail / 16));
            case 10: return base;
            case 11: return random.below(4) ? 4 * u : special(static_cast<unsigned>(random.next() >> 8), dtype);
            default: return 4 * u;
        }
    }
};

/// Some elements are spelled out: their places, and numbers from the palette.
void sprinkle(Tensor &tensor, Bytes &bytes) {
    if (tensor.count() == 0) return;
    for (unsigned n = bytes.byte() % 16; n > 12; n--) {  // mostly none
        const size_t place = bytes.word() % tensor.count();
        tensor.set(place, special(bytes.byte(), tensor.dtype));
    }
}

}  // namespace

void fill_logits(Tensor &tensor, int axis, Bytes &bytes) {
    const Rows rows(tensor.shape, axis);
    // Rows take their turns in having one of these.
    unsigned kinds[3], details[3];
    const unsigned count = 1 + bytes.below(3);
    for (unsigned i = 0; i < count; i++) {
        kinds[i] = bytes.byte();
        details[i] = bytes.byte();
    }
    Random random(bytes.word());
    for (int64_t row = 0; row < rows.count() && tensor.count() > 0; row++) {
        const unsigned i = static_cast<unsigned>(row) % count;
        const LogitRow made(kinds[i], details[i], tensor.dtype, rows.classes, random);
        for (int64_t c = 0; c < rows.classes; c++) tensor.set(rows.place(row, c), made(c, random));
    }
    sprinkle(tensor, bytes);
}

namespace {

/// Numbers that are no probabilities, or barely.
Real odd_share(unsigned which) {
    const Real values[] = {
        0, -0.0L, 1,     -1,       1e-300L,   1e-38L,    1e-45L,    -1e-10L, 1 + 0x1p-23L, 1 - 0x1p-24L,
        2, 100,   1e10L, infinity, -infinity, nan_value, 0x1p-149L, 1e-290L, 1 + 0x1p-52L, 1 - 0x1p-53L};
    return values[which % (sizeof values / sizeof values[0])];
}

/// Numbers that mostly add up to 1 along the axis.
void fill_shares(Tensor &tensor, int axis, Bytes &bytes, bool logarithms) {
    const Rows rows(tensor.shape, axis);
    const unsigned kind = bytes.byte() % 9, detail = bytes.byte();
    Random random(bytes.word());
    static const double steepness[] = {0, 1, 3, 10, 30, 88, 200, 700};
    for (int64_t row = 0; row < rows.count() && tensor.count() > 0; row++) {
        const size_t classes = static_cast<size_t>(rows.classes);
        std::vector<Real> shares(classes);
        const size_t chosen = static_cast<size_t>(random.next() % classes);
        Real total = 0;
        for (size_t c = 0; c < classes; c++) {
            switch (kind) {
                case 1: shares[c] = c == chosen; break;
                case 2: shares[c] = 1; break;
                case 3: shares[c] = random.below(4) ? 0 : random.uniform(); break;
                case 4:
                    shares[c] = c == chosen
                                    ? 1
                                    : std::exp(-static_cast<Real>(steepness[detail % 8]) * random.uniform()) * 1e-6L;
                    break;
                default: shares[c] = std::exp(static_cast<Real>(steepness[detail % 8]) * (random.uniform() - 1)); break;
            }
            total += shares[c];
        }
        for (size_t c = 0; c < classes; c++) {
            Real share = kind == 5 ? shares[c] : total > 0 ? shares[c] / total : 0;  // 5: they add up to anything
            if (kind == 6) share -= 0.1L;
            if (kind == 7 && random.below(4) == 0) share = odd_share(static_cast<unsigned>(random.next() >> 8));
            tensor.set(rows.place(row, static_cast<int64_t>(c)), logarithms ? std::log(share) : share);
        }
    }
    for (unsigned n = bytes.byte() % 16; n > 12 && tensor.count() > 0; n--) {
        const size_t place = bytes.word() % tensor.count();
        const Real share = odd_share(bytes.byte());
        tensor.set(place, logarithms ? std::log(share) : share);
    }
}

}  // namespace

void fill_probabilities(Tensor &tensor, int axis, Bytes &bytes) { fill_shares(tensor, axis, bytes, false); }

void fill_log_probabilities(Tensor &tensor, int axis, Bytes &bytes) { fill_shares(tensor, axis, bytes, true); }

void fill_weights(Tensor &tensor, Bytes &bytes, bool wild) {
    const unsigned kind = bytes.byte() % (wild ? 12 : 10), detail = bytes.byte();
    Random random(bytes.word());
    const double tiny[] = {1e-30, 1e-38, 1e-44, 1e-100, 1e-200, 1e-300, 1e-310, 5e-324};
    const double huge[] = {1e4, 1e10, 1e30, 1e38, 1e100, 1e200, 1e300, 1.7e308};
    const bool is_double = tensor.dtype == CE_F64;
    const Real small = tiny[detail % (is_double ? 8 : 3)], large = huge[detail / 16 % (is_double ? 8 : 4)];
    for (size_t i = 0; i < tensor.count(); i++) {
        const Real u = random.uniform();
        Real value = 2 * u;
        switch (kind) {
            case 1: value = 1; break;
            case 2: value = random.below(3); break;
            case 3: value = small * (1 + u); break;
            case 4: value = large * u; break;
            case 5: value = random.below(2) ? small : large; break;
            case 6: value = random.below(4) ? 0 : u; break;
            case 7: value = 0; break;
            case 8: value = detail; break;
            case 10: value = u - 0.5L; break;
            case 11: value = special(static_cast<unsigned>(random.next() >> 8), tensor.dtype); break;
            default: break;
        }
        // The product of a row's weights and its upstream gradient is a number; the ends of the range have vectors.
        if (std::isfinite(value) && value != 0)
            value = std::copysign(std::min(std::max(std::fabs(value), 1e-100L), 1e100L), value);
        // Nor is it to become one of those in f16.
        if (tensor.dtype == CE_F16 && std::isfinite(value) && value != 0)
            value = std::copysign(std::min(std::max(std::fabs(value), smallest_of(CE_F16)), largest_of(CE_F16)), value);
        tensor.set(i, value);
    }
}

void fill_numbers(Tensor &tensor, Bytes &bytes) {
    const unsigned kind = bytes.byte() % 4;
    Random random(bytes.word());
    for (size_t i = 0; i < tensor.count(); i++) {
        const Real u = 2 * random.uniform() - 1;
        tensor.set(i, kind == 0   ? u
                      : kind == 1 ? std::ldexp(u, static_cast<int>(random.below(60)) - 30)
                      : kind == 2 ? std::ldexp(u, static_cast<int>(random.below(120)) - 60)
                                  : special(static_cast<unsigned>(random.next() >> 8), tensor.dtype));
    }
    sprinkle(tensor, bytes);
}

void fill_labels(Tensor &tensor, int64_t classes, int64_t ignored, bool wild, Bytes &bytes) {
    const unsigned kind = bytes.byte() % 6, detail = bytes.byte();
    Random random(bytes.word());
    // In a byte only so many classes fit.
    Real highest = 1;
    {
        unsigned char place[8];
        store(place, tensor.dtype, 1e30L);
        highest = load(place, tensor.dtype);
    }
    const int64_t most = highest < static_cast<Real>(classes) - 1 ? static_cast<int64_t>(highest) + 1 : classes;
    for (size_t i = 0; i < tensor.count(); i++) {
        Real label = static_cast<Real>(random.next() % static_cast<uint64_t>(most > 0 ? most : 1));
        if (kind == 1) label = 0;
        if (kind == 2) label = static_cast<Real>(most - 1);
        if (kind == 3) label = static_cast<Real>(std::min<int64_t>(detail % 20, most - 1));
        // An integer that has no such number stays a class.
        if (kind >= 4 && random.below(2 + detail % 8) == 0 && tensor.count() > 0) {
            unsigned char place[8];
            store(place, tensor.dtype, static_cast<Real>(ignored));
            if (load(place, tensor.dtype) == static_cast<Real>(ignored)) label = static_cast<Real>(ignored);
        }
        tensor.set(i, label);
    }
    if (wild && tensor.count() > 0) {
        const Real numbers[] = {-1, static_cast<Real>(classes), -100, 1e30L, -1e30L, static_cast<Real>(classes) + 1};
        tensor.set(bytes.word() % tensor.count(), numbers[bytes.below(6)]);
    }
}

void fill_mask(Tensor &tensor, Bytes &bytes) {
    const unsigned kind = bytes.byte() % 4;
    Random random(bytes.word());
    for (size_t i = 0; i < tensor.count(); i++) {
        tensor.set(i, kind == 0 ? 1 : kind == 1 ? 0 : kind == 2 ? random.below(2) : random.below(256) ? -1 : 0);
    }
}
