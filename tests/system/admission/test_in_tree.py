"""The record on a PV with an in-tree source is guarded as its CSI driver's."""

from __future__ import annotations

import pytest

from mooring.devstack.kubernetes import RealKubernetes
from mooring.kubernetes.in_tree import FIELDS
from tests.devstack.contract.api import PVS, Api, add, at
from tests.kubernetes.in_tree.cases import AWS, CASES, Case
from tests.system.admission.conftest import MASTERS, acting, enforce

ACCOUNT = "system:serviceaccount:mooring:in-tree"
FIRST = {case.driver: case for case in reversed(CASES) if case.handle}


@pytest.fixture(scope="module")
async def served(guarded: RealKubernetes) -> None:
    """The policy is in force for every driver that serves in-tree sources."""
    async with acting(guarded) as admin:
        await enforce(guarded, admin, "in-tree", AWS, drivers=str([*FIRST]), account=f"'{ACCOUNT}'")


@pytest.fixture(params=FIRST)
async def case(request: pytest.FixtureRequest, served: None, admin: Api, name: str) -> Case:
    """A PV of this name, of each kind."""
    case = FIRST[request.param]
    answer = await admin.create(PVS, case.pv(name) | {"metadata": {"name": name, "annotations": {"any": "one"}}})
    assert answer.code == 201, answer.body
    return case


def test_every_driver_is_tried() -> None:
    assert set(FIRST) == set(FIELDS)


async def test_nobody_else_writes_it(case: Case, admin: Api, name: str) -> None:
    key = f"{case.driver}/attached-node"

    answer = await admin.patch(f"{PVS}/{name}", add(at(key), "node-b"))

    assert answer.refusal() == (403, "Forbidden")
    assert f"admin may not write {key}: Mooring alone" in answer.body["message"]
    assert f"the volume of PersistentVolume {name}" in answer.body["message"]


async def test_mooring_writes_it(case: Case, guarded: RealKubernetes, name: str) -> None:
    async with acting(guarded, ACCOUNT, MASTERS) as account:
        assert (await account.patch(f"{PVS}/{name}", add(at(f"{case.driver}/attached-node"), "node-b"))).code == 200
