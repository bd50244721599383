"""A CSI driver with many nodes, to be put behind Mooring: `python -m tests.harness.driver`, or `handle.ReferenceDriver` in a test.

It attaches whatever it is asked to, two nodes at once included, and writes that down as a violation: it is the oracle, not the
fence. But it enforces the fencing tokens, unless asked to be heedless.

| file in its folder | written by | what it is |
|---|---|---|
| `csi.sock` | the driver | where it serves Identity, Controller and `echo.py` |
| `journal.jsonl` | the driver | every call, attach, detach and violation (`journal.py`); its only memory |
| `orders.json` | the test | which calls are to be slow, to fail, to hang or to lose their answer (`orders.py`) |

Volumes and nodes exist unless their names begin with `missing-`.
"""
