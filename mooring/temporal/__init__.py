"""The client of Temporal: connection, namespace, runs and their histories. Nothing here knows the steps of an operation."""

from __future__ import annotations

from mooring.temporal.connection import connect

__all__ = ["connect"]
