"""Applies manifests to an API server, as `kubectl apply --server-side` does.

Contract: a field that the server doesn't know is an error, and so is every refusal. The order is the file's.

Not kept here: waiting until the applied objects take effect.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from mooring.devstack.kubernetes.kubeconfig import ApiServer
from mooring.devstack.process import StackError

APPLY: Final = {"Content-Type": "application/apply-patch+yaml"}
STRICT: Final = {"fieldManager": "mooring-development", "fieldValidation": "Strict"}


def read_manifests(path: Path) -> list[dict[str, Any]]:
    """Read the objects from a file of YAML documents."""
    return list(yaml.safe_load_all(path.read_text()))


async def apply(server: ApiServer, manifests: Iterable[dict[str, Any]]) -> None:
    """Create these objects or update them to their manifests; `StackError` if the server refuses one."""
    connector = aiohttp.TCPConnector(ssl=server.ssl())
    async with aiohttp.ClientSession(server.url, connector=connector, headers=server.headers()) as session:
        for manifest in manifests:
            path = await _path(session, manifest)
            async with session.patch(path, headers=APPLY, params=STRICT, data=yaml.safe_dump(manifest)) as answer:
                if not answer.ok:
                    raise StackError(f"{path} can't be applied: {answer.status} {await answer.text()}")


async def _path(session: aiohttp.ClientSession, manifest: dict[str, Any]) -> str:
    """Return the object's path, with the resource's name as the server reports it."""
    version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    async with session.get(root) as answer:
        served = (await answer.json())["resources"] if answer.ok else []
    for resource in served:
        if resource["kind"] == kind and "/" not in resource["name"]:
            namespace = f"/namespaces/{metadata['namespace']}" if resource["namespaced"] else ""
            return f"{root}{namespace}/{resource['name']}/{metadata['name']}"
    raise StackError(f"The API server has no {kind} in {version}.")
