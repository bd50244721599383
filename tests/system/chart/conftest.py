"""A release of the chart on a real API server, in a namespace of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from tests.harness.chart import ALL, Helm, of_kind
from tests.harness.cluster import Cluster

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
MONITORING: Final = "/apis/monitoring.coreos.com/v1/namespaces/{}/"
OTHERS: Final = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodMonitor": f"{MONITORING}podmonitors",
    "PrometheusRule": f"{MONITORING}prometheusrules",
}
"""Kinds that no release of these tests has on the server."""
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
        path = {**PATHS, **OTHERS}[wanted["kind"]].format(self.namespace)
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


def rendered_names(rendered: str) -> dict[str, set[str]]:
    """Return the names in a manifest, by kind."""
    objects = [each for each in yaml.safe_load_all(rendered) if each]
    return {kind: {each["metadata"]["name"] for each in of_kind(objects, kind)} for kind in PATHS}
