// What is said when a call breaks the contract.
#pragma once

#include "call.h"

/// Set while single inputs are replayed: every call is printed.
extern bool is_verbose;

/// Prints the call and what is wrong with it, and ends the process, so that the fuzzer keeps the input.
[[noreturn]] void fail(const Call &call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Likewise, of calls that have no `Call`.
[[noreturn]] void fail(const std::string &call, const char *format, ...) __attribute__((format(printf, 2, 3)));
