//go:build tools

// Package promtool pins the program that tests the alerts of deploy/monitoring; build.sh builds it. Nothing here is imported by Mooring.
package promtool

import _ "github.com/prometheus/prometheus/cmd/promtool"
