"""The parts of a bundle about the installation: versions, the settings of this command, and a worker on this machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from mooring import __version__
from mooring.cli.bundle.archive import BundlePart
from mooring.cli.bundle.redaction import variables
from mooring.errors import MooringError
from mooring.kubernetes.api import Request
from mooring.kubernetes.reasons import in_words
from mooring.settings import PREFIX, Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.kubernetes.api import KubernetesApi

PACKAGES: Final = ("temporalio", "kubernetes", "grpcio", "pydantic", "aiohttp", "structlog")
WORKER_SECONDS: Final = 5.0
WORKER_FILES: Final = {"readyz": "readiness", "metrics": "metrics"}


def parts(
    environ: Mapping[str, str], temporal: Callable[[], Awaitable[Client]], kubernetes: Callable[[], Awaitable[KubernetesApi]]
) -> list[BundlePart]:
    """Return these parts; `environ` is the command's, and the functions connect."""
    url = _worker_url(environ)
    local = [
        BundlePart(f"worker/{path}.txt", f"The {what} of the worker at {url}", _getter(f"{url}/{path}"))
        for path, what in WORKER_FILES.items()
    ]
    return [
        BundlePart("versions.json", "Versions of Mooring, its libraries and its servers", lambda: _versions(temporal, kubernetes)),
        BundlePart("settings.json", "Settings of this command, and the names of other variables", lambda: _settings(environ)),
        *local,
    ]


async def _settings(environ: Mapping[str, str]) -> bytes:
    return dump(variables(environ))


async def _versions(temporal: Callable[[], Awaitable[Client]], kubernetes: Callable[[], Awaitable[KubernetesApi]]) -> bytes:
    return dump(
        {
            "mooring": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: _version(name) for name in PACKAGES},
            "temporal": await _or_why(_temporal_version(temporal)),
            "kubernetes": await _or_why(_kubernetes_version(kubernetes)),
        }
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


async def _temporal_version(connect: Callable[[], Awaitable[Client]]) -> str:
    return (await (await connect()).workflow_service.get_system_info(GetSystemInfoRequest())).server_version


async def _kubernetes_version(connect: Callable[[], Awaitable[KubernetesApi]]) -> str:
    api = await connect()
    try:
        answer = await api.request(Request("ask the API server for its version", "GET", "/version"))
    finally:
        await api.close()
    return str(json.loads(answer).get("gitVersion", ""))


async def _or_why(asked: Awaitable[str]) -> str:
    try:
        return await asked
    except MooringError as error:
        return f"unknown: {error}"


def _worker_url(environ: Mapping[str, str]) -> str:
    """Return the URL at which a worker with these settings serves its health and metrics on this machine."""
    address = environ.get(f"{PREFIX}HTTP_ADDRESS") or str(Settings.model_fields["http_address"].default)
    host, _, port = address.rpartition(":")
    return f"http://{host if host not in ('', '0.0.0.0', '[::]') else '127.0.0.1'}:{port}"  # noqa: S104 - compared, not bound


def _getter(url: str) -> Callable[[], Awaitable[bytes]]:
    async def get() -> bytes:
        timeout = aiohttp.ClientTimeout(total=WORKER_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
                return await answer.read()
        except aiohttp.ClientError as error:
            raise ConnectionError(in_words(error)) from error

    return get


def dump(data: Any) -> bytes:
    """Return the data as indented JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str).encode()
