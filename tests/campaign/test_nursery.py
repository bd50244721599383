"""Workers that are forked: what they are started with, and what is seen of their end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.campaign.nursery import WORKER, Nursery
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a worker that waits for a driver which isn't there."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CAMPAIGN_FOLDER": str(tmp_path),
        "MOORING_CSI_ENDPOINT": f"unix://{tmp_path}/csi.sock",
        "MOORING_DRIVER_ENDPOINT": f"unix://{tmp_path}/driver.sock",
        "MOORING_HTTP_ADDRESS": "127.0.0.1:0",
    }


async def test_a_forked_worker_has_its_own_settings_and_log_and_its_death_is_seen(tmp_path: Path, environ: dict[str, str]) -> None:
    log = tmp_path / "worker.log"
    async with Nursery.start(tmp_path, environ) as nursery, nursery.running(WORKER, log, tmp_path, environ) as child:
        async with asyncio.timeout(PATIENCE):
            while f"CSI endpoint: unix://{tmp_path}/csi.sock" not in log.read_text():
                await asyncio.sleep(0.05)
        assert not child.ended
        os.kill(child.pid, signal.SIGKILL)
        await asyncio.wait_for(child.wait(), PATIENCE)
        assert child.ended


async def test_no_worker_outlives_its_nursery(tmp_path: Path, environ: dict[str, str]) -> None:
    async with Nursery.start(tmp_path, environ) as nursery:
        left = nursery.running(WORKER, tmp_path / "worker.log", tmp_path, environ)
        child = await left.__aenter__()
    await asyncio.wait_for(child.wait(), PATIENCE)
    assert child.ended


async def test_another_command_is_started_as_ever(tmp_path: Path, environ: dict[str, str]) -> None:
    log = tmp_path / "other.log"
    async with Nursery(tmp_path / "none.sock").running(("echo", "other"), log, tmp_path, environ) as child:
        await asyncio.wait_for(child.wait(), PATIENCE)
    assert log.read_text() == "other\n"
