#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(WITH_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#define POISON(place, size) __asan_poison_memory_region(place, size)
#define UNPOISON(place, size) __asan_unpoison_memory_region(place, size)
#else
#define POISON(place, size) ((void)(place), (void)(size))
#define UNPOISON(place, size) ((void)(place), (void)(size))
#endif

namespace memory {
namespace {

const int slots = 192;  // an option that is drawn again takes new ones
const size_t margin = 128;  // bytes around a block that are written and looked at again

struct Slot {
    unsigned char *low, *high;
    Block block;
};

Slot all[slots];
int used = 0;
bool guarded = false;

void reserve() {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (Slot &slot : all) {
        void *place = mmap(nullptr, largest + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED) {
            perror("mmap");
            exit(1);
        }
        slot.low = static_cast<unsigned char *>(place) + page;
        slot.high = slot.low + largest;
        if (mprotect(slot.low, largest, PROT_READ | PROT_WRITE) != 0) {
            perror("mprotect");
            exit(1);
        }
    }
}

unsigned char *margin_low(const Slot &slot) {
    return static_cast<size_t>(slot.block.base - slot.low) < margin ? slot.low : slot.block.base - margin;
}

unsigned char *margin_high(const Slot &slot) {
    unsigned char *end = slot.block.base + slot.block.size;
    return static_cast<size_t>(slot.high - end) < margin ? slot.high : end + margin;
}

/// What stands around blocks: no number that a computation would go unharmed by, in any dtype.
unsigned char canary(const unsigned char *place) {
    return static_cast<unsigned char>(0xf1 ^ (reinterpret_cast<size_t>(place) & 7));
}

}  // namespace

void begin() {
    if (all[0].low == nullptr) reserve();
    unguard();
    used = 0;
}

Block take(size_t size, bool at_end, size_t shift) {
    if (used == slots || size + shift > largest) {
        fprintf(stderr, "the fuzzer has no room for a block of %zu bytes\n", size);
        abort();
    }
    Slot &slot = all[used++];
    slot.block.size = size;
    slot.block.base = at_end ? slot.high - shift - size : slot.low + shift;
    for (unsigned char *p = margin_low(slot); p < slot.block.base; p++) *p = canary(p);
    for (unsigned char *p = slot.block.base + size; p < margin_high(slot); p++) *p = canary(p);
    return slot.block;
}

void guard() {
    for (int i = 0; i < used; i++) {
        const Slot &slot = all[i];
        unsigned char *end = slot.block.base + slot.block.size;
        POISON(margin_low(slot), static_cast<size_t>(slot.block.base - margin_low(slot)));
        POISON(end, static_cast<size_t>(margin_high(slot) - end));
    }
    guarded = true;
}

void unguard() {
    if (!guarded) return;
    for (int i = 0; i < used; i++) {
        const Slot &slot = all[i];
        UNPOISON(margin_low(slot), static_cast<size_t>(margin_high(slot) - margin_low(slot)));
    }
    guarded = false;
}

bool surroundings_intact(const Block &block) {
    for (int i = 0; i < used; i++) {
        const Slot &slot = all[i];
        if (slot.block.base != block.base) continue;
        for (unsigned char *p = margin_low(slot); p < block.base; p++) {
            if (*p != canary(p)) return false;
        }
        for (unsigned char *p = block.base + block.size; p < margin_high(slot); p++) {
            if (*p != canary(p)) return false;
        }
    }
    return true;
}

}  // namespace memory
