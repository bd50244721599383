"""`mooring explain`: all that can be known of one volume, and the advice about it.

The command asks the API server and Temporal itself, so it needs no worker, and shows one half if the other is unavailable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from mooring.cli.naming import volume_named
from mooring.cli.operations import Kubeconfig, KubeContext, VolumeName
from mooring.cli.output import Text, print_data
from mooring.cli.session import Session
from mooring.errors import VolumeNotFound
from mooring.process.clock import utc_now

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.errors import MooringError
    from mooring.explain.facts import Explanation
    from mooring.models import VolumeRef, VolumeStatus

WORKER_SECONDS: Final = 10.0


def explain(
    context: typer.Context,
    volume: VolumeName,
    kubeconfig: Kubeconfig = "",
    kube_context: KubeContext = "",
    output: Text = "text",
) -> None:
    """Explain VOLUME: who holds it, what is under way, what to do.

    It shows all that Kubernetes and Temporal know of the volume. A source that doesn't answer is reported; the rest is shown all
    the same.
    """
    session = Session.of(context, kubeconfig, kube_context)
    handle = volume_named(session, volume).id
    explained, errors = session.run(lambda: read_explanation(session, handle), f"the reading of volume {handle}")
    if not explained.known and not errors:
        session.fail(
            VolumeNotFound(f"Volume {handle} of driver {session.driver} has no PersistentVolume, and Temporal has no run of it.")
        )
    if output == "text":
        from mooring.cli.explain_page import print_page

        print_page(explained, utc_now())
    else:
        from mooring.cli.explain_form import explanation

        print_data(explanation(explained), output)
    if errors:
        session.fail(*errors)


async def read_explanation(session: Session, volume: str) -> tuple[Explanation, list[MooringError]]:
    """Read all that is known of the volume, and the errors that hid the rest."""
    from mooring.client import MooringClient, volume_ref
    from mooring.explain.explainer import Explainer
    from mooring.temporal import queues
    from mooring.temporal.pages import ui_address

    async def ask(client: Client, asked: VolumeRef, queue: str) -> VolumeStatus:
        if unavailable := await queues.unavailable(client, queue, ""):
            raise unavailable
        mooring = MooringClient(client, driver=asked.driver, task_queue=queue)
        return await mooring.get(asked.volume_handle, deadline=WORKER_SECONDS)

    ui = ui_address(session.environ)
    explainer = Explainer(session.temporal, session.kubernetes, session.task_queue, utc_now, ask, ui)
    return await explainer.explain(volume_ref(session.driver, volume))
