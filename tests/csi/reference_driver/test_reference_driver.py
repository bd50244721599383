"""The oracle of the tests with a driver: its attachments, its journal, and its refusals."""

from __future__ import annotations

from grpc import StatusCode
from grpc.aio import UnaryUnaryMultiCallable

from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from tests.harness.csi_client import CsiClient, mount, refused
from tests.harness.driver.controller import publish_context
from tests.harness.driver.handle import ReferenceDriver

SECRETS = {"secret": "canary"}


async def test_a_repeated_publish_gives_the_same_context_and_attaches_once(driver: ReferenceDriver, caller: CsiClient) -> None:
    first = await caller.publish("again", "node-a")
    assert await caller.publish("again", "node-a") == first == publish_context("again", "node-a")
    assert [entry.event for entry in driver.entries() if entry.call.volume == "again"].count("attach") == 1


async def test_the_journal_has_what_was_asked_of_each_attach(driver: ReferenceDriver, caller: CsiClient) -> None:
    await caller.publish("noted", "node-a", volume_capability=mount("MULTI_NODE_READER_ONLY"), token=7)
    attach = next(entry for entry in driver.entries() if entry.event == "attach" and entry.call.volume == "noted")
    assert (attach.call.node, attach.call.mode, attach.call.token) == ("node-a", "MULTI_NODE_READER_ONLY", 7)


async def test_two_nodes_at_once_are_a_violation(driver: ReferenceDriver, caller: CsiClient) -> None:
    await caller.publish("torn", "node-a")
    await caller.publish("torn", "node-b")
    assert driver.attached()["torn"] == {"node-a", "node-b"}
    assert [entry.nodes for entry in driver.violations() if entry.call.volume == "torn"] == [("node-a", "node-b")]


async def test_two_nodes_at_once_are_none_where_the_mode_allows_them(driver: ReferenceDriver, caller: CsiClient) -> None:
    await caller.publish("shared", "node-a", volume_capability=mount("MULTI_NODE_MULTI_WRITER"))
    await caller.publish("shared", "node-b", volume_capability=mount("MULTI_NODE_MULTI_WRITER"))
    assert "shared" not in {entry.call.volume for entry in driver.violations()}


async def test_one_node_after_another_is_no_violation(driver: ReferenceDriver, caller: CsiClient) -> None:
    await caller.publish("moved", "node-a")
    await caller.unpublish("moved", "node-a")
    await caller.publish("moved", "node-b")
    assert driver.attached()["moved"] == {"node-b"}
    assert "moved" not in {entry.call.volume for entry in driver.violations()}


async def test_an_unpublish_without_a_node_detaches_from_all(driver: ReferenceDriver, caller: CsiClient) -> None:
    await caller.publish("all", "node-a", volume_capability=mount("MULTI_NODE_MULTI_WRITER"))
    await caller.publish("all", "node-b", volume_capability=mount("MULTI_NODE_MULTI_WRITER"))
    await caller.unpublish("all")
    assert "all" not in driver.attached()


async def test_another_use_on_the_same_node_is_refused(caller: CsiClient) -> None:
    await caller.publish("used", "node-a")
    with refused(StatusCode.ALREADY_EXISTS, "used", "node-a", "SINGLE_NODE_WRITER"):
        await caller.publish("used", "node-a", volume_capability=mount("MULTI_NODE_MULTI_WRITER"))


async def test_what_is_missing_is_not_found(caller: CsiClient) -> None:
    with refused(StatusCode.NOT_FOUND, "missing-volume"):
        await caller.publish("missing-volume", "node-a")
    with refused(StatusCode.NOT_FOUND, "missing-node"):
        await caller.publish("found", "missing-node")


async def test_what_is_left_out_is_an_invalid_argument(caller: CsiClient) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "node_id"):
        await caller.publish("whole", "")
    with refused(StatusCode.INVALID_ARGUMENT, "volume_id"):
        await caller.unpublish("")


async def test_volumes_are_listed_in_pages_with_their_nodes(caller: CsiClient) -> None:
    await caller.publish("listed", "node-a")
    await caller.publish("left", "node-a")
    await caller.unpublish("left", "node-a")
    found = await caller.published(page=1)
    assert (found["listed"], found["left"]) == (["node-a"], [])
    assert found == await caller.published()


async def test_a_wrong_page_token_is_aborted(caller: CsiClient) -> None:
    with refused(StatusCode.ABORTED, "nonsense"):
        await caller.controller.ListVolumes(csi_pb2.ListVolumesRequest(starting_token="nonsense"))


async def test_capabilities_are_confirmed_as_asked(caller: CsiClient) -> None:
    request = csi_pb2.ValidateVolumeCapabilitiesRequest(volume_id="any", volume_capabilities=[mount()])
    answer = await caller.controller.ValidateVolumeCapabilities(request)
    assert answer.confirmed.volume_capabilities == request.volume_capabilities


async def test_a_lower_token_is_refused_and_both_are_named(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    await strict_caller.publish("fenced", "fenced-b", token=12, secrets=SECRETS)
    with refused(StatusCode.FAILED_PRECONDITION, "fenced", "11", "12"):
        await strict_caller.publish("fenced", "fenced-a", token=11, secrets=SECRETS)
    with refused(StatusCode.FAILED_PRECONDITION, "11", "12"):
        await strict_caller.unpublish("fenced", token=11, secrets=SECRETS)
    assert strict.attached()["fenced"] == {"fenced-b"}


async def test_a_restart_keeps_attachments_and_tokens(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    await strict_caller.publish("kept", "kept-node", token=5, secrets=SECRETS)
    await strict.restart()
    assert (await strict_caller.published())["kept"] == ["kept-node"]
    with refused(StatusCode.FAILED_PRECONDITION, "4", "5"):
        await strict_caller.unpublish("kept", "kept-node", token=4, secrets=SECRETS)


async def test_calls_are_counted_over_restarts(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    await strict_caller.unpublish("counted", secrets=SECRETS)
    await strict.restart()
    await strict_caller.unpublish("counted", secrets=SECRETS)
    assert [call.number for call in strict.calls()] == list(range(1, len(strict.calls()) + 1))


async def test_a_full_node_is_refused(strict_caller: CsiClient) -> None:
    for volume in ("first", "second"):
        await strict_caller.publish(volume, "full-node", secrets=SECRETS)
    with refused(StatusCode.RESOURCE_EXHAUSTED, "full-node", "third"):
        await strict_caller.publish("third", "full-node", secrets=SECRETS)


async def test_a_call_without_the_secret_is_refused(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    await strict_caller.publish("secret", "secret-node", secrets=SECRETS)
    with refused(StatusCode.UNAUTHENTICATED, "secret"):
        await strict_caller.unpublish("secret", "secret-node", secrets={"secret": "another"})
    assert strict.attached()["secret"] == {"secret-node"}


async def test_no_file_keeps_a_secret(strict: ReferenceDriver, strict_caller: CsiClient) -> None:
    await strict_caller.publish("told", "told-node", secrets=SECRETS)
    assert not [path for path in strict.folder.iterdir() if path.is_file() and b"canary" in path.read_bytes()]


async def test_it_says_its_name(strict_caller: CsiClient) -> None:
    stub: csi_pb2_grpc.IdentityAsyncStub = csi_pb2_grpc.IdentityStub(strict_caller.channel)
    assert (await stub.GetPluginInfo(csi_pb2.GetPluginInfoRequest())).name == "strict.csi.example"


async def test_a_service_of_no_csi_echoes_bytes_metadata_and_deadline(caller: CsiClient) -> None:
    method: UnaryUnaryMultiCallable[bytes, bytes] = caller.channel.unary_unary("/mooring.test.Echo/Any")
    call = method(b"\xff\x00", metadata=(("who", "me"), ("raw-bin", b"\x00")), timeout=20)
    assert await call == b"\xff\x00"
    answered = dict(await call.trailing_metadata())
    assert (answered["who"], answered["raw-bin"]) == ("me", b"\x00")
    assert 0 < float(answered["seconds-left"]) < 21
