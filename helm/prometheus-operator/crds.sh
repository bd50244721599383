#!/usr/bin/env bash
# Prints the folder of the CustomResourceDefinitions of the Prometheus operator that go.mod pins; what is being done goes to stderr.
# OPERATOR_CRDS, where set, names such a folder and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${OPERATOR_CRDS:-}" ]]; then
    echo "$OPERATOR_CRDS"
    exit 0
fi

module=github.com/prometheus-operator/prometheus-operator
go=$(bash ../../kube/go.sh)
export GOTOOLCHAIN=local
"$go" mod download "$module" >&2
echo "$("$go" list -m -f '{{.Dir}}' "$module")/example/prometheus-operator-crd"
