"""The log of a worker's steps that fail, as text for people and as JSON for programs."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest

from mooring.client import MooringClient
from mooring.devstack.ports import HOST, free_port
from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet

FORGED: Final = "vol\n2026-01-01T00:00:00.000Z INFO mooring: all is well"


async def log_of_a_retry(fleet: Fleet, cluster: Cluster, mooring: MooringClient, volume: str, **settings: object) -> list[str]:
    """Return the log of a worker that has tried a publish of the volume twice and more, and then carried it out."""
    await cluster.create(volume, name=cluster.pv("vol"))
    async with fleet.own(publish_budget=60, **settings) as worker:
        await worker.ready()
        failing = cluster.proxy.fail("PATCH", status=500, message="no\nluck")
        publishing = asyncio.create_task(mooring.publish(volume, "node-a", deadline=60))
        await worker.child.says("attempt 2")
        failing.stop()
        await publishing
        return worker.child.last_words().splitlines()


async def test_a_step_that_is_tried_again_is_one_line_with_the_volume_the_attempt_and_the_reason(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient
) -> None:
    log = await log_of_a_retry(fleet, cluster, mooring, FORGED)

    told = [line for line in log if "attempt 2" in line]
    assert told
    assert all("volume/" in line and r"/vol\n" in line and "record_attachment" in line and "500" in line for line in told), log
    assert not any("Traceback" in line or line.startswith("2026-01-01") for line in log)


async def test_in_json_every_line_is_an_entry_and_a_step_s_names_what_it_is_about_in_fields(
    fleet: Fleet, cluster: Cluster, mooring: MooringClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{HOST}:{free_port()}")  # nobody listens, which is logged as well

    log = await log_of_a_retry(fleet, cluster, mooring, FORGED, log_format="json", log_level="DEBUG")

    entries: list[dict[str, Any]] = [json.loads(line) for line in log]
    [told] = [entry for entry in entries if "failed at attempt 2" in entry["message"]]
    about = {name: told[name] for name in ("volume", "node", "operation", "step", "attempt")}
    assert about == {
        "volume": FORGED, "node": "node-a", "operation": "PublishVolume", "step": "record_attachment", "attempt": 2
    }  # fmt: skip
    assert told["workflow_id"] == f"volume/{cluster.driver}/{FORGED}"
    assert len(told["run_id"]) == 36
    assert len(told["trace_id"]) == 32
    assert "exception" not in told
    assert {"mooring", "temporalio"} <= {entry["logger"].split(".")[0] for entry in entries}
