"""docker-compose.yml: valid by the specification, and free of what the specification allows but a newcomer would trip over."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.harness.repository import ROOT

FILE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]


def waits() -> list[tuple[str, str, str]]:
    """Return every (service, what it waits for, condition)."""
    return [
        (name, other, how["condition"])
        for name, service in SERVICES.items()
        for other, how in service.get("depends_on", {}).items()
    ]


def mounts() -> list[str]:
    return [mount.partition(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]


def docker_has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0


def test_it_follows_the_compose_specification() -> None:
    PyCompose.from_yaml(FILE.read_text()).validate()


@pytest.mark.optional
@pytest.mark.skipif(not docker_has_compose(), reason="no docker client with compose here; the specification's check above ran")
def test_docker_compose_accepts_it() -> None:
    command = ["docker", "compose", "--file", str(FILE), "config", "--quiet"]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert any(character.isdigit() for character in tag), f"{name}: the tag {tag!r} moves"


def test_whatever_is_waited_for_healthy_has_a_health_check() -> None:
    waited_for = {other for _, other, condition in waits() if condition == "service_healthy"}
    assert waited_for <= {name for name, service in SERVICES.items() if "healthcheck" in service}


def test_whatever_nobody_waits_to_end_has_a_health_check_and_is_restarted() -> None:
    one_shots = {other for _, other, condition in waits() if condition == "service_completed_successfully"}
    for name in SERVICES.keys() - one_shots:
        assert "healthcheck" in SERVICES[name], name
        assert SERVICES[name]["restart"] == "unless-stopped", name


def test_every_port_is_bound_to_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports), ports


def test_every_mount_is_a_file_that_ships_or_a_declared_volume() -> None:
    declared = yaml.safe_load(FILE.read_text())["volumes"].keys()
    for source in mounts():
        assert (ROOT / source).is_file() if source.startswith(".") else source in declared, source


def test_every_mounted_script_is_valid_shell() -> None:
    scripts = [ROOT / source for source in mounts() if source.endswith(".sh")]
    assert scripts
    for script in scripts:
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_the_worker_runs_without_privileges_on_a_read_only_root() -> None:
    worker = SERVICES["worker"]
    assert (worker["read_only"], worker["cap_drop"], worker["tmpfs"]) == (True, ["ALL"], ["/tmp"])  # noqa: S108
    assert "privileged" not in worker
