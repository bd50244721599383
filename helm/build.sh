#!/usr/bin/env bash
# Builds helm from what go.mod pins, once, and prints the program's path; what is being done goes to stderr.
# HELM, where set, names a ready one and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${HELM:-}" ]]; then
    echo "$HELM"
    exit 0
fi

exec bash ../kube/program.sh helm helm.sh/helm/v4 helm.sh/helm/v4/cmd/helm "5 to 7" -ldflags "-s -w"
