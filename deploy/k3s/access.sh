#!/bin/sh
# Applies the rights in rbac.yaml and writes /access/kubeconfig, by which the worker reaches k3s with them and no more.
set -eu

server=https://k3s:6443
as_admin() { kubectl --kubeconfig=/admin/kubeconfig --server="$server" "$@"; }

as_admin apply --filename=/deploy/rbac.yaml
authority=$(as_admin config view --raw --output=jsonpath='{.clusters[0].cluster.certificate-authority-data}')
token=$(as_admin create token mooring --namespace=mooring --duration=8760h)

cat >/access/kubeconfig <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: mooring
clusters:
  - {name: k3s, cluster: {server: "$server", certificate-authority-data: "$authority"}}
users:
  - {name: mooring, user: {token: "$token"}}
contexts:
  - {name: mooring, context: {cluster: k3s, user: mooring}}
KUBECONFIG
# NB: readable by the worker's user, which owns nothing in this volume.
chmod 0444 /access/kubeconfig
