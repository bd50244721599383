"""A Temporal server in memory, on the running loop's time: histories, task queues, timeouts, policies, schedules and visibility.

Contract: whoever asks gets what the real server would answer; `tests/simulation/test_faithful.py` compares the two. Every id comes
from a seed. A change of state takes no time; `service` delays requests, `Server.hop` what the server does later by itself.

Layout: `history` has events, `run` a run's state, `workflow_tasks`, `activities`, `commands`, `relations` (children and signals
between runs), `reset` change it; `matching` has task queues, `visibility` lists, `schedules` starts, `server` the whole.
"""
