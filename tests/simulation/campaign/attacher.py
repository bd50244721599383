"""Those who ask: an attach/detach controller that wants volumes on nodes, and external-attacher, which asks until it is so."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mooring.client import MooringClient
from mooring.errors import MooringError, OperationPending
from mooring.kubernetes.attachment_objects import NODE_ID
from tests.simulation.clock import now
from tests.simulation.temporal_server.service import connect

if TYPE_CHECKING:
    from tests.simulation.campaign.world import World

ATTACHMENTS: Final = "/apis/storage.k8s.io/v1/volumeattachments"
DEADLINES: Final = (5.0, 15.0, 15.0, 15.0, 60.0)
PAUSES: Final = (1.0, 60.0)
"""Seconds between two tries: they double from the first to the last."""


@dataclass(slots=True)
class Attachment:
    """A wish for a volume on a node: one VolumeAttachment. `told`: its publish has succeeded, and nobody has asked to undo it.

    `lost`: its node may be evacuated, so that nothing is owed to it any more.
    """

    volume: str
    node: str
    mode: str = "SINGLE_NODE_WRITER"
    told: bool = False
    lost: bool = False
    leaves: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the volume is to leave the node."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The VolumeAttachment's name."""
        return f"csi-{self.volume}-{self.node}"


@dataclass(slots=True)
class Attacher:
    """The one who asks; `attachments` are those that there are, by volume and node."""

    world: World
    dice: random.Random
    attachments: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    """Volumes that an operator has had published, who has to have them unpublished, too."""
    asked: int = 0
    """Number of requests so far."""
    _client: MooringClient = field(init=False)
    _lives: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        settings = self.world.settings
        self._client = MooringClient(connect(self.world.temporal, "attacher"), driver=settings.driver, task_queue=settings.queue)

    async def want(self, volume: str) -> None:
        """Move a volume from node to node until the world's operations are spent."""
        while not self.world.is_over:
            node = self.dice.choice(self.world.nodes.usable)
            if self.dice.random() < self.world.plan.kind.clears:
                await self._clear(volume, node)
            is_wanted = (volume, node) not in self.attachments and node not in self.world.nodes.lost
            if is_wanted and not self.world.is_over:
                self.begin(Attachment(volume, node, self.dice.choice(self.world.plan.kind.modes)))
            await asyncio.sleep(self.dice.choice((0.01, 0.3, 3.0, 30.0, 120.0)) * self.dice.random())

    async def _clear(self, volume: str, node: str) -> None:
        """Have the volume leave all other nodes, and mostly wait for that."""
        others = [each for each in self.attachments.values() if each.volume == volume and each.node != node]
        for each in others or [each for each in self.attachments.values() if each.volume == volume]:
            each.leaves.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.dice.choice((0.0, 0.02, 20.0, 120.0))):
                    await each.gone.wait()

    async def gets(self, volume: str, node: str) -> bool:
        """Return whether the volume is published to a node that nobody wants it on."""
        try:
            await self._client.publish(volume, node, deadline=600)
        except MooringError as error:
            self.world.trace.tell(volume, f"publish {node}, to try: {error}")
            return False
        return True

    async def rid(self, volume: str) -> bool:
        """Have an operator unpublish the volume from every node, and return whether that is done; its VolumeAttachments remain."""
        self.forget(volume)
        self.owed.add(volume)
        try:
            result = await self._client.unpublish(volume, deadline=600)
        except MooringError as error:
            self.world.trace.tell(volume, f"unpublish, by hand: {error}")
            return False
        return result.annotation_cleared

    async def leave_all(self) -> None:
        """Have all volumes leave all nodes, and wait until it is so."""
        for each in list(self.attachments.values()):
            each.leaves.set()
            await each.gone.wait()
        for volume in sorted(self.owed):
            await self._client.unpublish(volume, deadline=600)

    def begin(self, attachment: Attachment) -> None:
        """Take in a wish, and see to it."""
        self.attachments[attachment.volume, attachment.node] = attachment
        task = asyncio.create_task(self._live(attachment), name=f"attacher of {attachment.name}")
        self._lives.add(task)
        task.add_done_callback(self._lives.discard)

    async def _live(self, attachment: Attachment) -> None:
        self.show(attachment)
        if not attachment.told:
            await self._until(attachment, "publish", self._publish)
        repeats = self.world.plan.kind.repeats
        while repeats and not attachment.leaves.is_set() and self.dice.random() < repeats:
            await self._until(attachment, "publish", self._publish)
        await attachment.leaves.wait()
        attachment.told = False
        self._patch(attachment, {"metadata": {"deletionTimestamp": now().strftime("%Y-%m-%dT%H:%M:%SZ")}})
        await self._until(attachment, "unpublish", self._unpublish)
        self.world.kube.ask("DELETE", f"{ATTACHMENTS}/{attachment.name}")
        del self.attachments[attachment.volume, attachment.node]
        attachment.gone.set()

    async def _until(self, attachment: Attachment, what: str, ask: Any) -> None:
        """Ask until it is done; a publish also until the volume is to leave."""
        pause = PAUSES[0]
        while not (what == "publish" and attachment.leaves.is_set()):
            self.asked += 1
            try:
                await ask(attachment, self.dice.choice(DEADLINES))
            except MooringError as error:
                self.world.trace.tell(attachment.volume, f"{what} {attachment.node}: {type(error).__name__}: {error}")
            else:
                self.world.trace.tell(attachment.volume, f"{what} {attachment.node}: done")
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await (attachment.leaves.wait() if what == "publish" else asyncio.Event().wait())
            pause = min(2 * pause, PAUSES[1])

    async def _publish(self, attachment: Attachment, deadline: float) -> None:
        self.world.trace.tell(attachment.volume, f"publish {attachment.node}, for {deadline:g} s")
        volume, node, mode = attachment.volume, attachment.node, attachment.mode
        await self._client.publish(volume, node, access_mode=mode, deadline=deadline)
        attachment.told = not attachment.lost
        self._patch(attachment, {"status": {"attached": True}})

    async def _unpublish(self, attachment: Attachment, deadline: float) -> None:
        self.world.trace.tell(attachment.volume, f"unpublish {attachment.node}, for {deadline:g} s")
        result = await self._client.unpublish(attachment.volume, attachment.node, deadline=deadline)
        if not result.annotation_cleared:
            raise OperationPending(result.message)

    def forget(self, volume: str) -> None:
        """Take in that an operator has had the volume detached, from whichever node."""
        for each in self.attachments.values():
            each.told = each.told and each.volume != volume

    def lose(self, node: str) -> None:
        """Take in that a node may be evacuated: whatever it has is to leave it, sooner or later."""
        for each in self.attachments.values():
            if each.node == node:
                each.lost, each.told = True, False
                asyncio.get_running_loop().call_later(self.dice.choice((1.0, 60.0, 300.0)) * self.dice.random(), each.leaves.set)

    def show(self, attachment: Attachment) -> None:
        """Create its VolumeAttachment."""
        world = self.world
        source = {"persistentVolumeName": world.pv_name(attachment.volume)}
        name = world.nodes.names.get(attachment.node, attachment.node)
        spec = {"attacher": world.settings.driver, "nodeName": name, "source": source}
        noted = {} if world.plan.unnamed else {NODE_ID: attachment.node}
        metadata = {"name": attachment.name, "annotations": noted}
        world.kube.ask("POST", ATTACHMENTS, {"metadata": metadata, "spec": spec})
        self._patch(attachment, {"status": {"attached": attachment.told}})

    def _patch(self, attachment: Attachment, change: Any) -> None:
        self.world.kube.ask("PATCH", f"{ATTACHMENTS}/{attachment.name}", change)
