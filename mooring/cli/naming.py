"""The names that a command is given, as the cluster understands them (mooring/cluster/identification.py).

Contract: how a name was understood is said on standard error, unless it is the id itself. Where Kubernetes can't be asked, a name
without a form is taken for a handle or a node id, which is said too; one with a form ends the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooring.cli.output import note
from mooring.errors import MooringError, NodeNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from mooring.cli.session import Session
    from mooring.cluster.identification import Identified
    from mooring.kubernetes.api import KubernetesApi


def volume_named(session: Session, name: str) -> Identified:
    """Return the volume with this name."""
    from mooring.cluster.identification import VOLUME_FORMS, find_volume

    return _identify(session, name, lambda api: find_volume(api, session.driver, name), "volume handle", VOLUME_FORMS)


def node_named(session: Session, name: str, held: Collection[str] = ()) -> Identified:
    """Return the node with this name; `held` are the node ids that records name."""
    from mooring.cluster.identification import NODE_FORMS, find_node

    return _identify(session, name, lambda api: find_node(api, session.driver, name, held), "CSI node id", NODE_FORMS)


def unknown_node(session: Session, node: Identified) -> NodeNotFound:
    """Return the error that nothing knows a node."""
    nothing = f"No CSINode, Node or record knows node {node.id} of driver {session.driver}"
    return NodeNotFound(f"{node.doubt or nothing}. If {node.id} is its CSI node id, insist on it: id/{node.id}.")


def _identify(
    session: Session, name: str, find: Callable[[KubernetesApi], Awaitable[Identified]], noun: str, forms: Mapping[str, str]
) -> Identified:
    from mooring.cluster.identification import Identified, split

    async def work() -> Identified | MooringError:
        session.refuse_malformed_driver()
        try:
            api = await session.kubernetes()
        except MooringError as error:
            return error
        try:
            return await find(api)
        except _unasked() as error:
            return error
        finally:
            await api.close()

    found = session.run(work, f"the search for {noun} {name}")
    if isinstance(found, Identified):
        if found.says:
            note(found.says)
        return found
    if split(name, forms)[0]:
        session.fail(found)
    why = str(found).removesuffix(found.advice).rstrip()
    note(f"{name} is taken for a {noun}, since Kubernetes can't be asked for other names: {why}")
    return Identified(name, known=None)


def _unasked() -> tuple[type[MooringError], ...]:
    from mooring.errors import KubernetesForbidden, KubernetesRejected, KubernetesUnavailable

    return KubernetesForbidden, KubernetesRejected, KubernetesUnavailable
