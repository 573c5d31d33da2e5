#!/bin/bash
# The C programs of Tests/C on each instruction set: tools/test_c.sh [all]. Each prints "N passed, M failed".
# With `all` from both compilers, and all hashes on each instruction set, where they take minutes.
set -u
if [ "${1:-}" = all ]; then
    is_all=1 compilers=(gcc clang) quick=
else
    is_all=0 compilers=(gcc) quick=--quick
fi
library=python/crossentropy/lib/libcrossentropy.so.0
failures=0

check() { # a title, then the command
    echo "--- $1"
    shift
    "$@" || { echo "FAILED: $*"; failures=$((failures + 1)); }
}

# A locale with a decimal comma for the messages, where the system has the means; otherwise the program does without.
mkdir -p build/locales
localedef -i de_DE -f UTF-8 build/locales/de_DE.UTF-8 2>/dev/null || true

# Both compilers must read the header; built by one, the programs see the same library as built by the other.
check "g++: the header under C++17" build/gcc/header
check "clang++: the header under C++17" build/clang/header
for compiler in "${compilers[@]}"; do
    check "$compiler: the example" build/$compiler/example
    check "$compiler: loading" build/$compiler/loading $library
    check "$compiler: contract" build/$compiler/contract
    check "$compiler: options of each function" build/$compiler/accepts include/crossentropy.h
    check "$compiler: vectors" build/$compiler/vectors build/vectors.txt
    check "$compiler: partial" build/$compiler/partial Tests/Hashes/partial.txt
    check "$compiler: messages" env LOCPATH=build/locales build/$compiler/messages
    check "$compiler: pairs" build/$compiler/pairs Tests/Hashes/pairs.txt
    check "$compiler: halves" build/$compiler/halves
    check "$compiler: cancel" build/$compiler/cancel
done
check "hashes" build/gcc/hashes Tests/Hashes/hashes.txt
check "hashes of binary cross-entropy" build/gcc/binary Tests/Hashes/binary.txt
check "hashes of statistics" build/gcc/statistics Tests/Hashes/statistics.txt
# Which instruction set runs is decided below Core: what differs is how the same lines of Kernels were compiled.
for isa in avx2 baseline; do
    check "$isa: contract" env CROSSENTROPY_ISA=$isa build/gcc/contract
    check "$isa: vectors" env CROSSENTROPY_ISA=$isa build/gcc/vectors build/vectors.txt
    check "$isa: partial" env CROSSENTROPY_ISA=$isa build/gcc/partial Tests/Hashes/partial.txt
    check "$isa: pairs" env CROSSENTROPY_ISA=$isa build/gcc/pairs Tests/Hashes/pairs.txt
    check "$isa: halves" env CROSSENTROPY_ISA=$isa build/gcc/halves
    check "$isa: hashes" env CROSSENTROPY_ISA=$isa build/gcc/hashes Tests/Hashes/hashes.txt $quick
    check "$isa: hashes of binary cross-entropy" env CROSSENTROPY_ISA=$isa build/gcc/binary Tests/Hashes/binary.txt $quick
    check "$isa: hashes of statistics" env CROSSENTROPY_ISA=$isa build/gcc/statistics Tests/Hashes/statistics.txt $quick
done
# The ways through rows of logits, which the shape and layout of a call choose among (Sources/Core/Route.swift).
for route in rows columns shared; do
    check "route $route: vectors" env CROSSENTROPY_ROUTE=$route build/gcc/vectors build/vectors.txt
    check "route $route: hashes" env CROSSENTROPY_ROUTE=$route build/gcc/hashes Tests/Hashes/hashes.txt --quick
    check "route $route: hashes of statistics" env CROSSENTROPY_ROUTE=$route build/gcc/statistics Tests/Hashes/statistics.txt
done
# A processor without AVX: an instruction beyond the baseline would end the program.
if [ "$(uname -m)" = x86_64 ]; then
    check "without AVX (emulated): vectors" qemu-x86_64 -cpu Nehalem build/gcc/vectors build/vectors.txt $quick
fi
if [ $is_all = 1 ]; then
    check "clang: hashes" build/clang/hashes Tests/Hashes/hashes.txt --quick
    check "clang: hashes of binary cross-entropy" build/clang/binary Tests/Hashes/binary.txt --quick
    check "clang: hashes of statistics" build/clang/statistics Tests/Hashes/statistics.txt --quick
    for isa in avx2 baseline; do
        check "$isa: cancel" env CROSSENTROPY_ISA=$isa build/gcc/cancel
    done
fi
[ $failures = 0 ]
