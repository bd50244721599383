#!/usr/bin/env bash
# Prints rules.yaml as a PrometheusRule, for clusters with the Prometheus Operator. The first argument, where given, goes before every
# runbook's path: the address under which this repository's files can be read.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cat <<'END'
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: mooring, namespace: mooring}
spec:
END
sed -e "s|runbook_url: |&${1:+${1%/}/}|" -e 's/^/  /' rules.yaml
