//go:build tools

// Package helm pins the program that tests and packs the chart of deploy/chart; build.sh builds it. Nothing here is imported by Mooring.
package helm

import _ "helm.sh/helm/v4/cmd/helm"
