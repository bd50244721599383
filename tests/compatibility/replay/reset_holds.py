"""A publish whose hold is reset before it fails, and that hold: a scene for the patches of both (patches.py)."""

from __future__ import annotations

import asyncio

from mooring import names
from mooring.models import VolumeRef
from tests.compatibility.replay.recorder import DRIVER, Recorder
from tests.harness.backend import JournalBackend, refusal
from tests.harness.patience import PATIENCE
from tests.harness.resets import Run, reset, tasks_done

_ASKED = 1
"""The workflow task in which a hold learns of its publish, and waits for its word."""


async def record_reset_hold(recorder: Recorder, backend: JournalBackend) -> None:
    """Record both."""
    hold_id = names.unpersisted_id(VolumeRef(driver=DRIVER, volume_handle="hold-reset"))
    publish = asyncio.create_task(recorder.mooring.publish("hold-reset", "node-a", deadline=PATIENCE))
    first = await _reach(backend)
    hold: Run = recorder.client.get_workflow_handle(hold_id)
    await _has_done(hold, _ASKED + 1)
    again = await reset(recorder.client, hold, _ASKED, str)
    await _has_done(again, _ASKED + 1)
    first.set()
    second = await _reach(backend)
    backend.publish_errors.append(refusal())
    backend.publish_gate = None
    second.set()
    await recorder.operation("publish-hold-reset", "hold-reset", publish)
    await recorder.save("persist-reset", hold_id)


async def _reach(backend: JournalBackend) -> asyncio.Event:
    """Wait until the backend is asked to attach, and return what opens it."""
    backend.publish_gate = gate = asyncio.Event()
    backend.entered.clear()
    await asyncio.wait_for(backend.entered.wait(), PATIENCE)
    return gate


async def _has_done(hold: Run, tasks: int) -> None:
    """Wait until the hold has ended this many workflow tasks."""
    async with asyncio.timeout(PATIENCE):
        while len(await tasks_done(hold)) < tasks:
            await asyncio.sleep(0.1)
