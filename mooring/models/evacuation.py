"""The payloads of a node's evacuation: the request, the observations of the node, the progress, the result.

Contract: that of base.py. Times are UTC, durations in seconds.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mooring.models.base import DriverName, Model, NodeId, VolumeHandle, added
from mooring.models.operations import Approval
from mooring.models.steps import OperationLimits

RELEASES_A_RUN = 1000
"""After so many releases an evacuation goes on as another run, because a history must not grow without end."""


class Absence(Model):
    """An uninterrupted series of looks that found no Node, and the last of them."""

    since: datetime
    seen: datetime


class CarriedOver(Model):
    """State carried over by continue-as-new; `node_names` are those of several Nodes with the id."""

    since: datetime
    approval: Approval | None = None
    evidence: str = ""
    absence: Absence | None = None
    ailing: bool = False
    released: int = 0
    node_names: tuple[str, ...] = added(())


class EvacuateRequest(Model):
    """A request that a dead node's volumes be released, once it is proven dead.

    `node_name`: the Node's, if the caller knows it. `automatic`: no operator asked for it, so it ends if the node is healthy.
    `releases_a_run` and `so_far` are for a run that goes on with another one's work.
    """

    driver: DriverName
    node_id: NodeId
    node_name: str = ""
    asked_by: str = ""
    automatic: bool = False
    releases_a_run: Annotated[int, Field(ge=1)] = RELEASES_A_RUN
    so_far: CarriedOver | None = None


class EvacuationOptions(Model):
    """The worker's settings that an evacuation runs under."""

    limits: OperationLimits
    node_gone: float
    at_once: int


class ReadNodeInput(Model):
    """A question about the state of a node.

    `node_name` is its name when it was last seen; `node_names` are those of all Nodes, if several go by its id.
    """

    node_id: NodeId
    node_name: str = ""
    node_names: tuple[str, ...] = added(())

    @property
    def names(self) -> tuple[str, ...]:
        """All known names."""
        return self.node_names or ((self.node_name,) if self.node_name else ())


class Presence(StrEnum):
    """Existence of a Node object. UNKNOWN: the Node's name is unknown."""

    HERE = "here"
    GONE = "gone"
    UNKNOWN = "unknown"


class ReadNodeResult(Model):
    """The result of a look at a node, in `words` as a clause.

    `out_of_service`: its Node bears that taint. `ready`: its kubelet is healthy. `holds`: the number of volumes it holds, by the
    index. `node_names`: the Nodes, if several go by its id; GONE then means that each is gone or out of service.
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
    """A volume that the node holds, and the epoch of its record, or None if it waits for its PV, in the run `run_id`."""

    volume_handle: VolumeHandle
    epoch: int | None
    run_id: str = added("")


class HeldVolumes(Model):
    """The volumes that a node holds, or the first of very many; `total` counts them all.

    `departed`: some whose PV was deleted while its record named the node. No epoch remains that a release could be bound to.
    """

    volumes: tuple[HeldVolume, ...]
    total: int
    departed: tuple[str, ...] = added(())


class Release(Model):
    """A request that a node release a volume, within `deadline` seconds."""

    node_id: NodeId
    held: HeldVolume
    deadline: float


class CountReleasedInput(Model):
    """A question which of these volumes the node has released, for releases whose outcome is unknown."""

    node_id: NodeId
    volumes: tuple[HeldVolume, ...]


class EvacuationProgress(Model):
    """Progress of an evacuation.

    `state` is an AttachmentState. `waits_for`: the condition for it to go on, "" if it is at work. `total` counts the volumes
    released and those still held: by the worker's index until there is proof, and by a list of all PVs afterwards. `failing`: the
    number of these that could not be released in the last try; `failed`: some of them, with the reasons. `departed`: volumes that
    are not released, as their PV was deleted while its record named the node.
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


class EvacuationStarted(Model):
    """An evacuation that was started, or joined, and that nobody waits for; by its id."""

    workflow_id: str


class EvacuationResult(Model):
    """Result of an evacuation.

    `released` and `left`: the numbers of volumes that it released, and that the node still held. `evidence`: the proof that the
    node is dead, "" if there was none. `approval`: the operator's, if one was needed. `departed`: volumes whose PV was deleted
    while its record named the node; they need an operator.
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
