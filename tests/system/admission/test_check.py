"""`mooring check` where the admission policy is in force."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
import yaml
from typer.testing import CliRunner

from mooring.cli.main import app
from mooring.devstack.kubernetes import RealKubernetes
from mooring.devstack.kubernetes.account import ACCOUNT
from mooring.devstack.kubernetes.manifests import read_manifests
from mooring.devstack.kubernetes.real import ADMIN
from tests.devstack.contract.api import PVS, Api
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE
from tests.system.admission.conftest import ADMISSION, DRIVER, annotated, enforce, pv

NEW: Final = "attachment-also-on"
"""The annotation that a policy of before doesn't know."""
RELEASED: Final = "released.csi.test"
OTHER_ACCOUNT: Final = "'system:serviceaccount:release:mooring'"
Checks: TypeAlias = dict[str, dict[str, Any]]


async def check(guarded: RealKubernetes, driver: str, folder: Path, user: str) -> Checks:
    """Return the checks of a user, by their ids."""
    kubeconfig = guarded.write_kubeconfig(folder / "kubeconfig", user)
    environment = {"KUBECONFIG": str(kubeconfig), "MOORING_DRIVER": driver, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    ran = await asyncio.to_thread(CliRunner().invoke, app, ["check", "-o", "json"], env=environment)
    return {each["id"]: each for each in yaml.safe_load(ran.stdout)["checks"]}


@asynccontextmanager
async def policy_of_before(guarded: RealKubernetes, admin: Api, shared: str) -> AsyncIterator[None]:
    """Have a policy in force that doesn't know an annotation."""
    [keys] = [each["expression"] for each in read_manifests(ADMISSION)[0]["spec"]["variables"] if each["name"] == "keys"]
    assert NEW in keys
    await enforce(guarded, admin, "mooring", DRIVER, keys=keys.replace(f", '{NEW}'", ""), shared=shared)
    await _answers(admin, 201)
    try:
        yield
    finally:
        await enforce(guarded, admin, "mooring", DRIVER)
        await _answers(admin, 403)


async def tried(guarded: RealKubernetes, account: Api, name: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """Have the account write the annotation to a PV, and return the answer's code and the check of the policy."""
    answer = await account.merge(f"{PVS}/{name}", annotated(attachment_also_on="1"))
    return answer.code, (await check(guarded, DRIVER, folder, ADMIN))["kubernetes-admission"]


async def _answers(admin: Api, code: int) -> None:
    """Wait until the admin's write of the annotation gets this answer."""
    async with asyncio.timeout(PATIENCE):
        while (await admin.create(PVS, pv("probe", {f"{DRIVER}/{NEW}": "1"}), dryRun="All")).code != code:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("user", "results"), [(ACCOUNT, ("skipped", "ok")), (ADMIN, ("ok", "skipped"))])
async def test_the_account_alone_may_write_a_record(
    guarded: RealKubernetes, cluster: Cluster, name: str, tmp_path: Path, user: str, results: tuple[str, str]
) -> None:
    await cluster.create(name)

    checks = await check(guarded, cluster.driver, tmp_path, user)

    assert checks["kubernetes-permissions"]["result"] == "ok"
    assert (checks["kubernetes-admission"]["result"], checks["records-patch"]["result"]) == results


async def test_a_policy_that_refuses_an_annotation_of_this_version_is_a_failure_and_the_one_to_apply_is_named(
    guarded: RealKubernetes, admin: Api, mooring_account: Api, name: str, tmp_path: Path
) -> None:
    await admin.create(PVS, pv(name))
    async with policy_of_before(guarded, admin, "false"):
        code, found = await tried(guarded, mooring_account, name, tmp_path)

    assert (code, found["result"]) == (403, "failed")
    assert f"does not know 1 annotation that this version writes: {NEW}. It refuses the workers' writes" in found["cause"]
    assert found["command"] == "kubectl apply -f deploy/kubernetes/admission.yaml"


async def test_one_that_leaves_an_annotation_of_this_version_to_everybody_is_warned_of(
    guarded: RealKubernetes, admin: Api, mooring_account: Api, name: str, tmp_path: Path
) -> None:
    await admin.create(PVS, pv(name))
    async with policy_of_before(guarded, admin, "true"):
        code, found = await tried(guarded, mooring_account, name, tmp_path)

    assert (code, found["result"]) == (200, "warning")
    assert NEW in found["cause"]


async def test_a_policy_of_another_name_is_one_too(guarded: RealKubernetes, admin: Api, tmp_path: Path) -> None:
    # NB: it stays in force for the tests after this one, so it is not about the account of theirs.
    await enforce(guarded, admin, "of-a-release", RELEASED, account=OTHER_ACCOUNT)

    assert (await check(guarded, RELEASED, tmp_path, ADMIN))["kubernetes-admission"]["result"] == "ok"


async def test_a_driver_that_no_policy_names_is_warned_of(guarded: RealKubernetes, tmp_path: Path) -> None:
    found = (await check(guarded, "other.csi.test", tmp_path, ADMIN))["kubernetes-admission"]

    assert found["result"] == "warning"
    assert "No ValidatingAdmissionPolicy names driver other.csi.test, so its records are not protected" in found["cause"]


@pytest.mark.parametrize("driver", ["other.csi.test"])
async def test_the_account_is_told_that_the_policy_does_not_name_its_driver(
    guarded: RealKubernetes, cluster: Cluster, name: str, tmp_path: Path
) -> None:
    await cluster.create(name)

    refused = (await check(guarded, cluster.driver, tmp_path, ACCOUNT))["records-patch"]

    assert refused["result"] == "failed"
    assert "add it to the drivers of ValidatingAdmissionPolicy mooring" in refused["cause"] + refused["fix"]
