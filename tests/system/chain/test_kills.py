"""A link of the chain is killed with -9 in the middle of its work: it is started again, and the work is done, once."""

from __future__ import annotations

from tests.harness.chain.cluster import ChainCluster, node_id_of
from tests.harness.chain.peers import Link
from tests.harness.driver.controller import publish_context
from tests.harness.driver.handle import ReferenceDriver
from tests.harness.driver.orders import Order


async def test_an_attach_completes_though_the_attacher_is_killed(
    chain: ChainCluster, storage: ReferenceDriver, links: Link
) -> None:
    node, volume = await chain.node("a"), await chain.volume()
    slow = storage.order(Order(rpc="publish", volume=volume.handle, hold="before", times=1))
    await chain.pod(node, volume)
    await storage.holds(slow)

    await links.attacher.kill()
    storage.withdraw(slow)

    assert await chain.attached(volume, node) == publish_context(volume.handle, node_id_of(node))
    assert storage.attached()[volume.handle] == {node_id_of(node)}


async def test_an_attach_completes_though_mooring_is_killed(chain: ChainCluster, storage: ReferenceDriver, links: Link) -> None:
    node, volume = await chain.node("a"), await chain.volume()
    lost = storage.order(Order(rpc="publish", volume=volume.handle, hold="before", times=1))
    await chain.pod(node, volume)
    await storage.holds(lost)

    await links.mooring.kill()

    assert await chain.attached(volume, node) == publish_context(volume.handle, node_id_of(node))
    assert storage.attached()[volume.handle] == {node_id_of(node)}


async def test_a_detach_completes_though_mooring_is_killed(chain: ChainCluster, storage: ReferenceDriver, links: Link) -> None:
    node, volume = await chain.node("a"), await chain.volume()
    pod = await chain.pod(node, volume)
    await chain.attached(volume, node)
    lost = storage.order(Order(rpc="unpublish", volume=volume.handle, hold="before", times=1))
    await chain.delete_pod(pod)
    await storage.holds(lost)

    await links.mooring.kill()
    await chain.detached(volume, node)

    assert volume.handle not in storage.attached()
