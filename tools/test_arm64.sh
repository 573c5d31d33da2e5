#!/bin/bash
# The library for AArch64, cross-compiled, under emulation: tools/test_arm64.sh FLAT_VECTORS LISTS HOST_VECTORS
# FLAT_VECTORS is build/vectors.txt, LISTS Tests/Hashes, HOST_VECTORS this machine's program `vectors`.
# The shared cases and the hashes must come out with the bits of x86-64. Ends with one line "N passed, M failed".
set -eu
cd "$(dirname "$0")/.."
[ $# = 3 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
flat=$1 lists=$2 host_vectors=$3

if [ "$(uname -m)" = aarch64 ]; then
    echo "This is AArch64: the other tests run there already."
    exit 0
fi
tools/require.sh swift aarch64-linux-gnu-gcc qemu-aarch64
. tools/c_programs.sh

root=/usr/aarch64-linux-gnu  # Debian's cross toolchain
out=build/arm64
library=$out/libcrossentropy.so.0
rm -rf $out
mkdir -p $out

# --- Building: the flags of Package.swift's Embedded build -------------------------------------

# The toolchain brings Embedded Swift for AArch64 without an operating system; with glibc's headers it is as good.
module() { # its name, then more flags
    local name=$1
    shift
    "${SWIFT:-swift}c" -target aarch64-none-none-elf -enable-experimental-feature Embedded -wmo -parse-as-library \
        -enforce-exclusivity=unchecked -swift-version 6 -package-name crossentropy -Xcc -isystem -Xcc $root/include \
        -I include -I Sources/KernelABI/include -I Sources/Shims/include -I $out -module-name "$name" "$@" \
        -emit-module-path $out/"$name".swiftmodule -c $(find Sources/"$name" -name "*.swift" | sort) -o $out/"$name".o
}
module Kernels -Ounchecked -DCROSSENTROPY_KERNELS
module Core -O
module CABI -O
for file in Shims Quota; do
    aarch64-linux-gnu-gcc -O2 -fPIC -ISources/KernelABI/include -ISources/Shims/include -c Sources/Shims/$file.c \
        -o $out/$file.o
done
aarch64-linux-gnu-gcc -shared $out/{Kernels,Core,CABI,Shims,Quota}.o -o $library -lm \
    -Wl,--version-script=Sources/CABI/exports.map,-soname=libcrossentropy.so.0,-z,nodelete,-z,defs,-z,text,-z,relro,-z,now \
    -Wl,--gc-sections,--strip-all
for program in example vectors "${plain_programs[@]}" "${text_programs[@]}" "${list_programs[@]}" "${long_list_programs[@]}"; do
    aarch64-linux-gnu-gcc -std=c99 -Wall -Wextra -pedantic -Werror -O2 -Iinclude Tests/C/$program.c \
        -o $out/$program $library '-Wl,-rpath,$ORIGIN' -lm -pthread
done

# --- Running -----------------------------------------------------------------------------------

passed=0
failed=0

emulated() { qemu-aarch64 -L $root "$@" 2>&1; }

# Adds up what a program says in its last line; shows the rest if it is not content.
tests() { # a title, then the command
    local title=$1 output last
    shift
    output=$("$@") || true
    last=${output##*$'\n'}
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
    else
        failed=$((failed + 1))
    fi
    [[ $last =~ \ 0\ failed$ ]] || echo "$output"
    echo "$title: $last"
}

same() { # a title, then what must be equal
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "$what: yes"
    else
        failed=$((failed + 1))
        echo "$what: FAILED"
    fi
}

same "example" emulated $out/example
# But for fork: user-mode emulation does not survive one in a process with threads.
for program in "${plain_programs[@]}" "${text_programs[@]}"; do
    tests "$program" emulated $out/$program
done
tests "vectors" emulated $out/vectors "$flat" --results $out/results.txt
"$host_vectors" "$flat" --results $out/host-results.txt >/dev/null || true
same "vectors: every result with the bits of $(uname -m)" cmp $out/results.txt $out/host-results.txt
for program in "${list_programs[@]}"; do
    tests "$program" emulated $out/$program "$lists/$program.txt"
done
for program in "${long_list_programs[@]}"; do
    tests "$program" emulated $out/$program "$lists/$program.txt" --quick
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
