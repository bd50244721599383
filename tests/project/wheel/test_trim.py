"""The image's client of Kubernetes, without what is generated in it: a worker and the commands work with it all the same."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sysconfig
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.harness.cluster import Cluster
from tests.harness.repository import ROOT
from tests.project.wheel.conftest import Installation

VOLUME: Final = "vol-1"
SMALL: Final = 5_000_000


@pytest.fixture
def trimmed(tmp_path: Path) -> Path:
    """A folder with the trimmed client, to go before all others on the path."""
    package = Path(sysconfig.get_path("purelib"), "kubernetes")
    shutil.copytree(package, tmp_path / "trimmed" / "kubernetes", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["sh", ROOT / "deploy" / "image" / "trim.sh", tmp_path / "trimmed"], check=True, timeout=60)
    return tmp_path / "trimmed"


def test_little_is_left_of_the_client(trimmed: Path) -> None:
    assert sum(path.stat().st_size for path in trimmed.rglob("*")) < SMALL


async def test_a_worker_and_the_commands_reach_the_cluster_by_the_trimmed_client(
    installation: Installation, trimmed: Path, cluster: Cluster
) -> None:
    kubeconfig = cluster.proxy.write_kubeconfig(installation.folder / "kubeconfig")
    settings = {
        "PYTHONPATH": str(trimmed),
        "KUBECONFIG": str(kubeconfig),
        "MOORING_KUBERNETES": "auto",
        "MOORING_NODE_CHECK": "off",
    }
    run = partial(installation.run, installation.mooring, **settings)
    await cluster.create(VOLUME)
    async with installation.worker(installation.mooring, "worker", **settings):
        published = await asyncio.to_thread(run, "publish", VOLUME, "node-a")
        listed = await asyncio.to_thread(run, "get", VOLUME)
    assert published.returncode == 0, published.stderr
    assert "node-a" in listed.stdout
    assert (await cluster.annotations(VOLUME))[cluster.keys.node] == "node-a"
