"""The requests that concern no run: schedules, task queues, the namespace."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.api.enums.v1 import IndexedValueType, NamespaceState
from temporalio.api.operatorservice.v1 import AddSearchAttributesResponse, ListSearchAttributesResponse
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice import v1 as api
from temporalio.bridge.proto.health.v1 import HealthCheckResponse

from tests.simulation.temporal_server.errors import not_found
from tests.simulation.temporal_server.history import duration
from tests.simulation.temporal_server.server import Server

_LIVELY: Final = 300.0
_KINDS: Final = {1: "workflow", 2: "activity"}


class OtherRequests:
    """The requests, by the names that they have on the wire."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create_schedule(self, req: Any) -> api.CreateScheduleResponse:
        kept = self._server.schedules.create(
            req.schedule_id, req.schedule, req.initial_patch if req.HasField("initial_patch") else None
        )
        return api.CreateScheduleResponse(conflict_token=str(kept.token).encode())

    def describe_schedule(self, req: Any) -> api.DescribeScheduleResponse:
        kept = self._server.schedules.get(req.schedule_id)
        info = self._server.schedules.info(kept)
        return api.DescribeScheduleResponse(schedule=kept.schedule, info=info, conflict_token=str(kept.token).encode())

    def update_schedule(self, req: Any) -> api.UpdateScheduleResponse:
        self._server.schedules.update(self._server.schedules.get(req.schedule_id), req.schedule)
        return api.UpdateScheduleResponse()

    def patch_schedule(self, req: Any) -> api.PatchScheduleResponse:
        self._server.schedules.patch(self._server.schedules.get(req.schedule_id), req.patch)
        return api.PatchScheduleResponse()

    def delete_schedule(self, req: Any) -> api.DeleteScheduleResponse:
        self._server.schedules.delete(self._server.schedules.get(req.schedule_id))
        return api.DeleteScheduleResponse()

    def describe_task_queue(self, req: Any) -> api.DescribeTaskQueueResponse:
        queue = self._server.matching.queue(_KINDS[req.task_queue_type or 1], req.task_queue.name)
        since = asyncio.get_running_loop().time() - _LIVELY
        answer = api.DescribeTaskQueueResponse()
        for identity, at in queue.pollers.items():
            if at >= since:
                info = PollerInfo(identity=identity)
                info.last_access_time.FromNanoseconds(round(at * 1e9))
                answer.pollers.append(info)
        return answer

    def describe_namespace(self, req: Any) -> api.DescribeNamespaceResponse:
        if req.namespace != self._server.namespace:
            raise not_found(f"Namespace {req.namespace} is not found.")
        answer = api.DescribeNamespaceResponse()
        answer.namespace_info.name, answer.namespace_info.id = req.namespace, f"id-of-{req.namespace}"
        answer.namespace_info.state = NamespaceState.NAMESPACE_STATE_REGISTERED
        answer.config.workflow_execution_retention_ttl.CopyFrom(duration(self._server.retention))
        return answer

    def get_system_info(self, _: Any) -> api.GetSystemInfoResponse:
        return api.GetSystemInfoResponse(server_version="simulated")

    def add_search_attributes(self, req: Any) -> AddSearchAttributesResponse:
        self._server.search_attributes.update(req.search_attributes)
        return AddSearchAttributesResponse()

    def list_search_attributes(self, _: Any) -> ListSearchAttributesResponse:
        known: dict[str, IndexedValueType.ValueType] = self._server.search_attributes
        return ListSearchAttributesResponse(custom_attributes=known)

    def check(self, _: Any) -> HealthCheckResponse:
        return HealthCheckResponse(status=HealthCheckResponse.SERVING)
