#!/usr/bin/env bash
# Runs the whole suite in three processes, since most tests wait more than they compute: the searches, which need a core for minutes
# and no server; the operations; and beside both all other tests, then what starts programs of its own (the campaign, and what makes
# the project's files, for which helm is built). What the first two print is shown as soon as each is done. Options of pytest go to all.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SEARCHES=(tests/records/fence tests/simulation)
OPERATIONS=(tests/adoption tests/evacuation tests/evidence tests/reconciliation tests/worker tests/workflows)
PROGRAMS=(tests/campaign tests/project tests/system/chart)
PYTEST=(.venv/bin/pytest --require-real "$@")
INTERRUPTED=2

beside() {
    local printed child found
    printed=$(mktemp)
    trap 'kill "$child" 2>/dev/null; rm -f "$printed"' EXIT
    trap 'exit $INTERRUPTED' TERM
    "${PYTEST[@]}" "$@" >"$printed" 2>&1 &
    child=$!
    wait "$child"
    found=$?
    cat "$printed"
    exit "$found"
}

here() {
    local found
    "${PYTEST[@]}" "$@"
    found=$?
    if [[ $found -eq $INTERRUPTED ]]; then
        kill "${lanes[@]}" 2>/dev/null
        exit "$found"
    fi
    failed=$((failed ? failed : found))
}

failed=0
beside "${SEARCHES[@]}" &
lanes=($!)
beside "${OPERATIONS[@]}" &
lanes+=($!)

apart=("${SEARCHES[@]}" "${OPERATIONS[@]}" "${PROGRAMS[@]}")
here "${apart[@]/#/--ignore=}"
export OPERATOR_CRDS="${OPERATOR_CRDS:-$(bash helm/prometheus-operator/crds.sh)}"
HELM="${HELM:-$(bash helm/build.sh)}" here "${PROGRAMS[@]}"

for lane in "${lanes[@]}"; do
    wait "$lane"
    found=$?
    ((found == 0)) || echo "run.sh: tests beside ended with $found; what they printed is above" >&2
    failed=$((failed ? failed : found))
done
exit "$failed"
