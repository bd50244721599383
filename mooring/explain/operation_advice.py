"""Advice about open operations, failures, and the errors of external-attacher."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import Final

from mooring.errors import TABLE, SecretsAwaited, SecretsNeeded
from mooring.explain.commands import history, unpublish, whom
from mooring.explain.facts import Advice, AttachmentFacts, Facts
from mooring.states import State
from mooring.temporal.queues import Unserved
from mooring.temporal.run_reader import VolumeRun
from mooring.temporal.stuck_tasks import StuckTask

FORBIDDEN: Final = "KubernetesForbidden"
DEFAULT_NAMESPACE: Final = "default"
WORKER_LOGS: Final = "kubectl -n mooring logs deploy/mooring-worker"
NO_WORKER: Final = ("mooring check", WORKER_LOGS)
UNSOUND: Final = {
    State.NOT_CLEARED: "is detached, but its record could not be cleared, so it stays fenced to its holder",
    State.NOT_DETACHED: "could not be detached at the backend",
    State.ROLLED_BACK: "was not published, and all of it was undone",
}


def stuck(facts: Facts) -> Iterator[Advice]:
    """Advise on open runs whose workflow task keeps failing: workers try it again for ever, and nothing else of the run goes on.

    NB: a task that has only timed out is no fault of the run's where no worker polls; whoever had it may have been killed.
    """
    for task in facts.stuck:
        if not (task.timed_out and facts.workers == ()):
            yield _stuck(task)


def rolling_back(facts: Facts) -> Iterator[Advice]:
    """Advise on a publish that is being undone and can't get on: first its open step, then why it failed, then the ways out."""
    run = facts.open
    if run is None or not _is_undone(facts, run):
        return
    why = f" It failed because: {run.cause.rstrip('.')}." if run.cause else ""
    yield Advice(
        situation="rolling-back",
        says=f"The {run.operation} {whom(run.node_id)} failed and is being undone, for which the volume waits: {run.message}.{why} "
        f"It is tried until it succeeds, so correct the cause at the backend, and nothing else is to be done. If the backend "
        f"can't be corrected, make sure that node {run.node_id} does not use the volume, terminate the run, and unpublish the "
        f"volume: until then it stays with the node. In the Temporal UI: {facts.page(run)}",
        commands=(history(facts), _terminate(facts, run), unpublish(facts, run.node_id)),
    )


def _is_undone(facts: Facts, run: VolumeRun) -> bool:
    """Return whether the operation is a rollback that only its step's failures hold up."""
    served = facts.workers != () and all(task.run_id != run.run_id for task in facts.stuck)
    return served and run.state == State.ROLLING_BACK and run.failure != FORBIDDEN and bool(run.message)


def _terminate(facts: Facts, run: VolumeRun) -> str:
    namespace = "" if facts.namespace == DEFAULT_NAMESPACE else f"--namespace {quote(facts.namespace)} "
    return f"temporal workflow terminate {namespace}--workflow-id {quote(run.workflow_id)} --run-id {run.run_id}"


def under_way(facts: Facts) -> Iterator[Advice]:
    """Advise on an open operation: it waits for a worker, lacks rights, is retried, or proceeds."""
    run = facts.open
    if run is None:
        return
    operation = f"The {run.operation} {whom(run.node_id)}"
    queue = f" {facts.task_queue}" if facts.task_queue else ""
    if _is_undone(facts, run):
        return
    if facts.unserved:
        yield _no_current_version(facts.unserved, f"the {run.operation} {whom(run.node_id)} waits")
    elif facts.workers == ():
        says = f"{operation} waits, and no worker polls its task queue{queue}. Start one, or see why none is ready."
        yield Advice(situation="no-worker", says=says, commands=NO_WORKER)
    elif any(task.run_id == run.run_id for task in facts.stuck):
        return
    elif run.failure == FORBIDDEN:
        commands = ("kubectl apply -f deploy/kubernetes/rbac.yaml", "mooring check --account mooring:mooring")
        yield Advice(situation="no-rights", says=f"{operation} can't go on: {_advised(run)}", commands=commands)
    elif run.failure:
        yield Advice(situation="retrying", says=f"{operation} is tried again: {_advised(run)}", commands=(history(facts),))
    else:
        says = f"{operation} is under way, and nothing has failed. If it stays so, ask again and compare the step."
        yield Advice(situation="under-way", says=says, commands=(history(facts),))


def waits_for_workers(facts: Facts) -> Iterator[Advice]:
    """Advise on an open evacuation or migration whose waits no worker carries out."""
    open_runs = [f"the {run.kind} of {run.about}" for run in facts.related if run.ended_at is None]
    if open_runs and facts.unserved_waits:
        yield _no_current_version(facts.unserved_waits, f"{' and '.join(open_runs)} can't go on")
    elif open_runs and facts.waiters == ():
        served = "publishes and unpublishes go on" if facts.workers else "nor the queue of publishes and unpublishes"
        yield Advice(
            situation="no-waiting-worker",
            says=f"No worker polls the task queue of the steps that wait for other operations, so {' and '.join(open_runs)} can't "
            f"go on ({served}). Start a worker that is newer than version 0.1.0, or see why none is ready.",
            commands=NO_WORKER,
        )


def _no_current_version(unserved: Unserved, so: str) -> Advice:
    says = f"{unserved.cause}, so {so}. {unserved.fix}"
    return Advice(situation="no-current-version", says=says, commands=(unserved.command, "mooring check"))


def leaving(facts: Facts) -> Iterator[Advice]:
    """Advise on a VolumeAttachment whose deletion doesn't finish."""
    for each in facts.volume_attachments or ():
        if each.deleting_since is None or facts.open:
            continue
        why = f": {each.error.rstrip('.')}." if each.error else ", and external-attacher has noted no error; check whether it runs."
        since = f"{each.deleting_since:%Y-%m-%d %H:%M} UTC"
        yield Advice(
            situation="detach-fails" if each.error else "detach-waits",
            says=f"VolumeAttachment {each.name} (node {each.node_id or each.node}) has been terminating since {since}{why} "
            "Don't remove its finalizer, or two nodes may get the volume; once the cause is gone, external-attacher detaches it.",
            commands=(f"kubectl describe volumeattachment {each.name}", history(facts)),
        )


def attach_fails(facts: Facts) -> Iterator[Advice]:
    """Advise on a VolumeAttachment that can't be attached."""
    for each in facts.volume_attachments or ():
        if each.deleting_since is None and not each.attached and each.error and not facts.open:
            yield Advice(situation="attach-fails", says=_attach_failure(facts, each), commands=(history(facts),))


def waits_for_co(facts: Facts) -> Iterator[Advice]:
    """Advise on a node that should release the volume, for which only the CO supplies the secrets."""
    if not any(pv.takes_secrets for pv in facts.pvs):
        return
    refused = [run.node_id for run in facts.runs[:1] if run.failure in (SecretsNeeded.type_name(), SecretsAwaited.type_name())]
    nodes = [facts.node(held.node_id) for held in facts.holders]
    dead = [node.node_id for node in nodes if node and (node.out_of_service or not (node.exists or node.guessed))]
    for node_id in dict.fromkeys([*refused, *dead]):
        yield Advice(
            situation="waits-for-co",
            says=(
                f"The driver takes secrets for this volume, so Mooring does not call it {whom(node_id)} until the CO's own "
                f"call supplies them. {SecretsNeeded.advice}"
            ),
            commands=tuple(f"kubectl delete volumeattachment {each.name}" for each in facts.attachments_on(node_id)),
        )


def migrations(facts: Facts) -> Iterator[Advice]:
    """Advise on a live migration that is overdue."""
    for run in facts.related:
        if run.kind == "migration" and run.ended_at is None and run.state == State.MIGRATION_OVERDUE:
            yield Advice(
                situation="migration-overdue",
                says="A live migration of the volume takes longer than allowed. Nothing is detached automatically: end the "
                "migration, or unpublish the volume from the node that the machine has left.",
                commands=tuple(unpublish(facts, held.node_id) for held in facts.holders),
            )


def ended_badly(facts: Facts) -> Iterator[Advice]:
    """Advise if the last operation ended in a state that needs action."""
    run = facts.last
    if run is not None and run.state in UNSOUND:
        says = f"The last {run.operation} {whom(run.node_id)} ended as {run.state}: the volume {UNSOUND[State(run.state)]}."
        command = unpublish(facts, run.node_id) if run.operation == "unpublish" else history(facts)
        yield Advice(situation="ended-badly", says=f"{says} {run.message}".rstrip(), commands=(command,))


def _stuck(task: StuckTask) -> Advice:
    why = task.cause or "Temporal doesn't say why; the workers' logs do"
    return Advice(
        situation="workflow-task-fails",
        says=f"Run {task.run_id} of {task.workflow_id} ({task.workflow}) can't go on: its workflow task has been failing since "
        f"{task.since:%Y-%m-%d %H:%M} UTC and is at attempt {task.attempts} ({why.rstrip('.')}). Workers try it again by "
        "themselves; their logs have the whole cause. If another version of Mooring began it, start workers of that version, or "
        "of a newer one. Else reset the run to its beginning: whatever it has done is fenced, and it looks again.",
        commands=(WORKER_LOGS, _reset(task)),
    )


def _reset(task: StuckTask) -> str:
    """Return the command that begins the run again. NB: later tasks would be replayed, and fail where an earlier step differs."""
    namespace = "" if task.namespace == DEFAULT_NAMESPACE else f"--namespace {quote(task.namespace)} "
    run = f"--workflow-id {quote(task.workflow_id)} --run-id {task.run_id}"
    return f"temporal workflow reset {namespace}{run} --type FirstWorkflowTask --reason 'its workflow task fails'"


def _advised(run: VolumeRun) -> str:
    advice = TABLE[run.failure].advice if run.failure in TABLE else "Look at it in the Temporal UI."
    return run.message if advice in run.message else f"{run.message} {advice}"


def _attach_failure(facts: Facts, each: AttachmentFacts) -> str:
    others = [held.node_id for held in facts.holders if held.node_id != each.node_id]
    wanted = f"Node {each.node_id or each.node} can't have the volume: {each.error.rstrip('.')}."
    if others:
        return (
            f"{wanted} It is attached as soon as {', '.join(others)} no longer holds it: check whether a Pod there still uses it."
        )
    return f"{wanted} external-attacher tries again."
