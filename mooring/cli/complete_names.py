"""The names with which a shell completes an argument: volumes, nodes, runs that wait for an approval.

Contract: whatever goes wrong, there are just no names: a shell shows no errors. It takes `SECONDS` at most.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import typer

from mooring.cli.session import Session

SECONDS: Final = 5.0
MAX_NAMES: Final = 200


def complete_volumes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the volume handles that begin so."""
    return _names(context, _volumes, incomplete)


def complete_nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of Nodes and the node ids that begin so."""
    return _names(context, _nodes, incomplete)


def complete_waiting(context: typer.Context, incomplete: str) -> list[str]:
    """Return the runs that wait for an approval and begin so."""
    return _names(context, _waiting, incomplete)


def _names(context: typer.Context, read: Callable[[Session], Awaitable[Iterable[str]]], incomplete: str) -> list[str]:
    import asyncio

    logging.getLogger().addHandler(logging.NullHandler())
    try:
        found = asyncio.run(asyncio.wait_for(read(_session(context)), SECONDS))
    except Exception:  # NB: a shell would show it amid the command line
        return []
    return sorted({name for name in found if name.startswith(incomplete)})[:MAX_NAMES]


def _session(context: typer.Context) -> Session:
    """Return the session of a command that is only being typed, by the options that are there already."""
    driver = context.find_root().params.get("driver")
    environ = {**os.environ, **({"MOORING_DRIVER": str(driver)} if driver else {})}
    kubeconfig, kube_context = (str(context.params.get(name) or "") for name in ("kubeconfig", "kube_context"))
    return Session(environ, verbose=False, kubeconfig=kubeconfig, kube_context=kube_context)


async def _volumes(session: Session) -> Iterable[str]:
    from mooring.cli.volumes import read_all

    return [seen.handle for seen in (await read_all(session)).records]


async def _nodes(session: Session) -> Iterable[str]:
    from mooring.cluster.node_ids import read_node_ids

    api = await session.kubernetes()
    try:
        node_ids = await read_node_ids(api, session.driver)
    finally:
        await api.close()
    return [*node_ids, *node_ids.values()]


async def _waiting(session: Session) -> Iterable[str]:
    from mooring.states import State
    from mooring.temporal.under_way import list_under_way

    open_runs = await list_under_way(await session.temporal(), session.driver)
    evacuations = [f"evacuate/{run.node_id}" for run in open_runs if run.state == State.AWAITING_PROOF]
    return [*evacuations, *("reconcile" for run in open_runs if run.state == State.AWAITING_APPROVAL)]
