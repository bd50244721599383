"""Attachments that predate Mooring: they are recorded, or the publishing of their volumes is blocked while they are in doubt.

Contract: `join` returns once every VolumeAttachment that can be adopted is, by an operation of its own under the volume's lock.
The volumes in doubt are noted (doubts.py), so that they are published to nobody; while there is such a volume, `settle`
looks at it again. A volume that is in no doubt is not looked at again: one that an unpublish frees later on remains free.

Not kept here: the decisions (rules.py), and writing the record (workflows/).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from itertools import chain, groupby
from typing import Final

from mooring.adoption.doubts import Doubts
from mooring.adoption.survey import MAX_CONCURRENT, Survey
from mooring.errors import Contended, MooringError
from mooring.models import AdoptRequest, PublishResult
from mooring.models.adoption import Finding, Verdict
from mooring.process.at_once import ask_each
from mooring.process.backoff import pauses
from mooring.process.metrics import Metrics
from mooring.process.repeats import RepeatedWarning
from mooring.process.words import counted

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
NOT_LOOKED: Final = ["The volumes that are already attached have not been examined yet."]
MAX_REPORTED: Final = 20
"""Findings that a look logs one by one; the metrics count them all."""

Adopt = Callable[[AdoptRequest], Awaitable[PublishResult]]
logger = logging.getLogger(__name__)


async def carry_out(findings: Sequence[Finding], adopt: Adopt) -> list[Finding]:
    """Carry out the adoptions, several volumes at once, and return the findings as they are then."""
    volumes = [list(group) for _, group in groupby(sorted(findings, key=_by_volume), key=_by_volume)]
    return list(chain.from_iterable(await ask_each(partial(_adopt_volume, adopt), volumes, MAX_CONCURRENT)))


async def _adopt_volume(adopt: Adopt, findings: list[Finding]) -> list[Finding]:
    """Adopt the findings of one volume in turn, since each moves the epoch that the next is decided on."""
    turned, epoch = [], None
    for finding in findings:
        request = finding.request
        if request is None:
            turned.append(finding)
            continue
        try:
            epoch = (await adopt(request if epoch is None else request.model_copy(update={"epoch": epoch}))).epoch
            turned.append(finding.turned(Verdict.ADOPTED))
        except MooringError as error:
            again = error.retryable or isinstance(error, Contended)
            turned.append(finding.turned(Verdict.RETRIED if again else Verdict.FAILED, str(error)))
    return turned


class Adopter:
    """The adopter of one worker in a cluster already in use; `interval` is in seconds, between two looks at volumes in doubt."""

    def __init__(self, survey: Survey, doubts: Doubts, adopt: Adopt, metrics: Metrics, interval: float) -> None:
        self.missing = NOT_LOOKED
        self.survey = survey
        self._doubts = doubts
        self._adopt = adopt
        self._metrics = metrics
        self._interval = interval

    async def join(self) -> None:
        """Adopt all that can be, however long it takes."""
        self.missing = NOT_LOOKED
        repeated = RepeatedWarning(logger)
        for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
            try:
                findings = await self._look()
            except MooringError as error:
                repeated.warn(f"The volumes that are already attached can't be adopted yet; trying again: {error}")
                self.missing = [f"{error} MOORING_ADOPT=false turns adoption off."]
            else:
                if all(finding.verdict is not Verdict.RETRIED for finding in findings):
                    self.missing = []
                    return
            await asyncio.sleep(pause)

    async def settle(self) -> None:
        """Look again at what is in doubt, without end."""
        repeated = RepeatedWarning(logger)
        while True:
            await asyncio.sleep(self._interval)
            try:
                if self._doubts.refused:
                    await self._look(self._doubts.refused)
                repeated.over()
            except MooringError as error:
                repeated.warn(f"The volumes in doubt could not be examined: {error}")

    async def _look(self, only: Collection[str] | None = None) -> list[Finding]:
        surveyed = await self.survey.look(only)
        due = sum(finding.verdict is Verdict.ADOPT for finding in surveyed.findings)
        self.missing = [
            f"{counted(due, 'existing attachment')} still to be recorded; AdoptAttachment in the Temporal UI shows them."
        ]
        findings = await carry_out(surveyed.findings, self._adopt)
        told = self._doubts.refused
        self._doubts.take_in(findings, only)
        self._metrics.looked_for_adoption(Counter(finding.verdict for finding in findings))
        _log(surveyed.recorded, findings, told)
        return findings


def _log(recorded: int, findings: Sequence[Finding], told: Collection[str]) -> None:
    """Log what is new; a doubt that was logged before isn't logged again."""
    doubts = [finding for finding in findings if finding.why and finding.volume_handle not in told]
    for finding in doubts[:MAX_REPORTED]:
        logger.warning("VolumeAttachment %s is not adopted (%s): %s", finding.volume_attachment, finding.verdict, finding.why)
    counts = Counter(finding.verdict.value for finding in findings)
    if doubts or counts[Verdict.ADOPTED]:
        logger.info("Of the VolumeAttachments that are attached, %d were recorded already; the others: %s.", recorded, dict(counts))


def _by_volume(finding: Finding) -> str:
    return finding.volume_handle
