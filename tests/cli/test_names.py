"""The names that operators have for volumes and nodes, as commands understand them, on real servers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client

from mooring import names
from mooring.cli.exit_codes import ExitCode
from mooring.client import MooringClient
from tests.cli.conftest import Mooring
from tests.harness.cluster import PVS, Cluster
from tests.harness.existing_cluster import MERGE_PATCH, VOLUME_ATTACHMENTS
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from worker import MooringWorker

CSI_NODES = "/apis/storage.k8s.io/v1/csinodes"
NODES = "/api/v1/nodes"


def called(name: str, cluster: Cluster) -> str:
    """Return a name that is the test's own."""
    return f"{name}-{cluster.driver.split('.')[0]}"


async def join(cluster: Cluster, name: str, node_id: str) -> str:
    """Have a CSINode with the driver's id for it, and return the name of its Node."""
    spec = {"drivers": [{"name": cluster.driver, "nodeID": node_id, "topologyKeys": None}]}
    await create(cluster, CSI_NODES, "storage.k8s.io/v1", "CSINode", called(name, cluster), spec)
    return called(name, cluster)


async def create(cluster: Cluster, path: str, version: str, kind: str, name: str, spec: dict[str, Any]) -> None:
    await cluster.ask("POST", path, {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})


async def bind(cluster: Cluster, handle: str, claim: str) -> None:
    """Have the volume's PV bound to a PersistentVolumeClaim of namespace `default`."""
    body = {"spec": {"claimRef": {"namespace": "default", "name": called(claim, cluster)}}}
    await cluster.ask("PATCH", f"{PVS}/{cluster.pv(handle)}", body, MERGE_PATCH)


async def use(cluster: Cluster, pod: str, *claims: str) -> str:
    """Have a Pod that uses these PersistentVolumeClaims, and return its name."""
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": called(claim, cluster)}} for claim in claims]
    spec = {"containers": [{"name": "main", "image": "none"}], "volumes": volumes}
    await create(cluster, "/api/v1/namespaces/default/pods", "v1", "Pod", called(pod, cluster), spec)
    return called(pod, cluster)


async def test_a_volume_goes_by_its_handle_its_pv_and_its_claim(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, run: Mooring
) -> None:
    await cluster.create("vol")
    await bind(cluster, "vol", "data")
    await mooring.publish("vol", "node-a")
    pv, claim = cluster.pv("vol"), f"pvc/default/{called('data', cluster)}"

    for name in ("vol", "volume/vol", pv, f"pv/{pv}", f"persistentvolume/{pv}", claim):
        ran = await run("get", name)
        assert [row["VOLUME"] for row in ran.rows] == ["vol"], ran
        assert (name in ran.err, "vol" in ran.err) == ((True, True) if pv in name or "pvc" in name else (False, False))


async def test_a_volume_goes_by_a_pod_that_uses_it(cluster: Cluster, look: Mooring) -> None:
    await cluster.create("vol")
    await bind(cluster, "vol", "data")
    pod = await use(cluster, "web", "data")

    ran = await look("explain", f"pod/default/{pod}", "-o", "json")

    assert ran.data["volume_handle"] == "vol"


async def test_a_pod_with_several_volumes_is_refused_and_each_is_listed(cluster: Cluster, look: Mooring) -> None:
    for number in ("1", "2"):
        await cluster.create(f"vol-{number}")
        await bind(cluster, f"vol-{number}", f"data-{number}")
    pod = await use(cluster, "web", "data-1", "data-2")

    ran = await look("explain", f"pod/default/{pod}")

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert all(f"pv/{cluster.pv(f'vol-{number}')}" in ran.err for number in ("1", "2"))


async def test_a_name_that_is_a_handle_and_another_volumes_pv_is_refused_and_both_are_listed(
    worker: MooringWorker, cluster: Cluster, run: Mooring
) -> None:
    await cluster.create("vol")
    twin = cluster.pv("vol")
    await cluster.create(twin)

    ran = await run("get", twin)

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert f"volume/{twin}" in ran.err
    assert f"pv/{twin}" in ran.err
    assert [(await run("get", f"{form}/{twin}")).rows[0]["VOLUME"] for form in ("volume", "pv")] == [twin, "vol"]


async def test_a_pv_of_another_driver_is_told_with_its_driver(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")

    ran = await run("--driver", "other.csi.test", "explain", cluster.pv("vol"))

    assert ran.code == ExitCode.NOT_FOUND
    assert cluster.driver in ran.err
    assert "--driver" in ran.err


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("pv/nonesuch", "`kubectl get pv`"),
        ("pvc/default/nonesuch", "`kubectl describe pvc -n default nonesuch`"),
        ("pod/default/nonesuch", "`kubectl get pods -n default`"),
    ],
)
async def test_a_name_that_kubernetes_does_not_have_is_not_found_and_shown_how_to_look_for(
    cluster: Cluster, look: Mooring, name: str, command: str
) -> None:
    ran = await look("explain", name)
    assert (ran.code, ran.out) == (ExitCode.NOT_FOUND, "")
    assert "nonesuch" in ran.err
    assert command in " ".join(ran.err.split())
    assert "mooring list" not in ran.err


@pytest.mark.parametrize("command", [["get"], ["explain"], ["history"], ["unpublish", "--all-nodes"]])
async def test_a_volume_that_nothing_knows_is_not_found(
    worker: MooringWorker, cluster: Cluster, run: Mooring, command: list[str]
) -> None:
    ran = await run(*command, "nonesuch")
    assert ran.code == ExitCode.NOT_FOUND
    assert "nonesuch" in ran.err
    assert "mooring list" in ran.err


async def test_a_handle_that_no_pv_has_is_published_only_if_asked_to(
    worker: MooringWorker, mooring: MooringClient, run: Mooring
) -> None:
    refused = await run("publish", "vol", "node-a")
    assert (refused.code, "--no-pv" in refused.err) == (ExitCode.NOT_FOUND, True)
    assert (await mooring.get("vol")).unpersisted is None

    assert (await run("publish", "vol", "node-a", "--no-pv")).code == ExitCode.OK
    assert (await mooring.get("vol")).unpersisted is not None


async def test_a_handle_that_no_pv_has_is_refused_by_a_worker_where_the_command_can_not_ask(
    worker: MooringWorker, run: Mooring
) -> None:
    async with asyncio.timeout(PATIENCE):  # Temporal may not have seen the worker's first poll yet
        while (ran := await run("publish", "vol", "node-a", KUBECONFIG="")).code == ExitCode.UNAVAILABLE:
            await asyncio.sleep(0.1)
    assert (ran.code, "--no-pv" in ran.err) == (ExitCode.NOT_FOUND, True)
    assert "vol is taken for a volume handle" in ran.err


async def test_a_node_goes_by_its_name(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    name = await join(cluster, "worker-3", "i-0abc")

    published = await run("publish", "vol", name)
    assert (published.code, await cluster.holder("vol")) == (0, "i-0abc"), published
    assert name in published.err
    assert "i-0abc" in published.err
    assert (await run("list", "--node", f"node/{name}", "-o", "name")).out.split() == ["volume/vol"]
    assert (await run("unpublish", "vol", name)).code == 0
    assert await cluster.holder("vol") is None


async def test_a_node_whose_csinode_has_gone_goes_by_what_external_attacher_noted(cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol", {cluster.keys.node: "i-0abc"})
    await join(cluster, "another", "i-0def")
    name = called("worker-3", cluster)
    source = {"persistentVolumeName": cluster.pv("vol")}
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": called("va", cluster), "annotations": {"csi.alpha.kubernetes.io/node-id": "i-0abc"}},
        "spec": {"attacher": cluster.driver, "nodeName": name, "source": source},
    }
    await cluster.ask("POST", VOLUME_ATTACHMENTS, body)

    assert (await run("list", "--node", name, "-o", "name")).out.split() == ["volume/vol"]


async def test_a_name_that_is_a_node_id_and_another_nodes_name_is_refused_and_both_are_listed(
    cluster: Cluster, run: Mooring
) -> None:
    name = await join(cluster, "worker-3", "i-0abc")
    await join(cluster, "worker-4", name)

    ran = await run("list", "--node", name)

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert f"id/{name}" in ran.err
    assert "id/i-0abc" in ran.err


async def test_a_publish_to_a_node_that_nothing_knows_says_what_it_was_taken_for(
    worker: MooringWorker, cluster: Cluster, run: Mooring
) -> None:
    await cluster.create("vol")
    ran = await run("publish", "vol", "worker-9")
    assert (ran.code, "worker-9, which was taken for a CSI node id" in ran.err) == (ExitCode.OK, True)


async def test_an_unpublish_of_another_node_names_the_holder(worker: MooringWorker, cluster: Cluster, run: Mooring) -> None:
    await cluster.create("vol")
    await run("publish", "vol", "node-a")
    ran = await run("unpublish", "vol", "node-b")
    assert (ran.code, "is held by node node-a" in ran.err) == (ExitCode.OK, True)
    assert "No CSINode or Node of driver" in ran.err


@pytest.mark.parametrize("command", [["evacuate"], ["list", "--node"]])
async def test_a_node_that_nothing_knows_is_not_found(
    worker: MooringWorker, cluster: Cluster, run: Mooring, command: list[str]
) -> None:
    ran = await run(*command, "nonesuch")
    assert (ran.code, ran.out) == (ExitCode.NOT_FOUND, "")
    assert "nonesuch" in ran.err
    assert "id/nonesuch" in ran.err


async def test_a_node_without_a_node_id_is_not_found_though_there_is_a_node_of_the_name(
    worker: MooringWorker, cluster: Cluster, run: Mooring
) -> None:
    await join(cluster, "worker-3", "i-0abc")
    name = called("worker-4", cluster)
    await create(cluster, NODES, "v1", "Node", name, {})
    ran = await run("evacuate", name)
    assert ran.code == ExitCode.NOT_FOUND
    assert f"Node {name} exists" in ran.err


async def test_a_node_is_known_by_what_waits_for_a_pv_there(
    worker: MooringWorker, mooring: MooringClient, temporal_client: Client, run: Mooring
) -> None:
    await mooring.publish("vol", "node-a")
    ran = await run("evacuate", "node-a", "--no-wait", "-o", "json")
    assert ran.code == ExitCode.OK, ran
    await temporal_client.get_workflow_handle(ran.data["workflow_id"]).terminate()


async def test_an_approval_names_the_node_of_an_evacuation_as_the_evacuation_did(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, temporal_client: Client, run: Mooring
) -> None:
    await cluster.create("vol")
    name = await join(cluster, "worker-3", "i-0abc")
    await mooring.publish("vol", "i-0abc")
    begun = await run("evacuate", name, "--no-wait", "-o", "json")
    assert begun.data["workflow_id"] == names.evacuate_id(cluster.driver, "i-0abc")

    ran = await run("approve", f"evacuate/{name}", "--by", "ada", "--reason", "it is off")

    assert ran.code == ExitCode.OK, ran
    await temporal_client.get_workflow_handle(begun.data["workflow_id"]).result()
    assert await cluster.holder("vol") is None


async def test_a_context_of_the_kubeconfig_is_chosen(cluster: Cluster, kubernetes: Kubernetes, run: Mooring) -> None:
    await cluster.create("vol")
    assert (await run("list", "-o", "name", "--context", "nonesuch")).code == ExitCode.USAGE
    [context] = [each["name"] for each in cluster.proxy.kubeconfig()["contexts"]]
    assert (await run("list", "-o", "name", "--context", context)).out.split() == ["volume/vol"]
