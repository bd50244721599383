"""promtool, what ships for Prometheus and Grafana, and the metrics of a worker that has done most of what there is to count."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from temporalio.client import Client

from mooring.client import MooringClient
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.proxy import FaultProxy
from mooring.errors import HeldElsewhere
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.harness.processes import open_fleet
from tests.harness.repository import ROOT

SHIPPED: Final = ROOT / "deploy" / "monitoring"
VOLUME: Final = "volume-of-the-metrics"
NODE: Final = "node-of-the-metrics"
OTHER_NODE: Final = "other-node-of-the-metrics"


@dataclass(frozen=True, slots=True)
class Promtool:
    """The program."""

    path: str

    async def run(self, *arguments: str | Path, fed: str = "") -> str:
        """Run it to its end, which must be a success, with this on its standard input; return its output."""
        process = await asyncio.create_subprocess_exec(
            self.path, *map(str, arguments), stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await asyncio.wait_for(process.communicate(fed.encode()), PATIENCE)
        assert process.returncode == 0, said.decode()
        return said.decode()


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """promtool."""
    path = os.environ.get("PROMTOOL")
    if not path:
        pytest.skip("no promtool: set PROMTOOL to what promtool/build.sh prints")
    return Promtool(path)


@pytest.fixture(scope="session")
def rules() -> list[dict[str, Any]]:
    """The rules that ship."""
    groups = yaml.safe_load((SHIPPED / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="session")
def alerts(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of them that alert."""
    return [rule for rule in rules if "alert" in rule]


@pytest.fixture(scope="session")
def dashboard() -> dict[str, Any]:
    """The dashboard that ships."""
    loaded: dict[str, Any] = json.loads((SHIPPED / "dashboard.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels, but for the titles of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="session")
def expressions(panels: list[dict[str, Any]], dashboard: dict[str, Any]) -> list[str]:
    """The dashboard's queries to Prometheus."""
    notes = [note["expr"] for note in dashboard["annotations"]["list"]]
    return notes + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
async def page(
    temporal_client: Client, api_server: ApiServer, account: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The metrics of a worker that published, refused, met a failing API server, and unpublished."""
    driver = f"d{uuid.uuid4().hex[:10]}.csi.test"
    async with FaultProxy.start(account.kubeconfig()) as proxy:
        cluster = Cluster(api_server, proxy, driver)
        await cluster.create(VOLUME)
        address = temporal_client.service_client.config.target_host
        async with open_fleet(address, cluster, tmp_path_factory.mktemp("monitoring")) as fleet:
            worker = await (await fleet.start()).ready()
            mooring = MooringClient(temporal_client, driver=driver)
            await mooring.publish(VOLUME, NODE)
            with pytest.raises(HeldElsewhere):
                await mooring.publish(VOLUME, OTHER_NODE)
            proxy.fail("PATCH", status=503, times=2)  # the attempt within the first task, and one of the step
            await mooring.unpublish(VOLUME, NODE)
            yield (await worker.ask("/metrics"))[1]
