"""The Kubernetes project's mock CSI driver (kube/mock-driver), as a child process: all services, volumes in memory, one node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import grpc.aio

from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.devstack.kubernetes.programs import program
from mooring.devstack.process import running
from tests.harness.patience import PATIENCE

AUTHORITY: Final = (("grpc.default_authority", "localhost"),)


@asynccontextmanager
async def mock_driver(assets: Path, folder: Path, name: str, *flags: str) -> AsyncIterator[str]:
    """Run it while the block lasts; yield its endpoint, `unix:///path`, which is served. Its one node's id is its name."""
    endpoint = f"unix://{folder}/mock.sock"
    command = [str(program(assets, "mock-driver")), f"--endpoint={endpoint}", f"--driver-name={name}", *flags]
    async with running(command, folder / "mock-driver.log", folder):
        async with grpc.aio.insecure_channel(endpoint, options=AUTHORITY) as channel:
            probe = csi_pb2.ProbeRequest()
            await csi_pb2_grpc.IdentityStub(channel).Probe(probe, wait_for_ready=True, timeout=PATIENCE)
        yield endpoint
