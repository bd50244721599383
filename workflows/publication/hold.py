"""The publish of a volume that has no PV yet: an open PersistAttachment run is the lock until there is one.

Contract: only the operation that holds the volume's workflow id starts such a run; it may end by itself at any time, when the PV
appears. Every answer about it is of a run id, so that a late attempt never ends or settles another node's.
"""

from __future__ import annotations

from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from mooring import names
    from mooring.errors import Contended, VolumeNotFound
    from mooring.models import Attachment, PersistInput, PublishRequest, ReadResult, UnpersistedRun
    from mooring.records import holds
    from workflows.common.cancellation import to_the_end
    from workflows.common.failures import failure
    from workflows.common.lives import LIVES, this_life
    from workflows.common.steps import Steps
    from workflows.persist import PersistAttachment


_OUTWAITS = "leaves the end of a hold to who asked for it"
"""The patch since which a publish ends no hold that it finds being ended."""
RECOVERS = "finds its own hold again that was reset"
"""The patch since which a publish knows a hold of its own, though that goes on in another run, and whether a record is of it."""


class UnpersistedHold:
    """The PersistAttachment run of one publish's volume: `found`, if it existed before, or `started` by this publish."""

    def __init__(self, steps: Steps, asked: PublishRequest) -> None:
        self._steps = steps
        self._asked = asked
        self.found: UnpersistedRun | None = None
        self.started: UnpersistedRun | None = None
        self._has_begun = False
        self._begun_in = this_life()
        """The life in which the run was started: a former self may have reported success on it."""
        self._begun: dict[str, int] = {}
        """The runs that this publish has started, or that go on in their place, and the life in which it learnt of them."""
        self._others: set[str] = set()
        """The runs that are no hold of this publish."""
        self.may_have_recorded = False
        """True if the run that this publish had started was given its word, and so may have written the record in its name."""

    async def others_wait(self) -> bool:
        """Return whether an attachment that this publish has not made waits for the volume's PV."""
        if self._outlived:
            self.started, self._has_begun = None, False
        elif not self._steps.may_wait or self.started is not None:
            return False
        found = await self._steps.find_waiting()
        if found is not None and found.over:
            await self._steps.waits.drop_hold(found.run_id)
            found = await self._steps.find_waiting()
        while found is not None and found.ending and workflow.patched(_OUTWAITS):
            await self._steps.waits.outwait_hold(found.run_id)
            found = await self._steps.find_waiting()
        if found is not None and found.ending:
            await self._steps.waits.drop_hold(found.run_id)
            found = await self._steps.find_waiting()
        self.found = self._steps.waiting = found
        return self.found is not None

    @property
    def kept(self) -> bool:
        """True if the node held the volume without a PV before this publish, or the one that it was reset from."""
        return not self._has_begun and self.found is not None and self.found.attachment.node_id == self._asked.node_id

    @property
    def mine(self) -> tuple[str, ...]:
        """The runs that write in this publish's stead; none that its former self had begun, which may have reported success."""
        return tuple(run for run, life in self._begun.items() if life == this_life())

    async def hold(self) -> UnpersistedRun | None:
        """Return the hold on the volume until it has a PV: the one that waits already, if it is this node's, or a new run.

        Return None if the run that this publish had started, or that of the publish it was reset from, has ended.
        """
        if self.started is not None:
            return self.started if await self._find(self.started) else None
        if self.found is None:
            return await self._start()
        refusal = holds.refuse(self.found.attachment, self._asked)
        if refusal is not None:
            raise failure(refusal)
        return self.found

    async def settle(self, held: UnpersistedRun) -> bool:
        """Let the run write the attachment once there is a PV, and return whether it holds the volume as this run settled."""
        run: workflow.ExternalWorkflowHandle[PersistAttachment] = workflow.get_external_workflow_handle_for(
            PersistAttachment.run, names.unpersisted_id(self._asked), run_id=held.run_id
        )
        self.may_have_recorded = self.may_have_recorded or held.run_id == (self.started and self.started.run_id)
        with suppress(ApplicationError):  # it has ended: the PV is there, or an operator has ended it
            await run.signal(PersistAttachment.settle, held.attachment)
        now = await self._find(held)
        return now is not None and holds.may_succeed(now, self._steps.operation)

    async def _find(self, held: UnpersistedRun) -> UnpersistedRun | None:
        """Return the run if it is still open; if not, an attachment that waits now is another's."""
        now = await self._steps.find_waiting()
        if now is not None and holds.is_open(held, now):
            return now
        self.started, self.found, self._steps.waiting = None, None, now
        return None

    async def leave_former(self) -> None:
        """Leave alone the run started by the publish from which this one was reset, and which may have reported success."""
        if self.started is None:
            return
        found = await self._steps.find_waiting()
        if found is None or holds.is_mine(found):
            return
        if found.run_id == self.started.run_id or workflow.patched(RECOVERS):  # NB: a reset gives the hold another run id
            self.started, self.found, self._steps.waiting, self._has_begun = None, found, found, False

    async def learn_anew(self) -> None:
        """Look again for a wait if the publish was reset since the last look; one that its former self started is then `found`."""
        if self._outlived or self._steps.is_waiting_unknown:
            await self.others_wait()

    async def recover(self) -> None:
        """Find the run again that this publish has started, if an operator has reset it meanwhile."""
        if self.started is None and self.mine and workflow.patched(RECOVERS):
            found = await self._steps.find_waiting()
            if found is not None and holds.is_mine(found):
                self.started, self._begun_in = found, this_life()
                self._begun[found.run_id] = self._begun_in

    async def learn_writers(self, seen: ReadResult) -> None:
        """Ask of a record that names the node whether a hold of this publish has written it, in a run that it has not seen."""
        # NB: "" is the writer of a record that no operation has written.
        node, known = self._asked.node_id, {"", seen.by, *self.mine, *self._others}
        record = seen.record or seen.departed
        copies = record.copies if record is not None and self.mine else ()
        unknown = {copy.operation for copy in copies if copy.holder(node) is not None} - known
        if not unknown or not workflow.patched(RECOVERS):
            return
        for run_id in sorted(unknown):
            if await self._steps.waits.has_begun(run_id):
                self._begun[run_id] = this_life()
            else:
                self._others.add(run_id)

    async def drop(self) -> None:
        """End the run that this publish has started, if any."""
        await self.learn_anew()
        if self.started is not None:
            await self._steps.waits.drop_hold(self.started.run_id)

    @property
    def _outlived(self) -> bool:
        """True if the run was reset since it started the run that holds the volume."""
        return self.started is not None and self._begun_in != this_life() and workflow.patched(LIVES)

    async def _start(self) -> UnpersistedRun:
        if self._steps.limits.reject_missing_pv:
            raise failure(
                VolumeNotFound(
                    f"Volume {self._asked.volume_handle} of driver {self._asked.driver} has no PersistentVolume, and "
                    "MOORING_MISSING_PV=reject refuses such volumes: create the PersistentVolume first; `tolerate` in its place "
                    "admits them."
                )
            )
        held = Attachment(
            node_id=self._asked.node_id,
            attached_at=workflow.now(),
            access_mode=self._asked.access_mode,
            readonly=self._asked.readonly,
        )
        try:
            await to_the_end(self._start_run(held))
        except WorkflowAlreadyStartedError:
            raise failure(Contended(f"Volume {self._asked.volume_handle} got another holder just now.")) from None
        if self.started is None:
            raise AssertionError("a run that has started has an id")
        return self.started

    async def _start_run(self, held: Attachment) -> None:
        self._begun_in = this_life()
        run = await workflow.start_child_workflow(
            PersistAttachment.run,
            PersistInput(volume=self._steps.volume, attachment=held, operation=self._steps.operation),
            id=names.unpersisted_id(self._asked),
            parent_close_policy=ParentClosePolicy.ABANDON,
            task_timeout=names.TASK_TIMEOUT,
            memo={names.ATTACHMENT_MEMO: held, names.SECRETS_MEMO: self._asked.with_secrets, **names.handle_memo(self._asked)},
            static_summary=names.summary(f"{held.node_id} holds {self._asked.volume_handle} until it has a PersistentVolume"),
        )
        self._has_begun = True
        self.started = UnpersistedRun(attachment=held, run_id=run.first_execution_run_id or "")
        self._begun[self.started.run_id] = self._begun_in
