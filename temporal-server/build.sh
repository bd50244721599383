#!/usr/bin/env bash
# Builds Temporal's server and its temporal-sql-tool from what go.mod pins, once, and prints the server's path, the tool beside it; what
# is being done goes to stderr. TEMPORAL_SERVER, where set, names a ready server, with such a tool beside it, and is printed as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n "${TEMPORAL_SERVER:-}" ]]; then
    echo "$TEMPORAL_SERVER"
    exit 0
fi

package=go.temporal.io/server/cmd
exec bash ../kube/program.sh temporal-server go.temporal.io/server "$package/server temporal-sql-tool=$package/tools/sql" "4 to 8" \
    -tags disable_grpc_modules -ldflags "-s -w"
