"""A real API server of its own with deploy/kubernetes/admission.yaml in force, for one driver, and people who try what they may."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from mooring.devstack.kubernetes import RealKubernetes
from mooring.devstack.kubernetes.account import ACCOUNT, RBAC, USERS, grant
from mooring.devstack.kubernetes.manifests import apply, read_manifests
from mooring.devstack.kubernetes.real import ADMIN
from mooring.devstack.proxy import FaultProxy
from tests.devstack.contract.api import PVS, Api, session_for
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE

DRIVER: Final = "guarded.csi.test"
ADMISSION: Final = RBAC.with_name("admission.yaml")
MASTERS: Final = "system:masters"


@pytest.fixture(scope="package")
async def guarded(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealKubernetes]:
    """The server, which audits the requests of its admin."""
    folder = tmp_path_factory.mktemp("guarded")
    async with RealKubernetes.start(assets, folder, USERS, audited=[ADMIN]) as real, acting(real) as admin:
        await grant(real)
        await enforce(real, admin, "mooring", DRIVER)
        yield real


async def enforce(real: RealKubernetes, admin: Api, name: str, driver: str, **expressions: str) -> None:
    """Apply admission.yaml for a driver, under this name and with these variables, and wait until it is in force."""
    manifests = read_manifests(ADMISSION)
    policy, binding = manifests[:2]
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = name
    for variable in policy["spec"]["variables"]:
        variable["expression"] = {"drivers": f"['{driver}']", **expressions}.get(variable["name"], variable["expression"])
    await apply(real.server(), manifests)
    probe = pv("probe", {f"{driver}/attached-node": "node-a"}, driver)
    async with asyncio.timeout(PATIENCE):
        while (await admin.create(PVS, probe, dryRun="All")).code != 403:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def acting(real: RealKubernetes, user: str = "", *groups: str) -> AsyncIterator[Api]:
    """Yield an API client that acts as the admin, or as whom the admin impersonates, as `kubectl --as --as-group` does."""
    async with session_for(real.server()) as session:
        session.headers.extend([("Impersonate-User", user)] if user else [])
        session.headers.extend([("Impersonate-Group", group) for group in groups])
        yield Api(session)


@pytest.fixture
def driver() -> str:
    """The driver whose records are guarded."""
    return DRIVER


@pytest.fixture
async def cluster(guarded: RealKubernetes, driver: str) -> AsyncIterator[Cluster]:
    """The cluster, and for workers a proxy before it."""
    async with FaultProxy.start(guarded.kubeconfig(ACCOUNT)) as proxy:
        yield Cluster(guarded.server(), proxy, driver)


@pytest.fixture
def name() -> str:
    """A PV and volume that no other test has."""
    return f"vol-{uuid.uuid4().hex[:10]}"


@pytest.fixture
async def admin(guarded: RealKubernetes) -> AsyncIterator[Api]:
    """A member of system:masters."""
    async with acting(guarded) as api:
        yield api


@pytest.fixture
async def mooring_account(guarded: RealKubernetes) -> AsyncIterator[Api]:
    """Mooring's account, should anybody ever give it all rights: only the policy stops it."""
    async with acting(guarded, ACCOUNT, MASTERS) as api:
        yield api


def pv(name: str, annotations: dict[str, str] | None = None, driver: str = DRIVER) -> dict[str, Any]:
    """Return a PV for a volume of its name."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "csi": {"driver": driver, "volumeHandle": name},
        },
    }


def annotated(**values: str | None) -> dict[str, Any]:
    """Return a merge patch of the driver's annotations, by the name after the slash; a minus is written as an underscore."""
    return {"metadata": {"annotations": {f"{DRIVER}/{key.replace('_', '-')}": value for key, value in values.items()}}}
