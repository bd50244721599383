"""Temporal and Kubernetes for laptops and tests: embedded, or real. Nothing here is meant for production."""
