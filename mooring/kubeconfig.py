"""Where the API server is and who we are there: from a kubeconfig, or from the Pod this runs in.

Contract: an explicit kubeconfig (a path, several joined by `:`, or its content) comes first, then KUBECONFIG, then the Pod's
service account. ~/.kube/config is not looked at unless it is named: a worker must not end up in whatever cluster was used last.
Tokens are loaded again each minute, from files and exec plugins alike; client certificates are read once.

Invariant: no error shows a kubeconfig's content, and none has a cause that does.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, Final

from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from mooring import __version__
from mooring.apiserver import KubernetesApi
from mooring.errors import KubernetesUnavailable, MooringError
from mooring.proxies import proxy_for

RELOAD: Final = 60.0

Kubeconfig = str | Path | Mapping[str, Any] | None
Load = Callable[[Configuration], Awaitable[None]]


class KubernetesNotConfigured(MooringError):
    """Nothing says which API server to use, or what says so can't be read."""

    grpc_code: ClassVar[str] = "FAILED_PRECONDITION"
    advice: ClassVar[str] = "Set KUBECONFIG to a kubeconfig that kubectl takes, run in a Pod, or set MOORING_KUBERNETES=off."


async def connect(kubeconfig: Kubeconfig, environ: Mapping[str, str], timeout: float) -> KubernetesApi:
    """The API server that the kubeconfig, or else the environment, names. Nothing is sent yet. `timeout`: seconds a request.

    Raises:
        KubernetesNotConfigured: there is none, or its kubeconfig can't be read.

    """
    # NB: aiohttp would read proxies and ~/.netrc by itself, the latter for the API server's host too, at every request.
    configuration = Configuration(client_session_kwargs={"trust_env": False, "auto_decompress": False})
    source = kubeconfig or environ.get("KUBECONFIG")
    if source:
        await _use_kubeconfig(configuration, source)
    else:
        _use_pod(configuration, environ)
    configuration.proxy = configuration.proxy or proxy_for(configuration.host, environ)
    client = ApiClient(configuration)
    client.user_agent = f"mooring/{__version__}"
    return KubernetesApi(client, timeout)


async def _use_kubeconfig(configuration: Configuration, source: str | Path | Mapping[str, Any]) -> None:
    named = "that was passed in" if isinstance(source, Mapping) else str(source)
    try:
        load = _loader(source)
        await load(configuration)
    except Exception as error:
        # NB: the library stumbles over a bad file with whatever exception, and its messages quote entries with their tokens.
        why = "there is no such file" if _absent(source) else type(error).__name__
        raise KubernetesNotConfigured(f"The kubeconfig {named} can't be used ({why}).") from None
    configuration.refresh_api_key_hook = _reload(load)  # type: ignore[assignment] # the library types it as None


def _absent(source: str | Path | Mapping[str, Any]) -> bool:
    return not isinstance(source, Mapping) and not any(map(os.path.exists, str(source).split(os.pathsep)))


def _loader(source: str | Path | Mapping[str, Any]) -> Load:
    """What reads the source and sets host and credentials of a configuration, each time it is called."""

    async def load(configuration: Configuration) -> None:
        merged = dict(source) if isinstance(source, Mapping) else KubeConfigMerger(str(source)).config
        await KubeConfigLoader(config_dict=merged, config_base_path=None).load_and_set(configuration)

    return load


def _reload(load: Load) -> Callable[[Configuration], Awaitable[None]]:
    loaded = monotonic()

    async def hook(configuration: Configuration) -> None:
        nonlocal loaded
        if monotonic() - loaded < RELOAD:
            return
        try:
            await load(configuration)
        except Exception as error:
            raise KubernetesUnavailable(f"The kubeconfig can't be loaded again ({type(error).__name__}).") from None
        loaded = monotonic()

    return hook


def _use_pod(configuration: Configuration, environ: Mapping[str, str]) -> None:
    loader = incluster_config.InClusterConfigLoader(
        incluster_config.SERVICE_TOKEN_FILENAME, incluster_config.SERVICE_CERT_FILENAME, environ=environ
    )
    try:
        loader.load_and_set(configuration)
    except (ConfigException, OSError) as error:
        raise KubernetesNotConfigured(f"KUBECONFIG isn't set, and this is no Pod with a service account: {error}") from None
