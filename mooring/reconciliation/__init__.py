"""Reconciliation: the differences between records, cluster and backend, and their remedies."""
