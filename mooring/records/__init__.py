"""The record of a volume: its form, its rules, and the protocol of a store. Pure: no API server, no Temporal."""
