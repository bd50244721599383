"""A campaign of faults on the real parts, under load: `make campaign MINUTES=30 SEED=7`. docs/reliability.md has what it found.

| module | what it has |
|---|---|
| `parts.py` | the processes: etcd, kube-apiserver, Temporal, controllers, the driver, three workers |
| `worker.py`, `wrappers.py`, `failpoints.py` | the campaign's worker: the deployed one, whose parts lead by named failpoints |
| `nursery.py` | the process that workers are forked from |
| `proxy.py` | the proxy before the API server, and before Temporal |
| `plan.py`, `faults.py` | the faults by a seed, and how each is brought about |
| `load.py`, `rarities.py` | Pods and callers; nodes that die, and volumes whose PV comes late |
| `history.py`, `linear.py`, `judge.py` | what happened, and two checkers of it |
| `stage.py`, `recovery.py`, `report.py` | the course of a campaign, its figures, its report |
| `bugs.py` | faults that are planted in the workers, to see that they are found |
| `old_backend.py` | the way of a worker of version 0.1.0 to the driver |
"""
