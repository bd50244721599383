"""The memory that an attachment takes: `python -m bench.memory [count]`.

Counted by tracemalloc: everything the index allocates, its dict and every string included, for PVs named like their handles and for
PVs named otherwise; UUIDs as uids and operations, 200 nodes. The baseline, in the same run, is a dict of `VolumeRecord` models.
Exits 1 if an attachment takes more than 600 bytes.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

from mooring.index.manager import AttachmentManager
from mooring.models import DEFAULT_DRIVER
from mooring.records.annotations import read
from mooring.records.compact import read_compact
from mooring.records.keys import Keys

LIMIT = 600
KEYS = Keys.of(DEFAULT_DRIVER)
NOW = datetime(2026, 1, 31, tzinfo=UTC)

Pv = tuple[str, str, str, dict[str, str]]
"""Volume handle, PV name, uid, annotations."""


def pvs(count: int, *, same_name: bool) -> Iterator[Pv]:
    """Yield PVs as a decoder returns them: each string its own object."""
    dice = random.Random(7)  # noqa: S311 - the same data in every run

    def uuid() -> str:
        return str(UUID(int=dice.getrandbits(128), version=4))

    for number in range(count):
        name = f"pvc-{uuid()}"
        handle = "".join(name) if same_name else f"vol-{uuid()}"
        yield handle, name, uuid(), _annotations(number, uuid())


def _annotations(number: int, operation: str) -> dict[str, str]:
    return {
        KEYS.node: f"ip-10-0-0-{number % 200}.eu-central-1.compute.internal",
        KEYS.at: f"2026-01-31T04:00:41.{number % 1_000_000:06}Z",
        KEYS.epoch: str(1 + number % 9),
        KEYS.operation: operation,
    }


def index(count: int, *, same_name: bool) -> object:
    """Build the index of these PVs."""
    manager = AttachmentManager()
    draft = manager.draft()
    for handle, name, uid, found in pvs(count, same_name=same_name):
        draft.add([read_compact(DEFAULT_DRIVER, KEYS, handle, name, uid, found, NOW)[0]])
    manager.replace_all(draft)
    assert manager.attachments == count
    return manager


def models(count: int) -> object:
    """Build the baseline: a dict of models."""
    return {handle: read(DEFAULT_DRIVER, name, uid, found, NOW).record for handle, name, uid, found in pvs(count, same_name=True)}


def bytes_each(make: Callable[[], object], count: int) -> float:
    """Return the bytes that the result of `make` keeps allocated, divided by `count`."""
    tracemalloc.start()
    kept = make()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return taken / count


def main(count: int) -> int:
    """Print the figures, and return 1 if an attachment takes too much."""
    same = bytes_each(lambda: index(count, same_name=True), count)
    other = bytes_each(lambda: index(count, same_name=False), count)
    naive = bytes_each(lambda: models(count), count)
    print(f"{count:,} attachments, bytes each (limit {LIMIT}):")
    print(f"  index, PV named like its handle  {same:7.0f}")
    print(f"  index, PV named otherwise        {other:7.0f}")
    print(f"  dict of models                   {naive:7.0f}   {naive / same:.1f} times the index")
    return int(max(same, other) > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
