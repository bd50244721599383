"""The advice for each situation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mooring.explain.advice import advise
from mooring.explain.facts import AttachmentFacts, Facts, NodeFacts, PvFacts, RelatedRun
from mooring.models import Attachment, Precondition, VolumeRecord
from mooring.models.adoption import Finding, Verdict
from mooring.temporal.run_reader import VolumeRun
from mooring.temporal.stuck_tasks import StuckTask

NOW = datetime(2026, 1, 31, 4, 0, tzinfo=UTC)
LIVING = NodeFacts(name="worker-1", node_id="node-a", exists=True, ready="True", registered=True)


def pv(*holders: str, **fields: Any) -> PvFacts:
    """Return a PV whose record names these holders."""
    held = tuple(Attachment(node_id=node, attached_at=NOW) for node in holders)
    record = VolumeRecord(mark=Precondition(pv="pv-vol", uid="u", epoch=3, node=holders[0] if holders else None), holders=held)
    plain = {"name": "pv-vol", "phase": "Bound", "claim": "", "reclaim_policy": "", "access_modes": (), "deleting_since": None}
    return PvFacts(**{**plain, "record": record, **fields})


def wanted(node: str = "worker-1", *, attached: bool = True, error: str = "", leaving: bool = False) -> AttachmentFacts:
    """Return the volume's VolumeAttachment."""
    return AttachmentFacts(
        name="csi-1",
        node=node,
        node_id="node-a" if node == "worker-1" else node,
        attached=attached,
        since=NOW,
        deleting_since=NOW if leaving else None,
        error=error,
    )


def ran(
    operation: str = "publish", *, state: str = "Attached", ended: bool = True, failure: str = "", message: str = ""
) -> VolumeRun:
    """Return an operation for node-a."""
    return VolumeRun(
        run_id="r",
        workflow_id="w",
        operation=operation,
        node_id="node-a",
        started_at=NOW,
        ended_at=NOW if ended else None,
        state=state,
        held_by=None,
        epoch=None,
        failure=failure,
        message=message,
    )


def failing(run_id: str = "r", cause: str = "Nondeterminism error", **fields: Any) -> StuckTask:
    """Return a run that can't go on."""
    plain = {"namespace": "default", "workflow_id": "w d", "workflow": "PublishVolume", "attempts": 4, "since": NOW}
    return StuckTask(**{**plain, "run_id": run_id, "cause": cause, **fields})


def other(kind: str, about: str, state: str) -> RelatedRun:
    """Return an open run that concerns the volume."""
    return RelatedRun(kind=kind, about=about, workflow_id="w", run_id="r", state=state, started_at=NOW, ended_at=None)


def finding(verdict: Verdict, *, refused: bool = False) -> Finding:
    """Return a worker's finding about the VolumeAttachment."""
    return Finding(
        volume_handle="vol",
        pv="pv-vol",
        node="worker-1",
        node_id="node-a",
        volume_attachment="csi-1",
        verdict=verdict,
        why="Nothing says which is right.",
        publish_refused=refused,
    )


HELD: dict[str, Any] = {"pvs": (pv("node-a"),), "nodes": (LIVING,), "volume_attachments": (wanted(),)}
BUSY = ran(ended=False, state="Publishing", failure="KubernetesForbidden", message="record node-a, attempt 3: 403.")

SITUATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("nothing-wrong", "", HELD),
    ("nothing-wrong", "", {"pvs": (pv(),)}),
    ("unknown", "", {"unasked": ("Temporal is away.",)}),
    ("unreadable-record", "kubectl get pv pv-vol -o yaml", {"pvs": (pv(record=None, problem="PersistentVolume pv-vol is odd."),)}),
    ("nothing-wrong", "", {"pvs": (pv(), pv(name="pv-2"))}),
    ("duplicate-volume", "mooring unpublish vol node-b", {"pvs": (pv("node-a"), pv("node-b", name="pv-2"))}),
    ("disputed", "mooring adopt --dry-run", {"pvs": (pv(),), "findings": (finding(Verdict.DISPUTED, refused=True),)}),
    ("attached-not-recorded", "mooring adopt", {"pvs": (pv(),), "findings": (finding(Verdict.ADOPT),)}),
    (
        "volume-attachment-left-over",
        "kubectl delete volumeattachment csi-1",
        {"pvs": (pv(),), "findings": (finding(Verdict.FREED),)},
    ),
    ("holder-gone", "mooring evacuate node-a", {**HELD, "nodes": (LIVING.model_copy(update={"exists": False}),)}),
    (
        "holder-unknown",
        "kubectl get nodes,csinodes",
        {**HELD, "nodes": (NodeFacts(name="node-a", node_id="node-a", exists=False, guessed=True),)},
    ),
    ("holder-out-of-service", "mooring evacuate node-a", {**HELD, "nodes": (LIVING.model_copy(update={"out_of_service": True}),)}),
    ("holder-not-ready", "kubectl describe node worker-1", {**HELD, "nodes": (LIVING.model_copy(update={"ready": "Unknown"}),)}),
    (
        "evacuation-waits",
        "mooring approve evacuate/node-a --reason 'How you know that the node is off'",
        {**HELD, "related": (other("evacuation", "node-a", "AwaitingProof"),)},
    ),
    ("evacuation-runs", "mooring evacuate node-a", {**HELD, "related": (other("evacuation", "node-a", "Evacuating"),)}),
    ("migration-overdue", "mooring unpublish vol node-a", {**HELD, "related": (other("migration", "vol", "MigrationOverdue"),)}),
    ("no-worker", "mooring check", {"runs": (BUSY,), "workers": ()}),
    ("no-waiting-worker", "mooring check", {"related": (other("migration", "vol", "Migrating"),), "waiters": ()}),
    ("no-rights", "mooring check --account mooring:mooring", {"runs": (BUSY,), "workers": ("w",)}),
    ("retrying", "mooring history vol", {"runs": (BUSY.model_copy(update={"failure": "SecretsAwaited"}),)}),
    ("retrying", "mooring history vol", {"runs": (BUSY.model_copy(update={"failure": "SomethingElse"}),)}),
    (
        "workflow-task-fails",
        "temporal workflow reset --workflow-id 'w d' --run-id r --type FirstWorkflowTask --reason 'its workflow task fails'",
        {"runs": (BUSY.model_copy(update={"failure": ""}),), "stuck": (failing(),)},
    ),
    ("under-way", "mooring history vol", {"runs": (BUSY.model_copy(update={"failure": ""}),)}),
    (
        "detach-fails",
        "kubectl describe volumeattachment csi-1",
        {**HELD, "volume_attachments": (wanted(leaving=True, error="no"),)},
    ),
    ("detach-waits", "kubectl describe volumeattachment csi-1", {**HELD, "volume_attachments": (wanted(leaving=True),)}),
    (
        "attach-fails",
        "mooring history vol",
        {**HELD, "volume_attachments": (wanted(), wanted("node-b", attached=False, error="no"))},
    ),
    ("recorded-not-attached", "mooring unpublish vol node-a", {**HELD, "volume_attachments": ()}),
    ("waits-for-pv", "mooring unpublish vol node-a", {"unpersisted": Attachment(node_id="node-a", attached_at=NOW)}),
    ("ended-badly", "mooring unpublish vol node-a", {**HELD, "runs": (ran("unpublish", state="NotCleared"),)}),
    ("ended-badly", "mooring history vol", {"pvs": (pv(),), "runs": (ran(state="RolledBack"),)}),
]


@pytest.mark.parametrize(("situation", "command", "facts"), SITUATIONS)
def test_each_situation_has_its_advice(situation: str, command: str, facts: dict[str, Any]) -> None:
    [advice] = advise(Facts(volume_handle="vol", **facts))
    assert advice.situation == situation
    assert not command or command in advice.commands


def test_what_is_under_way_comes_before_what_it_may_mend() -> None:
    facts = Facts(volume_handle="vol", **{**HELD, "volume_attachments": (wanted(leaving=True, error="no"),), "runs": (BUSY,)})
    assert [advice.situation for advice in advise(facts)] == ["no-rights"]


@pytest.mark.parametrize(
    "why",
    [{"runs": (ran("unpublish", failure="SecretsNeeded"),)}, {"nodes": (LIVING.model_copy(update={"out_of_service": True}),)}],
)
def test_what_only_the_co_can_detach_is_said_with_what_makes_it_ask(why: dict[str, Any]) -> None:
    facts = Facts(volume_handle="vol", **{**HELD, "pvs": (pv("node-a", takes_secrets=True),), **why})
    [advice] = [advice for advice in advise(facts) if advice.situation == "waits-for-co"]
    assert advice.commands == ("kubectl delete volumeattachment csi-1",)
    assert "until the CO's own call supplies them" in advice.says


def test_a_failing_workflow_task_of_another_run_hides_no_operation_that_is_under_way() -> None:
    facts = Facts(
        volume_handle="vol", runs=(BUSY.model_copy(update={"failure": ""}),), stuck=(failing("of another run", cause=""),)
    )
    assert [advice.situation for advice in advise(facts)] == ["workflow-task-fails", "under-way"]


@pytest.mark.parametrize(
    ("task", "situations"),
    [(failing(timed_out=True), ["no-worker"]), (failing(), ["workflow-task-fails", "no-worker"])],
)
def test_a_workflow_task_that_timed_out_is_no_fault_of_the_run_where_no_worker_polls(
    task: StuckTask, situations: list[str]
) -> None:
    facts = Facts(volume_handle="vol", runs=(BUSY.model_copy(update={"failure": ""}),), stuck=(task,), workers=())
    assert [advice.situation for advice in advise(facts)] == situations


@pytest.mark.parametrize("workers", [("w",), None])
def test_a_workflow_task_that_times_out_is_named_where_workers_poll_or_may_poll(workers: tuple[str, ...] | None) -> None:
    facts = Facts(volume_handle="vol", runs=(BUSY,), stuck=(failing(timed_out=True),), workers=workers)
    assert [advice.situation for advice in advise(facts)] == ["workflow-task-fails"]


def test_the_reset_of_a_run_names_a_namespace_that_is_not_the_default() -> None:
    [advice] = advise(Facts(volume_handle="vol", stuck=(failing(namespace="my space"),)))
    assert advice.commands[1].startswith("temporal workflow reset --namespace 'my space' --workflow-id 'w d' --run-id r ")


def test_a_node_that_is_being_evacuated_is_not_to_be_evacuated_again() -> None:
    gone = LIVING.model_copy(update={"exists": False})
    facts = {**HELD, "nodes": (gone,), "related": (other("evacuation", "node-a", "Evacuating"),)}
    assert [advice.situation for advice in advise(Facts(volume_handle="vol", **facts))] == ["evacuation-runs"]


def test_who_is_in_the_way_of_an_attachment_is_named() -> None:
    facts = Facts(volume_handle="vol", **{**HELD, "volume_attachments": (wanted(), wanted("node-b", attached=False, error="held"))})
    assert "as soon as node-a no longer holds it" in advise(facts)[0].says


def test_an_error_of_mooring_brings_its_own_advice() -> None:
    facts = Facts(volume_handle="vol", runs=(BUSY.model_copy(update={"failure": "BackendUncertain", "message": "No answer."}),))
    assert advise(facts)[0].says.endswith("No answer. It is retried; if this persists, check the backend.")


def test_what_could_not_be_asked_is_not_taken_for_absent() -> None:
    facts = Facts(volume_handle="vol", **{**HELD, "volume_attachments": None}, unasked=("VolumeAttachments: no.",))
    assert [advice.situation for advice in advise(facts)] == ["unknown"]


def test_unknown_holders_are_no_reassurance() -> None:
    [advice] = advise(Facts(volume_handle="vol", unasked=("KUBECONFIG isn't set.", "Temporal is away.")))
    assert (advice.situation, "holders are unknown" in advice.says, "Nothing is wrong" in advice.says) == ("unknown", True, False)


def test_names_are_quoted_for_a_shell() -> None:
    facts = Facts(volume_handle="vol; reboot", **{**HELD, "volume_attachments": ()})
    assert advise(facts)[0].commands == ("mooring unpublish 'vol; reboot' node-a",)


@pytest.mark.parametrize(
    ("handle", "command"),
    [
        ("a'b c", """mooring unpublish 'a'"'"'b c' node-a"""),
        ("-v", "mooring unpublish -- -v node-a"),
        ("$(x)", "mooring unpublish '$(x)' node-a"),
    ],
)
def test_a_command_can_be_pasted_whatever_the_volume_is_called(handle: str, command: str) -> None:
    facts = Facts(volume_handle=handle, unpersisted=Attachment(node_id="node-a", attached_at=NOW))
    assert advise(facts)[0].commands == (command,)
