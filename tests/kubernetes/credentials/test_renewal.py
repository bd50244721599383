"""Credentials that change while a program runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.errors import KubernetesUnavailable
from mooring.kubernetes.api import KubernetesApi, Request
from mooring.kubernetes.connection import connect
from mooring.kubernetes.credentials.errors import NoCredentials
from mooring.kubernetes.credentials.exec_plugin import Plugin
from mooring.kubernetes.credentials.schema import Exec
from tests.harness.patience import PATIENCE
from tests.kubernetes.credentials.api import serving
from tests.kubernetes.credentials.authority import Certificate
from tests.kubernetes.credentials.cases import API
from tests.kubernetes.credentials.clock import Hands
from tests.kubernetes.credentials.plugin_cases import credential
from tests.kubernetes.credentials.scene import Scene, who

STREAM = Request("watch who this is", "GET", "/stream")


class Opened:
    """A callable that opens connections; the end of the test closes them."""

    def __init__(self, scene: Scene, hands: Hands) -> None:
        self._scene = scene
        self._hands = hands
        self._apis: list[KubernetesApi] = []

    async def __call__(self, kubeconfig: str) -> KubernetesApi:
        """Connect."""
        self._apis.append(await self._scene.connect(kubeconfig, self._hands.clock()))
        return self._apis[-1]

    async def close(self) -> None:
        """Close all."""
        for api in self._apis:
            await api.close()


@pytest.fixture
async def opened(scene: Scene, hands: Hands) -> AsyncIterator[Opened]:
    """A function that opens connections."""
    made = Opened(scene, hands)
    yield made
    await made.close()


def present(scene: Scene, certificate: Certificate) -> None:
    """Put a client's certificate where the kubeconfig expects it."""
    scene.write("client.crt", certificate.certificate.read_text())
    scene.write("client.key", certificate.key.read_text())


def with_certificate(scene: Scene) -> str:
    """Write a kubeconfig that takes the client's certificate from files."""
    return scene.kubeconfig({"client-certificate": "client.crt", "client-key": "client.key"})


async def test_a_token_file_that_is_renewed_is_read_again_after_a_minute(scene: Scene, hands: Hands, opened: Opened) -> None:
    scene.write("token", "first\n")
    api = await opened(scene.kubeconfig({"tokenFile": "token"}))
    assert await who(api) == {"Authorization": "Bearer first"}
    scene.write("token", "second\n")
    assert await who(api) == {"Authorization": "Bearer first"}
    hands.move()
    assert await who(api) == {"Authorization": "Bearer second"}


async def test_a_token_that_the_server_refuses_is_read_again_at_once(scene: Scene, hands: Hands, opened: Opened) -> None:
    scene.write("token", "first")
    api = await opened(scene.kubeconfig({"tokenFile": "token"}))
    await who(api)
    scene.write("token", "second")
    scene.api.refused.add("Bearer first")
    hands.move(2)
    with pytest.raises(KubernetesUnavailable, match="401"):
        await who(api)
    assert await who(api) == {"Authorization": "Bearer second"}


async def test_a_client_certificate_that_is_renewed_is_presented_on_new_connections(
    scene: Scene, hands: Hands, opened: Opened, alice: Certificate, bob: Certificate
) -> None:
    present(scene, alice)
    api = await opened(with_certificate(scene))
    assert await who(api) == {"certificate": "alice"}
    async with api.lines(STREAM, silence=10, total=20) as lines:
        assert await anext(lines)
        present(scene, bob)
        hands.move()
        assert await who(api) == {"certificate": "bob"}
        assert await anext(lines) == b"line\n"
    assert await who(api) == {"certificate": "bob"}


async def test_a_certificate_that_is_half_written_leaves_the_one_before_in_use(
    scene: Scene, hands: Hands, opened: Opened, alice: Certificate, bob: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    present(scene, alice)
    api = await opened(with_certificate(scene))
    await who(api)
    scene.write("client.crt", bob.certificate.read_text())
    hands.move()
    assert await who(api) == {"certificate": "alice"}
    assert "those in use are kept" in caplog.text
    present(scene, bob)
    hands.move()
    assert await who(api) == {"certificate": "bob"}


async def test_an_authority_that_is_renewed_is_trusted(scene: Scene, hands: Hands, opened: Opened) -> None:
    scene.write("ca.crt", scene.stranger.certificate.read_text())
    api = await opened(scene.kubeconfig({}, {"certificate-authority-data": None, "certificate-authority": "ca.crt"}))
    with pytest.raises(KubernetesUnavailable, match=r"certificate .* is not accepted"):
        await who(api)
    scene.write("ca.crt", scene.authority.certificate.read_text())
    hands.move()
    assert await who(api) == {}


async def test_a_server_that_is_renamed_in_the_kubeconfig_is_asked(
    scene: Scene, hands: Hands, opened: Opened, served: Certificate
) -> None:
    api = await opened(scene.kubeconfig({"token": "first"}))
    await who(api)
    async with serving(served) as other:
        scene.kubeconfig({"token": "second"}, {"server": other.url})
        hands.move()
        assert await who(api) == {"Authorization": "Bearer second"}
        assert other.targets == ["/who"]


def counted(scene: Scene, then: str) -> str:
    """Write a kubeconfig whose plugin counts its runs in the file `runs`, and then does this."""
    scene.write("plugin", f'#!/bin/sh\necho x >> "{scene.folder}/runs"\n{then}\n', program=True)
    return scene.kubeconfig({"exec": {"apiVersion": API, "command": "./plugin", "interactiveMode": "Never"}})


def runs(scene: Scene) -> int:
    """Return how often the plugin was run."""
    return (scene.folder / "runs").read_text().count("x")


async def test_a_plugin_is_asked_again_when_what_it_gave_expires(scene: Scene, hands: Hands, opened: Opened) -> None:
    api = await opened(counted(scene, credential(token="first", expirationTimestamp=hands.after(600))))
    await who(api)
    hands.move()
    await who(api)
    assert runs(scene) == 1
    counted(scene, credential(token="second", expirationTimestamp=hands.after(1200)))
    hands.move(600)
    assert await who(api) == {"Authorization": "Bearer second"}
    assert runs(scene) == 2


async def test_a_plugin_is_asked_again_when_the_server_refuses_what_it_gave(scene: Scene, hands: Hands, opened: Opened) -> None:
    api = await opened(counted(scene, credential(token="first")))
    await who(api)
    counted(scene, credential(token="second"))
    scene.api.refused.add("Bearer first")
    hands.move(2)
    with pytest.raises(KubernetesUnavailable, match="401"):
        await who(api)
    assert await who(api) == {"Authorization": "Bearer second"}


async def test_a_plugin_that_fails_later_is_the_cause_that_is_shown(scene: Scene, hands: Hands, opened: Opened) -> None:
    api = await opened(counted(scene, credential(token="first", expirationTimestamp=hands.after(600))))
    await who(api)
    counted(scene, "echo the session has ended >&2; exit 4")
    hands.move(601)
    with pytest.raises(KubernetesUnavailable, match="plugin failed with exit code 4: the session has ended"):
        await who(api)
    assert scene.api.targets == ["/who"]


async def test_many_requests_ask_a_failing_plugin_once(scene: Scene, hands: Hands, opened: Opened) -> None:
    api = await opened(counted(scene, "sleep 0.3; exit 1"))
    outcomes = await asyncio.gather(*(who(api) for _ in range(50)), return_exceptions=True)
    outcomes += await asyncio.gather(*(who(api) for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in outcomes} == {KubernetesUnavailable}
    assert runs(scene) == 1
    hands.move(2)
    with pytest.raises(KubernetesUnavailable):
        await who(api)
    assert runs(scene) == 2


async def test_a_plugin_slower_than_a_request_is_not_ended_with_it(scene: Scene, hands: Hands) -> None:
    slow = counted(scene, f'while [ ! -e "{scene.folder}/go" ]; do sleep 0.05; done; {credential(token="slow")}')
    api = await connect(slow, {"PATH": "/bin:/usr/bin"}, 0.5, clock=hands.clock())
    with pytest.raises(KubernetesUnavailable, match=r"the credential plugin .*/plugin did not answer in time"):
        await who(api)
    scene.write("go", "")
    async with asyncio.timeout(PATIENCE):
        while (seen := await anyone(api)) is None:
            pass
    assert (seen, runs(scene)) == ({"Authorization": "Bearer slow"}, 1)
    await api.close()


async def anyone(api: KubernetesApi) -> dict[str, str] | None:
    """Return who this is, or None if that is unavailable."""
    try:
        return await who(api)
    except KubernetesUnavailable:
        return None


async def test_a_plugin_that_hangs_is_ended_with_its_children(scene: Scene) -> None:
    path = scene.write("plugin", '#!/bin/sh\nsleep 600 &\necho $! > "$0.child"\nwait\n', program=True)
    plugin = Plugin(Exec(command="./plugin", api_version=API), path.parent)
    with pytest.raises(NoCredentials, match="gave no answer in 1 s"):
        await plugin.run({"PATH": "/bin:/usr/bin"}, patience=1.0)
    child = int(path.with_name("plugin.child").read_text())
    async with asyncio.timeout(PATIENCE):
        while alive(child):
            await asyncio.sleep(0.05)


def alive(pid: int) -> bool:
    """Return whether there is such a process that hasn't ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_a_user_without_credentials_is_told_of_where_the_server_refuses_nobody(scene: Scene, opened: Opened) -> None:
    scene.api.refused.add("")
    api = await opened(scene.kubeconfig({}))
    with pytest.raises(KubernetesUnavailable, match=r"no credentials were sent: the kubeconfig .*/config has none for its user it"):
        await who(api)


async def test_closing_ends_a_plugin_that_runs(scene: Scene, opened: Opened) -> None:
    api = await opened(counted(scene, "sleep 600"))
    asked = asyncio.ensure_future(who(api))
    async with asyncio.timeout(PATIENCE):
        while not (scene.folder / "runs").exists():
            await asyncio.sleep(0.02)
    await api.close()
    with pytest.raises((asyncio.CancelledError, KubernetesUnavailable)):
        await asked


@pytest.mark.parametrize("passes", range(12))
async def test_closing_ends_a_plugin_that_is_just_being_started(scene: Scene, opened: Opened, passes: int) -> None:
    api = await opened(counted(scene, "sleep 600"))
    asked = asyncio.ensure_future(who(api))
    for _ in range(passes):
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await api.close()
        with pytest.raises((asyncio.CancelledError, KubernetesUnavailable)):
            await asked
