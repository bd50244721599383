"""The pages of docs/ that are generated from the code: `python -m docs.reference` writes them, and `make docs` runs it."""
