"""Whole workers, the deployed code of them, in simulated worlds that go wrong by a seed.

    make simulate OPERATIONS=20000 SEED=7

Layout: `world` puts a world together and lets it live; `workers` are its worker processes, `attacher` asks as external-attacher
does, `disturbances` are all that goes wrong, `verdict` judges, `telling` keeps the trace. `worlds` plans worlds by their seeds,
and `lives` has them live, each in a process of its own. `shrinking` looks for the shortest story of what was broken, `stories`
are worlds in words. `bugs` are planted to see them found.

Invariant: a world's trace depends on its seed alone, to the byte.
"""
