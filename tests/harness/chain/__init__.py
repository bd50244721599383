"""The chain that attaches a Pod's volume, every link but the kubelet real: kube-apiserver, kube-controller-manager's attach/detach
controller, csi-attacher, Mooring, a driver.

| module | what it has |
|---|---|
| `kept.py` | a program that is started again whenever it ends |
| `peers.py` | the programs and how each is started |
| `objects.py` | what tests and tools create in the cluster |
| `cluster.py` | the cluster as a test sees it: makes nodes, volumes and pods, and waits for attachments |
"""
