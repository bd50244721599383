"""The judgement of a world: what the checker says of its history, and what must hold once it is at rest.

At rest: whoever was told to have a volume has it, at the driver and by the record, or else nobody else gets it; no operation is
open; every worker's index says what the PVs say; and once everybody has let go, nobody has anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus, WorkflowTaskFailedCause

from tests.simulation.checker import Violation, read
from tests.simulation.temporal_server.history import attributes_of, kind_of
from tests.simulation.temporal_server.run import Run

if TYPE_CHECKING:
    from tests.simulation.campaign.attacher import Attachment
    from tests.simulation.campaign.world import World

CODE: Final = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
)
"""Reasons for which a workflow task fails that no repetition mends."""
HOLDS: Final = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
)
"""States in which the newest hold of a volume holds it: one that was terminated leaves its node in doubt."""


class Broken(Exception):
    """A world in which something was promised and not kept."""

    def __init__(self, rule: str, volume: str, what: str) -> None:
        super().__init__(f"{rule}: {volume}: {what}" if volume else f"{rule}: {what}")
        self.volume = volume


def judge(violations: Sequence[Violation]) -> None:
    """Raise the first violation that the checker has found."""
    for violation in violations:
        raise Broken(violation.rule, violation.volume, violation.what)


def judge_task_failures(run: Run, volume: str) -> None:
    """Raise if the code of a run has failed."""
    for event in run.events:
        if kind_of(event) == "WORKFLOW_TASK_FAILED" and (body := attributes_of(event)).cause in CODE:
            said = f"{run.started.workflow_type.name} {run.run_id}: {body.failure.message}"
            raise Broken("no workflow task fails for its code", volume, said)


def judge_rest(world: World) -> None:
    """Judge a world in which nothing is under way."""
    judge(world.checker.rest({volume: waiting(world, volume) | _proven(world, volume) for volume in world.volumes}))
    held, attached = holders(world), world.driver.attached()
    for told in world.attacher.attachments.values():
        is_robbed = told.node in world.checker.volume(told.volume).robbed
        if told.told and not is_robbed and told.node not in attached.get(told.volume, ()):
            raise Broken("nothing forgotten", told.volume, f"{told.node} was told to have it, and the driver has it not attached")
    _judge_indexes(world, held)


def unrecorded(world: World) -> list[Attachment]:
    """Return those who were told, and whom no record names, as the PV was made anew: other evidence speaks for them."""
    held = holders(world)
    return [each for each in world.attacher.attachments.values() if each.told and each.node not in held[each.volume]]


def _proven(world: World, volume: str) -> frozenset[str]:
    """Return the nodes of which it is tried that nobody else gets the volume, though nothing names them."""
    return frozenset(each.node for each in unrecorded(world) if each.volume == volume and not world.plan.kind.is_shared)


def judge_empty(world: World) -> None:
    """Judge a world in which everybody has let go.

    NB: nothing keeps the driver from an attach without a token that it carries out after all of that.
    """
    judge(world.checker.rest())
    for volume, nodes in holders(world).items():
        if nodes:
            raise Broken("nothing remains", volume, f"everybody has let go of it, and its record names {nodes}")
    for volume, attached in world.driver.attached().items():
        nodes = sorted(set(attached).intersection(world.checker.owed(world.checker.volume(volume))))
        if nodes:
            raise Broken("nothing remains", volume, f"everybody has let go of it, and the driver has it attached to {nodes}")


def judge_waits(world: World) -> None:
    """Raise if an operation is open that should have ended long ago."""
    for run in open_runs(world):
        volume = world.volume_of(run)
        raise Broken("every run ends", volume, f"{run.started.workflow_type.name} {run.run_id} is open, and nothing is in its way")


def open_runs(world: World) -> list[Run]:
    """Return the open runs on volumes, and once there is nothing to wait for, those on nodes."""
    found = [run for runs in world.temporal.runs() for run in runs if run.open]
    return [run for run in found if world.volume_of(run) or (world.is_called_off and run.workflow_id.startswith("evacuate/"))]


def waiting(world: World, volume: str) -> frozenset[str]:
    """Return the node that has the volume until it has a PV, by a run that is open or was terminated, which releases nothing."""
    run = world.temporal.find(f"unpersisted/{world.settings.driver}/{volume}")
    if run is None or run.status not in HOLDS:
        return frozenset()
    return frozenset({json.loads(run.started.input.payloads[0].data)["attachment"]["node_id"]})


def holders(world: World) -> dict[str, list[str]]:
    """Return the nodes that the records of each volume name."""
    found: dict[str, set[str]] = {volume: set() for volume in world.volumes}
    for handle, written in _records(world):
        record = read(world.settings.driver, written)
        found[handle] |= set(record.holders)
    return {volume: sorted(nodes) for volume, nodes in found.items()}


def _records(world: World) -> Iterator[tuple[str, dict[str, str]]]:
    for name in world.kube.pv_names():
        pv = world.kube.ask("GET", f"/api/v1/persistentvolumes/{name}")
        yield pv["spec"]["csi"]["volumeHandle"], pv["metadata"].get("annotations") or {}


def _judge_indexes(world: World, held: dict[str, list[str]]) -> None:
    for each in world.workers:
        assert each.worker is not None
        shown: dict[str, list[str]] = {volume: [] for volume in world.volumes}
        for indexed in each.worker.manager.list_attachments():
            shown[indexed.volume_handle].append(indexed.attachment.node_id)
        for volume, nodes in shown.items():
            if volume not in world.stripped and sorted(nodes) != held[volume]:
                raise Broken("index equals PVs", volume, f"worker {each.number} shows {sorted(nodes)}, the PVs say {held[volume]}")
