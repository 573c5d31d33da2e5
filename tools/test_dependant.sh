#!/bin/bash
# Builds this package and two that depend on it as other people meet them, and runs these: tools/test_dependant.sh [all]
#  - a clean checkout, with a plain `swift build`;
#  - a package whose whole program is README.md's Swift lines, by path, in debug, and with `all` in release;
#  - Tests/Dependant, by URL and tagged version, in release.
# None of it may print a warning. Ends with one line "N passed, M failed".
set -u
[ "${1:-}" = all ] && configurations=(debug release) || configurations=(debug)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
swift=${SWIFT:-swift}
passed=0
failed=0

result() { # a title, then "ok" or what is wrong
    if [ "$2" = ok ]; then
        passed=$((passed + 1))
        echo "ok      $1"
    else
        failed=$((failed + 1))
        echo "FAILED  $1: $2"
    fi
}

# Builds a package without a warning.
builds() { # a title, a directory, then options of `swift build`
    local title=$1 directory=$2 log=$work/log
    shift 2
    if ! (cd "$directory" && $swift build "$@") >"$log" 2>&1; then
        tail -n 40 "$log"
        result "$title" "it does not build"
    elif grep -iE 'warning:|error:' "$log"; then
        result "$title" "it builds with warnings"
    else
        result "$title" ok
    fi
}

prints() { # a title, the text, then the command
    local title=$1 expected=$2 printed
    shift 2
    printed=$("$@" 2>&1)
    [ "$printed" = "$expected" ] && printed=ok
    result "$title" "$printed"
}

# This tree as a repository with its tagged release.
mkdir "$work/crossentropy"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -P -t "$work/crossentropy"
git -C "$work/crossentropy" init -q
git -C "$work/crossentropy" add -A
git -C "$work/crossentropy" -c user.name=test -c user.email=test@localhost commit -qm release
git -C "$work/crossentropy" tag "$(cat VERSION)"

builds "a clean checkout, debug" "$work/crossentropy"

# README's lines are the program; one more prints what they computed. Nothing but CrossEntropy is imported.
readme=$work/readme
mkdir -p "$readme/Sources/readme"
sed -e 's|"dependant"|"readme"|g' -e 's|url: "@REPOSITORY@", exact: "@VERSION@"|path: "../crossentropy"|' \
    Tests/Dependant/Package.swift >"$readme/Package.swift"
sed -n '/^```swift$/,/^```$/{/^```/!p}' README.md >"$readme/Sources/readme/main.swift"
echo 'print(loss, gradient.count)' >>"$readme/Sources/readme/main.swift"
# The checkout's debug build above is taken on: the same commands on the same sources.
for configuration in ${configurations[@]}; do
    scratch=$work/crossentropy/.build
    builds "README's lines by path, $configuration" "$readme" -c $configuration --scratch-path "$scratch"
    prints "README's lines by path, $configuration: the result" "0.8178186621560153 6" "$scratch/$configuration/readme"
done

cp -R Tests/Dependant "$work/dependant"
sed -i -e "s|@REPOSITORY@|file://$work/crossentropy|" -e "s|@VERSION@|$(cat VERSION)|" "$work/dependant/Package.swift"
builds "a package by URL and version, release" "$work/dependant" -c release --disable-dependency-cache
prints "a package by URL and version, release: the result" \
    "0.8178187 label 7 in row 1 is out of range: there are 3 classes (labels 0 to 2)" \
    "$work/dependant/.build/release/dependant"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
