#!/bin/bash
# Every function that the header declares is called by a fuzzer: tools/fuzz/exports.sh FOLDER_OF_OBJECTS
set -eu
cd "$(dirname "$0")/../.."
declared=$(grep -o '^CE_API [^(]*' include/crossentropy.h | grep -o 'ce_[a-z0-9_]*$' | sort)
called=$(nm --undefined-only "$1"/*.o | grep -o ' U ce_[a-z0-9_]*' | cut -c4- | sort -u)
missing=$(comm -23 <(echo "$declared") <(echo "$called"))
if [ -n "$missing" ]; then
    echo "no fuzzer calls" $missing >&2
    exit 1
fi
