"""From the manifests of deploy/kubernetes to the chart: the steps of docs/upgrade.md, on a real API server."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml

from tests.harness.chart import CHART, of_kind
from tests.harness.repository import ROOT
from tests.system.chart.conftest import PATHS, Release, rendered_names

MANIFESTS: Final = ("rbac.yaml", "admission.yaml", "worker.yaml")
BY_KUBECTL: Final = "?fieldManager=kubectl-client-side-apply"
WORKERS: Final = {"Deployment", "PodDisruptionBudget"}
"""The kinds whose names in the chart have the driver's in them."""
POLICY: Final = "ValidatingAdmissionPolicy"


@pytest.fixture
async def applied(release: Release) -> list[dict[str, Any]]:
    """The manifests, applied under the name and in the namespace of the release that is to follow."""
    text = "\n---\n".join((ROOT / "deploy" / "kubernetes" / file).read_text() for file in MANIFESTS)
    renamed = re.sub("([nN]ame): mooring", rf"\1: {release.name}-mooring", text)
    objects = [each for each in yaml.safe_load_all(renamed) if each and each["kind"] != "Namespace"]
    for each in objects:
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = release.namespace
        await release.cluster.ask("POST", PATHS[each["kind"]].format(release.namespace) + BY_KUBECTL, each)
    return objects


async def test_a_release_takes_over_all_that_was_applied_but_the_old_workers(
    release: Release, applied: list[dict[str, Any]]
) -> None:
    await release.helms("install", CHART, "--take-ownership", "--force-conflicts", values=release.values)

    owned = await release.kept()
    assert owned == rendered_names(await release.manifest())
    assert {each["kind"] for each in applied if each["metadata"]["name"] not in owned[each["kind"]]} == WORKERS


async def test_a_policy_that_was_taken_over_is_the_chart_s(release: Release, applied: list[dict[str, Any]]) -> None:
    assert POLICY in {each["kind"] for each in applied}
    await release.helms("install", CHART, "--take-ownership", "--force-conflicts", values=release.values)

    [rendered] = of_kind([each for each in yaml.safe_load_all(await release.manifest()) if each], POLICY)
    found = await release.cluster.ask("GET", f"{PATHS[POLICY]}/{rendered['metadata']['name']}")
    assert [found["spec"][part] for part in ("variables", "validations")] == [
        rendered["spec"][part] for part in ("variables", "validations")
    ]
