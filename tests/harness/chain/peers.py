"""The links of the chain as child processes: Mooring with the rights that ship (tests/harness/kubernetes.py), the rest with all."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mooring.devstack.kubernetes.programs import program
from tests.harness.chain.kept import Kept
from tests.harness.kubernetes import Kubernetes
from tests.harness.repository import ROOT

QUICK: Final = ("--kube-api-qps=1000", "--kube-api-burst=1000")
CONTROLLERS: Final = "persistentvolume-attach-detach-controller"
"""Alone: the one that binds claims would write to the PVs of all other tests."""
ATTACHER: Final = (
    *QUICK,
    "--timeout=60s",
    "--worker-threads=32",
    "--reconcile-sync=5s",
    "--retry-interval-start=100ms",
    "--retry-interval-max=1s",
)
INHERITED: Final = ("PATH", "HOME", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Link:
    """Mooring in front of one driver, and the attacher in front of it, both killable."""

    mooring: Kept
    attacher: Kept


def controller_manager(kubernetes: Kubernetes, assets: Path, folder: Path) -> AbstractAsyncContextManager[Kept]:
    """Start the attach/detach controller."""
    kubeconfig = kubernetes.admin.write_kubeconfig(folder / "kubeconfig-controllers")
    command = [
        str(program(assets, "kube-controller-manager")),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--secure-port=0",
        *QUICK,
    ]
    return Kept.start(command, folder / "kube-controller-manager.log")


@asynccontextmanager
async def link(kubernetes: Kubernetes, assets: Path, temporal: str, driver: str, folder: Path) -> AsyncIterator[Link]:
    """Run Mooring in front of the driver at this endpoint, and an attacher in front of Mooring."""
    socket = folder / "mooring.sock"
    async with AsyncExitStack() as stack:
        mooring = await stack.enter_async_context(_mooring(kubernetes, temporal, socket, driver, folder))
        attacher = await stack.enter_async_context(csi_attacher(kubernetes, assets, socket, folder))
        yield Link(mooring, attacher)


def csi_attacher(kubernetes: Kubernetes, assets: Path, socket: Path, folder: Path) -> AbstractAsyncContextManager[Kept]:
    """Start an attacher in front of whoever serves on the socket."""
    kubeconfig = kubernetes.admin.write_kubeconfig(folder / "kubeconfig-attacher")
    command = [str(program(assets, "csi-attacher")), f"--kubeconfig={kubeconfig}", f"--csi-address={socket}", *ATTACHER]
    return Kept.start(command, folder / "csi-attacher.log")


def _mooring(kubernetes: Kubernetes, temporal: str, socket: Path, driver: str, folder: Path) -> AbstractAsyncContextManager[Kept]:
    kubeconfig = kubernetes.account.write_kubeconfig(folder / "kubeconfig-mooring")
    command = [sys.executable, "-m", "mooring", "csi", f"--endpoint=unix://{socket}", f"--driver-endpoint={driver}"]
    environ = {
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "MOORING_HTTP_ADDRESS": "127.0.0.1:0",
        "MOORING_DRAIN_TIMEOUT": "1",
        "TEMPORAL_ADDRESS": temporal,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "KUBECONFIG": str(kubeconfig),
    }
    return Kept.start(command, folder / "mooring.log", environ)
