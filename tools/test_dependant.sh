#!/bin/bash
# Builds a package that depends on this one as other people meet it, and runs its programs: tools/test_dependant.sh [all]
# These are that of Tests/Dependant, and one that is README.md's Swift lines; by URL and tagged version, in debug.
# With `all` also
#  - in release;
#  - a clean checkout, with a plain `swift build`;
#  - by path, in debug and release.
# None of it may print a warning. Ends with one line "N passed, M failed".
set -u
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

cp -R Tests/Dependant "$work/dependant"
names_this() { # as in Package.swift
    sed -e "s|url: \"@REPOSITORY@\", exact: \"@VERSION@\"|$1|" Tests/Dependant/Package.swift >"$work/dependant/Package.swift"
}
# README's lines are the program; one more prints what they computed. Nothing but CrossEntropy is imported.
mkdir "$work/dependant/Sources/readme"
sed -n '/^```swift$/,/^```$/{/^```/!p}' README.md >"$work/dependant/Sources/readme/main.swift"
echo 'print(loss, gradient.count)' >>"$work/dependant/Sources/readme/main.swift"

package() { # a title, a configuration, a scratch path
    local title=$1 configuration=$2 scratch=$3
    builds "a package $title, $configuration" "$work/dependant" -c "$configuration" --scratch-path "$scratch" \
        --disable-dependency-cache
    prints "a package $title, $configuration: the result" \
        "0.8178187 label 7 in row 1 is out of range: there are 3 classes (labels 0 to 2)" \
        "$scratch/$configuration/dependant"
    prints "README's lines $title, $configuration: the result" "0.8178186621560153 6" "$scratch/$configuration/readme"
}

names_this "url: \"file://$work/crossentropy\", exact: \"$(cat VERSION)\""
package "by URL and version" debug "$work/by-url"
if [ "${1:-}" = all ]; then
    package "by URL and version" release "$work/by-url"
    builds "a clean checkout, debug" "$work/crossentropy"
    names_this 'path: "../crossentropy"'
    # On a shared scratch path a build takes on what another has built: the same commands on the same sources.
    package "by path" debug "$work/crossentropy/.build"
    package "by path" release "$work/crossentropy/.build"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
