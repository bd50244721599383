"""One workflow a file: the order of the steps, and what is done when one fails. Decisions only, no I/O, no client libraries."""
