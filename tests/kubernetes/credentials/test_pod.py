"""The service account of a Pod, for where no kubeconfig is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.kubernetes.connection import connect
from mooring.kubernetes.credentials.errors import KubernetesNotConfigured
from tests.kubernetes.credentials.clock import Hands
from tests.kubernetes.credentials.scene import TIMEOUT, Scene, who


def environ(scene: Scene, **more: str) -> dict[str, str]:
    """Return the environment of a Pod."""
    host, port = scene.api.url.removeprefix("https://").split(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, **more}


@pytest.fixture
def account(scene: Scene) -> Path:
    """The folder of a service account."""
    scene.write("token", "first\n")
    scene.write("ca.crt", scene.authority.certificate.read_text())
    return scene.folder


@pytest.mark.parametrize("kubeconfig", [{}, {"KUBECONFIG": ""}])
async def test_a_pod_is_its_service_account(scene: Scene, account: Path, kubeconfig: dict[str, str]) -> None:
    api = await connect(None, environ(scene, **kubeconfig), TIMEOUT, service_account=account)
    assert await who(api) == {"Authorization": "Bearer first"}
    await api.close()


async def test_a_token_that_the_kubelet_renews_is_read_again(scene: Scene, account: Path, hands: Hands) -> None:
    api = await connect(None, environ(scene), TIMEOUT, service_account=account, clock=hands.clock())
    await who(api)
    scene.write("token", "second\n")
    hands.move()
    assert await who(api) == {"Authorization": "Bearer second"}
    await api.close()


async def test_a_kubeconfig_that_is_named_comes_before_the_pod(scene: Scene, account: Path) -> None:
    named = scene.kubeconfig({"token": "mine"})
    api = await connect(None, environ(scene, KUBECONFIG=named), TIMEOUT, service_account=account)
    assert await who(api) == {"Authorization": "Bearer mine"}
    await api.close()


@pytest.mark.parametrize("name", ["token", "ca.crt"])
@pytest.mark.parametrize("content", [None, "\n"])
async def test_an_account_that_is_not_mounted_is_told(scene: Scene, account: Path, name: str, content: str | None) -> None:
    (account / name).unlink()
    if content is not None:
        scene.write(name, content)
    with pytest.raises(KubernetesNotConfigured, match=rf"{name} (can't be read|is empty).*automount"):
        await connect(None, environ(scene), TIMEOUT, service_account=account)


async def test_outside_a_pod_a_kubeconfig_of_the_home_folder_is_hinted_at(scene: Scene, account: Path) -> None:
    scene.write(".kube/config", "")
    with pytest.raises(KubernetesNotConfigured, match=r"this is no Pod.*KUBECONFIG=~/.kube/config"):
        await connect(None, {"HOME": str(scene.folder)}, TIMEOUT, service_account=account)


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "/nonexistent"}])
async def test_outside_a_pod_and_without_a_home_nothing_is_configured(home: dict[str, str]) -> None:
    with pytest.raises(KubernetesNotConfigured, match=r"KUBECONFIG isn't set, and this is no Pod. Set KUBECONFIG"):
        await connect(None, home, TIMEOUT)
