"""PVs with an in-tree source."""
