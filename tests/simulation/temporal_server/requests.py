"""The requests of clients, by the names that they have on the wire."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import HistoryEventFilterType, PendingActivityState
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice import v1 as api
from temporalio.service import RPCError

from tests.simulation.temporal_server.activities import PendingActivity
from tests.simulation.temporal_server.errors import not_found
from tests.simulation.temporal_server.history import stamp
from tests.simulation.temporal_server.other_requests import OtherRequests
from tests.simulation.temporal_server.queries import Query
from tests.simulation.temporal_server.reset import reset
from tests.simulation.temporal_server.run import Run
from tests.simulation.temporal_server.updates import PendingUpdate
from tests.simulation.temporal_server.visibility import describe

_LONG_POLL: Final = 20.0
_LIVELY: Final = 300.0
_PAGE: Final = 1000
_BY_USER: Final = "terminated by user via frontend"
_KINDS: Final = {1: "workflow", 2: "activity"}
_STATES: Final = PendingActivityState
_ENDS: Final = HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
_ACCEPTED: Final = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
_DONE: Final = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED


class Requests(OtherRequests):
    """All requests that Mooring and its tests make."""

    def start_workflow_execution(self, req: Any) -> api.StartWorkflowExecutionResponse:
        started = self._server.starts.start(req, identity=req.identity)
        return api.StartWorkflowExecutionResponse(
            run_id=started.run.run_id,
            started=started.now,
            first_execution_run_id=started.run.started.first_execution_run_id,
            status=started.run.status,
        )

    def signal_with_start_workflow_execution(self, req: Any) -> api.SignalWithStartWorkflowExecutionResponse:
        signal = {"signal_name": req.signal_name, "input": _input(req, "signal_input"), "identity": req.identity}
        last = self._server.find(req.workflow_id)
        if last is not None and last.open:
            run, begun = last, False
            self._server.signal(run, req.signal_name, signal["input"], identity=req.identity, header=req.header)
        else:
            started = self._server.starts.start(req, signal=signal, identity=req.identity)
            run, begun = started.run, started.now
        first = run.started.first_execution_run_id
        return api.SignalWithStartWorkflowExecutionResponse(run_id=run.run_id, started=begun, first_execution_run_id=first)

    async def get_workflow_execution_history(self, req: Any) -> api.GetWorkflowExecutionHistoryResponse:
        if req.next_page_token:
            run_id, _, position = req.next_page_token.decode().partition("/")
            run, at = self._find(req.execution.workflow_id, run_id), int(position)
        else:
            run, at = self._find(req.execution.workflow_id, req.execution.run_id), 0
        if req.wait_new_event:
            await _wait(run, at, ends=req.history_event_filter_type == _ENDS)
        answer = api.GetWorkflowExecutionHistoryResponse()
        if req.history_event_filter_type == _ENDS:
            answer.history.events.extend([] if run.open else run.events[-1:])
            done = not (run.open and req.wait_new_event)
        else:
            page = run.events[at : at + (req.maximum_page_size or _PAGE)]
            answer.history.events.extend(page)
            at += len(page)
            done = at >= len(run.events) and not (run.open and req.wait_new_event)
        answer.next_page_token = b"" if done else f"{run.run_id}/{at}".encode()
        return answer

    def describe_workflow_execution(self, req: Any) -> api.DescribeWorkflowExecutionResponse:
        run = self._find(req.execution.workflow_id, req.execution.run_id)
        answer = api.DescribeWorkflowExecutionResponse(workflow_execution_info=describe(run))
        config = answer.execution_config
        config.task_queue.CopyFrom(run.started.task_queue)
        config.workflow_run_timeout.CopyFrom(run.started.workflow_run_timeout)
        config.default_workflow_task_timeout.CopyFrom(run.started.workflow_task_timeout)
        if run.events[0].HasField("user_metadata"):
            config.user_metadata.CopyFrom(run.events[0].user_metadata)
        answer.pending_activities.extend(_pending(each) for each in run.activities.values())
        answer.workflow_extended_info.cancel_requested = run.cancel_requested
        return answer

    def signal_workflow_execution(self, req: Any) -> api.SignalWorkflowExecutionResponse:
        run = self._open(req.workflow_execution)
        if req.request_id not in run.requests:
            run.requests.add(req.request_id)
            self._server.signal(run, req.signal_name, _input(req, "input"), identity=req.identity, header=req.header)
        return api.SignalWorkflowExecutionResponse()

    def request_cancel_workflow_execution(self, req: Any) -> api.RequestCancelWorkflowExecutionResponse:
        run = self._open(req.workflow_execution, req.first_execution_run_id)
        self._server.request_cancel(run, req.reason, req.identity)
        return api.RequestCancelWorkflowExecutionResponse()

    def terminate_workflow_execution(self, req: Any) -> api.TerminateWorkflowExecutionResponse:
        run = self._open(req.workflow_execution, req.first_execution_run_id)
        self._server.terminate(run, req.reason or _BY_USER, req.identity, _input(req, "details"))
        return api.TerminateWorkflowExecutionResponse()

    def reset_workflow_execution(self, req: Any) -> api.ResetWorkflowExecutionResponse:
        run = self._find(req.workflow_execution.workflow_id, req.workflow_execution.run_id)
        return api.ResetWorkflowExecutionResponse(run_id=reset(self._server, run, req).run_id)

    def list_workflow_executions(self, req: Any) -> api.ListWorkflowExecutionsResponse:
        found, begin = self._server.visibility.query(req.query), int(req.next_page_token or b"0")
        page = found[begin : begin + (req.page_size or _PAGE)]
        end = begin + len(page)
        token = str(end).encode() if end < len(found) else b""
        return api.ListWorkflowExecutionsResponse(executions=page, next_page_token=token)

    def count_workflow_executions(self, req: Any) -> api.CountWorkflowExecutionsResponse:
        return api.CountWorkflowExecutionsResponse(count=len(self._server.visibility.query(req.query)))

    async def query_workflow(self, req: Any) -> api.QueryWorkflowResponse:
        run = self._find(req.execution.workflow_id, req.execution.run_id)
        query = Query(run, self._server.new_id(), req.query)
        self._server.matching.queue("workflow", run.queue).offer(query)
        found = await query.answer
        if isinstance(found, RPCError):
            raise found
        return api.QueryWorkflowResponse(query_result=found)

    async def update_workflow_execution(self, req: Any) -> api.UpdateWorkflowExecutionResponse:
        run = self._open(req.workflow_execution, req.first_execution_run_id)
        known = run.updates.get(req.request.meta.update_id)
        if known is None:
            known = run.updates[req.request.meta.update_id] = PendingUpdate(run, req.request)
            self._server.tasks.schedule(run, speculative=True)
        return await self._await_update(known)

    async def poll_workflow_execution_update(self, req: Any) -> api.PollWorkflowExecutionUpdateResponse:
        run = self._find(req.update_ref.workflow_execution.workflow_id, req.update_ref.workflow_execution.run_id)
        known = run.updates.get(req.update_ref.update_id)
        if known is None:
            raise not_found(f'update "{req.update_ref.update_id}" not found')
        found = await self._await_update(known)
        return api.PollWorkflowExecutionUpdateResponse(outcome=found.outcome, stage=found.stage, update_ref=found.update_ref)

    async def _await_update(self, update: PendingUpdate) -> api.UpdateWorkflowExecutionResponse:
        run = update.run
        while not update.outcome.done():
            if not run.open:
                raise not_found("workflow execution already completed")
            waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(run.changed()), update.outcome]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            waits[0].cancel()
        execution = WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)
        ref = UpdateRef(workflow_execution=execution, update_id=update.id)
        return api.UpdateWorkflowExecutionResponse(update_ref=ref, outcome=update.outcome.result(), stage=_DONE)

    def _find(self, workflow_id: str, run_id: str) -> Run:
        run = self._server.find(workflow_id, run_id)
        if run is None:
            raise not_found(f"workflow not found for ID: {workflow_id}")
        return run

    def _open(self, execution: Any, first_run_id: str = "") -> Run:
        run = self._find(execution.workflow_id, execution.run_id)
        if not run.open or (first_run_id and run.started.first_execution_run_id != first_run_id):
            raise not_found("workflow execution already completed")
        return run


async def _wait(run: Run, at: int, *, ends: bool) -> None:
    """Wait for what a long poll waits for, or until it is over."""
    try:
        async with asyncio.timeout(_LONG_POLL):
            while run.open and (ends or at >= len(run.events)):
                await run.changed(ends=ends)
    except TimeoutError:
        return


def _pending(activity: PendingActivity) -> PendingActivityInfo:
    state = _STATES.PENDING_ACTIVITY_STATE_SCHEDULED
    if activity.started_at is not None:
        asked = activity.cancel_requested_id > 0
        state = _STATES.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED if asked else _STATES.PENDING_ACTIVITY_STATE_STARTED
    info = PendingActivityInfo(
        activity_id=activity.asked.activity_id,
        activity_type=activity.asked.activity_type,
        state=state,
        attempt=activity.attempt,
        maximum_attempts=activity.asked.retry_policy.maximum_attempts,
        scheduled_time=stamp(activity.attempt_scheduled_at),
        last_failure=activity.last_failure,
        last_worker_identity=activity.identity,
        heartbeat_details=activity.details,
    )
    if activity.started_at is not None:
        info.last_started_time.CopyFrom(stamp(activity.started_at))
    return info


def _input(req: Any, name: str) -> Any:
    return getattr(req, name) if req.HasField(name) else None
