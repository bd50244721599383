"""Mooring attaches CSI volumes to nodes as durable Temporal workflows and never loses track of who holds what.

Public are `mooring.client`, `mooring.errors`, `mooring.backend`, `mooring.models` and `mooring.temporal`, by the names in their
`__all__`. They keep their meaning until the first number of the version changes. All else is internal.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
