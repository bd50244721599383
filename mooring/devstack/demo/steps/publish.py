"""The rebuild, and the answers of a healthy system: publish, the same again, another node."""

from mooring.devstack.demo import volumes
from mooring.devstack.demo.scene import PATIENCE, Scene
from mooring.devstack.demo.story import Story
from mooring.devstack.demo.volumes import LEGACY, LEGACY_NODE, MALFORMED, NODE, SECOND_NODE, SUBJECT, SUBJECT_PV
from mooring.errors import HeldElsewhere, MalformedRecord, MooringError


async def rebuild(scene: Scene, story: Story) -> None:
    """Start a worker, which learns from the PVs alone who holds what."""
    found = await scene.start_worker()
    story.so(f"{found.volumes} PVs of the driver read in {found.seconds:.2f} s", found.volumes, volumes.COUNT - 2)
    story.so(f"{found.attached} of them attached, most by an existing driver, without an epoch", found.attached, volumes.ATTACHED)
    story.so(f"one of them by two nodes (RWX): {found.holders} holders", found.holders, volumes.HOLDERS)
    story.so(
        f"{found.replaced_times} missing or unreadable attachment times replaced", found.replaced_times, volumes.REPLACED_TIMES
    )
    story.so(f"skipped and reported: {_listed(found.skipped)}", found.skipped, volumes.SKIPPED)


async def publish(scene: Scene, story: Story) -> None:
    """Publish the volume to a node: record, then backend, then its publish context with the record."""
    result = await scene.mooring.publish(SUBJECT, NODE, deadline=PATIENCE)
    story.say(result.message)
    record = await scene.record(SUBJECT_PV)
    story.so(f"the PV says: held by {NODE}", [held.node_id for held in record.holders], [NODE])
    story.so(f"at epoch {record.epoch}, the fencing token of the answer", record.epoch, result.epoch)
    story.so(f"the backend has attached it to {NODE}", scene.backend.attached(SUBJECT), {NODE})
    context = record.holders[0].publish_context
    story.so(f"its publish context is kept on the PV: {_listed(context)}", context, result.publish_context)


async def publish_again(scene: Scene, story: Story) -> None:
    """Publish to the holder again: a renewal, one epoch later and otherwise the same."""
    before = await scene.record(SUBJECT_PV)
    result = await scene.mooring.publish(SUBJECT, NODE, deadline=PATIENCE)
    story.say(result.message)
    story.so(f"attached at {result.attached_at:%H:%M:%S.%f}, as before", result.attached_at, before.holders[0].attached_at)
    story.so(f"the epoch went from {before.epoch} to {result.epoch}", result.epoch, before.epoch + 1)
    story.so("the same publish context", result.publish_context, before.holders[0].publish_context)


async def refuse_another_node(scene: Scene, story: Story) -> None:
    """Refuse volumes that another node holds, whichever driver attached them, and volumes whose holder is unknown."""
    before = await scene.record(SUBJECT_PV)
    refused = await refusal(scene, SUBJECT, SECOND_NODE)
    story.say(str(refused))
    story.so(f"{SECOND_NODE} is refused", type(refused), HeldElsewhere)
    story.so(f"the refusal names the holder, {NODE}", f"held by node {NODE}" in str(refused))
    story.so("the PV is as it was", await scene.record(SUBJECT_PV), before)
    legacy = await refusal(scene, LEGACY, SECOND_NODE)
    story.so(f"{LEGACY}, which an existing driver attached to {LEGACY_NODE}, is refused as well", type(legacy), HeldElsewhere)
    malformed = await refusal(scene, MALFORMED, SECOND_NODE)
    story.so(f"{MALFORMED}, whose record can't be read, is unchanged", type(malformed), MalformedRecord)


async def unpublish(scene: Scene, node: str, story: Story) -> None:
    """Unpublish the volume from the node."""
    result = await scene.mooring.unpublish(SUBJECT, node, deadline=PATIENCE)
    story.so(f"{node} releases {SUBJECT}, at epoch {result.epoch}", result.released, (node,))


async def refusal(scene: Scene, volume: str, node: str) -> MooringError | None:
    """Try to publish the volume to the node, and return the error, or None if it was published."""
    try:
        await scene.mooring.publish(volume, node, deadline=PATIENCE)
    except MooringError as error:
        return error
    return None


def _listed(counts: dict[str, int] | dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in counts.items())
