"""`mooring check`, on real servers."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from mooring.checks.rights import RIGHTS
from mooring.cli.exit_codes import ExitCode
from mooring.csi.endpoint import csi_endpoint
from mooring.csi.inflight import InFlightRequests
from mooring.csi.state import EndpointState
from mooring.devstack.kubernetes.account import RBAC
from mooring.devstack.kubernetes.manifests import read_manifests
from mooring.devstack.proxy import FaultProxy
from mooring.kubernetes.in_tree import GCE
from tests.cli.conftest import REPOSITORY, Mooring, Ran, process
from tests.harness.cluster import Cluster
from tests.harness.kubernetes import Kubernetes
from tests.harness.patience import PATIENCE
from worker import MooringWorker

FORGETFUL = "forgetful"


def found(ran: Ran, check: str) -> dict[str, Any]:
    """Return the outcome of the check of this id."""
    [one] = [each for each in ran.data["checks"] if each["id"] == check]
    return dict(one)


async def failure(ran: Ran, check: str) -> str:
    """Return the cause of the check's failure, after a check that the command failed for it."""
    one = found(ran, check)
    assert (one["result"], ran.code, ran.data["ok"]) == ("failed", ExitCode.FAILED, False)
    assert one["fix"]
    return str(one["cause"])


@pytest.fixture
def real(kubernetes: Kubernetes) -> None:
    """Rights and CSIDrivers are a real API server's."""
    if kubernetes.audit is None:
        pytest.skip("no real Kubernetes: set KUBEBUILDER_ASSETS to the folder that kube/build.sh prints")


@pytest.fixture(scope="session")
async def forgetful(temporal_client: Client) -> str:
    """A namespace that nobody has set up for Mooring, and that keeps ended runs for an hour."""
    kept = Duration()
    kept.FromTimedelta(timedelta(hours=1))
    wanted = RegisterNamespaceRequest(namespace=FORGETFUL, workflow_execution_retention_period=kept)
    await temporal_client.workflow_service.register_namespace(wanted)
    return FORGETFUL


def test_the_rights_that_are_asked_for_are_those_of_the_manifest() -> None:
    [role] = [each for each in read_manifests(RBAC) if each["kind"] == "ClusterRole"]
    granted = {
        (group, name): set(rule["verbs"]) for rule in role["rules"] for group in rule["apiGroups"] for name in rule["resources"]
    }
    assert {right: set(verbs) for right, verbs in RIGHTS.items()} == granted


async def test_every_check_has_a_section_in_the_handbook(look: Mooring) -> None:
    handbook = (REPOSITORY / "docs" / "operations.md").read_text()
    sections = {f"docs/operations.md#{name}" for name in re.findall(r"^### `?([a-z-]+)`?$", handbook, re.MULTILINE)}
    links = {each["link"] for each in (await look("check", "-o", "json", TEMPORAL_ADDRESS="127.0.0.1:1")).data["checks"]}
    assert links - sections == set()


async def test_a_sound_installation_passes(worker: MooringWorker, cluster: Cluster, look: Mooring) -> None:
    await cluster.create("vol")
    ran = await look("check", "-o", "yaml", "--account", "mooring:mooring")
    failures = [each for each in ran.data["checks"] if each["result"] == "failed"]
    assert (failures, ran.code, ran.data["ok"]) == ([], ExitCode.OK, True)
    assert found(ran, "records-readable")["description"].endswith("0 of them attached to 0 nodes")


async def test_people_read_groups_with_a_cause_a_fix_and_a_link(look: Mooring) -> None:
    ran = await look("check", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert ran.code == ExitCode.FAILED
    lines = ran.out.splitlines()
    at = lines.index("failed  Temporal can be reached")
    assert lines[at - 1] == "Temporal"
    assert lines[at + 1].startswith("    Temporal at 127.0.0.1:1 can't be reached")
    assert lines[at + 2].startswith("    fix: Check TEMPORAL_ADDRESS")
    assert lines[at + 3] == "    see: docs/operations.md#temporal-reachable"
    assert lines[at + 4] == "skipped The namespace exists (needs temporal-reachable)"
    assert re.search(r"^\d+ checks: .* \d+ failed", ran.err)


async def test_a_command_stands_alone_on_its_line_for_a_shell(look: Mooring, forgetful: str) -> None:
    ran = await look("--namespace", forgetful, "check")
    lines = ran.out.splitlines()
    at = lines.index("    fix: Register them, then restart the workers.")
    assert re.fullmatch(r" {9}temporal operator search-attribute create( --[a-z]+ \w+)+", lines[at + 1])
    assert lines[at + 2].startswith("    see: ")


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "\N{MULTIPLICATION SIGN}"), ("ascii", "failed ")])
async def test_a_terminal_shows_marks_where_it_can(environment: dict[str, str], encoding: str, mark: str) -> None:
    variables = {**environment, "TEMPORAL_ADDRESS": "127.0.0.1:1", "PYTHONIOENCODING": encoding, "TTY_COMPATIBLE": "1"}
    checking = await process({**variables, "KUBECONFIG": "/nonexistent"}, "check")
    out, _ = await asyncio.wait_for(checking.communicate(), PATIENCE)
    assert f"{mark} Temporal can be reached" in out.decode(encoding)


async def test_a_setting_that_is_wrong_is_named(look: Mooring) -> None:
    ran = await look("check", "-o", "json", MOORING_PAGE_SIZE="many")
    assert await failure(ran, "configuration") == "MOORING_PAGE_SIZE is 'many'; it must be a whole number."


async def test_a_setting_that_is_misspelt_is_a_failure_with_the_nearest_name(look: Mooring) -> None:
    ran = await look("check", "-o", "json", MOORING_PAGESIZE="7")
    asked = found(ran, "configuration")
    assert (asked["result"], "did you mean MOORING_PAGE_SIZE?" in asked["cause"]) == ("failed", True)


async def test_a_temporal_profile_that_cant_be_read_is_a_failure(look: Mooring, tmp_path: Path) -> None:
    (tmp_path / "temporal.toml").write_text("[profile")
    ran = await look("check", "-o", "json", TEMPORAL_CONFIG_FILE=str(tmp_path / "temporal.toml"))
    assert "TOML" in await failure(ran, "temporal-reachable")


async def test_a_namespace_that_is_not_there_is_named(look: Mooring) -> None:
    ran = await look("--namespace", "nowhere", "check", "-o", "json")
    assert await failure(ran, "temporal-namespace") == "There is no namespace nowhere."
    assert "temporal operator namespace create --namespace nowhere" in found(ran, "temporal-namespace")["command"]


async def test_a_namespace_that_is_not_set_up_is_warned_of(look: Mooring, forgetful: str) -> None:
    ran = await look("--namespace", forgetful, "check", "-o", "json")
    kept, attributes = found(ran, "temporal-retention"), found(ran, "temporal-search-attributes")
    assert (kept["result"], attributes["result"]) == ("warning", "warning")
    assert "forgets a run 1 h after its end" in kept["cause"]
    assert attributes["cause"].startswith("CsiDriver, VolumeId, NodeId, AttachmentState")
    assert "search-attribute create --namespace forgetful --name CsiDriver --type Keyword" in attributes["command"]
    assert attributes["fix"] == "Register them, then restart the workers."


async def test_a_queue_that_nobody_polls_is_a_failure(look: Mooring, driver: str) -> None:
    ran = await look("check", "-o", "json")
    assert (await failure(ran, "workers-serve")).startswith(f"No worker has polled task queue mooring-{driver}")
    assert found(ran, "workers-adopt")["cause"] == "needs workers-serve"


async def test_workers_are_named(worker: MooringWorker, look: Mooring) -> None:
    ran = await look("check", "-o", "json")
    assert "worker-" in found(ran, "workers-serve")["description"]
    assert found(ran, "workers-adopt")["result"] == "ok"
    assert "worker-" in found(ran, "workers-wait")["description"]


async def test_without_a_kubeconfig_the_rest_is_checked(run: Mooring) -> None:
    ran = await run("check", "-o", "json", KUBECONFIG="/nonexistent")
    assert "/nonexistent can't be used: there is no such file" in await failure(ran, "kubernetes-reachable")
    assert found(ran, "records-readable")["result"] == "skipped"
    assert found(ran, "temporal-namespace")["result"] == "ok"


async def test_an_api_server_that_is_away_is_a_failure(look: Mooring, operator: FaultProxy) -> None:
    with operator.outage():
        ran = await look("check", "-o", "json")
    assert "the connection to the API server failed" in await failure(ran, "kubernetes-reachable")


async def test_an_account_without_rights_is_told_each(look: Mooring, real: None) -> None:
    ran = await look("check", "-o", "json", "--account", "default:nobody")
    why = await failure(ran, "kubernetes-permissions")
    assert why.startswith("system:serviceaccount:default:nobody may not get persistentvolumes, list persistentvolumes")
    assert "rbac.yaml" in found(ran, "kubernetes-permissions")["command"]


async def test_who_may_not_ask_about_others_is_told_so(look: Mooring, operator: FaultProxy) -> None:
    operator.fail("POST", path="/subjectaccessreviews", status=403)
    ran = await look("check", "-o", "json", "--account", "mooring:mooring")
    assert "subjectaccessreviews" in found(ran, "kubernetes-permissions")["fix"]


async def test_an_account_has_a_namespace_and_a_name(look: Mooring) -> None:
    ran = await look("check", "--account", "mooring")
    assert (ran.code, "NAMESPACE:NAME" in ran.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    ("check", "right"),
    [
        ("kubernetes-csidriver", "get csidrivers.storage.k8s.io"),
        ("kubernetes-admission", "list validatingadmissionpolicies.admissionregistration.k8s.io"),
    ],
)
async def test_what_a_worker_s_account_may_not_read_is_unknown_and_the_right_it_takes_is_named(
    look: Mooring, operator: FaultProxy, check: str, right: str
) -> None:
    operator.fail("GET", path=f"/{right.split()[1].split('.')[0]}", status=403)
    asked = found(await look("check", "-o", "json"), check)
    assert (asked["result"], asked["cause"].split(":")[0]) == ("skipped", "unknown")
    assert right in asked["cause"]


@pytest.mark.parametrize(("required", "result", "cause"), [(False, "warning", "attachRequired false"), (True, "ok", "")])
async def test_a_csi_driver_says_whether_it_attaches(
    look: Mooring, cluster: Cluster, driver: str, real: None, required: bool, result: str, cause: str
) -> None:
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": driver},
        "spec": {"attachRequired": required},
    }
    await cluster.ask("POST", "/apis/storage.k8s.io/v1/csidrivers", body)
    one = found(await look("check", "-o", "json"), "kubernetes-csidriver")
    assert (one["result"], cause in one["cause"]) == (result, True)


async def test_a_cluster_without_driver_and_policy_is_warned_of(look: Mooring) -> None:
    ran = await look("check", "-o", "json")
    driver, policy = found(ran, "kubernetes-csidriver"), found(ran, "kubernetes-admission")
    assert (driver["result"], policy["result"]) == ("warning", "warning")
    assert "There is no CSIDriver" in driver["cause"]
    assert "admission.yaml" in policy["fix"]


async def test_records_that_cant_be_read_are_named(look: Mooring, cluster: Cluster) -> None:
    await cluster.create("bad", {cluster.keys.epoch: "many"})
    for name in ("one", "two"):
        await cluster.create("odd", {cluster.keys.node: f"node-{name}"}, name=f"{name}-{cluster.pv('odd')}")
    ran = await look("check", "-o", "json")
    assert "has the epoch 'many'" in await failure(ran, "records-sound")
    assert "The PersistentVolumes of volume odd disagree" in await failure(ran, "records-unique")


@pytest.mark.parametrize("driver", [GCE])
async def test_a_disk_that_counts_as_two_volumes_is_warned_of(look: Mooring, cluster: Cluster) -> None:
    disk = f"disks/disk-{uuid.uuid4().hex[:10]}"
    handles = f"projects/UNSPECIFIED/zones/z/{disk}", f"projects/p/zones/z/{disk}"
    for number, handle in enumerate(handles):
        await cluster.create(handle, name=f"0-{number}-{disk[-10:]}")

    answer = found(await look("check", "-o", "json"), "records-unique")

    assert answer["result"] == "warning"
    assert f"{handles[0]} and {handles[1]}" in answer["cause"]


async def test_pvs_that_cant_be_listed_are_a_failure(look: Mooring, operator: FaultProxy) -> None:
    operator.fail("GET", path="/persistentvolumes", status=403)
    ran = await look("check", "-o", "json")
    assert "list PersistentVolumes" in await failure(ran, "records-readable")


@pytest.mark.parametrize("attached", [False, True])
async def test_a_dry_run_leaves_the_record_as_it_is(look: Mooring, operator: FaultProxy, cluster: Cluster, attached: bool) -> None:
    await cluster.create("vol", {cluster.keys.node: "node-a", cluster.keys.epoch: "7"} if attached else None)
    before = await cluster.annotations("vol")
    ran = await look("check", "-o", "json")
    assert (found(ran, "records-patch")["result"], operator.count("PATCH")) == ("ok", 1)
    assert await cluster.annotations("vol") == before


async def test_a_write_that_is_refused_is_a_failure(look: Mooring, operator: FaultProxy, cluster: Cluster) -> None:
    await cluster.create("vol")
    operator.fail("PATCH", status=403, message="a webhook says no")
    assert "a webhook says no" in await failure(await look("check", "-o", "json"), "records-patch")


async def test_without_a_pv_there_is_nothing_to_try(look: Mooring) -> None:
    assert "has no PersistentVolume" in found(await look("check", "-o", "json"), "records-patch")["cause"]


@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [("unix:///nonexistent/s", "No such file"), ("tcp://x", "must be the absolute path of a socket"), ("/usr", "is not a socket")],
)
async def test_an_endpoint_that_is_not_there_is_a_failure(look: Mooring, endpoint: str, cause: str) -> None:
    ran = await look("check", "-o", "json", "--csi-endpoint", endpoint)
    assert cause in await failure(ran, "csi-socket")
    assert found(ran, "csi-ready")["result"] == "skipped"


async def test_an_endpoint_whose_worker_is_not_ready_is_a_failure(look: Mooring, driver: str, tmp_path: Path) -> None:
    async with csi_endpoint(f"unix://{tmp_path}/s", EndpointState(driver), InFlightRequests(lambda: 0.0)):
        ran = await look("check", "-o", "json", "--csi-endpoint", f"unix://{tmp_path}/s")
    assert (found(ran, "csi-socket")["result"], found(ran, "csi-answers")["result"]) == ("ok", "ok")
    assert "not ready" in await failure(ran, "csi-ready")


async def test_an_endpoint_of_another_driver_is_a_failure(look: Mooring, tmp_path: Path) -> None:
    async with csi_endpoint(f"unix://{tmp_path}/s", EndpointState("other.csi.test"), InFlightRequests(lambda: 0.0)):
        ran = await look("check", "-o", "json", MOORING_CSI_ENDPOINT=f"unix://{tmp_path}/s")
    assert "other.csi.test" in await failure(ran, "csi-answers")


async def test_a_socket_that_others_may_use_is_warned_of(look: Mooring, driver: str, tmp_path: Path) -> None:
    async with csi_endpoint(f"unix://{tmp_path}/s", EndpointState(driver), InFlightRequests(lambda: 0.0)):
        (tmp_path / "s").chmod(0o666)
        ran = await look("check", "-o", "json", "--csi-endpoint", f"unix://{tmp_path}/s")
    one = found(ran, "csi-socket")
    assert (one["result"], "0666" in one["cause"], "chmod 0600" in one["command"]) == ("warning", True, True)
