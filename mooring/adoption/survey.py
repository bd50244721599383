"""The survey of attachments that no record names.

Not kept here: the decisions about them (rules.py), and their adoption (adopter.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from mooring.adoption.detachments import Detachments, look_back
from mooring.adoption.rules import found, judge
from mooring.cluster.volume_attachments import Attached, Volume, VolumeAttachments
from mooring.errors import MalformedRecord, UntranslatableVolume
from mooring.index.manager import AttachmentManager
from mooring.models.adoption import Finding, Verdict
from mooring.process.at_once import ask_each
from mooring.records.compact import CompactRecord
from mooring.records.copies import merge

MAX_CONCURRENT: Final = 50


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Result of a look: the number of VolumeAttachments attached and recorded, and those that are attached and not recorded."""

    recorded: int
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Survey:
    """The comparison of one driver's VolumeAttachments with the records.

    `publishes_readonly`: the CO is offered PUBLISH_READONLY; if not, it never requests the readonly of a PV's `readOnly`.
    """

    attachments: VolumeAttachments
    manager: AttachmentManager
    detachments: Detachments
    publishes_readonly: bool = True

    async def look(self, only: Collection[str] | None = None) -> Surveyed:
        """Look at all volumes, or `only` at those of these handles.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable, TemporalUnavailable: the one or the other didn't answer.

        """
        attached = await self.attachments.attached()
        pvs = {each.pv for each in attached}
        records = self.manager.records()
        handles = {seen.pv: seen.handle for seen in records if seen.pv in pvs}
        nodes = _nodes(records, set(handles.values()))
        unknown = [each for each in attached if each.pv not in handles or each.node_id not in nodes[handles[each.pv]]]
        wanted = [each for each in unknown if only is None or handles.get(each.pv) in only]
        volumes: dict[str, list[Attached]] = {}
        for each in wanted:
            volumes.setdefault(handles.get(each.pv, f"PersistentVolume {each.pv}"), []).append(each)
        findings = chain.from_iterable(await ask_each(self._judge, volumes.values(), MAX_CONCURRENT))
        return Surveyed(len(attached) - len(unknown), list(findings))

    async def _judge(self, attached: list[Attached]) -> list[Finding]:
        """Judge the VolumeAttachments of one volume."""
        try:
            volume = await self._volume(dict.fromkeys(each.pv for each in attached if each.pv))
        except (MalformedRecord, UntranslatableVolume) as error:
            return [found(each, Verdict.UNREADABLE, why=str(error)) for each in attached]
        if volume is None:
            return [found(each, Verdict.NO_VOLUME) for each in attached]
        past = await look_back(volume, attached, self.detachments)
        return judge(volume if self.publishes_readonly else replace(volume, readonly=False), attached, past)

    async def _volume(self, named: Iterable[str]) -> Volume | None:
        """Return the volume of these PVs, by all that it has; in doubt, one node may have it."""
        volumes = [volume for pv in named if (volume := await self.attachments.volume(pv)) is not None]
        if not volumes:
            return None
        read = {volume.pv for volume in volumes}
        more = [await self.attachments.volume(pv) for pv in self.manager.pvs(volumes[0].handle) if pv not in read]
        volumes += [volume for volume in more if volume is not None]
        modes = {volume.access_mode for volume in volumes}
        mode = volumes[0].access_mode if len(modes) == 1 else None
        return replace(volumes[0], record=merge([volume.record for volume in volumes]), access_mode=mode)


def _nodes(records: Iterable[CompactRecord], handles: Set[str]) -> dict[str, set[str]]:
    """Return the nodes that hold each of these volumes by any of its PVs."""
    nodes: dict[str, set[str]] = {handle: set() for handle in handles}
    for seen in records:
        if seen.handle in handles:
            nodes[seen.handle].update(seen.nodes)
    return nodes
