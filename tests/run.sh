#!/usr/bin/env bash
# Runs the whole suite in two processes: the searches, which need a core for minutes and no server, then what starts programs of its own (the
# campaign, and what makes the project's files, for which helm is built); and beside both all other tests.
# What the first process prints is shown part by part, as soon as each is done. Options of pytest go to all.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SEARCHES=(tests/records/fence tests/simulation)
PROGRAMS=(tests/campaign tests/project tests/system/chart)
PYTEST=(.venv/bin/pytest --require-real)
INTERRUPTED=2

part() {
    local found
    "${PYTEST[@]}" "$@" >"$printed" 2>&1 &
    child=$!
    wait "$child"
    found=$?
    cat "$printed"
    return "$found"
}

beside() {
    local printed child searched tried
    printed=$(mktemp)
    trap 'kill "$child" 2>/dev/null; rm -f "$printed"' EXIT
    trap 'exit $INTERRUPTED' TERM
    part "$@" "${SEARCHES[@]}"
    searched=$?
    HELM="${HELM:-$(bash helm/build.sh)}" part "$@" "${PROGRAMS[@]}"
    tried=$?
    exit $((searched ? searched : tried))
}

beside "$@" &
beside=$!

apart=("${SEARCHES[@]}" "${PROGRAMS[@]}")
"${PYTEST[@]}" "$@" "${apart[@]/#/--ignore=}"
others=$?
[[ $others -eq $INTERRUPTED ]] && kill "$beside"
wait "$beside"
found=$?
((found == 0)) || echo "run.sh: the tests beside (${apart[*]}) ended with $found; what they printed is above" >&2
exit $((others ? others : found))
