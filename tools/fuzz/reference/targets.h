// What a call's target says of each row: a label, or a distribution however it is given.
#pragma once

#include "row.h"

struct Target {
    bool counts = false;         // false: the row is ignored
    int64_t label = -1;          // of class indices
    std::vector<Real> q, log_q;  // before smoothing; `log_q` not for labels
    Real inaccuracy = 0;         // the relative error that q may have
    std::vector<Real> off;       // how far each may be off beside that
    bool is_vague = false;       // probabilities beyond all numbers: nothing is said of them
    Real farthest = 0;           // the largest magnitude of the teacher's finite logits

    Real error(size_t c) const { return inaccuracy * std::fabs(q[c]) + off[c]; }
    bool is_one_hot() const;
};

/// The target of each row; labels that are none go to `call.errors`. Without logarithms where nobody wants them.
std::vector<Target> targets_of(Call &call, const Rows &rows, bool logarithms);

/// The classes that row i of a sparse target names: places in it.
std::vector<size_t> entries_of(const Call &call, int64_t row);

/// z - lse, NaN throughout where the softmax is; the largest is subtracted first.
std::vector<Real> log_softmax(const std::vector<Real> &z);

Real farthest_of(const std::vector<Real> &numbers);
