#!/usr/bin/env bash
# Builds one program from what the go.mod of the current folder pins, once, and prints its path; what is being done goes to stderr.
#
#   program.sh NAME MODULE "PACKAGE [OTHER=PACKAGE...]" MINUTES [FLAG...]
#
# OTHERs are programs of the same module, built beside it.
set -euo pipefail

name=$1 module=$2 minutes=$4
read -ra programs <<<"$name=$3"
shift 4
here=$(dirname "${BASH_SOURCE[0]}")

DAYS_UNUSED=30
flags=(-trimpath -buildvcs=false "$@")
version=$(awk -v module="$module" '$1 == "require" && $2 == module { print $3 }' go.mod)
key=$version-$({ printf '%s\n' "${flags[@]}" "${programs[@]:1}"; cat go.mod go.sum; } | sha256sum | cut -c1-12)
root=${XDG_CACHE_HOME:-$HOME/.cache}/mooring/$name
program=$root/$key/$name

if [[ ! -x "$program" ]]; then
    go=$(bash "$here/go.sh" go.mod)
    mkdir -p "$root"
    exec 9>"$root/.lock"
    flock 9 # NB: two test runs may call this at once; the second finds the program made
fi
if [[ ! -x "$program" ]]; then
    echo "$name: building $version into $root, once: $minutes minutes on 2 cores, or one where Go's own cache has it" >&2
    # Parts are of builds that were killed, since this one has the lock; the rest is of checkouts that are long gone.
    rm -rf "$root"/.part.*
    find "$root" -mindepth 1 -maxdepth 1 -type d -mtime "+$DAYS_UNUSED" -exec rm -rf {} +
    part=$(mktemp -d "$root/.part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    for each in "${programs[@]}"; do
        CGO_ENABLED=0 GOTOOLCHAIN=local nice "$go" build "${flags[@]}" -o "$part/${each%%=*}" "${each#*=}" >&2
    done
    chmod 755 "$part"
    mv "$part" "$root/$key"
fi
touch "$root/$key" 2>/dev/null || true # a cache that can't be written is as good
echo "$program"
