"""`mooring bundle`: one archive with all that helps to look into a fault, and no secret."""

from __future__ import annotations

import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.client import WorkflowHistory

from mooring.cli.exit_codes import ExitCode
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.ports import HOST, free_port
from mooring.devstack.proxy import FaultProxy
from tests.cli.conftest import Mooring, Ran
from tests.harness.cluster import Cluster
from tests.harness.kubelet import Kubelet

CANARY: Final = "canary-8c41d0e6"
PLANTED: Final = {
    "TEMPORAL_API_KEY": CANARY,
    "MOORING_PASSWORD": CANARY,
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={CANARY}",
    "NO_PROXY": "*",
    "HTTPS_PROXY": f"http://me:{CANARY}@proxy.test:3128",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle's files, by their paths in it, and the run that made it."""

    ran: Ran
    files: dict[str, bytes]

    @property
    def index(self) -> Any:
        """The index."""
        return json.loads(self.files["index.json"])

    @property
    def missing(self) -> dict[str, str]:
        """The reasons why parts are missing, by path."""
        return {each["path"]: each["reason"] for each in self.index["missing"]}

    def under(self, folder: str) -> dict[str, bytes]:
        """Return the files in a folder."""
        return {path: content for path, content in self.files.items() if path.startswith(f"{folder}/")}


async def bundled(look: Mooring, file: Path, *arguments: str, **variables: str) -> Opened:
    """Return the bundle that the command writes to the file."""
    nobody = {"MOORING_HTTP_ADDRESS": f"{HOST}:{free_port()}"}
    ran = await look("bundle", "-o", str(file), *arguments, **{**nobody, **variables})
    assert (ran.code, ran.out) == (ExitCode.OK, f"{file}\n"), ran.err
    with tarfile.open(file) as tar:
        members = [(each.name.split("/", 1)[1], tar.extractfile(each)) for each in tar.getmembers()]
        return Opened(ran, {name: content.read() for name, content in members if content is not None})


@pytest.fixture
async def kubelet(operator: FaultProxy) -> AsyncIterator[Kubelet]:
    """An operator's way to the API server, with a kubelet behind it."""
    async with Kubelet.start(operator) as running:
        yield running


async def test_what_is_open_is_explained_with_its_history_and_what_cant_be_had_is_named(
    rolling_back: None, look: Mooring, tmp_path: Path
) -> None:
    opened = await bundled(look, tmp_path / "b.tar.gz", "--worker-selector", "")

    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    [run] = json.loads(opened.files["open.json"])
    [explained] = map(json.loads, opened.under("explain").values())
    assert (run["volume_handle"], explained["volume_handle"]) == ("vol", "vol")
    [history] = [content for path, content in opened.under("histories").items() if run["run_id"] in path]
    assert WorkflowHistory.from_json(run["workflow_id"], history.decode()).events
    assert "checks" in json.loads(opened.files["check.json"])
    assert [each["volume_handle"] for each in json.loads(opened.files["list.json"])] == ["vol"]
    assert json.loads(opened.files["versions.json"])["mooring"] == opened.index["mooring"]
    assert opened.missing.keys() == {"worker/readyz.txt", "worker/metrics.txt", "pods/"}
    assert "metrics of the worker at" in opened.ran.err
    assert opened.missing["worker/metrics.txt"].endswith("connection refused")
    assert {each["path"] for each in opened.index["files"]} == opened.files.keys() - {"index.json"}


async def test_without_temporal_and_kubernetes_the_rest_is_there_and_secrets_are_not(run: Mooring, tmp_path: Path) -> None:
    kubeconfig = ApiServer(f"https://{HOST}:{free_port()}", token=CANARY).write_kubeconfig(tmp_path / "mine")
    nowhere = {"TEMPORAL_ADDRESS": f"{HOST}:{free_port()}", "KUBECONFIG": str(kubeconfig)}
    opened = await bundled(run, tmp_path / "b.tar.gz", **PLANTED, **nowhere, MOORING_PAGE_SIZE="7")

    assert {"list.json", "open.json", "pods.json"} <= opened.missing.keys()
    assert {"check.json", "versions.json", "settings.json"} <= opened.files.keys()
    settings = json.loads(opened.files["settings.json"])
    assert settings["settings"]["MOORING_PAGE_SIZE"] == "7"
    assert {"TEMPORAL_API_KEY", "MOORING_PASSWORD", "HTTPS_PROXY"} <= set(settings["also set"])
    assert not any(CANARY.encode() in content for content in opened.files.values())
    assert CANARY not in opened.ran.err


async def test_the_workers_pods_are_in_it_with_logs_metrics_and_settings_but_no_other_values(
    look: Mooring, cluster: Cluster, kubelet: Kubelet, assets: Path, tmp_path: Path
) -> None:
    name = f"worker-{cluster.driver.split('.')[0]}"
    env = [{"name": "MOORING_EVENTS", "value": "off"}, {"name": "TEMPORAL_API_KEY", "value": CANARY}]
    body = {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "worker", "image": "mooring:1", "env": env}]},
    }
    await cluster.ask("POST", "/api/v1/namespaces/default/pods", body)
    kubelet.answers = {f"/pods/{name}/log": f"a line with {CANARY}", "/proxy/metrics": "mooring_ready 1", "/proxy/readyz": "ready"}
    kubeconfig = ApiServer(kubelet.url).write_kubeconfig(tmp_path / "kubelet")

    variables = {"KUBECONFIG": str(kubeconfig), "OTEL_EXPORTER_OTLP_HEADERS": CANARY}
    opened = await bundled(look, tmp_path / "b.tar.gz", "--worker-selector", f"app={name}", **variables)

    [pod] = json.loads(opened.files["pods.json"])
    assert (pod["name"], pod["settings"], pod["also set"]) == (name, {"MOORING_EVENTS": "off"}, ["TEMPORAL_API_KEY"])
    told = {path.rsplit("/", 1)[1]: content.decode() for path, content in opened.under("pods").items()}
    assert told == {"worker.log": "a line with [hidden]", "metrics.txt": "mooring_ready 1", "readyz.txt": "ready"}
    assert not any(CANARY.encode() in content for content in opened.files.values())


async def test_a_user_who_may_not_list_pods_is_told_so_in_the_bundle(look: Mooring, operator: FaultProxy, tmp_path: Path) -> None:
    operator.fail("GET", path="/pods", status=403, message="pods is forbidden")
    opened = await bundled(look, tmp_path / "b.tar.gz")

    assert "pods is forbidden" in opened.missing["pods.json"]


async def test_a_file_that_is_there_is_not_overwritten(look: Mooring, tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_text("mine")
    ran = await look("bundle", "-o", str(tmp_path / "b.tar.gz"))

    assert (ran.code, (tmp_path / "b.tar.gz").read_text()) == (ExitCode.USAGE, "mine")
