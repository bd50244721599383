"""Kubernetes Events: what Mooring tells operators on PVs, their claims and Nodes."""
