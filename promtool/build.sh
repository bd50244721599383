#!/usr/bin/env bash
# Builds Prometheus' promtool from what go.mod pins, once, and prints the program's path; what is being done goes to stderr.
# PROMTOOL, where set, names a ready one and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${PROMTOOL:-}" ]]; then
    echo "$PROMTOOL"
    exit 0
fi

# Without service discovery, which no test of a rule needs, a third of it is not there to be built.
exec bash ../kube/program.sh promtool github.com/prometheus/prometheus github.com/prometheus/prometheus/cmd/promtool "3 to 4" \
    -tags remove_all_sd -ldflags "-s -w"
