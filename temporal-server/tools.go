//go:build tools

// Package temporalserver pins the programs of Temporal that `bench.publish --postgres` runs on PostgreSQL; build.sh builds them.
// Nothing here is imported by Mooring.
package temporalserver

import (
	_ "go.temporal.io/server/cmd/server"
	_ "go.temporal.io/server/cmd/tools/sql"
)
