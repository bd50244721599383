"""A package, so that a fixture of package scope ends with its tests, and not with the session."""
