#!/bin/bash
# Packs a corpus anew: tools/fuzz/keep.sh asan | plain [TARGET ...]
#
# Of the kept inputs and of those that runs have added, the fewest and shortest that reach as much of the library go to
# tools/fuzz/corpus. What lies in build/fuzz/findings is kept for good, as mended-NAME: be sure that it is.
set -eu
cd "$(dirname "$0")/../.."
variant=$1
shift
mkdir -p tools/fuzz/corpus build/fuzz/findings
for target in ${@:-rows softmax binary partial accumulator}; do
    packed=tools/fuzz/corpus/$target.tar.xz
    all=build/fuzz/all/$target
    least=build/fuzz/least/$target
    rm -rf "$all" "$least"
    mkdir -p "$all" "$least" "build/fuzz/corpus/$target"
    [ ! -e "$packed" ] || tar -xJf "$packed" -C "$all"
    "build/fuzz/$variant/$target" -set_cover_merge=1 -max_len=200 -artifact_prefix=build/fuzz/ "$least" "$all" "build/fuzz/corpus/$target" \
        >"build/fuzz/merge-$target.log" 2>&1
    find "$all" -name 'mended-*' -exec cp {} "$least" \;
    for finding in build/fuzz/findings/*-"$target"-*; do
        [ ! -e "$finding" ] || cp "$finding" "$least/mended-$(basename "$finding" | grep -o '[0-9a-f]*$' | cut -c1-12)"
    done
    tar --sort=name --mtime=@0 --mode=644 --owner=0 --group=0 --numeric-owner -C "$least" -c $(ls "$least") |
        xz -9e >"$packed"
    echo "$target: $(find "$least" -type f | wc -l) inputs, $(stat -c %s "$packed") bytes"
done
