"""The parts of `mooring bundle`: what other commands show, and what is fetched for it alone.

Contract: what is open is explained, the stuck runs first, then the oldest; beyond the bounds the index says how much is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mooring.cli.bundle import installation, worker_pods
from mooring.cli.bundle.archive import Archive, BundlePart, file_name
from mooring.cli.check import run_checks
from mooring.cli.explain import read_explanation
from mooring.cli.open_list import read_open
from mooring.cli.volumes import read_volumes
from mooring.errors import MooringError
from mooring.temporal import runs

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.cli.forms import RunForm
    from mooring.cli.session import Session
    from mooring.explain.facts import Explanation

MAX_EXPLAINED: Final = 20
MAX_HISTORIES: Final = 60
LAST: Final = 5
"""Operations on an explained volume whose histories are taken."""
_HOST_OF: Final = 2
"""Parts of a worker's identity after its host name: process and a random one."""


async def gather(session: Session, archive: Archive, handles: Sequence[str], namespace: str, selector: str) -> None:
    """Add all parts; `handles` are volumes to be explained whatever their state, the others are as for `worker_pods.find`."""
    explained: list[Explanation] = []
    await archive.gather(_overview(session))
    found = await _open(session, archive)
    volumes = list(dict.fromkeys([*handles, *(run.volume_handle for run in found if run.volume_handle)]))
    if len(volumes) > MAX_EXPLAINED:
        archive.miss("explain/", "The explanations of more volumes", f"only {MAX_EXPLAINED} of {len(volumes)} are taken")
    await archive.gather([_explanation(session, n, each, explained) for n, each in enumerate(volumes[:MAX_EXPLAINED], 1)])
    await _histories(session, archive, found, explained)
    await _pods(session, archive, namespace, selector)


def _overview(session: Session) -> list[BundlePart]:
    async def check() -> bytes:
        endpoint = session.environ.get("MOORING_CSI_ENDPOINT", "")
        return (await run_checks(session, endpoint, None)).model_dump_json(indent=2).encode()

    async def volumes() -> bytes:
        return installation.dump([each.model_dump(mode="json") for each in await read_volumes(session)])

    return [
        BundlePart("check.json", "The checks, as of `mooring check`", check),
        BundlePart("list.json", "The volumes and their holders, as of `mooring list`", volumes),
        *installation.parts(session.environ, session.temporal, session.kubernetes),
    ]


async def _open(session: Session, archive: Archive) -> list[RunForm]:
    """Add the list of what is open, and return it, the stuck runs first."""
    found: list[RunForm] = []

    async def read() -> bytes:
        found.extend(await read_open(session, ""))
        return installation.dump([each.model_dump(mode="json") for each in found])

    await archive.gather([BundlePart("open.json", "What is under way, as of `mooring list --open`", read)])
    return sorted(found, key=lambda run: (not run.stuck, run.started_at))


def _explanation(session: Session, number: int, handle: str, explained: list[Explanation]) -> BundlePart:
    async def read() -> bytes:
        found, _ = await read_explanation(session, handle)
        explained.append(found)
        return found.model_dump_json(indent=2).encode()

    return BundlePart(f"explain/{file_name(number, handle)}.json", f"Volume {handle}, as of `mooring explain`", read)


async def _histories(session: Session, archive: Archive, found: Sequence[RunForm], explained: Sequence[Explanation]) -> None:
    """Add the histories of the open runs, and of the last operations on the explained volumes."""
    ids = [(run.workflow_id, run.run_id) for run in found]
    ids += [(run.workflow_id, run.run_id) for volume in explained for run in volume.runs[:LAST]]
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_HISTORIES:
        archive.miss("histories/", "The histories of more runs", f"only {MAX_HISTORIES} of {len(wanted)} are taken")
    if not wanted:
        return
    try:
        client = await session.temporal()
    except MooringError as error:
        archive.miss("histories/", "The histories of runs", str(error))
        return
    await archive.gather([_history(client, number, *each) for number, each in enumerate(wanted[:MAX_HISTORIES], 1)])


def _history(client: Client, number: int, workflow_id: str, run_id: str) -> BundlePart:
    async def read() -> bytes:
        return (await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()).to_json().encode()

    return BundlePart(
        f"histories/{file_name(number, workflow_id, run_id)}.json", f"The history of run {run_id} of {workflow_id}", read
    )


async def _pods(session: Session, archive: Archive, namespace: str, selector: str) -> None:
    """Add the workers' Pods, their logs, metrics and readiness."""
    try:
        api = await session.kubernetes()
    except MooringError as error:
        archive.miss("pods/", "The logs and metrics of the workers' Pods", str(error))
        return
    pods: list[worker_pods.FoundPod] = []

    async def states() -> bytes:
        pods.extend(await worker_pods.find(api, namespace, selector, await _hosts(session)))
        return worker_pods.states(pods)

    try:
        await archive.gather([BundlePart("pods.json", "The workers' Pods and their settings", states)])
        await archive.gather(worker_pods.parts(api, pods))
    finally:
        await api.close()
    if not pods:
        archive.miss("pods/", "The logs of the workers", "no Pod of a worker is known; add their logs by hand")


async def _hosts(session: Session) -> set[str]:
    """Return the host names of the workers that poll, which in a Pod is the Pod's name; none if Temporal doesn't say."""
    try:
        client = await session.temporal()
        async with runs.deadline(5, "The search for workers"):
            workers = await runs.workers_of(client, session.task_queue)
    except MooringError:
        return set()
    return {worker.rsplit("-", _HOST_OF)[0] for worker in workers if worker.count("-") >= _HOST_OF}
