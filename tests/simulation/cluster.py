"""The API server with one volume's PV, by the real patch, and a driver that attaches whatever it is asked to."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mooring.devstack.kubernetes import status
from mooring.devstack.kubernetes.patch import JSON_PATCH, apply_patch
from mooring.models import VolumeRecord, VolumeRef, Write, WriteResult
from mooring.records import fence
from mooring.records.annotations import patch, read
from tests.simulation.instance import START

VOLUME = VolumeRef(driver="sim.csi.test", volume_handle="vol")
INDEX_LAG = 4
"""Number of the record's latest states of which an index may have any."""


@dataclass(slots=True)
class Cluster:
    """One volume: its PV or None, all records that it ever had, and the nodes that the driver has it attached to."""

    pv: dict[str, Any] | None = None
    records: list[VolumeRecord | None] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)

    def create(self) -> None:
        """Create the PV."""
        self.pv = {"metadata": {"name": "pv", "uid": "uid-1"}}
        self.records.append(self.read())

    def read(self) -> VolumeRecord | None:
        """Return the record."""
        if self.pv is None:
            return None
        meta = self.pv["metadata"]
        return read(VOLUME.driver, meta["name"], meta["uid"], meta.get("annotations"), START).record

    def write(self, write: Write) -> WriteResult:
        """Apply a write, or return the PV's record instead."""
        if self.pv is None:
            return WriteResult(landed=False, record=None)
        try:
            body = msgspec.json.encode(patch(write))
            self.pv = apply_patch(JSON_PATCH, body, copy.deepcopy(self.pv))
        except status.ApiRefusal:
            found = self.read()
            return WriteResult(landed=found is not None and fence.landed(write, found), record=found)
        self.records.append(self.read())
        return WriteResult(landed=True, record=self.records[-1])

    def seen(self, dice: random.Random) -> VolumeRecord | None:
        """Return the record in some worker's index, which may be behind."""
        known = [None, *self.records][-INDEX_LAG:]
        return known[-1] if dice.random() < 0.7 else dice.choice(known)

    def holders(self) -> list[str]:
        """Return the nodes that the record names."""
        record = self.read()
        return [held.node_id for held in record.holders] if record else []

    def attach(self, node: str) -> None:
        """Attach at the driver."""
        if node not in self.attached:
            self.attached.append(node)

    def detach(self, node: str) -> None:
        """Detach at the driver; from all nodes where none is named."""
        self.attached = [each for each in self.attached if node not in ("", each)]
