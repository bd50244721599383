"""The stack is whole when it is handed out, and its choice of Kubernetes is the one asked for."""

import os
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import yaml

from mooring.client import MooringClient
from mooring.devstack.cluster import ClusterKind, open_cluster
from mooring.devstack.kubernetes import ApiServer
from mooring.devstack.process import StackError
from mooring.devstack.stack import Stack, StackOptions
from mooring.devstack.volumes import PVS, pv
from mooring.models import DEFAULT_DRIVER

SMALL = StackOptions(kubernetes=ClusterKind.EMBEDDED, temporal_port=0, ui_port=0, volumes=3)
NOTHING = {"PATH": "/usr/bin:/bin"}


async def may_create(kubeconfig: str) -> bool:
    """Return whether the user of this kubeconfig may create a PV."""
    server = ApiServer.of(yaml.safe_load(Path(kubeconfig).read_text()))
    async with aiohttp.ClientSession(server.url, headers=server.headers()) as session:
        async with session.post(f"{PVS}?dryRun=All", json=pv(1, DEFAULT_DRIVER), ssl=server.ssl()) as answer:
            return answer.status == 201


async def test_a_volume_can_be_published_at_once() -> None:
    async with Stack.start(SMALL, NOTHING) as stack:
        client = MooringClient(await stack.temporal.connect())
        assert (await client.publish("vol-0003", "node-a")).persisted


async def test_every_worker_is_ready_and_the_exports_lead_to_the_stack() -> None:
    async with Stack.start(replace(SMALL, workers=2), NOTHING) as stack, aiohttp.ClientSession() as session:
        for worker in stack.workers:
            async with session.get(worker.readyz) as answer:
                assert answer.status == 200
        assert stack.exports["TEMPORAL_ADDRESS"] == stack.temporal.address
        assert stack.exports["KUBECONFIG"] == str(stack.folder / "kubeconfig")


async def test_it_says_which_part_has_ended() -> None:
    async with Stack.start(SMALL, NOTHING) as stack:
        await stack.workers[0].child.kill()
        assert "Worker 1 has ended" in str(await stack.broken())


async def test_nothing_stays_after_it() -> None:
    async with Stack.start(SMALL, NOTHING) as stack:
        pass
    assert not stack.folder.exists()
    assert stack.temporal.child.ended
    assert all(worker.child.ended for worker in stack.workers)


async def test_a_worker_that_refuses_its_settings_ends_the_start_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "disks.py").write_text("def make():\n    raise RuntimeError('no array')\n")
    from_here = {"MOORING_BACKEND": "disks:make", "PYTHONPATH": os.path.relpath(tmp_path)}
    with pytest.raises(StackError, match="ended before it was ready") as raised:
        async with Stack.start(SMALL, {**NOTHING, **from_here}):
            pytest.fail("it can't have started")
    assert all(each in raised.value.log[-1] for each in ("MOORING_BACKEND=disks:make", "no array"))


async def test_volumes_are_never_created_in_the_cluster_of_a_kubeconfig(tmp_path: Path) -> None:
    options = StackOptions(volumes=1)
    with pytest.raises(StackError, match="No volumes are created"):
        async with Stack.start(options, {**NOTHING, "KUBECONFIG": str(tmp_path / "config")}):
            pytest.fail("it can't have started")


async def test_a_kubeconfig_is_taken_before_anything_else(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": "/a:/b", "KUBEBUILDER_ASSETS": "/c"}
    async with open_cluster(ClusterKind.AUTO, environ, tmp_path) as cluster:
        assert (cluster.kubeconfig, cluster.own) == ("/a:/b", None)


async def test_without_anything_named_it_is_the_embedded_one_and_says_so(tmp_path: Path) -> None:
    async with open_cluster(ClusterKind.AUTO, {}, tmp_path) as cluster:
        assert "for development only" in cluster.what
        assert Path(cluster.kubeconfig).parent == tmp_path


async def test_the_workers_of_a_real_one_have_the_rights_that_ship_and_its_user_has_all(assets: Path, tmp_path: Path) -> None:
    async with open_cluster(ClusterKind.REAL, {"KUBEBUILDER_ASSETS": str(assets)}, tmp_path) as cluster:
        answers = [await may_create(kubeconfig) for kubeconfig in (cluster.kubeconfig, cluster.workers)]
    assert answers == [True, False]


async def test_what_is_asked_for_and_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="KUBEBUILDER_ASSETS isn't set"):
        async with open_cluster(ClusterKind.REAL, {}, tmp_path):
            pytest.fail("there is none")
