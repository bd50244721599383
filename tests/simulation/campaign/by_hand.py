"""A volume at rest that an operator unpublishes by hand: what is left over of its attachment speaks for nobody.

The VolumeAttachment goes on saying that it is attached, as nobody who made it was asked, and the PV is made anew, so that no record
says otherwise. Once all clocks agree that the unpublish is the younger of the two, another node gets the volume. Where Temporal has
forgotten the unpublish by then, nothing is asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.campaign.verdict import Broken

if TYPE_CHECKING:
    from tests.simulation.campaign.attacher import Attachment
    from tests.simulation.campaign.world import World


async def judge_left_over(world: World) -> None:
    """Have the first volume unpublished by hand whose node was told to have it, and see that another node gets it.

    Raises:
        Broken: it doesn't.

    """
    told, apart = _told(world), 2 * world.settings.clock_skew
    if told is None or world.plan.kind.is_shared or world.temporal.retention < 2 * apart:
        return
    await asyncio.sleep(apart)
    if not await world.attacher.rid(told.volume):
        raise Broken("everybody can let go", told.volume, "an operator asks in vain for it to be unpublished")
    world.delete_pvs(told.volume)
    world.create_pv(told.volume)
    await asyncio.sleep(apart)
    other = next(node for node in world.nodes.ids if node != told.node)
    if not await world.attacher.gets(told.volume, other) and not _is_had_by_another(world, told):
        said = f"it was taken from {told.node}, whose VolumeAttachment remains, and is not published to {other}"
        raise Broken("nobody is refused for ever", told.volume, said)


def _is_had_by_another(world: World, left: Attachment) -> bool:
    """Return whether one of those who have waited for the volume all the time was quicker."""
    return any(each.told for each in world.attacher.attachments.values() if each.volume == left.volume and each is not left)


def _told(world: World) -> Attachment | None:
    return next((each for each in world.attacher.attachments.values() if each.told), None)
