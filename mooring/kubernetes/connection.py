"""The connection to an API server: its address and the credentials, from a kubeconfig or from the Pod this runs in.

Contract: an explicit kubeconfig (a path, several joined by `:`, or its content) comes first, then KUBECONFIG, then the Pod's
service account. ~/.kube/config is not read unless it is named: a worker must not end up in whatever cluster was used last.

Not kept here: the meaning of a kubeconfig and the renewal of credentials (credentials/).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Final

from mooring.kubernetes.api import KubernetesApi
from mooring.kubernetes.credentials.connections import Connections
from mooring.kubernetes.credentials.errors import KubernetesNotConfigured as KubernetesNotConfigured  # callers know it from here
from mooring.kubernetes.credentials.logins import SERVICE_ACCOUNT, KubeconfigLogins, Logins, PodLogins
from mooring.kubernetes.credentials.renewal import Clock, Renewal
from mooring.process.clock import utc_now

Kubeconfig = str | Path | Mapping[str, Any] | None


CLOCK: Final = Clock(utc_now, monotonic)


async def connect(
    kubeconfig: Kubeconfig,
    environ: Mapping[str, str],
    timeout: float,
    *,
    context: str = "",
    clock: Clock = CLOCK,
    service_account: Path = SERVICE_ACCOUNT,
) -> KubernetesApi:
    """Open the API server that the kubeconfig, or else the environment, names; nothing is sent yet. `timeout`: seconds a request.

    `context` is the kubeconfig's to use, "" for its current one.

    Raises:
        KubernetesNotConfigured: there is none, or its configuration can't be used.

    """
    source = kubeconfig or environ.get("KUBECONFIG")
    if context and not source:
        raise KubernetesNotConfigured(f"Context {context} is asked for, and no kubeconfig is named: set KUBECONFIG.")
    logins: Logins = KubeconfigLogins(source, environ, clock.now, context) if source else PodLogins(service_account, environ)
    logins.prepare()
    return KubernetesApi(Connections(Renewal(logins, environ, clock)), timeout)
