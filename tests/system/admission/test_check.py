"""`mooring check` where the admission policy is in force."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mooring.cli.main import app
from mooring.devstack.kubernetes import RealKubernetes
from mooring.devstack.kubernetes.account import ACCOUNT
from mooring.devstack.kubernetes.real import ADMIN
from tests.harness.cluster import Cluster


@pytest.mark.parametrize(("user", "results"), [(ACCOUNT, ("skipped", "ok")), (ADMIN, ("ok", "skipped"))])
async def test_the_account_alone_may_write_a_record(
    guarded: RealKubernetes, cluster: Cluster, name: str, tmp_path: Path, user: str, results: tuple[str, str]
) -> None:
    await cluster.create(name)
    kubeconfig = guarded.write_kubeconfig(tmp_path / "kubeconfig", user)
    environment = {"KUBECONFIG": str(kubeconfig), "MOORING_DRIVER": cluster.driver, "TEMPORAL_ADDRESS": "127.0.0.1:1"}

    ran = await asyncio.to_thread(CliRunner().invoke, app, ["check", "-o", "json"], env=environment)

    checks: dict[str, Any] = {each["id"]: each for each in yaml.safe_load(ran.stdout)["checks"]}
    assert checks["kubernetes-permissions"]["result"] == "ok"
    assert (checks["kubernetes-admission"]["result"], checks["records-patch"]["result"]) == results
