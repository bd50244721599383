"""etcd and kube-apiserver on loopback, for development and tests: TLS, RBAC, a token for each user, a folder of its own.

The binaries come from kube/build.sh. Both processes end with the block, or with this process if it is killed. Nothing is
durable: etcd doesn't sync its files and they are removed; the logs, which remain, are the caller's to remove.

The requests of chosen users can be kept as an audit log: user, request and answer, without bodies. A request is in it before its
answer ends.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from mooring.devstack.folders import own_folder
from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.kubernetes.programs import program
from mooring.devstack.ports import HOST, free_ports
from mooring.devstack.process import running

ADMIN: Final = "admin"
ADMINS: Final[Mapping[str, Sequence[str]]] = {ADMIN: ["system:masters"]}
READY_SECONDS: Final = 60.0
Runner = Callable[[Sequence[str], Path, Path], AbstractAsyncContextManager[object]]
"""The way to run a command while a block lasts: its log, and the folder it runs in."""


@dataclass(frozen=True, slots=True)
class RealKubernetes:
    """A running API server; `etcd_url` is its etcd, open to every local user."""

    url: str
    etcd_url: str
    folder: Path
    ca: str
    tokens: Mapping[str, str]

    @property
    def audit_log(self) -> Path:
        """A line of JSON (audit.k8s.io/v1 Event) for each request of an audited user; of a watch, two."""
        return self.folder / "audit.log"

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        assets: Path,
        folder: Path,
        users: Mapping[str, Sequence[str]] = ADMINS,
        flags: Sequence[str] = (),
        audited: Sequence[str] = (),
        run: Runner = running,
    ) -> AsyncIterator["RealKubernetes"]:
        """Run both while the block lasts, in `folder`; `users` maps names to groups, `flags` are more for kube-apiserver.

        `audited` users are in the audit log. `run` may be a way that starts either again when it ends.

        Raises:
            StackError: `assets` lacks one of the two.
            TimeoutError: it isn't ready in `READY_SECONDS`; its logs are named.

        """
        client_port, peer_port, port = free_ports(3)
        etcd_url = f"http://{HOST}:{client_port}"
        tokens = {name: secrets.token_urlsafe(24) for name in users}
        _write_tokens(folder / "tokens.csv", tokens, users)
        async with AsyncExitStack() as stack:
            data = stack.enter_context(own_folder("mooring-etcd"))
            etcd = _etcd(assets, data, etcd_url, f"http://{HOST}:{peer_port}")
            await stack.enter_async_context(run(etcd, folder / "etcd.log", folder))
            server = [*_kube_apiserver(assets, folder, etcd_url, port), *_audit(folder, audited), *flags]
            await stack.enter_async_context(run(server, folder / "kube-apiserver.log", folder))
            url = f"https://{HOST}:{port}"
            ca = await _ready(url, folder, tokens[next(iter(users))])
            yield cls(url, etcd_url, folder, ca, tokens)

    def server(self, user: str = ADMIN) -> ApiServer:
        """Return the address with this user's token; KeyError for a user it wasn't started with."""
        return ApiServer(self.url, self.ca, self.tokens[user])

    def kubeconfig(self, user: str = ADMIN) -> dict[str, Any]:
        """Return a kubeconfig for this user."""
        return self.server(user).kubeconfig()

    def write_kubeconfig(self, path: Path, user: str = ADMIN) -> Path:
        """Write the kubeconfig and return its path."""
        return self.server(user).write_kubeconfig(path)


def _etcd(assets: Path, data: Path, client_url: str, peer_url: str) -> list[str]:
    return [
        str(program(assets, "etcd")),
        "--unsafe-no-fsync",
        f"--data-dir={data}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
    ]


def _kube_apiserver(assets: Path, folder: Path, etcd_url: str, port: int) -> list[str]:
    key = f"{folder}/certificates/apiserver.key"  # the server makes it before it reads it: no key tool is needed
    return [
        str(program(assets, "kube-apiserver")),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        f"--cert-dir={folder}/certificates",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder}/tokens.csv",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection",
    ]


def _audit(folder: Path, users: Sequence[str]) -> list[str]:
    if not users:  # NB: a rule with an empty list of users is about all of them
        return []
    policy = folder / "audit-policy.json"
    head = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
    policy.write_text(json.dumps({**head, "rules": [{"level": "Metadata", "users": list(users)}]}))
    return [f"--audit-policy-file={policy}", f"--audit-log-path={folder}/audit.log"]


def _write_tokens(path: Path, tokens: Mapping[str, str], users: Mapping[str, Sequence[str]]) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f'{tokens[name]},{name},{name},"{",".join(groups)}"\n' for name, groups in users.items()))


async def _ready(url: str, folder: Path, token: str) -> str:
    """Wait until the server is ready, and return its own certificate, which is the CA."""
    certificate = folder / "certificates" / "apiserver.crt"
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await _is_ready(ApiServer(url, _text(certificate), token)):  # noqa: ASYNC110 - nothing to be woken by
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise TimeoutError(f"kube-apiserver isn't ready after {READY_SECONDS:.0f} s: see the logs in {folder}") from error
    return _text(certificate)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _is_ready(server: ApiServer) -> bool:
    if not server.ca:
        return False
    try:
        async with (
            aiohttp.ClientSession(headers=server.headers()) as session,
            session.get(f"{server.url}/readyz", ssl=server.ssl()) as answer,
        ):
            return answer.status == 200
    except aiohttp.ClientError:
        return False
