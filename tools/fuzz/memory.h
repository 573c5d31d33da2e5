// Memory for one call's tensors: each in a slot of its own, between pages that may not be touched.
#pragma once

#include <cstddef>

struct Block {
    unsigned char *base = nullptr;
    size_t size = 0;
};

namespace memory {

/// The most bytes that a block may have.
const size_t largest = 4 << 20;

/// Takes all blocks back.
void begin();

/// A block that ends `shift` bytes before a page without access, or begins as many behind one.
Block take(size_t size, bool at_end, size_t shift);

/// Lets the next accesses to what lies around the blocks be found (AddressSanitizer), or forgives them.
void guard();
void unguard();

/// Whether the bytes around a block still hold what `take` wrote there.
bool surroundings_intact(const Block &block);

}  // namespace memory
