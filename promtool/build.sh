#!/usr/bin/env bash
# Builds Prometheus' promtool from what go.mod pins, once, and prints the program's path; what is being done goes to stderr.
# PROMTOOL, where set, names a ready one and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${PROMTOOL:-}" ]]; then
    echo "$PROMTOOL"
    exit 0
fi

DAYS_UNUSED=30
# Without service discovery, which no test of a rule needs, a third of it is not there to be built.
flags=(-trimpath -buildvcs=false -tags remove_all_sd -ldflags "-s -w")
version=$(awk '$1 == "require" && $2 == "github.com/prometheus/prometheus" { print $3 }' go.mod)
key=$version-$({ printf '%s\n' "${flags[@]}"; cat go.mod go.sum; } | sha256sum | cut -c1-12)
root=${XDG_CACHE_HOME:-$HOME/.cache}/mooring/promtool
program=$root/$key/promtool

if [[ ! -x "$program" ]]; then
    go=$(bash ../kube/go.sh)
    mkdir -p "$root"
    exec 9>"$root/.lock"
    flock 9 # NB: two test runs may call this at once; the second finds the program made
fi
if [[ ! -x "$program" ]]; then
    echo "promtool: building $version into $root, once: 3 to 4 minutes on 2 cores, or one where Go's own cache has it" >&2
    # Parts are of builds that were killed, since this one has the lock; the rest is of checkouts that are long gone.
    rm -rf "$root"/.part.*
    find "$root" -mindepth 1 -maxdepth 1 -type d -mtime "+$DAYS_UNUSED" -exec rm -rf {} +
    part=$(mktemp -d "$root/.part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    CGO_ENABLED=0 GOTOOLCHAIN=local nice "$go" build "${flags[@]}" -o "$part/promtool" \
        github.com/prometheus/prometheus/cmd/promtool >&2
    chmod 755 "$part"
    mv "$part" "$root/$key"
fi
touch "$root/$key" 2>/dev/null || true # a cache that can't be written is as good
echo "$program"
