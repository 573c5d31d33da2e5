#!/bin/bash
# Builds the fuzzers: tools/fuzz/build.sh asan | plain. They come to lie in build/fuzz/asan or build/fuzz/plain.
#
# The library is the normal build, static, each module instrumented for coverage; `asan` adds AddressSanitizer.
set -eu
cd "$(dirname "$0")/../.."
variant=$1
SWIFT=${SWIFT:-swift}
swiftc=$(command -v "$SWIFT")c
clang=$(dirname "$(readlink -f "$swiftc")")/clang++
case $variant in
asan)
    swift_flags=(-Xswiftc -sanitize=address -Xswiftc -sanitize=fuzzer -Xcc -fsanitize=address,fuzzer-no-link)
    sanitizers=address,fuzzer
    defines=-DWITH_ADDRESS_SANITIZER
    ;;
plain)
    swift_flags=(-Xswiftc -sanitize=fuzzer -Xcc -fsanitize=fuzzer-no-link)
    sanitizers=fuzzer
    defines=
    ;;
*)
    echo "usage: $0 asan | plain" >&2
    exit 1
    ;;
esac
scratch=.build-fuzz/$variant
output=build/fuzz/$variant
mkdir -p "$output/objects" build/fuzz/findings
log=$output/swift.log
if ! "$SWIFT" build -c release --scratch-path "$scratch" "${swift_flags[@]}" --target CABI >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
modules=("$scratch"/release/{CABI,Core,Shims,KernelABI}.build/*.o)
for module in "$scratch"/release/Kernels*.build; do
    [ "$(basename "$module")" = KernelSweep.build ] || [ "$(basename "$module")" = KernelTests.build ] || modules+=("$module"/*.o)
done

# Not instrumented: coverage is to guide through the library, and the reference is to be fast.
flags=(-std=c++17 -O2 -g1 -Wall -Wextra -Werror -Iinclude -Itools/fuzz $defines)
objects=()
for source in tools/fuzz/*.cpp tools/fuzz/reference/*.cpp; do
    object=$output/objects/$(basename "$source" .cpp).o
    # Also where a header has changed.
    if [ ! -e "$object" ] || [ -n "$(find tools/fuzz include -newer "$object" \( -name '*.h' -o -path "$source" \) -print -quit)" ]; then
        "$clang" "${flags[@]}" -c "$source" -o "$object"
    fi
    case $source in */target_*) ;; *) objects+=("$object") ;; esac
done
tools/fuzz/exports.sh "$output/objects"

runtime=$(dirname "$(dirname "$(readlink -f "$swiftc")")")/lib/swift/linux
for target in tools/fuzz/target_*.cpp; do
    name=$(basename "$target" .cpp)
    "$clang" "-fsanitize=$sanitizers" -fuse-ld=lld "$output/objects/$name.o" "${objects[@]}" "${modules[@]}" \
        "$runtime/$(uname -m)/swiftrt.o" -L"$runtime" -Wl,-rpath,"$runtime" -lswiftCore -lm -ldl -lpthread \
        -o "$output/${name#target_}"
done
