"""Scenarios that run by the same code on a real Temporal server and on the simulated one, and must leave the same events.

Layout: `samples` has workflows made for this, `world` what a scenario may use, `traces` what is compared, `scenarios` and
`mooring_scenarios` the scenarios.
"""
