"""Faults of one line each in the parts of operations: what a run knows of itself, its looks, its writes, its holds (bugs.py).

Not planted, since a second rule covers for each: a hold that does not wait for its publish (the rollback takes back what bears the
publish's id), and one that takes nothing back when it is ended (whoever ends it moves the epoch).
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from mooring.models import ReadResult, VolumeRecord, VolumeRef, Write
from mooring.records import fence, holds
from workflows import publish
from workflows.common.acquisition import RecordAcquisition
from workflows.common.first_task import FirstTask
from workflows.common.steps import Steps
from workflows.publication.detach import BackendDetach


def rollback_gives_way_to_a_cancellation(patch: pytest.MonkeyPatch) -> None:
    """Leave `to_the_end` out of a publish's rollback."""

    async def awaited(work: Coroutine[Any, Any, Any]) -> Any:
        return await work

    patch.setattr(publish, "to_the_end", awaited)


def every_look_is_trusted(patch: pytest.MonkeyPatch) -> None:
    """Let a run end on what memory holds, or its former self saw."""
    patch.setattr(Steps, "trusts", lambda *_: True)


def undo_is_signed_by_the_run(patch: pytest.MonkeyPatch) -> None:
    """Let a rollback take what the run itself has acquired for its own, whoever looked."""
    look = Steps.look_patiently

    async def own(self: Steps, budget: float | None = None) -> ReadResult:
        return (await look(self, budget)).model_copy(update={"by": self.operation})

    patch.setattr(Steps, "look_patiently", own)


def unpublish_lets_go_before_it_detaches(patch: pytest.MonkeyPatch) -> None:
    """Let the record go before the backend has detached, which it then never does."""

    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(BackendDetach, "carry_out", nothing)


def claim_is_not_remembered(patch: pytest.MonkeyPatch) -> None:
    """Forget an acquisition that may have landed, so that nothing is rolled back."""
    patch.setattr(RecordAcquisition, "may_land", property(lambda _: False, lambda *_: None), raising=False)


def nothing_is_burned(patch: pytest.MonkeyPatch) -> None:
    """Have a failed publish write nothing where it finds nothing of its own."""
    undo = fence.undo

    def unburned(seen: VolumeRecord, volume: VolumeRef, node_id: str, *given: Any, **more: Any) -> Write | None:
        return undo(seen, volume, node_id, *given, **more) if seen.holder(node_id) is not None else None

    patch.setattr(fence, "undo", unburned)


def hold_of_another_node_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    """Let a hold admit every node."""
    patch.setattr(holds, "refuse", lambda *_: None)


def rollback_leaves_the_backend(patch: pytest.MonkeyPatch) -> None:
    """Have a failed publish undo the record alone."""

    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(Steps, "backend_undo", nothing)


def reset_runs_trust_what_waited(patch: pytest.MonkeyPatch) -> None:
    """Let a run that was reset go by what its former self knew of holds."""
    patch.setattr(Steps, "is_waiting_unknown", False)


def first_task_forgets_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have a run whose first task is begun again take what it knows for all there is."""
    patch.setattr(FirstTask, "forgets", False)


def renewal_is_local(patch: pytest.MonkeyPatch) -> None:
    """Let a renewal be attempted where no history knows of it."""
    patch.setattr(fence, "may_be_local", fence.is_plain)
    patch.setattr("activities.attachments._renews", lambda *_: False)
