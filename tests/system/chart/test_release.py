"""The chart on a real API server: installed, upgraded from the version before, rolled back and uninstalled.

NB: no controller makes Pods of the Deployments here; the tests ask the server whether it would admit them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.chart import CHART, of_kind, pods
from tests.harness.cluster import PVS, Cluster
from tests.harness.patience import PATIENCE
from tests.harness.releases import RELEASED, unpacked
from tests.system.chart.conftest import Release, rendered_names

VOLUME: Final = "vol-1"
EARLY: Final = Path(__file__).parent / "before.tar.xz"
"""The first chart, as it was when no version had one yet."""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The chart of the last release that had one, or else the first chart."""
    charts = [unpacked(archive, tmp_path / archive.name) / "deploy" / "chart" for archive in (EARLY, *RELEASED)]
    return [chart for chart in charts if chart.is_dir()][-1]


def image_of(chart: Path) -> str:
    """Return the image that a chart installs unless told otherwise."""
    return f"mooring:{yaml.safe_load((chart / 'Chart.yaml').read_text())['appVersion']}"


async def test_it_is_installed_upgraded_rolled_back_and_uninstalled_and_the_records_stay(release: Release, before: Path) -> None:
    cluster = release.cluster
    pv = await cluster.create(VOLUME, {cluster.keys.node: "node-a", cluster.keys.epoch: "7"})

    await release.helms("install", before, values=release.values)
    assert await release.images() == {image_of(before)}
    assert await release.kept() == rendered_names(await release.manifest())

    fewer = {**release.values, "drivers": release.values["drivers"][:1], "image": {"tag": "next"}}
    await release.helms("upgrade", CHART, values=fewer)
    assert await release.images() == {"mooring:next"}
    upgraded = await release.kept()
    assert upgraded == rendered_names(await release.manifest())
    assert (len(upgraded["Deployment"]), upgraded["Role"]) == (1, set())

    await release.helms("rollback", "1")
    assert await release.images() == {image_of(before)}
    assert len((await release.kept())["Deployment"]) == 2

    await release.helms("uninstall")
    assert not any((await release.kept()).values())
    after = await cluster.ask("GET", f"{PVS}/{pv['metadata']['name']}")
    assert after["metadata"]["annotations"] == pv["metadata"]["annotations"]


async def test_every_object_is_valid_by_the_server_s_schemas(release: Release) -> None:
    await release.helms("install", CHART, values=release.values)
    rendered = await release.helms("template", CHART, values=release.values)
    for each in filter(None, yaml.safe_load_all(rendered)):
        await release.asks_for(each)


async def test_a_slip_in_a_template_would_be_found(release: Release) -> None:
    [first, *_] = of_kind(await release.helm.render(release.values), "Deployment")
    first["metadata"]["namespace"] = release.namespace
    first["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    with pytest.raises(AssertionError, match="imagePullPolcy"):
        await release.asks_for(first)


async def test_the_server_admits_its_pods_where_pod_security_is_restricted(release: Release) -> None:
    await release.helms("install", CHART, values=release.values)
    rendered = await release.helms("template", CHART, values=release.values)
    found = pods([each for each in yaml.safe_load_all(rendered) if each])
    assert len(found) == 4
    for number, spec in enumerate(found):
        body = {"metadata": {"name": f"pod-{number}"}, "spec": spec}
        await release.cluster.ask("POST", f"/api/v1/namespaces/{release.namespace}/pods?dryRun=All&fieldValidation=Strict", body)


async def test_a_pod_that_could_gain_rights_would_be_refused_there(release: Release) -> None:
    [spec, *_] = pods(await release.helm.render(release.values))
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        await release.cluster.ask(
            "POST", f"/api/v1/namespaces/{release.namespace}/pods?dryRun=All", {"metadata": {"name": "pod"}, "spec": spec}
        )


async def test_its_policy_keeps_others_from_the_records_of_its_drivers(release: Release) -> None:
    await release.helms("install", CHART, values=release.values)
    theirs = Cluster(release.cluster.server, release.cluster.proxy, release.values["drivers"][0]["name"])
    with pytest.raises(AssertionError, match=f"ValidatingAdmissionPolicy .*{release.name}-mooring.* denied request"):
        await asyncio.wait_for(create_recorded(theirs), PATIENCE)


async def create_recorded(cluster: Cluster) -> None:
    """Create PVs that come with a record, until the server refuses one: a policy is in force some time after it is there."""
    for number in count():
        await cluster.create(f"vol-{number}", {cluster.keys.node: "node-a"})
        await asyncio.sleep(0.05)


async def test_a_second_release_serves_beside_the_first_under_its_account_and_leaves_it_whole(release: Release) -> None:
    await release.helms("install", CHART, values=release.values)
    first = await release.kept()
    account = {"create": False, "name": f"{release.name}-mooring"}
    beside = {"controller": {"serviceAccount": account}, "admissionPolicy": {"enabled": False}, "image": {"tag": "next"}}
    following = replace(release, name=f"{release.name}-next")

    await following.helms("install", CHART, values=release.values | beside)
    assert {spec["serviceAccountName"] for spec in deployed(await following.manifest())} == {account["name"]}
    assert (await following.kept())["ServiceAccount"] == set()

    await following.helms("uninstall")
    assert await release.kept() == first


def deployed(manifest: str) -> list[dict[str, Any]]:
    """Return the specs of the Pods that the Deployments of a manifest make."""
    return pods([each for each in yaml.safe_load_all(manifest) if each and each["kind"] == "Deployment"])
