"""One workflow a file: the order of the steps, and the reaction when one fails. Decisions only, no I/O, no client libraries.

Beside them are unpersisted.py, a publish's hold on a volume without a PV, and registry.py, the list of all workflows.
"""
