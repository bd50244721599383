"""Every activity of one worker, made of its parts, for the worker to register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.attachments import AttachmentActivities
from activities.backend import BackendActivities
from activities.events import EventActivities
from activities.nodes import NodeActivities
from activities.unpersisted import UnpersistedActivities
from mooring.admission import Admission
from mooring.backend import NoBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from temporalio.client import Client

    from activities.rebuild import RebuildActivities
    from mooring.backend import Backend
    from mooring.manager import AttachmentManager
    from mooring.settings import Settings
    from mooring.storage import Storage


def all_activities(
    settings: Settings,
    client: Client,
    storage: Storage,
    manager: AttachmentManager,
    backend: Backend,
    rebuild: RebuildActivities,
    *,
    search_attributes: bool,
) -> list[Callable[..., Any]]:
    """The activities; `search_attributes`: the namespace knows Mooring's."""
    limits = settings.limits(search_attributes=search_attributes, backend=not isinstance(backend, NoBackend))
    unpersisted = UnpersistedActivities(client, manager, storage.volumes)
    admission = Admission(storage.nodes, manager)
    attachments = AttachmentActivities(settings.driver, manager, storage.volumes, limits, unpersisted.look_up, admission.glance)
    calls = BackendActivities(backend, storage.nodes)
    return [
        *(attachments.observe, attachments.look, attachments.record),
        *(attachments.release, attachments.persist, attachments.undo),
        *(unpersisted.find, unpersisted.drop, unpersisted.publisher_lives, unpersisted.wait),
        *(calls.publish, calls.unpublish, calls.undo),
        NodeActivities(admission).check,
        EventActivities(storage.events).not_cleared,
        rebuild.rebuild,
    ]
