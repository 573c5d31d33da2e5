#include "KernelABI.h"

// What crossentropy.h says of a struct that callers store and send.
_Static_assert(sizeof(crossentropy_partial) == 408, "ce_partial has no padding");
