"""Whole workers, the deployed code of them, in simulated worlds that go wrong by a seed.

    make simulate OPERATIONS=20000 SEED=7

Layout: `world` puts a world together and lets it live, `kinds` are what it may be like; `workers` are its worker processes,
`attacher` asks as external-attacher does, `nodes` come and go; `disturbances` are all that goes wrong, by `acts`; `endings`
judges operations as they end, `verdict` the world at rest, `telling` keeps the trace. `worlds` plans worlds by their seeds, and
`lives` has them live, each in a process of its own. `shrinking` looks for the shortest story of what was broken, `stories` are
worlds in words. `bugs`, `run_bugs` and `step_bugs` are planted to see them found, of which `table` tells.

Invariant: a world's trace depends on its seed alone, to the byte.
"""
