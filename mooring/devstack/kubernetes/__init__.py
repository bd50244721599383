"""A Kubernetes API for development: `EmbeddedKubernetes`, in memory, or `RealKubernetes`, the real binaries on loopback.

Both pass tests/devstack/contract/, hand out a kubeconfig, and live as long as their `async with` block.
"""

from mooring.devstack.kubernetes.embedded import EmbeddedKubernetes
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.kubernetes.real import RealKubernetes

__all__ = ["ApiServer", "EmbeddedKubernetes", "RealKubernetes"]
