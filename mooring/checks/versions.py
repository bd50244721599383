"""The versions of workers that get no tasks, as `mooring check` names them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mooring.checks.results import Answer, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mooring.temporal.queues import QueueWorkers, Version


def judge_unserved(namespace: str, queue: str, found: QueueWorkers) -> Answer:
    """Return the failure of a queue that is polled by idle workers alone."""
    serves = f"only {found.current} gets them" if found.current.deployment else "no version of a Worker Deployment is current"
    return failed(
        f"No worker gets the tasks of queue {queue}: {serves}, and it is polled by {in_full(found.idle)}.",
        "Make the version that is to serve the current one, or start workers of the one that is.",
        _set_current(namespace, found.current, max(found.idle.values())),
    )


def in_full(idle: Mapping[str, Version]) -> str:
    """List workers, each with its version."""
    return ", ".join(f"{identity} ({version})" for identity, version in sorted(idle.items()))


def _set_current(namespace: str, current: Version, wanted: Version) -> str:
    build = f"--build-id {shlex.quote(wanted.build_id)}" if wanted.deployment else "--unversioned"
    name = shlex.quote(wanted.deployment or current.deployment)
    return f"temporal worker deployment set-current-version --namespace {shlex.quote(namespace)} --deployment-name {name} {build}"
