"""Rows about users: tokens, passwords, certificates, and whom to act as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.kubernetes.credentials.cases import BEARER, NOBODY, PROMPT, TOKEN, Case, user
from tests.kubernetes.credentials.scene import Scene


def with_file(name: str, content: str, **fields: Any) -> Callable[[Scene], str]:
    """Return a case that writes a kubeconfig with these fields of its user, beside a file."""

    def write(scene: Scene) -> str:
        scene.write(name, content)
        return scene.kubeconfig(fields)

    return write


TOKENS: Final = [
    Case("a token", user(token=TOKEN), BEARER),
    Case("a token that ends in a line break", user(token=f"{TOKEN}\n"), BEARER, kubectl="invalid header field value"),
    Case(
        "a token with a line break inside", user(token=f"{TOKEN}\nX: y"), error="user it has a line break", kubectl="invalid header"
    ),
    Case("a token that is a number", user(token=123), error="`str`, got `int`.*token", kubectl="cannot unmarshal number"),
    Case("a token file that ends in a line break", with_file("token", f"{TOKEN}\n", tokenFile="token"), BEARER),
    Case("a token file before a token", with_file("token", TOKEN, tokenFile="token", token="other"), BEARER),
    Case("a token where the token file is missing", user(tokenFile="missing", token=TOKEN), BEARER),
    Case(
        "a token file that is missing",
        user(tokenFile="missing"),
        error="its tokenFile .*/kube/missing can't be read, no such",
        kubectl="no such file",
    ),
    Case(
        "an empty token file",
        with_file("token", "\n", tokenFile="token"),
        error="empty tokenFile",
        kubectl="empty token|invalid header|",
    ),
    Case("a password", user(username="u", password="pässword"), {"Authorization": "Basic dTpww6Rzc3dvcmQ="}),
    Case(
        "a token and a password",
        user(token=TOKEN, username="u", password="p1"),
        error="a token and a password",
        kubectl="more than one auth",
    ),
    Case("a user without credentials", user(), NOBODY, kubectl=PROMPT),
    Case("null fields", user(token=TOKEN, exec=None, username=None), BEARER),
    Case("unknown fields", user(token=TOKEN, colour="red"), BEARER),
    Case(
        "plain http",
        lambda scene: scene.kubeconfig({"token": TOKEN}, {"server": scene.plain.url, "certificate-authority-data": None}),
        NOBODY,
    ),
]

IMPERSONATION: Final = [
    Case("a user to act as", user(token=TOKEN, **{"as": "bob"}), {**BEARER, "Impersonate-User": "bob"}),
    Case(
        "groups, uid and extra to act with",
        user(token=TOKEN, **{"as": "bob", "as-groups": ["a", "b"], "as-uid": "7", "as-user-extra": {"reason": ["one", "two"]}}),
        {
            **BEARER,
            "Impersonate-User": "bob",
            "Impersonate-Group": "a,b",
            "Impersonate-Uid": "7",
            "Impersonate-Extra-Reason": "one,two",
        },
    ),
    Case(
        "groups to act with, and no user",
        user(token=TOKEN, as_groups=["a"]),
        error="without `as`",
        kubectl="without impersonating a user",
    ),
]


def alice_in_files(scene: Scene) -> str:
    """Write a client certificate to files beside the kubeconfig."""
    scene.write("pki/alice.crt", scene.alice.certificate.read_text())
    scene.write("pki/alice.key", scene.alice.key.read_text())
    return scene.kubeconfig({"client-certificate": "pki/alice.crt", "client-key": "pki/alice.key"})


def alice_in_data(scene: Scene) -> str:
    """Write a client certificate into the kubeconfig."""
    certificate, key = scene.alice.data()
    return scene.kubeconfig({"client-certificate-data": certificate, "client-key-data": key})


def alice_and_token(scene: Scene) -> str:
    """Write a kubeconfig with a client certificate and a token."""
    certificate, key = scene.alice.data()
    return scene.kubeconfig({"client-certificate-data": certificate, "client-key-data": key, "token": TOKEN})


def alice_without_key(scene: Scene) -> str:
    """Write a kubeconfig with a client certificate alone."""
    return scene.kubeconfig({"client-certificate-data": scene.alice.data()[0]})


def alice_with_another_key(scene: Scene) -> str:
    """Write a kubeconfig with a client certificate, and a key that isn't its own."""
    return scene.kubeconfig(
        {"client-certificate-data": scene.alice.data()[0], "client-key": str(scene.authority.folder / "ca.key")}
    )


CERTIFICATES: Final = [
    Case("a client certificate in files", alice_in_files, {"certificate": "alice"}),
    Case("a client certificate in the kubeconfig", alice_in_data, {"certificate": "alice"}),
    Case("a client certificate and a token", alice_and_token, {**BEARER, "certificate": "alice"}),
    Case("a client certificate without its key", alice_without_key, error="without a client-key", kubectl="must be specified"),
    Case("a client certificate with another key", alice_with_another_key, error="is damaged", kubectl="does not match"),
    Case(
        "a client certificate that is none",
        user(client_certificate_data="aGVsbG8=", client_key_data="aGVsbG8="),
        error="not in PEM",
        kubectl="PEM",
    ),
    Case(
        "a client certificate not in base64",
        user(client_certificate_data="%", client_key_data="%"),
        error="not in base64",
        kubectl="base64",
    ),
    Case(
        "a client certificate that is missing",
        user(client_certificate="gone", client_key="gone"),
        error="/kube/gone can't be read",
        kubectl="unable to read",
    ),
]
