"""All checks, put to Temporal, Kubernetes and the CSI endpoint at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from mooring.checks.csi import CsiChecks
from mooring.checks.kubernetes import KubernetesChecks
from mooring.checks.results import Answer, CheckReport, Question, Result, failed, ok, put
from mooring.checks.temporal import TemporalChecks
from mooring.process.clock import utc_now
from mooring.settings import InvalidSettings, misspelt, read_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from temporalio.client import Client

    from mooring.checks.rights import Account
    from mooring.kubernetes.api import KubernetesApi

CONFIGURATION: Final = "Configuration"


@dataclass(frozen=True, slots=True)
class Asked:
    """The scope of the checks, and the way to its parts. `csi_endpoint` is "" for none, `account` None for the user."""

    driver: str
    task_queue: str
    temporal: Callable[[], Awaitable[Client]]
    kubernetes: Callable[[], Awaitable[KubernetesApi]]
    csi_endpoint: str = ""
    account: Account | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Settings` that come before the environment's."""
    environ: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], datetime] = utc_now


async def check_everything(asked: Asked) -> CheckReport:
    """Put every question; those of one server one after the other."""
    kubernetes = KubernetesChecks(asked.kubernetes, asked.driver, asked.account)
    try:
        answered = await asyncio.gather(*(put(questions) for questions in groups(asked, kubernetes)))
    finally:
        await kubernetes.close()
    checks = tuple(chain.from_iterable(answered))
    return CheckReport(ok=all(check.result is not Result.FAILED for check in checks), checks=checks)


def groups(asked: Asked, kubernetes: KubernetesChecks) -> Sequence[Sequence[Question]]:
    """Return all questions, grouped by the server that answers them."""

    async def configured() -> Answer:
        return _configured(asked.settings, asked.environ)

    return (
        [Question(CONFIGURATION, "configuration", "The MOORING_* settings are valid", configured)],
        TemporalChecks(asked.temporal, asked.driver, asked.task_queue, asked.now).questions(),
        kubernetes.questions(),
        CsiChecks(asked.csi_endpoint, asked.driver).questions(),
    )


def _configured(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Answer:
    try:
        read_settings(**settings)
    except InvalidSettings as error:
        return failed(str(error), "Correct the variable; docs/settings.md lists all.")
    wrong = " ".join(misspelt(environ))
    return failed(wrong, "Correct the name; docs/settings.md lists all.") if wrong else ok()
