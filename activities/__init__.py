"""Side effects, one kind a file: each activity calls `mooring`, heartbeats, and maps errors to Temporal failures."""
