"""Holders that only the histories of operations know: of volumes whose PV was deleted, or lost its record, while no worker looked.

Contract: a look asks about the volumes whose operations the namespace still lists and that have no PV with an epoch; it finds the
holders for which a publish would be refused (mooring/evidence/evidence.py). It reads the histories of `VOLUMES` volumes at most:
those with earlier findings first, then the latest. One without a remaining holder is not asked about again before it has another
operation, so that later looks reach all the others; except one that an open run holds without a PV, as the end of that run is no
operation. One whose history can't be read is logged, and skipped.

Not kept here: the PVs that the index saw go (survey.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from mooring.errors import UnreadableHistory
from mooring.evidence.asker import AskingRun
from mooring.process.at_once import ask_each
from mooring.reconciliation.vanished import unrecorded
from mooring.records.copies import merge

if TYPE_CHECKING:
    from mooring.evidence.evidence import EvidenceReader
    from mooring.models.drift import Drift
    from mooring.records.compact import CompactRecord
    from mooring.temporal.visibility import ListedRun, RunVisibility

MAX_PER_LOOK: Final = 1000
MAX_CONCURRENT: Final = 16

logger = logging.getLogger(__name__)


class PastRuns:
    """A reader of the histories of one driver's operations, `volumes` at a look."""

    def __init__(self, runs: RunVisibility, evidence: EvidenceReader, volumes: int = MAX_PER_LOOK) -> None:
        self._runs = runs
        self._evidence = evidence
        self._volumes = volumes
        self._free: dict[str, str] = {}
        """Name of the volume in workflow ids -> the run that was its newest when nobody was left as holder."""
        self._held: set[str] = set()

    async def look(self, unwritten: Mapping[str, Sequence[CompactRecord]], written: set[str]) -> list[Drift]:
        """Return the holders that no record names.

        By the names that volumes have in workflow ids, `unwritten` has the PVs of those without an epoch, `written` all others.

        Raises:
            TemporalUnavailable: Temporal didn't answer.
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server did not say which node is meant.

        """
        listed = {name: run for name, run in (await self._runs.newest_listed()).items() if name not in written}
        self._free = {name: run_id for name, run_id in self._free.items() if name in listed and listed[name].run_id == run_id}
        due = listed.keys() - self._free.keys()
        first = sorted(due, key=lambda name: (name in self._held, listed[name].started_at), reverse=True)[: self._volumes]
        if len(due) > len(first):
            logger.info("The histories of %d volumes without a record are left to later looks.", len(due) - len(first))

        async def ask(name: str) -> list[Drift]:
            return await self._ask(name, listed[name], unwritten.get(name, ()))

        found = await ask_each(ask, first, MAX_CONCURRENT)
        return [drift for drifts in found for drift in drifts]

    async def _ask(self, name: str, newest: ListedRun, pvs: Sequence[CompactRecord]) -> list[Drift]:
        handle = pvs[0].handle if pvs else await self._runs.handle_of(newest)
        if not handle or any(pv.problem for pv in pvs):
            return []
        live = merge([pv.record() for pv in pvs]) if pvs else None
        waits = await self._runs.waits(handle)  # NB: before the question, which leaves out what an open run holds
        try:
            known = await (
                self._evidence.as_known(handle, live, AskingRun()) if live else self._evidence.departed(handle, AskingRun())
            )
        except UnreadableHistory as error:
            logger.warning("The holders of volume %s beyond its PersistentVolumes are unknown: %s", handle, error)
            return []
        drifts = [*unrecorded(handle, known, live)] if known else []
        self._held.add(name) if drifts else self._held.discard(name)
        if not drifts and not newest.is_open and not waits:
            self._free[name] = newest.run_id
        return drifts
