"""Reconciliation: where records, cluster and backend differ, and what is done about it."""
