"""A folder with kubeconfigs for one API server, and what Mooring and kubectl make of them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mooring.kubernetes.api import KubernetesApi, Request
from mooring.kubernetes.connection import CLOCK, connect
from mooring.kubernetes.credentials.renewal import Clock
from tests.harness.patience import PATIENCE
from tests.kubernetes.credentials.api import Api
from tests.kubernetes.credentials.authority import Authority, Certificate

WHO = Request("ask who this is", "GET", "/who")
TIMEOUT = 10.0
Seen = dict[str, str]


@dataclass(slots=True)
class Scene:
    """The folder, the server, and the client certificate `alice`."""

    folder: Path
    api: Api
    plain: Api
    authority: Authority
    stranger: Authority
    alice: Certificate
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: str, *, program: bool = False) -> Path:
        """Write a file in the folder; text in braces is filled in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        if program:
            path.chmod(0o755)
        return path

    def kubeconfig(
        self,
        user: Mapping[str, Any] | None = None,
        cluster: Mapping[str, Any] | None = None,
        *,
        name: str = "it",
        file: str = "config",
    ) -> str:
        """Write a kubeconfig whose one context is called like its user and cluster, and return its path."""
        server = {"server": self.api.url, "certificate-authority-data": self.authority.data(), **(cluster or {})}
        return self.document(
            file,
            **{
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": name,
                "clusters": [{"name": name, "cluster": {key: value for key, value in server.items() if value is not None}}],
                "users": [{"name": name, "user": dict(user or {})}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            },
        )

    def document(self, file: str, **content: Any) -> str:
        """Write any YAML and return its path."""
        return str(self.write(file, yaml.safe_dump(content)))

    async def connect(self, kubeconfig: str, clock: Clock = CLOCK) -> KubernetesApi:
        """Connect as a worker does."""
        return await connect(None, {**os.environ, **self.environ, "KUBECONFIG": kubeconfig}, TIMEOUT, clock=clock)

    async def mooring(self, kubeconfig: str) -> Seen:
        """Return Mooring's identity, as the server sees it."""
        api = await self.connect(kubeconfig)
        try:
            return await who(api)
        finally:
            await api.close()

    async def kubectl(self, program: str, kubeconfig: str) -> tuple[int, str]:
        """Return kubectl's exit code and everything that it printed."""
        environ = {**os.environ, "HOME": str(self.folder), **self.environ, "KUBECONFIG": kubeconfig}
        process = await asyncio.create_subprocess_exec(
            program,
            *("get", "--raw", "/who", "--request-timeout=5s"),
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode or 0, out.decode()


async def who(api: KubernetesApi) -> Seen:
    """Return the client's identity, as the server sees it."""
    found: Seen = json.loads(await api.request(WHO))
    return found


def shows(error: BaseException | None, secret: str) -> bool:
    """Return whether the error, or one that it came from and that is shown with it, holds the secret."""
    while error is not None:
        if secret in f"{error!r} {error}":
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False
