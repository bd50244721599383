#!/usr/bin/env bash
# Runs the whole suite in three processes, since most tests wait more than they compute: the searches, which need a core for minutes
# and no server, then what starts programs of its own (the campaign, and what makes the project's files, for which helm is built);
# the operations; and beside both all other tests. What the first two print is shown part by part, as soon as each is done.
# Options of pytest go to all.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SEARCHES="tests/records/fence tests/simulation"
PROGRAMS="tests/campaign tests/project tests/system/chart"
OPERATIONS="tests/adoption tests/evacuation tests/evidence tests/reconciliation tests/worker tests/workflows"
PYTEST=(.venv/bin/pytest --require-real "$@")
INTERRUPTED=2

parts() {
    local printed folders child found failed=0
    printed=$(mktemp)
    trap 'kill "$child" 2>/dev/null; rm -f "$printed"' EXIT
    trap 'exit $INTERRUPTED' TERM
    for folders in "$@"; do
        "${PYTEST[@]}" $folders >"$printed" 2>&1 &
        child=$!
        wait "$child"
        found=$?
        cat "$printed"
        failed=$((failed ? failed : found))
    done
    exit "$failed"
}

(
    HELM="${HELM:-$(bash helm/build.sh)}"
    export HELM
    parts "$SEARCHES" "$PROGRAMS"
) &
beside=($!)
parts "$OPERATIONS" &
beside+=($!)

apart=($SEARCHES $PROGRAMS $OPERATIONS)
"${PYTEST[@]}" "${apart[@]/#/--ignore=}"
others=$?
[[ $others -eq $INTERRUPTED ]] && kill "${beside[@]}"
failed=$others
for lane in "${beside[@]}"; do
    wait "$lane"
    found=$?
    ((found == 0)) || echo "run.sh: tests beside ended with $found; what they printed is above" >&2
    failed=$((failed ? failed : found))
done
exit "$failed"
