#!/usr/bin/env bash
# Builds the programs below from what go.mod pins and from our own sources, once, and prints the folder that holds them.
# Only that folder's path goes to stdout; what is being done, and how long it takes, goes to stderr.
# KUBEBUILDER_ASSETS, where set, names a folder of ready binaries and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
    echo "$KUBEBUILDER_ASSETS"
    exit 0
fi

PROGRAMS=( # name package
    "kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver"
    "kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager"
    "kubectl k8s.io/kubernetes/cmd/kubectl"
    "etcd go.etcd.io/etcd/server/v3"
    "csi-attacher github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher"
    "csi-sanity github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"
    "mock-driver ./mock-driver"
    "list-volumes ./list-volumes"
    "translate-volumes ./translate-volumes"
)
DAYS_UNUSED=30

say() { echo "kube: $*" >&2; }

version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
flags=(-trimpath -buildvcs=false -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version")
key=$version-$({ printf '%s\n' "${PROGRAMS[@]}" "${flags[@]}"; cat go.mod go.sum ./*/*.go; } | sha256sum | cut -c1-12)
root=${XDG_CACHE_HOME:-$HOME/.cache}/mooring/kube
assets=$root/$key

if [[ -d "$assets" ]]; then
    touch "$assets" 2>/dev/null || true # a cache that can't be written is as good
    echo "$assets"
    exit 0
fi

build() {
    local go program name package
    go=$(bash go.sh)
    say "building Kubernetes $version and its peers into $assets, once:" \
        "5 to 10 minutes on 2 cores, or one where Go's own cache has them"
    for program in "${PROGRAMS[@]}"; do
        read -r name package <<<"$program"
        say "  $name"
        CGO_ENABLED=0 GOTOOLCHAIN=local nice "$go" build "${flags[@]}" -o "$part/$name" "$package" >&2
    done
    chmod 755 "$part"
    mv "$part" "$assets"
    say "built; the next call is instant"
}

mkdir -p "$root"
exec 9>"$root/.lock"
flock 9 # NB: two test runs may call this at once; the second finds the folder made
if [[ ! -d "$assets" ]]; then
    # Parts are of builds that were killed, since this one has the lock; the rest is of checkouts that are long gone.
    rm -rf "$root"/.part.*
    find "$root" -mindepth 1 -maxdepth 1 -type d -mtime "+$DAYS_UNUSED" -exec rm -rf {} +
    part=$(mktemp -d "$root/.part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    build
fi
echo "$assets"
