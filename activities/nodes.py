"""The activity that asks the API server about a node that memory doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.attempt import attempt
from mooring.models import CheckNodeInput

if TYPE_CHECKING:
    from mooring.cluster.node_check import NodeChecker


class NodeActivities:
    """The nodes of one driver."""

    def __init__(self, node_checker: NodeChecker) -> None:
        self._node_checker = node_checker

    @activity.defn(name="check_node")
    async def check(self, asked: CheckNodeInput) -> None:
        """Refuse a node that does not exist, or has no room for the volume."""
        async with attempt():
            await self._node_checker.check(asked)
