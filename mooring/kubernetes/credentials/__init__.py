"""Credentials for a Kubernetes API server, found and renewed as kubectl does it."""
