"""A publish that has to acquire again, because another writer changed the record after the backend had attached."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.errors import BackendFailedPrecondition
from mooring.models import BackendCall
from tests.harness.backend import JournalBackend
from tests.harness.cluster import Cluster
from tests.harness.workers import quick, running_worker


@dataclass(slots=True)
class _Overtaken(JournalBackend):
    """A backend that attaches once, while somebody empties the record by hand, and then no more."""

    cluster: Cluster | None = None

    async def publish(self, call: BackendCall) -> dict[str, str]:
        if self.cluster is None:
            raise BackendFailedPrecondition("not again")
        cluster, self.cluster = self.cluster, None
        answer = await JournalBackend.publish(self, call)
        emptied = {
            cluster.keys.node: None,
            cluster.keys.at: None,
            cluster.keys.attachments: None,
            cluster.keys.epoch: str(call.epoch + 1),
        }
        await cluster.annotate(call.volume.volume_handle, emptied)
        return answer


async def test_what_the_first_claim_attached_is_undone_though_the_second_is_refused_at_once(
    temporal_client: Client, cluster: Cluster, mooring: MooringClient
) -> None:
    await cluster.create("vol")
    backend = _Overtaken(cluster=cluster)
    async with running_worker(temporal_client, quick(cluster.driver), cluster.proxy.kubeconfig(), backend):
        with pytest.raises(BackendFailedPrecondition, match="not again"):
            await mooring.publish("vol", "node-a")

    assert (await cluster.holder("vol"), backend.attached) == (None, {"vol": set()})
