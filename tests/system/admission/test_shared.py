"""A second installation beside the first: its own policy, for another driver, whose account sidecars share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from mooring.devstack.kubernetes import RealKubernetes
from tests.devstack.contract.api import PVS, Api
from tests.system.admission.conftest import DRIVER, MASTERS, acting, annotated, enforce, pv

SHARED: Final = "shared.csi.test"
ACCOUNT: Final = "system:serviceaccount:storage:shared"
RECORD: Final = {"metadata": {"annotations": {f"{SHARED}/attached-node": "node-a"}}}


@pytest.fixture
async def sidecar(guarded: RealKubernetes, admin: Api) -> AsyncIterator[Api]:
    """A sidecar with all rights, under the account of the second installation's workers."""
    await enforce(guarded, admin, "shared", SHARED, account=f"'{ACCOUNT}'", shared="true")
    async with acting(guarded, ACCOUNT, MASTERS) as api:
        yield api


async def test_a_sidecar_creates_pvs_and_keeps_its_finalizer_on_them(sidecar: Api, name: str) -> None:
    created = await sidecar.create(PVS, pv(name, driver=SHARED))
    held = await sidecar.merge(f"{PVS}/{name}", {"metadata": {"finalizers": ["external-attacher/shared-csi-test"]}})
    let_go = await sidecar.merge(f"{PVS}/{name}", {"metadata": {"finalizers": None}})

    assert (created.code, held.code, let_go.code) == (201, 200, 200)


async def test_the_record_is_the_accounts_alone(sidecar: Api, admin: Api, mooring_account: Api, name: str) -> None:
    await admin.create(PVS, pv(name, driver=SHARED))

    others = [(await each.merge(f"{PVS}/{name}", RECORD)).code for each in (admin, mooring_account)]

    assert (others, (await sidecar.merge(f"{PVS}/{name}", RECORD)).code) == ([403, 403], 200)


async def test_the_first_installations_record_is_not_its_own(sidecar: Api, admin: Api, name: str) -> None:
    await admin.create(PVS, pv(name))

    answer = await sidecar.merge(f"{PVS}/{name}", annotated(attached_node="node-a"))

    assert f"{ACCOUNT} may not write {DRIVER}/attached-node" in answer.body["message"]
