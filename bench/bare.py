"""The baseline of a publish: a worker of two bare workflows, `python -m bench.bare`, which ends with SIGTERM.

TEMPORAL_ADDRESS and KUBECONFIG name the servers.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from bench.bare_workflows import WRITE, BareWrite, Nothing
from bench.pvs import DRIVER
from mooring.cluster.persistent_volumes import PersistentVolumeStore
from mooring.kubernetes.connection import connect
from mooring.models import Write, WriteResult
from mooring.process.clock import utc_now
from mooring.process.metrics import Metrics

QUEUE: Final = "bench-bare"
SLOTS: Final = 200


class BareActivities:
    """The write, by the same client as Mooring's."""

    def __init__(self, store: PersistentVolumeStore) -> None:
        self._store = store

    @activity.defn(name=WRITE)
    async def write(self, write: Write) -> WriteResult:
        """Make the write."""
        return await self._store.compare_and_set(write)


@asynccontextmanager
async def opened_store(environ: Mapping[str, str]) -> AsyncIterator[PersistentVolumeStore]:
    """Open the API server that the environment names, while the block lasts."""
    api = await connect(None, environ, timeout=5)
    try:
        yield PersistentVolumeStore(api, DRIVER, utc_now, Metrics(CollectorRegistry()))
    finally:
        await api.close()


async def main() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    async with opened_store(os.environ) as store:
        write = BareActivities(store).write
        async with Worker(
            client, task_queue=QUEUE, workflows=[BareWrite, Nothing], activities=[write], max_concurrent_activities=SLOTS
        ):
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
