"""Rows about clusters: where the API server is, and whom to trust."""

from __future__ import annotations

from typing import Final

from tests.kubernetes.credentials.cases import BEARER, NOBODY, TOKEN, Case, cluster
from tests.kubernetes.credentials.scene import Scene


def with_authority_file(scene: Scene) -> str:
    """Write the server's authority to a file beside the kubeconfig."""
    scene.write("ca.crt", f"Issuer: test\n{scene.authority.certificate.read_text()}")
    return scene.kubeconfig({"token": TOKEN}, {"certificate-authority-data": None, "certificate-authority": "ca.crt"})


def with_stranger(scene: Scene) -> str:
    """Write a kubeconfig with another authority than the server's."""
    return scene.kubeconfig({"token": TOKEN}, {"certificate-authority-data": scene.stranger.data()})


def with_path(scene: Scene) -> str:
    """Write a kubeconfig for a server behind a path, as Rancher has it."""
    return scene.kubeconfig({"token": TOKEN}, {"server": f"{scene.api.url}/k8s/clusters/c-1/"})


def without_scheme(scene: Scene) -> str:
    """Write a kubeconfig whose server is without https://."""
    return scene.kubeconfig(
        {"token": TOKEN}, {"server": scene.plain.url.removeprefix("http://"), "certificate-authority-data": None}
    )


CLUSTERS: Final = [
    Case("an authority in a file", with_authority_file, BEARER),
    Case(
        "another authority",
        with_stranger,
        error="self-signed certificate",
        kubectl="certificate signed by unknown authority",
    ),
    Case("no verification", cluster(insecure_skip_tls_verify=True, certificate_authority_data=None), BEARER),
    Case("no verification, with an authority", cluster(insecure_skip_tls_verify=True), error="remove one", kubectl="not allowed"),
    Case("an authority that is none", cluster(certificate_authority_data="aGVsbG8="), error="not in PEM", kubectl="PEM"),
    Case("a server name", cluster(tls_server_name="kube.example"), BEARER),
    Case(
        "another server name", cluster(tls_server_name="other.example"), error="(?i)hostname mismatch", kubectl="not other.example"
    ),
    Case("a path", with_path, BEARER),
    Case("no scheme", without_scheme, NOBODY),
    Case("no server", cluster(server=""), error="has no server", kubectl="no server found|localhost:8080"),
    Case("a proxy that is away", cluster(proxy_url="http://127.0.0.1:1"), error="127.0.0.1:1", kubectl="was refused"),
    Case(
        "a proxy of another kind",
        cluster(proxy_url="ftp://127.0.0.1:1"),
        error="proxy-url is none of http",
        kubectl="unsupported scheme",
    ),
    Case("a SOCKS proxy", cluster(proxy_url="socks5://127.0.0.1:1"), error="proxy-url is none of http", kubectl="was refused"),
]
