"""The chart's PodMonitor and PrometheusRule by the schemas of the operator that reads them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.chart import ALL, of_kind
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.system.chart.conftest import Release

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLURALS: Final = ("podmonitors", "prometheusrules")


@pytest.fixture
def definitions() -> list[dict[str, Any]]:
    """The definitions of both kinds."""
    folder = os.environ.get("OPERATOR_CRDS")
    if not folder:
        pytest.skip("no definitions: set OPERATOR_CRDS to what helm/prometheus-operator/crds.sh prints")
    return [yaml.safe_load((Path(folder) / f"monitoring.coreos.com_{plural}.yaml").read_text()) for plural in PLURALS]


@pytest.fixture
async def operator(assets: Path, cluster: Cluster, definitions: list[dict[str, Any]]) -> None:
    """The definitions on the real API server, where they remain."""
    for each in definitions:
        path = f"{CRDS}/{each['metadata']['name']}?fieldManager=test"
        await cluster.ask("PATCH", path, each, "application/apply-patch+yaml")
    async with asyncio.timeout(PATIENCE):
        while not all([await is_served(cluster, each) for each in definitions]):
            await asyncio.sleep(0.05)


async def is_served(cluster: Cluster, definition: dict[str, Any]) -> bool:
    """Return whether the server takes objects of the kind."""
    found = await cluster.ask("GET", f"{CRDS}/{definition['metadata']['name']}")
    conditions = found.get("status", {}).get("conditions") or []
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)


async def rendered(release: Release) -> list[dict[str, Any]]:
    """Return both objects with values that ask for all there is."""
    objects = await release.helm.render({**release.values, **{key: ALL[key] for key in ("podMonitor", "prometheusRule")}})
    found = of_kind(objects, "PodMonitor") + of_kind(objects, "PrometheusRule")
    for each in found:
        each["metadata"]["namespace"] = release.namespace
    return found


async def test_monitor_and_rules_are_valid_by_the_operator_s_schemas(operator: None, release: Release) -> None:
    found = await rendered(release)
    assert len(found) == 2
    for each in found:
        await release.asks_for(each)


async def test_a_slip_in_either_would_be_found(operator: None, release: Release) -> None:
    monitor, rules = await rendered(release)
    monitor["spec"]["podMetricsEndpoint"] = monitor["spec"].pop("podMetricsEndpoints")
    rules["spec"]["groups"][0]["rules"][0]["expresion"] = ""
    for each, slip in ((monitor, "podMetricsEndpoint"), (rules, "expresion")):
        with pytest.raises(AssertionError, match=slip):
            await release.asks_for(each)
