"""Temporal and Kubernetes for laptops and tests: embedded, or real. Nothing here is meant for production."""

try:
    import jsonpatch  # noqa: F401 - the first of the extra's packages that is missed
except ImportError as error:
    raise ImportError(
        "The development stack needs packages that Mooring itself does not need: pip install 'mooring-csi[devstack]'."
    ) from error
