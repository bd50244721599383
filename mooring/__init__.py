"""Mooring attaches CSI volumes to nodes as durable Temporal workflows and never loses track of who holds what."""

__version__ = "0.1.0"
