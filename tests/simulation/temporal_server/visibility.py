"""The list of runs, which lags behind them, and the queries that Mooring sends to it.

A query is clauses with AND and OR, AND first: WorkflowId, RunId, WorkflowType, ExecutionStatus, StartTime, CloseTime or a search
attribute of type Keyword, compared by =, !=, <, <=, >, >= or STARTS_WITH with a quoted string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter, eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.service import RPCStatusCode

from tests.simulation.temporal_server.errors import refusal
from tests.simulation.temporal_server.history import stamp

if TYPE_CHECKING:
    from tests.simulation.temporal_server.run import Run
    from tests.simulation.temporal_server.server import Server

Test = Callable[["Listed"], bool]

_CLAUSE: Final = re.compile(
    r"\s*(\w+)\s*(=|!=|<=|>=|<|>|STARTS_WITH)\s*(?:'((?:[^'\\]|\\.|'')*)'|\"((?:[^\"\\]|\\.)*)\")\s*", re.ASCII
)
_COMPARED: Final[dict[str, Callable[[Any, Any], bool]]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_OPEN: Final = "ExecutionStatus = 'Running'"
_KEPT: Final = 512
"""Number of queries that needn't be read again: workers ask the same ones for as long as they live."""
_TIMES: Final = ("StartTime", "CloseTime")
_PLACE: Final = ""
"""The name of a place among a run's values, which no query names."""
_STATUS: Final = {
    number: name.removeprefix("WORKFLOW_EXECUTION_STATUS_").title().replace("_", "")
    for name, number in WorkflowExecutionStatus.items()
}


@dataclass(slots=True)
class Listed:
    """A run as the list has it; `at` orders runs that began in one moment."""

    run: Run
    info: WorkflowExecutionInfo
    number: int
    _values: dict[str, Any] = field(default_factory=dict)
    """What queries have asked for so far."""

    def value(self, name: str) -> Any:
        """Return what a query means by a name; None where the run has no such thing."""
        if name not in self._values:
            self._values[name] = self._value(name)
        return self._values[name]

    @property
    def place(self) -> tuple[bool, int, int]:
        """The place in a list: those that are open first, then the latest."""
        if _PLACE not in self._values:
            self._values[_PLACE] = (self.info.HasField("close_time"), -_order(self.info), -self.number)
        found: tuple[bool, int, int] = self._values[_PLACE]
        return found

    def _value(self, name: str) -> Any:
        info = self.info
        if name in _TIMES:
            stamped = info.start_time if name == "StartTime" else info.close_time
            return stamped.ToDatetime(tzinfo=UTC) if name == "StartTime" or info.HasField("close_time") else None
        if name in _NAMED:
            return _NAMED[name](info)
        payload = info.search_attributes.indexed_fields.get(name)
        return json.loads(payload.data) if payload is not None else None


_NAMED: Final[dict[str, Callable[[WorkflowExecutionInfo], str]]] = {
    "WorkflowId": lambda info: info.execution.workflow_id,
    "RunId": lambda info: info.execution.run_id,
    "WorkflowType": lambda info: info.type.name,
    "ExecutionStatus": lambda info: _STATUS[info.status],
}


@dataclass(slots=True)
class Visibility:
    """The list."""

    server: Server
    _listed: dict[str, dict[str, Listed]] = field(default_factory=dict)
    _open: dict[str, Listed] = field(default_factory=dict)
    """Those that are listed as open, by run id: most queries are for these."""
    _numbers: int = 0

    def note(self, run: Run) -> None:
        """Have the list learn how a run is now, once its lag has passed."""
        info = describe(run)
        self._numbers += 1
        number = self._numbers
        self.server.lagging(self._list, run, info, number)

    def forget(self, run: Run) -> None:
        """Take a run out of the list."""
        listed = self._listed.get(run.workflow_id, {})
        listed.pop(run.run_id, None)
        self._open.pop(run.run_id, None)
        if not listed:
            self._listed.pop(run.workflow_id, None)

    def query(self, text: str) -> list[WorkflowExecutionInfo]:
        """Return the runs that a query means: those that are open first, then the latest.

        Raises:
            RPCError: the query can't be read.

        """
        test, ids = _parse(text)
        among = self._open.values() if _OPEN in text and " OR " not in text else self._among(ids)
        found = [listed for listed in among if test(listed)]
        found.sort(key=attrgetter("place"))
        return [listed.info for listed in found]

    def _among(self, ids: list[str] | None) -> Iterator[Listed]:
        for by_run in self._listed.values() if ids is None else (self._listed.get(each, {}) for each in ids):
            yield from by_run.values()

    def _list(self, run: Run, info: WorkflowExecutionInfo, number: int) -> None:
        by_run = self._listed.setdefault(run.workflow_id, {})
        known = by_run.get(run.run_id)
        if (known is None or known.number < number) and self.server.find(run.workflow_id, run.run_id) is run:
            by_run[run.run_id] = Listed(run, info, number)
            self._open.pop(run.run_id, None)
            if not info.HasField("close_time"):
                self._open[run.run_id] = by_run[run.run_id]


def describe(run: Run) -> WorkflowExecutionInfo:
    """Return a run as the list and a description of it have it."""
    info = WorkflowExecutionInfo(
        execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
        type=run.started.workflow_type,
        start_time=stamp(run.started_at),
        execution_time=stamp(run.started_at),
        status=run.status,
        history_length=len(run.events),
        history_size_bytes=run.size,
        memo=run.memo,
        search_attributes=run.search_attributes,
        task_queue=run.queue,
        first_run_id=run.started.first_execution_run_id,
        root_execution=run.started.root_workflow_execution,
    )
    if run.closed_at is not None:
        info.close_time.CopyFrom(stamp(run.closed_at))
    if run.started.HasField("parent_workflow_execution"):
        info.parent_execution.CopyFrom(run.started.parent_workflow_execution)
    return info


def _order(info: WorkflowExecutionInfo) -> int:
    stamped = info.close_time if info.HasField("close_time") else info.start_time
    return stamped.ToNanoseconds()


@lru_cache(_KEPT)
def _parse(text: str) -> tuple[Test, list[str] | None]:
    """Return the test, and the workflow ids that it is bound to."""
    ways, ids, bound = [], [], True
    for part in _split(text, " OR "):
        clauses = [_clause(each) for each in _split(part, " AND ")]
        named = [value for name, operator, value, _ in clauses if name == "WorkflowId" and operator == "="]
        bound = bound and bool(named)
        ids += named[:1]
        ways.append([test for *_, test in clauses])
    if not ways:
        return (lambda _: True), None
    return _any(ways), (list(dict.fromkeys(ids)) if bound else None)


def _any(ways: list[list[Test]]) -> Test:
    """Return a test that passes whatever passes all of some way. Each query asks hundreds of runs."""

    def passes(listed: Listed) -> bool:
        for way in ways:
            for test in way:
                if not test(listed):
                    break
            else:
                return True
        return False

    return passes


def _clause(text: str) -> tuple[str, str, str, Test]:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise refusal(RPCStatusCode.INVALID_ARGUMENT, f"invalid query: {text}")
    name, operator, single, double = match.groups()
    value = re.sub(r"\\(.)|''", lambda found: found.group(1) or "'", single if single is not None else double)
    return name, operator, value, _test(name, operator, value)


def _test(name: str, operator: str, value: str) -> Test:
    if operator == "STARTS_WITH":
        return lambda listed: str(listed.value(name) or "").startswith(value)
    wanted: Any = datetime.fromisoformat(value) if name in _TIMES else value
    compare = _COMPARED[operator]

    def test(listed: Listed) -> bool:
        found = listed.value(name)
        return found is not None and compare(found, wanted)

    return test


def _split(text: str, word: str) -> list[str]:
    """Split at a word that isn't quoted."""
    pieces = re.split(rf"{word}(?=(?:[^'\"]|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")*$)", text)
    return [piece for piece in pieces if piece.strip()]
