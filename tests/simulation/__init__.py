"""The deployed workflow classes in a simulated world: no server, no clock, every interleaving chosen by a seed.

Layout: `instance` runs a workflow class, `cluster` is the API server and the driver, `temporal` has runs and their steps, `server`
carries out what they ask for, `world` chooses what happens next, `judge` finds what is wrong. `bugs` plants faults that the
simulation has to find.

Invariant: a seed gives one story. Nothing depends on time, hashing or the order of sets.
"""
