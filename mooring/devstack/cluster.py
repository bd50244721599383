"""The Kubernetes API that a stack runs against: the one KUBECONFIG names, real binaries on loopback, or the embedded one.

Invariants: nothing is created in a cluster that KUBECONFIG names; only what was started here is seeded with volumes. On real
binaries the workers run with the rights in deploy/kubernetes/rbac.yaml and no others.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes, RealKubernetes
from mooring.devstack.kubernetes.account import ACCOUNT, USERS, grant
from mooring.devstack.process import StackError


class ClusterKind(StrEnum):
    """Choice of Kubernetes API; `auto` takes KUBECONFIG's, else a real one if KUBEBUILDER_ASSETS is set, else the embedded one."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    REAL = "real"
    KUBECONFIG = "kubeconfig"


@dataclass(frozen=True, slots=True)
class StackCluster:
    """A Kubernetes API: `kubeconfig` and `workers` are values for KUBECONFIG, the user's and the workers'; `own` is how to
    reach it if it was started here.
    """

    what: str
    kubeconfig: str
    workers: str
    own: ApiServer | None = None


@asynccontextmanager
async def open_cluster(kind: ClusterKind, environ: Mapping[str, str], folder: Path) -> AsyncIterator[StackCluster]:
    """Provide a Kubernetes API while the block lasts; its files go to `folder`.

    Raises:
        StackError: the environment lacks the variable that `kind` requires.

    """
    match _resolve(kind, environ):
        case ClusterKind.KUBECONFIG:
            named = _variable(environ, "KUBECONFIG", "a kubeconfig that kubectl takes")
            yield StackCluster("the cluster that KUBECONFIG names", named, named)
        case ClusterKind.REAL:
            assets = Path(_variable(environ, "KUBEBUILDER_ASSETS", "the folder that kube/build.sh prints"))
            async with RealKubernetes.start(assets, folder, USERS) as real:
                await grant(real)
                kubeconfig = str(real.write_kubeconfig(folder / "kubeconfig"))
                workers = str(real.write_kubeconfig(folder / "kubeconfig-workers", ACCOUNT))
                yield StackCluster("a real kube-apiserver, for development", kubeconfig, workers, real.server())
        case _:
            async with EmbeddedKubernetes.start() as embedded:
                kubeconfig = str(embedded.write_kubeconfig(folder / "kubeconfig"))
                what = "an embedded Kubernetes API, for development only: in memory, open to every local user"
                yield StackCluster(what, kubeconfig, kubeconfig, ApiServer(embedded.url))


def _resolve(kind: ClusterKind, environ: Mapping[str, str]) -> ClusterKind:
    if kind is not ClusterKind.AUTO:
        return kind
    if environ.get("KUBECONFIG"):
        return ClusterKind.KUBECONFIG
    return ClusterKind.REAL if environ.get("KUBEBUILDER_ASSETS") else ClusterKind.EMBEDDED


def _variable(environ: Mapping[str, str], name: str, meaning: str) -> str:
    value = environ.get(name)
    if not value:
        raise StackError(f"{name} isn't set: set it to {meaning}, or ask for another kind of Kubernetes.")
    return value
