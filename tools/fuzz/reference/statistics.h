// Row statistics, from a call of their own or from that of a loss.
#pragma once

#include "row.h"

/// `labels`: the class of each row, -1 for none.
void expect_statistics(Call &call, Expected &expected, const std::vector<int64_t> &labels);
