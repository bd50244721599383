"""A client certificate at a real kube-apiserver, renewed while a watch is open."""

from __future__ import annotations

import json
from pathlib import Path

from mooring.devstack.kubernetes import RealKubernetes
from mooring.kubernetes.api import KubernetesApi, Request
from mooring.kubernetes.connection import connect
from tests.kubernetes.credentials.authority import Authority, Certificate, encoded
from tests.kubernetes.credentials.clock import Hands
from tests.kubernetes.credentials.scene import TIMEOUT

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SELF = Request("ask who this is", "POST", REVIEW, body={"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"})
WATCH = Request("watch namespaces", "GET", "/api/v1/namespaces", {"watch": "true"})


async def name(api: KubernetesApi) -> str:
    """Return the client's user name, as the server sees it."""
    found: str = json.loads(await api.request(SELF))["status"]["userInfo"]["username"]
    return found


def present(folder: Path, certificate: Certificate) -> None:
    """Put a client's certificate where the kubeconfig expects it."""
    (folder / "client.crt").write_bytes(certificate.certificate.read_bytes())
    (folder / "client.key").write_bytes(certificate.key.read_bytes())


async def test_a_real_server_sees_the_renewed_certificate(assets: Path, tmp_path: Path, authority: Authority, hands: Hands) -> None:
    first, second = (authority.issue(each, group="system:masters") for each in ("first", "second"))
    async with RealKubernetes.start(assets, tmp_path, flags=[f"--client-ca-file={authority.certificate}"]) as real:
        cluster = {"server": real.url, "certificate-authority-data": encoded(real.ca.encode())}
        context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
        user = {"client-certificate": f"{tmp_path}/client.crt", "client-key": f"{tmp_path}/client.key"}
        clusters, users = [{"name": "it", "cluster": cluster}], [{"name": "it", "user": user}]
        present(tmp_path, first)
        kubeconfig = {"current-context": "it", "contexts": [context], "clusters": clusters, "users": users}
        api = await connect(kubeconfig, {}, TIMEOUT, clock=hands.clock())
        assert await name(api) == "first"
        async with api.lines(WATCH, silence=20, total=30) as lines:
            assert await anext(lines)
            present(tmp_path, second)
            hands.move()
            assert await name(api) == "second"
            assert await anext(lines)
        await api.close()
