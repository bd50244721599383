"""The identity of a kubeconfig's user: a certificate, a token or password, the user to impersonate, or the plugin that knows.

Contract: as in client-go a token file comes before `token`, and a plugin is asked only if no token, password or certificate is
given. A token may end in a line break.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from mooring.kubernetes.credentials.errors import KubernetesNotConfigured
from mooring.kubernetes.credentials.exec_plugin import VERSIONS
from mooring.kubernetes.credentials.reader import Reader
from mooring.kubernetes.credentials.schema import AuthProvider, Exec, User

HEADER_SAFE: Final = "!#$&'*+-.^_`|~"
REMOVED: Final = {"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin"}
"""The auth-providers that are gone from kubectl too, and the credential plugins in their place."""

Now = Callable[[], datetime]
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """The identity as far as files give it. `plugin` knows the rest."""

    headers: Sequence[Header] = field(default=(), repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    plugin: Exec | None = None


@dataclass(frozen=True, slots=True)
class UserReader:
    """A reader of one user. Every method raises KubernetesNotConfigured for an entry that can't be used."""

    name: str
    user: User = field(repr=False)
    reader: Reader
    now: Now

    def identity(self) -> ClientIdentity:
        """Return the user's identity."""
        user, read = self.user, self.reader
        certificate = read.pem("client-certificate", user.client_certificate, user.client_certificate_data)
        key = read.pem("client-key", user.client_key, user.client_key_data) if certificate else b""
        if certificate and not key:
            raise self._wrong("has a client-certificate without a client-key")
        authorization, secrets = self._authorization()
        headers = [*authorization, *self._impersonation()]
        # NB: a line break would end the header, and the library's own error quotes what it would not send.
        if any(not value.isprintable() for _, value in headers):
            raise self._wrong("has a line break or control character inside its token, or inside a name to act as")
        return ClientIdentity(headers, certificate, key, secrets, None if authorization or certificate else self._plugin())

    def _authorization(self) -> tuple[Sequence[Header], Sequence[str]]:
        """Return the header that identifies the user, if any, and the secret in it."""
        user, token = self.user, self._token()
        basic = user.username or user.password
        if token and basic:
            raise self._wrong("has a token and a password: remove one")
        if basic:
            encoded = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
            return [("Authorization", f"Basic {encoded}")], [encoded, user.password]
        return ([("Authorization", f"Bearer {token}")], [token]) if token else ([], [])

    def _token(self) -> str:
        user = self.user
        if user.token_file:
            try:
                return self._token_in_file()
            except KubernetesNotConfigured:
                if not user.token:
                    raise
        if user.token or user.auth_provider is None or user.username or user.client_certificate or user.client_certificate_data:
            return user.token.strip()
        return self._id_token(user.auth_provider)

    def _token_in_file(self) -> str:
        token = self.reader.file("tokenFile", self.user.token_file).decode(errors="replace").strip()
        if not token:
            raise self._wrong(f"has an empty tokenFile, {self.reader.folder / self.user.token_file}")
        return token

    def _id_token(self, provider: AuthProvider) -> str:
        """Return the token that kubectl keeps for an OpenID Connect provider; only kubectl renews it there."""
        if provider.name != "oidc":
            instead = f"the credential plugin {REMOVED[provider.name]}" if provider.name in REMOVED else "a credential plugin"
            raise self._wrong(f"has auth-provider {provider.name}, which Kubernetes has removed: use {instead}")
        token = provider.config.get("id-token", "").strip()
        if not token or _expiry(token) <= self.now().timestamp():
            renew = "any kubectl command renews it in the file; a long-running program needs a credential plugin such as kubelogin"
            raise self._wrong(f"has auth-provider oidc with an id-token that has expired or is missing: {renew}")
        return token

    def _impersonation(self) -> Iterator[Header]:
        user = self.user
        if not user.impersonate:
            if user.impersonate_uid or user.impersonate_groups or user.impersonate_extra:
                raise self._wrong("acts as a uid, groups or extra fields without `as`")
            return
        yield "Impersonate-User", user.impersonate
        if user.impersonate_uid:
            yield "Impersonate-Uid", user.impersonate_uid
        yield from (("Impersonate-Group", group) for group in user.impersonate_groups)
        for key, values in user.impersonate_extra.items():
            yield from ((f"Impersonate-Extra-{quote(key, safe=HEADER_SAFE)}", value) for value in values)

    def _plugin(self) -> Exec | None:
        plugin = self.user.exec
        if plugin is None:
            return None
        if not plugin.command:
            raise self._wrong("has a credential plugin without a command")
        if plugin.api_version not in VERSIONS:
            raise self._wrong(f"has a credential plugin whose apiVersion is none of {', '.join(VERSIONS)}")
        if plugin.interactive_mode == "Always":
            raise self._wrong(f"has a credential plugin that needs a terminal ({plugin.command}), which Mooring never gives it")
        return plugin

    def _wrong(self, why: str) -> KubernetesNotConfigured:
        return self.reader.wrong(f"user {self.name} {why}")


def _expiry(token: str) -> float:
    """Return the time at which a JWT expires, in seconds, or infinity if it names none."""
    try:
        payload = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return float("inf")
