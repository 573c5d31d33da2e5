#include "KernelABI.h"

// crossentropy.h promises this size, because callers store and send the struct.
_Static_assert(sizeof(crossentropy_partial) == 408, "ce_partial has no padding");
