#!/bin/bash
# The C programs of Tests/C on each instruction set: tools/test_c.sh [all]. Each prints "N passed, M failed".
# With `all` from both compilers, and all hashes on each instruction set, where they take minutes.
set -u
if [ "${1:-}" = all ]; then
    is_all=1 compilers=(gcc clang) quick= small=
else
    is_all=0 compilers=(gcc) quick=--quick small=--small
fi
. tools/c_programs.sh
library=python/crossentropy/lib/libcrossentropy.so.0
failures=0
commands= # all that has been run

check() { # a title, then the command
    echo "--- $1"
    shift
    commands+=" $* "
    "$@" || { echo "FAILED: $*"; failures=$((failures + 1)); }
}

everywhere() { # a title, a compiler, then variables of the environment
    local title=$1 bin=build/$2 program
    shift 2
    for program in "${plain_programs[@]}"; do
        check "$title: $program" env "$@" $bin/$program
    done
    for program in "${list_programs[@]}"; do
        check "$title: $program" env "$@" $bin/$program Tests/Hashes/$program.txt
    done
    check "$title: vectors" env "$@" $bin/vectors build/vectors.txt
}

long_lists() { # a title, a compiler, --quick or nothing, then variables of the environment
    local title=$1 bin=build/$2 quick=$3 program
    shift 3
    for program in "${long_list_programs[@]}"; do
        check "$title: $program" env "$@" $bin/$program Tests/Hashes/$program.txt $quick
    done
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
    check "$compiler: options of each function" build/$compiler/accepts include/crossentropy.h
    check "$compiler: cancel" build/$compiler/cancel
    check "$compiler: fork" build/$compiler/fork
    for program in "${text_programs[@]}"; do
        check "$compiler: $program" env LOCPATH=build/locales build/$compiler/$program
    done
    everywhere $compiler $compiler
done
long_lists gcc gcc ""
# Which instruction set runs is decided below Core: what differs is how the same lines of Kernels were compiled.
for isa in avx2 baseline; do
    check "$isa: fork" env CROSSENTROPY_ISA=$isa build/gcc/fork
    everywhere $isa gcc CROSSENTROPY_ISA=$isa
    long_lists $isa gcc "$quick" CROSSENTROPY_ISA=$isa
done
# The ways through rows of logits, which the shape and layout of a call choose among (Sources/Core/Route.swift).
for route in rows columns shared; do
    check "route $route: vectors" env CROSSENTROPY_ROUTE=$route build/gcc/vectors build/vectors.txt
    check "route $route: hashes" env CROSSENTROPY_ROUTE=$route build/gcc/hashes Tests/Hashes/hashes.txt --quick
    check "route $route: statistics" env CROSSENTROPY_ROUTE=$route build/gcc/statistics Tests/Hashes/statistics.txt $small
done
# A processor without AVX: an instruction beyond the baseline would end the program.
if [ "$(uname -m)" = x86_64 ]; then
    check "without AVX (emulated): vectors" qemu-x86_64 -cpu Nehalem build/gcc/vectors build/vectors.txt $quick
fi
if [ $is_all = 1 ]; then
    long_lists clang clang --quick
    for isa in avx2 baseline; do
        check "$isa: cancel" env CROSSENTROPY_ISA=$isa build/gcc/cancel
    done
fi

for file in Tests/C/*.c; do
    program=$(basename "$file" .c)
    [[ $commands == *" build/gcc/$program "* ]] || { echo "FAILED: $file is not run"; failures=$((failures + 1)); }
done
# The sets that other machines have to run.
python3 tools/verified.py
[ $failures = 0 ]
