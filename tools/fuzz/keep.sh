#!/bin/bash
# Packs a corpus anew: tools/fuzz/keep.sh asan | plain [TARGET ...]
#
# Of the kept inputs, those that runs have added, and build/fuzz/findings, the fewest and shortest that reach as much of the
# library go to tools/fuzz/corpus.
set -eu
cd "$(dirname "$0")/../.."
variant=$1
shift
mkdir -p tools/fuzz/corpus
for target in ${@:-rows softmax binary partial accumulator}; do
    all=build/fuzz/all/$target
    least=build/fuzz/least/$target
    rm -rf "$all" "$least"
    mkdir -p "$all" "$least" "build/fuzz/corpus/$target"
    [ ! -e "tools/fuzz/corpus/$target.tar.xz" ] || tar -xJf "tools/fuzz/corpus/$target.tar.xz" -C "$all"
    find build/fuzz/findings -name "*-$target-*" -exec cp {} "$all" \;
    "build/fuzz/$variant/$target" -merge=1 -max_len=200 "$least" "$all" "build/fuzz/corpus/$target" >"build/fuzz/merge-$target.log" 2>&1
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$least" -c . | xz -9e >"tools/fuzz/corpus/$target.tar.xz"
    echo "$target: $(find "$least" -type f | wc -l) inputs, $(stat -c %s "tools/fuzz/corpus/$target.tar.xz") bytes"
done
