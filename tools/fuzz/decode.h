// The fuzzer's bytes as a stream of decisions. Behind its end all bytes are 0, and 0 is always the plainest decision.
#pragma once

#include <cstddef>
#include <cstdint>

class Bytes {
public:
    Bytes(const uint8_t *data, size_t size) : next_(data), end_(data + size) {}

    uint8_t byte() { return next_ < end_ ? *next_++ : 0; }

    uint16_t word() {
        uint16_t low = byte();
        return static_cast<uint16_t>(low | byte() << 8);
    }

    uint64_t number() {
        uint64_t value = 0;
        for (int i = 0; i < 8; i++) value |= static_cast<uint64_t>(byte()) << (8 * i);
        return value;
    }

    unsigned below(unsigned count) { return byte() % count; }

    /// Not what the bytes 0 and 255 say, of which mutations make many.
    bool one_in(unsigned count) { return byte() % count == (count + 1) / 2; }

    template <typename T, size_t count>
    T pick(const T (&choices)[count]) {
        static_assert(count <= 256, "one byte decides");
        return choices[below(count)];
    }

private:
    const uint8_t *next_, *end_;
};

/// Pseudo-random numbers, for tensors that are too long to be spelled out (SplitMix64).
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }

    /// In [0, 1).
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

    unsigned below(unsigned count) { return static_cast<unsigned>(next() % count); }

private:
    uint64_t state_;
};
