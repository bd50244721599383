"""Logins, read from a kubeconfig or from the Pod that this runs in.

Contract: `prepare` reads every file again, to take what was renewed on disk. Over plain HTTP no credentials are sent, as
in client-go.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from mooring.kubernetes.credentials.errors import KubernetesNotConfigured
from mooring.kubernetes.credentials.exec_plugin import API_GROUP, IssuedCredentials, Plugin
from mooring.kubernetes.credentials.identity import ClientIdentity, Now, UserReader
from mooring.kubernetes.credentials.kubeconfig import Chosen, choose, read_files, read_mapping
from mooring.kubernetes.credentials.login import Endpoint, Login, Tls
from mooring.kubernetes.credentials.reader import Reader
from mooring.kubernetes.credentials.schema import Cluster
from mooring.kubernetes.proxies import proxy_for

PROXY_SCHEMES: Final = ("http", "https")
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A login as far as files give it, and the plugin that knows the rest."""

    login: Login
    plugin: Plugin | None = None

    def completed(self, status: IssuedCredentials) -> Login:
        """Return the login with the credentials that the plugin gave."""
        login, tls = self.login, self.login.endpoint.tls
        if status.client_certificate_data:
            tls = replace(tls, certificate=status.client_certificate_data.encode(), key=status.client_key_data.encode())
        token = status.token.strip()
        headers = [*login.headers, *([("Authorization", f"Bearer {token}")] if token else [])]
        return Login(replace(login.endpoint, tls=tls), headers, [*login.secrets, token], status.expiration_timestamp)


class Logins(Protocol):
    """A source of logins."""

    def prepare(self) -> Prepared:
        """Read the present login.

        Raises:
            KubernetesNotConfigured: it can't be used.

        """


@dataclass(frozen=True, slots=True)
class KubeconfigLogins:
    """Logins from kubeconfig files, several joined by `:`, or from the content of one; `context` is "" for the current one."""

    source: str | Path | Mapping[str, Any]
    environ: Mapping[str, str]
    now: Now
    context: str = ""

    def prepare(self) -> Prepared:
        """Read the files and resolve the context."""
        files = read_mapping(self.source) if isinstance(self.source, Mapping) else read_files(str(self.source))
        chosen = choose(files, self.context)
        reader = Reader(chosen.source, chosen.cluster.folder)
        cluster = chosen.cluster.value
        url = _url(cluster, reader)
        proxy = _proxy(cluster, reader) or proxy_for(url, self.environ)
        hidden = [password] if proxy and (password := urlsplit(proxy).password) else []
        if urlsplit(url).scheme != "https":
            unsent = [chosen.user.value.token.strip(), chosen.user.value.password]
            return Prepared(Login(Endpoint(url, proxy=proxy), secrets=[*hidden, *unsent], anonymous="none are over plain http"))
        return _prepared(chosen, url, proxy, hidden, self.now)


@dataclass(frozen=True, slots=True)
class PodLogins:
    """Logins of the Pod's service account, whose token and CA are renewed in `folder`."""

    folder: Path
    environ: Mapping[str, str]

    def prepare(self) -> Prepared:
        """Read the token and the CA."""
        host, port = self.environ.get("KUBERNETES_SERVICE_HOST"), self.environ.get("KUBERNETES_SERVICE_PORT")
        if not (host and port):
            raise KubernetesNotConfigured(f"KUBECONFIG isn't set, and this is no Pod.{self._unnamed()}")
        token = self._read("token").decode(errors="replace").strip()
        authorities = self._read("ca.crt")
        url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        endpoint = Endpoint(url, Tls(authorities), proxy_for(url, self.environ))
        return Prepared(Login(endpoint, [("Authorization", f"Bearer {token}")], [token]))

    def _read(self, name: str) -> bytes:
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise self._no_account(f"{self.folder / name} can't be read, {why}") from None
        if not content.strip():
            raise self._no_account(f"{self.folder / name} is empty")
        return content

    def _no_account(self, why: str) -> KubernetesNotConfigured:
        hint = "See automountServiceAccountToken of the Pod and of its service account."
        return KubernetesNotConfigured(f"KUBECONFIG isn't set, and this Pod's service account can't be used: {why}. {hint}")

    def _unnamed(self) -> str:
        """Return a hint if there is a kubeconfig that kubectl would take."""
        home = self.environ.get("HOME")
        there = home and Path(home, ".kube", "config").is_file()
        return " ~/.kube/config is not read unless it is named: KUBECONFIG=~/.kube/config." if there else ""


def _prepared(chosen: Chosen, url: str, proxy: str | None, hidden: list[str], now: Now) -> Prepared:
    reader = Reader(chosen.source, chosen.cluster.folder)
    user = Reader(chosen.source, chosen.user.folder)
    identity = UserReader(chosen.user_name, chosen.user.value, user, now).identity()
    tls = _tls(chosen.cluster.value, reader, identity)
    login = Login(Endpoint(url, tls, proxy), identity.headers, [*hidden, *identity.secrets], anonymous=_anonymous(chosen, identity))
    if identity.plugin is None:
        return Prepared(login)
    return Prepared(login, Plugin(identity.plugin, chosen.user.folder, _cluster_info(chosen.cluster.value, tls)))


def _anonymous(chosen: Chosen, identity: ClientIdentity) -> str:
    if identity.certificate or any(name == "Authorization" for name, _ in identity.headers):
        return ""
    why = f"has none for its user {chosen.user_name}" if chosen.user_name else "names no user in its context"
    return f"the kubeconfig {chosen.source} {why}"


def _url(cluster: Cluster, reader: Reader) -> str:
    if not cluster.server:
        raise reader.wrong("the cluster of its current context has no server")
    return (cluster.server if "://" in cluster.server else f"http://{cluster.server}").rstrip("/")


def _proxy(cluster: Cluster, reader: Reader) -> str | None:
    if cluster.proxy_url and urlsplit(cluster.proxy_url).scheme not in PROXY_SCHEMES:
        raise reader.wrong(f"its proxy-url is none of {', '.join(PROXY_SCHEMES)}")
    return cluster.proxy_url or None


def _tls(cluster: Cluster, reader: Reader, identity: ClientIdentity) -> Tls:
    authorities = reader.pem("certificate-authority", cluster.certificate_authority, cluster.certificate_authority_data)
    if authorities and cluster.insecure_skip_tls_verify:
        raise reader.wrong("it has a certificate-authority and insecure-skip-tls-verify: remove one")
    verify = not cluster.insecure_skip_tls_verify
    tls = Tls(authorities, identity.certificate, identity.key, verify, cluster.tls_server_name)
    try:
        tls.context()
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or type(error).__name__
        raise reader.wrong(f"a certificate or key in it, or in a file that it names, is damaged ({why})") from None
    return tls


def _cluster_info(cluster: Cluster, tls: Tls) -> dict[str, Any]:
    """Return the information about the API server that client-go gives a plugin."""
    config = next((each.extension for each in cluster.extensions if each.name == f"{API_GROUP}/exec"), None)
    told = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(tls.authorities).decode(),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
    }
    return {**{key: value for key, value in told.items() if value}, **({"config": config} if config is not None else {})}
