"""One workflow a file: the order of the steps, and the reaction when one fails. Decisions only, no I/O, no client libraries.

Beside them is registry.py, the list of all workflows. The parts of a workflow are in a folder of its own.
"""
