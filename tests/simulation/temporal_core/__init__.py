"""The SDK's core, without threads and connections: it polls the simulated server, and hands the SDK's worker its tasks.

Contract: the real `temporalio.worker.Worker` runs on it unchanged; activations have the jobs of the real core, in its order.

Layout: `worker` is the core's door, `machines` turn events into jobs and commands into what the server takes, `jobs` and `commands`
have the forms of each, `run` is one run in the cache, `local` has its local activities, `activities` the others.
"""
