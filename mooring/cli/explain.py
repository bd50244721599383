"""`mooring explain`: all that can be known of one volume, and the advice about it.

The command asks the API server and Temporal itself, so it needs no worker, and shows one half if the other is unavailable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer

from mooring.cli.operations import Kubeconfig, Volume
from mooring.cli.output import Text, print_data
from mooring.cli.session import Session
from mooring.errors import VolumeNotFound

if TYPE_CHECKING:
    from mooring.errors import MooringError
    from mooring.explain.facts import Explanation
    from mooring.kubernetes.api import KubernetesApi

REQUEST_SECONDS: Final = 10.0


def explain(
    context: typer.Context,
    volume: Volume,
    kubeconfig: Kubeconfig = "",
    output: Text = "text",
) -> None:
    """Explain VOLUME: who holds it, what Kubernetes and Temporal know of it, what is under way, and what to do.

    A source that doesn't answer is reported; the rest is shown all the same.
    """
    session = Session.of(context)
    explained, errors = session.run(lambda: _explain(session, volume, kubeconfig), f"the reading of volume {volume}")
    if not explained.known and not errors:
        session.fail(
            VolumeNotFound(f"Volume {volume} of driver {session.driver} has no PersistentVolume, and Temporal has no run of it.")
        )
    if output == "text":
        from mooring.cli.explain_page import print_page

        print_page(explained, datetime.now(UTC))
    else:
        print_data(explained, output)
    if errors:
        session.fail(*errors)


async def _explain(session: Session, volume: str, kubeconfig: str) -> tuple[Explanation, list[MooringError]]:
    from mooring.client import volume_ref
    from mooring.explain.explainer import Explainer
    from mooring.kubernetes.connection import connect

    async def kubernetes() -> KubernetesApi:
        return await connect(kubeconfig or None, session.environ, REQUEST_SECONDS)

    explainer = Explainer(session.temporal, kubernetes, session.task_queue, lambda: datetime.now(UTC))
    return await explainer.explain(volume_ref(session.driver, volume))
