"""The making of a release, by one command: `python -m release VERSION`, or `make release VERSION=...`."""
