"""The address of the API server, and the identity used there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mooring.kubernetes.connection import KubernetesNotConfigured, connect
from tests.harness.cluster import Cluster
from tests.kubernetes.conftest import LIST, TIMEOUT, TOKEN, kubeconfig
from tests.kubernetes.credentials.scene import shows


async def test_a_kubeconfig_can_be_a_path(cluster: Cluster, tmp_path: Path) -> None:
    path = cluster.proxy.write_kubeconfig(tmp_path / "config")
    api = await connect(path, {}, TIMEOUT)
    assert await api.request(LIST)
    await api.close()


async def test_the_environment_names_the_kubeconfig_where_nothing_else_does(cluster: Cluster, tmp_path: Path) -> None:
    path = cluster.proxy.write_kubeconfig(tmp_path / "config")
    api = await connect(None, {"KUBECONFIG": str(path)}, TIMEOUT)
    assert await api.request(LIST)
    await api.close()


async def test_a_token_in_a_file_beside_the_kubeconfig_is_read(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    found = kubeconfig(cluster)
    found["users"][0]["user"] = {"tokenFile": str(tmp_path / "token")}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(found))
    api = await connect(path, {}, TIMEOUT)
    assert await api.request(LIST)
    await api.close()


async def test_without_kubeconfig_and_pod_it_says_what_to_set() -> None:
    with pytest.raises(KubernetesNotConfigured, match="Set KUBECONFIG"):
        await connect(None, {}, TIMEOUT)


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubernetesNotConfigured, match="missing"):
        await connect(tmp_path / "missing", {}, TIMEOUT)


@pytest.mark.parametrize("part", ["clusters", "contexts", "current-context"])
async def test_a_broken_kubeconfig_is_named_without_what_it_holds(cluster: Cluster, tmp_path: Path, part: str) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({key: value for key, value in kubeconfig(cluster).items() if key != part}))
    with pytest.raises(KubernetesNotConfigured, match=str(path)) as caught:
        await connect(path, {}, TIMEOUT)
    assert not shows(caught.value, TOKEN)
