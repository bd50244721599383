"""An explained volume as one page for people: the facts, part by part, and last the advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mooring.cli.history import HEADERS, STYLES, cells
from mooring.cli.output import NONE, UNKNOWN, Row, age, print_lines, print_prose, print_table, rfc3339

if TYPE_CHECKING:
    from mooring.explain.facts import Explanation
    from mooring.models import Attachment
    from mooring.temporal.queues import Unserved

_INDENT: Final = "  "


def print_page(explained: Explanation, now: datetime) -> None:
    """Print everything; a part of which nothing is known is omitted."""
    _print_volume(explained, now)
    _print_pvs(explained, now)
    _table("VolumeAttachments", ("NAME", "NODE", "ATTACHED", "AGE", "DELETING", "ERROR"), _attachments(explained, now))
    _table("Nodes", ("NODE-ID", "NODE", "READY", "OUT-OF-SERVICE", "DRIVER"), _nodes(explained))
    _print_open(explained, now)
    _print_workers(explained)
    related = [[run.kind, run.about, run.state, age(run.started_at, now), run.workflow_id] for run in explained.related]
    _table("Also", ("WHAT", "OF", "STATE", "AGE", "WORKFLOW"), map(Row, related))
    runs = [Row([age(run.started_at, now), *cells(run)], STYLES.get(run.state, "")) for run in explained.runs]
    _table(f"Last operations ({len(runs)})", HEADERS, runs)
    _print_advice(explained)


def _print_volume(explained: Explanation, now: datetime) -> None:
    record = explained.record
    lines = [("Volume", explained.volume_handle), ("Driver", explained.driver)]
    held_by = [_holder(held, now) for held in explained.holders]
    held_by += [f"{_holder(held, now)}, as last known" for held in explained.lost]
    lines += [("Held by", text) for text in held_by or [_nobody(explained)]]
    if record is not None:
        lines += [("Epoch", str(record.epoch)), ("Written by", record.operation or NONE)]
    lines += [("Read by", "a worker, since the PersistentVolumes can't be read from here")] if explained.told else []
    _fields(lines)


def _nobody(explained: Explanation) -> str:
    if explained.unpersisted is not None:
        return f"{explained.unpersisted.node_id}, which waits for a PersistentVolume"
    return NONE if explained.holders_known else UNKNOWN


def _holder(held: Attachment, now: datetime) -> str:
    how = ", ".join(filter(None, [held.access_mode or "access mode unknown", "readonly" if held.readonly else ""]))
    return f"{held.node_id} since {rfc3339(held.attached_at)} ({age(held.attached_at, now)}), {how}"


def _print_pvs(explained: Explanation, now: datetime) -> None:
    for pv in explained.pvs:
        print_lines(["", "PersistentVolume"])
        deleting = [("Deleting", f"for {age(pv.deleting_since, now)}")] if pv.deleting_since else []
        fields = [
            ("Name", pv.name),
            ("Phase", pv.phase or UNKNOWN),
            ("Claim", pv.claim or NONE),
            ("Reclaim", pv.reclaim_policy or UNKNOWN),
            ("Access", ",".join(pv.access_modes) or NONE),
            *deleting,
        ]
        _fields([*fields, *([("Record", pv.problem)] if pv.problem else [])], _INDENT)


def _attachments(explained: Explanation, now: datetime) -> Iterable[Row]:
    for each in explained.volume_attachments or ():
        going = f"for {age(each.deleting_since, now)}" if each.deleting_since else "no"
        since = age(each.since, now) if each.since else UNKNOWN
        cells = [each.name, each.node, "yes" if each.attached else "no", since, going, each.error or NONE]
        yield Row(cells, "red" if each.error else "")


def _nodes(explained: Explanation) -> Iterable[Row]:
    for node in explained.nodes:
        name = node.name if node.exists else f"{node.name} (gone)"
        service = ("yes" if node.out_of_service else "no") if node.exists else NONE
        driver = "registered" if node.registered else "not registered"
        sound = node.exists and node.ready in ("True", "") and not node.out_of_service
        yield Row([node.node_id, name, node.ready or UNKNOWN if node.exists else NONE, service, driver], "" if sound else "red")


def _print_open(explained: Explanation, now: datetime) -> None:
    run = explained.open
    if run is None:
        return
    print_lines(["", "Open operation"])
    cause = [("Cause", run.cause)] if run.cause else []
    waits = ("Waits for", run.message or "its next step")
    what = f"{run.operation} {run.node_id or 'every node'}, for {age(run.started_at, now)}"
    page = ("In the UI", explained.page(run))
    _fields([("What", what), ("State", run.state), waits, *cause, ("Run", run.run_id), page], _INDENT)


def _print_workers(explained: Explanation) -> None:
    if explained.workers is None or explained.waiters is None:
        return
    print_lines(["", "Workers"])
    steps = ", ".join(explained.workers) or _none("publishes and unpublishes", explained.unserved)
    waiting = "evacuations, heals and the watch over migrations"
    waits = ", ".join(explained.waiters) or _none(waiting, explained.unserved_waits)
    _fields([("Operations", steps), ("Waits", waits), ("Task queue", explained.task_queue)], _INDENT)


def _none(waiting: str, unserved: Unserved | None) -> str:
    return f"{NONE}: {waiting} wait{f'. {unserved.cause}.' if unserved else ''}"


def _print_advice(explained: Explanation) -> None:
    print_lines(["", "What to do"])
    for number, advice in enumerate(explained.what_to_do, start=1):
        print_prose(advice.says, f"{_INDENT}{number}. ", _INDENT * 2 + " ")
        print_lines(f"{_INDENT * 3}{command}" for command in advice.commands)


def _fields(fields: Sequence[tuple[str, str]], indent: str = "") -> None:
    width = max(len(name) for name, _ in fields) + 2
    for name, value in fields:
        print_prose(value, f"{indent}{name + ':':<{width}}", indent + " " * width)


def _table(title: str, headers: Sequence[str], rows: Iterable[Row]) -> None:
    found = list(rows)
    if found:
        print_lines(["", title])
        print_table(
            [_INDENT + headers[0], *headers[1:]],
            [Row([_INDENT + row.cells[0], *row.cells[1:]], row.style) for row in found],
            whole=True,
        )
