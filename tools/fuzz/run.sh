#!/bin/bash
# Fuzzes for some seconds, or quickly: tools/fuzz/run.sh asan | plain SECONDS | quick [TARGET ...]
#
# All targets one after the other, each for its share of the time, from the kept corpus and what former runs have added to it
# in build/fuzz/corpus. Quickly means the kept corpus alone and as many executions as take a minute in all, from one seed, so
# that two runs do the same. A target ends at its first finding, which lies in build/fuzz/findings then. Fails if there is one.
set -eu
cd "$(dirname "$0")/../.."
variant=$1
seconds=$2
shift 2
targets=(${@:-rows softmax binary partial accumulator})
declare -A quick_runs=([rows]=4000 [softmax]=3500 [binary]=2000 [partial]=2500 [accumulator]=9000)
declare -A shares=([rows]=40 [softmax]=15 [binary]=15 [partial]=20 [accumulator]=10)
tools/fuzz/build.sh "$variant"

total=0
for target in "${targets[@]}"; do total=$((total + shares[$target])); done
executions=0
findings=0
mkdir -p build/fuzz/findings
for target in "${targets[@]}"; do
    if [ "$seconds" = quick ]; then
        corpus=build/fuzz/quick/$target
        rm -rf "$corpus"
        limit="-seed=1 -runs=${quick_runs[$target]}"
    else
        corpus=build/fuzz/corpus/$target
        time=$((seconds * shares[$target] / total))
        limit="-max_total_time=$((time > 0 ? time : 1))"
    fi
    kept=build/fuzz/kept/$target
    rm -rf "$kept"
    mkdir -p "$corpus" "$kept"
    [ ! -e "tools/fuzz/corpus/$target.tar.xz" ] || tar -xJf "tools/fuzz/corpus/$target.tar.xz" -C "$kept"
    log=build/fuzz/$variant-$target.log
    # The kept inputs are all run, whatever the time.
    status=0
    "build/fuzz/$variant/$target" "$corpus" "$kept" $limit -max_len=200 -len_control=0 \
        -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/findings/$variant-$target-" >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    executions=$((executions + ${runs:-0}))
    if [ $status = 0 ]; then
        echo "$variant $target: ${runs:-0} executions, no finding"
    else
        findings=$((findings + 1))
        echo "$variant $target: a finding after ${runs:-0} executions; from $log:"
        # The call and what is wrong with it, or a sanitizer's report, without libFuzzer's lines on itself.
        grep -a -v -E '^#[0-9]+[[:space:]]|NEW_FUNC|^INFO|^stat::|^0x|^MS:|^Base64|^[\\]|^NOTE|^ *Combine|^$' "$log" | cut -c1-400 | head -60
    fi
done
echo "$variant: $executions executions, $findings findings"
[ $findings = 0 ]
