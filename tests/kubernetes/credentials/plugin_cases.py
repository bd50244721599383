"""Rows about credential plugins, and the auth-providers that they replaced."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from typing import Any, Final

from tests.kubernetes.credentials.cases import API, BEARER, TOKEN, Case, user
from tests.kubernetes.credentials.scene import Scene


def plugin(script: str, **fields: Any) -> Callable[[Scene], str]:
    """Return a case that writes a kubeconfig whose user is known to the program `plugin` beside it."""

    def write(scene: Scene) -> str:
        scene.write("plugin", f"#!/bin/sh\n{script}\n", program=True)
        settings = {"apiVersion": API, "command": "./plugin", "interactiveMode": "Never", **fields}
        return scene.kubeconfig({"exec": settings})

    return write


def credential(version: str = API, kind: str = "ExecCredential", **status: str) -> str:
    """Return a script's line that prints an ExecCredential."""
    return f"echo '{json.dumps({'apiVersion': version, 'kind': kind, 'status': status})}'"


def jwt(expires: float) -> str:
    """Return an unsigned token that expires then."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{claims}.c2ln"


VALID: Final = jwt(4_000_000_000)
EXPIRED: Final = jwt(1)


def oidc(token: str) -> dict[str, Any]:
    """Return an auth-provider that kubectl itself renews."""
    return {"name": "oidc", "config": {"client-id": "c", "idp-issuer-url": "https://127.0.0.1:1", "id-token": token}}


RETURNS: Final = credential(token=TOKEN)
FAILS: Final = f"echo first >&2; echo 'no session of Bearer {TOKEN}' >&2; exit 3"
CLUSTER_INFO: Final = (
    """case "$KUBERNETES_EXEC_INFO" in *'"server":"https://127.0.0.1:'*'"config":{"audience":"it"}'*) ;; *) exit 9;; esac"""
)
EXTENSION: Final = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "it"}}]


def by_path(scene: Scene) -> str:
    """Write a plugin that is found in PATH."""
    scene.write("bin/mooring-test-plugin", f"#!/bin/sh\n{RETURNS}\n", program=True)
    scene.environ["PATH"] = f"{scene.folder / 'bin'}:{os.environ['PATH']}"
    return scene.kubeconfig({"exec": {"apiVersion": API, "command": "mooring-test-plugin", "interactiveMode": "Never"}})


def told_cluster(scene: Scene) -> str:
    """Write a plugin that gets the cluster's details."""
    scene.write("plugin", f"#!/bin/sh\n{CLUSTER_INFO}\n{RETURNS}\n", program=True)
    settings = {"apiVersion": API, "command": "./plugin", "interactiveMode": "Never", "provideClusterInfo": True}
    return scene.kubeconfig({"exec": settings}, {"extensions": EXTENSION})


def gives_certificate(scene: Scene) -> str:
    """Write a plugin that returns a client certificate."""
    certificate, key = scene.alice.certificate.read_text(), scene.alice.key.read_text()
    status = {"clientCertificateData": certificate, "clientKeyData": key}
    scene.write("answer", json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": status}))
    return plugin(f"cat {scene.folder / 'answer'}")(scene)


def token_and_plugin(scene: Scene) -> str:
    """Write a kubeconfig with a token, and with a plugin that would fail."""
    settings = {"apiVersion": API, "command": "./nothing", "interactiveMode": "Never"}
    return scene.kubeconfig({"token": TOKEN, "exec": settings})


HINT: Final = {"installHint": "Install it with \x1b[1mcare\x1b[0m."}
WANTS_ENV: Final = f'[ "$ONE-$1" = 1-two ] || exit 9\n{RETURNS}'
NOT_INTERACTIVE: Final = f"""case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 9;; esac\n{RETURNS}"""
PLUGINS: Final = [
    Case("a plugin beside the kubeconfig", plugin(RETURNS), BEARER),
    Case("a plugin that PATH finds", by_path, BEARER),
    Case("a plugin with arguments and variables", plugin(WANTS_ENV, args=["two"], env=[{"name": "ONE", "value": "1"}]), BEARER),
    Case("a plugin that is told of the cluster", told_cluster, BEARER),
    Case("a plugin that may be interactive", plugin(NOT_INTERACTIVE, interactiveMode="IfAvailable"), BEARER),
    Case(
        "a plugin that must be interactive",
        plugin(RETURNS, interactiveMode="Always"),
        error="needs a terminal",
        kubectl="not a terminal",
    ),
    Case("a plugin that doesn't say", plugin(RETURNS, interactiveMode=None), BEARER, kubectl="interactiveMode must be specified"),
    Case("a plugin that gives a certificate", gives_certificate, {"certificate": "alice"}),
    Case("a token, and a plugin that isn't there", token_and_plugin, BEARER),
    Case(
        "a plugin that fails",
        plugin(FAILS),
        error=r"plugin .*/kube/plugin failed with exit code 3: no session of Bearer \[hidden\]\.",
        kubectl="exit code 3",
    ),
    Case(
        "a plugin that prints nothing",
        plugin("echo why not >&2"),
        error="printed nothing: why not",
        kubectl="plugin returned version",
    ),
    Case(
        "a plugin that prints something else",
        plugin(f"echo {TOKEN}"),
        error="something else than an ExecCredential",
        kubectl="decoding stdout",
    ),
    Case(
        "a plugin of another version",
        plugin(credential(f"{API}beta1", token=TOKEN)),
        error="did not print an ExecCredential of",
        kubectl="plugin returned version",
    ),
    Case("a plugin without credentials", plugin(credential()), error="neither a token nor", kubectl="didn't return a token"),
    Case(
        "a plugin with half a certificate",
        plugin(credential(clientKeyData="x")),
        error="certificate without its key",
        kubectl="only certificate or key",
    ),
    Case(
        "a plugin with a damaged certificate",
        plugin(credential(clientKeyData="x", clientCertificateData="y")),
        error="damaged certificate",
        kubectl="failed parsing",
    ),
    Case(
        "a plugin that isn't there",
        plugin(RETURNS, command="./gone", **HINT),
        error=r"can't be run \(no such file or directory\): Install it with  \[1mcare",
        kubectl="no such file",
    ),
    Case("a plugin without a command", plugin(RETURNS, command=""), error="without a command", kubectl="command must be specified"),
    Case(
        "a plugin of a version that is gone",
        plugin(RETURNS, apiVersion=f"{API}alpha1"),
        error="apiVersion is none of",
        kubectl="invalid apiVersion",
    ),
    Case(
        "the gcp auth-provider",
        user(**{"auth-provider": {"name": "gcp"}}),
        error="gke-gcloud-auth-plugin",
        kubectl="gke-gcloud-auth-plugin",
    ),
    Case("the azure auth-provider", user(**{"auth-provider": {"name": "azure"}}), error="kubelogin", kubectl="kubelogin"),
    Case(
        "an unknown auth-provider",
        user(**{"auth-provider": {"name": "x"}}),
        error="auth-provider x",
        kubectl="no Auth Provider found",
    ),
    Case("an OpenID Connect token", user(**{"auth-provider": oidc(VALID)}), {"Authorization": f"Bearer {VALID}"}),
    Case(
        "an OpenID Connect token that has expired",
        user(**{"auth-provider": oidc(EXPIRED)}),
        error="any kubectl command renews it",
        kubectl="No valid id-token",
    ),
]
