"""The way for an operator to correct a record by hand: one group, its rights, and the trace of each correction."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring.devstack.kubernetes import RealKubernetes
from mooring.devstack.kubernetes.real import ADMIN
from tests.devstack.contract.api import PVS, Api
from tests.harness.audit import AuditLog
from tests.system.admission.conftest import DRIVER, acting, annotated, pv

GLASS = "mooring:break-glass"


@pytest.fixture
async def operator(guarded: RealKubernetes) -> AsyncIterator[Api]:
    """An operator who passes `--as=operator --as-group=mooring:break-glass`."""
    async with acting(guarded, "operator", GLASS) as api:
        yield api


async def test_a_record_is_corrected(operator: Api, admin: Api, name: str) -> None:
    await admin.create(PVS, pv(name))

    added = await operator.merge(f"{PVS}/{name}", annotated(attached_node="node-a", attachment_epoch="8"))
    removed = await operator.merge(f"{PVS}/{name}", annotated(attached_node=None))

    assert (added.code, removed.code) == (200, 200)
    assert removed.metadata["annotations"] == {f"{DRIVER}/attachment-epoch": "8"}


async def test_a_pv_is_restored_with_its_record(operator: Api, name: str) -> None:
    assert (await operator.create(PVS, pv(name, {f"{DRIVER}/attachment-epoch": "7"}))).code == 201


async def test_the_audit_log_says_who_wrote_what(guarded: RealKubernetes, operator: Api, name: str) -> None:
    log = AuditLog(guarded.audit_log)
    start = log.position()

    await operator.create(PVS, pv(name, {f"{DRIVER}/attachment-epoch": "7"}))

    [entry] = log.entries(ADMIN, start)
    assert entry.annotations["mooring/break-glass"] == f"operator wrote {DRIVER}/attachment-epoch on PersistentVolume {name}"


async def test_what_is_no_record_leaves_no_trace_of_it(guarded: RealKubernetes, operator: Api, name: str) -> None:
    log = AuditLog(guarded.audit_log)
    start = log.position()

    await operator.create(PVS, pv(name))

    [entry] = log.entries(ADMIN, start)
    assert "mooring/break-glass" not in entry.annotations


async def test_the_group_alone_may_not_delete(operator: Api, admin: Api, name: str) -> None:
    await admin.create(PVS, pv(name))

    assert (await operator.send("DELETE", f"{PVS}/{name}")).refusal() == (403, "Forbidden")
