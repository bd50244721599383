"""The judgement of a campaign, by two checkers that share nothing: linear.py, and the one that judges simulated worlds too.

The latter takes one history. It is merged here by time, except that a record comes before the calls that bear its epoch: the news
of it may have been late, and the call was decided on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.campaign import linear
from tests.campaign.linear import Fault, Told
from tests.harness.driver.journal import Entry, attachments_of
from tests.simulation.checker import Checker, read
from tests.simulation.history import History, PvChange


def judge(driver: str, changes: Sequence[PvChange], entries: Sequence[Entry], tellings: Iterable[Told]) -> list[Fault]:
    """Return all that was broken, by both."""
    return [*linear.check(driver, changes, entries, tellings), *_independent(driver, changes, entries)]


def _independent(driver: str, changes: Sequence[PvChange], entries: Sequence[Entry]) -> list[Fault]:
    refused = {entry.call.number for entry in entries if entry.event == "straggler"}
    checker = Checker(driver, is_stray=lambda call: call.number in refused)
    for history in merged(driver, changes, entries):
        for event in history:
            checker.see(event)
    return [Fault(violation.rule, violation.volume, violation.what) for violation in checker.rest()]


def still_attached(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Return the nodes of each volume that the driver has in the end.

    NB: a call without a token that it carried out after its caller had given up could be fenced by nobody, and is left out.
    """
    late = {entry.call.number for entry in entries if entry.event == "late" and entry.call.token is None}
    ends = {
        volume: sorted(node for node, call in nodes.items() if call.number not in late)
        for volume, nodes in attachments_of(entries).items()
    }
    return {volume: nodes for volume, nodes in ends.items() if nodes}


def merged(driver: str, changes: Iterable[PvChange], entries: Iterable[Entry]) -> list[History]:
    """Return one history for each volume."""
    by_volume: dict[str, tuple[list[PvChange], list[Entry]]] = defaultdict(lambda: ([], []))
    for change in changes:
        csi = change.pv.get("spec", {}).get("csi", {})
        if csi.get("driver") == driver:
            by_volume[csi["volumeHandle"]][0].append(change)
    for entry in entries:
        by_volume[entry.call.volume][1].append(entry)
    return [_merge(driver, *both) for both in by_volume.values()]


def _merge(driver: str, changes: list[PvChange], entries: list[Entry]) -> History:
    history: History = []
    position = 0
    for entry in entries:
        last = _last_before(driver, changes, entry, position)
        history += [*changes[position:last], entry]
        position = last
    return [*history, *changes[position:]]


def _last_before(driver: str, changes: list[PvChange], entry: Entry, position: int) -> int:
    """Return how many changes come before the entry."""
    arrived = position
    while arrived < len(changes) and changes[arrived].at < entry.at.timestamp():
        arrived += 1
    epoch = (entry.call.token or 0) // 2
    if entry.event != "call" or not epoch:
        return arrived
    bears = (place + 1 for place in range(arrived, len(changes)) if _epoch(driver, changes[place]) == epoch)
    return next(bears, arrived)


def _epoch(driver: str, change: PvChange) -> int:
    record = read(driver, change.pv["metadata"].get("annotations") or {})
    return record.epoch or 0
