"""The workers' Pods: their state and settings, logs and metrics, through the API server, as far as the user's rights go.

A Pod is a worker's if it polls the task queue under its host name, or bears the labels that are asked for and has a container with
settings of Mooring.

Contract: of a log its end is taken, bounded in lines and bytes. Of a Pod's variables only Mooring's settings have values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mooring.cli.bundle.archive import BundlePart, file_name
from mooring.cli.bundle.installation import WORKER_FILES, dump
from mooring.cli.bundle.redaction import variables
from mooring.kubernetes.api import Request
from mooring.kubernetes.list_watch import decode
from mooring.kubernetes.pod_objects import WORKER_PODS, Container, WorkerPod
from mooring.settings import PREFIX

if TYPE_CHECKING:
    from mooring.kubernetes.api import KubernetesApi

MAX_PODS: Final = 20
LOG_LINES: Final = 10_000
LOG_BYTES: Final = 8 * 1024 * 1024
HTTP_PORT: Final = 9440


@dataclass(frozen=True, slots=True)
class FoundPod:
    """A Pod of a worker, and its container."""

    pod: WorkerPod
    container: Container

    @property
    def path(self) -> str:
        """Its path at the API server."""
        place = self.pod.metadata
        return f"/api/v1/namespaces/{quote(place.namespace, safe='')}/pods/{quote(place.name, safe='')}"

    @property
    def restarts(self) -> int:
        """The number of its container's restarts."""
        return next((each.restart_count for each in self.pod.statuses if each.name == self.container.name), 0)

    @property
    def port(self) -> int:
        """The port of its health and metrics."""
        return next((each.container_port for each in self.container.ports or () if each.name == "http"), HTTP_PORT)

    def state(self) -> dict[str, Any]:
        """Return its state and settings."""
        environ = {each.name: each.value for each in self.container.env or ()}
        return {
            "namespace": self.pod.metadata.namespace,
            "name": self.pod.metadata.name,
            "container": self.container.name,
            "image": self.container.image,
            "phase": self.pod.status.phase,
            "ready": all(each.ready for each in self.pod.statuses if each.name == self.container.name),
            "restarts": self.restarts,
            **variables(environ),
        }


async def find(api: KubernetesApi, namespace: str, selector: str, hosts: Iterable[str]) -> list[FoundPod]:
    """Find the Pods by their labels, and those with these host names, in the namespace, or everywhere if it is "".

    Raises:
        KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

    """
    place = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods" if namespace else "/api/v1/pods"
    named = [await _list(api, place, {"fieldSelector": f"metadata.name={host}"}) for host in sorted(set(hosts))[:MAX_PODS]]
    found = [FoundPod(pod, _container(pod) or pod.spec.containers[0]) for pods in named for pod in pods if pod.spec.containers]
    known = {each.path for each in found}
    labelled = await _list(api, place, {"labelSelector": selector}) if selector else []
    more = [FoundPod(pod, container) for pod in labelled if (container := _container(pod)) is not None]
    return [*found, *(each for each in more if each.path not in known)][:MAX_PODS]


def parts(api: KubernetesApi, pods: Sequence[FoundPod]) -> list[BundlePart]:
    """Return the parts about these Pods."""
    return [part for number, each in enumerate(pods, 1) for part in _parts(api, each, f"pods/{_file(number, each)}")]


def states(pods: Sequence[FoundPod]) -> bytes:
    """Return the states and settings of the Pods."""
    return dump([each.state() for each in pods])


def _parts(api: KubernetesApi, found: FoundPod, folder: str) -> list[BundlePart]:
    name = f"Pod {found.pod.metadata.namespace}/{found.pod.metadata.name}"
    asked = [BundlePart(f"{folder}/worker.log", f"The log of {name}", lambda: _log(api, found, name))]
    if found.restarts:
        before = f"The log of {name} before its restart"
        asked.append(BundlePart(f"{folder}/previous.log", before, lambda: _log(api, found, name, previous="true")))
    return [*asked, *(_served(api, found, f"{folder}/{path}.txt", path, name) for path in WORKER_FILES)]


def _served(api: KubernetesApi, found: FoundPod, file: str, path: str, name: str) -> BundlePart:
    what = f"The {WORKER_FILES[path]} of {name}"
    request = Request(f"read the {WORKER_FILES[path]} of {name}", "GET", f"{found.path}:{found.port}/proxy/{path}")
    return BundlePart(file, what, lambda: api.request(request))


async def _log(api: KubernetesApi, found: FoundPod, name: str, **which: str) -> bytes:
    query = {"container": found.container.name, "tailLines": str(LOG_LINES), **which}
    return (await api.request(Request(f"read the log of {name}", "GET", f"{found.path}/log", query)))[-LOG_BYTES:]


async def _list(api: KubernetesApi, path: str, query: dict[str, str]) -> list[WorkerPod]:
    request = Request("list the workers' Pods", "GET", path, {**query, "limit": str(MAX_PODS)})
    return decode(WORKER_PODS, request, await api.request(request)).items


def _container(pod: WorkerPod) -> Container | None:
    """Return the container with settings of Mooring."""
    return next((each for each in pod.spec.containers if any(var.name.startswith(PREFIX) for var in each.env or ())), None)


def _file(number: int, found: FoundPod) -> str:
    return file_name(number, found.pod.metadata.namespace, found.pod.metadata.name)
