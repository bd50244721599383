"""The tools of record.py's scenes: the operations of one driver, and a place where their histories are kept.

Contract: a history that is there already is never written again, since runs of that age may be open. Stack traces and identities
are left out, as they name machines.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.client import Client

from mooring import names
from mooring.client import MooringClient
from mooring.errors import MooringError
from mooring.models import VolumeRef
from tests.harness.cluster import Cluster
from tests.harness.workers import indexed
from worker import MooringWorker

HISTORIES = Path(__file__).parent / "histories"
DRIVER = "replay.csi.test"


class Recorder:
    """A recorder that runs operations and writes down the history of the newest run after each."""

    def __init__(self, client: Client, cluster: Cluster, worker: MooringWorker) -> None:
        self.client = client
        self.mooring = MooringClient(client, driver=DRIVER)
        self.cluster = cluster
        self.worker = worker

    async def new(self, handle: str) -> None:
        """Create a volume, and wait until the worker knows it."""
        await self.cluster.create(handle)
        await indexed(self.worker, handle)

    async def save(self, name: str, workflow_id: str) -> None:
        """Write the newest run of the id down as `name`."""
        run = await self.client.get_workflow_handle(workflow_id).describe()
        history = await self.client.get_workflow_handle(workflow_id, run_id=run.run_id).fetch_history()
        found = scrubbed(json.loads(history.to_json()))
        _name_as_replayed(found["events"], run.run_id)
        path = HISTORIES / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(found, indent=1) + "\n")

    async def operation(self, name: str, handle: str, operation: Any) -> None:
        """Await an operation on a volume, however it ends, and save its history."""
        with suppress(MooringError):
            await operation
        await self.save(name, names.volume_id(VolumeRef(driver=DRIVER, volume_handle=handle)))


def scrubbed(value: Any) -> Any:
    """Return the history without what names a machine."""
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    if isinstance(value, dict):
        kept = {key: scrubbed(item) for key, item in value.items() if key not in ("stackTrace", "workerVersion")}
        return {key: "recorded" if key == "identity" else item for key, item in kept.items()}
    return value


def _name_as_replayed(events: list[dict[str, Any]], run_id: str) -> None:
    """Exchange the id of a run that was reset and that of its former self where a replay takes one for the other.

    NB: a server names the run; a Replayer takes the first one's id, and distinguishes lives by the ids alone.
    """
    started = events[0]["workflowExecutionStartedEventAttributes"]
    former, started["originalExecutionRunId"] = started["originalExecutionRunId"], run_id
    for failed in (event.get("workflowTaskFailedEventAttributes", {}) for event in events):
        if failed.get("newRunId") == run_id:
            failed["newRunId"] = former
