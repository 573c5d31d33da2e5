#!/bin/bash
# Builds and runs a small Swift package that depends on a tagged version of this one, as other people's packages do.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A repository with this tree as its tagged release.
mkdir "$work/crossentropy"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -P -t "$work/crossentropy"
git -C "$work/crossentropy" init -q
git -C "$work/crossentropy" add -A
git -C "$work/crossentropy" -c user.name=test -c user.email=test@localhost commit -qm release
git -C "$work/crossentropy" tag "$(cat VERSION)"

cp -R Tests/Dependant "$work/dependant"
sed -i -e "s|@REPOSITORY@|file://$work/crossentropy|" -e "s|@VERSION@|$(cat VERSION)|" "$work/dependant/Package.swift"
printed=$(cd "$work/dependant" && swift run -c release --quiet --disable-dependency-cache dependant)
echo "the package that depends on this one printed: $printed"
if [ "$printed" = "0.8178187 label 7 in row 1 is out of range: there are 3 classes (labels 0 to 2)" ]; then
    echo "1 passed, 0 failed"
else
    echo "0 passed, 1 failed"
    exit 1
fi
