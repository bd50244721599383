"""Fields of a kubeconfig (v1 Config), as far as a connection needs them; others are ignored, as kubectl does.

Invariant: a decoding error names the field and never its value.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class Extension(Struct):
    """An entry of a cluster's `extensions`."""

    name: str = ""
    extension: Any = None


class Cluster(Struct, rename="kebab"):
    """An API server."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Extension] = field(default_factory=list)


class Variable(Struct):
    """An environment variable of a plugin."""

    name: str = ""
    value: str = ""

    def __repr__(self) -> str:
        return f"Variable({self.name})"


class Exec(Struct, rename="camel"):
    """A credential plugin: a program that prints an ExecCredential."""

    command: str = ""
    args: list[str] = field(default_factory=list)
    env: list[Variable] = field(default_factory=list)
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(Struct):
    """A provider of the time before plugins."""

    name: str = ""
    config: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"AuthProvider({self.name})"


class User(Struct, rename="kebab"):
    """Credentials, and the user to impersonate."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    impersonate: str = field(default="", name="as")
    impersonate_uid: str = field(default="", name="as-uid")
    impersonate_groups: list[str] = field(default_factory=list, name="as-groups")
    impersonate_extra: dict[str, list[str]] = field(default_factory=dict, name="as-user-extra")
    auth_provider: AuthProvider | None = None
    exec: Exec | None = None

    def __repr__(self) -> str:
        return "User(...)"


class Context(Struct):
    """A cluster and a user."""

    cluster: str = ""
    user: str = ""


class NamedCluster(Struct):
    """An entry of `clusters`."""

    name: str = ""
    cluster: Cluster = field(default_factory=Cluster)


class NamedUser(Struct):
    """An entry of `users`."""

    name: str = ""
    user: User = field(default_factory=User)


class NamedContext(Struct):
    """An entry of `contexts`."""

    name: str = ""
    context: Context = field(default_factory=Context)


class Config(Struct, rename="kebab"):
    """A file."""

    api_version: str = field(default="", name="apiVersion")
    kind: str = ""
    current_context: str = ""
    clusters: list[NamedCluster] = field(default_factory=list)
    users: list[NamedUser] = field(default_factory=list)
    contexts: list[NamedContext] = field(default_factory=list)
