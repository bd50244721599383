"""`mooring completion`, and what it makes a shell ask."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mooring.cli.exit_codes import ExitCode
from mooring.cli.main import app
from tests.cli.conftest import REPOSITORY
from tests.harness.cluster import Cluster
from tests.harness.patience import PATIENCE


def script(shell: str) -> str:
    return CliRunner().invoke(app, ["completion", shell]).stdout


@pytest.mark.parametrize(
    ("shell", "telling"), [("bash", "complete -o"), ("zsh", "#compdef mooring"), ("fish", "complete --command mooring")]
)
def test_each_shell_has_its_script(shell: str, telling: str) -> None:
    assert telling in script(shell)


def test_another_shell_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["completion", "tcsh"]).exit_code == ExitCode.USAGE


def test_the_help_says_how_to_load_it() -> None:
    told = CliRunner().invoke(app, ["completion", "--help"]).stdout
    assert "source <(mooring completion bash)" in told


@pytest.mark.parametrize(
    ("line", "expected"), [("mooring exp", ["explain"]), ("mooring completion z", ["zsh"]), ("mooring li", ["list"])]
)
def test_bash_completes_with_it(tmp_path: Path, line: str, expected: list[str]) -> None:
    assert bash_completes(tmp_path, line, os.environ) == expected


async def test_bash_completes_volumes_and_nodes(cluster: Cluster, environment: dict[str, str], tmp_path: Path) -> None:
    for handle in ("vol-1", "vol-2", "other"):
        await cluster.create(handle)
    spec = {"drivers": [{"name": cluster.driver, "nodeID": "i-0abc", "topologyKeys": None}]}
    body = {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": cluster.pv("worker")}, "spec": spec}
    await cluster.ask("POST", "/apis/storage.k8s.io/v1/csinodes", body)

    async def completed(line: str, **variables: str) -> list[str]:
        return await asyncio.to_thread(bash_completes, tmp_path, line, {**os.environ, **environment, **variables})

    async def offered(line: str) -> list[str]:
        """Return what is offered, once there is something: a busy machine may take longer than a shell waits."""
        async with asyncio.timeout(PATIENCE):
            while not (names := await completed(line)):
                await asyncio.sleep(0.1)
        return names

    assert await offered("mooring explain vol") == ["vol-1", "vol-2"]
    assert await offered("mooring evacuate i-0") == ["i-0abc"]
    assert await offered(f"mooring publish vol-1 {cluster.pv('worker')[:5]}") == [cluster.pv("worker")]
    assert await completed("mooring explain vol", KUBECONFIG="/nonexistent") == []


def bash_completes(tmp_path: Path, line: str, environ: Mapping[str, str]) -> list[str]:
    """Return what bash offers at the end of the line."""
    command = tmp_path / "mooring"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m mooring "$@"\n')
    command.chmod(0o700)
    words = line.split()
    asking = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _mooring_completion mooring; printf "%s\\n" "${{COMPREPLY[@]}}"'
    environment = {**environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run(
        ["bash", "-c", f"{script('bash')}\n{asking}"], capture_output=True, text=True, env=environment, timeout=30, check=True
    )
    return ran.stdout.split()
