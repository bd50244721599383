#!/usr/bin/env bash
# Brings go.mod and go.sum in line after a version in go.mod's first block was changed by hand: the parts of Kubernetes, which have
# versions of their own and are replaced as Kubernetes' own go.mod replaces them; the version of Go; and all that is indirect.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

go=$(bash go.sh)
export GOTOOLCHAIN=local

version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
part_version=v0.${version#v1.}
theirs=$(cd / && "$go" mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p') || {
    echo "kube: k8s.io/kubernetes $version can't be had: name a released version in go.mod." >&2
    exit 1
}
parts=$(awk '$2 == "=>" && $3 ~ "^./staging/" { print $1 }' "$theirs")

replaced=$(mktemp)
trap 'rm -f "$replaced"' EXIT
{
    sed '/^replace ($/,/^)$/d' go.mod
    echo "replace ("
    for part in $parts; do
        echo "$part => $part $part_version"
    done
    echo ")"
} >"$replaced"
cat "$replaced" >go.mod

edits=("-go=$(awk '$1 == "go" { print $2 }' "$theirs")" "-godebug=$(awk '$1 == "godebug" { print $2 }' "$theirs")")
# NB: what our own programs require of these is overruled by the replacements; it had better say the same.
for part in $(awk '$1 ~ "^k8s.io/" && $2 ~ /^v0\.[1-9]/ && !/indirect/ { print $1 }' go.mod); do
    edits+=("-require=$part@$part_version")
done
"$go" mod edit "${edits[@]}"
"$go" mod tidy
