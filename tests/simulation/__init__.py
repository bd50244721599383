"""The deployed code in a simulated world: no server, no clock, and everything that goes wrong chosen by a seed.

Layout: `clock` is a loop on virtual time, `temporal_server` and `temporal_core` are a Temporal below the SDK's real client and
worker, `deployed` runs Mooring's worker on it, and `faithful` has the scenarios that compare it with the real one. `api_server` and
`driver` are the other parts outside a worker; `checker` judges the `history` of both. `campaign` has whole worlds of workers,
callers and disturbances live by a seed, and plants faults that they have to find.

Invariant: a seed gives one story. Nothing depends on time, hashing or the order of sets.
"""
