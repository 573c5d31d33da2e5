#!/bin/bash
# Runs a stage of the tests and says how long it took: tools/stage.sh [--shown] NAME COMMAND ...
#
# What it prints is kept in build/logs/NAME.log, for tools/tally.py. With QUIET=1, as where stages run side by side, it is
# shown only if the stage fails. --shown: what is there for people, such as a progress bar; without QUIET it is not kept.
set -u
is_shown=0
[ "$1" != --shown ] || { is_shown=1; shift; }
name=$1
shift
mkdir -p build/logs
log=build/logs/$name.log
SECONDS=0
if [ "${QUIET:-}" = 1 ]; then
    "$@" >"$log" 2>&1
    status=$?
    [ $status = 0 ] || { echo "--- $name, the end of $log:"; tail -n 200 "$log"; }
elif [ $is_shown = 1 ]; then
    rm -f "$log"
    "$@"
    status=$?
else
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
fi
[ $status = 0 ] || echo "FAILED: stage $name, status $status" >>"$log"
printf '%-16s %s after %d s\n' "$name" "$([ $status = 0 ] && echo passed || echo FAILED)" $SECONDS
exit $status
