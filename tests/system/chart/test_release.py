"""The chart on a real API server: installed, upgraded from the version before, rolled back and uninstalled.

NB: no controller makes Pods of the Deployments here; the tests ask the server whether it would admit them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from release.sources import keep
from tests.harness.chart import ALL, CHART, Helm, of_kind, pods
from tests.harness.cluster import PVS, Cluster
from tests.harness.patience import PATIENCE
from tests.harness.releases import RELEASED, unpacked
from tests.harness.repository import ROOT

VOLUME: Final = "vol-1"
BEFORE: Final = "0.0.9"
PATHS: Final = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}
DRY_RUN: Final = "?dryRun=All&fieldValidation=Strict&fieldManager=test&force=true"
RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True, slots=True)
class Release:
    """One release in a namespace of its own."""

    helm: Helm
    cluster: Cluster
    name: str
    namespace: str
    values: dict[str, Any]

    async def helms(self, command: str, *arguments: str | Path, values: dict[str, Any] | None = None) -> str:
        """Run a command of helm about this release."""
        return await self.helm.run(command, self.name, *arguments, "--namespace", self.namespace, values=values)

    async def manifest(self) -> str:
        """Return what helm knows to have installed."""
        return await self.helm.run("get", "manifest", self.name, "--namespace", self.namespace)

    async def kept(self) -> dict[str, set[str]]:
        """Return the names of what the server has of it, by kind."""
        found = {}
        for kind, path in PATHS.items():
            query = f"?labelSelector=app.kubernetes.io/instance={self.name}"
            objects = (await self.cluster.ask("GET", path.format(self.namespace) + query))["items"]
            found[kind] = {each["metadata"]["name"] for each in objects}
        return found

    async def asks_for(self, wanted: dict[str, Any]) -> None:
        """Ask the server if it would take the object, as `kubectl apply --server-side --dry-run=server` does."""
        path = {**PATHS, "Pod": "/api/v1/namespaces/{}/pods"}[wanted["kind"]].format(self.namespace)
        await self.cluster.ask("PATCH", f"{path}/{wanted['metadata']['name']}{DRY_RUN}", wanted, "application/apply-patch+yaml")

    async def images(self) -> set[str]:
        """Return the images of Mooring's own containers."""
        found = await self.cluster.ask("GET", PATHS["Deployment"].format(self.namespace))
        return {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in found["items"]}


@pytest.fixture
async def release(helm: Helm, assets: Path, api_server: ApiServer, cluster: Cluster, tmp_path: Path) -> AsyncIterator[Release]:
    """A release that is not installed yet, in a namespace where Pod Security is `restricted`; its drivers are the test's own."""
    unique = uuid.uuid4().hex[:8]
    drivers = [{**each, "name": f"{unique}.{each['name']}"} for each in ALL["drivers"]]
    values = {**ALL, "drivers": drivers, "podMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}
    kubeconfig = api_server.write_kubeconfig(tmp_path / "kubeconfig")
    namespace = f"storage-{unique}"
    await cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": RESTRICTED}})
    made = Release(replace(helm, environ={"KUBECONFIG": str(kubeconfig)}), cluster, f"r{unique}", namespace, values)
    yield made
    await made.helms("uninstall", "--ignore-not-found")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The chart of the last release that had one; before there is any, this one's as a release keeps it, under another version."""
    kept = [found for archive in RELEASED if (found := unpacked(archive, tmp_path / archive.name) / "deploy" / "chart").is_dir()]
    return kept[-1] if kept else renamed(unpacked(keep(ROOT, BEFORE, tmp_path), tmp_path / "before") / "deploy" / "chart")


def renamed(chart: Path) -> Path:
    """Return the chart as one of version BEFORE."""
    file = chart / "Chart.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "version": BEFORE, "appVersion": BEFORE}))
    return chart


def image_of(chart: Path) -> str:
    """Return the image that a chart installs unless told otherwise."""
    return f"mooring:{yaml.safe_load((chart / 'Chart.yaml').read_text())['appVersion']}"


def rendered_names(rendered: str) -> dict[str, set[str]]:
    """Return the names in a manifest, by kind."""
    objects = [each for each in yaml.safe_load_all(rendered) if each]
    return {kind: {each["metadata"]["name"] for each in of_kind(objects, kind)} for kind in PATHS}


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
