"""What travels about the evacuation of a node: what is asked, what is seen of the node, how far it is, how it ends.

Contract: that of base.py. Times are UTC, durations in seconds.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mooring.models.base import DriverName, Model, NodeId, VolumeHandle, added
from mooring.models.operations import Approval
from mooring.models.steps import Limits

RELEASES_A_RUN = 1000
"""After so many releases an evacuation goes on as another run, because a history must not grow without end."""


class Absence(Model):
    """An uninterrupted series of looks that found no Node, and the last of them."""

    since: datetime
    seen: datetime


class SoFar(Model):
    """What a run hands to the one that goes on with its work; `node_names` are those of several Nodes of the id."""

    since: datetime
    approval: Approval | None = None
    evidence: str = ""
    absence: Absence | None = None
    ailing: bool = False
    released: int = 0
    node_names: tuple[str, ...] = added(())


class EvacuateRequest(Model):
    """Asks that a dead node's volumes be released, once it is proven that it is dead.

    `node_name`: the Node's, where the caller knows it. `automatic`: nobody has asked for it, so it ends where the node is well.
    `releases_a_run` and `so_far` are for a run that goes on with another one's work.
    """

    driver: DriverName
    node_id: NodeId
    node_name: str = ""
    asked_by: str = ""
    automatic: bool = False
    releases_a_run: Annotated[int, Field(ge=1)] = RELEASES_A_RUN
    so_far: SoFar | None = None


class EvacuationTerms(Model):
    """The worker's settings that an evacuation runs under."""

    limits: Limits
    node_gone: float
    at_once: int


class NodeAsked(Model):
    """Asks what is known of a node.

    `node_name` is what it was called when it was last seen; `node_names` says it of all where several Nodes go by its id.
    """

    node_id: NodeId
    node_name: str = ""
    node_names: tuple[str, ...] = added(())

    @property
    def names(self) -> tuple[str, ...]:
        """All names that are known."""
        return self.node_names or ((self.node_name,) if self.node_name else ())


class Presence(StrEnum):
    """Whether there is a Node object. UNKNOWN: nobody knows the Node's name."""

    HERE = "here"
    GONE = "gone"
    UNKNOWN = "unknown"


class NodeSeen(Model):
    """What a look at a node found, in `words` as a clause.

    `out_of_service`: its Node bears that taint. `ready`: its kubelet is well. `holds`: how many volumes it holds, by the index.
    `node_names`: the Nodes, where several go by its id; GONE then means that each is gone or out of service.
    """

    node_name: str
    presence: Presence
    out_of_service: bool
    holds: int
    words: str
    ready: bool = False
    node_names: tuple[str, ...] = added(())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all Nodes that go by the id."""
        return self.node_names or ((self.node_name,) if self.node_name else ())


class HeldVolume(Model):
    """A volume that the node holds, and the epoch of its record; None where it waits for its PV, in the run `run_id`."""

    volume_handle: VolumeHandle
    epoch: int | None
    run_id: str = added("")


class HeldVolumes(Model):
    """The volumes that a node holds, or the first of very many; `total` counts them all.

    `departed`: some whose PV went while its record named the node. No epoch is left that a release could be bound to.
    """

    volumes: tuple[HeldVolume, ...]
    total: int
    departed: tuple[str, ...] = added(())


class Release(Model):
    """Asks that a node let go of a volume, within `deadline` seconds."""

    node_id: NodeId
    held: HeldVolume
    deadline: float


class Unheard(Model):
    """Asks which of these volumes the node let go of, as was asked by releases whose end nobody heard of."""

    node_id: NodeId
    volumes: tuple[HeldVolume, ...]


class EvacuationProgress(Model):
    """How far an evacuation is.

    `state` is an AttachmentState. `waits_for`: what has to happen before it goes on, "" where it is at work. `total` counts the
    volumes released and those still held. `failing`: how many of these could not be released in the last try; `failed`: some of
    them, and why. `departed`: volumes that are not released, as their PV went while its record named the node.
    """

    state: str
    waits_for: str
    total: int
    released: int
    failing: int
    failed: dict[str, str]
    evidence: str
    since: datetime
    departed: tuple[str, ...] = added(())


class EvacuationResult(Model):
    """How an evacuation ended.

    `released` and `left`: how many volumes it released, and how many the node still held. `evidence`: how it was known that the
    node is dead, "" where it was not. `approval`: the operator's word, where it took one. `departed`: volumes whose PV went while
    its record named the node, which are left to an operator.
    """

    driver: DriverName
    node_id: NodeId
    node_name: str
    state: str
    asked_by: str
    released: int
    left: int
    evidence: str
    approval: Approval | None
    message: str
    departed: tuple[str, ...] = added(())
