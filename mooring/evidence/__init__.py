"""Knowledge of a volume beyond its PV, from the index, the cluster and Temporal. Nothing is decided here."""
