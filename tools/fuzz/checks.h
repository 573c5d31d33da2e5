// What is looked at after a call.
#pragma once

#include "call.h"
#include "reference/expected.h"

/// Whether a result is what was expected, within the bounds; `is_finer`: rounded once more than these say.
bool is_within(Real result, const Pair &expected, int32_t dtype, bool is_finer);

/// The results beside what the header's formulas give.
void check_results(const Call &call, const Expected &expected);

/// What holds whatever the input is: no probability above 1, no negative loss of labels, entropies between 0 and log C.
void check_invariants(const Call &call);

/// The same call with contiguous tensors, the class axis last and another number of threads: the same bits.
void check_reproducible(const Call &call);

/// A sum or mean in f64 beside the losses that reduction none gives: added exactly and rounded once.
void check_sum(const Call &call, const Expected &expected);
