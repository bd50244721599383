"""The deployed workflow classes in a simulated world: no server, no clock, every interleaving chosen by a seed.

Layout: `instance` runs a workflow class, `cluster` is the API server and the driver, `temporal` has runs and their steps, `server`
carries out what they ask for, `world` chooses what happens next, `judge` finds what is wrong. `bugs` plants faults that the
simulation has to find.

Beside it, for all of the deployed code: `clock` is a loop on virtual time, `temporal_server` and `temporal_core` are a Temporal
below the SDK's real client and worker, `deployed` runs Mooring's worker on it, and `faithful` has the scenarios that compare it
with the real one. `campaign` has whole worlds of workers, callers and disturbances live by a seed.

Invariant: a seed gives one story. Nothing depends on time, hashing or the order of sets.
"""
