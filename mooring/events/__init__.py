"""Kubernetes Events: Mooring's messages to operators on PVs, their claims and Nodes."""
