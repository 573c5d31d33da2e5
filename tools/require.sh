#!/bin/bash
# Makes sure that programs are there: tools/require.sh python | swift | gcc | qemu-x86_64 ...
# What Debian and Ubuntu have is installed with apt-get where this user may; otherwise the line to type is printed.
set -eu

missing=()
for need in "$@"; do
    case $need in
    python)
        # A virtual environment that has pip, and the headers that building Python packages may need.
        ${PYTHON:-python3} -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
        ${PYTHON:-python3} -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' 2>/dev/null ||
            missing+=(python3-dev)
        ;;
    swift)
        if ! command -v "${SWIFT:-swift}" >/dev/null; then
            echo "crossentropy is built with Swift 6.2 or newer, but there is no '${SWIFT:-swift}' on the PATH." >&2
            echo "Install a toolchain from https://www.swift.org/install/linux/ and try again." >&2
            exit 1
        fi
        ;;
    objdump) command -v objdump >/dev/null || missing+=(binutils) ;;
    qemu-aarch64) command -v qemu-aarch64 >/dev/null || missing+=(qemu-user) ;;
    aarch64-linux-gnu-gcc)
        command -v aarch64-linux-gnu-gcc >/dev/null && [ -d /usr/aarch64-linux-gnu/include ] ||
            missing+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
        ;;
    qemu-x86_64) [ "$(uname -m)" != x86_64 ] || command -v qemu-x86_64 >/dev/null || missing+=(qemu-user) ;;
    *) command -v "$need" >/dev/null || missing+=("$need") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    as_root=none
fi
if ! command -v apt-get >/dev/null || [ "$as_root" = none ]; then
    echo "Missing: ${missing[*]}. On Debian or Ubuntu, type" >&2
    echo "    sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
    echo "and try again." >&2
    exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# One at a time, as stages of the tests run side by side.
exec 9>"${TMPDIR:-/tmp}/crossentropy-require.$(id -u)"
flock 9
$as_root apt-get update -qq
$as_root apt-get install -y -qq "${missing[@]}" >/dev/null
