"""Credential plugins (client.authentication.k8s.io): programs that print an ExecCredential.

Contract: a plugin gets no terminal, the environment with its own variables, and KUBERNETES_EXEC_INFO as client-go sets it. A
failure names the program, its exit code and the last line that it wrote to standard error.

Invariant: neither arguments nor standard output are shown, since both may hold secrets.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from mooring.kubernetes.credentials.errors import NoCredentials
from mooring.kubernetes.credentials.schema import Exec

PLUGIN_SECONDS: Final = 60.0
"""Seconds that a plugin may take."""
LONGEST_LINE: Final = 300
API_GROUP: Final = "client.authentication.k8s.io"
VERSIONS: Final = tuple(f"{API_GROUP}/{version}" for version in ("v1", "v1beta1"))
TOKENS: Final = re.compile(r"(?i)\beyJ[\w.-]{8,}|(?<=bearer )\S+")
"""Text that looks like a token, wherever it is from."""


class IssuedCredentials(msgspec.Struct, rename="camel"):
    """The credentials that a plugin printed."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None

    def __repr__(self) -> str:
        return "IssuedCredentials(...)"


class _Printed(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    status: IssuedCredentials | None = None


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of a kubeconfig, whose relative command belongs to `folder`; `cluster` describes the API server to it."""

    spec: Exec
    folder: Path
    cluster: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def command(self) -> str:
        """Return the program: a path, or a bare name that PATH finds."""
        return str(self.folder / self.spec.command) if os.sep in self.spec.command else self.spec.command

    async def run(self, environ: Mapping[str, str], patience: float = PLUGIN_SECONDS) -> IssuedCredentials:
        """Run it and return what it printed.

        Raises:
            NoCredentials: it gave none.

        """
        try:
            process = await self._started(environ)
        except OSError as error:
            hint = f": {_printable(self.spec.install_hint)}" if self.spec.install_hint.strip() else ""
            raise self._failed(f"can't be run ({(error.strerror or '').lower()}){hint}") from None
        try:
            async with asyncio.timeout(patience):
                out, err = await process.communicate()
        except TimeoutError:
            raise self._failed(f"gave no answer in {patience:g} s") from None
        finally:
            _end(process)
        if process.returncode:
            raise self._failed(f"failed with exit code {process.returncode}{self._last_line(err)}")
        return self._read(out, err)

    async def _started(self, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
        """Start it, and end it if this is cancelled meanwhile.

        NB: asyncio, cancelled before it has the pipes of a process, waits until all that hold them have ended.
        """
        starting = asyncio.create_task(self._start(environ))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(OSError):
                _end(await starting)
            raise

    async def _start(self, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
        info = {
            "kind": "ExecCredential",
            "apiVersion": self.spec.api_version,
            "spec": {"interactive": False, **({"cluster": self.cluster} if self.spec.provide_cluster_info else {})},
        }
        own = {each.name: each.value for each in self.spec.env}
        return await asyncio.create_subprocess_exec(
            self.command,
            *self.spec.args,
            env={**environ, **own, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    def _read(self, out: bytes, err: bytes) -> IssuedCredentials:
        try:
            printed = msgspec.json.decode(out, type=_Printed)
        except msgspec.DecodeError:
            what = "something else than an ExecCredential" if out.strip() else "nothing"
            raise self._failed(f"printed {what}{self._last_line(err)}") from None
        if (printed.kind, printed.api_version) != ("ExecCredential", self.spec.api_version):
            raise self._failed(f"did not print an ExecCredential of {self.spec.api_version}, which the kubeconfig asks for")
        status = printed.status or IssuedCredentials()
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise self._failed("gave a certificate without its key, or the other way round")
        if not (status.token or status.client_certificate_data):
            raise self._failed(f"gave neither a token nor a certificate{self._last_line(err)}")
        return status

    def _last_line(self, err: bytes) -> str:
        lines = err.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        for secret in (each.value for each in self.spec.env if len(each.value) > 3):
            last = last.replace(secret, "[hidden]")
        return f": {_printable(TOKENS.sub('[hidden]', last))}" if last else ""

    def _failed(self, how: str) -> NoCredentials:
        return NoCredentials(f"the credential plugin {self.command} {how}")


def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process and its group, since a child that holds the pipes open would be waited for."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _printable(text: str) -> str:
    # NB: a terminal may obey what else is in it.
    return "".join(each if each.isprintable() else " " for each in text.strip())[:LONGEST_LINE].rstrip(".")
