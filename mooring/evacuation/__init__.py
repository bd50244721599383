"""Evacuation: a dead node's volumes are released, once it is proven dead."""
