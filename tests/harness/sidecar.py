"""Mooring in front of a driver, in this process, as a CO reaches it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client

from mooring.csi.sidecar import open_sidecar
from mooring.reconciliation.schedule import ReconcileSchedule
from mooring.settings import Settings
from tests.harness.csi_client import CsiClient, csi_client
from tests.harness.patient import patient
from tests.harness.workers import running_worker

SCHEDULED = {"reconcile_interval": 1, "reconcile_settle": 0.2}
"""Settings under which the driver is reconciled again and again."""


@asynccontextmanager
async def fronting(
    client: Client, kubeconfig: dict[str, Any], driver: str, folder: Path, **overrides: Any
) -> AsyncIterator[CsiClient]:
    """Run an endpoint and its worker in front of the driver at this endpoint, ready while the block lasts.

    `overrides` are settings; a test that depends on a bound names it.
    """
    asked = Settings(csi_endpoint=f"unix://{folder}/front.sock", driver_endpoint=driver)
    async with open_sidecar(asked) as sidecar:
        met = await sidecar.meet_driver(asked)
        settings = patient(met.driver, csi_endpoint=asked.csi_endpoint, driver_endpoint=asked.driver_endpoint, **overrides)
        async with (
            running_worker(client, settings, kubeconfig, sidecar.backend(settings), sidecar.state),
            csi_client(settings.csi_endpoint) as co,
        ):
            yield co
        await ReconcileSchedule(settings.driver, settings.queue, interval=0, pauses=0).keep(client)
