"""Pod -> attach/detach controller -> VolumeAttachment -> csi-attacher -> Mooring -> driver, and back."""

from __future__ import annotations

from tests.harness.chain.cluster import ChainCluster, Volume, node_id_of
from tests.harness.driver.controller import publish_context
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order


def history(storage: ReferenceDriver, volume: Volume) -> list[tuple[str, str]]:
    """Return what the storage did to the volume, and the node ids, in order."""
    changes = (entry for entry in storage.entries() if entry.event in ("attach", "detach"))
    return [(entry.event, entry.call.node) for entry in changes if entry.call.volume == volume.handle]


async def test_a_pods_volume_is_attached_and_the_publish_context_given_on(chain: ChainCluster, storage: ReferenceDriver) -> None:
    node, volume = await chain.node("a"), await chain.volume()
    await chain.pod(node, volume)

    assert await chain.attached(volume, node) == publish_context(volume.handle, node_id_of(node))
    assert storage.attached()[volume.handle] == {node_id_of(node)}


async def test_the_volume_of_a_deleted_pod_is_detached(chain: ChainCluster, storage: ReferenceDriver) -> None:
    node, volume = await chain.node("a"), await chain.volume()
    pod = await chain.pod(node, volume)
    await chain.attached(volume, node)

    await chain.delete_pod(pod)
    await chain.detached(volume, node)

    assert history(storage, volume) == [("attach", node_id_of(node)), ("detach", node_id_of(node))]


async def test_a_pod_that_moves_while_the_detach_is_slow_gets_its_volume_after_it(
    chain: ChainCluster, storage: ReferenceDriver
) -> None:
    old, new, volume = await chain.node("a"), await chain.node("b"), await chain.volume()
    pod = await chain.pod(old, volume)
    await chain.attached(volume, old)

    slow = storage.order(Order(rpc="unpublish", volume=volume.handle, hold="before", times=1))
    await chain.delete_pod(pod)
    await chain.pod(new, volume)
    await storage.holds(slow)
    storage.withdraw(slow)
    await chain.attached(volume, new)

    assert history(storage, volume) == [
        ("attach", node_id_of(old)),
        ("detach", node_id_of(old)),
        ("attach", node_id_of(new)),
    ]


async def test_an_attach_that_does_not_wait_for_the_slow_detach_waits_in_mooring(
    chain: ChainCluster, storage: ReferenceDriver
) -> None:
    old, new, volume = await chain.node("a"), await chain.node("b"), await chain.volume()
    await chain.attach_by_hand(volume, old)
    await chain.attached(volume, old)

    slow = storage.order(Order(rpc="unpublish", volume=volume.handle, hold="before", times=1))
    await chain.detach_by_hand(volume, old)
    await storage.holds(slow)
    await chain.attach_by_hand(volume, new)
    await chain.taken_up(volume, new)
    storage.withdraw(slow)
    await chain.attached(volume, new)

    assert history(storage, volume) == [
        ("attach", node_id_of(old)),
        ("detach", node_id_of(old)),
        ("attach", node_id_of(new)),
    ]


async def test_a_volume_on_a_node_that_is_gone_for_good_is_detached_and_attached_elsewhere(
    chain: ChainCluster, storage: ReferenceDriver
) -> None:
    gone, new, volume = await chain.node("a"), await chain.node("b"), await chain.volume()
    pod = await chain.pod(gone, volume)
    await chain.attached(volume, gone)
    await chain.known(volume, gone)

    await chain.remove_node(gone)
    await chain.delete_pod(pod)
    await chain.detached(volume, gone)
    await chain.pod(new, volume)

    assert await chain.attached(volume, new) == publish_context(volume.handle, node_id_of(new))
    assert storage.attached()[volume.handle] == {node_id_of(new)}


async def test_a_volume_on_a_node_that_is_out_of_service_is_detached_and_attached_elsewhere(
    chain: ChainCluster, storage: ReferenceDriver
) -> None:
    dead, new, volume = await chain.node("a"), await chain.node("b"), await chain.volume()
    pod = await chain.pod(dead, volume)
    await chain.attached(volume, dead)

    await chain.take_out_of_service(dead)
    await chain.delete_pod(pod)
    await chain.detached(volume, dead)
    await chain.pod(new, volume)

    assert await chain.attached(volume, new) == publish_context(volume.handle, node_id_of(new))
    assert storage.attached()[volume.handle] == {node_id_of(new)}
