#!/usr/bin/env bash
# Runs the whole suite in two processes: the searches, which need a core for minutes and no server, and beside them all other tests.
# What the searches print is shown whole as soon as they are done, which is before the others are. Options of pytest go to both.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SEARCHES=(tests/records/fence tests/simulation)
PYTEST=(.venv/bin/pytest --require-real)
INTERRUPTED=2

search() {
    local printed child found
    printed=$(mktemp)
    "${PYTEST[@]}" "$@" "${SEARCHES[@]}" >"$printed" 2>&1 &
    child=$!
    trap 'kill "$child" 2>/dev/null; rm -f "$printed"' EXIT
    trap 'exit $INTERRUPTED' TERM
    wait "$child"
    found=$?
    cat "$printed"
    exit "$found"
}

search "$@" &
searches=$!

"${PYTEST[@]}" "$@" "${SEARCHES[@]/#/--ignore=}"
others=$?
[[ $others -eq $INTERRUPTED ]] && kill "$searches"
wait "$searches"
found=$?
((found == 0)) || echo "run.sh: the searches (${SEARCHES[*]}) ended with $found; what they printed is above" >&2
exit $((others ? others : found))
