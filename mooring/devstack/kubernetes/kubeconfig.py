"""The address of an API server and the credentials for it, also as a kubeconfig.

Kept: server, CA and bearer token, which is all that Mooring's own servers hand out. Client certificates, exec plugins and
contexts beyond the current one are the business of the `kubernetes` library.
"""

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class ApiServer:
    """An API server's address with, if it requires them, its CA (PEM) and a bearer token."""

    url: str
    ca: str | None = None
    token: str | None = None

    @classmethod
    def of(cls, kubeconfig: dict[str, Any]) -> "ApiServer":
        """Read the server of the current context; KeyError if the file names none."""
        context = _named(kubeconfig["contexts"], kubeconfig["current-context"])["context"]
        cluster = _named(kubeconfig["clusters"], context["cluster"])["cluster"]
        user = _named(kubeconfig["users"], context["user"])["user"]
        encoded = cluster.get("certificate-authority-data")
        return cls(cluster["server"], base64.b64decode(encoded).decode() if encoded else None, user.get("token"))

    def kubeconfig(self) -> dict[str, Any]:
        """Return a kubeconfig with this server as its only context."""
        name = "mooring-development"
        authority = {"certificate-authority-data": base64.b64encode(self.ca.encode()).decode()} if self.ca else {}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url, **authority}}],
            "users": [{"name": name, "user": {"token": self.token} if self.token else {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig, readable by its owner alone, and return its path."""
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(self.kubeconfig(), sort_keys=False))
        return path

    def ssl(self) -> ssl.SSLContext | bool:
        """Return aiohttp's `ssl` argument: trust in this CA alone, or the system's if there is none."""
        return ssl.create_default_context(cadata=self.ca) if self.ca else True

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in items:
        if item["name"] == name:
            return item
    raise KeyError(f"the kubeconfig has no entry named {name!r}")
